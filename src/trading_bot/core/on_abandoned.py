"""Handlers: a restart, and effects that a dead process decided but never carried out."""

from typing import Final

import msgspec

from trading_bot.core import asking, breaking, context_desk, locking, quorum_desk
from trading_bot.core.exit_watch import next_position_check
from trading_bot.core.flattening import flatten_timer
from trading_bot.core.learning_desk import refresh_throttles
from trading_bot.core.on_session import SESSION_TIMER, enter_session, rearm_session, resume_quality, settle_entry
from trading_bot.core.state import State
from trading_bot.core.stopping import go_on
from trading_bot.domain import events
from trading_bot.domain.effects import (
    Alert,
    ArmTimer,
    AskBroker,
    CancelOrder,
    Effect,
    EndRun,
    LatchKillSwitch,
    ModifyStop,
    PlaceExit,
    PlaceOrder,
    PlaceShadow,
    SaveLearningState,
)
from trading_bot.domain.events import Event
from trading_bot.domain.learning import LearningUpdate
from trading_bot.domain.trade_events import (
    BreakerChanged,
    CommissionCorrected,
    FillMeasured,
    ParamsAdopted,
    TradeClosed,
)
from trading_bot.engines.orders import OrderSignal, next_status

_ABANDONED: Final = "EFFECTS_ABANDONED"

Results = list[Event | Effect]


def process_started(state: State, event: events.ProcessStarted, seq: int) -> Results:
    """A restart continues the log. Its own record does not count in digests. A cold one has its session to find."""
    state.lifecycle_seqs.append(seq)
    go_on(state)
    quorum_desk.restarted(state)
    unknown = asking.restarted(state, event.ts_ns)
    if not event.documents:
        return unknown
    refresh_throttles(state)
    return [
        *unknown,
        *enter_session(state),
        *resume_quality(state, event.ts_ns),
        *breaking.resume(state, event.ts_ns),
        *context_desk.resume(state, event.ts_ns),
        *locking.resume(state, event.ts_ns),
    ]


def effects_abandoned(state: State, event: events.EffectsAbandoned, seq: int) -> Results:
    """Effects that were decided but never carried out are dropped; what must not be lost with them is decided anew."""
    state.lifecycle_seqs.append(seq)
    # cause 0: the kernel's outcome itself was never recorded, so nothing was decided
    lost = state.last_results[event.kept :] if event.cause_seq else ()
    text = f"the process ended before {len(lost)} effects were carried out; they are dropped"
    results: Results = [Alert(ts_ns=event.ts_ns, level="warning", code=_ABANDONED, text=text)]
    for effect in lost:
        results += _anew(state, event.ts_ns, effect)
    results += rearm_session(state, event.ts_ns)
    # What an open position or a flattening waits for is asked at once: its exit may be among the lost.
    if state.position.qty != 0:
        results += next_position_check(state, event.ts_ns)
    return [*results, *flatten_timer(state, event.ts_ns)]


def _anew(state: State, ts_ns: int, effect: Event | Effect) -> Results:
    """What has to take the place of one lost effect."""
    match effect:
        case PlaceOrder():
            entry = state.entries[effect.order.order_id]
            entry.status = next_status(entry.status, OrderSignal.ABANDONED)
            settle_entry(state, ts_ns, entry)
        case PlaceExit():
            if state.trade is not None and state.trade.order_id == effect.order_id:
                state.trade.forget_exit()
            else:
                state.stray_exit = None
        case PlaceShadow():
            state.shadows.pop(effect.order_id, None)
        case ArmTimer() if effect.name != SESSION_TIMER:
            # Without its timer an entry that was placed would work for ever; one that was not needs none.
            if effect.order_id is None or effect.order_id in state.entries:
                return [msgspec.structs.replace(effect, ts_ns=ts_ns)]
        case Alert() if effect.code != _ABANDONED:
            return [msgspec.structs.replace(effect, ts_ns=ts_ns)]
        # Who reads the log knows of a trip, a closed trade, a cost and an adoption by these records alone.
        case FillMeasured() | LearningUpdate() | ParamsAdopted():
            return [msgspec.structs.replace(effect, ts_ns=ts_ns)]
        case BreakerChanged() | TradeClosed() | CommissionCorrected():
            return [msgspec.structs.replace(effect, ts_ns=ts_ns, ledger=breaking.ledger_bytes(state))]
        case CancelOrder() | ModifyStop() | AskBroker() | SaveLearningState() | LatchKillSwitch() | EndRun():
            return [msgspec.structs.replace(effect, ts_ns=ts_ns)]
        case _:
            pass
    return []
