"""Frequency and fee budgets of entries (specification 8.1 check 15, 8.5; feature RK10). Money in micro-dollars.

Entries are counted when they fill, attempts when they are sent. The order efficiency ratio is the broker's own:
(submissions + revisions + cancellations) / (executed orders + 1).
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from trading_bot.domain.config import SafetyConfig
from trading_bot.domain.units import NS_PER_HOUR, NS_PER_MIN, UUSD_PER_USD

_PPM: Final = 1_000_000
_PPM_PER_PCT: Final = 10_000


class Budget(StrEnum):
    """What may be used up. All but ORDER_EFFICIENCY are names of `GateReason`."""

    FREQUENCY_MINUTE = "FREQUENCY_MINUTE"
    FREQUENCY_HOUR = "FREQUENCY_HOUR"
    FREQUENCY_DAY = "FREQUENCY_DAY"
    ATTEMPTS_DAY = "ATTEMPTS_DAY"
    ORDER_EFFICIENCY = "ORDER_EFFICIENCY"
    FEES_DAY = "FEES_DAY"


class BudgetLimits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The limits; see `limits_of`.

    `efficiency_ratio` is refused when reached, from `efficiency_messages` of the day on (assumed: below it a few
    entries that were cancelled unfilled would end the day, and the broker's complaint is about thousands).
    `fees_equity_ppm` is millionths of equity.
    """

    entries_minute: int
    entries_hour: int
    entries_day: int
    attempts_day: int
    fees_day_uusd: int
    fees_equity_ppm: int
    efficiency_ratio: int
    efficiency_messages: int


