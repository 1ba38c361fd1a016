"""EX03: the life of an order (specification 11). The table is data; a pair that is not in it raises."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.errors import CoreBug
from trading_bot.domain.orders import OrderStatus
from trading_bot.engines.orders import FINAL, TRANSITIONS, OrderSignal, next_status

PAIRS = list(itertools.product(OrderStatus, OrderSignal))
OVER = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED}


def test_the_statuses_are_the_specified_ones():
    assert {status.value for status in OrderStatus} == {
        "CREATED",
        "SENT",
        "ACKED",
        "WORKING",
        "PARTIAL",
        "FILLED",
        "CANCELLING",
        "CANCELLED",
        "REJECTED",
        "EXPIRED",
        "UNKNOWN",
    }
    assert set(FINAL) == OVER


def test_a_pair_that_is_not_in_the_table_raises():
    absent = [pair for pair in PAIRS if pair not in TRANSITIONS]
    assert len(absent) > 20
    for status, signal in absent:
        with pytest.raises(CoreBug, match=rf"{status}.*{signal}"):
            next_status(status, signal)


def test_every_status_is_reached_from_the_first():
    reached = {OrderStatus.CREATED}
    while True:
        more = {after for (before, _), after in TRANSITIONS.items() if before in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == set(OrderStatus)


@pytest.mark.parametrize("signal", OrderSignal)
def test_before_it_is_sent_nothing_else_can_happen_to_an_order(signal):
    if signal is OrderSignal.SEND:
        assert next_status(OrderStatus.CREATED, signal) is OrderStatus.SENT
        for status in set(OrderStatus) - {OrderStatus.CREATED}:
            with pytest.raises(CoreBug):
                next_status(status, signal)  # no blind retry: an order is sent once
    else:
        with pytest.raises(CoreBug):
            next_status(OrderStatus.CREATED, signal)


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.CREATED, OrderStatus.FILLED}))
def test_a_fill_wins_wherever_the_order_stands(status):
    """The broker's execution is a fact: after a cancel, an expiry, a rejection or silence as well."""
    assert next_status(status, OrderSignal.FILL) is OrderStatus.FILLED


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.CREATED, OrderStatus.FILLED}))
def test_a_partial_fill_is_legal_wherever_the_order_stands(status):
    """It never reopens an order that is over, and a cancel that was asked for stays asked for."""
    after = next_status(status, OrderSignal.PARTIAL_FILL)
    keeps = OVER | {OrderStatus.CANCELLING}
    assert after is (status if status in keeps else OrderStatus.PARTIAL)


def test_what_is_over_never_works_again():
    for (before, _), after in TRANSITIONS.items():
        if before in OVER:
            assert after is before or after is OrderStatus.FILLED, (before, after)


@pytest.mark.parametrize("status", ["SENT", "ACKED", "WORKING", "PARTIAL", "CANCELLING", "UNKNOWN"])
def test_every_order_that_may_fill_can_be_cancelled_and_can_end(status):
    """Kill switch, time to live and flatten cancel whatever is open: none of it may raise."""
    assert next_status(OrderStatus(status), OrderSignal.CANCEL_ASKED) is OrderStatus.CANCELLING
    assert next_status(OrderStatus(status), OrderSignal.CANCELLED) is OrderStatus.CANCELLED


@pytest.mark.parametrize("status", ["SENT", "ACKED", "WORKING", "PARTIAL", "CANCELLING", "UNKNOWN"])
def test_silence_makes_an_order_unknown_and_the_brokers_word_known_again(status):
    assert next_status(OrderStatus(status), OrderSignal.LOST) is OrderStatus.UNKNOWN
    for signal, after in (
        (OrderSignal.ACK, OrderStatus.ACKED),
        (OrderSignal.WORK, OrderStatus.WORKING),
        (OrderSignal.PARTIAL_FILL, OrderStatus.PARTIAL),
        (OrderSignal.FILL, OrderStatus.FILLED),
        (OrderSignal.CANCELLED, OrderStatus.CANCELLED),
        (OrderSignal.REJECTED, OrderStatus.REJECTED),
        (OrderSignal.EXPIRED, OrderStatus.EXPIRED),
    ):
        assert next_status(OrderStatus.UNKNOWN, signal) is after


