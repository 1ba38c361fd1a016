"""What the broker said about orders, freed from the client library's objects: values in ticks and lots."""

from typing import Any, Final

import msgspec

from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.instruments import POINTS_E9, Instrument
from trading_bot.domain.orders import Side
from trading_bot.domain.units import is_whole

_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL, "BOT": Side.BUY, "SLD": Side.SELL}
_PRICE_MAX: Final = 1e9  # the library's marks for "unset" are 1.8e308 and 2^31 - 1
_LOTS_MAX: Final = 1e9  # same
_STOPS: Final = frozenset({"STP", "STP LMT", "TRAIL"})


ENDED: Final = frozenset({"Filled", "Cancelled", "ApiCancelled", "Inactive"})


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An openOrder message. `price_ticks` is the limit, of a stop its trigger, 0 of a market order."""

    order_id: int
    client_id: int
    perm_id: int
    order_ref: str
    side: Side
    total: int
    price_ticks: int
    status: str
    parent_id: int
    oca_group: str
    oca_type: int
    con_id: int
    account: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """An orderStatus message."""

    order_id: int
    client_id: int
    perm_id: int
    status: str
    filled: int
    remaining: int
    why_held: str


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """A completedOrder message; the broker gives no order id in it."""

    perm_id: int
    order_ref: str
    status: str
    why: str


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """An execDetails message. `cum_qty` counts all executions of its order; `live`: not the answer to a question."""

    exec_id: str
    order_id: int
    client_id: int
    perm_id: int
    order_ref: str
    side: Side
    qty: int
    price_ticks: int
    cum_qty: int = 0
    live: bool = True

    @property
    def base(self) -> tuple[str, int]:
        """The id without the number of the correction, and that number."""
        base, dot, number = self.exec_id.rpartition(".")
        return (base, int(number)) if dot and is_whole(number) else (self.exec_id, 0)


def ticks(points: float, instrument: Instrument) -> int:
    """Price in ticks; 0 where there is none."""
    if not 0 < points < _PRICE_MAX:
        return 0
    return round(points * POINTS_E9 / instrument.tick_size_e9)


def lots(found: float, what: str) -> int:
    """A number of contracts, cut to whole ones.

    Raises:
        DataCorrupt: no number, or one that no account has: what is held is unknown then, and is not guessed.
    """
    if not abs(found) <= _LOTS_MAX:
        raise DataCorrupt(f"the broker says {what} is {found:g}: no number of contracts; look at the account in TWS")
    return int(found)


def open_order(order_id: int, contract: Any, order: Any, state: Any, instrument: Instrument) -> OpenOrder:
    """From the library's arguments of `openOrder`."""
    points = order.auxPrice if order.orderType in _STOPS else order.lmtPrice if "LMT" in order.orderType else 0.0
    return OpenOrder(
        order_id=order_id,
        client_id=order.clientId,
        perm_id=order.permId,
        order_ref=order.orderRef,
        side=_SIDES[order.action],
        total=lots(order.totalQuantity, "the size of an order"),
        price_ticks=ticks(float(points), instrument),
        status=state.status,
        parent_id=order.parentId,
        oca_group=order.ocaGroup,
        oca_type=order.ocaType,
        con_id=contract.conId,
        account=order.account,
    )


def status_row(
    order_id: int,
    status: str,
    filled: float,
    remaining: float,
    _average: float,
    perm_id: int,
    _parent_id: int,
    _last: float,
    client_id: int,
    why_held: str,
    *_more: Any,
) -> Status:
    """From the library's arguments of `orderStatus`."""
    return Status(
        order_id=order_id,
        client_id=client_id,
        perm_id=perm_id,
        status=status,
        filled=lots(filled, "what an order has filled"),
        remaining=lots(remaining, "what an order has left"),
        why_held=why_held,
    )


def completed(order: Any, state: Any) -> Completed:
    """From the library's arguments of `completedOrder`."""
    return Completed(
        perm_id=order.permId, order_ref=order.orderRef, status=state.status, why=state.completedStatus or ""
    )


def execution(request_id: int, row: Any, instrument: Instrument) -> Execution:
    """From the library's arguments of `execDetails`."""
    return Execution(
        exec_id=row.execId,
        order_id=row.orderId,
        client_id=row.clientId,
        perm_id=row.permId,
        order_ref=row.orderRef,
        side=_SIDES[row.side],
        qty=lots(row.shares, "the size of an execution"),
        price_ticks=ticks(float(row.price), instrument),
        cum_qty=lots(row.cumQty, "what an order has executed"),
        live=request_id == -1,
    )
