"""Real-time bars of five seconds."""

from typing import Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.market import Record
from trading_bot.domain.records import FrameKind
from trading_bot.domain.units import NS_PER_S

BAR_NS: Final = 5 * NS_PER_S


class RealTimeBars:
    """One stream of bars of trades or of the touch: `show` is TRADES, MIDPOINT, BID or ASK. Empty ones are not sent."""

    def __init__(self, client: Client, req_id: int, row: Listed, show: str) -> None:
        """Bars end on whole five seconds."""
        self.client = client
        self.req_id = req_id
        self.row = row
        self._show = show
        self._begin_ns = 0
        self._prices: list[float] = []
        self._volume = 0
        self._turnover = 0.0

    def on_record(self, record: Record) -> None:
        """One more price."""
        self._close_until(record.ts_ns)
        points = self.row.instrument.points
        if record.kind is FrameKind.TRADE and self._show == "TRADES":
            price = points(record.price_ticks)
            self._volume += record.qty
            self._turnover += price * record.qty
        elif record.kind is FrameKind.QUOTE and self._show != "TRADES":
            bid, ask = points(record.bid_ticks), points(record.ask_ticks)
            price = {"BID": bid, "ASK": ask, "MIDPOINT": (bid + ask) / 2}[self._show]
        else:
            return
        self._begin_ns = self._begin_ns or record.ts_ns - record.ts_ns % BAR_NS
        self._prices.append(price)

    def on_time(self, now_ns: int) -> None:
        """A bar leaves when its time is over."""
        self._close_until(now_ns)

    def _close_until(self, now_ns: int) -> None:
        if not self._prices or now_ns < self._begin_ns + BAR_NS:
            return
        prices, traded = self._prices, self._show == "TRADES"
        ohlc = (prices[0], max(prices), min(prices), prices[-1])
        mean = self._turnover / self._volume if traded else prices[-1]
        tail = (self._volume, mean, len(prices)) if traded else (-1, -1.0, -1)
        self.client.send(50, 3, self.req_id, self._begin_ns // NS_PER_S, *ohlc, *tail)
        self._begin_ns, self._prices, self._volume, self._turnover = 0, [], 0, 0.0
