"""Hand-computed tapes: marketable orders, stops, gaps (docs/simulator.md, 6 and 7)."""

import pytest

from tests.exchange.driver import BUY, LIMIT, MARKET, SELL, STOP, STOP_LIMIT, bought, exchange, fills, sold, told

MIRROR = [(BUY, 1), (SELL, -1)]


def test_a_market_order_takes_the_touch_then_a_tick_for_each_displayed_size():
    sim = exchange()
    sim.on_quote(1, 100, 9, 101, 4)
    sim.place(7, 1, BUY, MARKET, 10)
    assert fills(sim, 1) == [("ENTRY", 4, 101), ("ENTRY", 4, 102), ("ENTRY", 2, 103)]
    assert sim.position == 10


def test_lots_beyond_the_touch_can_be_configured():
    sim = exchange(beyond_touch_lots=1)
    sim.on_quote(1, 100, 9, 101, 4)
    sim.place(7, 1, SELL, MARKET, 11)
    assert fills(sim, 1) == [("ENTRY", 9, 100), ("ENTRY", 1, 99), ("ENTRY", 1, 98)]


def test_what_we_took_stays_taken_until_the_touch_moves():
    sim = exchange()
    sim.on_quote(1, 100, 9, 101, 4)
    sim.place(7, 1, BUY, MARKET, 3)
    sim.place(8, 1, BUY, MARKET, 3)
    assert fills(sim, 1) == [("ENTRY", 3, 101), ("ENTRY", 1, 101), ("ENTRY", 2, 102)]
    sim.on_quote(2, 100, 9, 101, 7)  # the record knows nothing of our six
    sim.place(9, 2, BUY, MARKET, 2)
    assert fills(sim, 2) == [("ENTRY", 1, 101), ("ENTRY", 1, 102)]
    sim.on_quote(3, 99, 9, 100, 7)
    sim.on_quote(4, 100, 9, 101, 7)
    sim.place(10, 4, BUY, MARKET, 2)
    assert fills(sim, 4) == [("ENTRY", 2, 101)]


def test_an_order_has_32_executions_at_one_instant_the_last_takes_the_rest():
    sim = exchange()
    sim.on_quote(1, 100, 1, 101, 1)
    sim.place(7, 1, BUY, MARKET, 40)
    taken = fills(sim, 1)
    assert taken[:31] == [("ENTRY", 1, 101 + i) for i in range(31)]
    assert taken[31:] == [("ENTRY", 9, 140)]  # lot 40 stands 39 ticks beyond the touch


def test_all_or_nothing_takes_at_the_worst_level_it_needs():
    sim = exchange(partial_fills=False)
    sim.on_quote(1, 100, 9, 101, 4)
    sim.place(7, 1, BUY, MARKET, 10)
    assert fills(sim, 1) == [("ENTRY", 10, 103)]
    sim.place(8, 1, BUY, LIMIT, 10, 103)  # lots 10 to 19 reach 105
    assert told(sim, 1) == [("ENTRY", "WORKING", 10, 103, 10)]


def test_a_marketable_limit_takes_up_to_its_limit_and_rests_first_in_line():
    sim = exchange()
    sim.on_quote(1, 100, 9, 101, 4)
    sim.place(7, 1, BUY, LIMIT, 10, 102)
    assert told(sim, 1) == [
        ("ENTRY", "PARTIAL", 4, 101, 6),
        ("ENTRY", "PARTIAL", 4, 102, 2),
        ("ENTRY", "WORKING", 10, 102, 2),
    ]
    assert sim.queue_ahead(7) == 0
    sim.on_quote(2, 100, 9, 101, 4)  # the lots we took
    bought(sim, 3, 101, 4)  # somebody else takes them in the record
    assert not fills(sim)
    sim.on_quote(4, 100, 9, 101, 5)
    assert fills(sim) == [("ENTRY", 2, 102)]  # 5 + 5 within the limit, 8 taken


def test_a_market_order_waits_for_a_side_with_size():
    sim = exchange()
    sim.place(7, 1, BUY, MARKET, 2)
    assert told(sim, 1) == [("ENTRY", "WORKING", 2, 0, 2)]
    sim.on_quote(2, 100, 9, 101, 0)
    assert not fills(sim)
    sim.on_quote(3, 100, 9, 104, 2)
    assert fills(sim) == [("ENTRY", 2, 104)]


def test_a_taker_of_a_crossed_quote_pays_the_worse_touch():
    sim = exchange()
    sim.on_quote(1, 105, 9, 101, 4)
    sim.place(7, 1, BUY, MARKET, 1)
    sim.place(8, 1, SELL, MARKET, 1)
    assert fills(sim, 1) == [("ENTRY", 1, 105), ("ENTRY", 1, 101)]


