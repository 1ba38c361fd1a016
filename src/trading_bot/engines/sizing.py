"""Position size: risk per trade in integer micro-dollars, and the caps a caller passes as `max_contracts`.

Specification 6.6. Money is floored or ceiled against the trader: limits down, risk up.
"""

import math
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from trading_bot.domain.config import SizingConfig

Number = Decimal | float | int

# What a caller does not name is the default of the configuration: each limit has its number there and nowhere else.
_DEFAULTS: Final = SizingConfig()
RISK_PCT_MAX: Final = _DEFAULTS.equity_risk_pct_max
STOP_TICKS_MAX: Final = _DEFAULTS.stop_ticks_max
ORDER_CONTRACTS_MAX: Final = _DEFAULTS.order_qty_max
MARGIN_HEADROOM_MIN_BPS: Final = round(_DEFAULTS.margin_headroom_pct_min * 100)
KELLY_TRADES_MIN: Final = _DEFAULTS.kelly_trades_min

_NANO: Final = 10**9
_NANO_PER_MICRO: Final = 1_000
_BPS: Final = 10_000
_PPM: Final = 1_000_000
# `tick_value` is dollars per 0.25 points, whatever the grid: a grid of g points is worth 4*g tick values.
_QUARTERS_PER_POINT: Final = 4


