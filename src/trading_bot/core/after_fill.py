"""What must hold after every execution (specification 8.1 last, feature SF12): cheap, and a failure is a kill.

The gate looks before an order leaves, this looks at what came of it: a broker, an adapter or a bug of ours that did
something else is met here, at the first fill that shows it. Rows of a table, each a name and what it found.
"""

from collections.abc import Callable
from typing import Final

from trading_bot.core.flattening import pull_kill_switch
from trading_bot.core.state import State
from trading_bot.core.trade import Entry, Trade
from trading_bot.domain.effects import Alert, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import Leg
from trading_bot.domain.trade_events import OrderFilled
from trading_bot.engines.position import side_sign

CODE: Final = "INVARIANT_BROKEN"

Results = list[Event | Effect]


def check_fill(state: State, event: OrderFilled) -> Results:
    """Every row, after `event` is booked. What is broken is told by name, and the kill switch pulled."""
    found = [(name, detail) for name, row in CHECKS if (detail := row(state, event))]
    if not found:
        return []
    alerts: Results = [
        Alert(ts_ns=event.ts_ns, level="critical", code=CODE, text=f"{name}: {detail}") for name, detail in found
    ]
    # Without the order's number, which a restart shifts: the reason stands in effects, whose digests have to agree.
    reason = f"{CODE} after a fill: {'; '.join(f'{name}: {detail}' for name, detail in found)}"
    return [*alerts, *pull_kill_switch(state, event.ts_ns, reason, "invariant")]


def _position_limit(state: State, _event: OrderFilled) -> str:
    """The gate counts every working order as filled, so no interleaving of fills may end beyond its limit."""
    qty, limit = state.position.qty, state.config.safety.position_qty_max
    return f"position {qty}, at most {limit} either way" if abs(qty) > limit else ""


def _entry_size(state: State, event: OrderFilled) -> str:
    entry = _entry_of(state, event)
    if entry is None or entry.filled_qty <= entry.order.qty:
        return ""
    return f"an entry of {entry.order.qty} has filled {entry.filled_qty}"


def _entry_side(state: State, event: OrderFilled) -> str:
    entry = _entry_of(state, event)
    if entry is None or event.side is entry.order.side:
        return ""
    return f"an entry to {entry.order.side.value} was executed as {event.side.value}"


def _entry_price(state: State, event: OrderFilled) -> str:
    """A limit cannot slip past its price (specification 7): a worse one is in other units, or of another order."""
    entry = _entry_of(state, event)
    if entry is None or (event.price_ticks - entry.order.limit_ticks) * side_sign(entry.order.side) <= 0:
        return ""
    return f"an entry at {entry.order.limit_ticks} ticks or better was executed at {event.price_ticks}"


def _children(state: State, _event: OrderFilled) -> str:
    """What the open trade entered and has not left is the position, on its side; a flip has its own way to flat."""
    trade, qty = state.trade, state.position.qty
    if trade is None or qty * trade.sign < 0:
        return ""
    left = (trade.entry_qty - trade.exit_qty) * trade.sign
    return f"the trade holds {left}, the position is {qty}" if left != qty else ""


def _stop_side(state: State, _event: OrderFilled) -> str:
    """The stop stands on the losing side of the target and is never wider than the one that was approved."""
    trade = state.trade
    if trade is None or state.position.qty == 0:
        return ""
    return _wrong_stop(trade)


def _wrong_stop(trade: Trade) -> str:
    order, sign, stop_ticks = trade.entry.order, trade.sign, trade.stop_ticks
    if (order.limit_ticks - order.stop_price_ticks) * sign <= 0:
        return f"a stop at {order.stop_price_ticks} ticks does not protect an entry at {order.limit_ticks}"
    if (stop_ticks - order.stop_price_ticks) * sign < 0:
        return f"the stop stands at {stop_ticks} ticks, wider than the {order.stop_price_ticks} that was approved"
    if (order.target_price_ticks - stop_ticks) * sign <= 0:
        return f"the stop at {stop_ticks} ticks is beyond the target at {order.target_price_ticks}"
    return ""


def _entry_of(state: State, event: OrderFilled) -> Entry | None:
    if event.leg is not Leg.ENTRY:
        return None
    return state.entries.get(event.order_id) or state.final_entries.get(event.order_id)


CHECKS: Final[tuple[tuple[str, Callable[[State, OrderFilled], str]], ...]] = (
    ("POSITION_LIMIT", _position_limit),
    ("ENTRY_SIZE", _entry_size),
    ("ENTRY_SIDE", _entry_side),
    ("ENTRY_PRICE", _entry_price),
    ("CHILDREN", _children),
    ("STOP_SIDE", _stop_side),
)
