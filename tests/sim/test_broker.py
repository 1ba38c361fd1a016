"""Hand-computed tapes through kernel, exchange simulator and broker: 25 ms each way, 5 ms for children and stops.

Event summaries are (ms, kind, leg, lots, price, remaining, final) as far as the event has them.
"""

import pytest

from tests.sim.broker_kit import (
    ID,
    Desk,
    ask,
    bought,
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
from trading_bot._fast import ExchangeSim
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.domain import events, trade_events
from trading_bot.domain.exchange import ExchangeConfig, ExchangeFull
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.units import TS_NEVER_NS

FEE = 1_250_000  # specification 1: a round trip of $2.50, one side of it

FILLED = [
    (60.0, "Acknowledged"),
    (60.0, "Filled", "ENTRY", 1, 101, 0, True),
    (65.0, "Working", "STOP", 96, 1),
    (65.0, "Working", "TARGET", 105, 1),
]


def told(tape, sent, until=1000.0, **more):
    return [summary(event) for event in Desk(tape, sent, **more).run(until)]


# Tapes


def test_entry_filled_stop_resident_five_ms_later_target_fills():
    # sent at 10, at the exchange at 35; filled there at once, children at 40; the quote of 200 is through the target
    tape = [show(0, 100, 101), show(50, 100, 101), show(200, 106, 107)]
    assert told(tape, [place(10, 101)]) == [
        *FILLED,
        (225.0, "Filled", "TARGET", 1, 105, 0, True),
        (225.0, "Cancelled", "STOP"),
    ]


def test_stop_out_through_a_gap():
    # print at 95 triggers at 200, routed at 205: the worst of trigger 96, print 95 and bid 94 does not count the print
    # any more (it counts in its own instant: it set the bound), so 94
    tape = [show(0, 100, 101), show(199, 94, 95), sold(200, 95, 1), show(300, 94, 95)]
    assert told(tape, [place(10, 101)]) == [
        *FILLED,
        (225.0, "StopTriggered"),
        (230.0, "Filled", "STOP", 1, 94, 0, True),
        (230.0, "Cancelled", "TARGET"),
    ]


def test_exit_in_the_oca_group_takes_stop_and_target_along():
    tape = [show(0, 100, 101), show(110, 99, 100)]
    assert told(tape, [place(10, 101), leave(100)]) == [
        *FILLED,
        (150.0, "Filled", "EXIT", 1, 99, 0, True),
        (150.0, "Cancelled", "TARGET"),
        (150.0, "Cancelled", "STOP"),
    ]


def test_a_limit_exit_rests_is_replaced_and_the_stop_stays_until_it_fills():
    # rests at 103 from 125; replaced at 225 by 100, which the bid of 100 fills at once
    tape = [show(0, 100, 101), show(400, 100, 101)]
    assert told(tape, [place(10, 101), leave(100, 103), leave(200, 100)]) == [
        *FILLED,
        (150.0, "Working", "EXIT", 103, 1),
        (250.0, "Filled", "EXIT", 1, 100, 0, True),
        (250.0, "Cancelled", "TARGET"),
        (250.0, "Cancelled", "STOP"),
    ]


def test_a_cancel_that_comes_too_late_is_refused_and_the_fill_stands():
    # 10 lots stand before us: the print of 12 at 100 reaches us, before the cancel arrives at 115
    tape = [show(0, 100, 101), sold(100, 100, 12), show(200, 100, 101)]
    assert told(tape, [place(10, 100), cancel(90)]) == [
        (60.0, "Acknowledged"),
        (60.0, "Working", "ENTRY", 100, 1),
        (125.0, "Filled", "ENTRY", 1, 100, 0, True),
        (130.0, "Working", "STOP", 96, 1),
        (130.0, "Working", "TARGET", 105, 1),
        (140.0, "RequestRefused", "ENTRY"),
    ]


def test_a_cancel_in_time_takes_the_children_along():
    tape = [show(0, 100, 101), sold(300, 100, 12)]
    assert told(tape, [place(10, 100), cancel(90)]) == [
        (60.0, "Acknowledged"),
        (60.0, "Working", "ENTRY", 100, 1),
        (140.0, "Cancelled", "ENTRY"),
        (140.0, "Cancelled", "TARGET"),
        (140.0, "Cancelled", "STOP"),
    ]


def test_partial_then_cancel_keeps_children_for_what_was_filled():
    tape = [show(0, 100, 101), sold(100, 100, 12), show(400, 100, 101)]
    assert told(tape, [place(10, 100, qty=3), cancel(130), ask(200)]) == [
        (60.0, "Acknowledged"),
        (60.0, "Working", "ENTRY", 100, 3),
        (125.0, "Filled", "ENTRY", 2, 100, 1, False),
        (130.0, "Working", "STOP", 96, 2),
        (130.0, "Working", "TARGET", 105, 2),
        (180.0, "Cancelled", "ENTRY"),
        (250.0, "Reconciled", 2, 2),
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # arrives at 95, before the print of 100; entry and two waiting children live
        (70, [(120.0, "Reconciled", 0, 3), (125.0, "Filled", "ENTRY", 1, 100, 0, True)]),
        # arrives with the print: the execution is told first and counts
        (75, [(125.0, "Filled", "ENTRY", 1, 100, 0, True), (125.0, "Reconciled", 1, 2)]),
        # arrives after it, answered when the fill is known
        (77, [(125.0, "Filled", "ENTRY", 1, 100, 0, True), (127.0, "Reconciled", 1, 2)]),
    ],
)
def test_a_question_is_answered_as_of_its_arrival_while_a_fill_is_under_way(asked, expected):
    tape = [show(0, 100, 101), sold(100, 100, 12), show(200, 100, 101)]
    found = told(tape, [place(10, 100), ask(asked)])
    assert [row for row in found if row[1] in {"Filled", "Reconciled"}] == expected


