"""Handlers: the life of a run, the inputs of the gates, the kill switch, recovery."""

import zlib

import msgspec

from trading_bot.core.on_session import (
    SESSION_TIMER,
    enter_session,
    rearm_session,
    resume_quality,
    watch_quality,
)
from trading_bot.core.state import Carried, State
from trading_bot.core.stopping import end_if_idle, flatten, pull_kill_switch, request_stop
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, ArmTimer, CancelOrder, Effect, EndRun, FlattenPosition, PlaceOrder
from trading_bot.domain.events import Event
from trading_bot.engines.kernel_config import commission_ticks
from trading_bot.engines.orders import OrderSignal, next_status

Results = list[Event | Effect]


def run_started(state: State, event: events.RunStarted, _seq: int) -> Results:
    """A log begins: find the session and arm its timer. A date the calendar does not know is told once a log."""
    state.mode = event.mode
    results = enter_session(state)
    if state.day is not None:
        return results
    text = "the calendar does not know this date: nothing is entered; extend it with tools/make_calendar.py"
    return [Alert(ts_ns=event.ts_ns, level="warning", code="CALENDAR_UNKNOWN", text=text), *results]


def state_carried(state: State, event: events.StateCarried, _seq: int) -> Results:
    """Take over what earlier sessions left, and the kernel when it is carried warm."""
    state.take_over(msgspec.msgpack.decode(event.state, type=Carried))
    if event.kernel:
        state.kernel.restore(zlib.decompress(event.kernel))
    return resume_quality(state, event.ts_ns)


def process_started(state: State, event: events.ProcessStarted, seq: int) -> Results:
    """A restart continues the log. Its own record does not count in digests. A cold one has its session to find."""
    state.lifecycle_seqs.append(seq)
    return [*enter_session(state), *resume_quality(state, event.ts_ns)] if event.documents else []


def effects_abandoned(state: State, event: events.EffectsAbandoned, seq: int) -> Results:
    """Effects that were decided but never carried out are dropped; what must not be lost with them is decided anew."""
    state.lifecycle_seqs.append(seq)
    # cause 0: the kernel's outcome itself was never recorded, so nothing was decided
    lost = state.last_results[event.kept :] if event.cause_seq else ()
    results: Results = [
        Alert(
            ts_ns=event.ts_ns,
            level="warning",
            code="EFFECTS_ABANDONED",
            text=f"the process ended before {len(lost)} effects were carried out; they are dropped",
        )
    ]
    for effect in lost:
        if isinstance(effect, PlaceOrder):
            entry = state.entries.pop(effect.order.order_id)
            next_status(entry.status, OrderSignal.ABANDONED)
        elif isinstance(effect, ArmTimer) and effect.name != SESSION_TIMER:
            # Without its timer an entry that was placed would work for ever; one that was not needs none.
            if effect.order_id is None or effect.order_id in state.entries:
                results.append(msgspec.structs.replace(effect, ts_ns=event.ts_ns))
        elif isinstance(effect, Alert) and effect.level == "critical":
            results.append(msgspec.structs.replace(effect, ts_ns=event.ts_ns))
        elif isinstance(effect, CancelOrder) and effect.order_id in state.entries:
            results.append(CancelOrder(ts_ns=event.ts_ns, order_id=effect.order_id, reason=effect.reason))
        elif isinstance(effect, FlattenPosition):
            results += flatten(state, event.ts_ns, effect.reason)
        elif isinstance(effect, EndRun):
            results.append(EndRun(ts_ns=event.ts_ns, reason=effect.reason, exit_code=effect.exit_code))
    results += rearm_session(state, event.ts_ns)
    return results


def stop_requested(state: State, event: events.StopRequested, _seq: int) -> Results:
    """Orderly end."""
    return request_stop(state, event.ts_ns, event.reason, exit_code=event.exit_code)


def feed_ended(state: State, event: events.FeedEnded, _seq: int) -> Results:
    """The source has no more: nothing can be decided, so nothing may stay open."""
    state.link_up = False
    results: Results = []
    if event.exit_code:
        results.append(Alert(ts_ns=event.ts_ns, level="error", code="FEED_FAILED", text=event.reason))
    return results + request_stop(state, event.ts_ns, "FEED_ENDED", exit_code=event.exit_code)


def run_ended(state: State, _event: events.RunEnded, _seq: int) -> Results:
    """The log's last record."""
    state.ended = True
    return []


def core_failed(state: State, event: events.CoreFailed, _seq: int) -> Results:
    """Our own trouble: latch the kill switch. State is suspect from here."""
    state.kill_reason = f"CORE_FAILED: {event.error}"
    return []


def log_space_changed(state: State, event: events.LogSpaceChanged, _seq: int) -> Results:
    """Without room for the next log segment no entry may begin."""
    state.log_space_ok = event.ok
    if event.ok:
        return []
    text = f"no room for the next log segment ({event.detail}); entries stop until there is"
    return [Alert(ts_ns=event.ts_ns, level="error", code="LOG_SPACE_LOW", text=text)]


def instrument_bound(_state: State, _event: events.InstrumentBound, _seq: int) -> Results:
    """The kernel is built for this instrument; a roll rebuilds it (architecture 4)."""
    return []


def link_status(state: State, event: events.LinkStatus, _seq: int) -> Results:
    """Link and kind of market data."""
    state.link_up = event.up
    state.data_type = event.data_type
    return watch_quality(state, event.ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)


def account_snapshot(state: State, event: events.AccountSnapshot, _seq: int) -> Results:
    """Money decides the tier, and the tier the smallest expected utility."""
    state.equity_uusd = event.equity_uusd
    tier = state.config.decision.tiers[state.decisions.tier_name(event.equity_uusd)]
    state.kernel.set_costs(commission_ticks(state.instrument), tier.min_euc_ticks)
    return []


def reconciled(state: State, event: events.Reconciled, _seq: int) -> Results:
    """The broker's truth about position and orders is known and equal to ours, or not."""
    state.reconciled = event.ok
    state.position_qty = event.position_qty if event.ok else None
    quality = watch_quality(state, event.ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)
    return [*quality, *end_if_idle(state, event.ts_ns)]


def latency_sampled(_state: State, _event: events.LatencySampled, _seq: int) -> Results:
    """Kept in the log; the latency gate reads it from there once it exists."""
    return []


def kill_requested(state: State, event: events.KillRequested, _seq: int) -> Results:
    """Latch, cancel, flatten, halt."""
    return pull_kill_switch(state, event.ts_ns, event.reason, event.source)


def kill_cleared(state: State, event: events.KillCleared, _seq: int) -> Results:
    """A person cleared the latch."""
    state.kill_reason = None
    text = f"kill switch cleared by {event.source}: {event.reason}"
    return [Alert(ts_ns=event.ts_ns, level="warning", code="KILL_CLEARED", text=text)]
