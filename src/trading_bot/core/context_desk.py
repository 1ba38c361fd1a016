"""Handlers: signals from outside, their end by a timer, and what they close (feature SG10; docs/context.md)."""

from typing import Final

import msgspec

from trading_bot.core.levels_desk import feed
from trading_bot.core.state import State
from trading_bot.domain.context import ContextChanged, ContextLinesRefused, ContextReceived
from trading_bot.domain.effects import Alert, ArmTimer, DisarmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.engines import context

CONTEXT_TIMER: Final = "context"
_ALERT_NS: Final = NS_PER_MIN  # of refusals: each is in the log, and one line a minute tells a person

Results = list[Event | Effect]


def received(state: State, event: ContextReceived, _seq: int) -> Results:
    """A message: it counts from here on, or is refused with its reason."""
    ended = _expire(state, event.ts_ns)
    reason = context.problem(state.context, event, state.context_rules)
    if reason is not None:
        refused = ContextChanged(
            ts_ns=event.ts_ns, change="REFUSED", source=event.source, name=event.name, text=reason, locks=_locks(state)
        )
        return [*ended, refused, *_tell_refused(state, event.ts_ns, f"{event.where}: found {reason}", 1)]
    before = _locks(state)
    state.context = context.taken(state.context, event)
    locks = _locks(state)
    feed(state)
    return [
        *ended,
        ContextChanged(ts_ns=event.ts_ns, change="TAKEN", source=event.source, name=event.name, locks=locks),
        *_tell_locks(event.ts_ns, before, locks),
        *rearm(state, event.ts_ns),
    ]


def lines_refused(state: State, event: ContextLinesRefused, _seq: int) -> Results:
    """What came from outside and was no message."""
    return _tell_refused(
        state, event.ts_ns, f"{event.where}: found {event.found}; expected {event.expected}", event.count
    )


def context_timer(state: State, ts_ns: int) -> Results:
    """A message's time is over: its slot is empty, its level gone, its lockout ended."""
    return [*_expire(state, ts_ns), *rearm(state, ts_ns)]


def resume(state: State, ts_ns: int) -> Results:
    """Timers end with a session's log: what was carried over ends at its own time all the same."""
    results = _expire(state, ts_ns)
    feed(state)
    return [*results, *rearm(state, ts_ns)]


def rearm(state: State, ts_ns: int) -> Results:
    """The timer of the message that ends first."""
    due_ns = context.next_expiry_ns(state.context)
    if due_ns is None:
        return []
    return [ArmTimer(ts_ns=ts_ns, name=CONTEXT_TIMER, due_ns=due_ns)]


def lockouts_now(state: State) -> tuple[str, ...]:
    """Lockouts that hold now, for the decision."""
    return _locks(state)


def _expire(state: State, ts_ns: int) -> Results:
    before = _locks(state)
    state.context, over = context.expired(state.context, ts_ns)
    if not over:
        return []
    locks = _locks(state)
    feed(state)
    changes: Results = [
        ContextChanged(ts_ns=ts_ns, change="EXPIRED", source=row.source, name=row.name, locks=locks) for row in over
    ]
    idle: Results = [] if state.context.held else [DisarmTimer(ts_ns=ts_ns, name=CONTEXT_TIMER)]
    return [*changes, *_tell_locks(ts_ns, before, locks), *idle]


def _locks(state: State) -> tuple[str, ...]:
    return context.lockouts(state.context, state.context_rules)


def _tell_locks(ts_ns: int, before: tuple[str, ...], now: tuple[str, ...]) -> Results:
    if before == now:
        return []
    text = f"no entries while {', '.join(now)}" if now else f"over: {', '.join(before)}"
    return [Alert(ts_ns=ts_ns, level="warning" if now else "info", code="CONTEXT_LOCKOUT", text=text)]


def _tell_refused(state: State, ts_ns: int, text: str, count: int) -> Results:
    """The first at once, then one alert a minute that counts those between."""
    held, refused = state.context, state.context.refused + count
    if held.alerted_ns and ts_ns < held.alerted_ns + _ALERT_NS:
        state.context = msgspec.structs.replace(held, refused=refused)
        return []
    state.context = msgspec.structs.replace(held, refused=0, alerted_ns=ts_ns)
    told = text if refused == 1 else f"{text} ({refused} refused since the last alert)"
    return [Alert(ts_ns=ts_ns, level="warning", code="CONTEXT_REFUSED", text=told)]