def test_without_latencies_everything_is_told_in_its_instant():
    settings = dict.fromkeys(["entry_latency_ns", "response_latency_ns", "child_latency_ns", "stop_latency_ns"], 0)
    tape = [show(0, 100, 101), show(50, 100, 101), show(200, 106, 107)]
    assert told(tape, [place(10, 101), ask(10), ask(200)], **settings) == [
        (10.0, "Acknowledged"),
        (10.0, "Filled", "ENTRY", 1, 101, 0, True),
        (10.0, "Working", "STOP", 96, 1),
        (10.0, "Working", "TARGET", 105, 1),
        (10.0, "Reconciled", 1, 2),
        (200.0, "Reconciled", 1, 2),  # the answer of 200 comes before the record of 200
        (200.0, "Filled", "TARGET", 1, 105, 0, True),
        (200.0, "Cancelled", "STOP"),
    ]


# Every kind of answer, whole


def test_an_execution_carries_all_there_is_to_book():
    tape = [show(0, 100, 101), show(200, 106, 107)]
    found = [event for event in Desk(tape, [place(10, 101)]).run(500) if isinstance(event, trade_events.OrderFilled)]
    common = {"order_id": ID, "qty": 1, "remaining": 0, "final": True, "commission_uusd": FEE, "hypothetical": True}
    assert found == [
        trade_events.OrderFilled(
            ts_ns=ms(60), leg=Leg.ENTRY, side=Side.BUY, price_ticks=101, exec_id="sim-1", **common
        ),
        trade_events.OrderFilled(
            ts_ns=ms(225), leg=Leg.TARGET, side=Side.SELL, price_ticks=105, exec_id="sim-2", **common
        ),
    ]


