"""The only place that builds the object graph: options in, a finished run out. The mode table is architecture 7.

| mode    | feed  | stamps   | sink                                                        | orders leave? |
|---------|-------|----------|-------------------------------------------------------------|---------------|
| OBSERVE | files | recorded | shadow broker: acknowledges, never fills                    | never         |
| REPLAY  | log   | recorded | compare with the recorded effects                           | never         |
"""

import fcntl
import os
import signal
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from trading_bot import log_setup
from trading_bot.adapters.files import CsvColumns, FileFeed, open_files, read_columns
from trading_bot.build_digest import build_digest
from trading_bot.config_files import RunOptions
from trading_bot.core import replay as replay_module
from trading_bot.core.documents import RunDocuments
from trading_bot.core.opening import RunIdentity
from trading_bot.core.recovery import Recovered, recover_run, unfinished
from trading_bot.core.run_logs import FolderLogs
from trading_bot.core.runner import BotRunner
from trading_bot.core.shadow_broker import ShadowBroker
from trading_bot.core.summarize import summarize
from trading_bot.domain.effects import Alert, Effect
from trading_bot.domain.errors import ConfigError, DataCorrupt, UsageError
from trading_bot.domain.events import DecisionMade, Event, SafetyVerdict
from trading_bot.domain.instruments import Instrument, instrument_by_symbol
from trading_bot.domain.reasons import Action
from trading_bot.domain.summary import ReplayReport, RunSummary
from trading_bot.engines.session import SessionTable, overrides_from, parse_calendar

_ROOT: Final = Path(__file__).resolve().parents[2]
_MIB: Final = 1024 * 1024
_ATTRIBUTE_FILE: Final = "run.json"
# Sessions embedded around the first record: history looks back 20 sessions, a run may last two years.
_DAYS_BEFORE: Final = 40
_DAYS_AFTER: Final = 520


def run(options: RunOptions) -> RunSummary:
    """Run to the end and summarise.

    Raises:
        BotError: with the exit code of its kind; what was processed before is in the log.
    """
    with _writable(options.data_dir):
        options.data_dir.mkdir(parents=True, exist_ok=True)
    with _only_bot(options.data_dir):
        return _run_locked(options)


def replay(path: Path, until_seq: int | None = None) -> ReplayReport:
    """Replay a run's logs, or one of them, and compare every effect.

    Raises:
        UsageError: no log there.
        LogCorrupt: a damaged record.
    """
    return replay_module.replay(path, build=build_digest(), until_seq=until_seq)


def _run_locked(options: RunOptions) -> RunSummary:
    config = options.loaded.config
    instrument = instrument_by_symbol(config.run.instrument)
    feed = open_files(list(options.inputs), instrument, date=options.date, columns=_columns(options.columns))
    documents = _documents(options, instrument, feed)
    build = build_digest()
    broker = ShadowBroker()
    attributes = _attributes(options, feed)
    found = _find_unfinished(options.data_dir, attributes)
    recovered: Recovered | None = None
    if found is None:
        run_id = options.run_id
        folder = options.data_dir / "runs" / run_id
        with _writable(options.data_dir):
            folder.mkdir(parents=True)
            _write_atomic(folder / _ATTRIBUTE_FILE, attributes)
    else:
        folder, run_id = found, found.name
        log_setup.bind_ids(run_id=run_id)
        recovered = recover_run(folder, build=build, config_hash=documents.config_hash, broker=broker)
        log_setup.get_logger().warning(
            "run_continued",
            run=run_id,
            last_seq=recovered.player.last_seq,
            torn_bytes=recovered.torn_bytes,
            recovery="full" if recovered.full else "facts",
        )
        if not recovered.full:
            broker = ShadowBroker()
    logs = FolderLogs(
        folder, run_id=run_id, segment_bytes=config.log.segment_mib * _MIB, sync_s=config.log.sync_ms / 1000
    )
    progress = options.progress
    total = sum(path.stat().st_size for path in options.inputs if path.is_file())
    runner = BotRunner(
        documents,
        feed=feed,
        broker=broker,
        logs=logs,
        identity=RunIdentity(run_id=run_id, mode=config.run.mode, adapter=config.run.adapter, build=build),
        recovered=recovered,
        duration_s=options.duration_s,
        on_record=_log_record,
        on_progress=None if progress is None else lambda records: progress(records, max(total, records)),
    )
    started_s = time.perf_counter()
    with _orderly_signals(runner):
        runner.run()
    return summarize(runner, log_path=folder, wall_s=time.perf_counter() - started_s)


def _columns(path: Path | None) -> CsvColumns | None:
    return None if path is None else read_columns(path)


