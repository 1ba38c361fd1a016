"""Where a run's market data come from: files or a simulated market, with its calendar and its history."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.files import CsvColumns, open_files, read_columns
from trading_bot.adapters.files.log_feed import open_logs
from trading_bot.adapters.history import holds_logs
from trading_bot.config_files import RunOptions
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import ConfigError, UsageError
from trading_bot.domain.events import HistoryLoaded
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session import SessionTable

if TYPE_CHECKING:
    from trading_bot.adapters.sim.faults import Fault
    from trading_bot.broker_source import BrokerSource

START_DEFAULT: Final = "2026-11-25T14:20:00Z"
# A run that is told to end flattens in the market that goes on.
_AFTER_END_NS: Final = 1_800 * NS_PER_S
_BATCH_RECORDS: Final = 4_096
_BATCH_PACED: Final = 64
_FAULT_PARTS: Final = (3, 4)
# Sessions embedded around the first record: history looks back 20 sessions, a run may last two years.
_DAYS_BEFORE: Final = 40
_DAYS_AFTER: Final = 520


class OpenFeed(Protocol):
    """A feed that says when it begins."""

    @property
    def resolution_ns(self) -> int:
        """Step of the event stamps."""

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Records refused at the door, by reason."""

    @property
    def description(self) -> dict[str, Any]:
        """What it reads."""

    def first_ts_ns(self) -> int | None:
        """Receive time of the first record; None without any."""

    def read(self) -> memoryview | None:
        """The next batch, None at the end."""

    def skip_records(self, count: int) -> None:
        """Pass over records a log already holds."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A market ready to be read. `kind_of` is what must be equal for a cut run to be continued.

    `history` fetches bars of earlier sessions; a run that goes on with a warm kernel does not ask. `broker` is what a
    market at a broker brings besides.
    """

    feed: OpenFeed
    first_ts_ns: int | None
    calendar: str
    history: Callable[[], Sequence[HistoryLoaded]]
    kind_of: dict[str, Any]
    bytes_total: int
    broker: "BrokerSource | None" = None


def open_source(options: RunOptions, instrument: Instrument) -> Source:
    """Open what the options name.

    Raises:
        BotError: the source, its calendar or its history cannot be used; the message says what to do.
    """
    config = options.loaded.config
    table = load_calendar(config.session.calendar, options.data_dir)
    if config.run.adapter == "sim":
        return _simulated(options, config, instrument, table)
    if config.run.adapter == "ibkr":
        return _at_broker(options, instrument, table)
    feed: OpenFeed
    history: Sequence[HistoryLoaded] = ()
    if any(holds_logs(path) for path in options.inputs if path.is_dir()):
        logs = open_logs(options.inputs, instrument, date=options.date, exclude_flagged=options.exclude_flagged)
        feed, history = logs, logs.history
    elif options.exclude_flagged:
        raise UsageError(
            "--exclude-flagged needs a log as --input: only a log says what the broker told of its minutes"
        )
    else:
        feed = open_files(list(options.inputs), instrument, date=options.date, columns=_columns(options.columns))
    first_ns = feed.first_ts_ns()
    if options.history and first_ns is not None:
        from trading_bot.adapters.history import history_events, history_from_paths

        sessions = history_from_paths(
            options.history,
            instrument,
            calendar=table,
            before_ns=first_ns,
            columns=_columns(options.columns),
        )
        history = history_events(sessions, first_ns)
    return Source(
        feed=feed,
        first_ts_ns=first_ns,
        calendar=_calendar_around(table, first_ns),
        history=lambda: history,
        kind_of={
            "inputs": [str(path.resolve()) for path in options.inputs],
            "date": options.date,
            "feed": feed.description,
            "history": [str(path.resolve()) for path in options.history],
        },
        bytes_total=sum(path.stat().st_size for path in options.inputs if path.is_file()),
    )


