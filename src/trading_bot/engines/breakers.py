"""Breakers: what slows trading down or stops it by itself (specification 8.2, 8.5; features RK04 to RK09, SF03, SF08).

A table of breakers and a frozen state. Every change comes back as `Transition` values, to be logged and told. Losses
are measured on the account's own ledger (`engines.position.Account`): a profit never trips a breaker, and money that
comes or goes never moves one. Money in micro-dollars, times in ns.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from trading_bot.domain.breaker_config import BreakerConfig
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S, TS_NEVER_NS, UUSD_PER_USD
from trading_bot.engines.breaker_table import (
    LADDERS,
    ORDER,
    PPM,
    PPM_PER_PCT,
    RULE,
    Breaker,
    DayBounds,
    Money,
    Reset,
    Response,
    Rule,
    limit_reached,
    recovered,
)

STATE_VERSION: Final = 1


class Trip(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A breaker that is tripped.

    `resumes_at_ns` is the earliest time it may end, TS_NEVER_NS where time ends nothing.
    """

    breaker: Breaker
    tripped_at_ns: int
    resumes_at_ns: int
    reason: str


class Transition(msgspec.Struct, frozen=True, gc=False):
    """A trip or a reset, to be alerted."""

    ts_ns: int
    breaker: Breaker
    response: Response
    tripped: bool
    resumes_at_ns: int
    reason: str