def _documents(options: RunOptions, instrument: Instrument, feed: FileFeed) -> RunDocuments:
    config = options.loaded.config
    table = load_calendar(config.session.calendar, options.data_dir)
    first_ns = feed.first_ts_ns()
    day = table.trading_day(first_ns) if first_ns is not None else None
    calendar = ""
    if day is None and first_ns is not None:
        # Data that begin before the table reach it later; data beyond it stay unknown, and the core says so.
        first = table.days_from(0, 1)[0]
        day = first if first_ns < first.globex_open_ns else None
    if day is not None:
        before = table.days_before(day.trade_date, _DAYS_BEFORE)
        start = before[0].trade_date if before else day.trade_date
        calendar = table.extract(start, len(before) + _DAYS_AFTER)
    return RunDocuments(
        config=config,
        templates=options.loaded.templates,
        instrument=instrument,
        calendar=calendar,
        resolution_ns=feed.resolution_ns,
        feed=feed.description,
    )


def load_calendar(name: str, data_dir: Path) -> SessionTable:
    """The session table with its overrides (`<name>_overrides.toml` beside it), from the data directory or shipped.

    Raises:
        ConfigError: no such file, or a file that does not parse. Without a calendar there are no entries, so it is
        not guessed.
    """
    folders = [data_dir / "calendars", Path.cwd() / "data" / "calendars", _ROOT / "data" / "calendars"]
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if found is None:
        places = ", ".join(str(folder) for folder in folders)
        raise ConfigError(f"session.calendar: no file {name} in {places}; generate it with tools/make_calendar.py")
    table = parse_calendar(found.read_text(encoding="utf-8"), source=str(found))
    overrides = found.with_name(f"{found.stem}_overrides.toml")
    if not overrides.is_file():
        return table
    try:
        document = tomllib.loads(overrides.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{overrides}: not valid TOML: {error}") from error
    return table.with_overrides(overrides_from(document, source=str(overrides)))


def _attributes(options: RunOptions, feed: FileFeed) -> dict[str, Any]:
    """What must be equal for a cut run to be continued instead of a new one begun."""
    settings = options.loaded.config.run
    return {
        "mode": settings.mode,
        "adapter": settings.adapter,
        "instrument": settings.instrument,
        "inputs": [str(path.resolve()) for path in options.inputs],
        "date": options.date,
        "feed": feed.description,
    }


def _find_unfinished(data_dir: Path, attributes: dict[str, Any]) -> Path | None:
    """The newest run of the same kind, when it was cut; an older one is history."""
    runs = data_dir / "runs"
    if not runs.is_dir():
        return None
    wanted = orjson.loads(orjson.dumps(attributes, default=str))
    for folder in sorted((entry for entry in runs.iterdir() if entry.is_dir()), reverse=True):
        described = folder / _ATTRIBUTE_FILE
        if not described.is_file():
            continue
        try:
            held = orjson.loads(described.read_bytes())
        except orjson.JSONDecodeError as error:
            raise DataCorrupt(
                f"{described}: not valid JSON ({error}); remove the folder or restore the file"
            ) from error
        if held == wanted:
            return folder if unfinished(folder) else None
    return None


def _write_atomic(path: Path, document: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def _writable(data_dir: Path) -> Iterator[None]:
    """A data directory that takes no files is the operator's to choose again, not a bug of ours.

    Raises:
        UsageError: what the system refused, and where.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or data_dir
        raise UsageError(
            f"--data-dir {data_dir}: cannot write {where}: {error.strerror}; name a folder on a disk with room"
        ) from error


@contextmanager
def _only_bot(data_dir: Path) -> Iterator[None]:
    """One bot per data directory.

    Raises:
        UsageError: another process runs there.
    """
    with _writable(data_dir):
        lock = (data_dir / "bot.lock").open("a")
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another bot runs in {data_dir}; stop it first, or give this one its own --data-dir"
            ) from error
        yield


@contextmanager
def _orderly_signals(runner: BotRunner) -> Iterator[None]:
    """SIGINT and SIGTERM ask for an orderly end; the signal handlers of before come back afterwards."""

    def ask(number: int, _frame: object) -> None:
        runner.stop_asked = signal.Signals(number).name

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log_record(number: int, record: Event | Effect) -> None:
    """Diagnostic lines for what a person looks for: entries, refusals, alerts. Skips are in the event log."""
    logger = log_setup.get_logger()
    if isinstance(record, Alert):
        emit = {"warning": logger.warning, "error": logger.error, "critical": logger.critical}
        emit.get(record.level, logger.info)("alert", code=record.code, text=record.text, ts_ns=record.ts_ns)
    elif isinstance(record, DecisionMade):
        if record.action == Action.ENTER:
            logger.info("decision", decision_id=number, ts_ns=record.ts_ns, text=record.text, on_console=False)
    elif isinstance(record, SafetyVerdict):
        order_id = "-".join(map(str, record.order_id))
        emit_verdict = logger.warning if record.failed else logger.info
        emit_verdict(record.verdict, order_id=order_id, ts_ns=record.ts_ns, detail=record.detail, on_console=False)
