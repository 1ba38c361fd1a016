"""The quotes that exits are measured against, from the market recorded in the logs (`decomposition`)."""

from pathlib import Path

from trading_bot.analytics.decomposition import Touch
from trading_bot.domain.orders import Leg
from trading_bot.reports.fact_records import Facts
from trading_bot.reports.market_path import read_market_path


def exit_touches(facts: Facts) -> dict[tuple[str, int], Touch]:
    """By (log, number): the quote at which each exit was sent, and at which each stop and target was executed.

    Every log with a trade is walked once, ticks and all. What had no quote is left out.

    Raises:
        UsageError: a log is gone.
        LogCorrupt: a damaged record.
    """
    asked: dict[str, dict[int, int]] = {}  # log -> number -> time
    for order in facts.orders:
        if order.leg == Leg.EXIT.value:
            asked.setdefault(order.log, {})[order.seq] = order.ts_ns
    for fill in facts.fills:
        if fill.leg in (Leg.STOP.value, Leg.TARGET.value):
            asked.setdefault(fill.log, {})[fill.seq] = fill.ts_ns
    found: dict[tuple[str, int], Touch] = {}
    for log, times in asked.items():
        path = read_market_path(Path(log), times.values())
        for seq, ts_ns in times.items():
            touch = path.touches.get(ts_ns)
            if touch is not None:
                found[log, seq] = (touch.bid_ticks, touch.ask_ticks)
    return found
