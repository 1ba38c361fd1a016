"""Handler: the broker's truth, compared with ours and acted on row by row (specification 12, docs/reconciliation.md).

The rows and what they ask for are data (`engines.reconciliation`); here is how each deed is done.
"""

from collections.abc import Callable
from typing import Final

from trading_bot.core import asking, deadlines, execution_quality
from trading_bot.core.flattening import drive, flatten, pull_kill_switch
from trading_bot.core.leaving import drop_trade, leave_naked
from trading_bot.core.on_orders import advance, child_works
from trading_bot.core.on_session import watch_quality
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entry, end_if_idle, withdraw_target
from trading_bot.domain.effects import Alert, CancelOrder, Effect
from trading_bot.domain.events import Event, Reconciled
from trading_bot.domain.orders import Leg
from trading_bot.domain.reconciling import Finding, ReconciliationDone, Row
from trading_bot.domain.units import NS_PER_MS
from trading_bot.engines import budgets
from trading_bot.engines.flatten import FlattenKind
from trading_bot.engines.orders import OrderSignal, next_status
from trading_bot.engines.position import FLAT, with_quantity
from trading_bot.engines.reconciliation import RULES, OurLeg, Ours, Severity, Theirs, compare, protecting

_SETTLING_MAX: Final = 3  # questions in a row; what still differs then is no order under way
_TOLD_MAX: Final = 64
# Rows that say only what works: true however young the orders are.
_ALWAYS: Final = frozenset({Row.AGREES, Row.FOREIGN_ORDER, Row.FOUND_ENTRY, Row.FOUND_CHILD})
# Rows that may stay for as long as somebody else lets them: told once.
_TOLD_ONCE: Final = frozenset({Row.FOREIGN_ORDER, Row.SIBLINGS, Row.PRICE_DRIFT, Row.QUANTITY_DRIFT})

Results = list[Event | Effect]


def reconciled(state: State, event: Reconciled, _seq: int) -> Results:
    """The broker's truth about the position and its orders; where it differs from ours, ours was wrong."""
    ts_ns, ours_qty = event.ts_ns, state.position.qty
    owned = state.trade is not None or state.stray_exit is not None or is_leaving(state)
    ours = Ours(position_qty=ours_qty, owned=owned, legs=our_legs(state, ts_ns))
    if not event.ok:
        results = asking.not_answered(state, event)
        found: tuple[Finding, ...] = (Finding(row=Row.NO_ANSWER, deed=RULES[Row.NO_ANSWER].deed, theirs=event.reason),)
        settling = False
    else:
        found = compare(ours, Theirs(position_qty=event.position_qty, orders=event.orders if event.listed else None))
        settling = _settling(state, found, ts_ns)
        results = asking.answer_came(state, ts_ns)
        if settling:
            results.append(deadlines.ask_again(state, ts_ns))
        else:
            state.reconciled, state.answered_ns = True, ts_ns
            results += _act(state, event, found)
    done = ReconciliationDone(
        ts_ns=ts_ns,
        reason=event.reason,
        ok=event.ok,
        settling=settling,
        ours_qty=ours_qty,
        theirs_qty=event.position_qty,
        ours_working=len(ours.legs),
        theirs_working=event.working_orders,
        position_qty=state.position_qty,
        findings=found,
    )
    compared = state.documents.gates_real and (event.ok or event.asked)
    kept: Results = []
    if compared:
        state.reconciliation, kept = done, [done]
    quality = watch_quality(state, ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)
    left = withdraw_target(state, ts_ns)
    return [*kept, *results, *quality, *drive(state, ts_ns), *left, *end_if_idle(state, ts_ns)]


def is_leaving(state: State) -> bool:
    """Whether a plan to flatten is under way."""
    return state.flatten is not None and not state.flatten.finished


