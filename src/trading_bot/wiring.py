"""The only place that builds the object graph: options in, a finished run out. The mode table is `modes.py`."""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot import companion, log_setup
from trading_bot._fast import ExchangeSim
from trading_bot.adapters.context import ContextInlet
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.build_digest import build_digest
from trading_bot.collector import QuietLogs, collector_restored
from trading_bot.config_files import RunOptions
from trading_bot.config_trail import record_configuration
from trading_bot.core import replay as replay_module
from trading_bot.core.carried import Carried
from trading_bot.core.documents import RunDocuments
from trading_bot.core.earlier_runs import left_behind, rebuild_learning
from trading_bot.core.heartbeat import Heartbeat
from trading_bot.core.opening import RunIdentity
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.core.recovery import Recovered, recover_run
from trading_bot.core.recovery import Sink as SimulatedSink
from trading_bot.core.runner import BotRunner
from trading_bot.core.summarize import summarize
from trading_bot.cores import read_cores
from trading_bot.domain import events
from trading_bot.domain.errors import Halted, UsageError
from trading_bot.domain.events import Input
from trading_bot.domain.instruments import Instrument, instrument_by_symbol
from trading_bot.domain.ports import Broker
from trading_bot.domain.summary import ReplayReport, RunSummary
from trading_bot.engines.exchange_config import exchange_config
from trading_bot.learned_start import with_adopted
from trading_bot.machine_setup import MachinePlan, pinned, plan_machine
from trading_bot.market_sources import Source, open_source
from trading_bot.modes import ModeRow, mode_row
from trading_bot.operator_access import operator_access
from trading_bot.orderly_end import orderly_signals
from trading_bot.run_documents import run_documents
from trading_bot.run_folders import ATTRIBUTE_FILE, RunsBefore, runs_before, write_atomic
from trading_bot.strategy_plugins import offer_installed
from trading_bot.told import Told

_MIB: Final = 1024 * 1024
_SUMMARY_FILE: Final = "summary.json"

offer_installed()


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
    row = mode_row(config.run.mode, config.run.adapter)
    instrument = instrument_by_symbol(config.run.instrument)
    with _writable(options.data_dir):
        heartbeat = Heartbeat(options.data_dir)
    desk = OperatorDesk(options.data_dir, heartbeat)
    _refuse_halted(desk)
    companion.begin(options.data_dir, heartbeat)
    with operator_access(desk):
        return _run_at_source(options, row, instrument, desk, heartbeat)


def _run_at_source(
    options: RunOptions, row: ModeRow, instrument: Instrument, desk: OperatorDesk, heartbeat: Heartbeat
) -> RunSummary:
    config = options.loaded.config
    plan = plan_machine(config.machine, read_cores())
    for sentence in plan.warnings:
        log_setup.get_logger().warning("machine", text=sentence)
    source = open_source(options, instrument)
    with _disconnected(source), pinned(plan):
        companion.describe(options, row, source, heartbeat)
        summary = _run_on(options, row, instrument, desk, source, plan)
    companion.ended(heartbeat, summary)
    return summary


def _run_on(
    options: RunOptions, row: ModeRow, instrument: Instrument, desk: OperatorDesk, source: Source, plan: MachinePlan
) -> RunSummary:
    before = runs_before(options.data_dir, _attributes(options, source))
    options, learned = with_adopted(options, source, before, hypothetical=row.hypothetical)
    config = options.loaded.config
    documents = run_documents(options, source, instrument, learned)
    start = _begin(options, row, source, documents, desk, before)
    with _writable(options.data_dir):
        record_configuration(start.folder, options.loaded, documents.config_hash)
    progress = options.progress
    inlet = _inlet(options, start)
    logs = QuietLogs(
        start.folder,
        run_id=start.folder.name,
        segment_bytes=config.log.segment_mib * _MIB,
        sync_s=config.log.sync_ms / 1000,
        plan=plan,
    )
    runner = BotRunner(
        documents,
        feed=source.feed,
        broker=_broker(row, source, start, logs, desk),
        exchange=start.exchange,
        desk=desk,
        inlet=inlet,
        logs=logs,
        identity=start.identity,
        recovered=start.recovered,
        carried=start.carried,
        history=start.history,
        first_inputs=start.first_inputs,
        duration_s=_market_duration_s(options, source),
        on_record=Told(desk),
        on_progress=None if progress is None else lambda records: progress(records, max(source.bytes_total, records)),
    )
    started_s = time.perf_counter()
    with orderly_signals(runner), collector_restored(), closing(inlet):
        runner.run()
    summary = summarize(runner, log_path=start.folder, wall_s=time.perf_counter() - started_s)
    try:
        write_atomic(start.folder / _SUMMARY_FILE, msgspec.structs.asdict(summary))
    except OSError as error:  # the log has everything: a full disk must not turn a run that ended into a bug of ours
        log_setup.get_logger().error("summary_not_written", failure=f"{start.folder}: {error.strerror}")
    if desk.failure is not None:
        log_setup.get_logger().error("operator_files", failure=desk.failure)
    return summary


