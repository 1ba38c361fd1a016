"""The policy for the broker's message codes (field notes 2b), row by row."""

import pytest

from trading_bot.adapters.ibkr.codes import CODES, Effect, Kind, Request, code_row, order_effect

PLACE, MODIFY, CANCEL = Request.PLACE, Request.MODIFY, Request.CANCEL

# The rows of the table, as they stand in the field notes.
KINDS = {
    (1100, 2110): Kind.LINK_DOWN,  # block entries, keep processing callbacks
    (1101,): Kind.LINK_UP_DATA_LOST,  # resubscribe everything
    (1102,): Kind.LINK_UP_DATA_KEPT,  # verify flow
    (1300, 502, 503, 504, 326): Kind.SOCKET,  # reconnect with back-off
    (2103,): Kind.FARM_DOWN,
    (2104, 2108): Kind.FARM_UP,
    (2105, 2106, 2107, 2157, 2158): Kind.FARM_IDLE,  # of history and definitions: not the market's
    (10197,): Kind.COMPETING,
    (354, 10167, 10168): Kind.DELAYED,
    (10089, 10090): Kind.NOTICE,  # data may flow
    (101, 10190): Kind.STREAM_FAILED,
    (100,): Kind.PACING,
    (202,): Kind.ORDER_CANCELLED,
    (399, 2109, 10349): Kind.ORDER_INFO,
    (162, 165, 366): Kind.HISTORY,
    (317,): Kind.BOOK_RESET,
    (10225,): Kind.NOTICE,
}


@pytest.mark.parametrize(("code", "kind"), [(code, kind) for codes, kind in KINDS.items() for code in codes])
def test_kind(code, kind):
    assert code_row(code).kind is kind


# "order considered live until proven otherwise; 10147/10148 => query by permId"
@pytest.mark.parametrize("code", [104, 105, 161, 321, 329, 10147, 10148, 135, 136, 103, 106, 107, 320, 322])
@pytest.mark.parametrize("request_kind", list(Request))
def test_problems_of_a_change_or_a_cancel_leave_the_order_live_until_the_broker_was_asked(code, request_kind):
    assert order_effect(code, request_kind) is Effect.ASK


# "reject of *placement*: terminal REJECTED only if no openOrder/exec seen for that permId"
@pytest.mark.parametrize("code", [200, 201, 203, 460, 10289, 10293, 110, 109, 163, 382, 383, 388, 434, 451])
def test_a_rejection_ends_a_placement_only(code):
    assert order_effect(code, PLACE) is Effect.REJECTED
    assert order_effect(code, MODIFY) is Effect.ASK
    assert order_effect(code, CANCEL) is Effect.ASK


@pytest.mark.parametrize("request_kind", list(Request))
def test_a_cancel_notice_is_a_candidate_for_the_end(request_kind):
    assert order_effect(202, request_kind) is Effect.CANCELLED


# 10349 marked live orders as cancelled in both libraries, and fifteen were sent again (pysystemtrade 1580).
@pytest.mark.parametrize("code", [399, 2109, 10349, 10311, 404, 2100, 2137, 2148, 2199])
@pytest.mark.parametrize("request_kind", list(Request))
def test_information_about_an_order_changes_nothing(code, request_kind):
    assert order_effect(code, request_kind) is Effect.NONE


# "default for an unlisted code: log + alert + do not change order state"
@pytest.mark.parametrize("code", [1, 99, 118, 478, 2200, 10000, 10400, 99_999])
@pytest.mark.parametrize("request_kind", list(Request))
def test_a_code_nobody_listed_means_that_the_order_may_be_live(code, request_kind):
    assert code not in CODES
    assert order_effect(code, request_kind) is Effect.ASK


def test_too_many_messages_says_nothing_about_the_order_it_names():
    assert order_effect(100, PLACE) is Effect.ASK


def test_no_code_but_these_ends_an_order():
    ended = {code for code in CODES for request in Request if order_effect(code, request) is Effect.CANCELLED}
    assert ended == {202}


# Specification 8.2: cancel notices and farm messages are not errors.
@pytest.mark.parametrize(
    "code", [202, 161, 10147, 10148, 2103, 2104, 2105, 2106, 2107, 2108, 2110, 2157, 2158, 1100, 1102]
)
def test_cancel_notices_and_farm_messages_do_not_count_for_the_breaker(code):
    assert not code_row(code).error


@pytest.mark.parametrize("code", [100, 201, 321, 103])
def test_errors_count(code):
    assert code_row(code).error


@pytest.mark.parametrize("code", [354, 10168, 10186, 10187, 10188, 10189, 10190, 101, 102, 200, 309, 321, 420])
def test_a_refused_stream_has_to_be_asked_for_again(code):
    assert code_row(code).ends_stream


@pytest.mark.parametrize("code", [10089, 10090, 10167, 10197, 317, 2103, 1100, 99_999])
def test_a_stream_goes_on(code):
    assert not code_row(code).ends_stream
