"""What must hold after every event of a run, whatever was drawn (architecture 3; specification 5, 8 to 11).

Each invariant is a function of a `Moment`; it yields what is wrong in words. `Watch` asks all of them after each event.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from trading_bot._fast import ExchangeSim
from trading_bot.core.apply import Results
from trading_bot.core.machine import Machine
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import ApprovedOrder, Leg, Side
from trading_bot.domain.units import NS_PER_HOUR, NS_PER_MIN, NS_PER_MS, NS_PER_S, TS_NEVER_NS, UUSD_PER_USD
from trading_bot.engines.session import SessionDay
from trading_bot.research.facts import Facts
from trading_bot.research.seeded_world import World

_FLATTEN_NS: Final = 5 * NS_PER_MIN  # specification 10 [U]
# Specification 10: time before the close of each rung.
LADDER_NS: Final = {"EXIT": 300, "VERIFY": 285, "MARKET": 240, "ALERT": 180, "KILL": 60}
# Specification 5: penalty in hundredths, half-life in seconds.
EQS_TABLE: Final = {
    "link_outage": (30, 600),
    "link_outage_short": (10, 600),
    "order_state_unknown": (25, 1800),
    "reject": (15, 1200),
    "slippage": (10, 900),
    "partial_left": (10, 1200),
    "late_fill": (8, 900),
}
_SPARE_NS: Final = NS_PER_S
_FLIP_NS: Final = 30 * NS_PER_S


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """What did not hold, where. `seq` is the number of the event's record in its log."""

    seed: int
    seq: int
    ts_ns: int
    invariant: str
    text: str


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A run right after one event was applied and its results were logged and carried out."""

    world: World
    machine: Machine
    exchange: ExchangeSim
    facts: Facts
    event: Event
    results: Results
    before_ns: int  # time of the event before
    naked_ns: int | None  # how long the position was without a stop, when that ended here
    stop_before: tuple[tuple[int, int], int] | None  # order and stop of the trade that was open before
    was_flat: bool


def position_is_the_sum_of_fills(moment: Moment) -> Iterator[str]:
    """What was executed is the position, and never more than the limit on either side."""
    state, facts = moment.machine.state, moment.facts
    if state.position.qty != facts.position:
        yield f"position {state.position.qty}, fills come to {facts.position}"
    limit = moment.world.config.safety.position_qty_max
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
    allowed_ns = _FLIP_NS + excused_ns(moment.world, since_ns, now_ns)
    allowed_ns += 10 * NS_PER_S * sum(ts_ns >= since_ns for ts_ns in moment.facts.exit_rejects_ns)
    if now_ns - since_ns > allowed_ns:
        yield f"position {moment.facts.position} since the flip at {since_ns}"


def exchange_agrees(moment: Moment) -> Iterator[str]:
    """Once nothing is under way the exchange has what we have, and nothing works there that we know nothing of."""
    state, exchange = moment.machine.state, moment.exchange
    if exchange.next_due_ns != TS_NEVER_NS or not moment.facts.link_up:
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
    if len(alive) > 1 or (alive and facts.position and facts.open_id not in alive):
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
    world, end_ns = moment.world, moment.event.ts_ns
    start_ns = end_ns - moment.naked_ns
    exchange = world.exchange
    trips_ns = 3 * (exchange.entry_latency_max_ns + exchange.response_latency_max_ns)
    bound_ns = world.config.orders.stop_deadline_ms * NS_PER_MS + trips_ns + _SPARE_NS
    bound_ns += exchange.child_latency_ns + exchange.stop_latency_ns
    bound_ns += excused_ns(world, start_ns, end_ns)
    rejected = sum(start_ns <= ts_ns <= end_ns for ts_ns in moment.facts.exit_rejects_ns)
    bound_ns += rejected * (3 * NS_PER_S + trips_ns)
    if moment.naked_ns > bound_ns:
        yield f"{moment.naked_ns} ns without a stop, at most {bound_ns} expected"


def excused_ns(world: World, start_ns: int, end_ns: int) -> int:
    """How much of an interval the link was down or the market silent."""
    spans = [(outage.down_ns, outage.up_ns) for outage in world.outages]
    spans += [(fault.at_ns, fault.at_ns + fault.duration_ns + fault.size) for fault in world.faults]
    return sum(max(0, min(end_ns, high) - max(start_ns, low)) for low, high in spans)


def kill_is_final(moment: Moment) -> Iterator[str]:
    """Once latched nothing enters, the run halts with code 5, and the latch was an effect."""
    state, facts = moment.machine.state, moment.facts
    if (state.kill_reason is None) is facts.latched:
        yield f"kill reason {state.kill_reason!r}, latched: {facts.latched}"
    for result in moment.results:
        if isinstance(result, effects.EndRun) and facts.latched and result.exit_code != 5:
            yield f"killed, and the exit code is {result.exit_code}"
        if isinstance(result, effects.EndRun) and facts.position:
            yield f"the run ends with position {facts.position}"


def flat_at_the_close(moment: Moment) -> Iterator[str]:
    """At a session's close nothing is open where the market could fill in its last minute."""
    window = _window(moment)
    if window is None or not moment.before_ns < window[1] <= moment.event.ts_ns:
        return
    close_ns = window[1]
    could_not = excused_ns(moment.world, close_ns - NS_PER_MIN, close_ns)
    if moment.facts.position and not moment.was_flat and not could_not:
        yield f"position {moment.facts.position} at the close {close_ns}"


