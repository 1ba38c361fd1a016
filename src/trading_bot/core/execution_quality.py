"""What costs execution quality besides rejects and slippage (specification 5): links, unknown orders, left partials.

Each is an event, so that a report and a cold restart know it from the log.
"""

from typing import Final

from trading_bot.core import deadlines
from trading_bot.core.deadlines import ORDER_ACK_TIMER
from trading_bot.core.flattening import pull_kill_switch
from trading_bot.core.state import State
from trading_bot.core.trade import Entry
from trading_bot.domain.effects import Alert, AskBroker, DisarmTimer, Effect
from trading_bot.domain.events import Event, ExecutionPenalised, LinkStatus, TimerFired
from trading_bot.domain.orders import OrderStatus
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.engines.orders import OrderSignal, next_status
from trading_bot.engines.quality import EqsDeficit, Outage

_SHORT_OUTAGE_NS: Final = 30 * NS_PER_S

Results = list[Event | Effect]


def lose(state: State, ts_ns: int, name: str, *, quarter: bool = False) -> Results:
    """Take a penalty of `engines.quality.EQS_PENALTIES`, or a quarter of it."""
    state.deficits = (*state.deficits, EqsDeficit(name, ts_ns, quarter))
    return [ExecutionPenalised(ts_ns=ts_ns, name=name, since_ns=ts_ns, quarter=quarter)]


def link_changed(state: State, event: LinkStatus, *, connected: bool) -> Results:
    """Lost and reconnected count once; inside the broker's reset window, while flat, a quarter.

    A farm or a stream that stopped is no outage: orders and their answers still pass.
    """
    outage = state.outage
    if state.link_connected and not connected:
        if outage is not None:  # lost again before the last loss was reconciled: the same trouble
            state.outage = Outage(outage.since_ns, outage.quarter)
            return []
        quarter = not state.exposed and _in_reset_window(state, event.ts_ns)
        state.outage = Outage(event.ts_ns, quarter)
        return lose(state, event.ts_ns, "link_outage", quarter=quarter)
    if connected and outage is not None and outage.up_ns is None:
        state.outage = Outage(outage.since_ns, outage.quarter, event.ts_ns)
    return []


def reconciled_clean(state: State, ts_ns: int) -> Results:
    """The broker's position was ours: an outage of at most 30 s costs .10 instead of .30."""
    outage = state.outage
    if outage is None or outage.up_ns is None:
        return []
    state.outage = None
    if state.wall_of(outage.up_ns - outage.since_ns) > _SHORT_OUTAGE_NS:
        return []
    eased = ExecutionPenalised(
        ts_ns=ts_ns,
        name="link_outage_short",
        since_ns=outage.since_ns,
        quarter=outage.quarter,
        replaces="link_outage",
    )
    state.deficits = with_penalty(state.deficits, eased)
    return [eased]


def reconciled_unclean(state: State) -> None:
    """The broker's position was another: an outage that is over costs what it costs, and the next begins anew."""
    if state.outage is not None and state.outage.up_ns is not None:
        state.outage = None


def with_penalty(deficits: tuple[EqsDeficit, ...], event: ExecutionPenalised) -> tuple[EqsDeficit, ...]:
    """The deficits after the event: one more, or one in another's place."""
    old = EqsDeficit(event.replaces, event.since_ns, event.quarter)
    kept = tuple(deficit for deficit in deficits if not event.replaces or deficit != old)
    return (*kept, EqsDeficit(event.name, event.since_ns, event.quarter))


def _in_reset_window(state: State, ts_ns: int) -> bool:
    """Counted from the Globex open, 18:00 ET: no change of the clocks lies between it and the window."""
    if state.day is None:
        return False
    quality = state.config.quality
    since_ns = ts_ns - state.day.globex_open_ns - quality.reset_after_open_min * NS_PER_MIN
    return 0 <= since_ns < quality.reset_min * NS_PER_MIN


def answered(state: State, ts_ns: int, entry: Entry) -> Results:
    """The broker said something about an order: the first time ends the wait, for its withdrawal another begins."""
    if entry.answered and entry.unknown_since_ns is None:
        return []
    entry.answered, entry.unknown_since_ns = True, None
    order_id = entry.order.order_id
    if entry.cancel_asked:
        return [deadlines.order_answer(state, ts_ns, order_id)]
    return [DisarmTimer(ts_ns=ts_ns, name=ORDER_ACK_TIMER, order_id=order_id)]


def answer_missing(state: State, event: TimerFired) -> Results:
    """First the broker is asked, never the order sent again; past the second deadline the kill switch decides."""
    entry = state.entries.get(event.order_id) if event.order_id is not None else None
    if entry is None or (entry.answered and not entry.cancel_asked and entry.unknown_since_ns is None):
        return []
    orders, ts_ns = state.config.orders, event.ts_ns
    # A cancel that was asked for meanwhile is no answer.
    if entry.unknown_since_ns is not None:
        if state.documents.gates_real and not state.link_connected:
            return [deadlines.order_unknown(state, ts_ns, entry.order.order_id)]  # nobody could have answered
        # Without the order's number, which a restart shifts: the reason stands in effects, whose digests have to agree.
        reason = f"the state of an entry of {entry.order.template} is unknown for {orders.unknown_deadline_s} s"
        return pull_kill_switch(state, ts_ns, reason, "orders")
    what = "about the withdrawal of an entry" if entry.answered else "about an entry"
    text = f"no answer {what} of {entry.order.template} within {orders.ack_deadline_ms} ms: asking the broker"
    return [
        *doubt(state, ts_ns, entry),
        Alert(ts_ns=ts_ns, level="error", code="ORDER_UNKNOWN", text=text),
        AskBroker(ts_ns=ts_ns, reason="ORDER_UNKNOWN"),
    ]


def doubt(state: State, ts_ns: int, entry: Entry) -> Results:
    """An entry's state is unknown from here on: it costs once, and its deadline begins. The caller asks the broker."""
    if entry.unknown_since_ns is not None:
        return []
    entry.status, entry.unknown_since_ns = next_status(entry.status, OrderSignal.LOST), ts_ns
    told = [] if entry.doubted else lose(state, ts_ns, "order_state_unknown")
    entry.doubted = True
    return [*told, deadlines.order_unknown(state, ts_ns, entry.order.order_id)]


def partial_left(state: State, ts_ns: int, entry: Entry) -> Results:
    """An entry ended with a part of it filled."""
    if entry.status is OrderStatus.FILLED or not 0 < entry.filled_qty < entry.order.qty:
        return []
    return lose(state, ts_ns, "partial_left")
