"""One order at the broker: what was asked, how much of it is in force, what became of it."""

from enum import StrEnum
from typing import Final

import msgspec

from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.domain.instruments import Instrument


class Status(StrEnum):
    """As orderStatus and openOrder name them."""

    PRE_SUBMITTED = "PreSubmitted"  # with the broker, not at the exchange
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    CANCELLED = "Cancelled"
    FILLED = "Filled"
    INACTIVE = "Inactive"  # refused


ENDED: Final = frozenset({Status.CANCELLED, Status.FILLED, Status.INACTIVE})

STOP_TYPES: Final = frozenset({"STP", "STP LMT", "TRAIL"})  # what the broker holds until it triggers
ORDER_TYPES: Final = STOP_TYPES | {"LMT", "MKT"}
TIFS: Final = frozenset({"DAY", "GTC", "IOC"})


class Execution(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fill, as it is told now and to whoever asks later. `value_ticks` and counts are as of this fill.

    `commission_uusd` and `realized_uusd` belong to the commission report; `realized_uusd` is None for an opening fill.
    """

    exec_id: str
    ts_ns: int
    order_id: int
    client_id: int
    perm_id: int
    con_id: int
    symbol: str
    account: str
    exchange: str
    side: int
    qty: int
    price_ticks: int
    cum_qty: int
    value_ticks: int
    order_ref: str
    maker: bool
    commission_uusd: int
    realized_uusd: int | None


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order at one moment, for the messages about it. Prices are points."""

    request: OrderRequest
    listed: Listed
    client_id: int
    order_id: int
    perm_id: int
    parent_id: int
    parent_perm_id: int
    status: str
    why_held: str
    total: int
    filled: int
    remaining: int
    avg_fill_points: float
    last_fill_points: float
    limit_points: float
    aux_points: float
    trail_stop_points: float | None
    tif: str
    oca_group: str
    oca_type: int
    account: str
    completed_ns: int = 0
    completed_text: str = ""


class Order:
    """A placed order. Quantities are lots, prices ticks of its contract, times ns since the epoch.

    `asked` is what the client wants in all; of it `released` may trade (a child's lots follow its parent's fills) and
    `reduced` were taken away by fills of its OCA group.
    """

    __slots__ = (
        "accepted",
        "asked",
        "aux_ticks",
        "cancel_asked",
        "children",
        "client_id",
        "day_end_ns",
        "ended_ns",
        "ended_text",
        "filled",
        "filled_before",
        "group",
        "handle",
        "last_fill_ticks",
        "limit_ticks",
        "listed",
        "oca_type",
        "older",
        "order_id",
        "parent",
        "perm_id",
        "reduced",
        "released",
        "request",
        "sent",
        "side",
        "status",
        "stop_ticks",
        "tif",
        "triggered",
        "value_ticks",
        "was_routed",
        "withheld",
    )

    def __init__(self, request: OrderRequest, client_id: int, listed: Listed, perm_id: int) -> None:
        self.client_id = client_id
        self.order_id = request.order_id
        self.perm_id = perm_id
        self.listed = listed
        self.side = 1 if request.action == "BUY" else -1
        self.parent: Order | None = None
        self.children: list[Order] = []
        self.older: Order | None = None  # whose twin it is (twin_orders)
        self.group = ""  # name of its OCA group
        self.oca_type = 0
        self.asked = int(request.qty)
        self.released = 0
        self.reduced = 0
        self.withheld = 0  # lots a fault keeps from trading for now (hold_lots)
        self.filled = 0
        self.filled_before = 0  # of them, before it was put to the exchange as it is there now
        self.value_ticks = 0  # sum of price x lots of its fills
        self.last_fill_ticks = 0
        self.triggered = False
        self.day_end_ns = 0  # when a DAY order ends
        self.sent = False  # it has left the gateway
        self.accepted = False  # the broker has it
        self.cancel_asked = False
        self.status = Status.PRE_SUBMITTED
        self.ended_ns = 0
        self.ended_text = ""
        self.was_routed = False  # it has been at the exchange
        self.handle = 0  # at the exchange; 0: not there
        self.take(request)

    def take(self, request: OrderRequest) -> None:
        """Prices and terms of a placement or change."""
        self.request = request
        self.tif = request.tif or "DAY"
        self.limit_ticks = self._ticks(request.limit_points) if request.order_type in {"LMT", "STP LMT"} else 0
        self.aux_ticks = self._ticks(request.aux_points)
        self.stop_ticks = self.aux_ticks if request.order_type in {"STP", "STP LMT"} else 0
        if request.order_type == "TRAIL":
            self.stop_ticks = self._ticks(request.trail_stop_points)

    def _ticks(self, points: float | None) -> int:
        return 0 if points is None else round(points * 1_000_000_000 / self.listed.instrument.tick_size_e9)

    def points(self, ticks: int) -> float:
        """Price in points of a price in ticks."""
        return self.listed.instrument.points(ticks)

    @property
    def leg(self) -> str:
        """E: has children; S and T: a child that is a stop, or none; X: it stands alone."""
        if self.parent is not None:
            return "S" if self.request.order_type in STOP_TYPES else "T"
        return "E" if self.children else "X"

    @property
    def is_stop(self) -> bool:
        """Held by the broker until its price is reached, and not there yet."""
        return self.request.order_type in STOP_TYPES and not self.triggered

    @property
    def ended(self) -> bool:
        """Nothing can happen to it any more."""
        return self.status in ENDED

    @property
    def may_grow(self) -> bool:
        """Can its parent still fill?"""
        return self.parent is not None and not self.parent.ended

    @property
    def total(self) -> int:
        """Lots of the order as it is told: a child's follow its parent's fills once there are some."""
        waiting = self.released == 0 and self.may_grow
        lots = self.asked if waiting or not self.accepted else self.released
        return max(lots - self.reduced, self.filled)

    @property
    def open(self) -> int:
        """Lots that may trade now; below 0 when its group has taken lots that its parent has yet to fill."""
        return self.released - self.reduced - self.filled - self.withheld

    @property
    def wanted(self) -> int:
        """Lots that may still trade, those included that wait for the parent."""
        return self.asked - self.reduced - self.filled

    @property
    def spent(self) -> bool:
        """Can it trade no more?"""
        return self.wanted <= 0 or (self.open <= 0 and not self.withheld and not self.may_grow)

    def why_held(self) -> str:
        """Why the broker keeps it from the exchange."""
        if self.status is not Status.PRE_SUBMITTED:
            return ""
        if self.parent is not None and self.released == 0:
            return "child"
        return "trigger" if self.is_stop else ""

    def view(self, account: str, status: Status | None = None) -> OrderView:
        """The order as it stands, for messages."""
        trail = self.request.order_type == "TRAIL"
        return OrderView(
            request=self.request,
            listed=self.listed,
            client_id=self.client_id,
            order_id=self.order_id,
            perm_id=self.perm_id,
            parent_id=self.request.parent_id,
            parent_perm_id=self.parent.perm_id if self.parent is not None else 0,
            status=status or self.status,
            why_held=self.why_held(),
            total=self.total,
            filled=self.filled,
            remaining=max(self.total - self.filled, 0),
            avg_fill_points=average_points(self.listed.instrument, self.value_ticks, self.filled),
            last_fill_points=self.points(self.last_fill_ticks),
            limit_points=self.points(self.limit_ticks),
            aux_points=self.points(self.aux_ticks),
            trail_stop_points=self.points(self.stop_ticks) if trail and self.stop_ticks else None,
            tif=self.tif,
            oca_group=self.group,
            oca_type=self.oca_type,
            account=account,
            completed_ns=self.ended_ns,
            completed_text=self.ended_text,
        )


def average_points(instrument: Instrument, value_ticks: int, qty: int) -> float:
    """Average price of `qty` lots with the sum `value_ticks`, in points, to eight places as it is told; 0.0 of none."""
    return round(value_ticks * instrument.tick_size_e9 / 1_000_000_000 / qty, 8) if qty else 0.0
