"""The order book against a plain dictionary of orders."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot._fast.mbo_book import MboBook

CHANGES = st.lists(
    st.tuples(
        st.sampled_from("AAAAMMCCCR"),
        st.integers(0, 1),
        st.integers(1, 40),
        st.integers(95, 105),
        st.integers(0, 9),
    ),
    max_size=300,
)


class PlainBook:
    """Databento's description of the actions, written down with dictionaries."""

    def __init__(self):
        self.orders = {}

    def apply(self, action, side, order_id, price, qty):
        if action == "R":
            self.orders.clear()
        elif action in "AM":
            self.orders[order_id] = (side, price, qty)
        elif order_id in self.orders:
            held_side, held_price, held = self.orders[order_id]
            if qty < held:
                self.orders[order_id] = (held_side, held_price, held - qty)
            else:
                del self.orders[order_id]

    def levels(self, side):
        total = defaultdict(int)
        for held_side, price, qty in self.orders.values():
            if held_side == side:
                total[price] += qty
        return sorted(total.items(), reverse=side == 0)


@given(CHANGES)
def test_levels_are_those_of_the_plain_book(changes):
    book, plain = MboBook(), PlainBook()
    for change in changes:
        book.apply(*change)
        plain.apply(*change)
    assert [book.levels(0), book.levels(1)] == [plain.levels(0), plain.levels(1)]
    assert len(book) == len(plain.orders)


def test_tens_of_thousands_of_orders_come_and_go():
    book, plain = MboBook(), PlainBook()
    for k in range(40_000):  # past the first size of the order table and of the level arrays
        change = ("A", k % 2, k * 7919, 1_000_000 + k % 6000, 1 + k % 5)
        book.apply(*change)
        plain.apply(*change)
    assert book.levels(0) == plain.levels(0)
    for k in range(0, 40_000, 3):
        book.apply("C", 0, k * 7919, 0, 100)
        plain.apply("C", 0, k * 7919, 0, 100)
    assert [book.levels(0), book.levels(1)] == [plain.levels(0), plain.levels(1)]


def test_a_cancel_of_an_unknown_order_is_counted():
    book = MboBook()
    book.apply("C", 0, 5, 100, 1)
    assert (book.unknown_orders, len(book)) == (1, 0)


@pytest.mark.parametrize("change", [("X", 0, 1, 1, 1), ("A", 2, 1, 1, 1)])
def test_what_is_no_action_or_side_is_refused(change):
    with pytest.raises(ValueError):
        MboBook().apply(*change)
