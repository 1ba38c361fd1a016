"""Breakers in the loop: every change is an event, an alert, and whatever its response asks for (specification 8.2)."""

from typing import Final

import msgspec

from trading_bot.core import rule_watch
from trading_bot.core.flattening import flatten, pull_kill_switch
from trading_bot.core.leaving import touch
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries
from trading_bot.domain.config import canonical
from trading_bot.domain.effects import Alert, ArmTimer, Effect
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import Event
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.domain.trade_events import BreakerChanged, BreakerClearRequested
from trading_bot.domain.units import TS_NEVER_NS
from trading_bot.engines import breakers, budgets
from trading_bot.engines.breaker_table import RULE, Breaker, DayBounds, Money, Response, day_bounds
from trading_bot.engines.breakers import Change, Transition
from trading_bot.engines.flatten import FlattenKind
from trading_bot.engines.position import StopCover, marked, rebased, unrealised_ticks, worst_ticks
from trading_bot.engines.session import SessionKind, continuous_trading

BREAKER_TIMER: Final = "breaker"
_STREAM_AGE: Final = SIGNAL_BY_NAME["stream_age_ms"].id
_MONTH_DAYS: Final = 32
_LEVEL: Final = {
    Response.ALERT: "warning",
    Response.REDUCE: "warning",
    Response.PAUSE: "warning",
    Response.HALT: "error",
    Response.KILL: "critical",
}

Results = list[Event | Effect]


def ledger_bytes(state: State) -> bytes:
    """The ledger as records carry it."""
    return canonical(state.ledger())


def money(state: State) -> Money | None:
    """What losses are measured on; None while the account is unknown."""
    if state.account is None:
        return None
    if state.position.qty == 0 and state.flat_money is not None and state.flat_money.account is state.account:
        return state.flat_money  # the same until the next execution
    tick_uusd = state.instrument.tick_value_uusd
    limits = state.config.sizing
    full_stop_uusd = limits.stop_ticks_max * tick_uusd + state.instrument.commission_round_trip_uusd
    mark_ticks = leave_ticks(state)
    if state.position.qty == 0 or mark_ticks is None or not state.position.cost_known:
        state.flat_money = Money(account=state.account, full_stop_uusd=full_stop_uusd)
        return state.flat_money
    trade = state.trade
    stops: tuple[StopCover, ...] = ()
    if trade is not None and trade.resident_stop_ticks is not None:
        stops = (StopCover(trade.resident_stop_ticks, abs(state.position.qty)),)
    worst = worst_ticks(state.position, mark_ticks, stops)
    return Money(
        account=state.account,
        unrealised_uusd=unrealised_ticks(state.position, mark_ticks) * tick_uusd,
        worst_uusd=None if worst is None else worst * tick_uusd,
        full_stop_uusd=full_stop_uusd,
    )


def leave_ticks(state: State) -> int | None:
    """What leaving the position would get now: the bid for a long."""
    bid_ticks, ask_ticks = touch(state)
    return bid_ticks if state.position.qty > 0 else ask_ticks


def mark(state: State, ts_ns: int) -> Results:
    """Look at the money: after a fill, a second with a position, a new day."""
    now = money(state)
    if now is None:
        return []
    state.account = marked(now.account, now.unrealised_uusd)
    now = msgspec.structs.replace(now, account=state.account)
    change = breakers.mark(state.breakers, state.config.breakers, _bounds(state), ts_ns, now)
    return [*settle(state, ts_ns, change), *rule_watch.mark(state, ts_ns, now)]


def trade_closed(state: State, ts_ns: int, net_uusd: int) -> Results:
    """Count wins and losses in a row; after a loss no entry is larger than the one before (specification 6.6)."""
    state.budgets = budgets.with_result(state.budgets, net_uusd)
    return settle(state, ts_ns, breakers.trade_closed(state.breakers, state.config.breakers, ts_ns, net_uusd))


def broker_error(state: State, ts_ns: int) -> Results:
    """An error of class ERROR from the broker."""
    return settle(state, ts_ns, breakers.broker_error(state.breakers, state.config.breakers, ts_ns))


def data_age(state: State, ts_ns: int) -> Results:
    """Silence of the stream in an open session, or its end."""
    age_ms = state.kernel.signal(_STREAM_AGE)
    if age_ms is None:
        return []
    market: SessionKind = "rth" if state.instrument.security_type == "STK" else "globex"
    is_open = continuous_trading(state.day, ts_ns, market=market)
    change = breakers.data_age(
        state.breakers, state.config.breakers, ts_ns, round(age_ms * 1_000_000), session_open=is_open
    )
    return settle(state, ts_ns, change)


