"""The legs of a bracket as the broker is to have them (specification 11): every term that matters is set.

A stop of a future rests with the broker, not at the exchange (docs/ibkr.md): PreSubmitted is where it protects.
Children and exit are one OCA group of a name used once; the exit joins it, so that the stop goes when the exit fills.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Final

import msgspec

from trading_bot.adapters.ibkr.order_index import Incarnation
from trading_bot.adapters.ibkr.references import Reference
from trading_bot.domain.effects import PlaceExit
from trading_bot.domain.events import Input
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.orders import ApprovedOrder, ClientOrderId, Leg, Side
from trading_bot.domain.trade_events import OrderFilled

OCA_CANCEL: Final = 1  # an execution cancels the rest, with block
OCA_REDUCE: Final = 2  # an execution reduces the rest, with block
_TRIGGER_LAST: Final = 2
_BUY, _SELL = Side.BUY, Side.SELL  # looking a member up in its class takes longer than what is done with it


class Shape(IntEnum):
    """What does not change from one order of its kind to the next. Numbers, because those are cheap to look up by."""

    HELD_LIMIT = 0  # a limit order for the day that waits for the rest of its bracket
    LIMIT = 1  # one that goes at once
    MARKET = 2
    STOP = 3  # good till cancelled; sending it releases what is held


_HELD, _STOP = Shape.HELD_LIMIT, Shape.STOP
_OF_SHAPE: Final[dict[Shape, dict[str, Any]]] = {
    Shape.HELD_LIMIT: {"orderType": "LMT", "tif": "DAY", "transmit": False},
    Shape.LIMIT: {"orderType": "LMT", "tif": "DAY"},
    Shape.MARKET: {"orderType": "MKT", "tif": "DAY"},
    Shape.STOP: {"orderType": "STP", "tif": "GTC", "triggerMethod": _TRIGGER_LAST},
}
PRICE_FIELD: Final[dict[Shape, str | None]] = {
    Shape.HELD_LIMIT: "lmtPrice",
    Shape.LIMIT: "lmtPrice",
    Shape.MARKET: None,
    Shape.STOP: "auxPrice",
}


class LegTerms(msgspec.Struct, frozen=True, gc=False):
    """What does change. `price_ticks` is the limit or the trigger, 0 of a market order; no group is ""."""

    shape: Shape
    side: Side
    qty: int
    price_ticks: int
    reference: str
    oca_group: str = ""
    oca_type: int = 0
    parent_id: int = 0


def oca_type(qty: int) -> int:
    """With one lot any execution ends the group; with more it takes its lots off the others."""
    return OCA_CANCEL if qty == 1 else OCA_REDUCE


def bracket(order: ApprovedOrder, group: str, entry_id: int) -> tuple[LegTerms, LegTerms, LegTerms]:
    """Entry, target and stop, in the order they are sent; the first two wait for the third.

    `group` is the bracket's name and its group's, `entry_id` the order id of the entry.
    """
    side, qty = order.side, order.qty
    away, kind = _SELL if side is _BUY else _BUY, oca_type(qty)
    return (
        LegTerms(_HELD, side, qty, order.limit_ticks, f"{group}-E"),
        LegTerms(_HELD, away, qty, order.target_price_ticks, f"{group}-T", group, kind, entry_id),
        LegTerms(_STOP, away, qty, order.stop_price_ticks, f"{group}-S", group, kind, entry_id),
    )


def changed(order: Incarnation, reference: Reference, *, price_ticks: int, qty: int) -> LegTerms:
    """A child at another price or for other lots: everything else as it was sent."""
    shape = Shape.STOP if reference.leg is Leg.STOP else Shape.LIMIT
    group, kind = order.oca_group, order.oca_type
    return LegTerms(shape, order.side, qty, price_ticks, str(reference), group, kind, order.parent_id)


def leaving(effect: PlaceExit, reference: Reference, member: Incarnation | None) -> LegTerms:
    """A limit order, or a market order, in the group of `member`; without one it stands alone."""
    shape = Shape.MARKET if effect.limit_ticks is None else Shape.LIMIT
    group, kind = (member.oca_group, member.oca_type) if member is not None and member.oca_group else ("", 0)
    return LegTerms(shape, effect.side, effect.qty, effect.limit_ticks or 0, str(reference), group, kind)


def closes(unheard: Iterable[Input], order_id: ClientOrderId) -> bool:
    """Is a fill of the bracket's stop, target or exit among inputs that the core has not heard yet?

    All of one packet has one stamp, so that time alone does not tell what an exit was decided before.
    """
    return any(
        isinstance(one, OrderFilled) and one.order_id == order_id and one.leg is not Leg.ENTRY for one in unheard
    )


class OrderForm:
    """Orders of one account and instrument, as the client library has them."""

    def __init__(self, library: Any, account: str, instrument: Instrument) -> None:
        """`library` is the client library's module."""
        self.instrument = instrument
        self._library = library
        self._account = account

    def order(self, terms: LegTerms) -> Any:
        """The library's order of these terms."""
        own = dict(_OF_SHAPE[terms.shape])
        if (price := PRICE_FIELD[terms.shape]) is not None:
            own[price] = self.instrument.points(terms.price_ticks)
        return self._library.Order(
            action=terms.side.value,
            totalQuantity=terms.qty,
            outsideRth=True,
            account=self._account,
            orderRef=terms.reference,
            parentId=terms.parent_id,
            ocaGroup=terms.oca_group,
            ocaType=terms.oca_type,
            **own,
        )

    def what_if(self) -> Any:
        """A question about the margin of one lot; nothing is placed by it."""
        return self._library.Order(
            action=Side.BUY.value,
            totalQuantity=1,
            orderType="MKT",
            tif="DAY",
            account=self._account,
            outsideRth=True,
            whatIf=True,
        )