def our_legs(state: State, ts_ns: int) -> tuple[OurLeg, ...]:
    """Every leg that should work at the broker now. An entry within its deadline may still be on its way there."""
    deadline_ns = state.wall_ns(state.config.orders.ack_deadline_ms * NS_PER_MS)
    legs = [
        OurLeg(
            order_id=order_id,
            leg=Leg.ENTRY,
            remaining=entry.order.qty - entry.filled_qty,
            price_ticks=entry.order.limit_ticks,
            doubtful=entry.unknown_since_ns is not None,
            told=entry.answered or ts_ns - entry.terms.sent_ns >= deadline_ns,
        )
        for order_id, entry in state.entries.items()
    ]
    qty = abs(state.position.qty)
    if state.stray_exit is not None:
        legs.append(OurLeg(order_id=state.stray_exit, leg=Leg.EXIT, remaining=qty, price_ticks=None))
    if (trade := state.trade) is None or qty == 0:
        return tuple(legs)
    children = (
        (Leg.STOP, trade.stop_ticks, trade.resident_stop_ticks is not None),
        (Leg.TARGET, trade.entry.order.target_price_ticks, trade.target_resident),
    )
    legs += [
        OurLeg(order_id=trade.order_id, leg=leg, remaining=qty, price_ticks=price, told=known)
        for leg, price, known in children
    ]
    if trade.sent_cause is not None:
        legs.append(OurLeg(order_id=trade.order_id, leg=Leg.EXIT, remaining=qty, price_ticks=None))
    return tuple(legs)


def _settling(state: State, found: tuple[Finding, ...], ts_ns: int) -> bool:
    """Whether the differences may be orders under way. A simulator's answers are exact: there nothing is under way."""
    young_ns = state.wall_ns(state.config.orders.settle_ms * NS_PER_MS)
    young = state.moved_ns is not None and ts_ns - state.moved_ns < young_ns
    differs = any(finding.row not in _ALWAYS for finding in found)
    if not (state.documents.gates_real and young and differs and state.settling < _SETTLING_MAX):
        state.settling = 0
        return False
    state.settling += 1
    return True


def _act(state: State, event: Reconciled, found: tuple[Finding, ...]) -> Results:
    results: Results = []
    rows = {finding.row for finding in found}
    if not rows & {Row.ORPHAN_POSITION, Row.POSITION_DRIFT, Row.PHANTOM_POSITION}:
        state.position_known = True
        results += execution_quality.reconciled_clean(state, event.ts_ns)
    else:
        execution_quality.reconciled_unclean(state)
    state.position_traced = state.documents.gates_real
    stay = {_key(finding): None for finding in found if finding.row in _TOLD_ONCE}
    for finding in found:
        told = finding.row in _TOLD_ONCE and _key(finding) in state.told
        results += [] if told else _tell(event.ts_ns, finding)
        results += _DEEDS.get(finding.row, _nothing)(state, event, finding)
    state.told = dict(list(stay.items())[-_TOLD_MAX:])
    return results


def _key(finding: Finding) -> str:
    return f"{finding.row.value} {finding.order_ref} {finding.leg} {finding.theirs}"


def _tell(ts_ns: int, finding: Finding) -> Results:
    rule = RULES[finding.row]
    if rule.severity is Severity.NONE:
        return []
    what = "position" if finding.leg is None and not finding.order_ref else "order"
    if finding.order_ref or finding.leg is not None:
        what = " ".join(part for part in (finding.leg and finding.leg.value, finding.order_ref) if part)
    text = f"{what}: {finding.ours} here, {finding.theirs} at the broker: {rule.why}"
    return [Alert(ts_ns=ts_ns, level=rule.severity.value, code=finding.row.value, text=text)]


# --- deeds ---------------------------------------------------------------------------------------------------------


def _take_theirs(state: State, event: Reconciled, _finding: Finding) -> Results:
    """Never adopted: what the broker has is left under the stop that protects it, and the bot halts."""
    ts_ns, qty, trade = event.ts_ns, event.position_qty, state.trade
    reason = f"position {state.position.qty} here, {qty} at the broker"
    results: Results = []
    if trade is None or qty * trade.sign <= 0:
        results += drop_trade(state, ts_ns, "POSITION_DRIFT")
        state.stray_bracket = protecting(event.orders, qty)
    state.position, state.position_known = with_quantity(state.position, qty), True
    state.answered_ns = None  # that it is gone has to be an answer of its own
    results += pull_kill_switch(state, ts_ns, reason, "reconciliation")
    # The switch may have been pulled long before, and its flattening be done.
    return [*results, *flatten(state, ts_ns, FlattenKind.KILL, reason)]


def _phantom(state: State, event: Reconciled, _finding: Finding) -> Results:
    state.position, state.position_known = FLAT, True
    results = drop_trade(state, event.ts_ns, "PHANTOM_POSITION")
    if state.stray_exit is not None:
        results.append(_cancel(state, event.ts_ns, state.stray_exit, Leg.EXIT, "PHANTOM_POSITION"))
    return results