def compute_position_size(
    equity: Number,
    max_risk_usd: Number,
    stop_ticks: Number,
    tick_value: Number = 1.25,
    tick_size: Number = 0.25,
    *,
    max_contracts: int = 1,
    risk_pct_max: Number = RISK_PCT_MAX,
    stop_ticks_max: Number = STOP_TICKS_MAX,
) -> int:
    """Contracts to trade, 0 when any limit forbids even one.

    `equity` and `max_risk_usd` in dollars; `stop_ticks` in ticks of `tick_size` points; `tick_value` in dollars per
    0.25 points (multiplier x 0.25); `risk_pct_max` in percent of equity; `max_contracts` from `size_limit`.

    The risk of one contract is stop_ticks x tick_size / 0.25 x tick_value. The result is 0 when it exceeds
    `max_risk_usd` or `risk_pct_max` of equity, when `stop_ticks` exceeds `stop_ticks_max`, or when equity is not
    positive (a real account state); otherwise min(floor(smaller limit / risk), max_contracts). Numbers are read to
    1e-9, so a float that misses a limit by its last bit still meets it.

    Raises ValueError for a value that is not finite, for a stop, tick or limit that is not positive, and for a
    negative `max_contracts`; TypeError for anything but Decimal, int and float.
    """
    if isinstance(max_contracts, bool) or not isinstance(max_contracts, int):
        raise TypeError(f"max_contracts: found {max_contracts!r}, expected an int")
    if max_contracts < 0:
        raise ValueError(f"max_contracts: found {max_contracts}, expected 0 or more")
    equity_uusd = _nano("equity", equity) // _NANO_PER_MICRO
    max_risk_uusd = _nano("max_risk_usd", max_risk_usd) // _NANO_PER_MICRO
    stop_nano = _positive_nano("stop_ticks", stop_ticks)
    risk_uusd = _risk_uusd(stop_nano, tick_value, tick_size)
    equity_limit_uusd = equity_uusd * _positive_nano("risk_pct_max", risk_pct_max) // (100 * _NANO)
    if stop_nano > _positive_nano("stop_ticks_max", stop_ticks_max):
        return 0
    # Without equity, or with the budget overdrawn, the limit is below zero and no contract fits.
    return min(max(min(max_risk_uusd, equity_limit_uusd), 0) // risk_uusd, max_contracts)


def stop_ticks_limit(
    max_risk_usd: Number,
    tier_stop_ticks_max: int,
    tick_value: Number = 1.25,
    tick_size: Number = 0.25,
    *,
    stop_ticks_max: int = STOP_TICKS_MAX,
) -> int:
    """Widest stop in whole ticks one contract may have: min(stop_ticks_max, the tier's limit, what the dollars allow).

    Units, rounding and errors as in `compute_position_size`; 0 when not even one tick is affordable.
    """
    max_risk_uusd = max(_nano("max_risk_usd", max_risk_usd) // _NANO_PER_MICRO, 0)
    return min(stop_ticks_max, tier_stop_ticks_max, max_risk_uusd // _risk_uusd(_NANO, tick_value, tick_size))


class SizingInputs(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the caps on the number of contracts depend on; money in micro-dollars, fractions in basis points or ppm.

    None is "unknown": an unknown margin allows nothing. `win_uusd` and `loss_uusd` are the mean net win and loss of
    one contract, both positive; `win_rate_shrunk_ppm` is the posterior mean, already shrunk by its pseudo-trades.
    `last_contracts_today` is the size of the day's previous entry, None before the first.
    """

    equity_uusd: int
    risk_per_contract_uusd: int
    tier_contracts_max: int
    order_contracts_max: int = ORDER_CONTRACTS_MAX
    open_risk_budget_uusd: int
    """Total open risk allowed minus the risk of positions and working entries."""
    margin_used_uusd: int | None
    margin_per_contract_uusd: int | None
    margin_headroom_min_bps: int = MARGIN_HEADROOM_MIN_BPS
    """Share of equity that must stay free after the trade."""
    kelly_trades: int
    win_rate_shrunk_ppm: int
    win_uusd: int
    loss_uusd: int
    kelly_trades_min: int = KELLY_TRADES_MIN
    kelly_fraction_e6: int = round(_DEFAULTS.kelly_fraction_max * 1_000_000)
    kelly_unproven_contracts_max: int = 1
    """Cap while there are fewer than `kelly_trades_min` trades: no evidence, no growth."""
    last_contracts_today: int | None = None
    last_trade_lost_today: bool = False

    def __post_init__(self) -> None:
        """Refuse values no account or template can have."""
        for name in ("risk_per_contract_uusd", "win_uusd", "loss_uusd", "margin_per_contract_uusd"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name}: found {value}, expected more than 0")
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name}: found {value}, expected 0 or more")
        for name, most in (
            ("win_rate_shrunk_ppm", _PPM),
            ("margin_headroom_min_bps", _BPS),
            ("kelly_fraction_e6", _PPM // 2),
        ):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name}: found {getattr(self, name)}, expected 0 to {most}")


_NOT_NEGATIVE: Final = (
    "tier_contracts_max",
    "order_contracts_max",
    "margin_used_uusd",
    "kelly_trades",
    "kelly_trades_min",
    "kelly_unproven_contracts_max",
    "last_contracts_today",
)


class SizeLimit(msgspec.Struct, frozen=True):
    """The smallest cap and which one it is; `limits` holds every cap that applied, in order, for the journal."""

    max_contracts: int
    binding: str
    limits: tuple[tuple[str, int], ...]


def size_limit(inputs: SizingInputs) -> SizeLimit:
    """The largest `max_contracts` every cap allows, never negative; of equal caps the first in the table binds."""
    caps = [
        ("tier_cap", inputs.tier_contracts_max),
        ("order_cap", inputs.order_contracts_max),
        ("open_risk_budget", inputs.open_risk_budget_uusd // inputs.risk_per_contract_uusd),
        ("margin_headroom", _margin_contracts(inputs)),
        ("kelly_half", _kelly_contracts(inputs))
        if inputs.kelly_trades >= inputs.kelly_trades_min
        else ("kelly_unproven", inputs.kelly_unproven_contracts_max),
    ]
    if inputs.last_trade_lost_today and inputs.last_contracts_today is not None:
        caps.append(("no_growth_after_loss", inputs.last_contracts_today))
    limits = tuple((name, max(contracts, 0)) for name, contracts in caps)
    binding, contracts = min(limits, key=_contracts)
    return SizeLimit(contracts, binding, limits)


def _margin_contracts(inputs: SizingInputs) -> int:
    if inputs.margin_used_uusd is None or inputs.margin_per_contract_uusd is None:
        return 0
    usable_uusd = inputs.equity_uusd * (_BPS - inputs.margin_headroom_min_bps) // _BPS
    return (usable_uusd - inputs.margin_used_uusd) // inputs.margin_per_contract_uusd


def _kelly_contracts(inputs: SizingInputs) -> int:
    # Kelly for a win W and a loss L per contract: f = p - (1 - p) L / W of equity at risk, so f * equity / L contracts;
    # a fraction of it (half). Over the common denominator W it stays in integers.
    p_ppm = inputs.win_rate_shrunk_ppm
    edge = p_ppm * inputs.win_uusd - (_PPM - p_ppm) * inputs.loss_uusd
    if edge <= 0:
        return 0
    share = inputs.kelly_fraction_e6 * edge
    return inputs.equity_uusd * share // (_PPM * _PPM * inputs.win_uusd * inputs.loss_uusd)


def _risk_uusd(stop_nano: int, tick_value: Number, tick_size: Number) -> int:
    """Risk of one contract, rounded up to a micro-dollar; exact products of integers before that one division."""
    value_nano = _positive_nano("tick_value", tick_value)
    size_nano = _positive_nano("tick_size", tick_size)
    return -(-stop_nano * size_nano * _QUARTERS_PER_POINT * value_nano // (_NANO * _NANO * _NANO_PER_MICRO))


def _positive_nano(name: str, value: Number) -> int:
    nano = _nano(name, value)
    if nano <= 0:
        raise ValueError(f"{name}: found {value!r}, expected more than 0")
    return nano


def _nano(name: str, value: Number) -> int:
    # The limits of the configuration come again with every candidate; a signalling NaN cannot even be looked up.
    return _nano_exact(name, value) if isinstance(value, Decimal) else _nano_remembered(name, value)


def _nano_exact(name: str, value: Number) -> int:
    if isinstance(value, bool) or not isinstance(value, Decimal | float | int):
        raise TypeError(f"{name}: found {value!r}, expected a Decimal, int or float")
    finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
    if not finite:
        raise ValueError(f"{name}: found {value!r}, expected a finite number")
    numerator, denominator = value.as_integer_ratio()
    nano, rest = divmod(numerator * _NANO, denominator)
    return nano + (2 * rest >= denominator)


# `typed`: True, 1 and 1.0 are equal keys, and only two of them are numbers here. What raises is not remembered.
_nano_remembered = lru_cache(maxsize=256, typed=True)(_nano_exact)


def _contracts(limit: tuple[str, int]) -> int:
    return limit[1]
