"""State with what always moves along with it: timers, counters and digests.

The runner and replay drive the same machine.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from trading_bot.core import learning_desk, reentry
from trading_bot.core.apply import Results, apply
from trading_bot.core.carried import Carried
from trading_bot.core.cost_desk import put_in_force
from trading_bot.core.counters import RunCounters
from trading_bot.core.digest import EffectsDigest, canonical_payload
from trading_bot.core.documents import RunDocuments
from trading_bot.core.state import State
from trading_bot.core.stopping import PROTECTED
from trading_bot.domain.effects import ArmTimer, DisarmTimer, Effect, EndRun
from trading_bot.domain.events import Event, OutcomeReached, ProcessStarted, TimerFired
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.learning import LearningOrdered, LearningState, TradeOutcome
from trading_bot.domain.orders import ApprovedOrder, ClientOrderId, Leg, Side
from trading_bot.domain.trade_events import OrderFilled
from trading_bot.domain.units import TS_NEVER_NS

# Plain numbers: `&` of an IntFlag makes an object each time.
_NOT_PENDING: Final = ~int(Outcome.PENDING)
_EXIT: Final = int(Outcome.EXIT)
_CANDIDATE: Final = int(Outcome.CANDIDATE)


_OF_THE_MACHINE: Final = frozenset({ArmTimer, DisarmTimer, EndRun})


class Facts(msgspec.Struct, kw_only=True):
    """What survives when the state cannot be rebuilt: carried facts, and what closed since they were written.

    `outcomes` are trades and a person's words about templates, in their order.

    `entries` were sent and have no end in the log: what may still be executed of each, in lots, negative for sales.
    """

    carried: Carried = Carried()
    outcomes: list[TradeOutcome | LearningOrdered] = []
    entries: dict[ClientOrderId, int] = {}

    def entry_sent(self, order: ApprovedOrder) -> None:
        """It may fill from here on, whoever lives to hear of it."""
        self.entries[order.order_id] = order.qty * (1 if order.side is Side.BUY else -1)

    def entry_ended(self, order_id: ClientOrderId, leg: Leg) -> None:
        """Withdrawn or refused."""
        if leg is Leg.ENTRY:
            self.entries.pop(order_id, None)

    def entry_filled(self, fill: OrderFilled) -> None:
        """One execution more, maybe the last."""
        if fill.leg is Leg.ENTRY and fill.order_id in self.entries:
            self.entries[fill.order_id] -= fill.qty * (1 if fill.side is Side.BUY else -1)
            if fill.final:
                del self.entries[fill.order_id]


TimerKey = tuple[str, ClientOrderId | None]


class Machine:
    """One session's core. `digest` covers this log, `run_digest` all logs of the run so far."""

    def __init__(
        self,
        documents: RunDocuments,
        *,
        counters: RunCounters | None = None,
        run_digest: EffectsDigest | None = None,
    ) -> None:
        """A cold machine; `counters` and `run_digest` go on from an earlier session."""
        self.state = State(documents)
        self.counters = counters or RunCounters()
        self.digest = EffectsDigest()
        self.run_digest = run_digest or EffectsDigest()
        self.timers: dict[TimerKey, int] = {}
        self.end: EndRun | None = None

    def restarted(self, documents: RunDocuments, facts: "Facts") -> "Machine":
        """A cold machine under other documents, with the facts an earlier one left; digests and counters go on."""
        fresh = Machine(documents, counters=self.counters, run_digest=self.run_digest)
        self.counters.before_quotes = self.counters.logged_quotes
        self.counters.before_trades = self.counters.logged_trades
        fresh.digest = self.digest
        fresh.state.lifecycle_seqs = self.state.lifecycle_seqs
        fresh.state.ts_ns = self.state.ts_ns
        fresh.state.mode = self.state.mode
        fresh.state.learning.hypothetical = self.state.learning.hypothetical
        sessions = fresh.state.sessions
        fresh.state.day = sessions.trading_day(fresh.state.ts_ns) if sessions else None
        fresh.state.take_over(facts.carried)
        fresh.state.left_entries = dict(facts.entries)
        put_in_force(fresh.state)
        for outcome in facts.outcomes:
            if isinstance(outcome, LearningOrdered):
                learning_desk.ordered(fresh.state, outcome, 0)
                continue
            fresh.state.learning.record(outcome)
            reentry.trade_closed(fresh.state, outcome)
        return fresh

    @property
    def next_timer_ns(self) -> int:
        """Time of the next timer, `TS_NEVER_NS` when none is armed."""
        return min(self.timers.values(), default=TS_NEVER_NS)

    def due_timer(self, now_ns: int) -> TimerFired:
        """The event of the timer that is due first; of equal ones the one armed first."""
        key = min(self.timers, key=self.timers.__getitem__)
        due_ns = self.timers[key]
        return TimerFired(ts_ns=max(due_ns, now_ns), name=key[0], due_ns=due_ns, order_id=key[1])

    def outcome(self, code: int) -> OutcomeReached:
        """The record of what the kernel stopped for."""
        kernel = self.state.kernel
        return OutcomeReached(
            ts_ns=kernel.last_outcome_ts_ns,
            code=code & _NOT_PENDING,
            at_grid=kernel.last_outcome_at_grid,
            dvs_c=kernel.dvs_c,
            dvs_band=kernel.dvs_band,
            exit_mask=kernel.last_exit_mask if code & _EXIT else 0,
            candidates=kernel.candidates() if code & _CANDIDATE else (),
        )

    def apply(self, event: Event, seq: int, leave: Callable[[Results], None] | None = None) -> Results:
        """Apply an event; timers and counters follow. Its results count when they are in the log (`recorded`).

        `leave` is told the results before anything has settled.
        """
        if isinstance(event, TimerFired):
            self.timers.pop((event.name, event.order_id), None)
        elif isinstance(event, ProcessStarted) and self.end is not None and self.end.reason == PROTECTED:
            self.end = None  # what was left with its stop is taken over
        results = apply(self.state, event, seq, leave)
        self.counters.observe(event)
        for result in results:
            if type(result) in _OF_THE_MACHINE:
                self._take(result)
        return results

    def _take(self, result: Event | Effect) -> None:
        if isinstance(result, ArmTimer):
            self.timers.pop((result.name, result.order_id), None)
            self.timers[(result.name, result.order_id)] = result.due_ns
        elif isinstance(result, DisarmTimer):
            self.timers.pop((result.name, result.order_id), None)
        elif isinstance(result, EndRun):
            self.end = result

    def recorded(self, result: Event | Effect) -> None:
        """A result is in the log: it counts."""
        self.counters.observe(result)
        if isinstance(result, Effect):
            payload = canonical_payload(result, self.state.lifecycle_seqs)
            self.digest.add(payload)
            self.run_digest.add(payload)

    def abandoned(self, results: Results, kept: int) -> None:
        """The results after the first `kept` never reached the log: timers they armed are not armed."""
        for result in results[kept:]:
            if isinstance(result, ArmTimer):
                self.timers.pop((result.name, result.order_id), None)
            elif isinstance(result, EndRun):
                self.end = None

    def throttled(self) -> dict[str, str]:
        """Templates that may not do all they want, with their state."""
        learning = self.state.learning
        states = {name: learning.state(name) for name in self.state.documents.templates}
        return {name: state.value for name, state in states.items() if state is not LearningState.ACTIVE}
