"""Market depth: the touch as recorded, and levels behind it that are made up (docs/gateway.md)."""

from typing import Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.market import Record
from trading_bot.domain.records import FrameKind

LEVELS_MAX: Final = 10
_INSERT, _UPDATE = 0, 1
_ASK, _BID = 0, 1
_SIZES: Final = 97  # sizes behind the touch: of every price its own, from 20 to 116
_SIZE_MIN: Final = 20


class Depth:
    """One depth stream: level 0 is the touch, each level behind it one tick farther."""

    name = "Depth"

    def __init__(self, client: Client, req_id: int, row: Listed, levels: int, *, smart: bool) -> None:
        """At most ten levels; `smart` depth names a venue with each."""
        self.client = client
        self.req_id = req_id
        self.row = row
        self._levels = min(levels, LEVELS_MAX)
        self._smart = smart
        self._shown: dict[tuple[int, int], tuple[int, int]] = {}

    def on_record(self, record: Record) -> None:
        """A new price moves every level of its side, a new size the first; a row is inserted before it is updated."""
        if record.kind is FrameKind.QUOTE:
            self._side(_BID, record.bid_ticks, record.bid_qty, -1)
            self._side(_ASK, record.ask_ticks, record.ask_qty, 1)

    def on_time(self, now_ns: int) -> None:
        """Nothing depends on time here."""

    def _side(self, side: int, touch_ticks: int, qty: int, step: int) -> None:
        before = self._shown.get((side, 0))
        if before == (touch_ticks, qty):
            return
        self._show(side, 0, touch_ticks, qty)
        if before is not None and before[0] == touch_ticks:
            return
        for level in range(1, self._levels):
            ticks = touch_ticks + step * level
            self._show(side, level, ticks, size_behind(ticks))

    def _show(self, side: int, level: int, ticks: int, size: int) -> None:
        key = (side, level)
        operation = _UPDATE if key in self._shown else _INSERT
        self._shown[key] = (ticks, size)
        price = self.row.instrument.points(ticks)
        if self._smart:
            venue = self.row.instrument.exchange
            self.client.send(13, 1, self.req_id, level, venue, operation, side, price, size, 1)
        else:
            self.client.send(12, 1, self.req_id, level, operation, side, price, size)


def size_behind(ticks: int) -> int:
    """Contracts at a price behind the touch: the same whenever the price is there."""
    return _SIZE_MIN + ticks * 37 % _SIZES
