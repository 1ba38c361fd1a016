"""A link that breaks, by hand: what is told, held, queued and lost; and outages drawn from a seed."""

from itertools import pairwise

import pytest

from tests.sim.broker_kit import (
    ID,
    Desk,
    ask,
    cancel,
    leave,
    move_stop,
    ms,
    place,
    shadow,
    show,
    sold,
    summary,
)
from tests.sim.world import CALENDAR, HOUR_NS, SECOND_NS, at
from trading_bot.adapters.sim.link import FaultyLink, Outage, draw_outages
from trading_bot.domain import events, trade_events
from trading_bot.domain.errors import UsageError
from trading_bot.domain.orders import Leg

TWO = (7, 1)


def down(start, end, *, lost=False):
    return Outage(ms(start), ms(end), lost)


def desk(tape, sent, *outages, **more):
    return Desk(tape, sent, link=lambda broker: FaultyLink(broker, outages), **more)


def told(*args, **more):
    return [summary(event) for event in desk(*args, **more).run(2000)]


def test_an_idle_outage_tells_down_up_and_the_reconciliation():
    found = desk([show(0, 100, 101)], [], down(100, 300)).run(1000)
    assert found == [
        events.LinkStatus(ts_ns=ms(100), up=False, modelled=True),
        events.LinkStatus(ts_ns=ms(300), up=True, modelled=True),
        events.Reconciled(ts_ns=ms(350), ok=True, position_qty=0, working_orders=0, modelled=True, asked=True),
    ]


def test_answers_are_held_and_told_in_order_when_the_link_is_back():
    # as without an outage at 60 and 65; the question of 300 reaches the exchange at 325
    tape = [show(0, 100, 101), show(200, 100, 101), show(400, 100, 101)]
    assert told(tape, [place(10, 101)], down(61, 300)) == [
        (60.0, "Acknowledged"),
        (60.0, "Filled", "ENTRY", 1, 101, 0, True),
        (61.0, "LinkStatus", False),
        (300.0, "LinkStatus", True),
        (300.0, "Working", "STOP", 96, 1),
        (300.0, "Working", "TARGET", 105, 1),
        (350.0, "Reconciled", 1, 2),
    ]


def test_an_answer_of_the_very_time_of_the_break_is_held_and_one_of_the_return_is_told():
    tape = [show(0, 100, 101), show(200, 100, 101)]
    assert told(tape, [place(10, 101)], down(60, 65)) == [
        (60.0, "LinkStatus", False),
        (65.0, "LinkStatus", True),
        (65.0, "Acknowledged"),
        (65.0, "Filled", "ENTRY", 1, 101, 0, True),
        (65.0, "Working", "STOP", 96, 1),
        (65.0, "Working", "TARGET", 105, 1),
        (115.0, "Reconciled", 1, 2),
    ]


def test_the_resident_stop_works_on_and_an_exit_sent_meanwhile_comes_too_late():
    # print of 96 at 200 triggers the stop, routed at 205 at the bid of 95; the exit arrives at 525 and finds nothing
    tape = [show(0, 100, 101), show(199, 95, 96), sold(200, 96, 1), show(300, 95, 96), show(600, 95, 96)]
    for lost in (False, True):
        assert told(tape, [place(10, 101), leave(210)], down(100, 500, lost=lost))[4:] == [
            (100.0, "LinkStatus", False),
            (500.0, "LinkStatus", True),
            (500.0, "StopTriggered"),
            (500.0, "Filled", "STOP", 1, 95, 0, True),
            (500.0, "Cancelled", "TARGET"),
            (550.0, "RequestRefused", "EXIT"),
            (550.0, "Reconciled", 0, 0),
        ]


def test_queued_entries_are_sent_when_the_link_is_back():
    tape = [show(0, 100, 101), show(600, 100, 101)]
    sent = [place(200, 101), shadow(210, 99, life=100)]
    assert told(tape, sent, down(100, 500)) == [
        (100.0, "LinkStatus", False),
        (500.0, "LinkStatus", True),
        (550.0, "Acknowledged"),
        (550.0, "Filled", "ENTRY", 1, 101, 0, True),
        (550.0, "Reconciled", 1, 2),
        (555.0, "Working", "STOP", 96, 1),
        (555.0, "Working", "TARGET", 105, 1),
        (650.0, "ShadowEnded"),
    ]