def flatten_steps_come_in_order_and_time(moment: Moment) -> Iterator[str]:
    """The ladder of the session's end: no rung before its time, and never late."""
    window = _window(moment)
    for result in moment.results:
        if isinstance(result, events.SessionExitFlatten):
            due_ns = None if window is None else window[1] - _FLATTEN_NS
            begun = isinstance(moment.event, events.RunStarted)
            if due_ns is None or result.ts_ns < due_ns or (result.ts_ns > due_ns and not begun):
                yield f"SESSION_EXIT_FLATTEN at {result.ts_ns}, due {due_ns}"
        if not isinstance(result, trade_events.FlattenAdvanced) or result.plan != "SESSION":
            continue
        before_s = LADDER_NS.get(result.step)
        if before_s is not None and window is not None and result.ts_ns < window[1] - before_s * NS_PER_S:
            yield f"step {result.step} of the session's flatten at {result.ts_ns}, {before_s} s before {window[1]}"
    plan = moment.machine.state.flatten
    if plan is not None and not plan.finished and plan.rungs and plan.rungs[0].due_ns < moment.event.ts_ns:
        yield f"step {plan.rungs[0].step} was due at {plan.rungs[0].due_ns}, it is {moment.event.ts_ns}"


def a_profit_trips_no_breaker(moment: Moment) -> Iterator[str]:
    """A limit on losses needs a loss: with the worst case of the open position the day is below zero."""
    for result in moment.results:
        if not isinstance(result, trade_events.BreakerChanged) or not result.tripped:
            continue
        if result.breaker not in {"DAILY_ALERT", "DAILY_REDUCE", "DAILY_HALT", "DAILY_OUTER"}:
            continue
        facts, book = moment.facts, moment.machine.state.kernel.book()
        marks = [] if book is None else [book[0], book[2]]
        marks += [] if facts.stop_ticks is None else [facts.stop_ticks]
        worst_uusd = min((facts.net_uusd(mark) for mark in marks), default=facts.net_uusd(0))
        share = {"DAILY_ALERT": 0.01, "DAILY_REDUCE": 0.015, "DAILY_HALT": 0.03, "DAILY_OUTER": 0.05}[result.breaker]
        limit_uusd = round((facts.day_start_uusd or 0) * share)
        if -worst_uusd < limit_uusd:
            yield f"{result.breaker} with a day of {worst_uusd} micro-dollars at worst, limit {limit_uusd}"


