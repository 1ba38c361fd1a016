"""What the broker's messages about our orders come to: incidents of the field notes, in every order (EX05-EX07)."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ibkr.book_kit import (
    ACK_S,
    ADDRESS,
    CLIENT,
    ESTIMATE_UUSD,
    ID,
    PERM,
    PRICE,
    Desk,
    commission,
    completed,
    error,
    execution,
    open_order,
    reference,
    status,
)  # fmt: skip
from trading_bot.adapters.ibkr.references import log_tag
from trading_bot.domain import events, trade_events
from trading_bot.domain.broker_events import BrokerNotice, CommissionReported, OrderUncertain
from trading_bot.domain.orders import Leg, Side

ENTRY, STOP, TARGET, EXIT = Leg.ENTRY, Leg.STOP, Leg.TARGET, Leg.EXIT
ACK, WORKING, FILLED = events.OrderAcknowledged, trade_events.OrderWorking, trade_events.OrderFilled
CANCELLED, REJECTED, REFUSED = events.OrderCancelled, events.OrderRejected, trade_events.RequestRefused

ENTRY_WORKS = (open_order(ENTRY, "Submitted"), status(ENTRY, "Submitted"))
CHILDREN_HELD = (
    open_order(TARGET, "PreSubmitted"), status(TARGET, "PreSubmitted", why="child"),
    open_order(STOP, "PreSubmitted"), status(STOP, "PreSubmitted", why="child,trigger"),
)  # fmt: skip
ENTRY_FILL = execution(ENTRY, 1)
ENTRY_FILLED = (ENTRY_FILL, open_order(ENTRY, "Filled"), status(ENTRY, "Filled", filled=1, remaining=0))
CHILDREN_WORK = (
    open_order(TARGET, "Submitted"), status(TARGET, "Submitted"),
    open_order(STOP, "PreSubmitted"), status(STOP, "PreSubmitted", why="trigger"),
)  # fmt: skip
STOP_FILL = execution(STOP, 2)
STOPPED_OUT = (
    open_order(STOP, "Submitted"), status(STOP, "Submitted"), STOP_FILL, open_order(STOP, "Filled"),
    status(STOP, "Filled", filled=1, remaining=0), open_order(TARGET, "Cancelled"), status(TARGET, "Cancelled"),
    error(TARGET, 202),
)  # fmt: skip


def opened(**more):
    desk = Desk(**more)
    desk.hear(*ENTRY_WORKS, *CHILDREN_HELD, *ENTRY_FILLED, *CHILDREN_WORK)
    desk.told.clear()
    return desk


# --- identity (field notes 2, 3; B) ---------------------------------------------------------------------------------


def test_an_order_id_used_before_does_not_make_an_execution_ours():
    desk = Desk()
    desk.hear(*ENTRY_WORKS)
    other = execution(ENTRY, 9, perm=555, ref="manual")  # the same address in an earlier life of the gateway
    assert not [event for event in desk.hear(other) if isinstance(event, FILLED)]


def test_one_reference_with_two_identities_is_cancelled_twice_and_gone_when_both_are():
    desk = opened()
    desk.hear(open_order(STOP, "PreSubmitted", perm=777))
    assert desk.index.surprised
    state = desk.leg(STOP)
    assert {order.perm_id for order in state.orders} == {903, 777}
    assert len(desk.book.cancel_asked(state)) == 2
    desk.hear(status(STOP, "Cancelled"))
    assert not desk.of(CANCELLED, STOP)
    desk.hear(status(STOP, "Cancelled", perm=777))
    assert len(desk.of(CANCELLED, STOP)) == 1


def test_an_execution_of_a_twin_counts():
    desk = opened()
    desk.hear(open_order(STOP, "PreSubmitted", perm=777), execution(STOP, 5, perm=777))
    assert [fill.qty for fill in desk.of(FILLED, STOP)] == [1]


def test_a_status_of_another_identity_at_our_address_is_a_surprise_and_moves_nothing():
    desk = opened()
    desk.hear(status(STOP, "Cancelled", perm=777))
    assert desk.index.surprised
    assert not desk.told


def test_another_clients_order_is_never_ours():
    desk = Desk()
    desk.hear(open_order(STOP, "PreSubmitted", perm=999, client=CLIENT + 1, ref="tb00000000.261123-1-0-S"))
    desk.hear(status(STOP, "Cancelled", perm=999, client=CLIENT + 1))
    assert not desk.told


def test_an_order_of_an_earlier_log_has_a_name_of_its_own():
    desk = Desk(place=False)
    old = str(reference(STOP, tag=log_tag("run", 20261120)))
    desk.hear(open_order(STOP, "PreSubmitted", ref=old))
    state = desk.index.legs[old]
    assert state.order_id != ID
    assert desk.index.leg(state.order_id, STOP) is state


def test_executions_of_an_earlier_log_are_not_told_from_a_list_but_live():
    desk = Desk(place=False)
    old = str(reference(STOP, tag=log_tag("run", 20261120)))
    assert not desk.hear(execution(STOP, 3, ref=old, live=False))
    assert desk.hear(execution(STOP, 4, ref=old))


# --- executions (field notes 4, 18, 19) -----------------------------------------------------------------------------


def test_a_fill_before_any_acknowledgement_is_a_fill():
    desk = Desk()
    desk.hear(execution(ENTRY, 1, perm=0))
    (fill,) = desk.of(FILLED)
    assert (fill.order_id, fill.leg, fill.side, fill.qty, fill.price_ticks) == (ID, ENTRY, Side.BUY, 1, PRICE[ENTRY])
    desk.hear(*ENTRY_WORKS, status(ENTRY, "Filled", filled=1, remaining=0))
    desk.pass_s(10)
    assert not desk.of(CANCELLED, ENTRY)
    assert not desk.of(OrderUncertain, ENTRY)


def test_an_execution_told_again_changes_nothing():
    desk = opened()
    assert not desk.hear(ENTRY_FILL, msg_of_list(ENTRY_FILL))


def msg_of_list(row):
    return execution(ENTRY, 1, live=False) if row is ENTRY_FILL else row


def test_a_correction_is_told_once_and_moves_only_what_it_changes():
    desk = opened(qty=1)
    desk.hear(execution(ENTRY, 1, rank=2, price=PRICE[ENTRY] + 1))
    (fill,) = desk.of(FILLED)
    assert (fill.exec_id[-2:], fill.price_ticks) == ("02", PRICE[ENTRY] + 1)
    assert desk.leg(ENTRY).executed == 1
    assert not desk.hear(execution(ENTRY, 1, rank=1))[1:]  # the older one, late


def test_no_status_at_all_is_needed_for_a_fill():  # row 19
    desk = Desk()
    desk.hear(ENTRY_FILL)
    assert desk.of(FILLED)[0].final


def test_a_stop_that_fills_before_its_entrys_execution_is_told_waits_for_it():
    desk = Desk()
    desk.hear(*ENTRY_WORKS, *CHILDREN_HELD, STOP_FILL)
    assert not desk.of(FILLED)
    desk.hear(ENTRY_FILL)
    assert [fill.leg for fill in desk.of(FILLED)] == [ENTRY, STOP]


def test_it_does_not_wait_for_ever():
    desk = Desk()
    desk.hear(*ENTRY_WORKS, *CHILDREN_HELD, STOP_FILL)
    desk.pass_s(1)
    assert [fill.leg for fill in desk.of(FILLED)] == [STOP]


# --- commissions (row 18, RC06) -------------------------------------------------------------------------------------


def test_a_late_commission_replaces_the_estimate():
    desk = Desk()
    desk.hear(ENTRY_FILL)
    (fill,) = desk.of(FILLED)
    assert (fill.commission_uusd, fill.commission_estimated) == (ESTIMATE_UUSD, True)
    desk.hear(commission(ENTRY_FILL))
    (report,) = desk.of(CommissionReported)
    assert (report.exec_id, report.commission_uusd, report.estimated_uusd) == (fill.exec_id, 620_000, ESTIMATE_UUSD)
    assert not desk.hear(commission(ENTRY_FILL))[2:]


def test_an_early_commission_is_the_fills():
    desk = Desk()
    desk.hear(commission(ENTRY_FILL), ENTRY_FILL)
    (fill,) = desk.of(FILLED)
    assert (fill.commission_uusd, fill.commission_estimated) == (620_000, False)
    assert not desk.of(CommissionReported)


@pytest.mark.parametrize("unset", [0.0, -1.0, 1.7976931348623157e308, float("nan")])
def test_a_commission_that_is_not_known_yet_is_no_commission(unset):
    desk = Desk()
    desk.hear(ENTRY_FILL, commission(ENTRY_FILL, unset))
    assert not desk.of(CommissionReported)
    desk.hear(commission(ENTRY_FILL))
    assert desk.of(CommissionReported)


def test_the_estimate_is_what_was_reported_last():
    desk = Desk()
    desk.hear(ENTRY_FILL, commission(ENTRY_FILL), *CHILDREN_WORK, STOP_FILL)
    assert desk.of(FILLED, STOP)[0].commission_uusd == 620_000


# --- codes (field notes 1, 8, 12; 2b) -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [10349, 399, 2109, 2148])
def test_information_changes_no_order(code):
    """10349 is what made 15 duplicate orders of one (field notes, row 1)."""
    desk = Desk()
    desk.hear(*ENTRY_WORKS)
    desk.told.clear()
    desk.hear(error(ENTRY, code))
    assert [type(event) for event in desk.told] == [BrokerNotice]
    desk.hear(ENTRY_FILL)
    assert desk.of(FILLED)


def test_an_unlisted_code_is_doubt_and_not_an_end():
    desk = Desk()
    desk.hear(*ENTRY_WORKS, error(ENTRY, 77_777, "something new"))
    (doubt,) = desk.of(OrderUncertain)
    assert (doubt.order_id, doubt.leg, doubt.code) == (ID, ENTRY, 77_777)
    assert not desk.of(CANCELLED)
    assert not desk.of(REJECTED)


def test_a_refused_placement_is_a_rejection():
    desk = Desk()
    desk.hear(error(ENTRY, 201, "margin"), open_order(ENTRY, "Inactive"), status(ENTRY, "Inactive"))
    (rejected,) = desk.of(REJECTED)
    assert (rejected.code, rejected.text, rejected.leg) == (201, "margin", ENTRY)


def test_cancelled_before_201_is_a_rejection():
    desk = Desk()
    desk.hear(open_order(ENTRY, "PreSubmitted"), status(ENTRY, "Cancelled"), error(ENTRY, 201, "margin"))
    desk.pass_s(1)
    assert [event.code for event in desk.of(REJECTED)] == [201]
    assert not desk.of(CANCELLED, ENTRY)


def test_a_rejection_of_an_order_that_works_is_doubted_until_its_status_says_so():
    desk = Desk()
    desk.hear(*ENTRY_WORKS, error(ENTRY, 201))
    assert not desk.of(REJECTED)
    desk.pass_s(1)
    assert desk.of(OrderUncertain)


def test_a_refused_change_leaves_the_order_alive():
    desk = opened()
    desk.leg(STOP).orders[-1].change_ticks = PRICE[STOP] + 4
    desk.hear(error(STOP, 110, "grid"))
    assert [type(event) for event in desk.told] == [REFUSED, BrokerNotice]
    desk.hear(STOP_FILL)
    assert desk.of(FILLED, STOP)


@pytest.mark.parametrize("code", [104, 105, 329, 321])
def test_other_refusals_of_a_change_too(code):
    desk = opened()
    desk.leg(STOP).orders[-1].change_ticks = PRICE[STOP] + 4
    desk.hear(error(STOP, code))
    assert desk.of(REFUSED, STOP)
    assert desk.leg(STOP).live


@pytest.mark.parametrize("code", [10147, 10148, 161])
def test_a_refused_cancel_is_answered_by_the_execution_that_was_faster(code):
    desk = Desk()
    desk.hear(*ENTRY_WORKS)
    desk.book.cancel_asked(desk.leg(ENTRY))
    desk.hear(error(ENTRY, code), *ENTRY_FILLED)
    desk.pass_s(1)
    assert desk.of(FILLED, ENTRY)
    assert not desk.of(OrderUncertain)
    assert not desk.of(CANCELLED)


@pytest.mark.parametrize("code", [10147, 10148, 161])
def test_or_it_is_doubt(code):
    desk = Desk()
    desk.hear(*ENTRY_WORKS)
    desk.book.cancel_asked(desk.leg(ENTRY))
    desk.hear(error(ENTRY, code))
    desk.pass_s(1)
    assert [event.leg for event in desk.of(OrderUncertain)] == [ENTRY]


def test_a_cancel_asked_twice_is_not_doubt():
    desk = Desk()
    desk.hear(*ENTRY_WORKS)
    desk.book.cancel_asked(desk.leg(ENTRY))
    desk.hear(error(ENTRY, 10148, "OrderId 11 that needs to be cancelled cannot be cancelled, state: PendingCancel."))
    desk.pass_s(1)
    assert not desk.of(OrderUncertain)


def test_a_placement_that_nobody_answers_is_doubt_after_its_deadline():  # row 8
    desk = Desk()
    desk.pass_s(ACK_S - 0.1)
    assert not desk.told
    desk.pass_s(0.2)
    assert {event.leg for event in desk.of(OrderUncertain)} == {ENTRY, STOP, TARGET}


# --- what works -----------------------------------------------------------------------------------------------------


def test_children_are_not_in_force_before_the_entry_has_filled():
    desk = Desk()
    desk.hear(*ENTRY_WORKS, *CHILDREN_HELD)
    assert [event.leg for event in desk.of(WORKING)] == [ENTRY]


def test_a_stop_that_rests_with_the_broker_protects():
    desk = Desk()
    desk.hear(*ENTRY_WORKS, *CHILDREN_HELD, *ENTRY_FILLED, *CHILDREN_WORK)
    (stop,) = desk.of(WORKING, STOP)
    assert (stop.price_ticks, stop.remaining) == (PRICE[STOP], 1)


def test_children_that_work_before_the_entrys_execution_is_told_are_told_after_it():
    desk = Desk()
    desk.hear(*ENTRY_WORKS, *CHILDREN_HELD, *CHILDREN_WORK)
    assert not desk.of(WORKING, STOP)
    desk.hear(ENTRY_FILL)
    kinds = [(type(event), event.leg) for event in desk.told if hasattr(event, "leg")]
    assert kinds.index((FILLED, ENTRY)) < kinds.index((WORKING, STOP))


def test_a_repeated_status_tells_nothing():
    desk = opened()
    assert not desk.hear(*CHILDREN_WORK, *CHILDREN_WORK)


def test_a_triggered_stop_is_told_once():
    desk = opened()
    desk.hear(*STOPPED_OUT[:2], status(STOP, "Submitted"))
    assert len(desk.of(trade_events.StopTriggered)) == 1


def test_the_price_of_a_moved_stop_is_told_when_the_broker_has_it():
    desk = opened()
    desk.leg(STOP).orders[-1].change_ticks = PRICE[STOP] + 4
    desk.hear(status(STOP, "PreSubmitted", why="trigger"))
    assert not desk.of(WORKING)
    desk.hear(open_order(STOP, "PreSubmitted", price=PRICE[STOP] + 4), status(STOP, "PreSubmitted", why="trigger"))
    assert [event.price_ticks for event in desk.of(WORKING, STOP)] == [PRICE[STOP] + 4]


def test_the_cancel_of_an_exit_that_was_replaced_is_not_the_end_of_the_leg():
    desk = opened()
    desk.send(EXIT)
    desk.hear(open_order(EXIT, "Submitted"), status(EXIT, "Submitted"))
    desk.book.cancel_asked(desk.leg(EXIT))
    desk.send(EXIT, address=15)
    desk.hear(status(EXIT, "Cancelled"), error(EXIT, 202))
    assert not desk.of(CANCELLED, EXIT)
    desk.hear(open_order(EXIT, "Submitted", perm=905, address=15), execution(EXIT, 7, perm=905))
    assert [fill.final for fill in desk.of(FILLED, EXIT)] == [True]


def test_an_exit_refused_because_the_stop_was_faster_is_no_error():
    desk = opened()
    desk.send(EXIT)
    desk.hear(*STOPPED_OUT, error(EXIT, 201, "The OCA group is already filled"))
    assert not desk.of(REJECTED)
    assert [event.leg for event in desk.of(REFUSED)] == [EXIT]


# --- children of a partly filled entry (EX07) -----------------------------------------------------------------------


def partly_filled(child_total):
    """Three lots asked, one filled, the rest withdrawn; the broker left the children at `child_total`."""
    desk = Desk(qty=3)
    desk.hear(
        open_order(ENTRY, "Submitted", total=3), status(ENTRY, "Submitted", remaining=3), ENTRY_FILL,
        open_order(STOP, "PreSubmitted", total=child_total), status(STOP, "PreSubmitted", remaining=child_total),
        open_order(TARGET, "Submitted", total=child_total), status(TARGET, "Submitted", remaining=child_total),
    )  # fmt: skip
    desk.book.cancel_asked(desk.leg(ENTRY))
    desk.hear(status(ENTRY, "Cancelled", filled=1, remaining=2), error(ENTRY, 202))
    return desk


def test_children_that_the_broker_left_too_large_are_found_after_a_moment():
    desk = partly_filled(child_total=3)
    assert desk.book.too_large(desk.now_s) == []
    found = desk.book.too_large(desk.now_s + 1)
    assert [(excess.state.leg, excess.qty) for excess in found] == [(STOP, 1), (TARGET, 1)]
    assert desk.book.too_large(desk.now_s + 2) == []


def test_children_that_the_broker_sized_are_left_alone():
    desk = partly_filled(child_total=1)
    assert desk.book.too_large(desk.now_s + 1) == []


def test_a_child_of_a_position_that_is_closed_should_go():
    desk = partly_filled(child_total=3)
    desk.send(EXIT)
    desk.hear(execution(EXIT, 3))
    assert {excess.qty for excess in desk.book.too_large(desk.now_s + 1)} == {0}


# --- a complete list ------------------------------------------------------------------------------------------------


def listed(desk, *legs, ended=()):
    asked = desk.book.list_begins()
    desk.told += desk.book.list_ended(asked, [PERM[leg] for leg in legs], ended, desk.now_s)


def test_what_is_not_listed_and_has_ended_is_told():
    desk = opened()
    listed(desk, STOP, ended=[completed(TARGET, "Cancelled")])
    assert [event.leg for event in desk.of(CANCELLED)] == [TARGET]
    assert desk.leg(STOP).live


def test_what_is_in_no_list_is_given_up_without_a_word_and_known_again_when_it_speaks():
    desk = opened()
    listed(desk, STOP)
    assert not desk.told
    assert not desk.leg(TARGET).live
    desk.hear(status(TARGET, "Submitted"))
    assert [event.leg for event in desk.of(WORKING)] == [TARGET]


def test_what_was_sent_after_the_question_is_not_missing_from_its_answer():
    desk = opened()
    asked = desk.book.list_begins()
    desk.send(EXIT)
    desk.hear(open_order(EXIT, "Submitted"))
    desk.told += desk.book.list_ended(asked, [PERM[STOP], PERM[TARGET]], [], desk.now_s)
    assert desk.leg(EXIT).live


def test_an_answer_that_failed_concludes_nothing():
    desk = opened()
    desk.book.list_begins()
    desk.book.list_failed()
    assert desk.leg(STOP).live
    assert desk.leg(TARGET).live


def test_orders_found_by_a_list_are_not_told_one_by_one():
    desk = Desk(place=False)
    asked = desk.book.list_begins()
    desk.hear(*CHILDREN_WORK)
    desk.told += desk.book.list_ended(asked, [PERM[STOP], PERM[TARGET]], [], desk.now_s)
    assert not desk.told
    desk.hear(status(STOP, "Submitted"), STOP_FILL)
    assert [fill.leg for fill in desk.of(FILLED)] == [STOP]


# --- every order of everything --------------------------------------------------------------------------------------

STORY = (*ENTRY_WORKS, *CHILDREN_HELD, *ENTRY_FILLED, commission(ENTRY_FILL), *CHILDREN_WORK, *STOPPED_OUT,
         commission(STOP_FILL))  # fmt: skip


@settings(max_examples=200)
@given(st.permutations(range(len(STORY))), st.lists(st.integers(0, len(STORY) - 1), max_size=8), st.booleans())
def test_in_any_order_and_repeated_each_execution_counts_once(order, repeated, slow):
    desk = Desk()
    for number in [*order, *repeated]:
        desk.hear(STORY[number])
        if slow:
            desk.pass_s(0.2)
    desk.pass_s(10)
    fills = desk.of(FILLED)
    assert sorted(fill.exec_id for fill in fills) == sorted({ENTRY_FILL.exec_id, STOP_FILL.exec_id})
    assert sum(fill.qty if fill.side is Side.BUY else -fill.qty for fill in fills) == 0
    paid = {fill.exec_id: fill.commission_uusd for fill in fills}
    paid |= {report.exec_id: report.commission_uusd for report in desk.of(CommissionReported)}
    assert sum(paid.values()) == 2 * 620_000
    assert not desk.of(REJECTED)
    for leg in (ENTRY, STOP):
        assert not desk.of(CANCELLED, leg)
    assert len(desk.of(CANCELLED, TARGET)) <= 1
    assert len(desk.of(ACK)) <= 1
    assert not any(order.live for order in desk.leg(STOP).orders + desk.leg(ENTRY).orders)


@given(st.permutations(range(6)), st.integers(0, 5))
def test_a_rejection_in_any_order_is_told_once(order, again):
    story = (
        error(ENTRY, 201, "margin"), open_order(ENTRY, "Inactive"), status(ENTRY, "Inactive"),
        open_order(TARGET, "Cancelled"), status(STOP, "Cancelled"), error(STOP, 202),
    )  # fmt: skip
    desk = Desk()
    for number in [*order, again]:
        desk.hear(story[number])
    desk.pass_s(10)
    assert [event.leg for event in desk.of(REJECTED)] == [ENTRY]
    assert not desk.of(FILLED)
    assert not desk.of(OrderUncertain, ENTRY)
    assert {event.leg for event in desk.of(CANCELLED)} <= {STOP, TARGET}


def test_order_ids_never_go_back():
    desk = Desk()
    desk.hear(open_order(STOP, "PreSubmitted", perm=999, client=CLIENT + 1, address=5_000, ref="x"))
    assert desk.index.highest_order_id == 5_000 > max(ADDRESS.values())


def test_after_a_start_a_stop_that_fills_before_its_entry_is_told_waits_for_the_first_answer():
    """Found by `make crash`: killed as the order arrived, entry filled meanwhile, stop filled as the next one came."""
    desk = Desk(place=False)
    desk.hear(*CHILDREN_WORK, STOP_FILL)
    desk.pass_s(10.0)  # a start takes its time until it asks
    asked = desk.book.list_begins()
    desk.pass_s(10.0)
    assert not desk.of(FILLED)
    assert desk.book.holds_back(ID)
    desk.hear(msgspec.structs.replace(ENTRY_FILL, live=False))
    assert [fill.leg for fill in desk.of(FILLED)] == [ENTRY, STOP]
    desk.told += desk.book.list_ended(asked, [], [], desk.now_s)
    assert not desk.book.holds_back(ID)
    assert len(desk.of(FILLED)) == 2


def test_an_entry_older_than_what_the_broker_tells_of_holds_its_stop_back_no_longer_than_the_answer():
    desk = Desk(place=False)
    asked = desk.book.list_begins()
    desk.hear(*CHILDREN_WORK, STOP_FILL)
    desk.told += desk.book.list_ended(asked, [], [], desk.now_s)
    assert [fill.leg for fill in desk.of(FILLED)] == [STOP]


def test_an_answer_that_does_not_come_holds_a_stop_back_no_longer():
    desk = Desk(place=False)
    desk.hear(*CHILDREN_WORK, STOP_FILL)
    desk.book.list_begins()
    desk.book.list_failed()
    desk.pass_s(1.0)
    assert [fill.leg for fill in desk.of(FILLED)] == [STOP]
