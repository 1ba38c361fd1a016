"""Invariants of a run's course: kill switch, close, breakers, learning, timers, scores, and what OBSERVE may do."""

from collections.abc import Iterator
from typing import Final

from trading_bot.core.moment import Moment, excused_ns, rth_window
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S

_FLATTEN_NS: Final = 5 * NS_PER_MIN  # specification 10 [U]
# Specification 10: seconds before the close of each rung.
LADDER_S: Final = {"EXIT": 300, "VERIFY": 285, "MARKET": 240, "ALERT": 180, "KILL": 60}
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
    window = rth_window(moment)
    if window is None or not moment.before_ns < window[1] <= moment.event.ts_ns:
        return
    close_ns = window[1]
    could_not = excused_ns(moment, close_ns - NS_PER_MIN, close_ns)
    if moment.facts.position and not moment.was_flat and not could_not:
        yield f"position {moment.facts.position} at the close {close_ns}"


def flatten_steps_come_in_order_and_time(moment: Moment) -> Iterator[str]:
    """The ladder of the session's end: no rung before its time, and never late."""
    window = rth_window(moment)
    for result in moment.results:
        if isinstance(result, events.SessionExitFlatten):
            due_ns = None if window is None else window[1] - _FLATTEN_NS
            begun = isinstance(moment.event, events.RunStarted)
            if due_ns is None or result.ts_ns < due_ns or (result.ts_ns > due_ns and not begun):
                yield f"SESSION_EXIT_FLATTEN at {result.ts_ns}, due {due_ns}"
        if not isinstance(result, trade_events.FlattenAdvanced) or result.plan != "SESSION":
            continue
        before_s = LADDER_S.get(result.step)
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


def flat_by_the_deadline_or_an_alarm(moment: Moment) -> Iterator[str]:
    """Whatever was in the way: nothing is carried over a close without an alarm, given while the market was open."""
    window = rth_window(moment)
    if window is None or not moment.before_ns < window[1] <= moment.event.ts_ns:
        return
    facts, close_ns = moment.facts, window[1]
    if not facts.position or moment.was_flat or facts.latched:
        return
    if facts.alarmed_ns is None or facts.alarmed_ns < close_ns - _FLATTEN_NS:
        yield f"position {facts.position} at the close {close_ns}, and nobody was told"


def nothing_leaves_in_observe(moment: Moment) -> Iterator[str]:
    """In OBSERVE each order is answered as suppressed, and each fill is a hypothetical one."""
    if not moment.suppressed:
        return
    event = moment.event
    if isinstance(event, events.OrderAcknowledged):
        yield f"a broker acknowledged {event.order_id}"
    if isinstance(event, trade_events.OrderFilled) and not event.hypothetical:
        yield f"a real fill of {event.order_id}"
    if isinstance(event, events.RunStarted) and not event.hypothetical:
        yield "the run says that its trades are real"
    for result in moment.results:
        if isinstance(result, trade_events.TradeClosed) and not result.outcome.hypothetical:
            yield "a trade was learned as a real one"


def deficit_e6(name: str, age_ns: int) -> int:
    """Specification 5: d·(2−r)/2^(n+1), n = ⌊Δt/H⌋, r = Δt/H − n; millionths, rounded down, 0 from 40 half-lives on."""
    cost_c, half_life_s = EQS_TABLE[name]
    half_ns = half_life_s * NS_PER_S
    n = max(age_ns, 0) // half_ns
    rest_ns = max(age_ns, 0) - n * half_ns
    return cost_c * 10_000 * (2 * half_ns - rest_ns) // (half_ns * 2 ** (n + 1)) if n < 40 else 0
