"""Invariants of an order at the moment it leaves: no entry while any gate is closed, no exit beyond what is open."""

from collections.abc import Iterator

import msgspec

from trading_bot.core.run_facts import Facts
from trading_bot.core.run_invariants import deficit_e6
from trading_bot.domain import effects
from trading_bot.domain.orders import ApprovedOrder, Side
from trading_bot.domain.units import NS_PER_HOUR, NS_PER_MIN, NS_PER_MS, NS_PER_S, UUSD_PER_USD
from trading_bot.engines.quality import EqsDeficit
from trading_bot.engines.session import SessionDay


class EntryView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the records alone do not tell of the moment of an entry.

    The session's day, the book (bid and ask in ticks, None without one), and what execution quality has lost.
    """

    day: SessionDay | None
    touch: tuple[int, int] | None
    deficits: tuple[EqsDeficit, ...]


def entry_was_allowed(facts: Facts, order: ApprovedOrder, ts_ns: int, view: EntryView) -> Iterator[str]:
    """No entry but in the entry hours, unlocked, at good data and execution, within every budget (8.1, 10, 11)."""
    config, safety, day = facts.config, facts.config.safety, view.day
    if day is None or day.rth_open_ns is None or day.rth_close_ns is None:
        yield "entry on a day without an NYSE session"
    else:
        first_ns = day.rth_open_ns + config.session.open_delay_min * NS_PER_MIN
        last_ns = day.rth_close_ns - config.session.close_buffer_min * NS_PER_MIN
        if not first_ns <= ts_ns < last_ns:
            yield f"entry at {ts_ns}, allowed from {first_ns} to {last_ns}"
    blocking = facts.blocking()
    for wrong, text in (
        (facts.latched, "the kill switch is latched"),
        (facts.stopping, "the run is stopping"),
        (not facts.link_up, "the link is down"),
        (facts.data_type != 1, "data are not live"),
        (facts.data_down, "DATA_DOWN"),
        (not facts.log_space_ok, "the log has no room"),
        (facts.day_start_uusd is None, "the account is unknown"),
        (not facts.reconciled, "nothing was reconciled"),
        (bool(facts.locks), f"lockouts {sorted(facts.locks)}"),
        (bool(blocking), f"breakers {blocking}"),
        (facts.dvs_c < config.quality.dvs_entry_c, f"dvs {facts.dvs_c}"),
        (facts.position != 0, f"position {facts.position}"),
        (bool(facts.alive_entries()), "another entry works"),
        (not 1 <= order.qty <= safety.position_qty_max, f"{order.qty} contracts"),
    ):
        if wrong:
            yield f"entry although {text}"
    lost = sum(deficit_e6(row.name, ts_ns - row.since_ns) for row in view.deficits)
    if max(1_000_000 - lost, 0) // 10_000 < config.quality.eqs_entry_c:
        yield f"entry with execution quality down by {lost} millionths"
    yield from _budgets_were_left(facts, ts_ns)
    yield from _is_protected(facts, order, ts_ns)
    yield from _is_at_the_market(facts, order, ts_ns, view.touch)


def _budgets_were_left(facts: Facts, ts_ns: int) -> Iterator[str]:
    safety = facts.config.safety
    minute = sum(ts_ns - NS_PER_MIN < at_ns for at_ns in facts.entry_fills_ns)
    hour = sum(ts_ns - NS_PER_HOUR < at_ns for at_ns in facts.entry_fills_ns)
    equity_uusd = (facts.day_start_uusd or 0) + facts.net_uusd(0)
    fees_max_uusd = min(round(safety.fees_day_usd_max * UUSD_PER_USD), equity_uusd // 50)
    judged = facts.messages >= safety.order_efficiency_messages_min
    for used, limit, name in (
        (minute, safety.entries_per_minute_max, "entries in a minute"),
        (hour, safety.entries_per_hour_max, "entries in an hour"),
        (facts.entries_day, safety.entries_per_day_max, "entries of the day"),
        (facts.attempts, safety.attempts_per_day_max, "attempts of the day"),
        (facts.messages // (facts.executed + 1) if judged else 0, safety.order_efficiency_max, "messages an execution"),
        (facts.fees_uusd, fees_max_uusd, "commissions"),
    ):
        if used >= limit:
            yield f"entry with {used} {name}, limit {limit}"


def _is_protected(facts: Facts, order: ApprovedOrder, ts_ns: int) -> Iterator[str]:
    sign = 1 if order.side is Side.BUY else -1
    stop_ticks = (order.limit_ticks - order.stop_price_ticks) * sign
    if not 1 <= stop_ticks <= facts.config.sizing.stop_ticks_max:
        yield f"stop {stop_ticks} ticks away"
    risk_uusd = stop_ticks * order.qty * facts.tick_value_uusd
    if risk_uusd > round(facts.config.sizing.max_risk_usd * UUSD_PER_USD):
        yield f"risk of {risk_uusd} micro-dollars"
    if (order.target_price_ticks - order.limit_ticks) * sign < 1:
        yield f"target {order.target_price_ticks} on the wrong side of {order.limit_ticks}"
    if not ts_ns < order.expires_ns <= ts_ns + 30 * NS_PER_S:
        yield f"time to live {order.expires_ns - ts_ns} ns"


def _is_at_the_market(facts: Facts, order: ApprovedOrder, ts_ns: int, touch: tuple[int, int] | None) -> Iterator[str]:
    """Price near the touch, a spread that is one, and not the same entry twice in its window (checks 16, 17, 20)."""
    safety = facts.config.safety
    if touch is None:
        yield "entry without a quote"
        return
    bid_ticks, ask_ticks = touch
    if not 1 <= ask_ticks - bid_ticks <= safety.spread_ticks_max:
        yield f"entry with a spread of {ask_ticks - bid_ticks} ticks"
    away = abs(order.limit_ticks - (ask_ticks if order.side is Side.BUY else bid_ticks))
    if away > safety.entry_touch_ticks_max:
        yield f"entry {away} ticks from the touch"
    same = facts.last_entry is not None and facts.last_entry[:2] == (order.side, order.limit_ticks)
    if same and facts.last_entry is not None and ts_ns - facts.last_entry[2] < safety.duplicate_window_ms * NS_PER_MS:
        yield f"the same entry as {ts_ns - facts.last_entry[2]} ns before"


def size_did_not_grow_after_a_loss(facts: Facts, order: ApprovedOrder) -> Iterator[str]:
    """No martingale: after a trade of the day that lost, the next is no larger than the one before (RK15)."""
    before = facts.last_entry_qty
    if facts.last_trade_lost and before is not None and order.qty > before:
        yield f"{order.qty} contracts after a loss with {before}"


def exit_was_right(facts: Facts, exit_order: effects.PlaceExit) -> Iterator[str]:
    """An exit leaves the whole position and no more."""
    wanted = (Side.SELL if facts.position > 0 else Side.BUY, abs(facts.position))
    if (exit_order.side, exit_order.qty) != wanted:
        yield f"exit {exit_order.side} {exit_order.qty} with position {facts.position}"