class BreakerState(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Trips in table order, and the memory of what counts: all of it survives a restart.

    `curve` is (ts_ns, own result in micro-dollars), times rising and results falling: the highs that the loss of the
    window is measured from, at most one per second of it.
    """

    trips: tuple[Trip, ...] = ()
    losses_in_row: int = 0
    errors_ns: tuple[int, ...] = ()
    curve: tuple[tuple[int, int], ...] = ()


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What the tripped breakers ask for together. `blocking` are those that stop entries."""

    blocking: tuple[Breaker, ...]
    reduced: bool
    flatten: bool
    kill: bool


class EntryTerms(msgspec.Struct, frozen=True, gc=False):
    """What is left for an entry: contracts, a tighter hourly budget (None: the usual), a factor on the least EUC."""

    qty: int
    entries_per_hour_max: int | None
    euc_factor_e6: int


Change = tuple[BreakerState, tuple[Transition, ...]]


def mark(state: BreakerState, config: BreakerConfig, bounds: DayBounds, ts_ns: int, money: Money) -> Change:
    """After a fill, a mark or a timer: everything that is measured in money.

    On a new day the account's `next_day` comes first, or yesterday's loss trips again.
    """
    state, changes = expire(state, ts_ns)
    won_back = tuple(
        trip
        for trip in state.trips
        if RULE[trip.breaker].reset is Reset.RECOVERY
        and ts_ns >= trip.resumes_at_ns
        and recovered(config, RULE[trip.breaker], money)
    )
    state, reset = _reset(state, ts_ns, won_back, "the loss is won back")
    found = [(rule.breaker, reason) for rule in LADDERS if (reason := limit_reached(config, rule, money))]
    state, rapid = _rapid_loss(state, config, ts_ns, money)
    found += [(Breaker.RAPID_LOSS, rapid)] if rapid else []
    state, tripped = _trip(state, config, bounds, ts_ns, found)
    return state, (*changes, *reset, *tripped)


def trade_closed(state: BreakerState, config: BreakerConfig, ts_ns: int, net_uusd: int) -> Change:
    """After a round trip of `net_uusd`, costs included; what is not a win (specification 9) counts as a loss.

    The count starts anew with the pause it causes.
    """
    losses = 0 if net_uusd > 0 else state.losses_in_row + 1
    if losses < config.losses_in_row_max:
        return msgspec.structs.replace(state, losses_in_row=losses), ()
    state = msgspec.structs.replace(state, losses_in_row=0)
    return _trip(state, config, None, ts_ns, [(Breaker.LOSSES_IN_ROW, f"{losses} losses in a row")])


def broker_error(state: BreakerState, config: BreakerConfig, ts_ns: int) -> Change:
    """After a broker error of class ERROR; cancel notices and farm messages are none."""
    kept = (*state.errors_ns, ts_ns)[-config.broker_errors_max :]
    state = msgspec.structs.replace(state, errors_ns=kept)
    if len(kept) < config.broker_errors_max or ts_ns - kept[0] >= NS_PER_MIN:
        return state, ()
    return _trip(state, config, None, ts_ns, [(Breaker.BROKER_ERRORS, f"{len(kept)} broker errors in a minute")])


def data_age(state: BreakerState, config: BreakerConfig, ts_ns: int, age_ns: int, *, session_open: bool) -> Change:
    """After a look at the stream: `age_ns` since its last frame. A closed session is allowed its silence."""
    if session_open and age_ns >= config.stale_data_s * NS_PER_S:
        return _trip(state, config, None, ts_ns, [(Breaker.STALE_DATA, f"no data for {age_ns // NS_PER_S} s")])
    stale = tuple(trip for trip in state.trips if RULE[trip.breaker].reset is Reset.DATA)
    return _reset(state, ts_ns, stale, "data flow again" if session_open else "the session is closed")


def expire(state: BreakerState, ts_ns: int) -> Change:
    """Reset what time alone resets; `next_resume_ns` says when to ask."""
    over = tuple(trip for trip in state.trips if _by_time(trip) and ts_ns >= trip.resumes_at_ns)
    return _reset(state, ts_ns, over, "its time has passed")


def clear(state: BreakerState, ts_ns: int, breaker: Breaker, reason: str) -> Change:
    """A person clears a breaker that waits for one; it trips again while its cause lasts.

    After DRAWDOWN_HALT the account's peak has to be rebased (`engines.position.rebased`): the person accepts the loss.

    Raises:
        UsageError: no reason, not tripped, or not a person's to clear.
    """
    if not reason.strip():
        raise UsageError(f"clearing {breaker.value} needs a reason: say why trading may go on")
    trip = next((trip for trip in state.trips if trip.breaker is breaker), None)
    if trip is None:
        names = ", ".join(trip.breaker.value for trip in state.trips) or "none"
        raise UsageError(f"{breaker.value} is not tripped; tripped are: {names}")
    rule = RULE[breaker]
    if rule.reset is not Reset.PERSON:
        raise UsageError(f"{breaker.value} is reset by {rule.reset.value.lower()}, not by a person: wait for it")
    return _reset(state, ts_ns, (trip,), reason)


_NOTHING_ASKED: Final = Verdict(blocking=(), reduced=False, flatten=False, kill=False)


def verdict(state: BreakerState) -> Verdict:
    """What is asked for now."""
    if not state.trips:
        return _NOTHING_ASKED
    responses = [RULE[trip.breaker].response for trip in state.trips]
    return Verdict(
        blocking=tuple(trip.breaker for trip in state.trips if RULE[trip.breaker].response >= Response.PAUSE),
        reduced=Response.REDUCE in responses,
        flatten=any(response >= Response.HALT for response in responses),
        kill=Response.KILL in responses,
    )


def entry_terms(config: BreakerConfig, current: Verdict, qty: int) -> EntryTerms:
    """Half the contracts while reduced; a single one cannot be halved and gets a rate and a higher EUC instead."""
    if not current.reduced:
        return EntryTerms(qty, None, PPM)
    if qty >= 2:
        return EntryTerms(qty // 2, None, PPM)
    return EntryTerms(qty, config.reduced_entries_per_hour, round(config.reduced_euc_factor * PPM))


def next_resume_ns(state: BreakerState) -> int | None:
    """When `expire` will next change something, to arm a timer by."""
    due = [trip.resumes_at_ns for trip in state.trips if _by_time(trip) and trip.resumes_at_ns != TS_NEVER_NS]
    return min(due, default=None)


def to_dict(state: BreakerState) -> dict[str, Any]:
    """Plain values, for JSON or msgpack."""
    return {"version": STATE_VERSION, **msgspec.to_builtins(state)}


def from_dict(stored: dict[str, Any]) -> BreakerState:
    """Exactly the state that was stored.

    Raises:
        DataCorrupt: another version, unknown or missing fields, or values that no state has.
    """
    fields = dict(stored)
    version = fields.pop("version", None)
    if version != STATE_VERSION:
        raise DataCorrupt(
            f"breaker state: found version {version!r}, expected {STATE_VERSION}: rebuild it from the log"
        )
    if set(fields) != set(BreakerState.__struct_fields__):
        raise DataCorrupt(
            f"breaker state: found fields {sorted(fields)}, expected {sorted(BreakerState.__struct_fields__)}: "
            "rebuild it from the log"
        )
    try:
        state = msgspec.convert(fields, BreakerState)
    except msgspec.ValidationError as error:
        raise DataCorrupt(f"breaker state: {error}: rebuild it from the log") from error
    places = [ORDER[trip.breaker] for trip in state.trips]
    if places != sorted(set(places)) or state.losses_in_row < 0:
        raise DataCorrupt(f"breaker state: trips {places} or count {state.losses_in_row} that no run leaves behind")
    return state


def _rapid_loss(
    state: BreakerState, config: BreakerConfig, ts_ns: int, money: Money
) -> tuple[BreakerState, str | None]:
    """The fall from the highest point of the window; within one second the highest stands for all of it."""
    now_uusd = money.account.own_uusd(money.unrealised_uusd)
    since_ns = ts_ns - config.rapid_loss_window_s * NS_PER_S
    curve = [point for point in state.curve if point[0] >= since_ns and point[1] > now_uusd]
    fall_uusd = curve[0][1] - now_uusd if curve else 0
    if curve and curve[-1][0] // NS_PER_S == ts_ns // NS_PER_S:
        curve[-1] = (ts_ns, curve[-1][1])
    else:
        curve.append((ts_ns, now_uusd))
    state = msgspec.structs.replace(state, curve=tuple(curve))
    share_uusd = money.account.day_start_uusd * round(config.rapid_loss_pct * PPM_PER_PCT) // PPM
    limit_uusd = max(share_uusd, round(config.rapid_loss_stops * PPM) * money.full_stop_uusd // PPM)
    if fall_uusd <= 0 or fall_uusd < limit_uusd:
        return state, None
    fell, limit = fall_uusd / UUSD_PER_USD, limit_uusd / UUSD_PER_USD
    return state, f"lost {fell:.2f} USD within {config.rapid_loss_window_s} s, limit {limit:.2f}"


def _trip(
    state: BreakerState,
    config: BreakerConfig,
    bounds: DayBounds | None,
    ts_ns: int,
    found: Sequence[tuple[Breaker, str]],
) -> Change:
    """Trip what is not tripped yet; a trip that stands is left as it is."""
    standing = [trip.breaker for trip in state.trips]
    new = [
        Trip(breaker, ts_ns, _resumes_at_ns(config, bounds, RULE[breaker], ts_ns), reason)
        for breaker, reason in found
        if breaker not in standing
    ]
    trips = tuple(sorted((*state.trips, *new), key=lambda trip: ORDER[trip.breaker]))
    told = tuple(
        Transition(ts_ns, trip.breaker, RULE[trip.breaker].response, True, trip.resumes_at_ns, trip.reason)
        for trip in new
    )
    return (msgspec.structs.replace(state, trips=trips) if new else state), told


def _reset(state: BreakerState, ts_ns: int, over: tuple[Trip, ...], reason: str) -> Change:
    if not over:
        return state, ()
    told = tuple(Transition(ts_ns, trip.breaker, RULE[trip.breaker].response, False, ts_ns, reason) for trip in over)
    return msgspec.structs.replace(state, trips=tuple(trip for trip in state.trips if trip not in over)), told


def _resumes_at_ns(config: BreakerConfig, bounds: DayBounds | None, rule: Rule, ts_ns: int) -> int:
    if rule.reset is Reset.DAY:
        return TS_NEVER_NS if bounds is None else bounds.day_end_ns
    if rule.reset is Reset.WEEK:
        return TS_NEVER_NS if bounds is None else bounds.week_end_ns
    if rule.reset is Reset.MONTH:
        return TS_NEVER_NS if bounds is None else bounds.month_end_ns
    if rule.reset in (Reset.PERSON, Reset.DATA):
        return TS_NEVER_NS
    pause_min = {
        Breaker.RAPID_LOSS: config.rapid_loss_pause_min,
        Breaker.LOSSES_IN_ROW: config.losses_pause_min,
        Breaker.BROKER_ERRORS: config.broker_errors_pause_min,
    }.get(rule.breaker, config.restore_min)
    return ts_ns + pause_min * NS_PER_MIN


def _by_time(trip: Trip) -> bool:
    return RULE[trip.breaker].reset in (Reset.TIME, Reset.DAY, Reset.WEEK, Reset.MONTH)