def _unprotected(state: State, event: Reconciled, finding: Finding) -> Results:
    """No stop, or one for less than the position: it is left at the market, unless it is being left already."""
    trade, ts_ns = state.trade, event.ts_ns
    if trade is None or state.position.qty == 0:
        return []
    if finding.row is Row.MISSING_STOP:
        trade.resident_stop_ticks, trade.resident_stop_qty = None, 0
    else:
        trade.resident_stop_qty = finding.remaining or 0
    trade.naked_since_ns = ts_ns if trade.naked_since_ns is None else trade.naked_since_ns
    waits: Results = [deadlines.stop_resident(state, ts_ns)]
    if trade.market_sent:
        return waits
    return [*waits, *leave_naked(state, trade, ts_ns)]


def _target_gone(state: State, _event: Reconciled, _finding: Finding) -> Results:
    if state.trade is not None:
        state.trade.target_resident = False
    return []


def _exit_gone(state: State, _event: Reconciled, finding: Finding) -> Results:
    if state.stray_exit == finding.order_id:
        state.stray_exit = None
    if state.trade is not None and state.trade.order_id == finding.order_id:
        state.trade.forget_exit()
    return []


def _entry_gone(state: State, event: Reconciled, finding: Finding) -> Results:
    assert finding.order_id is not None
    return advance(state, event.ts_ns, finding.order_id, OrderSignal.CANCELLED)


def _entry_works(state: State, event: Reconciled, finding: Finding) -> Results:
    """It lives: its wait is over. One that was to be withdrawn, or whose time to live is over, is withdrawn again."""
    entry = state.entries.get(finding.order_id) if finding.order_id is not None else None
    if entry is None or finding.order_id is None:
        return []
    ts_ns, was_asked = event.ts_ns, entry.cancel_asked
    entry.cancel_asked = False
    signal = OrderSignal.PARTIAL_FILL if entry.filled_qty else OrderSignal.WORK
    entry.status = next_status(next_status(entry.status, OrderSignal.LOST), signal)
    results = execution_quality.answered(state, ts_ns, entry)
    if was_asked or ts_ns >= entry.order.expires_ns or state.stopping is not None:
        # In a break of the exchange a cancel is answered when it opens again: no haste.
        results += cancel_entry(state, ts_ns, finding.order_id, "STILL_WORKING")
        results.append(deadlines.order_unknown(state, ts_ns, finding.order_id))
    return results


def _child_found(state: State, event: Reconciled, finding: Finding) -> Results:
    if state.trade is None or finding.leg is None or finding.price_ticks is None:
        return []
    qty = finding.remaining or 0
    return child_works(state, state.trade, event.ts_ns, finding.leg, price_ticks=finding.price_ticks, qty=qty)


def _withdraw(state: State, event: Reconciled, finding: Finding) -> Results:
    if finding.order_id is None or finding.leg is None:
        return []
    return [_cancel(state, event.ts_ns, finding.order_id, finding.leg, "UNKNOWN_ORDER")]


def _their_price(state: State, _event: Reconciled, finding: Finding) -> Results:
    if finding.leg is Leg.STOP and state.trade is not None and finding.price_ticks is not None:
        state.trade.resident_stop_ticks = finding.price_ticks
    return []


def _nothing(_state: State, _event: Reconciled, _finding: Finding) -> Results:
    return []


def _cancel(state: State, ts_ns: int, order_id: tuple[int, int], leg: Leg, reason: str) -> CancelOrder:
    state.budgets = budgets.with_message(state.budgets)
    return CancelOrder(ts_ns=ts_ns, order_id=order_id, reason=reason, leg=leg)


_DEEDS: Final[dict[Row, Callable[[State, Reconciled, Finding], Results]]] = {
    Row.ORPHAN_POSITION: _take_theirs,
    Row.POSITION_DRIFT: _take_theirs,
    Row.PHANTOM_POSITION: _phantom,
    Row.MISSING_STOP: _unprotected,
    Row.SHORT_STOP: _unprotected,
    Row.MISSING_TARGET: _target_gone,
    Row.MISSING_EXIT: _exit_gone,
    Row.MISSING_ENTRY: _entry_gone,
    Row.FOUND_ENTRY: _entry_works,
    Row.FOUND_CHILD: _child_found,
    Row.UNKNOWN_ORDER: _withdraw,
    Row.PRICE_DRIFT: _their_price,
}