def _simulated(options: RunOptions, config: BotConfig, instrument: Instrument, table: SessionTable) -> Source:
    # Imported here: a run over files should not pay for them at its start.
    from trading_bot.adapters.sim.history import sim_history
    from trading_bot.adapters.sim.market import SimFeed
    from trading_bot.adapters.sim.pace import PacedFeed

    start_ns = parse_start(options.start or START_DEFAULT)
    duration_ns = None if options.duration_s is None else round(options.duration_s * NS_PER_S)
    if duration_ns is None:
        day = table.trading_day(start_ns)
        if day is None:
            raise UsageError(f"--start {options.start}: the calendar does not know this date; see docs/calendar.md")
        duration_ns = day.globex_close_ns - start_ns
    feed = SimFeed(
        instrument,
        table,
        seed=options.seed or 0,
        start_ns=start_ns,
        duration_ns=duration_ns + _AFTER_END_NS,
        faults=[parse_fault(text) for text in config.simulator.faults],
        batch_records=_BATCH_RECORDS if options.speed is None else _BATCH_PACED,
    )
    first_ns = feed.first_ts_ns()
    days = config.simulator.history_sessions
    history = sim_history(feed, table, days, first_ns) if days and first_ns is not None else ()
    described = {name: value for name, value in feed.description.items() if name != "duration_ns"}
    return Source(
        feed=feed if options.speed is None else PacedFeed(feed, options.speed),
        first_ts_ns=first_ns,
        calendar=_calendar_around(table, first_ns),
        history=lambda: history,
        kind_of={"feed": described, "history_sessions": days},
        bytes_total=0,
    )


def _at_broker(options: RunOptions, instrument: Instrument, table: SessionTable) -> Source:
    from trading_bot.broker_source import open_broker  # the client library loads numpy

    broker = open_broker(options, instrument, table)
    first_ns = broker.feed.first_ts_ns()
    return Source(
        feed=broker.feed,
        first_ts_ns=first_ns,
        calendar=_calendar_around(table, first_ns),
        history=broker.history,
        kind_of=broker.kind_of,
        bytes_total=0,
        broker=broker,
    )


def parse_fault(text: str) -> "Fault":
    """A fault as the configuration writes it: kind, time, seconds (0: one record), and a size where the kind has one.

    Raises:
        UsageError: not such a text.
    """
    from trading_bot.adapters.sim.faults import Fault, FaultKind

    parts = text.split()
    try:
        if len(parts) not in _FAULT_PARTS:
            raise ValueError(f"{len(parts)} parts")
        size = int(parts[3]) if len(parts) == _FAULT_PARTS[1] else 0
        return Fault(FaultKind(parts[0]), parse_start(parts[1]), round(float(parts[2]) * NS_PER_S), size)
    except ValueError as error:
        kinds = ", ".join(FaultKind)
        raise ConfigError(
            f"simulator.faults: {text!r} is no fault ({error}); expected KIND TIME SECONDS [SIZE], "
            f"such as 'STALL 2026-11-25T15:10:00Z 12', KIND one of {kinds}"
        ) from error


def parse_start(text: str) -> int:
    """A time of `--start`, ISO 8601, as ns since the epoch; without an offset it is UTC.

    Raises:
        UsageError: not a time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--start {text!r} is no time: expected ISO 8601 such as {START_DEFAULT}") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    elapsed = moment - epoch
    return (elapsed.days * 86_400 + elapsed.seconds) * NS_PER_S + elapsed.microseconds * 1_000


def _columns(path: Path | None) -> CsvColumns | None:
    return None if path is None else read_columns(path)


def _calendar_around(table: SessionTable, first_ns: int | None) -> str:
    """The rows a run embeds; empty when the source says no time, or a time behind the table."""
    day = table.trading_day(first_ns) if first_ns is not None else None
    if day is None and first_ns is not None:
        # Data that begin before the table reach it later; data beyond it stay unknown, and the core says so.
        first = table.days_from(0, 1)[0]
        day = first if first_ns < first.globex_open_ns else None
    if day is None:
        return ""
    before = table.days_before(day.trade_date, _DAYS_BEFORE)
    start = before[0].trade_date if before else day.trade_date
    return table.extract(start, len(before) + _DAYS_AFTER)