@pytest.mark.parametrize(
    ("signal", "keeps"),
    [
        # An acknowledgement or a status that comes late says nothing new.
        (OrderSignal.ACK, "ACKED WORKING PARTIAL CANCELLING FILLED"),
        (OrderSignal.WORK, "WORKING PARTIAL CANCELLING"),
        (OrderSignal.CANCEL_ASKED, "CANCELLING"),
        # The notice of a cancel that lost, or that came twice.
        (OrderSignal.CANCELLED, "CANCELLED EXPIRED FILLED"),
        (OrderSignal.REJECTED, "REJECTED"),
        (OrderSignal.LOST, "UNKNOWN"),
    ],
)
def test_a_late_or_repeated_word_changes_nothing(signal, keeps):
    for status in keeps.split():
        assert next_status(OrderStatus(status), signal) is OrderStatus(status)


@pytest.mark.parametrize(
    ("signal", "after", "from_statuses"),
    [
        (OrderSignal.ACK, "ACKED", "SENT UNKNOWN"),
        (OrderSignal.WORK, "WORKING", "SENT ACKED UNKNOWN"),
        # A remnant of a partial fill is cancelled or expires; what is filled cannot be refused any more.
        (OrderSignal.REJECTED, "REJECTED", "SENT ACKED WORKING CANCELLING UNKNOWN"),
        (OrderSignal.EXPIRED, "EXPIRED", "ACKED WORKING PARTIAL CANCELLING UNKNOWN"),
        (OrderSignal.ABANDONED, "CANCELLED", "SENT"),
    ],
)
def test_the_brokers_word_is_taken_from_these_statuses_only(signal, after, from_statuses):
    moved = {status for status in OrderStatus if TRANSITIONS.get((status, signal)) not in {None, status}}
    assert moved == {OrderStatus(name) for name in from_statuses.split()}
    assert {next_status(status, signal) for status in moved} == {OrderStatus(after)}


@pytest.mark.parametrize(
    "story",
    [
        pytest.param("SEND ACK WORK FILL = FILLED", id="as it should be"),
        pytest.param("SEND WORK FILL = FILLED", id="the broker skips the acknowledgement"),
        pytest.param("SEND FILL ACK = FILLED", id="the fill overtakes the acknowledgement"),
        pytest.param("SEND ACK WORK PARTIAL_FILL PARTIAL_FILL FILL = FILLED", id="in parts"),
        pytest.param("SEND ACK WORK CANCEL_ASKED CANCELLED = CANCELLED", id="time to live"),
        pytest.param("SEND ACK WORK CANCEL_ASKED FILL CANCELLED = FILLED", id="the fill wins the race"),
        pytest.param("SEND ACK WORK CANCEL_ASKED CANCELLED FILL = FILLED", id="the fill comes after the cancel"),
        pytest.param("SEND ACK WORK PARTIAL_FILL CANCEL_ASKED CANCELLED = CANCELLED", id="a remnant is withdrawn"),
        pytest.param("SEND REJECTED = REJECTED", id="refused"),
        pytest.param("SEND REJECTED FILL = FILLED", id="refused, they said"),
        pytest.param("SEND ACK EXPIRED = EXPIRED", id="end of day"),
        pytest.param("SEND LOST CANCELLED = CANCELLED", id="asked after a timeout"),
        pytest.param("SEND ABANDONED = CANCELLED", id="the process ended before it was handed over"),
    ],
)
def test_stories(story):
    signals, _, end = story.partition(" = ")
    status = OrderStatus.CREATED
    for signal in signals.split():
        status = next_status(status, OrderSignal(signal))
    assert status is OrderStatus(end)


@given(st.lists(st.sampled_from(OrderSignal), max_size=30))
def test_random_streams_never_bring_an_order_back(signals):
    """Illegal signals raise and change nothing; once over, an order is over; once filled, it is filled."""
    status, over = OrderStatus.CREATED, False
    for signal in signals:
        try:
            after = next_status(status, signal)
        except CoreBug:
            assert (status, signal) not in TRANSITIONS
            continue
        if over:
            assert after in OVER
        if status is OrderStatus.FILLED:
            assert after is OrderStatus.FILLED
        status, over = after, after in OVER
