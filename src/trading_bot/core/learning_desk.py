"""Outcomes into the LearningLoop, its answers into the kernel and the log; shadow trades; the file's troubles."""

from typing import Final

from trading_bot.core.entry_facts import kelly_rows
from trading_bot.core.state import State
from trading_bot.core.trade import EntryTerms, Shadow
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, Effect, PlaceShadow, SaveLearningState
from trading_bot.domain.events import Event
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.learning import LearningOrdered, LearningUpdate, TradeOutcome
from trading_bot.domain.orders import EntryIntent, Leg, Side
from trading_bot.domain.trade_events import ParamsAdopted, ShadowEnded, ShadowFilled
from trading_bot.domain.units import usd_from_uusd
from trading_bot.engines.belief import PARAMETER
from trading_bot.engines.learning import TRANSITIONS

_SHADOWS_MAX: Final = 32  # half of the simulator's slots

Results = list[Event | Effect]


def learn(state: State, outcome: TradeOutcome) -> Results:
    """Take in a closed trade; a change of state is told, and the state saved when it is time."""
    return _told(state, state.learning.record(outcome))


def ordered(state: State, event: LearningOrdered, _seq: int) -> Results:
    """A person archives or revives a template of this run; what the table of states does not have is refused."""
    name, found = event.template, state.learning.state(event.template)
    if name in state.documents.templates and (found, event.finding) in TRANSITIONS:
        update = state.learning.order_by_person(name, event.finding, event.ts_ns)
        return _told(state, update, f": {event.reason} ({event.source})")
    known = f"it is {found.value}" if name in state.documents.templates else "this run has no such template"
    text = f"{event.finding.value} of {name} changes nothing: {known}"
    return [Alert(ts_ns=event.ts_ns, level="warning", code="LEARNING_ORDER_REFUSED", text=text)]


def _told(state: State, update: LearningUpdate | None, why: str = "") -> Results:
    refresh_throttles(state)
    results: Results = []
    if update is not None:
        found = f"{update.evidence.finding.value}{why}"
        text = f"{update.template} is {update.state.value}, was {update.previous.value}: {found}"
        results = [update, Alert(ts_ns=update.ts_ns, level="warning", code="LEARNING_UPDATE", text=text)]
    if state.learning.save_due:
        reason = "TRANSITION" if update is not None else "TRADES"
        state.learning.mark_saved()
        results.append(SaveLearningState(ts_ns=state.ts_ns, reason=reason))
    return results


def refresh_throttles(state: State) -> None:
    """What the evidence means for the next decision: a throttle and an uncertainty per template.

    A blocked template keeps the heaviest throttle in the kernel, so that its candidates still come, for shadow trades;
    a gate of the decision stops them.
    """
    heaviest = state.config.learning.throttle_heavy
    for index, name in enumerate(state.documents.templates):
        allowed = state.learning.entries_allowed(name)
        state.kernel.set_throttle(index, state.learning.throttle(name) if allowed else heaviest)
        state.kernel.set_sigma_p(index, state.learning.sigma_p(name))
        state.kernel.set_belief_factor(index, state.learning.belief_factor(name))
    state.kelly = kelly_rows(state)


def adopt_beliefs(state: State) -> Results:
    """A session begins: what trades have shown of belief's promises comes into force, and what changed is told."""
    trade_date = state.day.trade_date if state.day else 0
    return [
        ParamsAdopted(
            ts_ns=state.ts_ns,
            parameter=f"{PARAMETER}/{change.template}",
            old=change.old,
            new=change.new,
            fills=change.trades,
            actual=change.net_uusd,
            expected=change.promised_uusd,
            hypothetical=state.learning.hypothetical,
        )
        for change in state.learning.adopt_beliefs(trade_date)
    ]


def promised_e6(state: State, candidate: Candidate) -> int | None:
    """Edge less cost of a candidate before the factor on belief, in millionths of a tick; None at a factor of 0."""
    net_e6 = candidate.edge_e6 - candidate.cost_e6
    factor = state.learning.belief_factor(state.template_names[candidate.template])
    if factor == 1.0 or net_e6 <= 0:  # the factor takes from a promise only
        return net_e6
    return round(net_e6 / factor) if factor > 0.0 else None


def follow_shadow(state: State, ts_ns: int, intent: EntryIntent, terms: EntryTerms) -> Results:
    """A candidate of a quarantined template, followed without being sent."""
    if len(state.shadows) >= _SHADOWS_MAX or any(row.template == intent.template for row in state.shadows.values()):
        return []
    state.shadows[intent.order_id] = Shadow(template=intent.template, side=intent.side, terms=terms)
    return [
        PlaceShadow(
            ts_ns=ts_ns,
            order_id=intent.order_id,
            template=intent.template,
            side=intent.side,
            limit_ticks=intent.limit_ticks,
            target_ticks=intent.target_ticks,
            stop_ticks=intent.stop_ticks,
            hold_ns=terms.hold_ns,
            life_ns=intent.time_to_live_ns,
        )
    ]


def shadow_filled(state: State, event: ShadowFilled, _seq: int) -> Results:
    """Entry or exit of a shadow trade."""
    shadow = state.shadows.get(event.order_id)
    if shadow is None:
        return []
    shadow.fees_uusd += event.commission_uusd
    if event.leg is Leg.ENTRY:
        shadow.entry_ticks, shadow.entry_ns = event.price_ticks, event.ts_ns
        return []
    del state.shadows[event.order_id]
    sign = 1 if shadow.side is Side.BUY else -1
    gross_uusd = (event.price_ticks - shadow.entry_ticks) * sign * state.instrument.tick_value_uusd
    seq, number = event.order_id
    outcome = TradeOutcome(
        template=shadow.template,
        pnl_usd=usd_from_uusd(gross_uusd),
        trade_id=f"{seq}-{number}",
        decision_seq=seq,
        instrument=state.instrument.symbol,
        side=shadow.side,
        entry_ticks=shadow.entry_ticks,
        exit_ticks=event.price_ticks,
        entry_ts_ns=shadow.entry_ns,
        exit_ts_ns=event.ts_ns,
        exit_reason=event.leg.value,
        commission_round_trip=usd_from_uusd(shadow.fees_uusd),
        belief_e6=shadow.terms.belief_e6,
        euc_e6=shadow.terms.euc_e6,
        hypothetical=state.learning.hypothetical,
        shadow=True,
    )
    return learn(state, outcome)


def shadow_ended(state: State, event: ShadowEnded, _seq: int) -> Results:
    """It never entered: no evidence."""
    state.shadows.pop(event.order_id, None)
    return []


def save_failed(_state: State, event: events.LearningSaveFailed, _seq: int) -> Results:
    """The log still holds the evidence; a person has to look at the disk."""
    text = (
        f"the learning state was not saved: {event.reason}; it is kept in the log and saved again with the next trades"
    )
    return [Alert(ts_ns=event.ts_ns, level="error", code="LEARNING_NOT_SAVED", text=text)]


def refused(_state: State, event: events.LearningRefused, _seq: int) -> Results:
    """The file was not what was saved; what stands in its place is said."""
    text = f"{event.reason}; rebuilt from {event.rebuilt_from}"
    return [Alert(ts_ns=event.ts_ns, level="error", code="LEARNING_REFUSED", text=text)]
