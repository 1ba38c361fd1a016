"""Three witnesses of when the market is open: the calendar table, the broker's hours, the observed tape (NV09).

Pure functions of what was told and counted. A witness that says nothing does not disagree; two that disagree stop
entries, and the way to flat follows the earlier close of the two. Times in ns UTC.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from trading_bot.domain.quorum_config import QuorumConfig
from trading_bot.domain.session_events import ToldHours
from trading_bot.domain.units import NS_PER_S, iso_from_ns
from trading_bot.engines.session import SessionDay, SessionState, continuous_trading

_BUSY_LOOKS: Final = 2  # in a row with trades: the market trades, whatever was said before


class Dispute(StrEnum):
    """What the witnesses disagree about, or the broker says of a halt; each stops entries while it stands."""

    HOURS_DIFFER = "HOURS_DIFFER"  # calendar and broker
    TAPE_SILENT = "TAPE_SILENT"  # both say open, nothing trades
    TAPE_WHILE_SHUT = "TAPE_WHILE_SHUT"  # both say shut, and it trades
    HALTED = "HALTED"  # the broker's word, until the tape trades again
    ONE_SIDED = "ONE_SIDED"  # quotes come and none has two sides: a price limit, or a market that stands still


_HALTS: Final = (Dispute.HALTED, Dispute.ONE_SIDED)


class Counts(msgspec.Struct, frozen=True, gc=False):
    """Records the kernel has taken so far."""

    quotes: int = 0
    trades: int = 0
    refused: int = 0


class Tape(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the looks at the tape have found.

    `expected_open` is what calendar and broker said at the newest look, since `expected_ns`; `traded_ns` is the newest
    look that found trades, or could not tell; `busy_looks` counts those with trades in a row.
    """

    counts: Counts = Counts()
    expected_open: bool = False
    expected_ns: int = 0
    traded_ns: int = 0
    busy_looks: int = 0
    silent: bool = False
    one_sided: bool = False
    while_shut: bool = False