@pytest.mark.parametrize(("side", "way"), MIRROR)
def test_a_stop_fills_at_its_trigger_when_the_market_trades_there(side, way):
    sim = exchange()
    quote(sim, 1, way, own=99, opp=100)
    sim.place(7, 1, side, STOP, 1, 0, 1000 + way * 102)
    quote(sim, 2, way, own=100, opp=101)
    sim.on_trade(3, 1000 + way * 101, 5, 1 if way > 0 else 2)
    assert told(sim) == [("ENTRY", "WORKING", 1, 1000 + way * 102, 1)]
    sim.on_trade(4, 1000 + way * 102, 1, 1 if way > 0 else 2)
    assert told(sim) == [
        ("ENTRY", "STOP_TRIGGERED", 1, 1000 + way * 102, 1),
        ("ENTRY", "FILL", 1, 1000 + way * 102, 0),  # the quote lags the print: never better than the trigger
    ]


def quote(sim, ts_ns, way, *, own, opp):
    """A quote of 10 by 10 around 1000 as a buyer (way +1) or a seller (way -1) sees it."""
    bid, ask = sorted([1000 + way * own, 1000 + way * opp])
    sim.on_quote(ts_ns, bid, 10, ask, 10)


@pytest.mark.parametrize(("side", "way"), MIRROR)
def test_a_gap_through_a_stop_fills_at_the_gapped_touch(side, way):
    sim = exchange()
    quote(sim, 1, way, own=99, opp=100)
    sim.place(7, 1, side, STOP, 1, 0, 1000 + way * 102)
    sim.advance(1)
    quote(sim, 2, way, own=109, opp=110)  # no print yet: a stop on last waits
    assert not fills(sim)
    sim.on_trade(3, 1000 + way * 109, 1, 0)
    assert fills(sim) == [("ENTRY", 1, 1000 + way * 110)]


def test_a_gap_in_the_prints_fills_no_better_than_the_print():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, SELL, STOP, 1, 0, 98)
    sold(sim, 2, 90, 1)  # the quote still says 100
    assert fills(sim) == [("ENTRY", 1, 90)]


def test_a_stop_on_the_touch_triggers_on_quotes_alone():
    sim = exchange(stop_trigger="touch")
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, SELL, STOP, 1, 0, 98)
    sold(sim, 2, 97, 1)
    sim.on_quote(3, 99, 10, 100, 10)
    assert told(sim) == [("ENTRY", "WORKING", 1, 98, 1)]
    sim.on_quote(4, 95, 10, 96, 10)
    assert fills(sim) == [("ENTRY", 1, 95)]


def test_a_stop_already_passed_triggers_on_arrival_at_the_touch():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 10)
    sold(sim, 2, 90, 1)
    sim.on_quote(3, 96, 10, 97, 10)
    sim.place(7, 4, SELL, STOP, 1, 0, 98)
    assert fills(sim, 4) == [("ENTRY", 1, 96)]


def test_a_stop_limit_is_left_behind_by_a_gap():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, BUY, STOP_LIMIT, 2, 105, 103)
    sim.on_quote(2, 109, 10, 110, 10)
    bought(sim, 3, 110, 1)
    assert told(sim) == [
        ("ENTRY", "WORKING", 2, 103, 2),
        ("ENTRY", "STOP_TRIGGERED", 2, 103, 2),
        ("ENTRY", "WORKING", 2, 105, 2),
    ]
    sim.on_quote(4, 104, 10, 106, 10)
    assert not fills(sim)
    sim.on_quote(5, 103, 10, 104, 1)
    assert fills(sim) == [("ENTRY", 2, 105)]


def test_a_stop_limit_within_its_limit_takes_no_better_than_its_trigger():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 1)
    sim.place(7, 1, BUY, STOP_LIMIT, 3, 104, 103)
    sim.on_quote(2, 101, 10, 102, 1)
    bought(sim, 3, 103, 1)
    # Lots stand at 102, 103, 104: the first one is not had below the trigger.
    assert fills(sim) == [("ENTRY", 1, 103), ("ENTRY", 1, 103), ("ENTRY", 1, 104)]


def test_a_stop_that_the_broker_has_to_route_meets_the_market_later():
    sim = exchange(stop_latency_ns=10)
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, SELL, STOP, 1, 0, 98)
    sold(sim, 20, 98, 1)
    assert told(sim) == [("ENTRY", "WORKING", 1, 98, 1), ("ENTRY", "STOP_TRIGGERED", 1, 98, 1)]
    assert sim.next_due_ns == 30
    sim.on_quote(29, 95, 10, 96, 10)
    assert not fills(sim)
    sim.on_quote(30, 90, 10, 91, 10)  # it was there before this record
    assert fills(sim) == [("ENTRY", 1, 95)]
