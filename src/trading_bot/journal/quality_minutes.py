"""How good the data were, minute by minute, from one session's log (docs/journal.md)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from trading_bot.core.documents import RunDocuments
from trading_bot.core.honesty import HonestyJudge
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.domain import log_records
from trading_bot.domain.events import OutcomeReached, QualityStateChanged, RunEnded, RunStarted, StateCarried
from trading_bot.domain.honesty import MINUTE_NS, MinuteHonesty
from trading_bot.domain.records import FRAME_ALIGN, FrameKind
from trading_bot.reports.day_records import Point
from trading_bot.reports.day_series import ExecutionScore

_RECORD: Final = np.dtype(
    {
        "names": ["kind", "instrument", "ts_ns"],
        "formats": ["u1", "<u2", "<i8"],
        "offsets": [16, 18, 24],  # of TICK_RECORD
        "itemsize": FRAME_ALIGN,
    }
)
_BATCH_TICKS: Final = 1 << 16
_COUNTED: Final = {"quotes": FrameKind.QUOTE, "prints": FrameKind.TRADE, "rejected": FrameKind.REJECTED}


class QualityMinute(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One minute of one log; `minute_ns` is where it begins. Scores in hundredths.

    `quotes`, `prints` and `rejected` are records of the market that decides. `dvs_min_c` is the lowest data score that
    was told in it, `dvs_last_c` the one last told by its end, `eqs_min_c` the lowest execution score. `data_down`: at
    some time in it. `honesty` 0 to 100 and `lots_missing` as in docs/parity.md. None: nothing tells.
    """

    minute_ns: int
    quotes: int
    prints: int
    rejected: int
    dvs_min_c: int | None
    dvs_last_c: int | None
    eqs_min_c: int | None
    data_down: bool
    honesty: int | None
    lots_missing: int | None


class _Scores(msgspec.Struct):
    """What the log told about the data in one minute."""

    low_c: int | None = None
    last_c: int | None = None
    down: bool = False  # at some time
    down_last: bool = False  # at its end


class _Walk:
    """Takes a log in, record by record."""

    def __init__(self) -> None:
        self.judge = HonestyJudge()
        self.execution = ExecutionScore()
        self.market_id = 0
        self.counts: dict[int, dict[str, int]] = {}
        self.scores: dict[int, _Scores] = {}
        self.down = False
        self.first_ns = self.last_ns = 0
        self._pending: list[bytes] = []
        self._pending_ticks = 0

    def ticks(self, buffer: memoryview, count: int) -> None:
        self._pending.append(bytes(buffer))
        self._pending_ticks += count
        if self._pending_ticks >= _BATCH_TICKS:
            self.flush()

    def flush(self) -> None:
        if not self._pending:
            return
        records = np.frombuffer(b"".join(self._pending), dtype=_RECORD)
        self._pending, self._pending_ticks = [], 0
        self._seen(int(records["ts_ns"][0]))
        self._seen(int(records["ts_ns"][-1]))
        if self.market_id:
            records = records[records["instrument"] == self.market_id]
        for name, kind in _COUNTED.items():
            minutes, numbers = np.unique(records["ts_ns"][records["kind"] == kind] // MINUTE_NS, return_counts=True)
            for minute, number in zip(minutes.tolist(), numbers.tolist(), strict=True):
                row = self.counts.setdefault(minute * MINUTE_NS, dict.fromkeys(_COUNTED, 0))
                row[name] += number

    def message(self, frame: MessageFrame) -> None:
        record = log_records.decode(frame.payload)
        self._seen(frame.ts_ns)
        self.execution.observe(record)
        match record:
            case RunStarted():
                documents = RunDocuments.unpack(record.documents, where=record.run_id)
                self.market_id = documents.market_instrument.id
            case StateCarried():
                self._carried(record.state)
            case RunEnded():
                self._carried(record.carried)
            case OutcomeReached():
                self._told(record.ts_ns, record.dvs_c)
            case QualityStateChanged():
                self._told(record.ts_ns, record.dvs_c, down=record.data_down)
            case _:
                pass

    def _carried(self, state: bytes) -> None:
        self.execution.carried(msgspec.msgpack.decode(state) if state else {})

    def _told(self, ts_ns: int, dvs_c: int, *, down: bool | None = None) -> None:
        found = self.scores.setdefault(_minute(ts_ns), _Scores(down=self.down, down_last=self.down))
        found.low_c = dvs_c if found.low_c is None else min(found.low_c, dvs_c)
        found.last_c = dvs_c
        if down is not None:
            self.down = found.down_last = down
            found.down |= down

    def _seen(self, ts_ns: int) -> None:
        self.first_ns = min(self.first_ns or ts_ns, ts_ns)
        self.last_ns = max(self.last_ns, ts_ns)


def quality_minutes(log: Path) -> list[QualityMinute]:
    """Every minute in which the market moved, the kernel told a score, or the broker a bar; ascending.

    A torn tail is read up to its last good record.

    Raises:
        LogCorrupt: a damaged record.
    """
    walk = _Walk()
    with LogReader(log) as reader:
        for item in reader.spans():
            walk.judge.take(item)
            if isinstance(item, MessageFrame):
                walk.message(item)
            else:
                walk.ticks(item.buffer, item.count)
    walk.flush()
    honesty = {minute.begin_ns: minute for minute in walk.judge.minutes()}
    every = sorted({*walk.counts, *walk.scores, *honesty})
    lows = _lowest(walk.execution.points(walk.first_ns, walk.last_ns), every)
    return _rows(walk, every, honesty, lows)


def _rows(
    walk: _Walk, every: Sequence[int], honesty: dict[int, MinuteHonesty], lows: Sequence[int | None]
) -> list[QualityMinute]:
    rows, last_c, down = [], None, False
    nothing = dict.fromkeys(_COUNTED, 0)
    for minute_ns, low_c in zip(every, lows, strict=True):
        told, judged = walk.scores.get(minute_ns, _Scores(down=down, down_last=down)), honesty.get(minute_ns)
        last_c = told.last_c if told.last_c is not None else last_c
        down = told.down_last
        rows.append(
            QualityMinute(
                minute_ns=minute_ns,
                **walk.counts.get(minute_ns, nothing),
                dvs_min_c=told.low_c,
                dvs_last_c=last_c,
                eqs_min_c=low_c,
                data_down=told.down,
                honesty=None if judged is None else judged.score,
                lots_missing=None if judged is None or judged.score is None else judged.lots_missing,
            )
        )
    return rows


def _lowest(points: Sequence[Point], minutes: Sequence[int]) -> list[int | None]:
    """The lowest value in each minute of a curve of steps, each valid until the next."""
    lows: list[int | None] = []
    at, value = 0, None
    for begin_ns in minutes:
        while at < len(points) and points[at].ts_ns <= begin_ns:
            value, at = points[at].value, at + 1
        low = value
        while at < len(points) and points[at].ts_ns < begin_ns + MINUTE_NS:
            value, at = points[at].value, at + 1
            low = value if low is None else min(low, value)
        lows.append(None if low is None else round(low))
    return lows


def _minute(ts_ns: int) -> int:
    return ts_ns - ts_ns % MINUTE_NS
