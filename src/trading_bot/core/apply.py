"""`apply(state, event) -> results`: the core. Deterministic, no clock, no I/O; results are logged in this order.

The handlers of a family stand in the modules named `on_*`; this is their table.
"""

from collections.abc import Callable
from typing import Any, Final

from trading_bot.core import (
    breaking,
    context_desk,
    latency_desk,
    learning_desk,
    on_abandoned,
    on_broker,
    on_fill,
    on_life,
    on_orders,
    on_outcome,
    on_session,
    reconciling,
)
from trading_bot.core.control import refresh_control
from trading_bot.core.state import State
from trading_bot.domain import (
    broker_events,
    context,
    effects,
    events,
    latency_events,
    session_events,
    trade_events,
    witness_events,
)
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event
from trading_bot.domain.learning import LearningOrdered

Results = tuple[Event | Effect, ...]
Handler = Callable[[State, Any, int], list[Event | Effect]]

_HANDLERS: Final[dict[type[Event], Handler]] = {
    events.RunStarted: on_life.run_started,
    events.StateCarried: on_life.state_carried,
    events.ProcessStarted: on_abandoned.process_started,
    events.EffectsAbandoned: on_abandoned.effects_abandoned,
    events.StopRequested: on_life.stop_requested,
    events.FeedEnded: on_life.feed_ended,
    events.RunEnded: on_life.run_ended,
    events.CoreFailed: on_life.core_failed,
    events.LogSpaceChanged: on_life.log_space_changed,
    events.InstrumentBound: on_life.instrument_bound,
    events.LinkStatus: on_life.link_status,
    events.AccountSnapshot: on_life.account_snapshot,
    events.Reconciled: reconciling.reconciled,
    events.LatencySampled: latency_desk.latency_sampled,
    latency_events.OrderTimed: latency_desk.order_timed,
    latency_events.LatencySummary: latency_desk.latency_summary,
    events.KillRequested: on_life.kill_requested,
    events.FlattenRequested: on_life.flatten_requested,
    events.KillCleared: on_life.kill_cleared,
    events.HistoryLoaded: on_life.history_loaded,
    events.LearningSaveFailed: learning_desk.save_failed,
    events.LearningRefused: learning_desk.refused,
    LearningOrdered: learning_desk.ordered,
    context.ContextReceived: context_desk.received,
    context.ContextLinesRefused: context_desk.lines_refused,
    events.TimerFired: on_session.timer_fired,
    session_events.HoursTold: on_session.hours_told,
    session_events.HaltTold: on_session.halt_told,
    events.OrderSuppressed: on_orders.order_suppressed,
    events.OrderAcknowledged: on_orders.order_acknowledged,
    events.OrderCancelled: on_orders.order_cancelled,
    events.OrderRejected: on_orders.order_rejected,
    trade_events.OrderWorking: on_orders.order_working,
    trade_events.OrderFilled: on_fill.order_filled,
    trade_events.StopTriggered: on_orders.stop_triggered,
    trade_events.RequestRefused: on_orders.request_refused,
    broker_events.OrderUncertain: on_broker.order_uncertain,
    broker_events.CommissionReported: on_broker.commission_reported,
    broker_events.BrokerNotice: on_broker.broker_notice,
    witness_events.MarketWitnessed: on_broker.market_witnessed,
    trade_events.ShadowFilled: learning_desk.shadow_filled,
    trade_events.ShadowEnded: learning_desk.shadow_ended,
    trade_events.BreakerClearRequested: breaking.clear_requested,
    events.OutcomeReached: on_outcome.outcome_reached,
}


# After these the broker's list may be a moment behind what it told, or behind what was sent.
_ORDER_NEWS: Final = frozenset(
    {
        events.OrderAcknowledged,
        events.OrderCancelled,
        events.OrderRejected,
        trade_events.OrderWorking,
        trade_events.OrderFilled,
        trade_events.RequestRefused,
        broker_events.OrderUncertain,
    }
)
_ORDERS_SENT: Final = frozenset({effects.PlaceOrder, effects.CancelOrder, effects.PlaceExit, effects.ModifyStop})


def apply(state: State, event: Event, seq: int, leave: Callable[[Results], None] | None = None) -> Results:
    """Take one event in and say what follows. `seq` is the number of the event's record: order ids are built on it.

    `leave` is told what follows as soon as that is known; the state settles when orders have left.

    Raises:
        KeyError: an event no handler knows, which is a bug of ours.
    """
    state.ts_ns, state.seq = max(state.ts_ns, event.ts_ns), seq
    state.last_results = results = tuple(_HANDLERS[type(event)](state, event, seq))
    if leave is not None:
        leave(results)
    if state.documents.gates_real and _orders_move(event, results):
        state.moved_ns = state.ts_ns
    refresh_control(state)
    return results


def _orders_move(event: Event, results: Results) -> bool:
    """Whether orders were sent, changed or answered; what was told before moves nothing."""
    return (type(event) in _ORDER_NEWS and bool(results)) or not _ORDERS_SENT.isdisjoint(map(type, results))
