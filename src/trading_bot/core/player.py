"""Play a log through a machine: inputs are fed again, everything derived is recomputed and compared, record by record.

Replay stops at the first difference. Recovery plays the same way and then goes on where the log ends.
"""

from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from trading_bot._fast import ExchangeSim
from trading_bot._fast.spans import count_kind
from trading_bot.core import learning_rows
from trading_bot.core.carried import Carried, Ledger
from trading_bot.core.cost_desk import with_adopted, with_corrected, with_measured
from trading_bot.core.counters import RunCounters
from trading_bot.core.digest import EffectsDigest
from trading_bot.core.documents import RunDocuments
from trading_bot.core.execution_quality import with_penalty
from trading_bot.core.executions import Seen, remember, seen
from trading_bot.core.log_reader import MessageFrame, TickSpan
from trading_bot.core.machine import Facts, Machine
from trading_bot.core.params_desk import with_param
from trading_bot.core.unplayable import Unplayable, telling_of_ticks
from trading_bot.domain import events, log_records, rule_events, trade_events
from trading_bot.domain.config import config_tag
from trading_bot.domain.context import ContextChanged, ContextReceived
from trading_bot.domain.effects import Effect, LatchKillSwitch, PlaceOrder
from trading_bot.domain.errors import LogCorrupt, ReplayDiverged
from trading_bot.domain.events import Event, OutcomeReached
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.learning import LearningOrdered
from trading_bot.domain.orders import Side
from trading_bot.domain.records import FRAME_ALIGN, FrameClass, FrameKind
from trading_bot.engines import budgets, context
from trading_bot.engines.lockouts import restored
from trading_bot.engines.quality import EqsDeficit
from trading_bot.engines.rule_pack import RuleState


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """How a log ends.

    `missing` results of the record `cause_seq` are not in it, `kept` are; cause 0 is an unrecorded outcome.
    """

    cause_seq: int
    kept: int
    missing: int


