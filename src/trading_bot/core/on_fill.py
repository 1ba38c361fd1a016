"""Handlers: executions. Whatever an order's state says, what was executed is the position (features EX07, EX19)."""

from typing import Final

from trading_bot.core import (
    after_fill,
    asking,
    breaking,
    cost_desk,
    deadlines,
    event_watch,
    execution_quality,
    learning_desk,
    reentry,
)
from trading_bot.core.deadlines import STOP_DEADLINE_TIMER
from trading_bot.core.executions import Seen, remember, seen
from trading_bot.core.exit_watch import EXIT_CHECK_TIMER, next_position_check
from trading_bot.core.flattening import drive, flatten, pull_kill_switch
from trading_bot.core.leaving import drop_trade, leave_naked, watch_in_kernel
from trading_bot.core.on_orders import child_works
from trading_bot.core.on_session import settle_entry, watch_quality
from trading_bot.core.regimes import regime_now
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entry, end_if_idle, is_leaving
from trading_bot.core.trade import STOP, TRAILING, Entry, Trade, entry_slippage_ticks, outcome_of
from trading_bot.domain.effects import Alert, AskBroker, DisarmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import OrderFilled, StopResident, TradeClosed, TradeOpened
from trading_bot.engines import budgets
from trading_bot.engines.exits import ExitCause
from trading_bot.engines.flatten import FlattenKind
from trading_bot.engines.orders import TRANSITIONS, OrderSignal, next_status
from trading_bot.engines.position import Excursion, FillKind, apply_fill, fill_kind, with_fill
from trading_bot.engines.session import SessionState, session_phase

_SLIPPAGE_SPARE_TICKS: Final = 2  # specification 5

Results = list[Event | Effect]


def order_filled(state: State, event: OrderFilled, _seq: int) -> Results:
    """An execution of any leg; one that was told before (after a reconnect all of a day are) changes nothing."""
    known = seen(state.executions, event.exec_id)
    if known is Seen.REPEATED:
        return []
    remember(state.executions, event.exec_id, event.commission_uusd if event.commission_estimated else None)
    if known is Seen.CORRECTED:
        return _corrected(state, event)
    if event.leg is Leg.ENTRY:
        entry = state.entries.get(event.order_id) or state.final_entries.get(event.order_id)
        if entry is None or (entry.status, _signal(event)) not in TRANSITIONS:  # filled already, and once more
            return [*_unknown_fill(state, event), *after_fill.check_fill(state, event)]
        if state.trade is not None and state.trade.order_id != event.order_id:
            return [*_second_entry_filled(state, entry, event), *after_fill.check_fill(state, event)]
        results = _entry_filled(state, entry, event)
    else:
        if state.trade is None or state.trade.order_id != event.order_id:
            return [*_unknown_fill(state, event), *after_fill.check_fill(state, event)]
        results = _exit_filled(state, state.trade, event)
    results += after_fill.check_fill(state, event)
    results += breaking.mark(state, event.ts_ns)
    results += _must_be_flat(state, event.ts_ns)
    results += drive(state, event.ts_ns)
    return results + end_if_idle(state, event.ts_ns)


def _signal(event: OrderFilled) -> OrderSignal:
    return OrderSignal.FILL if event.final else OrderSignal.PARTIAL_FILL


def _corrected(state: State, event: OrderFilled) -> Results:
    """The broker changed an execution afterwards: told, and not booked twice; what it has now is asked."""
    text = (
        f"execution {event.exec_id} corrects one of order {event.order_id}: {event.side.value} {event.qty} at "
        f"{event.price_ticks} ticks; results in this log stay as they were told first, the statement has the last word"
    )
    state.executions[event.exec_id] = None
    alert = Alert(ts_ns=event.ts_ns, level="error", code="EXECUTION_CORRECTED", text=text)
    return [alert, AskBroker(ts_ns=event.ts_ns, reason="EXECUTION_CORRECTED")]


