"""The honesty of recorded ticks, minute by minute: prints against the broker's bars and the session's volume (NV10).

Bars and prints carry the exchange's second, so a bar is compared with the prints of its own five seconds. A print that
was stamped into the neighbouring bar is no error of the data: lots missing in one bar and too many in the next cancel.
"""

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from trading_bot._fast.prints import PrintTally
from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import MessageFrame, TickSpan
from trading_bot.domain import log_records
from trading_bot.domain.errors import LogCorrupt
from trading_bot.domain.events import RunStarted
from trading_bot.domain.honesty import FLAG_BELOW, MINUTE_NS, MinuteHonesty, score_of
from trading_bot.domain.records import FRAME_ALIGN, FRAME_HEADER
from trading_bot.domain.units import NS_PER_S
from trading_bot.domain.witness_events import MarketWitnessed

BAR_NS: Final = 5 * NS_PER_S
_FORGIVEN: Final = 60  # a sample of the volume may be a second old: that part of a minute's lots is no loss
_TS_NS: Final = 7  # in a frame's header
_NOTHING: Final = (0, 0, 0, 0, 0)
_BASE: Final = 3  # samples that only say where a session begins: prints of the first packet may be ahead of its volume
_LOOK_BACK: Final = 12  # samples of the volume, a minute of them: how far it may lag behind the prints
Row = tuple[int, int, int, int, int]  # lots, prints, lowest, highest, refused lots
_TAG: Final = b"MARKET_WITNESSED"  # what is none of these need not be decoded
_START_TAG: Final = b"RUN_STARTED"


class _Bar(msgspec.Struct):
    """One bar against its prints: lots of the prints less lots of the bar, and the ticks that only one of them has."""

    begin_ns: int
    volume: int
    difference: int
    ticks_unseen: int


class HonestyJudge:
    """Takes a log in, record by record, and judges its minutes at the end."""

    def __init__(self) -> None:
        """Nothing is taken yet; the log's first record says whose ticks count."""
        self._tally: PrintTally | None = None
        self._bars: dict[int, MarketWitnessed] = {}
        self._samples: list[list[tuple[int, int]]] = []  # by session: when, volume told less lots seen by then
        self._told: deque[tuple[int, int]] = deque()  # volumes not compared yet: when, how much
        self._volume = 0
        self._last_ns = 0

    def take(self, item: TickSpan | MessageFrame) -> None:
        """The next part of the log."""
        if isinstance(item, TickSpan):
            if self._tally is not None:
                records = item.buffer[: item.count * FRAME_ALIGN]
                self._tally.take(records)
                self._last_ns = FRAME_HEADER.unpack_from(records, (item.count - 1) * FRAME_ALIGN)[_TS_NS]
                self._measure(self._last_ns)
            return
        self._last_ns = max(self._last_ns, item.ts_ns)
        payload = bytes(item.payload)
        if _TAG in payload or (self._tally is None and _START_TAG in payload):
            record = log_records.decode(payload)
            if isinstance(record, RunStarted):
                documents = RunDocuments.unpack(record.documents, where=f"record {item.seq}")
                self._tally = PrintTally(documents.market_instrument.id, BAR_NS)
            elif isinstance(record, MarketWitnessed):
                self._witness(record)

    def _witness(self, record: MarketWitnessed) -> None:
        if self._tally is None or record.instrument_id != self._tally.instrument:
            return
        if record.bar_begin_ns:
            self._bars[record.bar_begin_ns] = record
        if record.session_volume >= 0:
            self._told.append((record.session_volume_ns, record.session_volume))

    def _measure(self, before_ns: int) -> None:
        """Compare volumes told before a time with the prints received by then.

        What came in one packet has one receive time, and the log has the volume before the prints of that packet: so
        prints up to a later time have to be taken first.
        """
        while self._told and self._told[0][0] < before_ns:
            at_ns, volume = self._told.popleft()
            if volume < self._volume or not self._samples:
                self._samples.append([])  # another session's volume begins
            self._volume = volume
            assert self._tally is not None
            samples = self._samples[-1]
            if samples and samples[-1][0] == at_ns:  # of one packet: only the last one has all its prints before it
                samples.pop()
            if lots := self._tally.lots_until(at_ns):  # else the prints have not begun: no loss, and no measure of one
                samples.append((at_ns, volume - lots))

    def minutes(self) -> list[MinuteHonesty]:
        """Every minute in which there was a print, a bar, or volume that nobody saw; ascending."""
        if self._tally is None:
            return []
        self._measure(self._last_ns + 1)
        rows: dict[int, Row] = self._tally.rows()
        seen: dict[int, list[int]] = {}  # by minute: lots, prints, refused lots
        for begin_ns, (lots, prints, _low, _high, refused) in rows.items():
            minute = seen.setdefault(_minute(begin_ns), [0, 0, 0])
            for at, value in enumerate((lots, prints, refused)):
                minute[at] += value
        bars: dict[int, list[_Bar]] = {}
        for bar in _compared(self._counted(rows), rows):
            bars.setdefault(_minute(bar.begin_ns), []).append(bar)
        lost = _lost(self._samples)
        every = sorted({*seen, *bars, *(minute for minute, lots in lost.items() if lots)})
        return [_judged(at, seen.get(at, [0, 0, 0]), bars.get(at, []), lost.get(at)) for at in every]

    def _counted(self, rows: Mapping[int, Row]) -> list[MarketWitnessed]:
        """The bars that the prints of the log can be held to: not the first, which began before anybody listened.

        Prints are asked for at the same moment as bars. The last bars may end after the log's last print.
        """
        if not self._bars:
            return []
        first_ns = min(self._bars) + BAR_NS
        prints_ns = min(rows, default=0) + BAR_NS
        if prints_ns - first_ns <= MINUTE_NS:  # else there were none although the market traded
            first_ns = max(first_ns, prints_ns)
        last_ns = self._last_ns - 2 * BAR_NS
        return [bar for begin_ns, bar in sorted(self._bars.items()) if first_ns <= begin_ns <= last_ns]


