"""The breakers as a table, and what their losses are measured on (specification 8.2). For the state: `breakers`."""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from trading_bot.domain.breaker_config import BreakerConfig
from trading_bot.domain.reasons import SafetyCheck
from trading_bot.domain.units import TS_NEVER_NS, UUSD_PER_USD
from trading_bot.engines.position import Account
from trading_bot.engines.session_table import SessionDay

PPM: Final = 1_000_000
PPM_PER_PCT: Final = 10_000
_MONTH: Final = 100  # of a date yyyymmdd


class Breaker(StrEnum):
    """Every breaker, in the order of the table."""

    DAILY_ALERT = "DAILY_ALERT"
    DAILY_REDUCE = "DAILY_REDUCE"
    DAILY_HALT = "DAILY_HALT"
    DAILY_OUTER = "DAILY_OUTER"
    INTRADAY_DRAWDOWN = "INTRADAY_DRAWDOWN"
    WEEKLY_HALT = "WEEKLY_HALT"
    MONTHLY_HALT = "MONTHLY_HALT"
    DRAWDOWN_ALERT = "DRAWDOWN_ALERT"
    DRAWDOWN_HALT = "DRAWDOWN_HALT"
    RAPID_LOSS = "RAPID_LOSS"
    LOSSES_IN_ROW = "LOSSES_IN_ROW"
    BROKER_ERRORS = "BROKER_ERRORS"
    STALE_DATA = "STALE_DATA"


class Response(IntEnum):
    """What a tripped breaker does; a higher one does all below it too, REDUCE aside."""

    ALERT = 0
    REDUCE = 1
    PAUSE = 2  # no entries
    HALT = 3  # no entries, flatten
    KILL = 4  # pull the kill switch


class Reset(StrEnum):
    """What ends a trip."""

    RECOVERY = "RECOVERY"  # its time has passed and the loss is mostly won back
    TIME = "TIME"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    DATA = "DATA"  # data flow again
    PERSON = "PERSON"


class Rule(msgspec.Struct, frozen=True, gc=False):
    """One row: what a breaker does, what ends it, and the key of its limit in percent where it has one."""

    breaker: Breaker
    response: Response
    reset: Reset
    limit_key: str = ""


RULES: Final[tuple[Rule, ...]] = (
    Rule(Breaker.DAILY_ALERT, Response.ALERT, Reset.RECOVERY, "daily_alert_pct"),
    Rule(Breaker.DAILY_REDUCE, Response.REDUCE, Reset.RECOVERY, "daily_reduce_pct"),
    Rule(Breaker.DAILY_HALT, Response.HALT, Reset.DAY, "daily_halt_pct"),
    Rule(Breaker.DAILY_OUTER, Response.KILL, Reset.PERSON, "daily_outer_pct"),
    Rule(Breaker.INTRADAY_DRAWDOWN, Response.HALT, Reset.DAY, "intraday_drawdown_pct"),
    Rule(Breaker.WEEKLY_HALT, Response.HALT, Reset.WEEK, "weekly_halt_pct"),
    Rule(Breaker.MONTHLY_HALT, Response.HALT, Reset.MONTH, "monthly_halt_pct"),
    Rule(Breaker.DRAWDOWN_ALERT, Response.ALERT, Reset.RECOVERY, "drawdown_alert_pct"),
    Rule(Breaker.DRAWDOWN_HALT, Response.HALT, Reset.PERSON, "drawdown_halt_pct"),
    Rule(Breaker.RAPID_LOSS, Response.PAUSE, Reset.TIME, "rapid_loss_pct"),
    Rule(Breaker.LOSSES_IN_ROW, Response.PAUSE, Reset.TIME),
    Rule(Breaker.BROKER_ERRORS, Response.PAUSE, Reset.TIME),
    Rule(Breaker.STALE_DATA, Response.PAUSE, Reset.DATA),
)
RULE: Final[dict[Breaker, Rule]] = {rule.breaker: rule for rule in RULES}
ORDER: Final[dict[Breaker, int]] = {rule.breaker: index for index, rule in enumerate(RULES)}
LADDERS: Final = tuple(rule for rule in RULES if rule.limit_key and rule.breaker is not Breaker.RAPID_LOSS)
_WEEKLY: Final = RULE[Breaker.WEEKLY_HALT]
_MONTHLY: Final = RULE[Breaker.MONTHLY_HALT]
_INTRADAY: Final = RULE[Breaker.INTRADAY_DRAWDOWN]
_DRAWDOWN_ALERT: Final = RULE[Breaker.DRAWDOWN_ALERT]
_DRAWDOWN_HALT: Final = RULE[Breaker.DRAWDOWN_HALT]
# Halts that the worst case of a new order may not reach, by the safety gate's check (11 to 13).
ENTRY_LIMITS: Final = {
    SafetyCheck.DAILY_LOSS: (Breaker.DAILY_HALT,),
    SafetyCheck.WEEKLY_LOSS: (Breaker.WEEKLY_HALT, Breaker.MONTHLY_HALT),
    SafetyCheck.DRAWDOWN: (Breaker.DRAWDOWN_HALT, Breaker.INTRADAY_DRAWDOWN),
}


class DayBounds(msgspec.Struct, frozen=True, gc=False):
    """When the next trading day, week and month begin, TS_NEVER_NS where the calendar ends."""

    day_end_ns: int
    week_end_ns: int
    month_end_ns: int = TS_NEVER_NS


