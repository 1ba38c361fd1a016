"""Simulation by seed: draw a world, run the bot in it under watch, kill and restart it, replay it, and report.

`tools/simulate.py` is its command; docs/simulation.md says what is drawn and checked.
"""

import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.core.documents import RunDocuments
from trading_bot.core.event_log import LogReader
from trading_bot.core.log_walk import MessageFrame
from trading_bot.core.moment import Violation
from trading_bot.core.opening import RunIdentity
from trading_bot.core.recovery import recover_run
from trading_bot.core.replay import replay, session_logs
from trading_bot.core.run_logs import FolderLogs
from trading_bot.core.runner import BotRunner
from trading_bot.domain import events, log_records
from trading_bot.domain.effects import Effect
from trading_bot.domain.errors import BotError
from trading_bot.domain.events import Event
from trading_bot.domain.units import iso_from_ns, usd_from_uusd
from trading_bot.engines.session import SessionTable
from trading_bot.modes import mode_row
from trading_bot.research.seeded_world import (
    World,
    broker_of,
    documents_of,
    draw_world,
    feed_of,
    history_of,
    next_morning,
    received_of,
    sink_of,
)
from trading_bot.research.troubles import FullDiskLogs
from trading_bot.research.watch import Watch, WatchedRunner

_BUILD: Final = "simulation"
_SEGMENT_BYTES: Final = 4 * 1024 * 1024
_SMALL_SEGMENT_BYTES: Final = 512 * 1024  # a disk that fills up within the run
_SYNC_S: Final = 5.0
_CALENDAR: Final = "us_index.csv"


class SeedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one seed. `restarted`: "" (not drawn, or the run ended before), "equal" or "abandoned"."""

    seed: int
    date: int
    day_kind: str
    start: str
    duration_s: int
    trouble: str
    events: int
    ticks: int
    trades: int
    fills: int
    rejects: int
    position_qty_max: int
    net_usd: float
    naked_ms_max: float
    exit_reason: str
    exit_code: int
    restarted: str
    effects_digest: str
    state_digest: str
    violated: dict[str, int]
    violations: list[Violation]

    @property
    def ok(self) -> bool:
        """Whether every invariant held."""
        return not self.violated


class _Killed:
    """Copies the run's folder as a kill -9 would leave it, at the drawn record."""

    def __init__(self, runner_folder: Path, target: Path, at_record: int) -> None:
        self._folder = runner_folder
        self.target = target
        self._left = at_record
        self.happened = False

    def record(self) -> None:
        """Another record is in the log."""
        self._left -= 1
        if self._left == 0:
            shutil.copytree(self._folder, self.target)
            self.happened = True


class _SimulatedRunner(WatchedRunner):
    """Watched, and copied at the moment of its death."""

    killed: _Killed | None = None

    def _apply(self, event: Event, seq: int) -> None:
        if self.killed is not None:
            self.killed.record()
        super()._apply(event, seq)

    def _heard(self, number: int, record: Event | Effect) -> None:
        super()._heard(number, record)
        if self.killed is not None:
            self.killed.record()


def simulate(seed: int, *, change: Callable[[World], World] | None = None) -> SeedReport:
    """Run one seed. `change` alters the drawn world, to narrow a finding down."""
    table = load_calendar(_CALENDAR, Path("data"))
    world = draw_world(seed, table)
    if change is not None:
        world = change(world)
    with tempfile.TemporaryDirectory(prefix="simulation-") as folder:
        return _simulated(world, table, Path(folder))


def _simulated(world: World, table: SessionTable, folder: Path) -> SeedReport:
    exchange, broker = sink_of(world)
    watch = Watch(world, exchange)
    watch.broker = broker_of(world, broker)
    feed = feed_of(world, table)
    documents = documents_of(world, table, feed)
    run_folder = folder / "run"
    runner = _SimulatedRunner(
        watch,
        documents,
        feed=received_of(world, feed),
        broker=watch.broker,
        exchange=exchange,
        logs=_logs(run_folder, world),
        identity=_identity(world),
        history=history_of(world, table),
        duration_s=world.duration_ns / 1e9,
    )
    runner.killed = _Killed(run_folder, folder / "killed", world.restart_at) if world.restart_at else None
    restarted = ""
    try:
        runner.run()
        _check_end(watch, runner, run_folder)
        if runner.killed is not None and runner.killed.happened:
            restarted = _restart(watch, runner, runner.killed.target, documents, table)
        if world.troubles.next_day and runner.exit_code == 0:
            _next_day(watch, runner, table, folder / "next")
    except BotError as error:
        watch.note(
            "the_run_goes_through",
            runner.book.now_ns if runner.machine is not None else world.start_ns,
            f"{type(error).__name__}: {error}",
        )
    return _report(world, watch, runner, restarted)


