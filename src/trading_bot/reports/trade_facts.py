"""The facts of trading from logs: the one place that reads trades, orders, fills and decisions out of a log.

    facts = read_facts("data")                    # every run of a data directory
    facts = read_facts("data/runs/20261125T142000Z-6a73", trade_date=20261125)

Messages only: nothing is replayed, market records are skipped. Journal, analytics, reports and the ledger of a day are
built on this, so that their sums agree. The values stand in `fact_records`.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from trading_bot.core.log_reader import LogReader, MessageFrame, segment_paths
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.effects import Effect
from trading_bot.domain.errors import LogCorrupt, UsageError
from trading_bot.domain.events import Event, RunStarted
from trading_bot.reports.fact_reader import KEPT, FactReader, tag_of
from trading_bot.reports.fact_records import Facts, FillFact, OrderFact, SessionFact, TradeFact

__all__ = [
    "KEPT",
    "Facts",
    "FillFact",
    "OrderFact",
    "SessionFact",
    "TradeFact",
    "decode_message",
    "logs_below",
    "of_log",
    "opening_of",
    "read_facts",
    "tag_of",
]


def read_facts(path: Path | str | Sequence[Path | str], *, trade_date: int | None = None, live: bool = False) -> Facts:
    """What the logs at `path` say: one session's log, a run's folder, a data directory or its `runs`, or several.

    Logs are read in order of the time they begin at; `trade_date` (yyyymmdd) takes those of one day. A torn tail is
    read up to its last good record. `live`: a process may be writing, and the end is where it stands.

    Raises:
        UsageError: no log there, or none of `trade_date`.
        LogCorrupt: a damaged record, or one that this version does not know.
    """
    logs = logs_below(path)
    begun = [(started.ts_ns, place, log, started) for place, log in enumerate(logs) if (started := _named_opening(log))]
    chosen = sorted(row for row in begun if trade_date in (None, row[3].trade_date))
    if not chosen:
        dates = sorted({started.trade_date for *_, started in begun})
        wanted = "a record" if trade_date is None else f"the trade date {trade_date}"
        raise UsageError(f"{_named(path)}: found logs of {dates or 'no day'}, expected one with {wanted}")
    reader = FactReader()
    reader.notes += [f"{log} holds no record" for log in logs if log not in {row[2] for row in begun}]
    for _, _, log, started in chosen:
        try:
            _read(reader, log, started, live=live)
        except LogCorrupt as error:
            raise of_log(log, error) from error
    return reader.facts()


def _read(reader: FactReader, log: Path, started: RunStarted, *, live: bool) -> None:
    reader.begin(str(log), log.name, started)
    with LogReader(log, live=live) as source:
        ticks = 0
        for item in source.spans():
            if isinstance(item, MessageFrame):
                reader.take(item.seq, item.cause_seq, item.cls, decode_message(item, log))
            else:
                ticks += item.count
        reader.end(records=source.last_seq, ticks=ticks, torn_bytes=source.torn_bytes)


def of_log(log: Path, error: LogCorrupt) -> LogCorrupt:
    """Damage with the log's name, for there may be many; as it is where it has the name."""
    if str(log) in str(error):
        return error
    return LogCorrupt(f"{log}: {error}", segment=error.segment, offset=error.offset, seq=error.seq)


def logs_below(path: Path | str | Sequence[Path | str]) -> list[Path]:
    """The session logs at `path`: a log, a run's folder, a data directory (its `runs`), or several of them.

    Raises:
        UsageError: no log at one of the paths.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    if not paths:
        raise UsageError("no log was named; expected a run's folder, a session's log or a data directory")
    found = [log for folder in paths for log in _logs_of(Path(folder))]
    return list(dict.fromkeys(found))


def _named(path: Path | str | Sequence[Path | str]) -> str:
    """Paths for people."""
    return str(path) if isinstance(path, str | Path) else ", ".join(str(one) for one in path)


def _logs_of(folder: Path) -> list[Path]:
    runs = folder / "runs" if (folder / "runs").is_dir() else folder
    if not runs.is_dir() or segment_paths(runs):
        return session_logs(runs)
    inner = sorted(entry for entry in runs.iterdir() if entry.is_dir())
    if any(segment_paths(entry) for entry in inner):
        return session_logs(runs)
    below = [log for entry in inner for log in sorted(entry.iterdir()) if log.is_dir() and segment_paths(log)]
    if not below:
        raise UsageError(
            f"{folder} holds no log: expected a data directory with runs/, the folder of a run, or a session's log "
            "with seg-000001.tbl in it"
        )
    return below


def _named_opening(log: Path) -> RunStarted | None:
    try:
        return opening_of(log)
    except LogCorrupt as error:
        raise of_log(log, error) from error


def opening_of(log: Path) -> RunStarted | None:
    """The first record of a log; None for one that was cut before it.

    Raises:
        LogCorrupt: it is another record, or damaged.
    """
    with LogReader(log) as reader:
        first = next(iter(reader.spans(max_ticks=1)), None)
        if first is None:
            return None
        record = decode_message(first, log) if isinstance(first, MessageFrame) else None
        if not isinstance(record, RunStarted):
            raise LogCorrupt(f"{log}: found no RUN_STARTED in front", segment=log.name, offset=0, seq=1)
        return record


def decode_message(frame: MessageFrame, log: Path) -> Event | Effect:
    """The record of a message.

    Raises:
        LogCorrupt: this version does not know it.
    """
    try:
        return log_records.decode(frame.payload)
    except msgspec.DecodeError as error:
        raise LogCorrupt(
            f"{log}: record {frame.seq} does not decode: {error}; was the log written by a newer version?",
            segment=log.name,
            offset=0,
            seq=frame.seq,
        ) from error
