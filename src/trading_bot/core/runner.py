"""BotRunner: the loop between the world and the core.

Input into the log, into the core, results into the log, effects out. At equal times: broker, timer, grid, market.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from trading_bot._fast import ExchangeSim
from trading_bot.core import log_care, opening
from trading_bot.core.carried import Carried
from trading_bot.core.carrier import CORE_FAILED, Desk, core_bug
from trading_bot.core.documents import RunDocuments
from trading_bot.core.emergency import guarded
from trading_bot.core.machine import Machine
from trading_bot.core.market_tape import MarketTape
from trading_bot.core.null_feed import NoInlet, NullFeed
from trading_bot.core.opening import RunIdentity
from trading_bot.core.operator_desk import NoDesk
from trading_bot.core.outgoing import IDLE, Outgoing
from trading_bot.core.player import Tail
from trading_bot.core.recovery import SESSION_ROLL, Recovered
from trading_bot.core.run_logs import FolderLogs, MemoryLogs
from trading_bot.core.session_book import SessionBook
from trading_bot.core.shadow_broker import ShadowBroker
from trading_bot.core.status import bot_status
from trading_bot.domain import events
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event, Input, OutcomeReached
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.ports import Broker, Feed, Inlet
from trading_bot.domain.records import FrameClass
from trading_bot.domain.units import NS_PER_S, TS_NEVER_NS
from trading_bot.engines.session import SessionDay

_LOG_FULL: Final = int(Outcome.LOG_FULL)  # a plain number: `&` of an IntFlag makes an object each time
_AFTER_CALENDAR: Final = 99_999_999  # names the log behind the last known session, so that it sorts there
_WALK_NS: Final = 86_400 * NS_PER_S  # some 0.1 s of work
_AFTER_FEED_NS: Final = 900 * NS_PER_S  # of answers and timers after the last record, to come to rest


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
        carried: Carried | None = None,
        exchange: ExchangeSim | None = None,
        desk: Desk | None = None,
        inlet: Inlet | None = None,
        history: Sequence[events.HistoryLoaded] = (),
        first_inputs: Sequence[Input] = (),
        duration_s: float | None = None,
        on_record: Callable[[int, Event | Effect], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """`recovered` goes on with a run that was cut, `carried` is what another run left.

        `exchange` is matched by the kernel's loop for a simulated broker; `inlet` has what other programs send;
        `history` warms the kernel up; `first_inputs` are applied once the log is open. `duration_s` of market time
        ends the run. `on_record` is told each result once it is in the log, for diagnostic lines; it decides nothing.
        """
        self.documents = documents or RunDocuments.default()
        self.feed: Feed = feed or NullFeed()
        self.broker: Broker = broker or ShadowBroker()
        self.logs = logs or MemoryLogs()
        self.identity = identity or RunIdentity()
        self.book = SessionBook(self.documents, self.logs, exchange)
        self.tape = MarketTape(self.feed)
        self.exit_reason = self.message = ""
        self.exit_code = self.ts_first_ns = 0
        self.stop_asked: str | None = None
        self.ended = False
        self._recovered = recovered
        self._carried = carried or Carried()
        self.desk: Desk = desk or NoDesk()
        self._inlet: Inlet = inlet or NoInlet()
        self._history = history
        self._first_inputs = first_inputs
        self._duration_ns = TS_NEVER_NS if duration_s is None else round(duration_s * NS_PER_S)
        self._on_progress = on_progress
        self._pending: deque[Input] = deque()
        self._care = log_care.LogCare(self.book, self.logs, clock_stands=self.identity.clock_stands)
        self._walked_ns = self._unheard_ns = self._feed_end_ns = 0
        self._roll_ns = self._stop_ns = TS_NEVER_NS
        self._outgoing = Outgoing(self.broker, self.desk, self.logs, self._pending, on_record)

    @property
    def machine(self) -> Machine | None:
        """The core, once it has started."""
        return self.book.machine

    @property
    def records(self) -> int:
        """Market records taken, those of earlier processes included."""
        return self.tape.taken

    def submit(self, event: Input) -> None:
        """Queue an input that is not market data; it is applied before anything else."""
        self._pending.append(event)

    def run_once(self) -> dict[str, Any]:
        """Apply one pending input, answer, timer or stretch of market data, and say what was decided.

        Returns:
            `action` and `reason` of the decision, such as `{"action": "SKIP", "reason": "SESSION_EXIT"}`, or IDLE.
        """
        self._outgoing.decided = IDLE
        if not self.ended:
            self._step()
        return self._outgoing.decided

    def run(self) -> None:
        """Run to the end. What went wrong with the source stands in `exit_code` and `message`.

        Raises:
            CoreBug: the core raised; the log holds CoreFailed.
            LogCorrupt, LogFull: the log cannot be written.
        """
        with guarded(self):
            while not self.ended:
                self._step()

    def _step(self) -> None:
        try:
            machine = self.book.machine
            if machine is None:
                self._start()
            elif self._pending:
                self._input(self._pending.popleft())
            elif (end := machine.end) is not None:
                if end.reason == SESSION_ROLL:
                    self._roll()
                else:
                    self._finish(end.reason, end.exit_code)
            elif self.stop_asked is not None and machine.state.stopping is None:
                self._input(opening.stop_asked(self.documents, self.stop_asked, self.book.now_ns))
            elif self._care.deaf:
                self._without_market()
            else:
                self._market()
        except Exception as error:  # wherever in the loop: the feed, the broker's side, a timer
            self._failed(error, self.book.machine.state.seq if self.book.machine else 0, "in the loop")
            raise

    def _start(self) -> None:
        if self._recovered is not None:
            self._resume(self._recovered)
            return
        while not (self.tape.held or self.tape.done or self.stop_asked):  # a paced source gives nothing at first
            self.tape.read(tell=True)
            if (killed := self.desk.poll(0)) is not None:
                self._pending.appendleft(killed)
                break
        first_ns = self._pending[0].ts_ns if self._pending else self.tape.next_ns
        self._begin_session(0 if first_ns == TS_NEVER_NS else first_ns)

    def _begin_session(self, ts_ns: int, *, told: bool = False) -> None:
        """A new log: what it depends on, what was left, the inputs of the gates; `told`: with the link of before."""
        before = self.book.machine
        counters, digest = (before.counters, before.run_digest) if before else (None, None)
        machine = Machine(self.documents, counters=counters, run_digest=digest)
        day = machine.state.sessions.trading_day(ts_ns) if machine.state.sessions else None
        log = self.logs.create(day.trade_date if day else _AFTER_CALENDAR if before else 0)
        self.book.open(machine, log)
        self._set_bounds(day, ts_ns)
        self._input(opening.run_started(self.documents, self.identity, ts_ns, day.trade_date if day else 0))
        carried = before.state.carried() if before else self._carried
        kernel = before.state.kernel.snapshot() if before else b""
        link = before.state.link if before and told else None  # this very process was told
        for event in opening.opening_inputs(self.documents, ts_ns, carried, kernel, link):
            self._input(event)
        history = self._history if before is None else ()
        self._pending.extend(opening.at([*history, *self._first_inputs], ts_ns))
        self._first_inputs = ()

    def _resume(self, recovered: Recovered) -> None:
        """Go on with a log that was cut: same build and configuration warm, anything else with facts only."""
        player, log = recovered.player, recovered.log
        self.ts_first_ns = recovered.ts_first_ns
        if log is None:
            # Cut between two sessions, or before the first record: the next log is new.
            self.book.machine = recovered.machine_before(self.documents)
            self.tape.skip(recovered.feed_records)
            self.tape.read(tell=player.machine is None)
            first_ns = self.tape.next_ns if player.machine is None else player.last_ts_ns
            self._begin_session(0 if first_ns == TS_NEVER_NS else first_ns)
            return
        assert player.machine is not None
        if isinstance(self.logs, FolderLogs):
            self.logs.adopt(log)
        ts_ns = player.last_ts_ns
        cold = not recovered.full
        machine = player.machine.restarted(self.documents, player.facts) if cold else player.machine
        self.book.open(machine, log)
        # The log's own session, not the one of its last record: at the very close that is the next one already.
        assert player.run_started is not None
        trade_date, sessions = player.run_started.trade_date, machine.state.sessions
        self._set_bounds(sessions.day(trade_date) if sessions else None, ts_ns)
        if recovered.tail is not None:
            self._settle_tail(recovered.tail, player.owed_outcome, ts_ns)
        self._input(recovered.process_started(self.documents, self.identity))
        if machine.end is not None and machine.end.reason in log_care.REASONS:  # there was no room for its last record
            self.book.end(machine.end.reason)
            self._begin_session(ts_ns)
            self.tape.skip(recovered.feed_records)
            self.tape.read()
            return
        for event in recovered.opening_missing(self.documents, self._carried, machine.state.carried()):
            self._input(event)
        history = recovered.history_missing(self._history)
        self._pending.extend(opening.at([*history, *self._first_inputs], ts_ns))
        self.tape.skip(recovered.feed_records)
        self.tape.read()

    def _settle_tail(self, tail: Tail, outcome: OutcomeReached | None, ts_ns: int) -> None:
        """Results that the log does not hold. Where the clock stood still they are not late: they are carried out."""
        machine = self.book.live
        if not self.identity.clock_stands:
            machine.abandoned(machine.state.last_results if tail.cause_seq else (), tail.kept)
            self._input(events.EffectsAbandoned(ts_ns=ts_ns, cause_seq=tail.cause_seq, kept=tail.kept))
        elif outcome is not None:
            self._decide(outcome)
        else:
            self._outgoing.finish(self.book, machine.state.last_results[tail.kept :], tail.cause_seq)

    def _set_bounds(self, day: SessionDay | None, ts_ns: int) -> None:
        """When this session's log ends, and when the run does."""
        self._roll_ns = opening.roll_ns(self.book.live.state.sessions, day, ts_ns)
        self.ts_first_ns = self.ts_first_ns or ts_ns
        self._stop_ns = min(self.ts_first_ns + self._duration_ns, TS_NEVER_NS)

    def _roll(self) -> None:
        """The next trading session has its own log. The kernel is carried over warm, inside the log."""
        now_ns = self.book.now_ns
        self.book.end(SESSION_ROLL)
        self._begin_session(now_ns if self._roll_ns == TS_NEVER_NS else self._roll_ns, told=True)

    def _finish(self, reason: str, exit_code: int) -> None:
        self.exit_reason, self.exit_code = reason, exit_code
        self.desk.publish(partial(bot_status, self.book, self.identity), final=True)
        failed = "" if self.tape.error is None else str(self.tape.error)
        self.message = self._care.end(reason, exit_code) or failed or self.message
        self.ended = True

    # --- market data -----------------------------------------------------------------------------------------------
    def _market(self) -> None:
        tape = self.tape
        if not tape.held:
            tape.read_live(self.book.live.state.kernel, self._due_ns(), self._at_once)
            self._look_after_log()
        if (command := self.desk.poll(self.book.now_ns) or self._inlet.poll(self.book.now_ns)) is not None:
            self._input(command)
        elif tape.held:
            self._walk()
        elif self.broker.next_due_ns <= self.book.now_ns:
            self._answer(self.broker.next_due_ns)
        elif tape.done:
            self._after_feed(self._due_ns())

    def _without_market(self) -> None:
        """The log takes no market data: answers and timers are heard, until all is at rest."""
        now_ns = max(self.book.now_ns, self._unheard_ns)
        if (command := self.desk.poll(now_ns)) is not None:
            self._input(command)
        elif (due_ns := self._due_ns()) <= now_ns:
            self._due(due_ns)
        elif self.tape.done:
            self._after_feed(due_ns)
        else:
            self._unheard_ns = max(self._unheard_ns, self.tape.discard())
            self._look_after_log()

    def _at_once(self, code: int) -> int:
        """An outcome while the tape is read is decided here and now; how far the kernel may go on, 0: no further."""
        self.desk.check()
        self._outcome(code)
        return 0 if self._pending or self.stop_asked or self.book.live.end or self._care.deaf else self._due_ns()

    def _walk(self) -> None:
        """Market data up to an outcome, or to whatever is due before the next record."""
        tape = self.tape  # a long silence is walked in parts, so that a signal is heard; the log does not show them
        self._walked_ns = min(self._due_ns(), max(self.book.now_ns, self._walked_ns) + _WALK_NS)
        code = tape.run(self.book.live.state.kernel, self._walked_ns)
        if self._on_progress is not None and not tape.held:
            self._on_progress(tape.taken)
        if code:
            self._outcome(code)
            return
        due_ns = self._due_ns()  # nearer than before when the exchange has news
        if tape.held and due_ns <= min(self._walked_ns, tape.next_ns):
            self._due(due_ns)

    def _due_ns(self) -> int:
        told_ns, timer_ns = self._inlet.next_due_ns, self.book.live.next_timer_ns
        return min(self.broker.next_due_ns, timer_ns, told_ns, self._stop_ns, self._roll_ns)

    def _answer(self, due_ns: int) -> None:
        """What the grid points before it cause reaches the broker first."""
        while code := self.book.live.state.kernel.on_time(due_ns - 1):
            self._outcome(code)
        answer = self.broker.take(due_ns)
        if answer is not None:
            self._input(answer)

    def _after_feed(self, due_ns: int) -> None:
        """The source has no more: answers and timers still come, so that what is open can be closed."""
        if self.book.live.state.stopping is None:
            self._feed_ended()
        elif min(self.broker.next_due_ns, self.book.live.next_timer_ns) <= self._feed_end_ns + _AFTER_FEED_NS:
            self._due(due_ns)
        else:
            self.message = self.message or "the market data ended before the position was closed"
            self._finish("FEED_ENDED", max(self.book.live.state.exit_code, log_care.EXIT_CODE))

    def _feed_ended(self) -> None:
        self._feed_end_ns = now_ns = self.book.now_ns
        counters = self.book.live.state.kernel.counters()
        ended = opening.feed_ended(now_ns, self.tape.error, self.feed.rejected_by_reason, counters)
        self.message = "" if ended.reason == "END" else ended.reason
        self._input(ended)

    def _due(self, due_ns: int) -> None:
        """Something is due before the next record: a broker's answer, timers, what was sent, the bounds of the run."""
        machine = self.book.live
        if self.broker.next_due_ns == due_ns:
            self._answer(due_ns)
        elif machine.next_timer_ns == due_ns:
            while code := machine.state.kernel.on_time(max(due_ns, self.book.now_ns) - 1):
                self._outcome(code)
            if machine.next_timer_ns == due_ns:  # a grid point before it may have armed it anew
                self._input(machine.due_timer(self.book.now_ns))
        elif self._inlet.next_due_ns == due_ns:
            if (message := self._inlet.poll(max(due_ns, self.book.now_ns))) is not None:
                self._input(message)
        elif self._stop_ns == due_ns:
            self._stop_ns = TS_NEVER_NS
            self._input(events.StopRequested(ts_ns=due_ns, reason="DURATION"))
        elif machine.state.stopping is None:
            self._input(events.StopRequested(ts_ns=due_ns, reason=SESSION_ROLL))
        else:  # the close has come while a stop was under way: what is open is flattened after it, or the next log
            self._roll_ns = TS_NEVER_NS

    def _look_after_log(self) -> None:
        """Segments between batches; room on the disk, the lack of it, or worse is an input."""
        for event in self._care.look():
            self._input(event)
        self.desk.publish(partial(bot_status, self.book, self.identity))

    # --- the core --------------------------------------------------------------------------------------------------

    def _outcome(self, code: int) -> None:
        if code & _LOG_FULL:
            self._log_full()
            return
        self._decide(self.book.live.outcome(code))

    def _decide(self, outcome: OutcomeReached) -> None:
        seq = self.book.append(FrameClass.DERIVED, outcome, self.book.writing.writer.seq)
        self._apply(outcome, seq)

    def _log_full(self) -> None:
        """The tick waits: none is dropped from the run, which ends by the reserve kept for messages."""
        told = self._care.refused()
        for event in told or ():
            self._input(event)
        if told == []:
            self.message, self.exit_reason, self.exit_code = self._care.message, log_care.LOG_FULL, log_care.EXIT_CODE
            self.ended = True

    def _input(self, event: Input) -> None:
        """Grid points before it, the event into the log, into the core, its results into the log, effects out."""
        while code := self.book.live.state.kernel.on_time(event.ts_ns - 1):
            self._outcome(code)
        seq = self.book.append(FrameClass.INPUT, event, 0)
        self._apply(event, seq)

    def _apply(self, event: Event, seq: int) -> None:
        self._outgoing.begin()
        try:
            results = self.book.live.apply(event, seq, partial(self._outgoing.leave, self.book, seq))
            self._outgoing.finish(self.book, results, seq)
        except Exception as error:
            self._failed(error, seq, type(event).__name__)
            raise

    def _failed(self, error: Exception, seq: int, where: str) -> None:
        if not self.ended and (bug := core_bug(self.book, self.broker, self.desk, seq, error, where)) is not None:
            self.ended, self.exit_reason, self.exit_code = True, CORE_FAILED, bug.exit_code
            raise bug from error