def test_a_short_is_the_mirror():
    tape = [show(0, 100, 101), show(200, 94, 95)]
    found = Desk(tape, [place(10, 100, side=Side.SELL, stop=105, target=96, qty=2)]).run(500)
    fills = [(e.leg, e.side, e.qty, e.price_ticks) for e in found if isinstance(e, trade_events.OrderFilled)]
    assert fills == [(Leg.ENTRY, Side.SELL, 2, 100), (Leg.TARGET, Side.BUY, 2, 96)]


def test_observe_suppresses():
    found = Desk([show(0, 100, 101)], [place(10, 101)], suppress=True).run(60)
    assert found[0] == events.OrderSuppressed(ts_ns=ms(60), order_id=ID)
    assert not any(isinstance(event, events.OrderAcknowledged) for event in found)


def test_a_question_is_answered_as_modelled_and_asked():
    assert Desk([show(0, 100, 101)], [ask(10)]).run(100) == [
        events.Reconciled(ts_ns=ms(60), ok=True, position_qty=0, working_orders=0, modelled=True, asked=True)
    ]


def test_a_moved_stop_is_told_as_working_at_its_new_trigger():
    assert told([show(0, 100, 101), show(300, 100, 101)], [place(10, 101), move_stop(100, 98)]) == [
        *FILLED,
        (150.0, "Working", "STOP", 98, 1),
    ]


def test_a_withdrawn_stop_is_told_by_its_leg():
    assert told([show(0, 100, 101), show(300, 100, 101)], [place(10, 101), cancel(100, Leg.STOP)]) == [
        *FILLED,
        (150.0, "Cancelled", "STOP"),
    ]


def test_rejected_entries_say_which_limit_did_it():
    found = Desk([show(0, 100, 101)], [place(10, 101), ask(100)], reject_every=1).run(500)
    text = "rejected by the exchange simulator: reject_every = 1"
    assert found[0] == events.OrderRejected(ts_ns=ms(60), order_id=ID, code=201, text=text, leg=Leg.ENTRY)
    assert [summary(event) for event in found[1:]] == [
        (60.0, "Cancelled", "TARGET"),
        (60.0, "Cancelled", "STOP"),
        (150.0, "Reconciled", 0, 0),
    ]


def test_a_rejected_replacement_leaves_the_exit_that_works():
    # the second exit is rejected: entry is done, stop, target and the first exit live on
    sent = [place(10, 101), leave(100, 103), leave(200, 104), ask(300)]
    found = Desk([show(0, 100, 101), show(400, 100, 101)], sent, reject_exit_every=2).run(500)
    text = "rejected by the exchange simulator: reject_exit_every = 2"
    assert found[-2:] == [
        events.OrderRejected(ts_ns=ms(250), order_id=ID, code=201, text=text, leg=Leg.EXIT),
        events.Reconciled(ts_ns=ms(350), ok=True, position_qty=1, working_orders=3, modelled=True, asked=True),
    ]


def test_an_exit_without_a_position_is_refused():
    assert told([show(0, 100, 101)], [leave(10)]) == [(60.0, "RequestRefused", "EXIT")]


def test_a_shadow_trade_is_told_by_events_of_its_own():
    tape = [show(0, 100, 101), show(200, 106, 107)]
    found = Desk(tape, [shadow(10), ask(300)]).run(500)
    common = {"order_id": ID, "commission_uusd": FEE}
    assert found == [
        trade_events.ShadowFilled(ts_ns=ms(60), leg=Leg.ENTRY, side=Side.BUY, price_ticks=101, **common),
        trade_events.ShadowFilled(ts_ns=ms(225), leg=Leg.TARGET, side=Side.SELL, price_ticks=105, **common),
        events.Reconciled(ts_ns=ms(350), ok=True, position_qty=0, working_orders=0, modelled=True, asked=True),
    ]


def test_a_shadow_trade_without_an_entry_ends():
    found = Desk([show(0, 100, 101), show(200, 100, 101)], [shadow(10, 99, life=50)]).run(500)
    assert found == [trade_events.ShadowEnded(ts_ns=ms(110), order_id=ID)]  # 10 + 25 + 50 + 25


