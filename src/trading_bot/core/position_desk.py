"""The position heartbeat: an open position as it stands, into the log every few seconds, and shown at any time (MO05).

It decides nothing: what it tells is what `exit_watch` looks at.
"""

from math import sqrt
from typing import Final

from trading_bot.core import breaking
from trading_bot.core.leaving import rules_of
from trading_bot.core.state import State
from trading_bot.core.trade import Trade
from trading_bot.domain.trade_events import PositionHeartbeat
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.position import unrealised_ticks
from trading_bot.engines.quality import eqs_c
from trading_bot.engines.session import session_window

_E6: Final = 1_000_000


def beat(state: State, trade: Trade, ts_ns: int) -> list[PositionHeartbeat]:
    """The heartbeat that is due at this look, if one is; the first comes a full period after the first fill."""
    period_ns = state.config.orders.position_heartbeat_s * NS_PER_S
    if ts_ns < (trade.beat_ns or trade.first_fill_ns) + period_ns:
        return []
    trade.beat_ns = ts_ns
    return [position_now(state, trade, ts_ns)]


def position_now(state: State, trade: Trade, ts_ns: int) -> PositionHeartbeat:
    """How the position stands at `ts_ns`; changes nothing."""
    order, sign, rules = trade.entry.order, trade.sign, rules_of(state, trade)
    price_ticks = breaking.leave_ticks(state) if state.position.qty else None
    unrealised_uusd = None
    if price_ticks is not None and state.position.cost_known:
        unrealised_uusd = unrealised_ticks(state.position, price_ticks) * state.instrument.tick_value_uusd
    window = session_window(state.day, state.policy) if state.day else None
    return PositionHeartbeat(
        ts_ns=ts_ns,
        order_id=trade.order_id,
        template=order.template,
        side=order.side,
        qty=state.position.qty,
        known=state.may_exit,
        age_ns=ts_ns - trade.first_fill_ns,
        price_ticks=price_ticks,
        unrealised_uusd=unrealised_uusd,
        mae_ticks=trade.mae_ticks,
        mfe_ticks=trade.mfe_ticks,
        stop_ticks=trade.stop_ticks,
        stop_distance_ticks=None if price_ticks is None else (price_ticks - trade.stop_ticks) * sign,
        stop_resident=trade.resident_stop_ticks is not None,
        target_distance_ticks=None if price_ticks is None else (order.target_price_ticks - price_ticks) * sign,
        belief_entry_e6=trade.entry.terms.belief_e6,
        belief_e6=belief_e6(state, trade),
        belief_exit_e6=rules.thesis_belief_e6,
        thesis_low_ns=_lasted(trade.thesis_low_since_ns, ts_ns),
        thesis_wait_ns=rules.thesis_ns,
        dvs_c=state.kernel.dvs_c,
        eqs_c=eqs_c(state.deficits, ts_ns),
        quality_low_ns=_lasted(trade.quality_low_since_ns, ts_ns),
        time_left_ns=max(trade.time_stop_ns - ts_ns, 0),
        session_left_ns=None if window is None else max(window.flatten_ns - ts_ns, 0),
        leaving="" if trade.sent_cause is None else trade.sent_cause.name,
        hypothetical=state.learning.hypothetical,
    )


def belief_e6(state: State, trade: Trade) -> int | None:
    """What the entering template believes of its side now; None while a signal it needs is not warm."""
    row = state.kernel.beliefs()[trade.entry.terms.template_index]
    z, missing = row[3] if trade.sign > 0 else row[4], row[7]
    if z is None or missing:
        return None
    return round((0.5 + 0.5 * z / sqrt(1.0 + z * z)) * _E6)


def _lasted(since_ns: int | None, ts_ns: int) -> int:
    return 0 if since_ns is None else ts_ns - since_ns