def _check_end(watch: Watch, runner: BotRunner, folder: Path) -> None:
    """The end of a run: flat, the right exit code, and a log that replays to the same digests."""
    machine, facts = runner.machine, watch.facts
    assert machine is not None
    now_ns = machine.state.ts_ns
    if runner.exit_reason != "LOG_FULL":  # over a simulated market that one just ends, and goes on once there is room
        _check_flat(watch, now_ns)
    expected = 5 if facts.latched or runner.exit_reason == "LOG_FULL" else 0
    if runner.exit_code != expected:
        watch.note("the_exit_code_tells", now_ns, f"exit code {runner.exit_code}, latched: {facts.latched}")
    report = replay(folder, build=_BUILD)
    found = (report.effects_digest, report.state_digest)
    wanted = _digests(runner)
    if runner.exit_reason == "LOG_FULL":  # the log is cut; the kernel's grid went on to the tick that waits
        wanted = wanted[0], report.state_digest
    if not report.ok or found != wanted:
        watch.note("replay_is_equal", now_ns, f"{report.first_difference_seq}: {report.reason} {found}")


def _check_flat(watch: Watch, now_ns: int) -> None:
    held, exchange = watch.facts.position, watch.exchange
    if held or exchange.position:
        watch.note("the_end_is_flat", now_ns, f"position {held}, exchange {exchange.position}")
    if exchange.live_orders:
        watch.note("the_end_is_flat", now_ns, f"{exchange.live_orders} orders live at the exchange")


def _restart(watch: Watch, whole: BotRunner, folder: Path, documents: RunDocuments, table: SessionTable) -> str:
    """Go on where the killed process stopped; the digests are those of the run that was not killed."""
    world = watch.world
    exchange, broker = sink_of(world)
    now_ns = 0
    recovered = recover_run(folder, build=_BUILD, config_hash=documents.config_hash, sink=lambda: (broker, exchange))
    now_ns = recovered.player.last_ts_ns
    given = sum(isinstance(record, _COMMANDS) for record in _messages(folder))
    commands = msgspec.structs.replace(world, operator=world.operator[given:])
    runner = BotRunner(
        documents,
        feed=received_of(world, feed_of(world, table)),
        broker=broker_of(commands, broker),
        exchange=exchange,
        logs=_logs(folder),
        identity=_identity(world),
        recovered=recovered,
        history=history_of(world, table),
        duration_s=world.duration_ns / 1e9,
    )
    runner.run()
    abandoned = any(isinstance(record, events.EffectsAbandoned) for record in _messages(folder))
    report = replay(folder, build=_BUILD)
    if not report.ok or (report.effects_digest, report.state_digest) != _digests(runner):
        watch.note("a_restart_replays", now_ns, f"{report.first_difference_seq}: {report.reason}")
    if exchange.position or exchange.live_orders:
        left = f"position {exchange.position}, {exchange.live_orders} orders at the exchange"
        watch.note("a_restart_ends_flat", now_ns, left)
    if abandoned and world.clock_stands:
        watch.note("a_restart_is_equal", now_ns, "effects were abandoned although the clock stood still")
    elif not abandoned and _digests(runner) != _digests(whole):
        watch.note("a_restart_is_equal", now_ns, f"{_digests(runner)} after, {_digests(whole)} without it")
    return "abandoned" if abandoned else "equal" if _digests(runner) == _digests(whole) else "different"


