"""An open position, looked at: marks, stops that tighten, and the one decision about leaving (DE14, EX09-EX12).

Asked when the kernel finds an exit, when a score's band changes, and by a timer while a position is open.
"""

from itertools import pairwise
from typing import Final

from trading_bot.core import breaking, position_desk
from trading_bot.core.leaving import place_exit, rules_of, watch_in_kernel
from trading_bot.core.on_bar import atr_n_e6
from trading_bot.core.state import State
from trading_bot.core.trade import Trade
from trading_bot.domain.effects import ArmTimer, Effect, ModifyStop
from trading_bot.domain.events import Event
from trading_bot.domain.kernel import ExitReason
from trading_bot.domain.units import NS_PER_MIN, NS_PER_MS
from trading_bot.engines import budgets
from trading_bot.engines.exits import (
    ExitInputs,
    ExitRules,
    StopInputs,
    Urgency,
    decide_exit,
    held_since,
    next_check_ns,
    quality_low,
    thesis_low,
    tightened_stop,
)
from trading_bot.engines.quality import eqs_c

EXIT_CHECK_TIMER: Final = "exit_check"
_ATR_BARS: Final = 14
_E6: Final = 1_000_000

Results = list[Event | Effect]


def watch(state: State, ts_ns: int) -> Results:
    """Everything an open position asks for now, and the timer of the next look."""
    trade = state.trade
    if trade is None or state.position.qty == 0:
        return []
    if not state.may_exit:  # after a restart or an outage, until the broker has said what there is to leave
        return [*position_desk.beat(state, trade, ts_ns), *next_position_check(state, ts_ns)]
    mark_prices(state, trade)
    results = breaking.mark(state, ts_ns)
    rules = rules_of(state, trade)
    _forget_touch(state, trade, ts_ns, rules)
    # A flattening has its own plan; two authorities would send two exits.
    flattening = state.flatten is not None and not state.flatten.finished
    if not flattening:
        results += _tighten(state, trade, ts_ns, rules)
    inputs = _inputs(state, trade, ts_ns, rules)
    if not flattening:
        results += _leave(state, trade, inputs, rules)
        inputs = _inputs(state, trade, ts_ns, rules)
    check_ns = ts_ns + state.config.orders.exit_check_ms * NS_PER_MS
    sooner_ns = None if flattening else next_check_ns(inputs, rules)
    due_ns = check_ns if sooner_ns is None else min(check_ns, sooner_ns)
    results += position_desk.beat(state, trade, ts_ns)
    return [*results, ArmTimer(ts_ns=ts_ns, name=EXIT_CHECK_TIMER, due_ns=due_ns)]


def exit_found(state: State, ts_ns: int, exit_mask: int) -> Results:
    """The kernel reported a level or a time: note what was touched, then look at everything."""
    trade = state.trade
    if trade is None:
        return []
    if exit_mask & ExitReason.STOP and trade.stop_touched_ns is None:
        trade.stop_touched_ns = ts_ns
    if exit_mask & ExitReason.TARGET and trade.target_touched_ns is None:
        trade.target_touched_ns = ts_ns
    return watch(state, ts_ns)


def _forget_touch(state: State, trade: Trade, ts_ns: int, rules: ExitRules) -> None:
    """A stop that was touched, did not trigger in its time, and has the price on its good side again was not hit."""
    if trade.stop_touched_ns is None or ts_ns < trade.stop_touched_ns + rules.stop_grace_ns:
        return
    price_ticks = breaking.leave_ticks(state)
    if price_ticks is None or trade.resident_stop_ticks is None or trade.sent_cause is not None:
        return
    if (price_ticks - trade.stop_ticks) * trade.sign > 0:
        trade.stop_touched_ns = None
        watch_in_kernel(state)


def _leave(state: State, trade: Trade, inputs: ExitInputs, rules: ExitRules) -> Results:
    decision = decide_exit(inputs, rules)
    if decision is None or not decision.send:
        return []
    market = decision.urgency is Urgency.MARKET
    return place_exit(state, trade, inputs.ts_ns, decision.cause, market=market, mask=decision.mask)


