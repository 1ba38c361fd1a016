"""What the broker tells of the market beside the ticks, for the log: bars of 5 s, and the session's volume.

The volume is tick type 8 of the sampled stream that flows anyway. RTVolume (generic tick 233) would say the same with
every trade, and each of its messages would go through the library.
"""

import math
from typing import Final

from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.adapters.ibkr.subscriptions import BARS, NO_ID, Subscriptions
from trading_bot.domain.instruments import POINTS_E9, Instrument
from trading_bot.domain.units import NS_PER_S
from trading_bot.domain.witness_events import MarketWitnessed

BAR_NS: Final = 5 * NS_PER_S
_VOLUME: Final = 8  # tick type; 74 is that of delayed data, which is no witness of live ticks
_LATE_NS: Final = 2 * BAR_NS  # volume that changes is told alone when no bar came for so long
_SILENT_S: Final = 60.0  # bars that do not come although lots are traded are asked for again
_TICKS_TOP: Final = 2.0**31
_LOTS_TOP: Final = 2.0**53


class MarketWitness:
    """Tells a `MarketWitnessed` with each bar; where no bars come, one with the volume every ten seconds at most."""

    def __init__(self, session: IbkrSession, instrument: Instrument, subscriptions: Subscriptions) -> None:
        """`instrument` is that of the ticks. Listening begins now; requests are the subscriptions' business."""
        self._session = session
        self._instrument = instrument
        self._subscriptions = subscriptions
        self._volume = -1
        self._volume_ns = 0
        self._told_ns = 0
        self._bar_s = float("-inf")
        session.listen("realtimeBar", self._on_bar)
        session.listen("tickSize", self._on_size)

    def _on_bar(
        self,
        request_id: int,
        time_s: int,
        opened: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        _mean: float,
        trades: int,
    ) -> None:
        if request_id != self._subscriptions.bars_id != NO_ID:
            return
        self._bar_s = self._session.clock.wall_s()
        prices = [self._ticks(points) for points in (opened, high, low, close)]
        lots = _lots(volume)
        if lots is None or None in prices:  # no bar of trades: what is wrong with it nobody can say later
            return
        self._tell(time_s * NS_PER_S, [price for price in prices if price is not None], lots, max(int(trades), 0))

    def _on_size(self, request_id: int, tick_type: int, size: float) -> None:
        if tick_type != _VOLUME or request_id != self._subscriptions.sampled_id:
            return
        lots = _lots(size)
        if lots is None:
            return
        self._volume, self._volume_ns = lots, self._session.stamp()
        if self._volume_ns - self._told_ns > _LATE_NS:
            self._tell(0, [0, 0, 0, 0], 0, 0)
            self._look_at_bars()

    def _look_at_bars(self) -> None:
        """Lots are traded and no bar tells of it: the stream may have ended without a word."""
        asked = self._subscriptions
        since_s = max(self._bar_s, asked.bars_asked_s)
        if asked.bars_id != NO_ID and self._session.clock.wall_s() - since_s > _SILENT_S:
            asked.renew({BARS})

    def _tell(self, begin_ns: int, prices: list[int], lots: int, trades: int) -> None:
        self._told_ns = self._session.stamp()
        opened, high, low, close = prices
        self._session.tell(
            MarketWitnessed(
                ts_ns=0,
                instrument_id=self._instrument.id,
                bar_begin_ns=begin_ns,
                open_ticks=opened,
                high_ticks=high,
                low_ticks=low,
                close_ticks=close,
                volume=lots,
                trades=trades,
                session_volume=self._volume,
                session_volume_ns=self._volume_ns,
            )
        )

    def _ticks(self, points: float) -> int | None:
        """The nearest tick of a price; None for what is no price."""
        ticks = points * POINTS_E9 / self._instrument.tick_size_e9
        return round(ticks) if math.isfinite(ticks) and 0 < ticks < _TICKS_TOP else None


def _lots(size: float) -> int | None:
    """A volume in lots; None for what is none. A bar without trades has 0, or -1 where the broker has none to tell."""
    if not math.isfinite(size) or size >= _LOTS_TOP:
        return None
    return max(int(size), 0)
