"""The legs of a bracket as orders of the client library (specification 11): every term that matters is set.

A stop of a future rests with the broker, not at the exchange (docs/ibkr.md): PreSubmitted is where it protects.
Children and exit are one OCA group of a name used once; the exit joins it, so that the stop goes when the exit fills.
"""

from typing import Any, Final

from trading_bot.adapters.ibkr.order_index import Incarnation
from trading_bot.adapters.ibkr.references import Reference
from trading_bot.domain.effects import PlaceExit
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.orders import ApprovedOrder, Leg, Side

OCA_CANCEL: Final = 1  # an execution cancels the rest, with block
OCA_REDUCE: Final = 2  # an execution reduces the rest, with block
_TRIGGER_LAST: Final = 2
_OPPOSITE: Final = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


def oca_type(qty: int) -> int:
    """With one lot any execution ends the group; with more it takes its lots off the others."""
    return OCA_CANCEL if qty == 1 else OCA_REDUCE


class OrderForm:
    """Orders of one account and instrument."""

    def __init__(self, library: Any, account: str, instrument: Instrument) -> None:
        """`library` is the client library's module."""
        self._library = library
        self._account = account
        self._instrument = instrument

    def entry(self, order: ApprovedOrder, reference: Reference) -> Any:
        """The parent: a limit order for the day. Held back until its last child is sent."""
        terms = self._terms(order.side, order.qty, reference, "DAY")
        return self._limit(terms, order.limit_ticks, transmit=False)

    def target(self, order: ApprovedOrder, reference: Reference, parent_id: int) -> Any:
        """The limit order that takes the profit."""
        terms = self._terms(_OPPOSITE[order.side], order.qty, reference, "DAY")
        terms.update(parentId=parent_id, ocaGroup=reference.group, ocaType=oca_type(order.qty))
        return self._limit(terms, order.target_price_ticks, transmit=False)

    def stop(self, order: ApprovedOrder, reference: Reference, parent_id: int) -> Any:
        """The protection; sending it releases the three together."""
        terms = self._terms(_OPPOSITE[order.side], order.qty, reference, "GTC")
        terms.update(parentId=parent_id, ocaGroup=reference.group, ocaType=oca_type(order.qty))
        return self._stop(terms, order.stop_price_ticks)

    def changed(self, order: Incarnation, reference: Reference, *, price_ticks: int, qty: int) -> Any:
        """A child at another price or for other lots: everything else as it was sent."""
        stop = reference.leg is Leg.STOP
        terms = self._terms(order.side, qty, reference, "GTC" if stop else "DAY")
        terms.update(parentId=order.parent_id, ocaGroup=order.oca_group, ocaType=order.oca_type)
        return self._stop(terms, price_ticks) if stop else self._limit(terms, price_ticks, transmit=True)

    def exit(self, effect: PlaceExit, reference: Reference, member: Incarnation | None) -> Any:
        """A limit order, or a market order, in the group of `member`; without one it stands alone."""
        terms = self._terms(effect.side, effect.qty, reference, "DAY")
        if member is not None and member.oca_group:
            terms.update(ocaGroup=member.oca_group, ocaType=member.oca_type)
        if effect.limit_ticks is None:
            return self._library.Order(orderType="MKT", **terms)
        return self._limit(terms, effect.limit_ticks, transmit=True)

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

    def _limit(self, terms: dict[str, Any], price_ticks: int, *, transmit: bool) -> Any:
        points = self._instrument.points(price_ticks)
        return self._library.Order(orderType="LMT", lmtPrice=points, transmit=transmit, **terms)

    def _stop(self, terms: dict[str, Any], price_ticks: int) -> Any:
        points = self._instrument.points(price_ticks)
        return self._library.Order(orderType="STP", auxPrice=points, triggerMethod=_TRIGGER_LAST, **terms)

    def _terms(self, side: Side, qty: int, reference: Reference, time_in_force: str) -> dict[str, Any]:
        return {
            "action": side.value,
            "totalQuantity": qty,
            "tif": time_in_force,
            "outsideRth": True,
            "account": self._account,
            "orderRef": str(reference),
        }