def _inputs(state: State, trade: Trade, ts_ns: int, rules: ExitRules) -> ExitInputs:
    dvs_c, eqs = state.kernel.dvs_c, eqs_c(state.deficits, ts_ns)
    low = quality_low(dvs_c, eqs, rules)
    trade.quality_low_since_ns = held_since(trade.quality_low_since_ns, ts_ns, low=low)
    thesis = thesis_low(position_desk.belief_e6(state, trade), rules)
    trade.thesis_low_since_ns = held_since(trade.thesis_low_since_ns, ts_ns, low=thesis)
    bar = state.bar_range
    return ExitInputs(
        ts_ns=ts_ns,
        position_qty=state.position.qty,
        stop_ticks=trade.stop_ticks,
        resident_stop_ticks=trade.resident_stop_ticks,
        stop_touched_ns=trade.stop_touched_ns,
        target_resident=trade.target_resident,
        target_touched_ns=trade.target_touched_ns,
        price_ticks=breaking.leave_ticks(state),
        dvs_c=dvs_c,
        eqs_c=eqs,
        quality_low_since_ns=trade.quality_low_since_ns,
        time_stop_ns=trade.time_stop_ns,
        thesis_low_since_ns=trade.thesis_low_since_ns,
        atr_n_e6=atr_n_e6(state),
        # Both doubled, so that a median between two ticks stays whole.
        range_e6=None if bar is None else 2 * bar.range_ticks,
        range_median_e6=None if bar is None else bar.median2_ticks,
        sent_cause=trade.sent_cause,
        limit_sent_ns=trade.limit_sent_ns,
        market_sent=trade.market_sent,
    )


def mark_prices(state: State, trade: Trade) -> None:
    """Best and worst price since the entry: the price now, and the seconds that closed since."""
    from_ns = max(trade.first_fill_ns, state.kernel.now_ns - NS_PER_MIN)
    prices = [price for price in (breaking.leave_ticks(state),) if price is not None]
    for bar in reversed(state.kernel.bars(1)):
        if bar[0] < from_ns:
            break
        prices.append(bar[2])
        prices.append(bar[3])
    if prices:
        sign = trade.sign
        trade.excursion = trade.excursion.with_mark(sign, max(prices)).with_mark(sign, min(prices))


def _tighten(state: State, trade: Trade, ts_ns: int, rules: ExitRules) -> Results:
    """Move the stop when a rule wants it tighter; only one that is at the broker can be moved."""
    if trade.resident_stop_ticks is None or trade.sent_cause is not None:
        return []
    wanted = tightened_stop(
        StopInputs(
            sign=trade.sign,
            entry_ticks=trade.entry_ticks,
            risk_ticks=trade.risk_ticks,
            stop_ticks=trade.stop_ticks,
            best_ticks=trade.excursion.best_ticks,
            price_ticks=breaking.leave_ticks(state),
            atr_e6=_atr_e6(state),
            quality_low=trade.quality_low_since_ns is not None,
        ),
        rules,
    )
    if wanted == trade.stop_ticks:
        return []
    trade.stop_ticks = wanted
    # A touch was of the stop that stood before.
    trade.stop_touched_ns = None
    state.budgets = budgets.with_message(state.budgets)
    watch_in_kernel(state)
    return [ModifyStop(ts_ns=ts_ns, order_id=trade.order_id, price_ticks=wanted)]


def _atr_e6(state: State) -> int | None:
    """ATR14 in millionths of a tick, from the closed minutes; None before there are fifteen."""
    bars = state.kernel.bars(60)[-_ATR_BARS - 1 :]
    if len(bars) <= _ATR_BARS:
        return None
    total = 0
    for before, bar in pairwise(bars):
        total += max(bar[2], before[4]) - min(bar[3], before[4])
    return total * _E6 // _ATR_BARS


def next_position_check(state: State, ts_ns: int) -> Results:
    """The first look at a position that was just opened."""
    due_ns = ts_ns + state.config.orders.exit_check_ms * NS_PER_MS
    return [ArmTimer(ts_ns=ts_ns, name=EXIT_CHECK_TIMER, due_ns=due_ns)]