def breakers_are_told(moment: Moment) -> Iterator[str]:
    """What is tripped is what the records say; a new log begins without, and its second record carries them over."""
    if isinstance(moment.event, events.RunStarted):
        return
    tripped = {trip.breaker.value for trip in moment.machine.state.breakers.trips}
    if tripped != moment.facts.tripped:
        yield f"tripped {sorted(tripped)}, by the records {sorted(moment.facts.tripped)}"


def learning_is_what_was_recorded(moment: Moment) -> Iterator[str]:
    """The learning state is the one that the closed trades alone give."""
    if not any(isinstance(result, trade_events.TradeClosed) for result in moment.results) and not isinstance(
        moment.event, trade_events.ShadowFilled
    ):
        return
    if moment.machine.state.learning.canonical() != moment.facts.learning.canonical():
        yield "the learning state differs from the one rebuilt from TRADE_CLOSED and SHADOW_FILLED"


def timers_are_told(moment: Moment) -> Iterator[str]:
    """Every timer that waits was armed by a record."""
    armed = {key: due_ns for key, (due_ns, _) in moment.facts.timers.items()}
    if armed != moment.machine.timers:
        odd = set(armed.items()) ^ set(moment.machine.timers.items())
        yield f"timers differ from their records: {sorted(map(str, odd))}"


def scores_are_in_range(moment: Moment) -> Iterator[str]:
    """DVS and EQS are 0 to 100; EQS is what its deficits leave, and each reject has one."""
    state, event = moment.machine.state, moment.event
    if isinstance(event, events.OutcomeReached) and not 0 <= event.dvs_c <= 100:
        yield f"dvs {event.dvs_c}"
    lost = sum(deficit_e6(row.name, event.ts_ns - row.since_ns) for row in state.deficits)
    expected = max(1_000_000 - lost, 0) // 10_000
    if state.eqs_c != expected:
        yield f"eqs {state.eqs_c}, its deficits leave {expected}"
    if isinstance(event, events.RunStarted):
        return  # the deficits come with the log's second record
    since_ns = event.ts_ns - 10 * 1200 * NS_PER_S
    rejects = sum(ts_ns > since_ns for ts_ns in moment.facts.rejects_ns)
    held = sum(row.name == "reject" and row.since_ns > since_ns for row in state.deficits)
    if rejects != held:
        yield f"{rejects} rejects, {held} deficits"


def deficit_e6(name: str, age_ns: int) -> int:
    """Specification 5: d·(2−r)/2^(n+1), n = ⌊Δt/H⌋, r = Δt/H − n; millionths, rounded down, 0 from 40 half-lives on."""
    cost_c, half_life_s = EQS_TABLE[name]
    half_ns = half_life_s * NS_PER_S
    n = max(age_ns, 0) // half_ns
    rest_ns = max(age_ns, 0) - n * half_ns
    return cost_c * 10_000 * (2 * half_ns - rest_ns) // (half_ns * 2 ** (n + 1)) if n < 40 else 0


INVARIANTS: Final[tuple[Callable[[Moment], Iterator[str]], ...]] = (
    position_is_the_sum_of_fills,
    a_flip_is_left_at_once,
    exchange_agrees,
    money_adds_up,
    order_table_is_followed,
    stops_only_tighten,
    naked_time_is_measured_and_bounded,
    kill_is_final,
    flat_at_the_close,
    flatten_steps_come_in_order_and_time,
    a_profit_trips_no_breaker,
    breakers_are_told,
    learning_is_what_was_recorded,
    timers_are_told,
    scores_are_in_range,
)