def resume(state: State, ts_ns: int) -> Results:
    """Time resets some breakers, others once the loss is won back as well: at their timer, and as a session begins.

    A ledger of an earlier day is not looked at: its loss would trip again what has just ended with that day. The
    account's first snapshot opens the ledger of the new day, and is looked at.
    """
    results = settle(state, ts_ns, breakers.expire(state.breakers, ts_ns), rearm=True)
    if state.ledger_date != (state.day.trade_date if state.day else 0):
        return results
    return [*results, *mark(state, ts_ns)]


def clear_requested(state: State, event: BreakerClearRequested, _seq: int) -> Results:
    """A person clears what waits for one, and so accepts a drawdown. A cause that lasts trips again."""
    reason = f"{event.reason} ({event.source})" if event.reason.strip() else ""
    return _cleared(state, event.ts_ns, event.breaker, reason)


def switch_cleared(state: State, ts_ns: int, reason: str) -> Results:
    """With the kill switch a person clears the breaker that pulls it."""
    standing = [trip.breaker for trip in state.breakers.trips if RULE[trip.breaker].response is Response.KILL]
    return [result for breaker in standing for result in _cleared(state, ts_ns, breaker.value, reason)]


def _cleared(state: State, ts_ns: int, name: str, reason: str) -> Results:
    try:
        if name not in Breaker.__members__:
            raise UsageError(f"there is no breaker {name}; there are {', '.join(Breaker.__members__)}")
        change = breakers.clear(state.breakers, ts_ns, Breaker(name), reason)
    except UsageError as refused:
        return [Alert(ts_ns=ts_ns, level="warning", code="BREAKER_NOT_CLEARED", text=str(refused))]
    now = money(state)
    if now is not None and Breaker(name) is Breaker.DRAWDOWN_HALT:
        state.account = rebased(now.account, now.unrealised_uusd)
    return [*settle(state, ts_ns, change), *mark(state, ts_ns)]


def settle(state: State, ts_ns: int, change: Change, *, rearm: bool = False) -> Results:
    """Take a change over and do what it asks for."""
    state.breakers, told = change
    results: Results = []
    for transition in told:
        results += _tell(state, ts_ns, transition)
    for transition in told:
        if transition.tripped:
            results += _respond(state, ts_ns, transition)
    later = [trip.resumes_at_ns for trip in state.breakers.trips if ts_ns < trip.resumes_at_ns < TS_NEVER_NS]
    if later and (told or rearm):
        results.append(ArmTimer(ts_ns=ts_ns, name=BREAKER_TIMER, due_ns=min(later)))
    return results


def _tell(state: State, ts_ns: int, transition: Transition) -> Results:
    breaker, what = transition.breaker.value, "tripped" if transition.tripped else "reset"
    return [
        BreakerChanged(
            ts_ns=ts_ns,
            breaker=breaker,
            response=transition.response.name,
            tripped=transition.tripped,
            resumes_at_ns=transition.resumes_at_ns,
            reason=transition.reason,
            ledger=ledger_bytes(state),
        ),
        Alert(
            ts_ns=ts_ns,
            level=_LEVEL[transition.response] if transition.tripped else "info",
            code="BREAKER_TRIPPED" if transition.tripped else "BREAKER_RESET",
            text=f"{breaker} {what}: {transition.reason}",
        ),
    ]


def _respond(state: State, ts_ns: int, transition: Transition) -> Results:
    reason = f"breaker {transition.breaker.value}: {transition.reason}"
    if transition.response is Response.KILL:
        return pull_kill_switch(state, ts_ns, reason, "breaker")
    if transition.response is Response.HALT:
        return [*cancel_entries(state, ts_ns, reason), *flatten(state, ts_ns, FlattenKind.STOP, reason)]
    return cancel_entries(state, ts_ns, reason) if transition.response is Response.PAUSE else []


def _bounds(state: State) -> DayBounds:
    if state.sessions is None or state.day is None:
        return DayBounds(TS_NEVER_NS, TS_NEVER_NS)
    trade_date = state.day.trade_date
    if state.day_bounds is None or state.day_bounds[0] != trade_date:
        state.day_bounds = (trade_date, day_bounds(state.sessions.days_from(trade_date, _MONTH_DAYS)))
    return state.day_bounds[1]
