"""Invariants of position, money and orders: what was executed, what still can be, and what protects it."""

from collections.abc import Iterator
from typing import Final

from trading_bot.core.moment import Moment, excused_ns
from trading_bot.domain import effects, trade_events
from trading_bot.domain.orders import Side
from trading_bot.domain.units import NS_PER_MS, NS_PER_S, TS_NEVER_NS, UUSD_PER_USD

_SPARE_NS: Final = NS_PER_S
_FLIP_NS: Final = 30 * NS_PER_S


def position_is_the_sum_of_fills(moment: Moment) -> Iterator[str]:
    """What was executed is the position, and never more than the limit on either side."""
    state, facts = moment.machine.state, moment.facts
    if state.position.qty != facts.position:
        yield f"position {state.position.qty}, fills come to {facts.position}"
    limit = moment.config.safety.position_qty_max
    if abs(facts.position) > limit:
        yield f"position {facts.position}, limit {limit}"
    if state.position_qty is None:
        yield "the position is unknown, although the broker answers truly"
    elif state.position.qty and state.trade is None and facts.flip_since_ns is None:
        yield f"position {state.position.qty} belongs to no trade"


def a_flip_is_left_at_once(moment: Moment) -> Iterator[str]:
    """Where an exit and another order both filled, what is left is flat within the time of two plans (8.3)."""
    since_ns, now_ns = moment.facts.flip_since_ns, moment.event.ts_ns
    if since_ns is None:
        return
    allowed_ns = _FLIP_NS + 10 * moment.late_ns + excused_ns(moment, since_ns, now_ns)
    allowed_ns += 10 * NS_PER_S * sum(ts_ns >= since_ns for ts_ns in moment.facts.exit_rejects_ns)
    if now_ns - since_ns > allowed_ns:
        yield f"position {moment.facts.position} since the flip at {since_ns}"


def exchange_agrees(moment: Moment) -> Iterator[str]:
    """Once nothing is under way the exchange has what we have, and nothing works there that we know nothing of."""
    state, exchange = moment.machine.state, moment.exchange
    if exchange.next_due_ns != TS_NEVER_NS or not moment.quiet or not moment.facts.link_up:
        return
    if exchange.position != state.position.qty:
        yield f"position {state.position.qty} here, {exchange.position} at the exchange"
    if exchange.live_orders and state.trade is None and not state.entries:
        yield f"{exchange.live_orders} orders live at the exchange, none here"


def money_adds_up(moment: Moment) -> Iterator[str]:
    """Realised and unrealised result are the cash of all fills minus commissions, to the micro-dollar."""
    account, facts = moment.machine.state.account, moment.facts
    if account is None or facts.day_start_uusd is None:
        return
    position = moment.machine.state.position
    # Any mark will do: at 0 the open lots are worth what they cost, with the other sign.
    open_uusd = -position.sign * position.cost_ticks * facts.tick_value_uusd
    if account.net_uusd + open_uusd != facts.net_uusd(0):
        yield f"account {account.net_uusd} with {open_uusd} open, fills come to {facts.net_uusd(0)} micro-dollars"
    if account.fees_uusd != facts.fees_uusd:
        yield f"fees {account.fees_uusd}, commissions come to {facts.fees_uusd} micro-dollars"
    if account.day_start_uusd != facts.day_start_uusd:
        yield f"day begins with {account.day_start_uusd}, the account said {facts.day_start_uusd}"


def order_table_is_followed(moment: Moment) -> Iterator[str]:
    """Entries go through the states of the table, legs end once, and lots are not filled twice."""
    state, facts = moment.machine.state, moment.facts
    order_id = getattr(moment.event, "order_id", None)
    entry = facts.entries.get(order_id) if order_id is not None else None
    if entry is not None:
        if entry.status is None:
            yield f"order {order_id}: {entry.told}"
        held = state.entries.get(entry.order.order_id) or state.final_entries.get(entry.order.order_id)
        if held is not None and held.status is not entry.status:
            yield f"order {order_id} is {held.status} here, its records say {entry.status}"
        if entry.filled > entry.order.qty:
            yield f"order {order_id} for {entry.order.qty} filled {entry.filled}"
        if entry.left_qty > entry.filled and entry.flip_ns is None:
            yield f"order {order_id}: {entry.filled} lots entered, {entry.left_qty} left"
    alive = {entry.order.order_id for entry in facts.alive_entries()}
    if alive != set(state.entries):
        yield f"entries {sorted(state.entries)} here, by their records {sorted(alive)} may still fill"
    # News of an execution may come late, after the next entry has left: that flip is told, and left at once.
    beside = alive and facts.position and facts.open_id not in alive and facts.flip_since_ns is None
    if len(alive) > 1 or beside:
        yield f"entries {sorted(alive)} work with position {facts.position}: one at a time"
    for entry in facts.alive_entries():
        late_ns = moment.event.ts_ns - entry.order.expires_ns
        if entry.cancel_asked_ns is None and late_ns > 0:
            yield f"order {entry.order.order_id} works {late_ns} ns after its time to live, and was not cancelled"