def test_a_triggered_stop_is_told():
    tape = [show(0, 100, 101), sold(200, 96, 1), bought(300, 101, 1)]
    found = Desk(tape, [place(10, 101)]).run(500)
    assert trade_events.StopTriggered(ts_ns=ms(225), order_id=ID) in found


# Limits


def direct(**settings):
    exchange = ExchangeSim(ExchangeConfig(**settings))
    return exchange, SimBroker(exchange, suppress=False, instrument_id=1)


def taken(broker, until):
    found = []
    while broker.next_due_ns <= ms(until):
        if (event := broker.take(broker.next_due_ns)) is not None:
            found.append(event)
    return found


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (place(10, 101, instrument_id=2), "instrument 2: this exchange has 1"),
        (place(10, 101, qty=1001), "qty is 1001: expected 1 to 1000"),
        (place(10, 101, stop=106), "not beyond stop 106"),
    ],
)
def test_an_order_the_simulator_cannot_take_is_rejected_at_once(order, words):
    _, broker = direct()
    broker.dispatch(order)
    assert broker.next_due_ns == ms(10)
    (event,) = taken(broker, 1000)
    assert isinstance(event, events.OrderRejected)
    assert (event.ts_ns, event.order_id, event.code, event.leg) == (ms(10), order.order.order_id, 201, Leg.ENTRY)
    assert words in event.text
    assert broker.next_due_ns == TS_NEVER_NS


def test_a_full_table_rejects_the_next_order_only():
    exchange, broker = direct()
    exchange.on_quote(ms(0), 100, 10, 101, 10)
    for index in range(65):
        broker.dispatch(place(10, 90, order_id=(7, index), stop=80))
    rejected = [event for event in taken(broker, 1000) if isinstance(event, events.OrderRejected)]
    assert [(event.order_id, event.ts_ns) for event in rejected] == [((7, 64), ms(10))]
    assert "64 orders live at the exchange" in rejected[0].text


def test_what_finds_no_room_among_the_messages_is_refused():
    _, broker = direct()
    for index in range(256):
        broker.dispatch(cancel(10, order_id=(7, index)))
    broker.dispatch(cancel(10, Leg.TARGET, order_id=(8, 0)))
    broker.dispatch(leave(10, order_id=(8, 1)))
    broker.dispatch(move_stop(10, 98, order_id=(8, 2)))
    broker.dispatch(move_stop(10, 0, order_id=(8, 3)))
    broker.dispatch(shadow(10, -1, order_id=(8, 4)))
    refused = trade_events.RequestRefused
    assert taken(broker, 10) == [
        refused(ts_ns=ms(10), order_id=(8, 0), leg=Leg.TARGET),
        refused(ts_ns=ms(10), order_id=(8, 1), leg=Leg.EXIT),
        refused(ts_ns=ms(10), order_id=(8, 2), leg=Leg.STOP),
        refused(ts_ns=ms(10), order_id=(8, 3), leg=Leg.STOP),
        trade_events.ShadowEnded(ts_ns=ms(10), order_id=(8, 4)),
    ]
    assert len(taken(broker, 1000)) == 256


def test_nothing_is_told_before_its_time():
    _, broker = direct()
    broker.dispatch(ask(10))
    assert broker.next_due_ns == ms(60)
    assert broker.take(ms(60) - 1) is None
    assert broker.take(ms(60)) is not None
    assert broker.take(ms(1000)) is None


def test_lost_answers_end_the_run():
    exchange, broker = direct()
    exchange.on_quote(ms(0), 100, 10, 101, 10)
    broker.dispatch(place(0, 90, stop=80))
    with pytest.raises(ExchangeFull, match="1024 answers were waiting"):
        for index in range(1100):
            broker.dispatch(move_stop(1 + index, 80 + index % 2))
    assert exchange.now_ns > ms(1000)
    with pytest.raises(ExchangeFull, match="1024 answers were waiting"):
        broker.take(ms(3000))
