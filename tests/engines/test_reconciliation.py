"""RC02 to RC05, NV08: the truth table of specification 12, row by row; pure, and it never asks for an opening order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.orders import BrokerOrder, Leg, Side
from trading_bot.domain.reconciling import Deed, Row
from trading_bot.engines import reconciliation
from trading_bot.engines.reconciliation import RULES, TABLE, OurLeg, Ours, Theirs, compare, protecting

MINE, OTHER = (40, 0), (7, 0)


def ours(position=0, *legs):
    return Ours(position_qty=position, legs=legs)


def leg(kind, remaining=1, price=None, **more):
    price = {Leg.ENTRY: 24_001, Leg.STOP: 23_993, Leg.TARGET: 24_013, Leg.EXIT: None}[kind] if price is None else price
    return OurLeg(**{"order_id": MINE, "leg": kind, "remaining": remaining, "price_ticks": price} | more)


def order(kind, remaining=1, price=None, order_id=MINE, side=Side.SELL, **more):
    price = {Leg.ENTRY: 24_001, Leg.STOP: 23_993, Leg.TARGET: 24_013}.get(kind, 0) if price is None else price
    fields = {"order_id": order_id, "leg": kind, "side": side, "remaining": remaining, "price_ticks": price}
    return BrokerOrder(**fields | {"perm_ids": (1,), "order_ref": f"r-{order_id}-{kind}"} | more)


def theirs(position=0, *orders):
    return Theirs(position_qty=position, orders=orders)


FOREIGN = order(None, order_id=None, order_ref="somebody")
PROTECTED = (leg(Leg.STOP), leg(Leg.TARGET))
CHILDREN = (order(Leg.STOP), order(Leg.TARGET))

# What each row of the table is for: ours, the broker's, and the rows that must come out, in order.
CASES = [
    pytest.param(ours(), theirs(), [Row.AGREES], id="nothing on both sides"),
    pytest.param(ours(1, *PROTECTED), theirs(1, *CHILDREN), [Row.AGREES], id="a position and its bracket"),
    pytest.param(ours(0, leg(Leg.ENTRY)), theirs(0, order(Leg.ENTRY)), [Row.AGREES], id="a working entry"),
    pytest.param(
        ours(0, leg(Leg.ENTRY)),
        theirs(0, order(Leg.ENTRY), order(Leg.STOP, held=True), order(Leg.TARGET, held=True)),
        [Row.AGREES],
        id="children that wait for the parent that works",
    ),
    pytest.param(ours(), Theirs(position_qty=0), [Row.AGREES], id="orders were not listed"),
    pytest.param(ours(0, leg(Leg.ENTRY)), Theirs(position_qty=0), [Row.AGREES], id="unlisted is not missing"),
    pytest.param(ours(), theirs(1), [Row.ORPHAN_POSITION], id="orphan"),
    pytest.param(ours(), theirs(-2), [Row.ORPHAN_POSITION], id="orphan, short"),
    pytest.param(ours(), Theirs(position_qty=1), [Row.ORPHAN_POSITION], id="orphan, orders not listed"),
    pytest.param(
        Ours(position_qty=1, owned=False),
        theirs(1),
        [Row.ORPHAN_POSITION],
        id="as many as here, and nobody entered them",
    ),
    pytest.param(Ours(position_qty=1, owned=False), theirs(0), [Row.PHANTOM_POSITION], id="gone meanwhile"),
    pytest.param(ours(1), theirs(-1), [Row.POSITION_DRIFT], id="the other side"),
    pytest.param(ours(2), theirs(1), [Row.POSITION_DRIFT], id="fewer than here"),
    pytest.param(ours(1, *PROTECTED), theirs(0), [Row.PHANTOM_POSITION], id="phantom: its bracket goes with it"),
    pytest.param(ours(1, *PROTECTED), theirs(1, CHILDREN[1]), [Row.MISSING_STOP], id="missing stop"),
    pytest.param(
        ours(1, *PROTECTED),
        theirs(1, order(Leg.STOP, held=True), CHILDREN[1]),
        [Row.MISSING_STOP],
        id="a stop that waits for its parent protects nothing",
    ),
    pytest.param(
        ours(2, leg(Leg.STOP, 2)), theirs(2, order(Leg.STOP, 1)), [Row.SHORT_STOP], id="a stop for one of two"
    ),
    pytest.param(ours(1, *PROTECTED), theirs(1, CHILDREN[0]), [Row.MISSING_TARGET], id="missing target"),
    pytest.param(
        ours(1, leg(Leg.STOP), leg(Leg.EXIT)), theirs(1, CHILDREN[0]), [Row.MISSING_EXIT], id="an exit that was lost"
    ),
    pytest.param(ours(0, leg(Leg.ENTRY)), theirs(0), [Row.MISSING_ENTRY], id="an entry that was dropped"),
    pytest.param(
        ours(0, leg(Leg.ENTRY, doubtful=True, told=False)), theirs(0), [Row.MISSING_ENTRY], id="a doubtful one"
    ),
    pytest.param(ours(0, leg(Leg.ENTRY, told=False)), theirs(0), [Row.AGREES], id="an entry that is on its way"),
    pytest.param(
        ours(0, leg(Leg.ENTRY, doubtful=True)), theirs(0, order(Leg.ENTRY)), [Row.FOUND_ENTRY], id="it lives after all"
    ),
    pytest.param(
        ours(1, leg(Leg.STOP, told=False)), theirs(1, order(Leg.STOP)), [Row.FOUND_CHILD], id="a stop nobody told of"
    ),
    pytest.param(
        ours(1, leg(Leg.STOP), leg(Leg.TARGET, told=False)),
        theirs(1, *CHILDREN),
        [Row.FOUND_CHILD],
        id="a target nobody told of",
    ),
    pytest.param(
        ours(1, leg(Leg.STOP), leg(Leg.TARGET, told=False)),
        theirs(1, CHILDREN[0]),
        [Row.AGREES],
        id="a target is no must",
    ),
    pytest.param(
        ours(),
        theirs(1, order(Leg.STOP, order_id=OTHER), order(Leg.TARGET, order_id=OTHER)),
        [Row.ORPHAN_POSITION, Row.PROTECTING_STOP, Row.UNKNOWN_ORDER],
        id="an orphan's own stop is kept, its target withdrawn",
    ),
    pytest.param(
        ours(),
        theirs(-1, order(Leg.STOP, order_id=OTHER)),
        [Row.ORPHAN_POSITION, Row.UNKNOWN_ORDER],
        id="a sell stop protects no short",
    ),
    pytest.param(
        ours(),
        theirs(1, order(Leg.STOP, order_id=OTHER, held=True)),
        [Row.ORPHAN_POSITION, Row.UNKNOWN_ORDER],
        id="a stop that waits protects no orphan",
    ),
    pytest.param(ours(), theirs(0, order(Leg.ENTRY)), [Row.UNKNOWN_ORDER], id="an entry that is over here"),
    pytest.param(ours(), theirs(0, order(Leg.STOP)), [Row.UNKNOWN_ORDER], id="a remnant of a bracket"),
    pytest.param(ours(), theirs(0, FOREIGN), [Row.FOREIGN_ORDER], id="somebody else's"),
    pytest.param(
        ours(0, leg(Leg.ENTRY)), theirs(0, order(Leg.ENTRY, perm_ids=(1, 2))), [Row.SIBLINGS], id="two identities"
    ),
    pytest.param(
        ours(1, *PROTECTED), theirs(1, order(Leg.STOP, 1, 23_990), CHILDREN[1]), [Row.PRICE_DRIFT], id="another price"
    ),
    pytest.param(
        ours(1, leg(Leg.STOP), leg(Leg.EXIT)),
        theirs(1, CHILDREN[0], order(Leg.EXIT, price=23_985)),
        [Row.AGREES],
        id="the price of an exit is not compared",
    ),
    pytest.param(
        ours(0, leg(Leg.ENTRY, 2)), theirs(0, order(Leg.ENTRY, 1)), [Row.QUANTITY_DRIFT], id="another quantity"
    ),
    pytest.param(
        ours(1, leg(Leg.STOP)), theirs(1, order(Leg.STOP, 2)), [Row.QUANTITY_DRIFT], id="a stop for more than there is"
    ),
    pytest.param(
        ours(1, *PROTECTED),
        theirs(0, *CHILDREN, FOREIGN),
        [Row.PHANTOM_POSITION, Row.FOREIGN_ORDER],
        id="a phantom whose bracket still works",
    ),
]


@pytest.mark.parametrize(("here", "there", "rows"), CASES)
def test_a_row_of_the_table(here, there, rows):
    found = compare(here, there)
    assert [finding.row for finding in found] == rows
    assert [finding.deed for finding in found] == [RULES[row].deed for row in rows]


def test_every_row_that_a_comparison_can_find_has_a_case():
    """Two rows come from outside: no answer, and orders under way."""
    proven = {row for case in CASES for row in case.values[2]}
    assert proven == set(Row) - {Row.NO_ANSWER, Row.SETTLING}


def test_the_table_has_each_row_once_with_its_words():
    assert [rule.row for rule in TABLE] == list(Row)
    assert all(rule.when and rule.why for rule in TABLE)


@pytest.mark.parametrize(
    ("row", "deed"),
    [
        # Specification 12 in its own words.
        (Row.ORPHAN_POSITION, Deed.FLATTEN_HALT),
        (Row.PHANTOM_POSITION, Deed.CORRECT),
        (Row.MISSING_STOP, Deed.LEAVE),
        (Row.UNKNOWN_ORDER, Deed.WITHDRAW),
        (Row.FOREIGN_ORDER, Deed.TELL),
        (Row.QUANTITY_DRIFT, Deed.TELL),
        (Row.NO_ANSWER, Deed.WAIT),
    ],
)
def test_the_deeds_are_the_specifications(row, deed):
    assert RULES[row].deed is deed


def test_the_protecting_bracket_is_found():
    assert protecting([FOREIGN, order(Leg.TARGET), order(Leg.STOP, order_id=OTHER)], 1) == OTHER
    assert protecting([order(Leg.STOP)], -1) is None
    assert protecting([order(Leg.STOP)], 0) is None


LEGS = st.sampled_from(Leg)
OUR_LEGS = st.builds(
    OurLeg,
    order_id=st.sampled_from([MINE, OTHER]),
    leg=LEGS,
    remaining=st.integers(1, 3),
    price_ticks=st.none() | st.integers(23_990, 24_010),
    told=st.booleans(),
    doubtful=st.booleans(),
)
ORDERS = st.builds(
    BrokerOrder,
    order_id=st.sampled_from([MINE, OTHER, (99, 1)]),
    leg=LEGS,
    side=st.sampled_from(Side),
    remaining=st.integers(1, 3),
    price_ticks=st.integers(23_990, 24_010),
    perm_ids=st.sampled_from([(1,), (1, 2)]),
    order_ref=st.just("r"),
    held=st.booleans(),
) | st.just(FOREIGN)
unique = {"unique_by": lambda one: (one.order_id, one.leg)}


@given(
    st.integers(-2, 2),
    st.lists(OUR_LEGS, max_size=4, **unique),
    st.integers(-2, 2),
    st.lists(ORDERS, max_size=4, **unique),
)
def test_whatever_is_compared_nothing_protecting_goes_and_nobody_elses_is_touched(mine, legs, their, orders):
    found = compare(Ours(position_qty=mine, legs=tuple(legs)), Theirs(position_qty=their, orders=tuple(orders)))
    withdrawn = {(one.order_id, one.leg) for one in found if one.deed is Deed.WITHDRAW}
    assert (None, None) not in withdrawn
    if mine != their and mine == 0:
        for one in orders:
            assert not (reconciliation.protects(one, their) and (one.order_id, one.leg) in withdrawn)
    # The position is judged first, and exactly once.
    rows = [finding.row for finding in found]
    position = {Row.ORPHAN_POSITION, Row.POSITION_DRIFT, Row.PHANTOM_POSITION}
    assert sum(row in position for row in rows) == (mine != their)
    assert mine == their or rows[0] in position
    # An agreement is said only where nothing differs.
    assert (rows == [Row.AGREES]) or Row.AGREES not in rows


@given(st.lists(OUR_LEGS, max_size=4, **unique), st.integers(-2, 2))
def test_without_a_list_no_order_is_judged(legs, qty):
    found = compare(Ours(position_qty=qty, legs=tuple(legs)), Theirs(position_qty=qty))
    assert [finding.row for finding in found] == [Row.AGREES]