def _book(state: State, event: OrderFilled) -> int:
    """Position and account after an execution; what it realised, in ticks times lots."""
    state.position, realised_ticks = apply_fill(state.position, event.side, event.qty, event.price_ticks, event.ts_ns)
    state.budgets = budgets.with_fee(state.budgets, event.commission_uusd)
    if state.account is not None:
        state.account = with_fill(
            state.account, realised_ticks, event.commission_uusd, state.instrument.tick_value_uusd
        )
        state.equity_uusd = state.account.equity_uusd(0)
    return realised_ticks


def _entry_filled(state: State, entry: Entry, event: OrderFilled) -> Results:
    ts_ns, first = event.ts_ns, entry.filled_qty == 0
    answered = execution_quality.answered(state, ts_ns, entry)
    entry.status = next_status(entry.status, _signal(event))
    entry.filled_qty += event.qty
    _book(state, event)
    results: Results = [*answered, *cost_desk.measure_entry(state, entry, event), *settle_entry(state, ts_ns, entry)]
    if first:
        reentry.entry_filled(state, entry)
        state.budgets = budgets.with_execution(state.budgets)
        limits = budgets.limits_of(state.config.safety)
        state.budgets = budgets.with_entry(state.budgets, limits, ts_ns, entry.order.qty)
        if ts_ns > entry.order.expires_ns:
            results += execution_quality.lose(state, ts_ns, "late_fill")
    trade = state.trade
    if trade is None:
        trade = state.trade = _opened(entry, event)
        results += _tell_opened(state, trade, event)
    elif trade.naked_since_ns is None and trade.resident_stop_qty < abs(state.position.qty):
        trade.naked_since_ns = ts_ns  # the stop has to follow what has filled
        results.append(deadlines.stop_resident(state, ts_ns))
    trade.entry_qty += event.qty
    trade.entry_cost_ticks += event.qty * event.price_ticks
    trade.fees_uusd += event.commission_uusd
    watch_in_kernel(state)
    for leg, price_ticks, qty in entry.children:
        results += child_works(state, trade, ts_ns, leg, price_ticks=price_ticks, qty=qty)
    entry.children = ()
    results += _judge_slippage(state, ts_ns, entry_slippage_ticks(entry, event.price_ticks), entry.terms.slippage_e6)
    if entry.stopless and not trade.market_sent:
        results += leave_naked(state, trade, ts_ns)  # it filled before its withdrawal arrived: no stop will come
    return results + watch_quality(state, ts_ns, state.kernel.dvs_band, state.kernel.dvs_c)


def _opened(entry: Entry, event: OrderFilled) -> Trade:
    return Trade(
        entry=entry,
        first_fill_ns=event.ts_ns,
        time_stop_ns=event.ts_ns + entry.terms.hold_ns,
        entry_ticks=event.price_ticks,
        stop_ticks=entry.order.stop_price_ticks,
        excursion=Excursion(event.price_ticks, event.price_ticks),
        naked_since_ns=event.ts_ns,
    )


def _tell_opened(state: State, trade: Trade, event: OrderFilled) -> Results:
    order, ts_ns = trade.entry.order, event.ts_ns
    return [
        TradeOpened(
            ts_ns=ts_ns,
            order_id=order.order_id,
            template=order.template,
            side=order.side,
            qty=event.qty,
            price_ticks=event.price_ticks,
            stop_price_ticks=order.stop_price_ticks,
            target_price_ticks=order.target_price_ticks,
            time_stop_ns=trade.time_stop_ns,
            slippage_ticks=entry_slippage_ticks(trade.entry, event.price_ticks),
            slippage_expected_e6=trade.entry.terms.slippage_e6,
            hypothetical=event.hypothetical,
        ),
        deadlines.stop_resident(state, ts_ns),
        *next_position_check(state, ts_ns),
    ]