class Player:
    """Drives a machine from a log.

    `on_message` sees every message after it was applied or matched (recovery rebuilds a broker by it).
    """

    def __init__(
        self,
        *,
        build: str,
        counters: RunCounters | None = None,
        run_digest: EffectsDigest | None = None,
        on_message: Callable[[Event | Effect], None] | None = None,
        exchange: Callable[[events.RunStarted | events.ProcessStarted], ExchangeSim | None] | None = None,
    ) -> None:
        """`build` names our kernel and core: effects are compared only with a log of the same build.

        `exchange` gives what the kernel matches from a beginning on: a log's, or that of a process that began cold.
        """
        self.build = build
        self.counters = counters or RunCounters()
        self.run_digest = run_digest or EffectsDigest()
        self.machine: Machine | None = None
        self.compared = True
        self.ticks = 0
        self.feed_records = 0
        self.records = 0
        self.last_seq = 0
        self.last_ts_ns = 0
        self.run_started: events.RunStarted | None = None
        self.ended: events.RunEnded | None = None
        self.core_failed: events.CoreFailed | None = None
        self.facts = Facts()
        self._message_received: ContextReceived | None = None
        self._tag = 0
        self.history_events = 0
        self.seen: set[type[Event | Effect]] = set()
        self._on_message = on_message
        self._exchange = exchange
        self._expected: deque[Event | Effect] = deque()
        self._results: tuple[Event | Effect, ...] = ()
        self._results_seq = 0
        self._outcome: OutcomeReached | None = None
        self._unplayable = Unplayable()

    def play(self, items: Iterable[TickSpan | MessageFrame], *, until_seq: int | None = None) -> None:
        """Feed the log's records in order, up to and including `until_seq`.

        Raises:
            ReplayDiverged: with the number of the first record that differs.
            LogCorrupt: a record that does not decode, or a log that does not begin with RunStarted.
        """
        for item in items:
            if isinstance(item, TickSpan):
                count = item.count if until_seq is None else min(item.count, until_seq - item.first_seq + 1)
                if count > 0:
                    with telling_of_ticks(item.first_seq):
                        self._span(item.first_seq, item.buffer[: count * FRAME_ALIGN], count)
            elif until_seq is None or item.seq <= until_seq:
                self.core_failed = self._unplayable.take(item, self._message) or self.core_failed
            if self.core_failed is not None or (until_seq is not None and self.last_seq >= until_seq):
                break
        self._unplayable.refuse()

    @property
    def owed_outcome(self) -> OutcomeReached | None:
        """What the kernel found at the very end, when the log does not hold it."""
        return self._outcome

    @property
    def tail(self) -> Tail | None:
        """What the end of the log still owes; None when everything decided is recorded."""
        if self._outcome is not None:
            return Tail(cause_seq=0, kept=0, missing=1)
        if self._expected:
            kept = len(self._results) - len(self._expected)
            return Tail(cause_seq=self._results_seq, kept=kept, missing=len(self._expected))
        return None

    def _live(self, seq: int) -> Machine:
        if self.machine is None:
            text = f"record {seq} comes before RUN_STARTED: this is not the beginning of a log"
            raise LogCorrupt(text, segment="", offset=0, seq=seq)
        return self.machine

    def _span(self, first_seq: int, ticks: memoryview, count: int) -> None:
        if self.compared:
            self._run(first_seq, ticks, count)
        market_id = self._live(first_seq).state.documents.market_instrument.id
        self.counters.logged_quotes += count_kind(ticks, FrameKind.QUOTE, market_id)
        self.counters.logged_trades += count_kind(ticks, FrameKind.TRADE, market_id)
        self.ticks += count
        # TIME records are the runner's own, not the feed's.
        self.feed_records += count - count_kind(ticks, FrameKind.TIME)
        self.records += count
        self.last_seq = first_seq + count - 1

    def _run(self, first_seq: int, ticks: memoryview, count: int) -> None:
        machine = self._live(first_seq)
        self._no_debt(first_seq)
        stop, code = machine.state.kernel.run(ticks)
        while not code and stop < count:  # an exchange has news for a broker, whose answers are in the log
            stop, code = machine.state.kernel.run(ticks, stop)
        if code and stop < count:
            raise ReplayDiverged(
                first_seq + stop,
                f"replay stops before record {first_seq + stop} with outcome {Outcome(code)!r}; "
                "the log has no outcome there",
            )
        self.last_ts_ns = machine.state.kernel.now_ns
        if code:
            self._outcome = machine.outcome(code)

    def _message(self, frame: MessageFrame) -> None:
        try:
            record = log_records.decode(frame.payload)
        except msgspec.DecodeError as error:
            raise LogCorrupt(
                f"record {frame.seq} does not decode: {error}; was the log written by a newer version?",
                segment="",
                offset=0,
                seq=frame.seq,
            ) from error
        self.records += 1
        self._check_tag(frame, record)
        if isinstance(record, events.RunStarted):
            self._begin(record, frame.seq)
        elif isinstance(record, events.ProcessStarted) and record.documents:
            self._restart_cold(record, frame.seq)
        elif not self.compared:
            self._scan(record, frame.seq)
        elif isinstance(record, events.EffectsAbandoned):
            self._abandon(record, frame.seq)
        elif isinstance(record, OutcomeReached):
            self._match_outcome(record, frame.seq)
        elif frame.cls == FrameClass.INPUT:
            self._input(record, frame.seq)
        else:
            self._match(record, frame.seq)
        self.last_seq = frame.seq
        self.last_ts_ns = max(self.last_ts_ns, frame.ts_ns)
        self._note(record)
        if self._on_message is not None:
            self._on_message(record)

    def _check_tag(self, frame: MessageFrame, record: Event | Effect) -> None:
        """Every message names the configuration in force; a record that came from another run shows here."""
        if isinstance(record, events.RunStarted | events.ProcessStarted):
            self._tag = config_tag(record.config_hash)
        if frame.config_tag != self._tag:
            raise LogCorrupt(
                f"record {frame.seq} carries configuration {frame.config_tag:08x}, expected {self._tag:08x}: "
                "it was not written by this run",
                segment="",
                offset=0,
                seq=frame.seq,
            )

    def _begin(self, record: events.RunStarted, seq: int) -> None:
        if seq != 1:
            raise LogCorrupt(f"RUN_STARTED is record {seq}, expected 1", segment="", offset=0, seq=seq)
        self.run_started = record
        documents = RunDocuments.unpack(record.documents, where=f"record {seq}")
        self.compared = record.kernel_build == self.build and documents.plugins_as_installed()
        self.machine = Machine(documents, counters=self.counters, run_digest=self.run_digest)
        self._set_exchange(record)
        if self.compared:
            self._apply(record, seq)

    def _set_exchange(self, record: events.RunStarted | events.ProcessStarted) -> None:
        if self._exchange is not None:
            assert self.machine is not None
            self.machine.state.kernel.set_exchange(self._exchange(record))

    def _restart_cold(self, record: events.ProcessStarted, seq: int) -> None:
        old = self._live(seq)
        documents = RunDocuments.unpack(record.documents, where=f"record {seq}")
        self.compared = record.kernel_build == self.build and documents.plugins_as_installed()
        self.machine = old.restarted(documents, self.facts)
        self._set_exchange(record)
        self._expected.clear()
        self._outcome = None
        self._apply(record, seq)

    def _scan(self, record: Event | Effect, seq: int) -> None:
        """Another build wrote this: its records count, nothing is recomputed."""
        machine = self._live(seq)
        if isinstance(record, events.ProcessStarted | events.EffectsAbandoned):
            machine.state.lifecycle_seqs.append(seq)
        machine.recorded(record)
        if isinstance(record, events.RunEnded):
            self.ended = record
        elif isinstance(record, events.CoreFailed):
            self.core_failed = record

    def _input(self, record: Event | Effect, seq: int) -> None:
        assert isinstance(record, Event)
        if isinstance(record, events.CoreFailed) and record.failed_seq == self._results_seq:
            self._expected.clear()  # what it was deciding when it failed was never recorded
        self._no_debt(seq)
        machine = self._live(seq)
        code = machine.state.kernel.on_time(record.ts_ns - 1)
        if code:
            raise ReplayDiverged(
                seq, f"replay finds outcome {Outcome(code)!r} before record {seq}; the log has none there"
            )
        self._apply(record, seq)

    def _match_outcome(self, record: OutcomeReached, seq: int) -> None:
        machine = self._live(seq)
        if self._outcome is None:
            code = machine.state.kernel.on_time(record.ts_ns)
            if not code:
                raise ReplayDiverged(seq, f"the log has an outcome at {record.ts_ns}; replay finds none")
            self._outcome = machine.outcome(code)
        found, self._outcome = self._outcome, None
        self._compare(found, record, seq)
        self._apply(found, seq)

    def _match(self, record: Event | Effect, seq: int) -> None:
        if self._outcome is not None or not self._expected:
            raise ReplayDiverged(seq, f"the log has {type(record).__name__} at record {seq}; replay has nothing there")
        found = self._expected.popleft()
        self._compare(found, record, seq)
        self.machine_recorded(found)

    def _abandon(self, record: events.EffectsAbandoned, seq: int) -> None:
        machine = self._live(seq)
        machine.abandoned(self._results if record.cause_seq else (), record.kept)
        if not record.cause_seq:
            machine.state.last_results = ()
        self._expected.clear()
        self._outcome = None
        self._apply(record, seq)

    def _apply(self, record: Event, seq: int) -> None:
        machine = self._live(seq)
        self._results = machine.apply(record, seq)
        self._results_seq = seq
        self._expected.extend(self._results)
        if isinstance(record, events.RunEnded):
            self.ended = record
        elif isinstance(record, events.CoreFailed):
            self.core_failed = record

    def machine_recorded(self, result: Event | Effect) -> None:
        """Count a result that the log holds."""
        assert self.machine is not None
        self.machine.recorded(result)

    def _compare(self, found: Event | Effect, logged: Event | Effect, seq: int) -> None:
        if self.compared and found != logged:
            raise ReplayDiverged(seq, f"record {seq} differs:\n  log:    {logged!r}\n  replay: {found!r}")

    def _no_debt(self, seq: int) -> None:
        if self._outcome is not None:
            raise ReplayDiverged(
                seq, f"replay finds {self._outcome!r} before record {seq}; the log has no such outcome"
            )
        if self._expected:
            raise ReplayDiverged(
                seq, f"replay expects {self._expected[0]!r} before record {seq}; the log does not hold it"
            )

    def _note(self, record: Event | Effect) -> None:
        """Facts that survive even when the state cannot be rebuilt (architecture law 10)."""
        carried = self.facts.carried
        trade_date = self.run_started.trade_date if self.run_started else 0
        self.seen.add(type(record))
        self.history_events += isinstance(record, events.HistoryLoaded)
        if isinstance(record, events.StateCarried):
            self.facts = Facts(carried=msgspec.msgpack.decode(record.state, type=Carried))
        elif isinstance(record, trade_events.TradeClosed):
            self._carry(ledger=msgspec.msgpack.decode(record.ledger, type=Ledger))
            self.facts.outcomes.append(record.outcome)
        elif isinstance(record, trade_events.BreakerChanged):
            self._carry(ledger=msgspec.msgpack.decode(record.ledger, type=Ledger))
        elif isinstance(record, rule_events.RuleChanged | rule_events.RulesMarked):
            self._carry(rules=msgspec.msgpack.decode(record.rules, type=RuleState))
        elif isinstance(record, trade_events.OrderFilled):
            self._filled(record)
        elif isinstance(record, trade_events.CommissionCorrected):
            self._carry(
                ledger=msgspec.msgpack.decode(record.ledger, type=Ledger), costs=with_corrected(carried.costs, record)
            )
            self._executed(record.exec_id, None)
        elif isinstance(record, events.LockoutChanged):
            self._carry(locks=restored(self.facts.carried.locks, record.lockout, record.until_ns, record.reason))
        elif isinstance(record, trade_events.FillMeasured):
            self._carry(costs=with_measured(self.facts.carried.costs, record))
        elif isinstance(record, trade_events.ParamsAdopted):
            self._carry(
                costs=with_adopted(carried.costs, record, trade_date),
                params=with_param(carried.params, record),
                learning=learning_rows.with_adopted(carried.learning, record, trade_date),
            )
        elif isinstance(record, ContextReceived):
            self._message_received = record
        elif isinstance(record, ContextChanged):
            self._context_changed(record)
        elif isinstance(record, events.QualityStateChanged):
            self._carry(data_down=record.data_down)
        elif isinstance(record, events.OrderCancelled):
            self.facts.entry_ended(record.order_id, record.leg)
        elif isinstance(record, events.OrderRejected):
            self.facts.entry_ended(record.order_id, record.leg)
            self._carry(deficits=(*carried.deficits, EqsDeficit("reject", record.ts_ns)))
        elif isinstance(record, events.ExecutionPenalised):
            self._carry(deficits=with_penalty(self.facts.carried.deficits, record))
        elif isinstance(record, PlaceOrder):
            self.facts.entry_sent(record.order)
            attempted = budgets.with_attempt(carried.ledger.budgets)
            self._carry(ledger=msgspec.structs.replace(carried.ledger, budgets=attempted))
        elif isinstance(record, events.AccountSnapshot):
            self._carry(ledger=self.facts.carried.ledger.opened(trade_date, record.equity_uusd, assumed=record.assumed))
        elif isinstance(record, LearningOrdered):
            self.facts.outcomes.append(record)
        elif isinstance(record, events.KillRequested | LatchKillSwitch | events.KillCleared):
            self._carry(kill_reason=None if isinstance(record, events.KillCleared) else record.reason)
        elif isinstance(record, events.CoreFailed):
            self._carry(kill_reason=f"CORE_FAILED: {record.error}")

    def _filled(self, record: trade_events.OrderFilled) -> None:
        """A simulator's executions have no id that another process could meet again."""
        if not record.hypothetical:
            known = seen(dict(self.facts.carried.executions), record.exec_id)
            self._executed(record.exec_id, record.commission_uusd if record.commission_estimated else None)
            if known is not Seen.NEW:
                return
        self.facts.entry_filled(record)
        sign = 1 if record.side is Side.BUY else -1
        self._carry(position_qty=(self.facts.carried.position_qty or 0) + sign * record.qty)

    def _executed(self, exec_id: str, estimated_uusd: int | None) -> None:
        kept = dict(self.facts.carried.executions)
        remember(kept, exec_id, estimated_uusd)
        self._carry(executions=tuple(kept.items()))

    def _context_changed(self, record: ContextChanged) -> None:
        """A lockout that was asked for from outside outlives the process; an end comes by itself, at its time."""
        message = self._message_received
        if record.change == "TAKEN" and message is not None and message.name == record.name:
            self._carry(context=context.taken(self.facts.carried.context, message))

    def _carry(self, **changes: object) -> None:
        self.facts.carried = msgspec.structs.replace(self.facts.carried, **changes)