class Quorum(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The witnesses besides the table. `told` has an entry per trade date the broker spoke of; none: it has not."""

    told: tuple[ToldHours, ...] = ()
    expiry: int = 0
    halt: int = 0
    tape: Tape | None = None
    disputes: tuple[Dispute, ...] = ()

    def facts(self) -> dict[str, Any]:
        """For a digest; empty where nothing was told, so that runs without a broker have the digests they had."""
        return {} if self == NOTHING_TOLD else {"quorum": msgspec.to_builtins(self)}


NOTHING_TOLD: Final = Quorum()


def told_of(quorum: Quorum, trade_date: int) -> ToldHours | None:
    """The broker's hours of a trade date; None where it said nothing, and for the contract's last day, which is cut."""
    if quorum.expiry and trade_date >= quorum.expiry:
        return None
    return next((row for row in quorum.told if row.trade_date == trade_date), None)


def difference(day: SessionDay, told: ToldHours | None) -> str:
    """How the broker's hours differ from the table's, as a sentence; empty where they agree, or nothing was told."""
    if told is None or told.spans == _spans(day):
        return ""
    return (
        f"trade date {day.trade_date}: the broker's hours are {_text(told.spans)}, the calendar's {_text(_spans(day))}"
    )


def narrowed(day: SessionDay, told: ToldHours | None) -> SessionDay:
    """The day with the earlier of the two closes: whoever is wrong, the way to flat ends before the market does.

    A close that is not after the open says nothing about this session; a date the broker calls shut keeps the table's.
    """
    if told is None or not told.spans:
        return day
    close_ns = told.spans[-1][1]
    if not day.globex_open_ns < close_ns < day.globex_close_ns:
        return day
    rth_open_ns, rth_close_ns = day.rth_open_ns, day.rth_close_ns
    if rth_open_ns is not None and rth_close_ns is not None:
        if rth_open_ns < close_ns:
            rth_close_ns = min(rth_close_ns, close_ns)
        else:
            rth_open_ns = rth_close_ns = None
    return SessionDay(
        trade_date=day.trade_date,
        globex_open_ns=day.globex_open_ns,
        globex_close_ns=close_ns,
        rth_open_ns=rth_open_ns,
        rth_close_ns=rth_close_ns,
        breaks=tuple((start_ns, min(end_ns, close_ns)) for start_ns, end_ns in day.breaks if start_ns < close_ns),
    )


def expected_open(day: SessionDay, told: ToldHours | None, ts_ns: int) -> bool | None:
    """What calendar and broker say together; None where they do not say the same of this moment."""
    ours = continuous_trading(day, ts_ns)
    if told is None:
        return ours
    theirs = any(open_ns <= ts_ns < close_ns for open_ns, close_ns in told.spans)
    return ours if ours == theirs else None


def look(
    before: Tape | None,
    counts: Counts,
    config: QuorumConfig,
    *,
    expected: bool | None,
    regular: bool,
    seeing: bool,
    ts_ns: int,
) -> Tape:
    """The tape after one more look.

    `expected` as of `expected_open`; `regular`: within regular hours; `seeing`: the link is up, the data are live and
    the broker tells no halt, without which silence proves nothing.
    """
    if before is None:
        return Tape(counts=counts, expected_open=bool(expected), expected_ns=ts_ns, traded_ns=ts_ns)
    trades = max(counts.trades - before.counts.trades, 0)
    quotes = max(counts.quotes - before.counts.quotes, 0)
    refused = max(counts.refused - before.counts.refused, 0)
    is_open = bool(expected)
    since_ns = before.expected_ns if is_open == before.expected_open else ts_ns
    blind = not seeing or expected is None
    traded_ns = ts_ns if trades or blind or not is_open else before.traded_ns
    busy_looks = before.busy_looks + 1 if trades else 0
    patience_ns = (config.silent_rth_s if regular else config.silent_s) * NS_PER_S
    silent = is_open and not blind and ts_ns - max(traded_ns, since_ns) >= patience_ns
    if before.silent and is_open and busy_looks < _BUSY_LOOKS:
        silent = True
    one_sided = is_open and seeing and quotes == 0 and refused >= config.refused_quotes_min
    if before.one_sided and is_open and not quotes:
        one_sided = True
    settled = ts_ns - since_ns >= config.shut_grace_s * NS_PER_S
    while_shut = expected is False and settled and trades >= config.shut_trades_min
    if before.while_shut and not (is_open and busy_looks >= _BUSY_LOOKS):
        while_shut = True
    return Tape(
        counts=counts,
        expected_open=is_open,
        expected_ns=since_ns,
        traded_ns=traded_ns,
        busy_looks=busy_looks,
        silent=silent,
        one_sided=one_sided,
        while_shut=while_shut,
    )


def disputes(quorum: Quorum, day: SessionDay | None) -> tuple[Dispute, ...]:
    """What stops entries now. `day` is the table's, None for a date it does not know, which stops them by itself."""
    if day is None:
        return ()
    tape = quorum.tape or Tape()
    rows = (
        (Dispute.HOURS_DIFFER, bool(difference(day, told_of(quorum, day.trade_date)))),
        (Dispute.TAPE_SILENT, tape.silent),
        (Dispute.TAPE_WHILE_SHUT, tape.while_shut),
        (Dispute.HALTED, quorum.halt > 0 and tape.busy_looks < _BUSY_LOOKS),
        (Dispute.ONE_SIDED, tape.one_sided),
    )
    return tuple(name for name, stands in rows if stands)


def verdict(now: SessionState, found: Sequence[Dispute]) -> SessionState:
    """The state of the session with its witnesses heard: a dispute takes the place of ENTRIES and of nothing else."""
    if now is not SessionState.ENTRIES or not found:
        return now
    return SessionState.HALTED if any(one in _HALTS for one in found) else SessionState.DISPUTED


def _spans(day: SessionDay) -> tuple[tuple[int, int], ...]:
    """The table's day as the broker writes it: cut at its breaks."""
    edges = [day.globex_open_ns, *(at for pair in day.breaks for at in pair), day.globex_close_ns]
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def _text(spans: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{iso_from_ns(open_ns)} to {iso_from_ns(close_ns)}" for open_ns, close_ns in spans) or "shut"