def _next_day(watch: Watch, whole: BotRunner, table: SessionTable, folder: Path) -> None:
    """Another run, on the session after: it begins with what was learned, and the same laws watch it."""
    machine = whole.machine
    assert machine is not None
    world = next_morning(watch.world, table)
    if world is None:
        return
    feed = feed_of(world, table)
    exchange, broker = sink_of(world)
    watch.begin(world, exchange, broker_of(world, broker))
    runner = WatchedRunner(
        watch,
        documents_of(world, table, feed),
        feed=feed,
        broker=watch.broker,
        exchange=exchange,
        logs=_logs(folder),
        identity=_identity(world),
        carried=machine.state.carried(),
        duration_s=world.duration_ns / 1e9,
    )
    runner.run()
    _check_end(watch, runner, folder)
    after = runner.machine
    if after is not None and after.state.learning.canonical() != watch.facts.learning.canonical():
        watch.note("learning_is_carried", after.state.ts_ns, "what both days recorded gives another learning state")


_COMMANDS: Final = (events.KillRequested, events.FlattenRequested)


def _messages(folder: Path) -> list[Event | Effect]:
    found = []
    for log in session_logs(folder):
        with LogReader(log) as reader:
            found += [log_records.decode(item.payload) for item in reader.spans() if isinstance(item, MessageFrame)]
    return found


def _logs(folder: Path, world: World | None = None) -> FolderLogs:
    if world is not None and world.troubles.full_from:
        return FullDiskLogs(
            folder,
            run_id="simulation",
            segment_bytes=_SMALL_SEGMENT_BYTES,
            sync_s=_SYNC_S,
            full_from=world.troubles.full_from,
            full_for=world.troubles.full_for,
        )
    return FolderLogs(folder, run_id="simulation", segment_bytes=_SEGMENT_BYTES, sync_s=_SYNC_S)


def _identity(world: World) -> RunIdentity:
    row = mode_row(world.config.run.mode, "sim")
    return RunIdentity(
        run_id="simulation",
        mode=row.name,
        adapter="sim",
        build=_BUILD,
        hypothetical=row.hypothetical,
        orders_count=row.orders_count,
        clock_stands=world.clock_stands,
    )


def _digests(runner: BotRunner) -> tuple[str, str]:
    assert runner.machine is not None
    return runner.machine.run_digest.hexdigest(), runner.machine.state.digest()


def _report(world: World, watch: Watch, runner: BotRunner, restarted: str) -> SeedReport:
    machine, facts = runner.machine, watch.facts
    assert machine is not None
    effects_digest, state_digest = _digests(runner)
    return SeedReport(
        seed=world.seed,
        date=world.trade_date,
        day_kind=world.day_kind,
        start=iso_from_ns(world.start_ns),
        duration_s=world.duration_ns // 1_000_000_000,
        trouble=world.trouble,
        events=watch.events,
        ticks=runner.records,
        trades=facts.trades,
        fills=facts.fills,
        rejects=len(facts.rejects_ns),
        position_qty_max=world.config.safety.position_qty_max,
        net_usd=usd_from_uusd(machine.counters.net_hypothetical_uusd),
        naked_ms_max=machine.counters.naked_ns_max / 1e6,
        exit_reason=runner.exit_reason,
        exit_code=runner.exit_code,
        restarted=restarted,
        effects_digest=effects_digest,
        state_digest=state_digest,
        violated=dict(sorted(watch.counts.items())),
        violations=watch.violations,
    )


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All seeds. The same seeds give the same document, `wall_s` apart."""

    ok: bool
    totals: dict[str, int]
    violated: dict[str, int]
    seeds: list[SeedReport]
    wall_s: float


def simulate_all(seeds: Iterable[int], *, processes: int = 1, told: Callable[[SeedReport], None]) -> Report:
    """Run seeds, in their order, on so many processes; `told` hears each report as it comes."""
    started_s = time.perf_counter()
    found: list[SeedReport] = []
    for report in _reports(list(seeds), processes):
        told(report)
        found.append(report)
    violated: Counter[str] = Counter()
    for report in found:
        violated.update(report.violated)
    names = ("events", "ticks", "trades", "fills", "rejects")
    totals = {"seeds": len(found)} | {name: sum(getattr(report, name) for report in found) for name in names}
    totals["restarts"] = sum(bool(report.restarted) for report in found)
    totals["halted"] = sum(report.exit_code == 5 for report in found)
    totals["violations"] = violated.total()
    return Report(
        ok=not violated,
        totals=totals,
        violated=dict(sorted(violated.items())),
        seeds=found,
        wall_s=time.perf_counter() - started_s,
    )


def _reports(seeds: list[int], processes: int) -> Iterable[SeedReport]:
    if processes == 1 or len(seeds) == 1:
        yield from map(simulate, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(simulate, seeds)
