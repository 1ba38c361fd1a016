"""Rules of an account: how far each is from its breach, and which are broken (feature NV12, docs/rules.md).

A pack is data, the state is frozen, every change comes back as a `RuleTransition`. Money in micro-dollars and relative
to the balance the account began with; results are the bot's own (`engines.position.Account`), so money that comes or
goes moves no rule. Times in ns.
"""

from typing import Any, Final

import msgspec

from trading_bot.domain.rule_pack import (
    Consistency,
    DailyLoss,
    FlatBy,
    MoneyRule,
    Rule,
    RulePack,
    RuleResponse,
    TrailingDrawdown,
)
from trading_bot.domain.units import NS_PER_MIN, TS_NEVER_NS, UUSD_PER_USD
from trading_bot.engines.position import Account
from trading_bot.engines.session_table import SessionDay

ENTRIES_END: Final = "RULE_FLAT_BY_ENTRIES"  # the first of the two steps of `FlatBy`
_PPM: Final = 1_000_000
_RTH_OPEN_MIN: Final = 9 * 60 + 30  # New York
_GLOBEX_LEAD_MIN: Final = 6 * 60  # a trade date begins at 18:00 the evening before


class RuleTrip(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A broken rule. `resumes_at_ns` is TS_NEVER_NS where no time ends it."""

    rule: str
    tripped_at_ns: int
    resumes_at_ns: int
    reason: str


class RuleState(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What the rules remember.

    `start_uusd` is the bot's own result when the pack began. The others are results since: when the trade date began,
    the highest at any mark, the highest a day ended with, the best day; `days` ended with a result.
    """

    pack: str = ""
    trade_date: int = 0
    start_uusd: int = 0
    day_start_uusd: int = 0
    high_uusd: int = 0
    close_high_uusd: int = 0
    best_day_uusd: int = 0
    days: int = 0
    trips: tuple[RuleTrip, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Its part of a state's digest: none where no pack was ever kept to."""
        return {"rules": msgspec.to_builtins(self)} if self.pack else {}


class RuleTransition(msgspec.Struct, frozen=True, gc=False):
    """A trip or a reset, to be told."""

    rule: str
    response: RuleResponse
    tripped: bool
    resumes_at_ns: int
    reason: str


class Standing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a rule stands: micro-dollars to its breach and the balance that breaks it; `due_ns` is a flat-by time."""

    rule: str
    response: RuleResponse
    limit_uusd: int | None
    distance_uusd: int | None
    line_uusd: int | None
    due_ns: int | None
    trip: RuleTrip | None


RuleChange = tuple[RuleState, tuple[RuleTransition, ...]]


def begin(pack: RulePack, account: Account, trade_date: int) -> RuleState:
    """Counting starts now, with what is realised so far."""
    return RuleState(pack=pack.identity, trade_date=trade_date, start_uusd=account.own_uusd(0))


def roll(state: RuleState, account: Account, trade_date: int) -> RuleChange:
    """Another trade date: the day that ended is counted, rules of a day begin anew."""
    if trade_date == state.trade_date:
        return state, ()
    ended_uusd = account.closed_uusd - state.start_uusd
    day_uusd = ended_uusd - state.day_start_uusd
    over = tuple(trip for trip in state.trips if trip.resumes_at_ns != TS_NEVER_NS)
    state = msgspec.structs.replace(
        state,
        trade_date=trade_date,
        day_start_uusd=ended_uusd,
        high_uusd=max(state.high_uusd, ended_uusd),
        close_high_uusd=max(state.close_high_uusd, ended_uusd),
        best_day_uusd=max(state.best_day_uusd, day_uusd),
        days=state.days + (day_uusd != 0),
    )
    return _reset(state, over, "another trading day")


def mark(
    state: RuleState, pack: RulePack, account: Account, unrealised_uusd: int, ts_ns: int, day_end_ns: int
) -> RuleChange:
    """After a fill, a second with a position, a new day: the high follows, rules trip."""
    result_uusd = account.own_uusd(unrealised_uusd) - state.start_uusd
    if result_uusd > state.high_uusd:
        state = msgspec.structs.replace(state, high_uusd=result_uusd)
    found = []
    for rule in pack.rules:
        if isinstance(rule, FlatBy):
            continue
        distance_uusd = to_breach_uusd(state, pack, rule, result_uusd)
        if distance_uusd <= rule.buffer_uusd:
            resumes_ns = TS_NEVER_NS if isinstance(rule, TrailingDrawdown) else day_end_ns
            line_uusd = pack.account_uusd + result_uusd - _toward(rule, distance_uusd)
            found.append((rule.name, resumes_ns, _reason(pack, rule, result_uusd, line_uusd)))
    return _trip(state, pack, ts_ns, found)


def look_at_clock(state: RuleState, pack: RulePack, day: SessionDay | None, ts_ns: int) -> RuleChange:
    """At a time of the pack: entries end, and later the position. An unknown day has no entries anyway."""
    found = [
        (name, day.globex_close_ns, f"flat by {rule.clock}")
        for rule in pack.rules
        if isinstance(rule, FlatBy) and day is not None
        for name, since_ns in _flat_times(rule, day)
        if since_ns <= ts_ns < day.globex_close_ns
    ]
    return _trip(state, pack, ts_ns, found)


def next_clock_ns(pack: RulePack, day: SessionDay | None, ts_ns: int) -> int | None:
    """When the clock is to be looked at next, to arm a timer by; None when today has no more."""
    if day is None:
        return None
    times = [at for rule in pack.rules if isinstance(rule, FlatBy) for _, at in _flat_times(rule, day)]
    return min((at for at in times if at > ts_ns), default=None)


def no_room(state: RuleState, pack: RulePack, account: Account, unrealised_uusd: int, risk_uusd: int) -> list[str]:
    """Rules on losses that another trade of this risk would break: it is not begun."""
    result_uusd = account.own_uusd(unrealised_uusd) - state.start_uusd
    return [
        rule.name
        for rule in pack.rules
        if isinstance(rule, TrailingDrawdown | DailyLoss)
        and to_breach_uusd(state, pack, rule, result_uusd) - rule.buffer_uusd <= risk_uusd
    ]


def to_breach_uusd(state: RuleState, pack: RulePack, rule: MoneyRule, result_uusd: int) -> int:
    """How much more may be lost (of a consistency rule: earned today); 0 or less is a breach."""
    day_uusd = result_uusd - state.day_start_uusd
    match rule:
        case TrailingDrawdown():
            high_uusd = state.high_uusd if rule.basis == "intraday" else state.close_high_uusd
            floor_uusd = high_uusd - rule.limit_uusd
            if rule.locks_at_uusd is not None:
                floor_uusd = min(floor_uusd, rule.locks_at_uusd - pack.account_uusd)
            return result_uusd - floor_uusd
        case DailyLoss():
            return rule.limit_uusd + day_uusd
        case Consistency():
            return day_cap_uusd(rule, pack, state.day_start_uusd) - day_uusd


def day_cap_uusd(rule: Consistency, pack: RulePack, earned_before_uusd: int) -> int:
    """The most a day may earn: p ≤ s·max(target, e + p) is p ≤ max(s·target, s/(1 − s)·e)."""
    of_target_uusd = pack.profit_target_uusd * rule.best_day_ppm // _PPM
    return max(of_target_uusd, earned_before_uusd * rule.best_day_ppm // (_PPM - rule.best_day_ppm))


def standings(
    state: RuleState, pack: RulePack, account: Account | None, unrealised_uusd: int, day: SessionDay | None
) -> tuple[Standing, ...]:
    """One row per rule, in the pack's order; the money of an account that is not known is None."""
    return tuple(_standing(state, pack, rule, account, unrealised_uusd, day) for rule in pack.rules)


def response_of(pack: RulePack, name: str) -> RuleResponse:
    """What a rule of that name asks for; one that the pack no longer has stops entries."""
    return next((rule.response for rule in pack.rules if rule.name == name), RuleResponse.PAUSE)


def _standing(
    state: RuleState, pack: RulePack, rule: Rule, account: Account | None, unrealised_uusd: int, day: SessionDay | None
) -> Standing:
    trip = next((one for one in state.trips if one.rule == rule.name), None)
    if isinstance(rule, FlatBy):
        if trip is None:
            trip = next((one for one in state.trips if one.rule == ENTRIES_END), None)
        due_ns = None if day is None else _et_ns(day, rule.minute_et)
        return Standing(
            rule=rule.name,
            response=rule.response,
            limit_uusd=None,
            distance_uusd=None,
            line_uusd=None,
            due_ns=due_ns,
            trip=trip,
        )
    distance_uusd = line_uusd = None
    if account is not None:
        result_uusd = account.own_uusd(unrealised_uusd) - state.start_uusd
        distance_uusd = to_breach_uusd(state, pack, rule, result_uusd)
        line_uusd = pack.account_uusd + result_uusd - _toward(rule, distance_uusd)
    limit_uusd = day_cap_uusd(rule, pack, state.day_start_uusd) if isinstance(rule, Consistency) else rule.limit_uusd
    return Standing(
        rule=rule.name,
        response=rule.response,
        limit_uusd=limit_uusd,
        distance_uusd=distance_uusd,
        line_uusd=line_uusd,
        due_ns=None,
        trip=trip,
    )


def _toward(rule: MoneyRule, distance_uusd: int) -> int:
    """A loss goes down to its line, a day's profit up to it."""
    return -distance_uusd if isinstance(rule, Consistency) else distance_uusd


def _flat_times(rule: FlatBy, day: SessionDay) -> tuple[tuple[str, int], ...]:
    at_ns = _et_ns(day, rule.minute_et)
    return (ENTRIES_END, at_ns - rule.entries_end_min * NS_PER_MIN), (rule.name, at_ns - rule.lead_min * NS_PER_MIN)


def _et_ns(day: SessionDay, minute_et: int) -> int:
    """A time of the trade date in New York: counted from an opening of the calendar, whose zone is in the table."""
    if day.rth_open_ns is not None:
        return day.rth_open_ns + (minute_et - _RTH_OPEN_MIN) * NS_PER_MIN
    return day.globex_open_ns + (minute_et + _GLOBEX_LEAD_MIN) * NS_PER_MIN


def _reason(pack: RulePack, rule: MoneyRule, result_uusd: int, line_uusd: int) -> str:
    balance, line = (pack.account_uusd + result_uusd) / UUSD_PER_USD, line_uusd / UUSD_PER_USD
    buffer = f", kept {rule.buffer_uusd / UUSD_PER_USD:.2f} away" if rule.buffer_uusd else ""
    return f"balance {balance:.2f} USD, line {line:.2f}{buffer}"


def _trip(state: RuleState, pack: RulePack, ts_ns: int, found: list[tuple[str, int, str]]) -> RuleChange:
    standing = [trip.rule for trip in state.trips]
    new = tuple(RuleTrip(name, ts_ns, until_ns, why) for name, until_ns, why in found if name not in standing)
    if not new:
        return state, ()
    told = tuple(
        RuleTransition(trip.rule, response_of(pack, trip.rule), True, trip.resumes_at_ns, trip.reason) for trip in new
    )
    return msgspec.structs.replace(state, trips=(*state.trips, *new)), told


def _reset(state: RuleState, over: tuple[RuleTrip, ...], reason: str) -> RuleChange:
    if not over:
        return state, ()
    told = tuple(RuleTransition(trip.rule, RuleResponse.PAUSE, False, 0, reason) for trip in over)
    return msgspec.structs.replace(state, trips=tuple(trip for trip in state.trips if trip not in over)), told
