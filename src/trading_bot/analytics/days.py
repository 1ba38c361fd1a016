"""Results by trade date, and the ratios and the drawdown that are defined on them."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import Final

import msgspec

from trading_bot.domain.units import NS_PER_S
from trading_bot.reports.fact_records import TradeFact

WINDOWS_DAYS: Final = (30, 63, 252)
DAYS_PER_YEAR: Final = 252


class DayResult(msgspec.Struct, frozen=True, kw_only=True):
    """One trade date (yyyymmdd) on which entries were possible; one without a trade counts, with nothing."""

    trade_date: int
    trades: int
    wins: int
    gross_uusd: int
    commission_uusd: int
    net_uusd: int


class Ratios(msgspec.Struct, frozen=True, kw_only=True):
    """Over the last `window_days` days, annualised with 252 days.

    Of daily net results in money: Sharpe is mean / standard deviation (n − 1), Sortino mean / root mean square of the
    losing days, both times sqrt(252); Calmar is mean times 252 / deepest drawdown of the window's days. On an account
    whose size hardly moves these are the ratios of its returns. None, and why, with fewer days or nothing to divide by.
    """

    window_days: int
    days: int
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    note: str = ""


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """The deepest fall of the sum of net results below its highest, from 0 before the first trade.

    `peak` and `trough` are places in the list of trades, by their ends (None: before the first). Times in ns; recovered
    None: not yet. `duration_s` is from peak to recovery, or to the last trade; `longest_s` the longest time below a
    peak, which may be another drawdown.
    """

    depth_uusd: int
    peak: int | None
    trough: int | None
    peak_ts_ns: int
    trough_ts_ns: int
    recovered_ts_ns: int | None
    duration_s: float
    longest_s: float
    now_uusd: int


def day_results(trades: Sequence[TradeFact], dates: Sequence[int]) -> tuple[DayResult, ...]:
    """One row per date in `dates` (those on which entries were possible) and per date of a trade, ascending."""
    by_date: dict[int, list[TradeFact]] = {date: [] for date in sorted({*dates, *(row.trade_date for row in trades)})}
    for trade in trades:
        by_date[trade.trade_date].append(trade)
    return tuple(
        DayResult(
            trade_date=date,
            trades=len(rows),
            wins=sum(row.win for row in rows),
            gross_uusd=sum(row.gross_uusd for row in rows),
            commission_uusd=sum(row.commission_uusd for row in rows),
            net_uusd=sum(row.net_uusd for row in rows),
        )
        for date, rows in by_date.items()
    )


def ratios(days: Sequence[DayResult], windows: Sequence[int] = WINDOWS_DAYS) -> tuple[Ratios, ...]:
    """Of the newest days, one row per window."""
    return tuple(_ratios([day.net_uusd for day in days], window) for window in windows)


def _ratios(daily_uusd: Sequence[int], window: int) -> Ratios:
    if len(daily_uusd) < window:
        note = f"{len(daily_uusd)} of {window} days with entries open: too few"
        return Ratios(window_days=window, days=len(daily_uusd), sharpe=None, sortino=None, calmar=None, note=note)
    newest = daily_uusd[-window:]
    mean, spread = fmean(newest), stdev(newest)
    downside = sqrt(fmean([min(net, 0) ** 2 for net in newest]))
    deepest = depth_of(newest)
    missing = [
        text
        for text, divisor in (("days do not differ", spread), ("no losing day", downside), ("no drawdown", deepest))
        if not divisor
    ]
    return Ratios(
        window_days=window,
        days=window,
        sharpe=mean / spread * sqrt(DAYS_PER_YEAR) if spread else None,
        sortino=mean / downside * sqrt(DAYS_PER_YEAR) if downside else None,
        calmar=mean * DAYS_PER_YEAR / deepest if deepest else None,
        note="; ".join(missing),
    )


def depth_of(results_uusd: Sequence[int]) -> int:
    """The deepest fall of the running sum below its highest so far, 0 at the start."""
    total = highest = deepest = 0
    for result in results_uusd:
        total += result
        highest = max(highest, total)
        deepest = max(deepest, highest - total)
    return deepest


def drawdown(trades: Sequence[TradeFact]) -> Drawdown:
    """Of `trades` in the order of their ends."""
    total = highest = deepest = longest_ns = 0
    peak: int | None = None  # of now
    span: tuple[int | None, int | None] = (None, None)
    recovered: int | None = None
    for place, trade in enumerate(trades):
        before, total = total, total + trade.net_uusd
        if total < highest:
            if highest - total > deepest:
                deepest, span, recovered = highest - total, (peak, place), None
            continue
        if before < highest:  # it was below, and is not any more
            longest_ns = max(longest_ns, trade.exit_ts_ns - _ts_of(trades, peak))
            recovered = place if recovered is None and span[0] == peak else recovered
        highest, peak = total, place
    below = highest - total
    if below:
        longest_ns = max(longest_ns, trades[-1].exit_ts_ns - _ts_of(trades, peak))
    peak_ns, end = _ts_of(trades, span[0]), len(trades) - 1 if recovered is None else recovered
    return Drawdown(
        depth_uusd=deepest,
        peak=span[0],
        trough=span[1],
        peak_ts_ns=peak_ns if deepest else 0,
        trough_ts_ns=0 if span[1] is None else trades[span[1]].exit_ts_ns,
        recovered_ts_ns=None if recovered is None else trades[recovered].exit_ts_ns,
        duration_s=(trades[end].exit_ts_ns - peak_ns) / NS_PER_S if deepest else 0.0,
        longest_s=longest_ns / NS_PER_S if deepest else 0.0,
        now_uusd=below,
    )


def _ts_of(trades: Sequence[TradeFact], place: int | None) -> int:
    """When a peak was reached; before the first trade's end the sum was 0 since that trade's entry."""
    if not trades:
        return 0
    return trades[0].entry_ts_ns if place is None else trades[place].exit_ts_ns