def stops_only_tighten(moment: Moment) -> Iterator[str]:
    """The stop of an open trade never moves away from the price."""
    trade = moment.machine.state.trade
    for result in moment.results:
        if isinstance(result, effects.ModifyStop) and (trade is None or trade.order_id != result.order_id):
            yield f"the stop of {result.order_id} is moved, which is not open"
    if trade is None or moment.stop_before is None or moment.stop_before[0] != trade.order_id:
        return
    sign = 1 if trade.entry.order.side is Side.BUY else -1
    if (trade.stop_ticks - moment.stop_before[1]) * sign < 0:
        yield f"stop moved from {moment.stop_before[1]} to {trade.stop_ticks}, side {trade.entry.order.side}"


def naked_time_is_measured_and_bounded(moment: Moment) -> Iterator[str]:
    """STOP_RESIDENT tells the time without a stop, and that time has a bound (EX05)."""
    told = [result for result in moment.results if isinstance(result, trade_events.StopResident)]
    if moment.naked_ns is None:
        if told:
            yield f"a stop is told to be resident after {told[0].naked_ns} ns, no record says so"
        return
    if [one.naked_ns for one in told] != [moment.naked_ns]:
        yield f"{moment.naked_ns} ns without a stop, told {[one.naked_ns for one in told]}"
    end_ns = moment.event.ts_ns
    start_ns = end_ns - moment.naked_ns
    exchange = moment.exchange_config
    trips_ns = 3 * (exchange.entry_latency_max_ns + exchange.response_latency_max_ns + 2 * moment.late_ns)
    bound_ns = moment.config.orders.stop_deadline_ms * NS_PER_MS + trips_ns + _SPARE_NS
    bound_ns += exchange.child_latency_ns + exchange.stop_latency_ns
    bound_ns += excused_ns(moment, start_ns, end_ns)
    rejected = sum(start_ns <= ts_ns <= end_ns for ts_ns in moment.facts.exit_rejects_ns)
    bound_ns += rejected * (3 * NS_PER_S + trips_ns)
    if moment.naked_ns > bound_ns:
        yield f"{moment.naked_ns} ns without a stop, at most {bound_ns} expected"


def limits_hold_under_every_interleaving(moment: Moment) -> Iterator[str]:
    """Whichever of the working entries fill, in whatever order, position and risk stay within their limits.

    What works on the other side is never counted against this one (specification 8.1, check 6).
    """
    facts, limits = moment.facts, moment.config.safety
    if facts.flip_since_ns is not None:
        return
    left = [(entry.order, entry.order.qty - entry.filled) for entry in facts.alive_entries()]
    for side, held in ((Side.BUY, facts.position), (Side.SELL, -facts.position)):
        worst = held + sum(qty for order, qty in left if order.side is side)
        if worst > limits.position_qty_max:
            yield f"{worst} contracts could be {side}, limit {limits.position_qty_max}"
    risk_uusd = sum(order.risk_uusd for order, _ in left)
    open_entry = facts.entries.get(facts.open_id) if facts.open_id is not None else None
    if open_entry is not None and not open_entry.alive:
        risk_uusd += open_entry.order.risk_uusd
    if risk_uusd > round(limits.open_risk_usd_max * UUSD_PER_USD):
        yield f"{risk_uusd} micro-dollars could be lost at the stops, limit {limits.open_risk_usd_max} USD"


def a_stop_is_resident(moment: Moment) -> Iterator[str]:
    """What is not naked has a stop at the broker for every lot, on the losing side of the market (NV03, SF12)."""
    facts, trade = moment.facts, moment.machine.state.trade
    if trade is None or facts.open_id != trade.order_id or facts.flip_since_ns is not None:
        return
    if (trade.naked_since_ns is None) is not (facts.naked_since_ns is None):
        yield f"naked since {trade.naked_since_ns} here, by the records since {facts.naked_since_ns}"
    if facts.naked_since_ns is None and facts.stop_qty < abs(facts.position):
        yield f"the stop is for {facts.stop_qty}, the position is {facts.position}"
    sign = 1 if trade.entry.order.side is Side.BUY else -1
    # By the limit: in a market that falls away an entry may fill beyond its own stop, which then executes at once.
    limit_ticks = trade.entry.order.limit_ticks
    if trade.first_fill_ns == moment.event.ts_ns and (limit_ticks - trade.stop_ticks) * sign < 1:
        yield f"entered at {limit_ticks} or better with the stop at {trade.stop_ticks}"
