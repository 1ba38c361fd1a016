"""Market depth: the touch as recorded, and levels behind it that are made up (docs/gateway.md)."""

from typing import Final

from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.market import Record
from trading_bot.domain.records import FrameKind

LEVELS_MAX: Final = 10
_INSERT, _UPDATE = 0, 1
_ASK, _BID = 0, 1


class Depth:
    """One depth stream: level 0 is the touch, each level behind it one tick farther and as large."""

    def __init__(self, client: Client, req_id: int, row: Listed, levels: int, *, smart: bool) -> None:
        """At most ten levels; `smart` depth names a venue with each."""
        self.client = client
        self.req_id = req_id
        self.row = row
        self._levels = min(levels, LEVELS_MAX)
        self._smart = smart
        self._shown: dict[tuple[int, int], tuple[int, int]] = {}

    def on_record(self, record: Record) -> None:
        """A new touch moves every level; a row is inserted before it is ever updated."""
        if record.kind is not FrameKind.QUOTE:
            return
        for level in range(self._levels):
            self._show(_BID, level, record.bid_ticks - level, record.bid_qty * (level + 1))
            self._show(_ASK, level, record.ask_ticks + level, record.ask_qty * (level + 1))

    def on_time(self, now_ns: int) -> None:
        """Nothing depends on time here."""

    def _show(self, side: int, level: int, ticks: int, size: int) -> None:
        key, value = (side, level), (ticks, size)
        if self._shown.get(key) == value:
            return
        operation = _UPDATE if key in self._shown else _INSERT
        self._shown[key] = value
        price = self.row.instrument.points(ticks)
        if self._smart:
            venue = self.row.instrument.exchange
            self.client.send(13, 1, self.req_id, level, venue, operation, side, price, size, 1)
        else:
            self.client.send(12, 1, self.req_id, level, operation, side, price, size)
