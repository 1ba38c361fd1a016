"""Orders as bytes, ready but for what differs from one to the next: cut out of what the client library itself sends.

With each connection the library is asked for one order of each shape and side with values that stand nowhere else in
it; where they stand in its bytes is where ours go. So the protocol's version and the library's ways are the library's
business. What was cut must then give, for other orders, exactly the bytes that the library gives; else it is not used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final

from trading_bot._fast.orderframe import BracketFrame, OrderFrame
from trading_bot.adapters.ibkr.bracket import PRICE_FIELD, LegTerms, OrderForm, Shape, oca_type
from trading_bot.adapters.ibkr.outbox import framed
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.orders import Side

_BUY, _MARKET = Side.BUY, Shape.MARKET
_HELD, _STOP = Shape.HELD_LIMIT, Shape.STOP
_END: Final = "\0"  # of every field
_ORDER_ID: Final = 1_918_273_601
_PRICE: Final = 918_273.603
# Values that no order has and that differ from each other, by the library's name of the field.
_MARKS: Final[dict[str, Any]] = {
    "totalQuantity": 1_918_273_602,
    "ocaGroup": "gap-group",
    "orderRef": "gap-reference",
    "parentId": 1_918_273_604,
    "ocaType": 1_918_273_605,
}
_TEXTS_MAX: Final = 10_000
# As they come in the message, which is the order of `OrderFrame`'s gaps.
_GAPS: Final = ("orderId", "totalQuantity", "price", "ocaGroup", "orderRef", "parentId", "ocaType")
# Order id, lots, price in ticks, reference, group, its type, parent.
_SAMPLES: Final = (
    (1, 1, 24_001, "tb00000000.261125-1-0-S", "tb00000000.261125-1-0", 1, 7),
    (2_147_483_646, 250, -3, "tbffffffff.991231-999999999999-1-X", "", 0, 0),
)


class TemplateMismatchError(Exception):
    """The library's bytes are not of the form that templates have."""


class OrderTemplates:
    """Frames of one connection, account and contract."""

    def __init__(
        self, buys: list[OrderFrame], sells: list[OrderFrame], cancel: tuple[bytes, bytes], instrument: Instrument
    ) -> None:
        """Frames by the number of their shape; `cancel` is what stands before and after the order id of a cancel."""
        self._buys, self._sells = buys, sells
        self._to_buy = BracketFrame(buys[_HELD], sells[_HELD], sells[_STOP])
        self._to_sell = BracketFrame(sells[_HELD], buys[_HELD], buys[_STOP])
        self._before, self._after = cancel
        self._points = instrument.points
        self._texts: dict[int, str] = {}

    def order(self, order_id: int, terms: LegTerms) -> bytes:
        """The frame that places an order, or changes the one with this id."""
        shape = terms.shape
        return (self._buys if terms.side is _BUY else self._sells)[shape].render(
            order_id,
            terms.qty,
            "" if shape is _MARKET else self._texts.get(terms.price_ticks) or self._text(terms.price_ticks),
            terms.oca_group,
            terms.reference,
            terms.parent_id,
            terms.oca_type,
        )

    def bracket(
        self, side: Side, qty: int, entry_ticks: int, target_ticks: int, stop_ticks: int, group: str, entry_id: int
    ) -> bytes:
        """The three frames of `bracket.bracket` with order ids in a row. Prices in ticks, `side` is the entry's."""
        texts, text = self._texts, self._text
        return (self._to_buy if side is _BUY else self._to_sell).render(
            entry_id,
            qty,
            texts.get(entry_ticks) or text(entry_ticks),
            texts.get(target_ticks) or text(target_ticks),
            texts.get(stop_ticks) or text(stop_ticks),
            group,
            oca_type(qty),
        )

    def _text(self, price_ticks: int) -> str:
        """A price as the library writes it; kept, because prices come again."""
        if len(self._texts) >= _TEXTS_MAX:
            self._texts.clear()
        text = self._texts[price_ticks] = str(self._points(price_ticks))
        return text

    def cancel(self, order_id: int) -> bytes:
        """The frame that withdraws an order."""
        return framed(b"%b%d%b" % (self._before, order_id, self._after))