def _market_duration_s(options: RunOptions, source: Source) -> float | None:
    """`--duration` is wall time at a broker, whose market may be a simulator's that runs fast."""
    if options.duration_s is None or source.broker is None:
        return options.duration_s
    return options.duration_s * source.broker.speed


@contextmanager
def _disconnected(source: Source) -> Iterator[None]:
    """Whatever happens, the gateway sees an orderly end of the connection."""
    try:
        yield
    finally:
        if source.broker is not None:
            source.broker.close()


class _Start(msgspec.Struct, frozen=True, kw_only=True):
    """From where a run starts: afresh with what earlier runs left, or where a log ends."""

    folder: Path
    identity: RunIdentity
    simulated: Broker
    exchange: ExchangeSim | None
    recovered: Recovered | None
    carried: Carried
    history: Sequence[events.HistoryLoaded]
    first_inputs: list[Input]


def _inlet(options: RunOptions, start: _Start) -> ContextInlet:
    """Messages from outside. What the log holds of a file already is not taken twice."""
    machine = start.recovered.player.machine if start.recovered is not None else None
    taken = start.carried.context if machine is None else machine.state.context
    config = options.loaded.config.context
    return ContextInlet(config, options.data_dir, recorded=start.identity.clock_stands, known=taken.newest)


def _begin(
    options: RunOptions, row: ModeRow, source: Source, documents: RunDocuments, desk: OperatorDesk, before: RunsBefore
) -> _Start:
    found, build = before.unfinished, build_digest()
    recovered: Recovered | None = None
    carried, first_inputs = Carried(), list[Input]()
    history: Sequence[events.HistoryLoaded] = ()
    if found is None:
        history = source.history()
        broker, exchange = _simulated(row, options, documents.instrument)
        folder = options.data_dir / "runs" / options.run_id
        left = left_behind(options.data_dir, before.runs, source.first_ts_ns or 0)
        carried = left.carried
        first_inputs += [left.refused] if left.refused else []
        with _writable(options.data_dir):
            folder.mkdir(parents=True)
            write_atomic(folder / ATTRIBUTE_FILE, before.attributes)
    else:
        folder = found
        log_setup.bind_ids(run_id=folder.name)
        recovered = _recover(folder, build, documents, row, lambda: _simulated(row, options, documents.instrument))
        broker, exchange = recovered.broker, recovered.exchange
        first_inputs += _after_recovery(desk, recovered)
        if source.broker is not None:
            machine = recovered.player.machine
            source.broker.go_on_after(
                recovered.player.last_ts_ns, {} if machine is None else machine.state.documents.feed
            )
        if recovered.takes_history:
            history = source.history()
        if not recovered.warm:
            # Also the next log of a run cut between two sessions begins with it, so it is no history of the runner's.
            first_inputs = [*history, *_seen(folder, documents, recovered), *first_inputs]
            history = ()
    identity = RunIdentity(
        run_id=folder.name,
        mode=row.name,
        adapter=options.loaded.config.run.adapter,
        build=build,
        hypothetical=row.hypothetical,
        orders_count=row.orders_count,
        clock_stands=options.loaded.config.run.adapter in {"sim", "files"},
    )
    return _Start(
        folder=folder,
        identity=identity,
        simulated=broker,
        exchange=exchange,
        recovered=recovered,
        carried=carried,
        history=history,
        first_inputs=first_inputs,
    )


