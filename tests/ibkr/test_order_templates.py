"""Orders from templates are the library's own bytes, whatever the order (EX06); what cannot be cut goes by the library.

What an order has to say is written down here a second time, from specification 11, and serialised by the library.
"""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.worlds import ID, TAG, TICKS, IbkrWorld
from tests.gateway.clients import HIGHEST
from trading_bot.adapters.ibkr import bracket, order_sender
from trading_bot.adapters.ibkr.bracket import LegTerms, OrderForm, Shape
from trading_bot.adapters.ibkr.library import library, part
from trading_bot.adapters.ibkr.order_index import Incarnation
from trading_bot.adapters.ibkr.order_templates import TemplateMismatchError, cut_templates
from trading_bot.adapters.ibkr.references import Reference
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.effects import PlaceExit
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.orders import Leg, Side

VERSIONS = sorted({157, 158, 160, 163, 166, 169, 176, HIGHEST})
IDS = st.integers(1, 2**31 - 2)
LOTS = st.integers(1, 2**31 - 2)
PRICES = st.integers(-(10**6), 10**7)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
SIDES = st.sampled_from(Side)
KINDS = st.sampled_from([1, 2])


class Wire:
    """A library's client at a version, whose messages are kept instead of sent."""

    def __init__(self, version=HIGHEST, symbol="MES"):
        self.client = part("client").Client(SimpleNamespace())
        self.client._serverVersion, self.client.connState = version, 2
        self.sent = []
        self.client.sendMsg = self.sent.append
        self.contract = library().Future(
            conId=730283085,
            symbol=symbol,
            lastTradeDateOrContractMonth="20261218",
            exchange="CME",
            currency="USD",
            localSymbol=symbol + "Z6",
            tradingClass=symbol,
            multiplier="5",
        )
        self.form = OrderForm(library(), "DU1234567", INSTRUMENTS[symbol])

    def cut(self):
        return cut_templates(self.client, self.contract, self.form)

    def placed(self, order_id, **fields):
        """What the library sends for an order of these fields."""
        order = library().Order(account="DU1234567", outsideRth=True, **fields)
        self.client.placeOrder(order_id, self.contract, order)
        return framed(self.sent.pop())


def framed(text):
    data = text.encode()
    return len(data).to_bytes(4, "big") + data


@pytest.fixture(scope="module", params=VERSIONS)
def wire(request):
    wire = Wire(request.param)
    wire.templates = wire.cut()
    return wire


@settings(max_examples=60)
@given(
    side=SIDES, order_id=IDS, qty=LOTS, price=PRICES, word=WORDS, group=WORDS, parent=IDS, kind=st.sampled_from([1, 2])
)
def test_every_shape_is_the_librarys_own_bytes(wire, side, order_id, qty, price, word, group, parent, kind):
    points = price * 0.25
    common = {"action": side.value, "totalQuantity": qty, "orderRef": word}
    child = {"parentId": parent, "ocaGroup": group, "ocaType": kind}
    expected = {
        LegTerms(Shape.HELD_LIMIT, side, qty, price, word): {"orderType": "LMT", "lmtPrice": points, "transmit": False},
        LegTerms(Shape.HELD_LIMIT, side, qty, price, word, group, kind, parent): {
            "orderType": "LMT", "lmtPrice": points, "transmit": False, **child,
        },
        LegTerms(Shape.STOP, side, qty, price, word, group, kind, parent): {
            "orderType": "STP", "auxPrice": points, "triggerMethod": 2, **child,
        },
        LegTerms(Shape.LIMIT, side, qty, price, word, group, kind): {
            "orderType": "LMT", "lmtPrice": points, "ocaGroup": group, "ocaType": kind,
        },
        LegTerms(Shape.MARKET, side, qty, 0, word, group, kind): {
            "orderType": "MKT", "ocaGroup": group, "ocaType": kind,
        },
        LegTerms(Shape.MARKET, side, qty, 0, word): {"orderType": "MKT"},
    }  # fmt: skip
    for terms, fields in expected.items():
        tif = "GTC" if terms.shape is Shape.STOP else "DAY"
        assert wire.templates.order(order_id, terms) == wire.placed(order_id, tif=tif, **common, **fields)


@settings(max_examples=60)
@given(side=SIDES, first=st.integers(1, 2**31 - 5), qty=LOTS, prices=st.tuples(PRICES, PRICES, PRICES), group=WORDS)
def test_a_bracket_is_three_messages_of_the_library(wire, side, first, qty, prices, group):
    """Entry, target, stop; the first two are held back, and the children are one group (specification 11)."""
    away = Side.SELL if side is Side.BUY else Side.BUY
    entry, target, stop = (price * 0.25 for price in prices)
    child = {
        "action": away.value,
        "totalQuantity": qty,
        "parentId": first,
        "ocaGroup": group,
        "ocaType": 1 if qty == 1 else 2,
    }
    limit = {"orderType": "LMT", "tif": "DAY", "transmit": False}
    legs = [
        {"action": side.value, "totalQuantity": qty, "lmtPrice": entry, "orderRef": f"{group}-E", **limit},
        {**child, "lmtPrice": target, "orderRef": f"{group}-T", **limit},
        {**child, "auxPrice": stop, "orderRef": f"{group}-S", "orderType": "STP", "tif": "GTC", "triggerMethod": 2},
    ]
    expected = b"".join(wire.placed(first + number, **leg) for number, leg in enumerate(legs))
    assert wire.templates.bracket(side, qty, *prices, group, first) == expected


