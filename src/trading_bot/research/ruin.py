"""What the trades so far say about bad days: VaR, expected shortfall and the chance of ruin, by bootstrap (RK17).

Whole days are drawn with replacement, each with its trades in their order, so that losses which come in runs stay in
runs. Nothing here decides: it is read by people and by the checks before more capital.

Method: Efron and Tibshirani (1993), An Introduction to the Bootstrap; block resampling: Kuensch (1989).
"""

import random
from collections.abc import Sequence
from typing import Final

import msgspec

from trading_bot.domain.errors import UsageError
from trading_bot.domain.units import UUSD_PER_USD

DAYS_MIN: Final = 5  # fewer days cannot tell a bad one
_LEVELS: Final = (95, 99)


class RuinReport(msgspec.Struct, frozen=True, kw_only=True):
    """Money in dollars, losses positive. `ruin_p` is the share of paths whose drawdown reached `drawdown_pct`."""

    days: int
    trades: int
    equity_usd: float
    horizon_days: int
    paths: int
    seed: int
    net_usd_per_day: float
    var_usd: dict[str, float]
    shortfall_usd: dict[str, float]
    drawdown_pct: float
    drawdown_median_pct: float
    drawdown_p95_pct: float
    ruin_p: float
    ruin_p_max: float
    ok: bool


def ruin_report(
    days: Sequence[Sequence[int]],
    equity_uusd: int,
    *,
    horizon_days: int = 20,
    drawdown_pct: float = 25.0,
    ruin_p_max: float = 0.05,
    paths: int = 10_000,
    seed: int = 1,
) -> RuinReport:
    """Bootstrap `days` (net results of trades in micro-dollars, in order, one sequence per trading day).

    VaR and shortfall are of one day's result; the drawdown is from the peak of equity within `horizon_days`, in percent
    of that peak, looked at after every trade. A path whose equity reaches zero has a drawdown of 100 %.

    Raises:
        UsageError: fewer than five days, no trade, or no equity.
    """
    if len(days) < DAYS_MIN or not any(days):
        raise UsageError(
            f"{len(days)} days with {sum(map(len, days))} trades: expected at least {DAYS_MIN} days and a trade; "
            "name more logs"
        )
    if equity_uusd <= 0:
        raise UsageError(f"equity is {equity_uusd / UUSD_PER_USD} USD: expected more than 0")
    totals = sorted(sum(day) for day in days)
    dice = random.Random(seed)  # noqa: S311 (a bootstrap, no secret)
    worst = sorted(_drawdown(dice.choices(days, k=horizon_days), equity_uusd) for _ in range(paths))
    reached = sum(1 for share in worst if share >= drawdown_pct / 100)
    return RuinReport(
        days=len(days),
        trades=sum(map(len, days)),
        equity_usd=equity_uusd / UUSD_PER_USD,
        horizon_days=horizon_days,
        paths=paths,
        seed=seed,
        net_usd_per_day=sum(totals) / len(totals) / UUSD_PER_USD,
        var_usd={str(level): -_quantile(totals, 100 - level) / UUSD_PER_USD for level in _LEVELS},
        shortfall_usd={str(level): -_tail_mean(totals, 100 - level) / UUSD_PER_USD for level in _LEVELS},
        drawdown_pct=drawdown_pct,
        drawdown_median_pct=100 * worst[len(worst) // 2],
        drawdown_p95_pct=100 * worst[(95 * len(worst)) // 100],
        ruin_p=reached / paths,
        ruin_p_max=ruin_p_max,
        ok=reached / paths < ruin_p_max,
    )


def _drawdown(path: Sequence[Sequence[int]], equity_uusd: int) -> float:
    """Largest fall from a peak, as a share of that peak."""
    equity = peak = equity_uusd
    worst = 0.0
    for day in path:
        for net_uusd in day:
            equity += net_uusd
            peak = max(peak, equity)
            worst = max(worst, (peak - equity) / peak)
            if equity <= 0:
                return 1.0
    return worst


def _tail_size(count: int, percent: int) -> int:
    """How many of `count` sorted values are the worst `percent`: at least one."""
    return max(1, -(-count * percent // 100))


def _quantile(values: Sequence[int], percent: int) -> int:
    return values[_tail_size(len(values), percent) - 1]


def _tail_mean(values: Sequence[int], percent: int) -> float:
    size = _tail_size(len(values), percent)
    return sum(values[:size]) / size
