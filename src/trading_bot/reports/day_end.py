"""The end of a trading day, from its logs alone (MO06): is it flat, what came of it, why not more, and what is next.

Money, trades and decisions come from `reports.trade_facts`, as everywhere; position and orders from
`reports.standing`; breakers, learning and the account from what the last log hands on.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core.carried import Carried
from trading_bot.core.documents import RunDocuments
from trading_bot.domain.errors import LogCorrupt, UsageError
from trading_bot.domain.events import ProcessStarted, QualityStateChanged, RunEnded, RunStarted, SessionChanged
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.learning import LearningState
from trading_bot.domain.orders import Side
from trading_bot.domain.reasons import Action
from trading_bot.domain.reconciling import ReconciliationDone
from trading_bot.domain.trade_events import StopResident
from trading_bot.engines.session import SessionState
from trading_bot.reports import day_end_changes
from trading_bot.reports.day_end_records import (
    BookDay,
    Count,
    DayEnd,
    LearningLine,
    Records,
    RunLine,
    StandingBreaker,
    Stray,
    Tally,
    TradeLine,
)
from trading_bot.reports.day_tables import MEANINGS
from trading_bot.reports.fact_records import DecisionFact, Facts, FillFact, SessionFact, TradeFact
from trading_bot.reports.next_session import next_session
from trading_bot.reports.standing import Standing, standing_of
from trading_bot.reports.trade_facts import logs_below, of_log, opening_of, read_facts

_DAYS_BACK: Final = 5  # an evening, a weekend and a holiday
_Book = tuple[str, str, str]  # mode, adapter, instrument


def read_day_end(
    path: Path | str | Sequence[Path | str],
    *,
    trade_date: int | None = None,
    mode: str | None = None,
    live: bool = False,
) -> DayEnd:
    """The end of the day in a log, a run's folder, a data directory, or several of them.

    `trade_date` (yyyymmdd) chooses the day; without it the newest on which entries were open or something filled is
    taken, for a bot that ends in the evening has begun the log of the next session already. `mode` leaves out the other
    modes. `live`: a process may be writing, and the day is told as far as it has come.

    Raises:
        UsageError: no log there, or none of that day and mode.
        LogCorrupt: a damaged record, or one that this version does not know.
    """
    begun = begun_logs(path, mode=mode)
    dates = sorted({started.trade_date for _, started in begun})
    wanted = max(dates, default=0) if trade_date is None else trade_date
    found = _newest(begun, dates, live=live) if trade_date is None else day_end_of(begun, wanted, live=live)
    if not found.books:
        of_mode = f" in mode {mode}" if mode else ""
        where = path if isinstance(path, str | Path) else ", ".join(map(str, path))
        raise UsageError(f"{where}: no log of trade date {wanted or '(any)'}{of_mode}; found dates {dates or 'none'}")
    return found


def _newest(begun: Sequence[tuple[Path, RunStarted]], dates: Sequence[int], *, live: bool) -> DayEnd:
    """The newest day on which there was anything to do, else the newest."""
    found = [day_end_of(begun, dates[-1], live=live)] if dates else [DayEnd(trade_date=0, books=())]
    for trade_date in reversed(dates[-_DAYS_BACK:-1]):
        if found[-1].traded:
            break
        found.append(day_end_of(begun, trade_date, live=live))
    return found[-1] if found[-1].traded else found[0]


def begun_logs(
    path: Path | str | Sequence[Path | str], *, mode: str | None = None, unread: list[str] | None = None
) -> list[tuple[Path, RunStarted]]:
    """The logs that hold a record, each with its first; of one `mode` where that is given.

    `unread` takes the names of logs that cannot be read, with the reason; without it they are refused.

    Raises:
        UsageError: no log there.
        LogCorrupt: a damaged first record, and nobody takes its name.
    """
    begun = []
    for log in logs_below(path):
        try:
            started = opening_of(log)
        except LogCorrupt as error:
            if unread is None:
                raise of_log(log, error) from error
            unread.append(str(of_log(log, error)))
            continue
        if started is not None and mode in (None, started.mode):
            begun.append((log, started))
    return begun


def day_end_of(begun: Sequence[tuple[Path, RunStarted]], trade_date: int, *, live: bool = False) -> DayEnd:
    """The end of one day; without any book where none of the logs is of it.

    Raises:
        LogCorrupt: a damaged record, or one that this version does not know.
    """
    books: dict[_Book, list[tuple[int, Path, RunStarted]]] = {}
    for log, started in begun:
        if started.trade_date == trade_date:
            key = (started.mode, started.adapter, started.instrument)
            books.setdefault(key, []).append((started.ts_ns, log, started))
    days = [_book(*key, sorted(logs, key=lambda row: row[:2]), live=live) for key, logs in books.items()]
    # Real money first; among the others the order of the modes' names.
    return DayEnd(trade_date=trade_date, books=tuple(sorted(days, key=lambda book: (book.hypothetical, book.mode))))


def _book(
    mode: str, adapter: str, instrument: str, logs: Sequence[tuple[int, Path, RunStarted]], *, live: bool
) -> BookDay:
    paths = [log for _, log, _ in logs]
    standings = _that_count([_standing(log, live=live) for log in paths])
    facts = read_facts(paths, live=live)
    hypothetical = logs[-1][2].hypothetical
    trades = facts.entered(hypothetical=hypothetical)
    total = tally("all", trades)
    held, documents = _handed_on(facts), _documents(facts, logs)
    ledger = held.ledger if held is not None else None
    other = facts.entered(hypothetical=not hypothetical)
    notes = [*facts.notes, *([f"{len(other)} trades of the other kind of fill are not counted"] if other else [])]
    return BookDay(
        mode=mode,
        adapter=adapter,
        instrument=instrument,
        tick_size_points=instrument_by_symbol(instrument).tick_size_points,
        hypothetical=hypothetical,
        runs=_runs(facts.sessions),
        standings=standings,
        total=total,
        late_commission_uusd=total.net_uusd - facts.net_uusd(hypothetical=hypothetical),
        stray=_stray(facts.stray_fills),
        entries_open=any(
            isinstance(one.record, SessionChanged) and one.record.state == SessionState.ENTRIES
            for one in facts.told("SESSION_CHANGED")
        ),
        fills=sum(row.counted for row in facts.fills),
        orders=len(facts.orders),
        decisions=len(facts.decisions),
        trades=tuple(_line(row) for row in trades),
        by_template=_grouped(trades, lambda row: row.template),
        by_exit=_grouped(trades, lambda row: row.exit_reason),
        skips=_skips(facts.decisions),
        skips_by_template=_skips_by_template(facts.decisions),
        refusals=_counted((name, row.log, row.seq) for row in facts.refusals for name in row.failed),
        comparisons=_comparisons(facts),
        alerts=day_end_changes.alerts(facts),
        learning=day_end_changes.learning(facts),
        breakers=day_end_changes.breakers(facts),
        trouble=day_end_changes.trouble(facts),
        learning_states=_learning_states(held, hypothetical=hypothetical),
        breakers_standing=_breakers_standing(held),
        kill_reason=(held.kill_reason or "") if held is not None else "",
        data_down_ns=_data_down_ns(facts),
        naked_ns_max=max(
            (one.record.naked_ns for one in facts.told("STOP_RESIDENT") if isinstance(one.record, StopResident)),
            default=0,
        ),
        equity_uusd=None if ledger is None or ledger.account is None else ledger.account.equity_uusd(0),
        next_session=next_session(documents, logs[-1][2].trade_date),
        notes=tuple(notes),
    )


def _standing(log: Path, *, live: bool) -> Standing:
    try:
        return standing_of(log, live=live)
    except LogCorrupt as error:
        raise of_log(log, error) from error


def _that_count(standings: Sequence[Standing]) -> tuple[Standing, ...]:
    """At a broker its newest word is what stands; a simulated exchange ends with each run, and has to end flat."""
    newest: dict[str, Standing] = {}
    for one in standings:
        newest["broker" if one.at_broker else one.run_id] = one
    return tuple(newest.values())


def _runs(sessions: Sequence[SessionFact]) -> tuple[RunLine, ...]:
    grouped: dict[str, list[SessionFact]] = {}
    for row in sessions:
        grouped.setdefault(row.run_id, []).append(row)
    return tuple(
        RunLine(
            run_id=run_id,
            logs=tuple(row.log for row in rows),
            ts_first_ns=rows[0].ts_first_ns,
            ts_last_ns=rows[-1].ts_last_ns,
            restarts=sum(row.restarts for row in rows),
            exit_reason=rows[-1].exit_reason,
            config_hash=rows[-1].config_hash,
            records=sum(row.records for row in rows),
        )
        for run_id, rows in grouped.items()
    )


# --- money -----------------------------------------------------------------------------------------------------------


def tally(name: str, trades: Iterable[TradeFact]) -> Tally:
    """What these trades come to."""
    rows = list(trades)
    return Tally(
        name=name,
        trades=len(rows),
        wins=sum(row.win for row in rows),
        gross_uusd=sum(row.gross_uusd for row in rows),
        commission_uusd=sum(row.commission_uusd for row in rows),
        records=records_of((row.log, row.closed_seq) for row in rows),
    )


def _stray(fills: Sequence[FillFact]) -> Stray:
    lots = cash_uusd = 0
    for row in fills:
        bought = row.qty if row.side is Side.BUY else -row.qty
        lots += bought
        cash_uusd -= bought * row.price_ticks * row.tick_value_uusd + row.commission_uusd
    return Stray(
        fills=len(fills),
        net_uusd=None if lots else cash_uusd,
        records=records_of((row.log, row.seq) for row in fills),
    )


def _line(row: TradeFact) -> TradeLine:
    return TradeLine(
        log=row.log,
        seq=row.closed_seq,
        trade_id=row.trade_id,
        template=row.template,
        side=row.side,
        qty=row.qty,
        entry_ts_ns=row.entry_ts_ns,
        exit_ts_ns=row.exit_ts_ns,
        entry_ticks=row.entry_ticks,
        exit_ticks=row.exit_ticks,
        exit_reason=row.exit_reason,
        slippage_ticks=row.slippage_ticks,
        gross_uusd=row.gross_uusd,
        commission_uusd=row.commission_uusd,
    )


def _grouped(trades: Iterable[TradeFact], name_of: Callable[[TradeFact], str]) -> tuple[Tally, ...]:
    groups: dict[str, list[TradeFact]] = {}
    for row in trades:
        groups.setdefault(name_of(row) or "-", []).append(row)
    return tuple(tally(name, rows) for name, rows in sorted(groups.items()))


def records_of(found: Iterable[tuple[str, int]]) -> Records:
    """Numbers of records by their log, ascending."""
    by_log: dict[str, list[int]] = {}
    for log, seq in found:
        by_log.setdefault(log, []).append(seq)
    return {log: tuple(sorted(set(seqs))) for log, seqs in by_log.items()}


# --- why not ---------------------------------------------------------------------------------------------------------


def _counted(
    found: Iterable[tuple[str, str, int]], meaning_of: Callable[[str], str] = lambda _name: ""
) -> tuple[Count, ...]:
    """By name, the most frequent first."""
    places: dict[str, list[tuple[str, int]]] = {}
    for name, log, seq in found:
        places.setdefault(name, []).append((log, seq))
    counts = [
        Count(name=name, count=len(rows), meaning=meaning_of(name), records=records_of(rows))
        for name, rows in places.items()
    ]
    return tuple(sorted(counts, key=lambda row: (-row.count, row.name)))


def _meaning(reason: str) -> str:
    """A reason in words; one that names a check of the safety gate says so."""
    check = reason.removeprefix("SAFETY_GATE_")
    known = MEANINGS.get(reason, "")
    return known or (f"the safety gate would refuse: {check.lower().replace('_', ' ')}" if check != reason else "")


def _skips(decisions: Sequence[DecisionFact]) -> tuple[Count, ...]:
    return _counted(((row.reason, row.log, row.seq) for row in decisions if row.action == Action.SKIP), _meaning)


def _skips_by_template(decisions: Sequence[DecisionFact]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in decisions:
        if row.action == Action.SKIP:
            counts = found.setdefault(row.template or "-", {})
            counts[row.reason] = counts.get(row.reason, 0) + 1
    return {
        name: dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        for name, counts in sorted(found.items())
    }


def _comparisons(facts: Facts) -> tuple[Count, ...]:
    """What comparisons with the broker found, row by row (specification 12)."""
    rows = []
    for one in facts.told("RECONCILIATION_DONE"):
        if isinstance(one.record, ReconciliationDone):
            rows += [(finding.row.value, one.log, one.seq) for finding in one.record.findings]
    return _counted(rows)


# --- what stands at the end ------------------------------------------------------------------------------------------


def _handed_on(facts: Facts) -> Carried | None:
    """What the newest log hands to the next; None where it has no orderly end."""
    newest = facts.sessions[-1].log
    ends = [one.record for one in facts.told("RUN_ENDED") if one.log == newest]
    if not ends or not isinstance(ends[-1], RunEnded) or not ends[-1].carried:
        return None
    return msgspec.msgpack.decode(ends[-1].carried, type=Carried)


def _documents(facts: Facts, logs: Sequence[tuple[int, Path, RunStarted]]) -> RunDocuments:
    """The documents in force at the end."""
    _, log, started = logs[-1]
    packed = started.documents
    for one in facts.told("PROCESS_STARTED"):
        if one.log == str(log) and isinstance(one.record, ProcessStarted) and one.record.documents:
            packed = one.record.documents
    return RunDocuments.unpack(packed, where=str(log))


def _learning_states(held: Carried | None, *, hypothetical: bool) -> tuple[LearningLine, ...]:
    if held is None or held.learning is None:
        return ()
    rows = [row for row in held.learning["rows"] if row["hypothetical"] is hypothetical]
    return tuple(
        LearningLine(template=row["template"], state=LearningState(row["state"]).value, since_ns=row["since_ns"])
        for row in sorted(rows, key=lambda row: str(row["template"]))
    )


def _breakers_standing(held: Carried | None) -> tuple[StandingBreaker, ...]:
    if held is None:
        return ()
    return tuple(
        StandingBreaker(
            breaker=trip.breaker.value,
            since_ns=trip.tripped_at_ns,
            resumes_at_ns=trip.resumes_at_ns,
            reason=trip.reason,
        )
        for trip in held.ledger.breakers.trips
    )


def _data_down_ns(facts: Facts) -> int:
    """How long data were down, each log by itself: one that ends so ends the stretch."""
    ends = {row.log: row.ts_last_ns for row in facts.sessions}
    total, since = 0, dict[str, int]()
    for one in facts.told("QUALITY_STATE_CHANGED"):
        if not isinstance(one.record, QualityStateChanged):
            continue
        if one.record.data_down:
            since.setdefault(one.log, one.record.ts_ns)
        elif one.log in since:
            total += one.record.ts_ns - since.pop(one.log)
    return total + sum(ends[log] - begun for log, begun in since.items())
