"""Handlers: what the adapter measured of its own speed, for check 21 of the safety gate (docs/latency.md)."""

import msgspec

from trading_bot.core.state import State
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event, LatencySampled
from trading_bot.domain.latency_events import LatencySummary, OrderTimed
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.latency_budget import (
    ORDERS_KEPT,
    Latency,
    Measured,
    OrderSample,
    clock_off_ns,
    stage_p99s,
)

Results = list[Event | Effect]


def latency_sampled(state: State, event: LatencySampled, _seq: int) -> Results:
    """The safety gate looks at the newest one."""
    state.latency = event
    return []


def order_timed(state: State, event: OrderTimed, _seq: int) -> Results:
    """An order counts for the budget until it is too old. One that nobody answered took as long as was waited."""
    silent = event.ack_ns is None and event.fill_ns is None
    sample = OrderSample(
        ts_ns=event.ts_ns,
        decode=event.decode_ns,
        decide=event.decide_ns,
        gate=event.gate_ns,
        write=event.write_ns,
        tick_to_write=event.tick_to_write_ns,
        ack=event.waited_ns if silent else event.ack_ns,
    )
    oldest_ns = _oldest_ns(state, event.ts_ns)
    kept = (*state.measured.samples[1 - ORDERS_KEPT :], sample)
    samples = tuple(one for one in kept if one.ts_ns >= oldest_ns)
    state.measured = Measured(samples, stage_p99s(samples), state.measured.clock_off_ns)
    return []


def latency_summary(state: State, event: LatencySummary, _seq: int) -> Results:
    """For people, except for the clocks: how far apart they are."""
    apart_ns = clock_off_ns(event.clock_low_ns, event.clock_high_ns)
    state.measured = msgspec.structs.replace(state.measured, clock_off_ns=apart_ns)
    return []


def latency(state: State, ts_ns: int) -> Latency | None:
    """What the gate looks at. A sample that is modelled does not age: nothing measures there."""
    found = state.latency
    if found is None:
        return None
    age_ns = 0 if found.modelled else state.wall_of(max(ts_ns - found.ts_ns, 0))
    measured = state.measured
    stages = measured.stages
    if stages and measured.samples[0].ts_ns < (oldest_ns := _oldest_ns(state, ts_ns)):
        stages = stage_p99s([one for one in measured.samples if one.ts_ns >= oldest_ns])
    return Latency(found.decision_us_p99, found.loop_lag_us_max, age_ns, stages, measured.clock_off_ns)


def _oldest_ns(state: State, ts_ns: int) -> int:
    return ts_ns - state.wall_ns(state.config.latency.orders_window_s * NS_PER_S)