def test_lost_entries_are_refused_at_once_and_the_rest_is_queued():
    tape = [show(0, 100, 101), show(600, 100, 101)]
    sent = [
        place(10, 101),
        place(200, 101, order_id=TWO),
        shadow(210, 99, order_id=(7, 2)),
        move_stop(220, 98),
        cancel(230, Leg.TARGET),
        ask(240),
    ]
    found = desk(tape, sent, down(100, 500, lost=True)).run(1000)[4:]
    assert found[:5] == [
        events.LinkStatus(ts_ns=ms(100), up=False, modelled=True),
        events.OrderRejected(
            ts_ns=ms(200), order_id=TWO, code=504, text="not connected: the link to the broker is down"
        ),
        trade_events.ShadowEnded(ts_ns=ms(210), order_id=(7, 2)),
        events.LinkStatus(ts_ns=ms(500), up=True, modelled=True),
        trade_events.OrderWorking(ts_ns=ms(550), order_id=ID, leg=Leg.STOP, price_ticks=98, remaining=1),
    ]
    # one reconciliation for the question of the core and that of the link
    assert [summary(event) for event in found[5:]] == [
        (550.0, "Cancelled", "TARGET"),
        (550.0, "Reconciled", 1, 1),
    ]


def test_an_entry_lost_in_the_instant_of_the_break_is_told_after_it():
    tape = [show(0, 100, 101), show(600, 100, 101)]
    # the timer of 100 goes after the broker; here the effect comes first, as that of a record of 100 would
    link = desk(tape, [], down(100, 500, lost=True)).broker
    link.dispatch(place(100, 101))
    assert link.next_due_ns == ms(100)
    assert [summary(link.take(ms(100))) for _ in range(2)] == [
        (100.0, "LinkStatus", False),
        (100.0, "Rejected", "ENTRY", 504),
    ]
    assert link.take(ms(100)) is None


def test_a_reconciliation_under_way_at_the_next_break_is_held_and_another_follows():
    found = told([show(0, 100, 101), show(900, 100, 101)], [], down(100, 200), down(210, 400))
    assert found == [
        (100.0, "LinkStatus", False),
        (200.0, "LinkStatus", True),
        (210.0, "LinkStatus", False),
        (400.0, "LinkStatus", True),
        (400.0, "Reconciled", 0, 0),
        (450.0, "Reconciled", 0, 0),
    ]


def test_outages_that_mean_nothing_are_refused():
    for times in ((0, 10), (10, 10), (20, 10)):
        with pytest.raises(UsageError, match="0 < down_ns < up_ns"):
            Outage(*times, lost=False)
    for second in (down(200, 300), down(150, 160), down(10, 20)):
        with pytest.raises(UsageError, match="in the order of time"):
            FaultyLink(Desk([]).broker, [down(100, 200), second])


# Drawn outages

WEEK = at("2026-11-15T22:00:00"), at("2026-11-20T23:30:00")  # Sunday evening to Friday's close: five Globex sessions


def test_drawn_outages_are_a_few_a_day_in_open_market():
    counts, longest, lost = [], 0, 0
    for seed in range(40):
        outages = draw_outages(seed, *WEEK, CALENDAR)
        counts.append(len(outages))
        FaultyLink(Desk([]).broker, outages)
        for left, right in pairwise(outages):
            assert right.down_ns - left.up_ns >= 20 * 60 * SECOND_NS
        for outage in outages:
            longest = max(longest, outage.up_ns - outage.down_ns)
            lost += outage.lost
            # the daily halt of Globex is 22:00 to 23:00 UTC in winter; Friday ends at 22:00
            for edge in (outage.down_ns, outage.up_ns):
                hour = edge // HOUR_NS % 24
                assert hour != 22
                assert WEEK[0] + HOUR_NS <= edge < at("2026-11-20T22:00:00")
    # 115 open hours, one in about three of them and the silence between
    assert 30 <= sum(counts) / len(counts) <= 42
    assert min(counts) > 20
    assert 300 * SECOND_NS < longest <= 600 * SECOND_NS
    assert 0.4 < lost / sum(counts) < 0.6


def test_drawn_outages_are_those_of_their_seed():
    assert draw_outages(3, *WEEK, CALENDAR) == draw_outages(3, *WEEK, CALENDAR)
    assert draw_outages(3, *WEEK, CALENDAR) != draw_outages(4, *WEEK, CALENDAR)
    assert draw_outages(3, WEEK[0], WEEK[0] + HOUR_NS, CALENDAR) == ()


def test_drawn_outages_follow_the_market_that_is_open():
    found = [draw_outages(seed, *WEEK, CALENDAR, market="rth") for seed in range(20)]
    edges = [edge for outages in found for outage in outages for edge in (outage.down_ns, outage.up_ns)]
    assert len(edges) > 40
    # 14:30 to 21:00 UTC
    assert all(14.5 <= edge % (24 * HOUR_NS) / HOUR_NS < 21 for edge in edges)
