"""EX16, LE06, specification 7: what fills teach about slippage and commission, and when it comes into force."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.config import CostsConfig
from trading_bot.engines.costs import (
    CostBook,
    CostRules,
    Costs,
    FillKind,
    SlippageSums,
    adopted,
    fitted_factor_e6,
    per_side_uusd,
    with_adoption,
    with_fill,
)

RULES = CostRules.compile(CostsConfig())
MONDAY, TUESDAY, NEXT_MONDAY = 20261123, 20261124, 20261130
INSTRUMENT_UUSD = 2_500_000


def filled(kind, fills, actual_ticks, expected_ticks=0.5, book=None, fee_uusd=1_250_000):
    """A book after equal fills of one lot."""
    found = book or CostBook()
    for _ in range(fills):
        found = with_fill(
            found,
            kind,
            qty=1,
            commission_uusd=fee_uusd,
            slippage_ticks=actual_ticks,
            expected_e6=round(expected_ticks * 1e6),
        )
    return found


@pytest.mark.parametrize(
    ("fills", "actual", "factor"),
    [
        pytest.param(49, 2, 1.0, id="one fill short of fifty"),
        pytest.param(50, 1, 1.5, id="twice the expectation, half of it believed: (50 * 2 + 50) / 100"),
        pytest.param(150, 1, 1.75, id="(150 * 2 + 50) / 200"),
        pytest.param(50, 0, 0.5, id="none at all: (0 + 50) / 100"),
        pytest.param(450, 0, 0.25, id="50 / 500 is below the smallest factor"),
        pytest.param(50, -1, 0.25, id="better than the touch: a factor is never negative"),
        pytest.param(500, 20, 4.0, id="forty times as much: the largest factor"),
    ],
)
def test_a_factor_by_hand(fills, actual, factor):
    for kind, field in ((FillKind.ENTRY, "entry"), (FillKind.STOP, "stop")):
        assert fitted_factor_e6(getattr(filled(kind, fills, actual), field), RULES) == round(factor * 1e6)


@given(
    st.integers(0, 10_000), st.integers(-(10**12), 10**13), st.integers(0, 10**12)
)  # sums of ten thousand fills of up to a thousand ticks
def test_a_factor_is_the_shrunk_ratio_within_its_bounds(fills, actual_e6, expected_e6):
    found = fitted_factor_e6(SlippageSums(fills=fills, actual_e6=actual_e6, expected_e6=expected_e6), RULES)
    if fills < 50 or expected_e6 == 0:
        assert found == 1_000_000
        return
    exact = (fills * Fraction(actual_e6, expected_e6) + 50) / (fills + 50)
    assert abs(found - 1_000_000 * min(max(exact, Fraction(1, 4)), Fraction(4))) <= Fraction(1, 2)


@given(st.lists(st.tuples(st.sampled_from(FillKind), st.integers(-3, 12), st.integers(0, 6_000_000)), max_size=30))
def test_sums_do_not_depend_on_the_order_of_fills(fills):
    def book(rows):
        found = CostBook()
        for kind, actual, expected_e6 in rows:
            found = with_fill(found, kind, qty=2, commission_uusd=7, slippage_ticks=actual, expected_e6=expected_e6)
        return found

    found = book(fills)
    assert found == book(fills[::-1])
    assert (found.lots, found.fees_uusd) == (2 * len(fills), 7 * len(fills))
    assert found.entry.fills == sum(1 for kind, _, expected in fills if kind is FillKind.ENTRY and expected)
    assert found.stop.actual_e6 == 1_000_000 * sum(
        actual for kind, actual, expected in fills if kind is FillKind.STOP and expected
    )


def test_the_expectation_is_taken_without_the_factor_that_was_in_force():
    """Slippage of one tick where .5 was expected: the same evidence whatever factor the decision used."""
    plain = filled(FillKind.STOP, 60, 1, 0.5)
    doubled = filled(FillKind.STOP, 60, 1, 1.0, CostBook(stop_factor_e6=2_000_000))
    assert doubled.stop == plain.stop


def test_a_session_adopts_what_the_one_before_taught_and_says_so():
    taught = filled(FillKind.ENTRY, 100, 1, fee_uusd=620_000)
    book, changes = adopted(taught, RULES, MONDAY, INSTRUMENT_UUSD)
    assert (book.entry_factor_e6, book.stop_factor_e6) == (1_500_000, 1_000_000)  # (100 * 2 + 50) / 150 is 1.67
    assert book.round_trip_uusd == 1_240_000
    assert [(one.parameter, one.old, one.new, one.fills) for one in changes] == [
        ("entry_slippage_factor_e6", 1_000_000, 1_500_000, 100),
        ("commission_round_trip_uusd", 2_500_000, 1_240_000, 100),
    ]
    assert adopted(book, RULES, MONDAY, INSTRUMENT_UUSD) == (book, []), "once a session"
    assert adopted(taught, RULES, 0, INSTRUMENT_UUSD) == (taught, []), "not on a date nobody knows"


@pytest.mark.parametrize(("kind", "field"), [(FillKind.ENTRY, "entry_factor_e6"), (FillKind.STOP, "stop_factor_e6")])
def test_a_factor_moves_by_half_in_a_week(kind, field):
    book, _ = adopted(filled(kind, 1000, 10), RULES, MONDAY, INSTRUMENT_UUSD)
    same_week, changes = adopted(book, RULES, TUESDAY, INSTRUMENT_UUSD)
    assert (getattr(same_week, field), changes) == (1_500_000, [])
    next_week, changes = adopted(same_week, RULES, NEXT_MONDAY, INSTRUMENT_UUSD)
    assert getattr(next_week, field) == 2_250_000
    assert [(one.old, one.new) for one in changes] == [(1_500_000, 2_250_000)]


@given(st.lists(st.tuples(st.integers(50, 200), st.integers(-2, 9)), min_size=1, max_size=6))
def test_the_log_alone_gives_the_values_in_force(sessions):
    """A process that knows a log's records and nothing else stands where the one that wrote them stood."""
    book = told = CostBook()
    for number, (fills, actual) in enumerate(sessions):
        book = filled(FillKind.ENTRY, fills, actual, 0.5 * book.entry_factor_e6 / 1e6, book)
        told = filled(FillKind.ENTRY, fills, actual, 0.5 * told.entry_factor_e6 / 1e6, told)
        book, changes = adopted(book, RULES, MONDAY + number % 5, INSTRUMENT_UUSD)
        for change in changes:
            told = with_adoption(told, change.parameter, change.new, MONDAY + number % 5)
        assert (told.entry_factor_e6, told.entry) == (book.entry_factor_e6, book.entry)
        assert (told.round_trip_uusd or INSTRUMENT_UUSD) == (book.round_trip_uusd or INSTRUMENT_UUSD)


def test_without_fills_the_instrument_is_believed():
    book, changes = adopted(CostBook(), RULES, MONDAY, INSTRUMENT_UUSD)
    assert (book.round_trip_uusd, per_side_uusd(book), changes) == (0, None, [])


def test_hypothetical_fills_stay_in_their_book():
    found = Costs().with_book(filled(FillKind.STOP, 80, 9), hypothetical=True)
    assert found.book(hypothetical=False) == CostBook()
    assert found.book(hypothetical=True).stop.fills == 80
    assert adopted(found.book(hypothetical=False), RULES, MONDAY, INSTRUMENT_UUSD)[1] == []
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Costs) == found