def _exit_filled(state: State, trade: Trade, event: OrderFilled) -> Results:
    ts_ns = event.ts_ns
    flipped = fill_kind(state.position.qty, event.side, event.qty) is FillKind.FLIP
    closed_qty = min(event.qty, abs(state.position.qty))
    results: Results = cost_desk.measure_exit(state, trade, event)
    # Whatever the looks have seen, the price it was left at was reached.
    trade.excursion = trade.excursion.with_mark(trade.sign, event.price_ticks)
    trade.realised_ticks += _book(state, event)
    trade.fees_uusd += event.commission_uusd
    trade.exit_qty += closed_qty
    trade.exit_value_ticks += closed_qty * event.price_ticks
    # A stop that was moved has locked something in: another reason than the one the trade came with.
    moved = trade.stop_ticks != trade.entry.order.stop_price_ticks
    if event.leg is Leg.STOP:
        trade.last_cause = TRAILING if moved else STOP
        trigger_ticks = trade.resident_stop_ticks if trade.resident_stop_ticks is not None else trade.stop_ticks
        trade.stop_slippage_ticks = (trigger_ticks - event.price_ticks) * trade.sign
        results += _judge_slippage(state, ts_ns, trade.stop_slippage_ticks, trade.entry.terms.stop_slippage_e6)
        trade.resident_stop_ticks = None if event.final else trade.resident_stop_ticks
        trade.resident_stop_qty = max(trade.resident_stop_qty - event.qty, 0)
    elif event.leg is Leg.TARGET:
        trade.last_cause = ExitCause.TARGET.name
        trade.target_resident = trade.target_resident and not event.final
    else:
        trade.last_cause = TRAILING if trade.last_cause == STOP and moved else trade.last_cause
        if event.final:
            trade.forget_exit()
    if event.final:
        state.budgets = budgets.with_execution(state.budgets)
    if flipped:
        # The group is done; what is left of the other exit is on the wrong side.
        trade.target_resident, trade.resident_stop_ticks, trade.resident_stop_qty = False, None, 0
        text = f"{event.leg.value} and another exit both filled: position {state.position.qty}"
        results.append(Alert(ts_ns=ts_ns, level="critical", code="POSITION_FLIPPED", text=text))
        return results + flatten(state, ts_ns, FlattenKind.STOP, "POSITION_FLIPPED")
    if state.position.qty == 0:
        return results + _close(state, trade, ts_ns, hypothetical=event.hypothetical)
    watch_in_kernel(state)
    return results


def _close(state: State, trade: Trade, ts_ns: int, *, hypothetical: bool) -> Results:
    """The round trip is over: count it, learn from it."""
    state.trade = None
    state.kernel.clear_position()
    outcome = outcome_of(
        trade,
        ts_ns,
        gross_uusd=trade.realised_ticks * state.instrument.tick_value_uusd,
        tick_value_uusd=state.instrument.tick_value_uusd,
        instrument=state.instrument.symbol,
        regime=regime_now(state).key,
        bucket=str(session_phase(state.day, ts_ns)) if state.day else "",
        hypothetical=hypothetical,
    )
    reentry.trade_closed(state, outcome)
    naked: Results = []
    if trade.naked_since_ns is not None:
        naked_ns = state.wall_of(ts_ns - trade.naked_since_ns)
        naked = [StopResident(ts_ns=ts_ns, order_id=trade.order_id, price_ticks=0, naked_ns=naked_ns)]
    broken = breaking.trade_closed(state, ts_ns, outcome.net_uusd)
    closed = TradeClosed(ts_ns=ts_ns, order_id=trade.order_id, outcome=outcome, ledger=breaking.ledger_bytes(state))
    return [
        *naked,
        closed,
        *broken,
        *learning_desk.learn(state, outcome),
        DisarmTimer(ts_ns=ts_ns, name=EXIT_CHECK_TIMER),
        DisarmTimer(ts_ns=ts_ns, name=STOP_DEADLINE_TIMER),
        *cancel_entry(state, ts_ns, trade.order_id, "POSITION_CLOSED"),
        *asking.trade_closed(state, ts_ns),
        *watch_quality(state, ts_ns, state.kernel.dvs_band, state.kernel.dvs_c),
    ]