class Budgets(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was used.

    `entries_ns` are the newest entries, as many as the hour allows, oldest first; the other fields are of this session.
    `last_entry_qty` is the size of the newest filled entry, `last_trade_lost` whether the newest closed trade earned
    less than its costs: after a loss nothing grows (specification 6.6).
    """

    entries_ns: tuple[int, ...] = ()
    entries_day: int = 0
    attempts_day: int = 0
    messages_day: int = 0
    executed_day: int = 0
    fees_day_uusd: int = 0
    last_entry_qty: int | None = None
    last_trade_lost: bool = False


class BudgetVerdict(msgspec.Struct, frozen=True, gc=False):
    """Budgets that are used up, in the order of `Budget`; `free_at_ns` when time alone frees all of them, or None."""

    blocked: tuple[Budget, ...]
    free_at_ns: int | None


_FREE: Final = BudgetVerdict((), None)


@lru_cache(maxsize=16)
def limits_of(safety: SafetyConfig, *, entries_hour_max: int | None = None) -> BudgetLimits:
    """The configured limits; `entries_hour_max` is what a breaker left of the hourly budget."""
    entries_hour = safety.entries_per_hour_max
    return BudgetLimits(
        entries_minute=safety.entries_per_minute_max,
        entries_hour=entries_hour if entries_hour_max is None else min(entries_hour, entries_hour_max),
        entries_day=safety.entries_per_day_max,
        attempts_day=safety.attempts_per_day_max,
        fees_day_uusd=round(safety.fees_day_usd_max * UUSD_PER_USD),
        fees_equity_ppm=round(safety.fees_day_equity_pct_max * _PPM_PER_PCT),
        efficiency_ratio=safety.order_efficiency_max,
        efficiency_messages=safety.order_efficiency_messages_min,
    )


def with_attempt(budgets: Budgets) -> Budgets:
    """After an entry order was sent."""
    return msgspec.structs.replace(
        budgets, attempts_day=budgets.attempts_day + 1, messages_day=budgets.messages_day + 1
    )


def with_message(budgets: Budgets) -> Budgets:
    """After any other order message: an exit, a child of a bracket, a modification, a cancellation."""
    return msgspec.structs.replace(budgets, messages_day=budgets.messages_day + 1)


def with_execution(budgets: Budgets) -> Budgets:
    """After the first fill of any order, entry or exit."""
    return msgspec.structs.replace(budgets, executed_day=budgets.executed_day + 1)


def with_entry(budgets: Budgets, limits: BudgetLimits, ts_ns: int, qty: int) -> Budgets:
    """After the first fill of an entry of `qty` contracts (`with_execution` is called for it as well).

    More entries than the hour allows cannot change an answer, so only that many are remembered. `limits` are the
    configured ones, not those a breaker tightened for a while: their hour is remembered whole.
    """
    kept = max(limits.entries_hour, limits.entries_minute, 1)
    return msgspec.structs.replace(
        budgets,
        entries_ns=(*budgets.entries_ns, ts_ns)[-kept:],
        entries_day=budgets.entries_day + 1,
        last_entry_qty=qty,
    )


def with_result(budgets: Budgets, net_uusd: int) -> Budgets:
    """After a closed trade."""
    return msgspec.structs.replace(budgets, last_trade_lost=net_uusd < 0)


def with_fee(budgets: Budgets, fee_uusd: int) -> Budgets:
    """After a commission: of one side, in micro-dollars."""
    return msgspec.structs.replace(budgets, fees_day_uusd=budgets.fees_day_uusd + fee_uusd)


def next_session(budgets: Budgets) -> Budgets:
    """A new session: the daily counts start anew, the rolling hour goes on."""
    return Budgets(entries_ns=budgets.entries_ns)


def fee_budget_uusd(limits: BudgetLimits, equity_uusd: int) -> int:
    """Commission allowed in a session: min($100, 2 % of equity) by default, never negative."""
    return max(min(limits.fees_day_uusd, equity_uusd * limits.fees_equity_ppm // _PPM), 0)


def entries_since(budgets: Budgets, ts_ns: int, window_ns: int) -> int:
    """Entries of the last `window_ns`; one exactly that old no longer counts."""
    since_ns, count = ts_ns - window_ns, 0
    for entry_ns in budgets.entries_ns:
        count += entry_ns > since_ns
    return count


def verdict(
    budgets: Budgets, limits: BudgetLimits, ts_ns: int, *, equity_uusd: int, round_trip_uusd: int
) -> BudgetVerdict:
    """Whether another entry fits. `round_trip_uusd` is the commission it will cost: it has to fit as well."""
    entries, messages = len(budgets.entries_ns), budgets.messages_day
    if (
        entries < limits.entries_minute
        and entries < limits.entries_hour
        and budgets.entries_day < limits.entries_day
        and budgets.attempts_day < limits.attempts_day
        and messages < limits.efficiency_messages
        and budgets.fees_day_uusd + round_trip_uusd <= limits.fees_day_uusd
        and (budgets.fees_day_uusd + round_trip_uusd) * _PPM <= equity_uusd * limits.fees_equity_ppm
    ):  # everything fits whatever the time is, as for most orders, and each of them waits for this
        return _FREE
    minute_ns = _free_at_ns(budgets, limits.entries_minute, NS_PER_MIN, ts_ns)
    hour_ns = _free_at_ns(budgets, limits.entries_hour, NS_PER_HOUR, ts_ns)
    fees_uusd = budgets.fees_day_uusd + round_trip_uusd
    blocked: list[Budget] = []
    if minute_ns is not None:
        blocked.append(Budget.FREQUENCY_MINUTE)
    if hour_ns is not None:
        blocked.append(Budget.FREQUENCY_HOUR)
    if budgets.entries_day >= limits.entries_day:
        blocked.append(Budget.FREQUENCY_DAY)
    if budgets.attempts_day >= limits.attempts_day:
        blocked.append(Budget.ATTEMPTS_DAY)
    if inefficient(budgets, limits):
        blocked.append(Budget.ORDER_EFFICIENCY)
    if fees_uusd > fee_budget_uusd(limits, equity_uusd):
        blocked.append(Budget.FEES_DAY)
    timed = tuple(at_ns for at_ns in (minute_ns, hour_ns) if at_ns is not None)
    by_time = len(blocked) == len(timed) and 0 not in (limits.entries_minute, limits.entries_hour)
    return BudgetVerdict(tuple(blocked), max(timed) if timed and by_time else None)


def _free_at_ns(budgets: Budgets, allowed: int, window_ns: int, ts_ns: int) -> int | None:
    """When the next entry fits into a rolling window; None when it fits now."""
    if allowed <= 0:
        return ts_ns + window_ns
    if len(budgets.entries_ns) < allowed:
        return None
    at_ns = budgets.entries_ns[-allowed] + window_ns
    return at_ns if at_ns > ts_ns else None


def inefficient(budgets: Budgets, limits: BudgetLimits) -> bool:
    """Whether the broker would complain about the day's messages for so few executions."""
    if budgets.messages_day < limits.efficiency_messages:
        return False
    return budgets.messages_day >= limits.efficiency_ratio * (budgets.executed_day + 1)
