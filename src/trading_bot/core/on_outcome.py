"""Handlers: what the kernel found.

Candidates become decisions, decisions pass the safety gate, approvals become orders.
"""

from typing import Final

from trading_bot.core import (
    breaking,
    context_desk,
    deadlines,
    entry_facts,
    event_watch,
    latency_desk,
    learning_desk,
    levels_desk,
    locking,
    on_bar,
    quorum_desk,
    reentry,
    rule_watch,
    strategy_desk,
    surroundings,
)
from trading_bot.core.control import LIVE_DATA, LIVE_MODE
from trading_bot.core.exit_watch import exit_found, watch
from trading_bot.core.on_session import DATA_DOWN_CLEAR_TIMER, ENTRY_TTL_TIMER, watch_quality
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries, flattening
from trading_bot.core.trade import Entry, EntryTerms
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, ArmTimer, DisarmTimer, Effect, PlaceOrder
from trading_bot.domain.events import Event, OutcomeReached
from trading_bot.domain.kernel import Candidate, Outcome
from trading_bot.domain.orders import ApprovedOrder, EntryIntent, OrderStatus, Side
from trading_bot.domain.reasons import Action, GateReason
from trading_bot.domain.units import NS_PER_HOUR, NS_PER_MIN, NS_PER_S
from trading_bot.engines import breakers, budgets, lockouts, scheduled_events
from trading_bot.engines.breaker_table import Breaker
from trading_bot.engines.decision_v2 import Decision, DecisionInputs
from trading_bot.engines.lockouts import Lockout
from trading_bot.engines.orders import OrderSignal, next_status
from trading_bot.engines.quality import Band, eqs_c
from trading_bot.engines.safety_gate import Refused, SafetyFacts
from trading_bot.engines.session import SessionState, session_window

# Plain numbers: `&` of an IntFlag makes an object each time.
_GAP, _BAR, _QUALITY, _EXIT, _CANDIDATE = (
    int(bit) for bit in (Outcome.GAP, Outcome.BAR, Outcome.QUALITY, Outcome.EXIT, Outcome.CANDIDATE)
)
# Failing gates with which a candidate is still evidence: none but the one that its own template is blocked.
_SHADOWED: Final = frozenset({1 << GateReason.LEARNING_BLOCKED})

# On the way of every order; looking a member up in its class takes longer than what is done with it.
_ENTER: Final = Action.ENTER
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_SENT: Final = next_status(OrderStatus.CREATED, OrderSignal.SEND)

Results = list[Event | Effect]


def outcome_reached(state: State, event: OutcomeReached, seq: int) -> Results:
    """A closed minute, then quality, exits, candidates: the order of authority."""
    results: Results = []
    if event.code & _GAP:
        text = "prices jumped beyond the band and were accepted as a new level: signals start afresh"
        results.append(Alert(ts_ns=event.ts_ns, level="warning", code="PRICE_GAP_ACCEPTED", text=text))
        state.journal.clear()  # the kernel numbers episodes from 1 again
        levels_desk.price_gap(state)
        state.setups_used.clear()
        results += cancel_entries(state, event.ts_ns, "PRICE_GAP")
    if event.code & _BAR:
        results += on_bar.bar_closed(state, event.ts_ns)
    if event.code & _QUALITY:
        results += _quality(state, event)
    if event.code & _EXIT:
        qty = state.position.qty
        results.append(events.ExitDetected(ts_ns=event.ts_ns, exit_mask=event.exit_mask, position_qty=qty))
        results += exit_found(state, event.ts_ns, event.exit_mask)
    proposed: tuple[Candidate, ...] = ()
    if event.code & _BAR:
        told, proposed = strategy_desk.propose(state, event.ts_ns)
        results += told
    if event.code & _CANDIDATE or proposed:
        results += _candidates(state, event, (*event.candidates, *proposed), seq)
    return results


def _quality(state: State, event: OutcomeReached) -> Results:
    """A new band. DATA_DOWN waits for its time in the entry band, and for the whole of it after every dip."""
    ts_ns, was_down = event.ts_ns, state.data_down
    results = watch_quality(state, ts_ns, event.dvs_band, event.dvs_c)
    if was_down and event.dvs_band == Band.ENTRY:
        due_ns = ts_ns + state.config.quality.data_down_clear_s * NS_PER_S
        results.append(ArmTimer(ts_ns=ts_ns, name=DATA_DOWN_CLEAR_TIMER, due_ns=due_ns))
    elif was_down:
        results.append(DisarmTimer(ts_ns=ts_ns, name=DATA_DOWN_CLEAR_TIMER))
    results += breaking.data_age(state, ts_ns)
    return results + watch(state, ts_ns)


