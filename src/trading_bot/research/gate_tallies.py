"""From followed candidates to what each gate saved or cost (docs/gates.md)."""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from trading_bot.domain.config import canonical
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.reasons import GateReason, SafetyCheck
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.research.clustered import clustered_mean
from trading_bot.research.gate_records import ENTERED, Fate, Followed, GateLedger, GateRow, Tally, Verdict

DAYS_MIN: Final = 5  # from here on a day is a group; before, half an hour is
HALF_HOUR_NS: Final = 30 * NS_PER_MIN
# The order in which refusals are listed: that of authority, the safety gate's checks by number in its place.
_ORDER: Final = {
    name: place
    for place, name in enumerate(
        [
            name
            for gate in GateReason
            for name in (
                (gate.name, *(f"SAFETY_GATE_{check.name}" for check in SafetyCheck))
                if gate is GateReason.SAFETY_GATE
                else (gate.name,)
            )
        ]
    )
}


def ledger_of(
    logs: Sequence[tuple[str, int]], instrument: Instrument, rows: Sequence[Followed], *, decisions: int, ticks: int
) -> GateLedger:
    """The ledger of followed candidates, in the order of their logs, each of which comes with its trade date."""
    by_day = len({row.trade_date for row in rows}) >= DAYS_MIN
    group = _day if by_day else _half_hour
    refused = [row for row in rows if row.gate != ENTERED]
    found = {name for row in refused for name in (row.gate, *row.others)}
    names = sorted(found, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    return GateLedger(
        logs=tuple(log for log, _ in logs),
        instrument=instrument.symbol,
        tick_value_uusd=instrument.tick_value_uusd,
        trade_dates=tuple(sorted({date for _, date in logs})),
        decisions=decisions,
        ticks=ticks,
        clustered_by="day" if by_day else "half hour",
        rows=tuple(
            _row(name, refused, group) for name in sorted(names, key=lambda name: (_ORDER.get(name, 999), name))
        ),
        entered=tally([row for row in rows if row.gate == ENTERED], group),
        trades=tuple(rows),
        ledger_digest=hashlib.sha256(canonical(rows)).hexdigest(),
        notes=tuple(_notes(rows)),
    )


def _row(name: str, refused: Sequence[Followed], group: Callable[[Followed], Hashable]) -> GateRow:
    own = [row for row in refused if row.gate == name]
    counted = [row for row in own if row.fate is not Fate.NO_TERMS and not row.delayed]
    first = tally(counted, group)
    return GateRow(
        gate=name,
        saved_uusd=-first.net_uusd,
        said_no=sum(name == row.gate or name in row.others for row in refused),
        delayed=sum(row.delayed and row.fate is not Fate.NO_TERMS for row in own),
        no_terms=sum(row.fate is Fate.NO_TERMS for row in own),
        first=first,
        alone=tally([row for row in counted if row.alone], group),
    )


def tally(rows: Sequence[Followed], group: Callable[[Followed], Hashable]) -> Tally:
    """The sums of a group of candidates; `group` names the trades that are not independent of each other."""
    filled = [row for row in rows if row.fate is Fate.FILLED]
    found = clustered_mean([row.net_uusd for row in filled], [group(row) for row in filled])
    single = one_at_a_time(rows)
    return Tally(
        candidates=len(rows),
        filled=len(filled),
        unfilled=sum(row.fate is Fate.UNFILLED for row in rows),
        unfinished=sum(row.fate is Fate.UNFINISHED for row in rows),
        wins=sum(row.net_uusd > 0 for row in filled),
        gross_ticks=sum(row.gross_ticks for row in filled),
        gross_uusd=sum(row.gross_uusd for row in filled),
        fees_uusd=sum(row.fees_uusd for row in filled),
        net_uusd=sum(row.net_uusd for row in filled),
        mean_uusd=found.mean,
        low_uusd=found.low,
        high_uusd=found.high,
        clusters=found.clusters,
        verdict=_verdict(found.low, found.high),
        single_trades=len(single),
        single_net_uusd=sum(row.net_uusd for row in single),
        seqs=tuple((row.log, row.decision_seq) for row in rows),
    )


def one_at_a_time(rows: Sequence[Followed]) -> list[Followed]:
    """Filled trades of one who holds one position: the next candidate counts once the one before it is over."""
    taken, free_ns = [], 0
    for row in sorted(rows, key=lambda row: row.ts_ns):
        if row.ts_ns < free_ns or row.done_ts_ns is None:
            continue
        free_ns = row.done_ts_ns
        if row.fate is Fate.FILLED:
            taken.append(row)
    return taken


def _verdict(low: float | None, high: float | None) -> Verdict:
    if low is None or high is None or low <= 0 <= high:
        return Verdict.UNTOLD
    return Verdict.SAVED if high < 0 else Verdict.COST


def _day(row: Followed) -> Hashable:
    return row.trade_date


def _half_hour(row: Followed) -> Hashable:
    return row.ts_ns // HALF_HOUR_NS


def _notes(rows: Sequence[Followed]) -> list[str]:
    notes = []
    unfinished = sum(row.fate is Fate.UNFINISHED for row in rows)
    if unfinished:
        notes.append(f"{unfinished} candidates were still working or open where their log ends: they are in no sum")
    return notes
