"""BotRunner: the loop between the world and the core.

Input into the log, into the core, results into the log, effects out. At equal times: broker, timer, grid, market.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from trading_bot.core import opening
from trading_bot.core.apply import Results
from trading_bot.core.documents import RunDocuments
from trading_bot.core.machine import Machine
from trading_bot.core.null_feed import NullFeed
from trading_bot.core.opening import RunIdentity
from trading_bot.core.recovery import SESSION_ROLL, Recovered
from trading_bot.core.run_logs import FolderLogs, MemoryLogs, SessionLog
from trading_bot.core.shadow_broker import ShadowBroker
from trading_bot.domain import events, log_records
from trading_bot.domain.config import config_tag
from trading_bot.domain.effects import CancelOrder, Effect, FlattenPosition, PlaceOrder
from trading_bot.domain.errors import BotError, CoreBug
from trading_bot.domain.events import Event, Input
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.ports import Broker, Feed
from trading_bot.domain.reasons import Action
from trading_bot.domain.records import FRAME_ALIGN, FRAME_HEADER, FrameClass
from trading_bot.domain.units import NS_PER_S, TS_NEVER_NS
from trading_bot.engines.session import SessionDay

LOG_FULL_EXIT_CODE: Final = 5
_AFTER_CALENDAR: Final = 99_999_999  # names the log behind the last known session, so that it sorts there
_WALK_NS: Final = 86_400 * NS_PER_S  # some 0.1 s of work
_ANSWER: Final = ("action", "reason", "template", "side", "ts_ns", "text")
IDLE: Final = {"action": Action.IDLE.value, "reason": "NO_DECISION"}


class BotRunner:
    """One run. Without arguments: default configuration, OBSERVE, no data, no network, a log in memory."""

    def __init__(
        self,
        documents: RunDocuments | None = None,
        *,
        feed: Feed | None = None,
        broker: Broker | None = None,
        logs: FolderLogs | MemoryLogs | None = None,
        identity: RunIdentity | None = None,
        recovered: Recovered | None = None,
        duration_s: float | None = None,
        on_record: Callable[[int, Event | Effect], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """`recovered` goes on with a run that was cut; `duration_s` of market time ends the run in an orderly way.

        `on_record` is told each result with its number once it is in the log, for diagnostic lines; it decides nothing.
        """
        self.documents = documents or RunDocuments.default()
        self.feed: Feed = feed or NullFeed()
        self.broker: Broker = broker or ShadowBroker()
        self.logs = logs or MemoryLogs()
        self.identity = identity or RunIdentity()
        self.machine: Machine | None = None
        self.log: SessionLog | None = None
        self.exit_reason = ""
        self.exit_code = 0
        self.message = ""
        self.ts_first_ns = 0
        self.records = 0
        self.stop_asked: str | None = None
        self.ended = False
        self._recovered = recovered
        self._duration_ns = None if duration_s is None else round(duration_s * NS_PER_S)
        self._on_record = on_record
        self._on_progress = on_progress
        self._pending: deque[Input] = deque()
        self._batch = memoryview(b"")
        self._position = 0
        self._count = 0
        self._feed_done = False
        self._feed_error: BotError | None = None
        self._walked_ns = 0
        self._roll_ns = TS_NEVER_NS
        self._stop_ns = TS_NEVER_NS
        self._decided: dict[str, Any] = IDLE

    # --- driving ---------------------------------------------------------------------------------------------------

    def submit(self, event: Input) -> None:
        """Queue an input that is not market data; it is applied before anything else."""
        self._pending.append(event)

    def run_once(self) -> dict[str, Any]:
        """Apply one pending input, answer, timer or stretch of market data, and say what was decided.

        Returns:
            `action` and `reason` of the decision, such as `{"action": "SKIP", "reason": "SESSION_EXIT"}`, or IDLE.
        """
        self._decided = IDLE
        if not self.ended:
            self._step()
        return self._decided

    def run(self) -> None:
        """Run to the end. What went wrong with the source stands in `exit_code` and `message`.

        Raises:
            CoreBug: the core raised; the log holds CoreFailed.
            LogCorrupt, LogFull: the log cannot be written.
        """
        while not self.ended:
            self._step()

    def _step(self) -> None:
        if self.machine is None:
            self._start()
        elif self._pending:
            self._input(self._pending.popleft())
        elif self.machine.end is not None:
            end = self.machine.end
            if end.reason == SESSION_ROLL:
                self._roll()
            else:
                self._finish(end.reason, end.exit_code)
        elif self.stop_asked is not None and self._live.state.stopping is None:
            self._input(events.StopRequested(ts_ns=self._now_ns, reason=self.stop_asked))
        else:
            self._market()

    # --- life of a session -----------------------------------------------------------------------------------------

    @property
    def _live(self) -> Machine:
        assert self.machine is not None
        return self.machine

    @property
    def _now_ns(self) -> int:
        state = self._live.state
        return max(state.ts_ns, state.kernel.now_ns)

    def _start(self) -> None:
        if self._recovered is not None:
            self._resume(self._recovered)
            return
        self._read()
        first_ns = self._pending[0].ts_ns if self._pending else self._next_record_ns()
        self._begin_session(0 if first_ns == TS_NEVER_NS else first_ns)

    def _begin_session(self, ts_ns: int) -> None:
        """A new log: what the run depends on, what earlier sessions left, then the inputs of the gates."""
        before = self.machine
        counters, digest = (before.counters, before.run_digest) if before else (None, None)
        machine = Machine(self.documents, counters=counters, run_digest=digest)
        day = machine.state.sessions.trading_day(ts_ns) if machine.state.sessions else None
        log = self.logs.create(day.trade_date if day else _AFTER_CALENDAR if before else 0)
        self._bind(machine, log)
        self._set_bounds(day, ts_ns)
        self._input(opening.run_started(self.documents, self.identity, ts_ns, day.trade_date if day else 0))
        carried = before.state.carried() if before else machine.state.carried()
        kernel = before.state.kernel.snapshot() if before else b""
        for event in opening.opening_inputs(self.documents, ts_ns, carried, kernel):
            self._input(event)

    def _resume(self, recovered: Recovered) -> None:
        """Go on with a log that was cut: same build and configuration warm, anything else with facts only."""
        player, log = recovered.player, recovered.log
        self.ts_first_ns = recovered.ts_first_ns
        if log is None:
            # Cut between two sessions, or before the first record: the next log is new.
            self.machine = recovered.machine_before(self.documents)
            self.records = recovered.feed_records
            self.feed.skip_records(recovered.feed_records)
            self._read()
            first_ns = self._next_record_ns() if player.machine is None else player.last_ts_ns
            self._begin_session(0 if first_ns == TS_NEVER_NS else first_ns)
            return
        assert player.machine is not None
        if isinstance(self.logs, FolderLogs):
            self.logs.adopt(log)
        ts_ns = player.last_ts_ns
        cold = not recovered.full
        machine = player.machine.restarted(self.documents, player.facts) if cold else player.machine
        self._bind(machine, log)
        # The log's own session, not the one of its last record: at the very close that is the next one already.
        assert player.run_started is not None
        sessions = machine.state.sessions
        self._set_bounds(sessions.day(player.run_started.trade_date) if sessions else None, ts_ns)
        self.records = recovered.feed_records
        if recovered.tail is not None:
            tail = recovered.tail
            machine.abandoned(machine.state.last_results if tail.cause_seq else (), tail.kept)
            self._input(events.EffectsAbandoned(ts_ns=ts_ns, cause_seq=tail.cause_seq, kept=tail.kept))
        self._input(
            opening.process_started(
                self.documents,
                self.identity,
                ts_ns,
                last_seq=player.last_seq,
                torn_bytes=recovered.torn_bytes,
                cold=cold,
            )
        )
        missing = opening.gate_inputs(self.documents, ts_ns) if cold else recovered.opening_missing(self.documents)
        for event in missing:
            self._input(event)
        self.feed.skip_records(recovered.feed_records)
        self._read()

    def _bind(self, machine: Machine, log: SessionLog) -> None:
        log.writer.set_config_tag(config_tag(self.documents.config_hash))
        machine.state.kernel.set_writer(log.writer)
        self.machine, self.log = machine, log

    def _set_bounds(self, day: SessionDay | None, ts_ns: int) -> None:
        """When this session's log ends, and when the run does."""
        self._roll_ns = opening.roll_ns(self._live.state.sessions, day, ts_ns)
        self.ts_first_ns = self.ts_first_ns or ts_ns
        if self._duration_ns is not None:
            self._stop_ns = self.ts_first_ns + self._duration_ns

    def _roll(self) -> None:
        """The next trading session has its own log. The kernel is carried over warm, inside the log."""
        self._end_log(SESSION_ROLL)
        self._begin_session(self._roll_ns)

    def _end_log(self, reason: str) -> None:
        machine, log = self._live, self.log
        assert log is not None
        digest, state_digest = machine.digest.hexdigest(), machine.state.digest()
        ended = events.RunEnded(
            ts_ns=self._now_ns, exit_reason=reason, effects_digest=digest, state_digest=state_digest
        )
        self._append(FrameClass.INPUT, ended, 0)
        machine.counters.observe(ended)
        machine.state.kernel.set_writer(None)
        self.logs.release(log)
        self.log = None

    def _finish(self, reason: str, exit_code: int) -> None:
        self.exit_reason, self.exit_code = reason, exit_code
        if self._feed_error is not None:
            self.message = str(self._feed_error)
        self._end_log(reason)
        self.ended = True

    # --- market data -----------------------------------------------------------------------------------------------

    def _next_record_ns(self) -> int:
        held = self._position < self._count
        return FRAME_HEADER.unpack_from(self._batch, self._position * FRAME_ALIGN)[7] if held else TS_NEVER_NS

    def _read(self) -> None:
        """The next batch, or the end of the source; its damage is told after everything before it was processed."""
        if self._feed_done:
            return
        try:
            batch = self.feed.read()
        except BotError as error:
            if self.machine is None:
                raise
            self._feed_error = error
            batch = None
        if batch is None:
            self._feed_done = True
            batch = memoryview(b"")
        self._batch, self._position = batch, 0
        self._count = len(batch) // FRAME_ALIGN

    def _market(self) -> None:
        if self._position >= self._count:
            self._read()
            self._look_after_log()
        machine = self._live
        due_ns = min(self.broker.next_due_ns, machine.next_timer_ns, self._stop_ns, self._roll_ns)
        if self._position < self._count:
            before = self._position
            # A long silence is walked in parts, so that a signal is heard within it. The log does not show them.
            self._walked_ns = min(due_ns, max(self._now_ns, self._walked_ns) + _WALK_NS)
            self._position, code = machine.state.kernel.run(self._batch, before, self._walked_ns)
            self.records += self._position - before
            if self._on_progress is not None and self._position == self._count:
                self._on_progress(self.records)
            if code:
                self._outcome(code)
            elif self._position < self._count and self._walked_ns == due_ns:
                self._due(due_ns)
        elif self.broker.next_due_ns <= self._now_ns:
            self._input(self.broker.take())
        elif self._feed_done:
            self._feed_ended()

    def _feed_ended(self) -> None:
        if self._live.state.stopping is not None:
            # Told already; nobody owes an answer.
            self._finish("FEED_ENDED", self._live.state.exit_code)
            return
        ended = opening.feed_ended(
            self._now_ns, self._feed_error, self.feed.rejected_by_reason, self._live.state.kernel.counters()
        )
        self.message = "" if ended.reason == "END" else ended.reason
        self._input(ended)

    def _due(self, due_ns: int) -> None:
        """Something is due before the next record: a broker's answer, then timers, then the bounds of the run."""
        machine = self._live
        if self.broker.next_due_ns == due_ns:
            self._input(self.broker.take())
        elif machine.next_timer_ns == due_ns:
            self._input(machine.due_timer(self._now_ns))
        elif self._stop_ns == due_ns:
            self._stop_ns = TS_NEVER_NS
            self._input(events.StopRequested(ts_ns=due_ns, reason="DURATION"))
        elif machine.state.stopping is None:
            self._input(events.StopRequested(ts_ns=due_ns, reason=SESSION_ROLL))
        else:
            self._roll()

    def _look_after_log(self) -> None:
        """Seal and prepare segments between batches; room on the disk, or the lack of it, is an input."""
        assert self.log is not None
        if not self.log.writer.has_prepared:
            self.log.maintain()
        state = self._live.state
        if self.log.space_ok != state.log_space_ok:
            ok = self.log.space_ok
            self._input(events.LogSpaceChanged(ts_ns=self._now_ns, ok=ok, detail="" if ok else "the disk is full"))
        if (failure := self.logs.failure()) is not None:
            raise BotError(f"the log could not be written to disk: {failure}") from failure

    # --- the core --------------------------------------------------------------------------------------------------

    def _outcome(self, code: int) -> None:
        if code & Outcome.LOG_FULL:
            self._log_full()
            return
        outcome = self._live.outcome(code)
        assert self.log is not None
        seq = self._append(FrameClass.DERIVED, outcome, self.log.writer.seq)
        self._apply(outcome, seq)

    def _log_full(self) -> None:
        """The tick waits: nothing is dropped.

        Without room on the disk the run ends by the reserve kept for messages.
        """
        assert self.log is not None
        self.log.maintain()
        if self.log.writer.has_prepared:
            return
        self.message = "the log has no room for market data: free disk space, or choose another --data-dir"
        self._input(events.LogSpaceChanged(ts_ns=self._now_ns, ok=False, detail="market data wait"))
        self._input(events.StopRequested(ts_ns=self._now_ns, reason="LOG_FULL", exit_code=LOG_FULL_EXIT_CODE))

    def _input(self, event: Input) -> None:
        """Grid points before it, the event into the log, into the core, its results into the log, effects out."""
        while code := self._live.state.kernel.on_time(event.ts_ns - 1):
            self._outcome(code)
        seq = self._append(FrameClass.INPUT, event, 0)
        self._apply(event, seq)

    def _apply(self, event: Event, seq: int) -> None:
        machine = self._live
        try:
            results = machine.apply(event, seq)
        except Exception as error:
            self._core_failed(seq, error)
            raise CoreBug(f"the core failed on record {seq} ({type(event).__name__}): {error!r}") from error
        for result in results:
            number = self._append(log_records.frame_class(result), result, seq)
            machine.recorded(result)
            if self._on_record is not None:
                self._on_record(number, result)
        self._dispatch(results)

    def _core_failed(self, seq: int, error: Exception) -> None:
        """Our own trouble: it goes into the log, the switch is latched, entries are withdrawn."""
        failed = events.CoreFailed(ts_ns=self._now_ns, failed_seq=seq, error=repr(error))
        self._append(FrameClass.INPUT, failed, 0)
        machine = self._live
        machine.state.kill_reason = f"CORE_FAILED: {error!r}"
        for order_id in machine.state.entries:
            self.broker.dispatch(CancelOrder(ts_ns=failed.ts_ns, order_id=order_id, reason="CORE_FAILED"))
        self.ended = True
        self.exit_reason, self.exit_code = "CORE_FAILED", CoreBug.exit_code
        assert self.log is not None
        self.logs.release(self.log)

    def _append(self, cls: FrameClass, record: Event | Effect, cause_seq: int) -> int:
        assert self.log is not None
        payload = log_records.encode(record)
        return self.log.append_message(cls, record.ts_ns, self.documents.instrument.id, cause_seq, payload)

    def _dispatch(self, results: Results) -> None:
        for result in results:
            if isinstance(result, PlaceOrder | CancelOrder | FlattenPosition):
                self.broker.dispatch(result)
            elif isinstance(result, events.DecisionMade):
                self._decided = {name: getattr(result, name) for name in _ANSWER}
