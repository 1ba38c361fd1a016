"""The bars before a simulated market, for the warm-up."""

from itertools import groupby

from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.bars import MinuteBar, pack_bars
from trading_bot.domain.events import HistoryLoaded
from trading_bot.engines.session import SessionTable


def sim_history(feed: SimFeed, calendar: SessionTable, sessions: int, ts_ns: int) -> list[HistoryLoaded]:
    """One event per trade date: `sessions` of them, and what the feed's own session has before its start."""

    def trade_date(bar: MinuteBar) -> int:
        day = calendar.trading_day(bar.ts_open_ns)
        return day.trade_date if day is not None else 0

    found = []
    for date, bars in groupby(feed.history_bars(sessions), key=trade_date):
        rows = list(bars)
        found.append(HistoryLoaded(ts_ns=ts_ns, source=f"sim {date}", count=len(rows), bars=pack_bars(rows)))
    return found