def entry_was_allowed(facts: Facts, order: ApprovedOrder, ts_ns: int, day: SessionDay | None) -> Iterator[str]:
    """No entry but in the entry hours, unlocked, at good data and execution, within every budget (8.1, 10, 11)."""
    config, safety = facts.config, facts.config.safety
    if day is None or day.rth_open_ns is None or day.rth_close_ns is None:
        yield "entry on a day without an NYSE session"
    else:
        first_ns = day.rth_open_ns + config.session.open_delay_min * NS_PER_MIN
        last_ns = day.rth_close_ns - config.session.close_buffer_min * NS_PER_MIN
        if not first_ns <= ts_ns < last_ns:
            yield f"entry at {ts_ns}, allowed from {first_ns} to {last_ns}"
    blocking = facts.blocking()
    for wrong, text in (
        (facts.latched, "the kill switch is latched"),
        (facts.stopping, "the run is stopping"),
        (not facts.link_up, "the link is down"),
        (facts.data_type != 1, "data are not live"),
        (facts.data_down, "DATA_DOWN"),
        (bool(blocking), f"breakers {blocking}"),
        (facts.dvs_c < config.quality.dvs_entry_c, f"dvs {facts.dvs_c}"),
        (facts.position != 0, f"position {facts.position}"),
        (bool(facts.alive_entries()), "another entry works"),
        (not 1 <= order.qty <= safety.position_qty_max, f"{order.qty} contracts"),
    ):
        if wrong:
            yield f"entry although {text}"
    yield from _budgets_were_left(facts, ts_ns)
    yield from _is_protected(facts, order, ts_ns)


def _budgets_were_left(facts: Facts, ts_ns: int) -> Iterator[str]:
    safety = facts.config.safety
    minute = sum(ts_ns - NS_PER_MIN < at_ns for at_ns in facts.entry_fills_ns)
    hour = sum(ts_ns - NS_PER_HOUR < at_ns for at_ns in facts.entry_fills_ns)
    equity_uusd = (facts.day_start_uusd or 0) + facts.net_uusd(0)
    fees_max_uusd = min(round(safety.fees_day_usd_max * UUSD_PER_USD), equity_uusd // 50)
    judged = facts.messages >= safety.order_efficiency_messages_min
    for used, limit, name in (
        (minute, safety.entries_per_minute_max, "entries in a minute"),
        (hour, safety.entries_per_hour_max, "entries in an hour"),
        (facts.entries_day, safety.entries_per_day_max, "entries of the day"),
        (facts.attempts, safety.attempts_per_day_max, "attempts of the day"),
        (facts.messages // (facts.executed + 1) if judged else 0, safety.order_efficiency_max, "messages an execution"),
        (facts.fees_uusd, fees_max_uusd, "commissions"),
    ):
        if used >= limit:
            yield f"entry with {used} {name}, limit {limit}"


def _is_protected(facts: Facts, order: ApprovedOrder, ts_ns: int) -> Iterator[str]:
    sign = 1 if order.side is Side.BUY else -1
    stop_ticks = (order.limit_ticks - order.stop_price_ticks) * sign
    if not 1 <= stop_ticks <= facts.config.sizing.stop_ticks_max:
        yield f"stop {stop_ticks} ticks away"
    risk_uusd = stop_ticks * order.qty * facts.tick_value_uusd
    if risk_uusd > round(facts.config.sizing.max_risk_usd * UUSD_PER_USD):
        yield f"risk of {risk_uusd} micro-dollars"
    if (order.target_price_ticks - order.limit_ticks) * sign < 1:
        yield f"target {order.target_price_ticks} on the wrong side of {order.limit_ticks}"
    if not ts_ns < order.expires_ns <= ts_ns + 30 * NS_PER_S:
        yield f"time to live {order.expires_ns - ts_ns} ns"


def exit_was_right(facts: Facts, exit_order: effects.PlaceExit) -> Iterator[str]:
    """An exit leaves the whole position and no more."""
    wanted = (Side.SELL if facts.position > 0 else Side.BUY, abs(facts.position))
    if (exit_order.side, exit_order.qty) != wanted:
        yield f"exit {exit_order.side} {exit_order.qty} with position {facts.position}"


def _window(moment: Moment) -> tuple[int, int] | None:
    day = moment.machine.state.day
    if day is None or day.rth_open_ns is None or day.rth_close_ns is None:
        return None
    return day.rth_open_ns, day.rth_close_ns


__all__ = ["INVARIANTS", "Effect", "Leg", "Moment", "Violation", "entry_was_allowed", "exit_was_right"]
