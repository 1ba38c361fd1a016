"""Real-time bars of five seconds."""

from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.bars import Bar, bar_of_price, bar_of_trade
from trading_bot.adapters.gateway.book import halves_of
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.history import is_regular
from trading_bot.adapters.gateway.market import Record
from trading_bot.domain.records import FrameKind
from trading_bot.domain.units import NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

BAR_NS: Final = 5 * NS_PER_S


class RealTimeBars:
    """One stream of bars of trades or of the touch. A bar in which nothing happened is not sent."""

    name = "Bars"

    def __init__(
        self, gateway: "Gateway", client: Client, req_id: int, row: Listed, show: str, *, regular: bool
    ) -> None:
        """Bars end on whole five seconds; `show` is TRADES, MIDPOINT, BID or ASK, `regular` leaves out the night."""
        self.client = client
        self.req_id = req_id
        self.row = row
        self._calendar = gateway.contracts.calendar
        self._show = show
        self._regular = regular
        self._bar: Bar | None = None

    def on_record(self, record: Record) -> None:
        """One more price."""
        trade = record.kind is FrameKind.TRADE
        if trade is not (self._show == "TRADES"):
            return
        self._close_until(record.ts_ns)
        begin_ns = record.ts_ns - record.ts_ns % BAR_NS
        if trade and self._bar is not None:
            self._bar.take_trade(record.price_ticks, record.qty)
        elif trade:
            self._bar = bar_of_trade(begin_ns, record.price_ticks, record.qty)
        elif self._bar is not None:
            self._bar.take_price(halves_of(record, self._show))
        else:
            self._bar = bar_of_price(begin_ns, halves_of(record, self._show))

    def on_time(self, now_ns: int) -> None:
        """A bar leaves when its time is over."""
        self._close_until(now_ns)

    def _close_until(self, now_ns: int) -> None:
        bar = self._bar
        if bar is None or now_ns < bar.begin_ns + BAR_NS:
            return
        self._bar = None
        if self._regular and not is_regular(self._calendar, bar.begin_ns):
            return
        instrument = self.row.instrument
        tail = (bar.volume, bar.mean(instrument), bar.count) if self._show == "TRADES" else (-1, -1.0, -1)
        self.client.send(50, 3, self.req_id, bar.begin_ns // NS_PER_S, *bar.ohlc(instrument), *tail)
