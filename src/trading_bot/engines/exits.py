"""Leaving a position: the one authority (specification 11, features DE14, EX09 to EX12, SF07).

`decide_exit` looks at every cause and answers with the one that stands highest; no entry gate is asked. Where the stop
should stand is `tightened_stop`, which never gives ground. Prices in ticks, times in ns, fractions in millionths.
"""

from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from trading_bot.domain.config import QualityConfig
from trading_bot.domain.exit_config import ExitConfig, QualityAction, TemplateExits
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

_E6: Final = 1_000_000


class ExitCause(IntEnum):
    """Why a position is left; lower stands higher. The value is the bit in a decision's mask."""

    KILL = 0
    SESSION = 1
    STOP = 2
    TARGET = 3
    QUALITY = 4
    TIME = 5
    THESIS = 6
    VOLATILITY = 7
    TRAILING = 8


class Urgency(StrEnum):
    """How: RESIDENT leaves it to the order that already works at the broker, LIMIT is marketable, then MARKET."""

    RESIDENT = "RESIDENT"
    LIMIT = "LIMIT"
    MARKET = "MARKET"


class ExitRules(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The exits of one template in integers; see `exit_rules`."""

    limit_through_ticks: int
    limit_wait_ns: int
    stop_grace_ns: int
    target_grace_ns: int
    dvs_hold_c: int
    eqs_hold_c: int
    quality_action: QualityAction
    quality_exit_ns: int
    quality_stop_e6: int
    thesis_belief_e6: int
    thesis_ns: int
    volatility_exit: bool
    shock_atr_e6: int
    shock_ratio_e6: int
    break_even_from_e6: int
    break_even_lock_e6: int
    lock_from_e6: int
    lock_e6: int
    trail: bool
    trail_from_e6: int
    trail_atr_e6: int
    trail_ticks_min: int
    stop_step_ticks: int


class ExitInputs(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An open position and what is known about it. None is unknown, or has not happened.

    `stop_ticks` is where the stop should stand, `resident_stop_ticks` where the broker's does (None: there is none);
    the touches are of `stop_ticks` and of the target. `price_ticks` is what leaving would get: the bid for a long. The
    `_since_ns` are kept with `held_since`. `atr_n_e6` is the signal `atr_14_n` times 3. `sent_cause`, `limit_sent_ns`
    and `market_sent` tell of an exit under way.
    """

    ts_ns: int
    position_qty: int
    killed: bool = False
    session_over: bool = False
    stop_ticks: int | None = None
    resident_stop_ticks: int | None = None
    stop_touched_ns: int | None = None
    target_resident: bool = False
    target_touched_ns: int | None = None
    price_ticks: int | None = None
    dvs_c: int
    eqs_c: int
    quality_low_since_ns: int | None = None
    time_stop_ns: int | None = None
    thesis_low_since_ns: int | None = None
    atr_n_e6: int | None = None
    range_e6: int | None = None
    range_median_e6: int | None = None
    sent_cause: ExitCause | None = None
    limit_sent_ns: int | None = None
    market_sent: bool = False


class ExitDecision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The one answer: `qty` is the signed change that makes the position zero, `mask` a bit per active cause.

    `send` says that an order has to leave now; otherwise the one that works is left to do it.
    """

    cause: ExitCause
    urgency: Urgency
    qty: int
    send: bool
    mask: int


def exit_rules(config: ExitConfig, quality: QualityConfig, template: TemplateExits | None = None) -> ExitRules:
    """The rules of one template: its own where it has them, the common ones otherwise."""
    own = template or TemplateExits()

    def pick(name: str) -> float:
        value = getattr(own, name)
        return float(getattr(config, name) if value is None else value)

    return ExitRules(
        limit_through_ticks=config.limit_through_ticks,
        limit_wait_ns=config.limit_wait_ms * NS_PER_MS,
        stop_grace_ns=config.stop_grace_ms * NS_PER_MS,
        target_grace_ns=config.target_grace_ms * NS_PER_MS,
        dvs_hold_c=quality.dvs_hold_c,
        eqs_hold_c=quality.eqs_hold_c,
        quality_action=own.quality_action or config.quality_action,
        quality_exit_ns=round(pick("quality_exit_s") * NS_PER_S),
        quality_stop_e6=round(config.quality_stop_r * _E6),
        thesis_belief_e6=round(pick("thesis_belief") * _E6),
        thesis_ns=round(pick("thesis_s") * NS_PER_S),
        volatility_exit=bool(pick("volatility_exit")),
        shock_atr_e6=round(config.shock_atr_n * _E6),
        shock_ratio_e6=round(config.shock_range_ratio * _E6),
        break_even_from_e6=round(config.break_even_from_r * _E6),
        break_even_lock_e6=round(config.break_even_lock_r * _E6),
        lock_from_e6=round(config.lock_from_r * _E6),
        lock_e6=round(config.lock_r * _E6),
        trail=bool(pick("trail")),
        trail_from_e6=round(pick("trail_from_r") * _E6),
        trail_atr_e6=round(pick("trail_atr") * _E6),
        trail_ticks_min=config.trail_ticks_min,
        stop_step_ticks=config.stop_step_ticks,
    )


def decide_exit(inputs: ExitInputs, rules: ExitRules) -> ExitDecision | None:
    """The exit that is due, or None; a flat position has none.

    An exit that was sent stays decided until the position is flat: it may get a higher cause, never a weaker order.
    """
    if inputs.position_qty == 0:
        return None
    mask, cause, urgency = 0, inputs.sent_cause, Urgency.LIMIT
    for candidate, judge in _CAUSES:
        found = judge(inputs, rules)
        if found is None or (found is Urgency.RESIDENT and inputs.sent_cause is not None):
            continue
        mask |= 1 << candidate
        if cause is None or candidate < cause:
            cause, urgency = candidate, found
    if cause is None:
        return None
    if inputs.limit_sent_ns is not None and inputs.ts_ns >= inputs.limit_sent_ns + rules.limit_wait_ns:
        urgency = Urgency.MARKET
    if inputs.market_sent:
        urgency = Urgency.MARKET
    working = inputs.market_sent or (urgency is Urgency.LIMIT and inputs.limit_sent_ns is not None)
    return ExitDecision(
        cause=cause,
        urgency=urgency,
        qty=-inputs.position_qty,
        send=urgency is not Urgency.RESIDENT and not working,
        mask=mask | 1 << cause,
    )


def next_check_ns(inputs: ExitInputs, rules: ExitRules) -> int | None:
    """The next time at which `decide_exit` may answer differently without any other input, to arm a timer by."""
    due = (
        (inputs.stop_touched_ns, rules.stop_grace_ns),
        (inputs.target_touched_ns, rules.target_grace_ns),
        (None if inputs.market_sent else inputs.limit_sent_ns, rules.limit_wait_ns),
        (inputs.quality_low_since_ns, rules.quality_exit_ns),
        (inputs.thesis_low_since_ns, rules.thesis_ns),
        (inputs.time_stop_ns, 0),
    )
    later = [since_ns + wait_ns for since_ns, wait_ns in due if since_ns is not None]
    return min((at_ns for at_ns in later if at_ns > inputs.ts_ns), default=None)


def held_since(since_ns: int | None, ts_ns: int, *, low: bool | None) -> int | None:
    """Since when a condition holds without a pause; unknown (None) is not low."""
    if not low:
        return None
    return ts_ns if since_ns is None else since_ns


def thesis_low(belief_e6: int | None, rules: ExitRules) -> bool | None:
    """Whether the entering template no longer believes in the side it took; None when its signals are not warm."""
    return None if belief_e6 is None else belief_e6 < rules.thesis_belief_e6


def quality_low(dvs_c: int, eqs_c: int, rules: ExitRules) -> bool:
    """Whether either score is below its hold gate."""
    return dvs_c < rules.dvs_hold_c or eqs_c < rules.eqs_hold_c


def is_shock(atr_n_e6: int | None, range_e6: int | None, range_median_e6: int | None, rules: ExitRules) -> bool:
    """Volatility shock of specification 8.4: `atr_14_n`·3 too high, or a true range far above its usual one.

    What is unknown shocks nobody: a position is not left because a signal is cold.
    """
    if atr_n_e6 is not None and atr_n_e6 >= rules.shock_atr_e6:
        return True
    if range_e6 is None or range_median_e6 is None or range_median_e6 <= 0:
        return False
    return range_e6 * _E6 >= range_median_e6 * rules.shock_ratio_e6


class StopInputs(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a stop stands and what may move it.

    `sign` +1 long, -1 short; `risk_ticks` is R, the distance from entry to the initial stop; `best_ticks` the best
    price since entry; `price_ticks` what leaving would get now; `atr_e6` ATR14 in millionths of a tick.
    """

    sign: int
    entry_ticks: int
    risk_ticks: int
    stop_ticks: int
    best_ticks: int
    price_ticks: int | None = None
    atr_e6: int | None = None
    quality_low: bool = False


def tightened_stop(inputs: StopInputs, rules: ExitRules) -> int:
    """Price at which the stop should stand now: the tightest of break-even, lock, trail and quality, never looser.

    It may lie beyond the price, when the price came back faster than the stop could follow: then the position is due
    (TRAILING).
    """
    risk_ticks = inputs.risk_ticks
    profit_ticks = (inputs.best_ticks - inputs.entry_ticks) * inputs.sign
    now_ticks = (inputs.stop_ticks - inputs.entry_ticks) * inputs.sign
    wanted = [now_ticks]
    for from_e6, lock_e6 in (
        (rules.break_even_from_e6, rules.break_even_lock_e6),
        (rules.lock_from_e6, rules.lock_e6),
    ):
        if profit_ticks * _E6 >= from_e6 * risk_ticks:
            wanted.append(lock_e6 * risk_ticks // _E6)
    if rules.trail and inputs.atr_e6 is not None and profit_ticks * _E6 >= rules.trail_from_e6 * risk_ticks:
        wanted.append(profit_ticks - max(-(-rules.trail_atr_e6 * inputs.atr_e6 // _E6**2), rules.trail_ticks_min))
    if inputs.quality_low and rules.quality_action == "tighten" and inputs.price_ticks is not None:
        price_ticks = (inputs.price_ticks - inputs.entry_ticks) * inputs.sign
        # Never at the price itself: an unsure picture must not trigger what it only meant to tighten.
        wanted.append(price_ticks - max(-(-rules.quality_stop_e6 * risk_ticks // _E6), 1))
    best = max(wanted)
    if best - now_ticks < rules.stop_step_ticks:
        return inputs.stop_ticks
    return inputs.entry_ticks + best * inputs.sign


def exit_limit_ticks(position_qty: int, bid_ticks: int | None, ask_ticks: int | None, through_ticks: int) -> int | None:
    """Price of a marketable exit limit: the other side's touch and `through_ticks` beyond it.

    None without that touch: only a market order is left.
    """
    if position_qty > 0:
        return None if bid_ticks is None else bid_ticks - through_ticks
    return None if ask_ticks is None else ask_ticks + through_ticks


# Causes. Each answers how urgent it is, or None.


def _stop(inputs: ExitInputs, rules: ExitRules) -> Urgency | None:
    if inputs.stop_touched_ns is None or _stop_is_behind(inputs):
        return None
    waited = inputs.ts_ns >= inputs.stop_touched_ns + rules.stop_grace_ns
    return Urgency.LIMIT if inputs.resident_stop_ticks is None or waited else Urgency.RESIDENT


def _target(inputs: ExitInputs, rules: ExitRules) -> Urgency | None:
    if inputs.target_touched_ns is None:
        return None
    if not inputs.target_resident:
        return Urgency.LIMIT
    # A touch is no fill. After the grace the resident order works on, and weaker causes are heard again.
    return Urgency.RESIDENT if inputs.ts_ns < inputs.target_touched_ns + rules.target_grace_ns else None


def _quality(inputs: ExitInputs, rules: ExitRules) -> Urgency | None:
    if not quality_low(inputs.dvs_c, inputs.eqs_c, rules):
        return None
    if rules.quality_action == "exit":
        return Urgency.LIMIT
    return _due(inputs.quality_low_since_ns, rules.quality_exit_ns, inputs.ts_ns)


def _trailing(inputs: ExitInputs, _rules: ExitRules) -> Urgency | None:
    """The price is through a stop that was tightened and has not reached the broker."""
    if not _stop_is_behind(inputs):
        return None
    through = inputs.stop_touched_ns is not None
    if inputs.price_ticks is not None and inputs.stop_ticks is not None:
        through = through or (inputs.price_ticks - inputs.stop_ticks) * inputs.position_qty <= 0
    return Urgency.LIMIT if through else None


def _stop_is_behind(inputs: ExitInputs) -> bool:
    """Whether the broker's stop is looser than the one wanted."""
    if inputs.stop_ticks is None or inputs.resident_stop_ticks is None:
        return False
    return (inputs.stop_ticks - inputs.resident_stop_ticks) * inputs.position_qty > 0


def _due(since_ns: int | None, wait_ns: int, ts_ns: int) -> Urgency | None:
    return Urgency.LIMIT if since_ns is not None and ts_ns >= since_ns + wait_ns else None


def _if(condition: bool) -> Urgency | None:  # noqa: FBT001
    return Urgency.LIMIT if condition else None


_Judge = Callable[[ExitInputs, ExitRules], Urgency | None]

# In the order of authority.
_CAUSES: Final[tuple[tuple[ExitCause, _Judge], ...]] = (
    (ExitCause.KILL, lambda inputs, _: _if(inputs.killed)),
    (ExitCause.SESSION, lambda inputs, _: _if(inputs.session_over)),
    (ExitCause.STOP, _stop),
    (ExitCause.TARGET, _target),
    (ExitCause.QUALITY, _quality),
    (ExitCause.TIME, lambda inputs, _: _due(inputs.time_stop_ns, 0, inputs.ts_ns)),
    (ExitCause.THESIS, lambda inputs, rules: _due(inputs.thesis_low_since_ns, rules.thesis_ns, inputs.ts_ns)),
    (
        ExitCause.VOLATILITY,
        lambda inputs, rules: _if(
            rules.volatility_exit and is_shock(inputs.atr_n_e6, inputs.range_e6, inputs.range_median_e6, rules),
        ),
    ),
    (ExitCause.TRAILING, _trailing),
)
