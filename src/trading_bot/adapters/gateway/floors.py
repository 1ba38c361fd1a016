"""The markets that orders trade in: one floor for each contract somebody has ordered."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.account import Account
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.floor import Floor, OnFill
from trading_bot.domain.records import FrameKind
from trading_bot.domain.units import NS_PER_MS

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway
    from trading_bot.adapters.gateway.record import Record

STOP_LATENCY_NS: Final = 5 * NS_PER_MS  # from a trigger to the exchange


class Floors:
    """Floors by contract."""

    def __init__(
        self,
        gateway: "Gateway",
        account: Account,
        *,
        fee_per_side_uusd: Callable[[], int],
        now: Callable[[], int],
        on_fill: OnFill,
    ) -> None:
        """`now()` is market time in ns; `on_fill` hears each execution (floor.py)."""
        self._gateway = gateway
        self._account = account
        self._fee_uusd = fee_per_side_uusd
        self._now = now
        self._on_fill = on_fill
        self._floors: dict[int, Floor] = {}  # by conId

    def __iter__(self) -> Iterator[Floor]:
        return iter(self._floors.values())

    def first(self) -> Floor | None:
        """The one where something happens by itself first."""
        return min(self, key=lambda one: one.next_due_ns, default=None)

    def of(self, listed: Listed) -> Floor:
        """The contract's market; its first order opens it, at the touch of that moment."""
        floor = self._floors.get(listed.con_id)
        if floor is None:
            market = self._gateway.market
            floor = Floor(listed, self._gateway.config.seed, self._fee_uusd(), STOP_LATENCY_NS, self._on_fill)
            self._floors[listed.con_id] = floor
            touch, last_ticks = market.touch(listed.con_id), market.last(listed.con_id)
            if last_ticks:
                self._account.marks[listed.con_id] = last_ticks
                floor.on_trade(self._now(), last_ticks, 1, 0)
            floor.on_quote(self._now(), *touch)
        return floor

    def on_record(self, underlying: str, record: "Record", meet: Callable[..., None]) -> None:
        """One record of the market; `meet(floor, on_trade=)` looks at the stops of a floor."""
        for floor in self:
            if floor.listed.instrument.underlying != underlying:
                continue
            trade = record.kind is FrameKind.TRADE
            if trade:
                floor.last_ticks = record.price_ticks
                self._account.marks[floor.listed.con_id] = record.price_ticks
            else:
                floor.quote = (record.bid_ticks, record.bid_qty, record.ask_ticks, record.ask_qty)
            # Stops meet a record before anything that rests does.
            meet(floor, on_trade=trade)
            if trade:
                floor.on_trade(record.ts_ns, record.price_ticks, record.qty, record.aggressor)
            else:
                floor.on_quote(record.ts_ns, *floor.quote)