@given(order_id=IDS)
def test_a_cancel_is_the_librarys_own_bytes(wire, order_id):
    wire.client.cancelOrder(order_id)
    assert wire.templates.cancel(order_id) == framed(wire.sent.pop())


@pytest.mark.parametrize("symbol", ["MNQ", "M2K", "MYM"])
def test_prices_are_written_as_the_library_writes_floats(symbol):
    wire = Wire(symbol=symbol)
    templates = wire.cut()
    instrument = INSTRUMENTS[symbol]
    for ticks in (0, 1, 7, 21_003, -2, 400_001):
        points = ticks * instrument.tick_size_e9 / 1e9
        fields = {"action": "BUY", "totalQuantity": 1, "orderType": "LMT", "lmtPrice": points, "tif": "DAY"}
        terms = LegTerms(Shape.LIMIT, Side.BUY, 1, ticks, "r")
        assert templates.order(5, terms) == wire.placed(5, orderRef="r", **fields)


# --- the terms of the legs (specification 11)


def test_an_exit_and_a_change_keep_to_their_group():
    stop = Incarnation(
        order_id=9, side=Side.SELL, asked=2, total=2, price_ticks=1, parent_id=8, oca_group="g", oca_type=2
    )
    effect = PlaceExit(ts_ns=0, order_id=ID, side=Side.SELL, qty=2, limit_ticks=None, cause="t")
    reference = Reference(TAG, ID, Leg.EXIT)
    assert bracket.leaving(effect, reference, stop) == LegTerms(
        Shape.MARKET, Side.SELL, 2, 0, f"{TAG}-7-0-X", "g", 2, 0
    )
    moved = bracket.changed(stop, Reference(TAG, ID, Leg.STOP), price_ticks=5, qty=2)
    assert moved == LegTerms(Shape.STOP, Side.SELL, 2, 5, f"{TAG}-7-0-S", "g", 2, 8)


# --- what does not fit


def _odd(wire, change):
    """A library that sends something else: `change` of its text."""
    plain = type(wire.client).send

    def send(*fields, **more):
        before = wire.client.sendMsg
        wire.client.sendMsg = lambda text: before(change(text))
        try:
            plain(wire.client, *fields, **more)
        finally:
            wire.client.sendMsg = before

    wire.client.send = send


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("gap-group", ""),
        lambda text: text.replace("gap-reference", "gap-reference\0gap-reference"),
        lambda text: text if "gap" in text else text.replace("DAY", "GTC"),  # others than the ones that were cut
        lambda text: text.replace("918273.603", "918273.60"),
        lambda text: text.replace("4\0001\0001918273601", "4\0001\000"),
    ],
)
def test_what_is_not_the_same_always_is_not_cut(change):
    wire = Wire()
    _odd(wire, change)
    with pytest.raises(TemplateMismatchError):
        wire.cut()
    assert not wire.sent  # and nothing of it was sent


def _story(world):
    """Entry, moved stop, exit, another bracket withdrawn; every byte that left, write by write."""
    writes = []
    inner = world.session.outbox._pacing._transmit
    world.session.outbox._pacing._transmit = lambda frames, count: (
        writes.append((count, frames)),
        inner(frames, count),
    )
    world.enter()
    world.move_stop(TICKS - 4)
    world.wait(100)
    world.leave(TICKS + 20)
    world.wait(100)
    world.leave()
    world.wait(300)
    world.place(order_id=(8, 1), side=Side.SELL, qty=2, limit=TICKS + 9, stop=TICKS + 20, target=TICKS)
    world.wait(100)
    world.cancel(order_id=(8, 1))
    world.wait(300)
    return writes


def _not_cut(*_arguments):
    raise TemplateMismatchError("of the test")


def test_a_whole_trade_leaves_as_the_librarys_bytes_and_a_bracket_in_one_write(monkeypatch):
    """With templates and without, from the same orders."""
    stories = []
    for cut in (True, False):
        with monkeypatch.context() as patch:
            if not cut:
                patch.setattr(order_sender, "cut_templates", _not_cut)
            world = IbkrWorld()
        assert world.broker._sender.by_templates is cut
        stories.append(_story(world))
        notices = [event.text for event in world.told if isinstance(event, BrokerNotice)]
        assert any(f"written by {library().__name__}" in text for text in notices) is not cut
        world.close()
    fast, slow = stories
    assert b"".join(frames for _, frames in fast) == b"".join(frames for _, frames in slow)
    assert [count for count, _ in fast].count(3) == 2
    assert {count for count, _ in slow} == {1}


def test_another_connection_has_templates_of_its_own():
    """A gateway that was exchanged for an older one speaks an older version."""
    world = IbkrWorld()
    assert world.broker._sender.by_templates
    world.session.ib.client._serverVersion = 162
    for callback in world.session.on_ready:
        callback()
    wire = Wire(162)
    wire.contract, wire.form = world.broker._bound.contract, world.broker._form
    terms = LegTerms(Shape.STOP, Side.BUY, 1, 5, "r")
    assert world.broker._sender._templates.order(3, terms) == wire.cut().order(3, terms)
    world.close()
