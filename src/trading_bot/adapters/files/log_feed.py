"""Logs as a feed: the records they hold, as they are, with or without the minutes that are not to be trusted."""

from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trading_bot._fast.spans import count_kind, market_only
from trading_bot.adapters.files.recognise import normal_date
from trading_bot.core.documents import RunDocuments
from trading_bot.core.honesty import flagged_spans, honesty_of
from trading_bot.core.log_reader import LogReader, TickSpan
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.events import HistoryLoaded, RunStarted
from trading_bot.domain.honesty import MinuteHonesty
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.records import FRAME_ALIGN, FRAME_HEADER, REJECTED_RECORD, FrameKind, RejectReason
from trading_bot.domain.units import NS_PER_S

_REASON = 11  # in a rejected record


class LogFeed:
    """The market records of one run's logs, in their order, each exactly as it was recorded.

    They have passed the door once: nothing is checked or inferred again. What only told the time is left out, as a
    run over files keeps the time by its records.
    """

    def __init__(
        self,
        logs: Sequence[Path],
        instrument: Instrument,
        *,
        recorded_id: int,
        resolution_ns: int,
        history: Sequence[HistoryLoaded],
        without: Sequence[tuple[int, int]],
        description: dict[str, Any],
    ) -> None:
        """`recorded_id` is the instrument of the records; they are handed out as `instrument`'s.

        `without`: receive times (begin, end) whose records are withheld.
        """
        self.description = description
        self.resolution_ns = resolution_ns
        self.history = history
        self._instrument = instrument
        self._recorded_id = recorded_id
        self._without = array("q", [ts_ns for span in without for ts_ns in span])
        self._rejected: dict[str, int] = {}
        self._records = self._read(logs)
        self._held: memoryview | None = None

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Values that were refused when the log was made, by the name of the reason; of what was handed out."""
        return dict(self._rejected)

    def first_ts_ns(self) -> int | None:
        """Receive time of the record `read` gives next, ns UTC; None when there is none. Raises as `read`."""
        self._held = self.read()
        if self._held is None:
            return None
        ts_ns: int = FRAME_HEADER.unpack_from(self._held)[7]
        return ts_ns

    def read(self) -> memoryview | None:
        """The next batch of whole 64-byte tick records; None at the end.

        Raises:
            LogCorrupt: a damaged record, once everything before it was handed out.
        """
        if self._held is not None:
            held, self._held = self._held, None
            return held
        batch = next(self._records, None)
        return None if batch is None else memoryview(batch)

    def skip_records(self, count: int) -> None:
        """Pass over the first `count` records, which another log already holds.

        Raises:
            UsageError: the logs hold fewer: they are not what that log was made from.
        """
        left = count
        while left > 0:
            batch = self.read()
            if batch is None:
                raise UsageError(
                    f"the input holds {count - left} records, the log already {count}: give the logs it was made from, "
                    "or a new --data-dir"
                )
            have = len(batch) // FRAME_ALIGN
            if have > left:
                self._held = batch[left * FRAME_ALIGN :]
            left -= min(have, left)

    def _read(self, logs: Sequence[Path]) -> Iterator[bytes]:
        for log in logs:
            with LogReader(log) as reader:
                for item in reader.spans():
                    if not isinstance(item, TickSpan):
                        continue
                    records = item.buffer[: item.count * FRAME_ALIGN]
                    chosen = market_only(records, self._recorded_id, self._without, self._instrument.id)
                    if chosen:
                        self._count_refused(chosen)
                        yield chosen

    def _count_refused(self, records: bytes) -> None:
        if not count_kind(records, FrameKind.REJECTED):
            return
        for row in REJECTED_RECORD.iter_unpack(records):
            if row[3] == FrameKind.REJECTED:
                name = RejectReason(row[_REASON]).name
                self._rejected[name] = self._rejected.get(name, 0) + 1


def open_logs(
    paths: Sequence[Path], instrument: Instrument, *, date: str | None = None, exclude_flagged: bool = False
) -> LogFeed:
    """A run's folder, or one of its logs, as a feed of `instrument`; `date` chooses the sessions of one trade date.

    Every minute is judged first: how many are flagged, and which, stands in the feed's description. `exclude_flagged`
    withholds their records.

    Raises:
        UsageError: several inputs, no such date, another product, or nothing to judge the minutes by that are to go.
        DataCorrupt: a log is damaged, or is none from its beginning.
    """
    if len(paths) != 1:
        raise UsageError("--input takes one log, or the folder of one run, and nothing beside it")
    logs = [(log, started, history) for log in session_logs(paths[0]) for started, history in _begun(log)]
    if date is not None:
        wanted = int(normal_date(date))
        held = sorted({started.trade_date for _, started, _ in logs})
        logs = [row for row in logs if row[1].trade_date == wanted]
        if not logs:
            raise UsageError(f"--date {date}: {paths[0]} holds {', '.join(map(str, held)) or 'no session'}")
    if not logs:
        raise UsageError(f"{paths[0]} ends before its first record: there is nothing to read")
    documents = RunDocuments.unpack(logs[0][1].documents, where="record 1")
    market = documents.market_instrument
    if (market.underlying, market.tick_size_e9) != (instrument.underlying, instrument.tick_size_e9):
        raise UsageError(
            f"{paths[0]}: holds {market.symbol}, not {instrument.symbol}: run with --instrument {market.symbol}"
        )
    minutes = [minute for log, _, _ in logs for minute in _judged(log)]
    if exclude_flagged and all(minute.score is None for minute in minutes):
        raise UsageError(
            f"--exclude-flagged: {paths[0]} holds nothing to judge its minutes by: only a log of --adapter ibkr with "
            "ibkr.witness has; leave the option out"
        )
    return LogFeed(
        [log for log, _, _ in logs],
        instrument,
        recorded_id=market.id,
        resolution_ns=documents.resolution_ns,
        history=logs[0][2],
        without=flagged_spans(minutes) if exclude_flagged else (),
        description=_description(logs, market, documents, minutes, excluded=exclude_flagged),
    )


def _begun(log: Path) -> Iterator[tuple[RunStarted, list[HistoryLoaded]]]:
    """How a log begins, with the history before its first tick; nothing of one that was cut before its first record."""
    started, history = None, []
    with LogReader(log) as reader:
        for item in reader.spans():
            if isinstance(item, TickSpan):
                break
            record = log_records.decode(item.payload)
            if isinstance(record, RunStarted):
                started = record
            elif isinstance(record, HistoryLoaded):
                history.append(record)
            if started is None:
                raise DataCorrupt(f"{log}: does not begin with RUN_STARTED: this is not the beginning of a log")
    if started is not None:
        yield started, history


def _judged(log: Path) -> list[MinuteHonesty]:
    with LogReader(log) as reader:
        return honesty_of(reader.spans())


def _description(
    logs: Sequence[tuple[Path, RunStarted, list[HistoryLoaded]]],
    market: Instrument,
    documents: RunDocuments,
    minutes: Sequence[MinuteHonesty],
    *,
    excluded: bool,
) -> dict[str, Any]:
    states = [minute.state for minute in minutes]
    return {
        "inputs": [
            {"name": log.name, "run_id": started.run_id, "trade_date": started.trade_date, "format": "log"}
            for log, started, _ in logs
        ],
        "instrument": market.symbol,
        "contract": documents.feed.get("contract", ""),
        "resolution_ns": documents.resolution_ns,
        "minutes": {state: states.count(state) for state in ("ok", "flagged", "unwitnessed")},
        "flagged_minutes": [_clock(minute.begin_ns) for minute in minutes if minute.flagged],
        "flagged_excluded": excluded,
    }


def _clock(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // NS_PER_S, tz=UTC).strftime("%Y-%m-%dT%H:%MZ")