def _candidates(state: State, event: OutcomeReached, found: tuple[Candidate, ...], seq: int) -> Results:
    """The best expected utility is judged first; once one enters, the others of the moment are skipped."""
    ranked = sorted(found, key=rank)
    results: Results = []
    if _session_now(state, event.ts_ns) is SessionState.ENTRIES:  # before the open a wide spread says nothing
        results = locking.after_candidates(state, event.ts_ns, found)
    inputs = decision_inputs(state, event.ts_ns, event.dvs_c)
    rival: GateReason | None = None
    for index, candidate in enumerate(ranked):
        if rival is None and _tied(candidate, ranked):
            rival = GateReason.OPPOSITE_CANDIDATE
        decision = state.decisions.decide(
            candidate, inputs, rival=rival, told=state.journal.get((candidate.template, candidate.side))
        )
        if decision.action is _ENTER:
            decision, placed = _enter(state, event.ts_ns, (seq, index), candidate, decision, inputs)
            results += placed
            if decision.action is _ENTER:
                rival = GateReason.BETTER_CANDIDATE
        elif decision.mask in _SHADOWED:
            results += _shadow(state, event.ts_ns, (seq, index), candidate, inputs)
        results += _journal(state, event.ts_ns, candidate, decision)
    # The order leaves only after everything about its moment is in the log, so effects come last.
    told: Results = []
    effects: Results = []
    for result in results:
        (effects if isinstance(result, Effect) else told).append(result)
    return told + effects


def rank(candidate: Candidate) -> tuple[bool, int, int, int]:
    """Sort key of the candidates of a moment: in this order they are judged, and so their orders numbered."""
    return candidate.missing, -candidate.euc_e6, candidate.template, -candidate.side


def _tied(candidate: Candidate, others: list[Candidate]) -> bool:
    """Whether the other side is worth exactly as much: then nothing is known, and neither it nor a worse one trades."""
    if candidate.missing:
        return False
    return any(
        other.side != candidate.side and other.euc_e6 == candidate.euc_e6 and not other.missing for other in others
    )


def decision_inputs(state: State, ts_ns: int, dvs_c: int) -> DecisionInputs:
    """The world as the decision sees it."""
    book = state.kernel.book()
    window = session_window(state.day, state.policy) if state.day else None
    broken = breakers.verdict(state.breakers)
    config = state.config.breakers
    # One contract cannot be halved, so that is what a reduction of one contract looks like; more are halved by size.
    reduced = breakers.entry_terms(config, broken, 1)
    used = state.budgets
    event = scheduled_events.active(event_watch.windows(state), ts_ns)
    return DecisionInputs(
        ts_ns=ts_ns,
        stopping=state.stopping is not None or flattening(state),
        killed=state.kill_reason is not None,
        recovered=state.reconciled and state.position_known,
        link_up=state.link_up and state.data_type == LIVE_DATA,
        log_space_ok=state.log_space_ok,
        data_down=state.data_down,
        dvs_c=dvs_c,
        # Forgiven up to this moment; `state.eqs_c` is of the last event.
        eqs_c=eqs_c(state.deficits, ts_ns),
        session_state=_session_now(state, ts_ns),
        flatten_ns=window.flatten_ns if window else None,
        position_qty=state.position_qty,
        working_entries=state.working_entries,
        entries_last_minute=budgets.entries_since(used, ts_ns, NS_PER_MIN),
        entries_last_hour=budgets.entries_since(used, ts_ns, NS_PER_HOUR),
        entries_today=used.entries_day,
        attempts_today=used.attempts_day,
        fees_today_uusd=used.fees_day_uusd,
        equity_uusd=state.equity_uusd,
        bid_ticks=book[0] if book else None,
        ask_ticks=book[2] if book else None,
        breakers=_stops(state, broken.blocking),
        halved=broken.reduced,
        euc_factor_e6=reduced.euc_factor_e6,
        entries_per_hour_max=reduced.entries_per_hour_max,
        order_inefficient=budgets.inefficient(used, state.budget_limits),
        size=entry_facts.size_facts(state),
        round_trip_uusd=state.round_trip_uusd,
        lockout_context=context_desk.lockouts_now(state),
        learning_blocked=state.learning.blocked(),
        event_calendar_stale=event_watch.stale_now(state, ts_ns),
        event="" if event is None else event.name,
        lockout_volatility=lockouts.in_force(state.locks, Lockout.VOLATILITY, ts_ns),
        lockout_execution=lockouts.in_force(state.locks, Lockout.EXECUTION, ts_ns),
        cooling=reentry.cooling(state, ts_ns),
        setups_used=reentry.setups_used(state),
        vetoes=surroundings.vetoes(state),
        modifiers=surroundings.common_modifiers(state, ts_ns),
        holds=surroundings.holds(state),
        advice_binds=state.mode == LIVE_MODE or state.config.decision.advice == "always",
    )