class Money(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What losses are measured on.

    `worst_uusd` is the result of the open position if its stops are hit, None when it has none; `full_stop_uusd` the
    loss of one trade that is stopped out, costs included.
    """

    account: Account
    unrealised_uusd: int = 0
    worst_uusd: int | None = None
    full_stop_uusd: int = 0

    @property
    def open_uusd(self) -> int:
        """What the open position counts for in the losses of day and week: its worst case."""
        return self.unrealised_uusd if self.worst_uusd is None else min(self.worst_uusd, self.unrealised_uusd)


def limit_reached(config: BreakerConfig, rule: Rule, money: Money, *, risk_uusd: int = 0) -> str | None:
    """What is found when the loss is at the limit of a row, after losing `risk_uusd` more; None below it."""
    limit_pct = getattr(config, rule.limit_key)
    if not reaches(rule, round(limit_pct * PPM_PER_PCT), money, risk_uusd):
        return None
    loss_uusd, base_uusd = _loss_and_base(rule, money, risk_uusd)
    return f"loss {loss_uusd / UUSD_PER_USD:.2f} of {base_uusd / UUSD_PER_USD:.2f} USD, limit {limit_pct:g} %"


def reaches(rule: Rule, limit_ppm: int, money: Money, risk_uusd: int) -> bool:
    """Whether the loss is at the limit of a row, after losing `risk_uusd` more."""
    loss_uusd, base_uusd = _loss_and_base(rule, money, risk_uusd)
    return loss_uusd > 0 and loss_uusd * PPM >= base_uusd * limit_ppm


def entry_limits(config: BreakerConfig) -> tuple[tuple[Rule, int], ...]:
    """Halts that losing the stop of a new order on top of the open worst case must not reach, with their limits (ppm).

    In the order of `ENTRY_LIMITS`: checks 11 to 13 of the safety gate.
    """
    rules = [RULE[name] for names in ENTRY_LIMITS.values() for name in names]
    return tuple((rule, round(getattr(config, rule.limit_key) * PPM_PER_PCT)) for rule in rules)


def room_uusd(limits: Sequence[tuple[Rule, int]], money: Money) -> int:
    """The smallest loss of a new order that would reach one of these limits (`reaches`, of a risk above 0)."""
    rooms: list[int] = []
    for rule, limit_ppm in limits:
        lost_uusd, base_uusd = _loss_and_base(rule, money, 1)
        rooms.append(max(-(-base_uusd * limit_ppm // PPM), 1) - (lost_uusd - 1))
    return min(rooms)


def distance_uusd(config: BreakerConfig, rule: Rule, money: Money) -> tuple[int, int]:
    """The limit of a row and how much more may be lost before it is reached, micro-dollars; 0 or less is reached."""
    loss_uusd, base_uusd = _loss_and_base(rule, money, 0)
    limit_uusd = -(-base_uusd * round(getattr(config, rule.limit_key) * PPM_PER_PCT) // PPM)
    return limit_uusd, limit_uusd - loss_uusd


def recovered(config: BreakerConfig, rule: Rule, money: Money) -> bool:
    """Whether the loss has come back to the share of the limit at which a reduction ends."""
    loss_uusd, base_uusd = _loss_and_base(rule, money, 0)
    limit_ppm = round(getattr(config, rule.limit_key) * PPM_PER_PCT)
    return loss_uusd <= 0 or loss_uusd * PPM**2 <= base_uusd * limit_ppm * round(config.restore_share * PPM)


def _loss_and_base(rule: Rule, money: Money, risk_uusd: int) -> tuple[int, int]:
    account = money.account
    if rule is _WEEKLY:
        return risk_uusd - account.week_uusd(money.open_uusd), account.week_start_uusd
    if rule is _MONTHLY:
        return risk_uusd - account.month_uusd(money.open_uusd), account.month_base_uusd
    if rule is _DRAWDOWN_ALERT or rule is _DRAWDOWN_HALT:
        # From peak to mark: a stop that is not hit is no drawdown. For an order that is still to come it may be hit.
        open_uusd = money.open_uusd if risk_uusd else money.unrealised_uusd
        return risk_uusd + account.peak_uusd - account.equity_uusd(open_uusd), account.peak_uusd
    if rule is _INTRADAY:  # from the best result of the day to the mark, as from the peak
        open_uusd = money.open_uusd if risk_uusd else money.unrealised_uusd
        return risk_uusd + account.day_high_uusd - account.net_uusd - open_uusd, account.day_start_uusd
    return risk_uusd - account.net_uusd - money.open_uusd, account.day_start_uusd


def day_bounds(days: Sequence[SessionDay]) -> DayBounds:
    """Bounds of `days[0]`, from it and the sessions after it (a month of them is enough)."""
    week, month = week_of(days[0].trade_date), days[0].trade_date // _MONTH
    opens_ns = [day.globex_open_ns for day in days[1:]]
    week_ns = next((day.globex_open_ns for day in days[1:] if week_of(day.trade_date) != week), TS_NEVER_NS)
    month_ns = next((day.globex_open_ns for day in days[1:] if day.trade_date // _MONTH != month), TS_NEVER_NS)
    return DayBounds(opens_ns[0] if opens_ns else TS_NEVER_NS, week_ns, month_ns)


def week_of(trade_date: int) -> int:
    """Number of the week, Monday to Sunday, that a trade date yyyymmdd is in; 1970-01-01 was a Thursday."""
    return (days_of(trade_date) + 3) // 7


@lru_cache(maxsize=64)
def days_of(trade_date: int) -> int:
    """Days since 1970-01-01 of a date yyyymmdd, by Howard Hinnant's algorithm, as in `units.iso_from_ns`."""
    year, month, day = trade_date // 10_000, trade_date // 100 % 100, trade_date % 100
    year -= month <= 2
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719_468
