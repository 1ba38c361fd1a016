"""What a set of trades comes to. Sums are integer micro-dollars; means and ratios are floats, for people."""

from collections.abc import Sequence
from statistics import fmean, median, stdev

import msgspec

from trading_bot.analytics.samples import RESAMPLES, SEED, Interval, mean_interval, share_interval
from trading_bot.domain.units import NS_PER_S
from trading_bot.reports.fact_records import TradeFact


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """A set of trades of one kind. A win earned more than its commission; a flat one nets exactly nothing.

    None is where the sample does not say: no trade, no loss to divide by, fewer than two values. Hold times in seconds,
    excursions and slippage in ticks.
    """

    trades: int
    lots: int
    wins: int
    losses: int
    flat: int
    win_rate: float | None
    win_rate_interval: Interval | None
    gross_uusd: int
    commission_uusd: int
    net_uusd: int
    won_uusd: int
    lost_uusd: int
    profit_factor: float | None
    average_win_uusd: float | None
    average_loss_uusd: float | None
    payoff: float | None
    expectancy_uusd: float | None
    expectancy_interval: Interval | None
    sd_uusd: float | None
    median_uusd: float | None
    best_uusd: int | None
    worst_uusd: int | None
    hold_mean_s: float | None
    hold_median_s: float | None
    mae_mean_ticks: float | None
    mfe_mean_ticks: float | None
    slippage_mean_ticks: float | None
    wins_in_row: int
    losses_in_row: int


def metrics(trades: Sequence[TradeFact], *, seed: int = SEED, resamples: int = RESAMPLES) -> Metrics:
    """Of `trades` in the order given; `resamples` 0 leaves the interval of the expectancy out."""
    nets = [row.net_uusd for row in trades]
    won, lost = [net for net in nets if net > 0], [-net for net in nets if net < 0]
    holds = [row.hold_ns / NS_PER_S for row in trades]
    average_win, average_loss = _mean(won), _mean(lost)
    return Metrics(
        trades=len(trades),
        lots=sum(row.qty for row in trades),
        wins=len(won),
        losses=len(lost),
        flat=len(nets) - len(won) - len(lost),
        win_rate=len(won) / len(nets) if nets else None,
        win_rate_interval=share_interval(len(won), len(nets)),
        gross_uusd=sum(row.gross_uusd for row in trades),
        commission_uusd=sum(row.commission_uusd for row in trades),
        net_uusd=sum(nets),
        won_uusd=sum(won),
        lost_uusd=sum(lost),
        profit_factor=sum(won) / sum(lost) if lost else None,
        average_win_uusd=average_win,
        average_loss_uusd=average_loss,
        payoff=average_win / average_loss if average_win is not None and average_loss else None,
        expectancy_uusd=_mean(nets),
        expectancy_interval=mean_interval(nets, seed=seed, resamples=resamples) if resamples else None,
        sd_uusd=stdev(nets) if len(nets) > 1 else None,
        median_uusd=float(median(nets)) if nets else None,
        best_uusd=max(nets, default=None),
        worst_uusd=min(nets, default=None),
        hold_mean_s=_mean(holds),
        hold_median_s=median(holds) if holds else None,
        mae_mean_ticks=_mean([row.mae_ticks for row in trades if row.mae_ticks is not None]),
        mfe_mean_ticks=_mean([row.mfe_ticks for row in trades if row.mfe_ticks is not None]),
        slippage_mean_ticks=_mean([row.slippage_ticks for row in trades]),
        wins_in_row=_longest([net > 0 for net in nets]),
        losses_in_row=_longest([net < 0 for net in nets]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _longest(hits: Sequence[bool]) -> int:
    longest = run = 0
    for hit in hits:
        run = run + 1 if hit else 0
        longest = max(longest, run)
    return longest