def honesty_of(items: Iterable[TickSpan | MessageFrame]) -> list[MinuteHonesty]:
    """The minutes of one session's log, from its first record on, up to a damaged one: whoever reads it is told."""
    judge = HonestyJudge()
    with contextlib.suppress(LogCorrupt):
        for item in items:
            judge.take(item)
    return judge.minutes()


def flagged_spans(minutes: Sequence[MinuteHonesty]) -> list[tuple[int, int]]:
    """Times (begin, end) of the flagged minutes in ns, ascending; neighbours are one span."""
    spans: list[tuple[int, int]] = []
    for minute in minutes:
        if not minute.flagged:
            continue
        end_ns = minute.begin_ns + MINUTE_NS
        if spans and spans[-1][1] == minute.begin_ns:
            spans[-1] = (spans[-1][0], end_ns)
        else:
            spans.append((minute.begin_ns, end_ns))
    return spans


def _minute(ts_ns: int) -> int:
    return ts_ns - ts_ns % MINUTE_NS


def _compared(told: Sequence[MarketWitnessed], rows: Mapping[int, Row]) -> list[_Bar]:
    """Each bar against the prints of its seconds; lots that stand in the bar beside it are neither lost nor extra."""
    volumes = {bar.bar_begin_ns: bar for bar in told}
    bars = [
        _Bar(
            begin_ns=bar.bar_begin_ns,
            volume=bar.volume,
            difference=rows.get(bar.bar_begin_ns, _NOTHING)[0] - bar.volume,
            ticks_unseen=_ticks_unseen(bar, volumes, rows),
        )
        for bar in told
    ]
    for one, other in pairwise(bars):
        if other.begin_ns == one.begin_ns + BAR_NS and one.difference * other.difference < 0:
            moved = min(abs(one.difference), abs(other.difference)) * (1 if one.difference > 0 else -1)
            one.difference -= moved
            other.difference += moved
    return bars


def _ticks_unseen(bar: MarketWitnessed, bars: Mapping[int, MarketWitnessed], rows: Mapping[int, Row]) -> int:
    """Ticks of the bar's range that no print has, and of the prints' that no bar has; the neighbours help both."""
    begins = [bar.bar_begin_ns + step * BAR_NS for step in (-1, 0, 1)]
    prints = [row for row in (rows.get(begin_ns, _NOTHING) for begin_ns in begins) if row[1]]
    unseen = 0
    if bar.volume and prints:
        unseen += max(0, bar.high_ticks - max(row[3] for row in prints))
        unseen += max(0, min(row[2] for row in prints) - bar.low_ticks)
    elif bar.volume:
        unseen += bar.high_ticks - bar.low_ticks
    own = rows.get(bar.bar_begin_ns, _NOTHING)
    told = [one for one in (bars.get(begin_ns) for begin_ns in begins) if one is not None and one.volume]
    if own[1] and told:
        unseen += max(0, own[3] - max(one.high_ticks for one in told))
        unseen += max(0, min(one.low_ticks for one in told) - own[2])
    return unseen


def _lost(sessions: Sequence[Sequence[tuple[int, int]]]) -> dict[int, int]:
    """Lots that the session's volume has and no print, by minute; a minute that is not in it had no sample.

    A sample lags behind the prints, never far, and not always: so a loss is what goes beyond the highest excess of the
    minute before. Over a time without samples it is divided evenly.
    """
    lost: dict[int, int] = {}
    for samples in sessions:
        for at, (ts_ns, excess) in list(enumerate(samples))[_BASE:]:
            before = max(earlier for _, earlier in samples[max(0, at - _LOOK_BACK) : at])
            minutes = list(range(_minute(samples[at - 1][0]), ts_ns + 1, MINUTE_NS))
            share = -(-max(0, excess - before) // len(minutes))
            for minute_ns in minutes:
                lost[minute_ns] = lost.get(minute_ns, 0) + share
    return lost


def _judged(begin_ns: int, seen: Sequence[int], bars: Sequence[_Bar], lost: int | None) -> MinuteHonesty:
    lots, prints, refused = seen
    missing = sum(max(0, -bar.difference) for bar in bars)
    extra = sum(max(0, bar.difference) for bar in bars)
    volume_missing = max(0, (lost or 0) - lots // _FORGIVEN)
    told = max(sum(bar.volume for bar in bars), lots + volume_missing if lost is not None else 0)
    missing = max(missing, volume_missing)
    unseen = max((bar.ticks_unseen for bar in bars), default=0)
    score = None
    if bars or lost is not None:
        score = score_of(lots_told=told, lots_missing=missing, lots_extra=extra, ticks_unseen=unseen)
    return MinuteHonesty(
        begin_ns=begin_ns,
        score=score,
        flagged=score is not None and score < FLAG_BELOW,
        bars=len(bars),
        prints=prints,
        lots_seen=lots,
        lots_told=told,
        lots_missing=missing,
        lots_extra=extra,
        ticks_unseen=unseen,
        volume_missing=volume_missing,
        lots_refused=refused,
    )