def cut_templates(client: Any, contract: Any, form: OrderForm) -> OrderTemplates:
    """Templates of what this client sends now; nothing is sent.

    Raises:
        TemplateMismatchError: it sends something that cannot be cut so, or not always the same.
    """
    with _recorded(client) as sent:
        buys, sells = ([_frame(client, contract, form, sent, shape, side) for shape in Shape] for side in Side)
        client.cancelOrder(_ORDER_ID)
        before, found, after = sent.pop().partition(str(_ORDER_ID))
        if not found:
            raise TemplateMismatchError("a cancel does not name its order")
        templates = OrderTemplates(buys, sells, (before.encode(), after.encode()), form.instrument)
        _verify(client, contract, form, sent, templates)
    _verify_brackets(templates)
    return templates


def _frame(client: Any, contract: Any, form: OrderForm, sent: list[str], shape: Shape, side: Side) -> OrderFrame:
    """Between the values that were put in."""
    order = form.order(LegTerms(shape, side, 1, 1, ""))
    for name, mark in _MARKS.items():
        setattr(order, name, mark)
    setattr(order, PRICE_FIELD[shape] or "lmtPrice", _PRICE)  # a market order has an empty one
    client.placeOrder(_ORDER_ID, contract, order)
    fields = sent.pop().split(_END)
    marks = [str({**_MARKS, "orderId": _ORDER_ID, "price": _PRICE}[name]) for name in _GAPS]
    places = [place for place, field in enumerate(fields) if field in marks]
    if [fields[place] for place in places] != marks:
        raise TemplateMismatchError(f"a {shape.name} order has {', '.join(_GAPS)} not once each and in this order")
    pieces = [_END.join(["", *fields[before + 1 : after], ""]) for before, after in pairwise(places)]
    head = _END.join([*fields[: places[0]], ""])
    tail = _END.join(["", *fields[places[-1] + 1 :]])
    return OrderFrame([piece.encode() for piece in (head, *pieces, tail)])


def _verify(client: Any, contract: Any, form: OrderForm, sent: list[str], templates: OrderTemplates) -> None:
    """Byte for byte, for orders that were not used in cutting."""
    for order_id, qty, price_ticks, reference, group, kind, parent_id in _SAMPLES:
        client.cancelOrder(order_id)
        if templates.cancel(order_id) != framed(sent.pop().encode()):
            raise TemplateMismatchError("a cancel comes out different from the library's")
        for shape in Shape:
            for side in Side:
                terms = LegTerms(shape, side, qty, price_ticks, reference, group, kind, parent_id)
                client.placeOrder(order_id, contract, form.order(terms))
                if templates.order(order_id, terms) != framed(sent.pop().encode()):
                    raise TemplateMismatchError(f"a {shape.name} order comes out different from the library's")


def _verify_brackets(templates: OrderTemplates) -> None:
    """One piece is what its three orders are, which were held to the library's before."""
    for side, away in ((Side.BUY, Side.SELL), (Side.SELL, Side.BUY)):
        for first, qty, group in ((9, 1, "tb00000000.261125-1-0"), (999_999_998, 12, "tb00000000.261125-77-1")):
            kind = oca_type(qty)
            legs = (
                LegTerms(_HELD, side, qty, 24_001, f"{group}-E"),
                LegTerms(_HELD, away, qty, 24_013, f"{group}-T", group, kind, first),
                LegTerms(_STOP, away, qty, 23_993, f"{group}-S", group, kind, first),
            )
            expected = b"".join(templates.order(first + number, leg) for number, leg in enumerate(legs))
            if templates.bracket(side, qty, 24_001, 24_013, 23_993, group, first) != expected:
                raise TemplateMismatchError("a bracket comes out different from its orders")


@contextmanager
def _recorded(client: Any) -> Iterator[list[str]]:
    """What the client sends goes into a list instead."""
    sent: list[str] = []
    before = client.sendMsg
    client.sendMsg = sent.append
    try:
        yield sent
    finally:
        client.sendMsg = before