def _stops(state: State, blocking: tuple[Breaker, ...]) -> tuple[str, ...]:
    """Breakers that stop entries, and rules of the account that do."""
    if state.documents.rules is None:
        return tuple([breaker.value for breaker in blocking]) if blocking else ()
    return (*(breaker.value for breaker in blocking), *rule_watch.blocking(state, breaking.money(state)))


def _session_now(state: State, ts_ns: int) -> SessionState:
    # Asked anew, not remembered: a decision in the same instant as a boundary must not depend on which came first.
    return quorum_desk.session_now(state, ts_ns)


def _enter(
    state: State,
    ts_ns: int,
    order_id: tuple[int, int],
    candidate: Candidate,
    decision: Decision,
    inputs: DecisionInputs,
) -> tuple[Decision, Results]:
    """Through the safety gate, and on to the broker when it lets the order pass."""
    intent = _intent(state, order_id, candidate, decision.qty, inputs)
    verdict = state.gate.approve(intent, _facts(state, ts_ns, inputs))
    if isinstance(verdict, Refused):
        blocked = events.SafetyVerdict(
            ts_ns=ts_ns,
            verdict="safety_gate_blocked",
            order_id=order_id,
            failed=tuple(int(check) for check in verdict.failed),
            detail=verdict.detail,
        )
        reason = f"SAFETY_GATE_{verdict.failed[0].name}"
        text = decision.text.replace(f"{Action.ENTER.value} {decision.qty}", f"{Action.SKIP.value} {reason}", 1)
        skip = Decision(
            action=Action.SKIP,
            reason=reason,
            mask=1 << GateReason.SAFETY_GATE,
            qty=0,
            text=f"{text}; the safety gate refused: {verdict.detail}",
            modifiers=decision.modifiers,
        )
        return skip, [blocked]
    return decision, _place(state, ts_ns, verdict, _terms(state, candidate, inputs))


def _shadow(
    state: State, ts_ns: int, order_id: tuple[int, int], candidate: Candidate, inputs: DecisionInputs
) -> Results:
    """What a quarantined template would have done is followed as a shadow trade, so that it can come back."""
    name = state.template_names[candidate.template]
    if not state.learning.shadow_wanted(name) or inputs.bid_ticks is None or inputs.ask_ticks is None:
        return []
    intent = _intent(state, order_id, candidate, 1, inputs)
    return learning_desk.follow_shadow(state, ts_ns, intent, _terms(state, candidate, inputs))


def _terms(state: State, candidate: Candidate, inputs: DecisionInputs) -> EntryTerms:
    template = state.template_rows[candidate.template]
    bid_ticks, ask_ticks = inputs.bid_ticks, inputs.ask_ticks
    assert bid_ticks is not None
    assert ask_ticks is not None
    passive, long = template.entry == "passive", candidate.side > 0
    return EntryTerms(
        template_index=candidate.template,
        hold_ns=template.hold_s * NS_PER_S,
        touch_ticks=bid_ticks if long is passive else ask_ticks,
        spread_ticks=ask_ticks - bid_ticks,
        slippage_e6=candidate.entry_slippage_e6,
        stop_slippage_e6=candidate.slippage_e6,
        belief_e6=candidate.belief_e6,
        euc_e6=candidate.euc_e6,
        dvs_c=inputs.dvs_c,
        eqs_c=inputs.eqs_c,
        sent_ns=inputs.ts_ns,
        episode=candidate.episode,
        p_e6=candidate.p_e6,
        promised_e6=learning_desk.promised_e6(state, candidate),
    )