def _judge_slippage(state: State, ts_ns: int, slippage_ticks: int, expected_e6: int) -> Results:
    """Worse than expected by more than two ticks costs execution quality."""
    if (slippage_ticks - _SLIPPAGE_SPARE_TICKS) * 1_000_000 > expected_e6:
        return execution_quality.lose(state, ts_ns, "slippage")
    return []


def _must_be_flat(state: State, ts_ns: int) -> Results:
    """A fill that came after everything should have been closed begins the way to flat anew."""
    if state.position_qty == 0:
        return []
    if state.kill_reason is not None:
        return flatten(state, ts_ns, FlattenKind.KILL, state.kill_reason)
    if state.stopping is not None and not is_leaving(state):
        return flatten(state, ts_ns, FlattenKind.STOP, state.stopping)
    if state.session_state in (SessionState.FLATTEN, SessionState.CLOSED):
        return flatten(state, ts_ns, FlattenKind.SESSION, "SESSION_EXIT")
    return event_watch.leave(state, ts_ns)


def _second_entry_filled(state: State, entry: Entry, event: OrderFilled) -> Results:
    """A late fill beside an open trade: two brackets, whose stops no longer cover the one position that they make."""
    entry.status = next_status(entry.status, _signal(event))
    entry.filled_qty += event.qty
    answered = execution_quality.answered(state, event.ts_ns, entry)
    return [*answered, *settle_entry(state, event.ts_ns, entry), *_unknown_fill(state, event)]


def _left_by_its_bracket(state: State, event: OrderFilled) -> bool:
    """Whether an exit of nobody here makes a position smaller that nobody here entered."""
    owned = state.trade is not None or (state.position.lots and event.order_id not in state.left_entries)
    if owned or event.leg is Leg.ENTRY or state.stray_exit == event.order_id:
        return False
    return fill_kind(state.position.qty, event.side, event.qty) in (FillKind.REDUCE, FillKind.CLOSE)


def _left_entry_filled(state: State, event: OrderFilled) -> bool:
    """Whether this is what was on its way when an earlier process died; beside another position it is one too many."""
    left = state.left_entries.get(event.order_id, 0) if event.leg is Leg.ENTRY else 0
    lots = event.qty if event.side is Side.BUY else -event.qty
    alone = state.trade is None and abs(state.position.qty) == sum(lot.qty for lot in state.position.lots)
    if not alone or left * lots <= 0 or abs(lots) > abs(left) or state.position.qty * lots < 0:
        return False
    state.left_entries[event.order_id] = left - lots
    return True


def _unknown_fill(state: State, event: OrderFilled) -> Results:
    """An execution that belongs to nothing we know: the position counts, and trading ends.

    Where a process that begins cold has a position without its trade, its bracket at the broker does what it is for.
    The entry that was on its way when the process before it died may fill; what it makes is an orphan like any other.
    """
    left_entry = _left_entry_filled(state, event)
    expected = left_entry or _left_by_its_bracket(state, event)
    _book(state, event)
    if event.leg is Leg.EXIT and event.final and state.stray_exit == event.order_id:
        state.stray_exit = None
    # Without the order's number, which a restart shifts: the reason stands in effects, whose digests have to agree.
    reason = f"{event.leg.value} filled {event.qty} of an order that is not open here"
    ask = AskBroker(ts_ns=event.ts_ns, reason="UNKNOWN_FILL")
    measured = cost_desk.measure_exit(state, None, event)
    results: Results = [*measured, ask]
    if state.trade is not None and state.position.qty * state.trade.sign <= 0:
        results += drop_trade(state, event.ts_ns, "UNKNOWN_FILL")
    if expected:
        code = "LEFT_ENTRY_FILLED" if left_entry else "LEFT_BY_ITS_BRACKET"
        text = f"{event.leg.value} of an earlier process filled {event.qty}: position {state.position.qty}"
        results.append(Alert(ts_ns=event.ts_ns, level="warning", code=code, text=text))
    else:
        results += pull_kill_switch(state, event.ts_ns, reason, "fill")
    # The switch may have been pulled long before, and its flattening be done.
    return [*results, *_must_be_flat(state, event.ts_ns), *drive(state, event.ts_ns)]
