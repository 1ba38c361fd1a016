"""The only place that sends an exit, and the only one that tells the kernel what to watch."""

from trading_bot.core.state import State
from trading_bot.core.trade import Trade
from trading_bot.domain.effects import CancelOrder, Effect, PlaceExit
from trading_bot.domain.events import Event
from trading_bot.domain.orders import STRAY_NUMBER, Leg
from trading_bot.domain.trade_events import ExitDecided
from trading_bot.engines import budgets
from trading_bot.engines.exits import ExitCause, ExitRules, Urgency, exit_limit_ticks
from trading_bot.engines.position import exit_side

Results = list[Event | Effect]


def rules_of(state: State, trade: Trade) -> ExitRules:
    """The exits of the template that entered."""
    return state.exit_rules[trade.entry.terms.template_index]


def place_exit(state: State, trade: Trade, ts_ns: int, cause: ExitCause, *, market: bool, mask: int) -> Results:
    """Send the exit of the whole position; an exit that works already is replaced."""
    bid_ticks, ask_ticks = touch(state)
    limit_ticks = None
    if not market:
        through_ticks = rules_of(state, trade).limit_through_ticks
        limit_ticks = exit_limit_ticks(state.position.qty, bid_ticks, ask_ticks, through_ticks)
    trade.sent_cause = cause
    trade.last_cause = cause.name
    if limit_ticks is None:
        trade.market_sent = True
    else:
        trade.limit_sent_ns = ts_ns
    state.budgets = budgets.with_message(state.budgets)
    urgency = Urgency.MARKET if limit_ticks is None else Urgency.LIMIT
    return [
        ExitDecided(
            ts_ns=ts_ns,
            order_id=trade.order_id,
            cause=cause.name,
            urgency=urgency.value,
            qty=-state.position.qty,
            mask=mask,
        ),
        PlaceExit(
            ts_ns=ts_ns,
            order_id=trade.order_id,
            side=exit_side(state.position.qty),
            qty=abs(state.position.qty),
            limit_ticks=limit_ticks,
            cause=cause.name,
        ),
    ]


def leave_naked(state: State, trade: Trade, ts_ns: int) -> Results:
    """Leave a position whose stop does not work: at the market, and without the group that would end its target."""
    cause = ExitCause.STOP
    target: Results = []
    if trade.target_resident:
        target = [CancelOrder(ts_ns=ts_ns, order_id=trade.order_id, reason="POSITION_NAKED", leg=Leg.TARGET)]
    return [*target, *place_exit(state, trade, ts_ns, cause, market=True, mask=1 << cause)]


def place_stray_exit(state: State, ts_ns: int, cause: ExitCause) -> Results:
    """Leave a position that no trade owns any more: an exit and another order filled, and this is what is left.

    At the market, once at a time. It joins the group of the stop that protects the position where one does; otherwise
    it goes under the id of an entry to the same side, whose bracket it cannot be part of, or under one of its own.
    """
    side = exit_side(state.position.qty)
    order_id = state.stray_bracket
    if order_id is None:
        order_id = next((key for key, entry in reversed(state.final_entries.items()) if entry.order.side is side), None)
    if order_id is None:
        order_id = (state.seq, STRAY_NUMBER)
    qty = abs(state.position.qty)
    state.stray_exit = order_id
    state.budgets = budgets.with_message(state.budgets)
    return [PlaceExit(ts_ns=ts_ns, order_id=order_id, side=side, qty=qty, limit_ticks=None, cause=cause.name)]


def drop_trade(state: State, ts_ns: int, reason: str) -> Results:
    """The trade owns no position any more: what works of its bracket could only open another."""
    trade, state.trade = state.trade, None
    state.kernel.clear_position()
    if trade is None:
        return []
    legs = (Leg.STOP, Leg.TARGET) if trade.sent_cause is None else (Leg.STOP, Leg.TARGET, Leg.EXIT)
    return [CancelOrder(ts_ns=ts_ns, order_id=trade.order_id, reason=reason, leg=leg) for leg in legs]


def touch(state: State) -> tuple[int | None, int | None]:
    """Bid and ask, None where that side is not there: it has no quote or no size."""
    book = state.kernel.book()
    if book is None:
        return None, None
    bid_ticks, bid_qty, ask_ticks, ask_qty = book
    return bid_ticks if bid_qty > 0 else None, ask_ticks if ask_qty > 0 else None


def watch_in_kernel(state: State) -> None:
    """The position and its levels, for the kernel to find exits; it forgets what it reported."""
    trade, qty = state.trade, state.position.qty
    if trade is None or qty == 0:
        state.kernel.clear_position()
        return
    state.kernel.set_position(qty, trade.entry.order.target_price_ticks, trade.stop_ticks, trade.time_stop_ns)