def _place(state: State, ts_ns: int, order: ApprovedOrder, terms: EntryTerms) -> Results:
    state.entries[order.order_id] = Entry(order=order, status=_SENT, terms=terms)
    state.budgets = budgets.with_attempt(state.budgets)
    state.last_entry = (order.side, order.limit_ticks, ts_ns)
    return [
        events.SafetyVerdict(ts_ns=ts_ns, verdict="safety_gate_passed", order_id=order.order_id, failed=(), detail=""),
        PlaceOrder(ts_ns=ts_ns, order=order),
        ArmTimer(ts_ns=ts_ns, name=ENTRY_TTL_TIMER, due_ns=order.expires_ns, order_id=order.order_id),
        deadlines.order_answer(state, ts_ns, order.order_id),
    ]


def _intent(
    state: State, order_id: tuple[int, int], candidate: Candidate, qty: int, inputs: DecisionInputs
) -> EntryIntent:
    name, template = state.template_names[candidate.template], state.template_rows[candidate.template]
    long = candidate.side > 0
    passive = template.entry == "passive"
    # Passive joins the own side of the book, otherwise the entry takes the other side; NO_QUOTE has excluded None.
    limit_ticks = inputs.bid_ticks if long is passive else inputs.ask_ticks
    assert limit_ticks is not None
    return EntryIntent(
        order_id=order_id,
        instrument_id=state.instrument.id,
        template=name,
        side=_BUY if long else _SELL,
        qty=qty,
        limit_ticks=limit_ticks,
        stop_ticks=candidate.stop_ticks,
        target_ticks=candidate.target_ticks,
        time_to_live_ns=state.config.orders.entry_ttl_s * NS_PER_S,
    )


def _facts(state: State, ts_ns: int, inputs: DecisionInputs) -> SafetyFacts:
    position_qty, working = state.position_qty, bool(state.entries)
    used_up = budgets.verdict(
        state.budgets,
        state.budget_limits
        if inputs.entries_per_hour_max is None
        else budgets.limits_of(state.config.safety, entries_hour_max=inputs.entries_per_hour_max),
        ts_ns,
        equity_uusd=state.equity_uusd or 0,
        round_trip_uusd=state.round_trip_uusd if inputs.round_trip_uusd is None else inputs.round_trip_uusd,
    )
    return SafetyFacts(
        ts_ns=ts_ns,
        killed=state.kill_reason is not None,
        recovered=state.reconciled and state.position_known,
        link_up=state.link_up,
        data_live=state.data_type == LIVE_DATA,
        account_known=state.equity_uusd is not None,
        position_qty=position_qty,
        working_buy_qty=state.working_qty(_BUY) if working else 0,
        working_sell_qty=state.working_qty(_SELL) if working else 0,
        # One position at a time: an open one is no place for another entry, so its risk is not worked out here.
        open_risk_uusd=None if position_qty != 0 else entry_facts.open_risk_uusd(state) if working else 0,
        bid_ticks=inputs.bid_ticks,
        ask_ticks=inputs.ask_ticks,
        session_state=inputs.session_state,
        last_entry=state.last_entry,
        money=breaking.money(state),
        breakers=inputs.breakers,
        budgets=tuple([budget.value for budget in used_up.blocked]) if used_up.blocked else (),
        equity_uusd=state.equity_uusd,
        margin_used_uusd=state.margin_used_uusd,
        margin_per_contract_uusd=entry_facts.margin_per_contract_uusd(state),
        days_to_expiry=entry_facts.days_to_expiry(state),
        latency=latency_desk.latency(state, ts_ns),
        traded=None if state.documents.signal_instrument is None else entry_facts.traded_touch(state),
        account_problem=entry_facts.account_problem_now(state, ts_ns),
        contract_problem=state.contract_problem,
    )


def _journal(state: State, ts_ns: int, candidate: Candidate, decision: Decision) -> Results:
    """One line per episode and reason; every ENTER has its own."""
    key, value = (candidate.template, candidate.side), (candidate.episode, decision.reason)
    if decision.action is not _ENTER and state.journal.get(key) == value:
        return []
    state.journal[key] = value
    return [
        events.DecisionMade(
            ts_ns=ts_ns,
            action=decision.action._value_,  # `value` of a member takes longer than an append to the log
            reason=decision.reason,
            mask=decision.mask,
            template=state.template_names[candidate.template],
            side=candidate.side,
            episode=candidate.episode,
            text=decision.text,
            modifiers=decision.modifiers,
            live=decision.live,
        )
    ]