def _seen(folder: Path, documents: RunDocuments, recovered: Recovered) -> list[events.HistoryLoaded]:
    """The run's own bars, for a kernel that cannot be taken over."""
    from trading_bot.adapters.history import run_history

    ts_ns = recovered.player.last_ts_ns
    return run_history(folder, documents.instrument, calendar=documents.calendar, ts_ns=ts_ns) if ts_ns else []


def _simulated(row: ModeRow, options: RunOptions, instrument: Instrument) -> tuple[Broker, ExchangeSim | None]:
    """The exchange simulator as a broker; where orders leave this machine it has the shadow trades alone."""
    loaded = options.loaded
    exchange = ExchangeSim(exchange_config(loaded.config.simulator, instrument, options.seed or 0, loaded.latency))
    return SimBroker(exchange, suppress=row.suppress, instrument_id=instrument.id), exchange


def _broker(row: ModeRow, source: Source, start: _Start, logs: QuietLogs, desk: OperatorDesk) -> Broker:
    """The runner's broker: what is simulated, what a connection tells, and whoever sends orders over it."""
    at_broker = source.broker
    if at_broker is None:
        return start.simulated
    at_broker.start()
    if row.orders_leave:
        machine = start.recovered.player.machine if start.recovered is not None else None
        logged = frozenset(machine.state.executions if machine is not None else ())
        # The broker is heard before the runner has taken the log over: what it says then is about that log's orders.
        log = start.recovered.log if start.recovered is not None else None
        continued = log.path.name if log is not None else ""
        return at_broker.sending(
            start.simulated, start.folder.name, lambda: logs.log_name or continued, logged, lambda: desk.stopped_by
        )
    return at_broker.observing(start.simulated)


def _refuse_halted(desk: OperatorDesk) -> None:
    latch = desk.latched()
    if latch is not None:
        raise Halted(
            f"the kill switch is latched since {latch.when}: {latch.reason} (by {latch.source}); "
            "find out why, then clear it with `trading-bot unkill --reason TEXT`"
        )


def _recover(folder: Path, build: str, documents: RunDocuments, row: ModeRow, sink: SimulatedSink) -> Recovered:
    config_hash = documents.config_hash
    recovered = recover_run(folder, build=build, config_hash=config_hash, sink=sink, orders_left=row.orders_leave)
    log_setup.get_logger().warning(
        "run_continued",
        run=folder.name,
        last_seq=recovered.player.last_seq,
        torn_bytes=recovered.torn_bytes,
        recovery="full" if recovered.warm else "facts",
    )
    return recovered


def _after_recovery(desk: OperatorDesk, recovered: Recovered) -> list[Input]:
    """The latch and the learning file beside a log that knows better than both.

    Raises:
        Halted: the latch was set and its file is gone without a person's word: it is latched again.
    """
    inputs: list[Input] = []
    state = recovered.player.machine.state if recovered.player.machine is not None else None
    kill_reason = recovered.player.facts.carried.kill_reason if state is None else state.kill_reason
    if kill_reason is not None:
        cleared = desk.cleared()
        if cleared is None:
            desk.latch(kill_reason, "log")
            _refuse_halted(desk)
        else:
            inputs.append(events.KillCleared(ts_ns=0, reason=cleared.reason, source=cleared.source))
    if state is not None:
        refused = rebuild_learning(desk.data_dir, state.learning.export_to_dict(), state.costs)
        inputs += [refused] if refused is not None else []
    return inputs


def _attributes(options: RunOptions, source: Source) -> dict[str, Any]:
    """What must be equal for a cut run to be continued instead of a new one begun."""
    settings = options.loaded.config.run
    return {
        "mode": settings.mode,
        "adapter": settings.adapter,
        "instrument": settings.instrument,
        **({} if options.decides else {"decides": False}),
        **source.kind_of,
    }


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
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
