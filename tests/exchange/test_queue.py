"""Hand-computed tapes: place in the queue, what advances it, what fills what rests (docs/simulator.md, 4 and 5)."""

import pytest

from tests.exchange.driver import BUY, LIMIT, SELL, bought, exchange, fills, sold, told

# Bid 10 lots at 100, ask 10 lots at 101, unless a test says otherwise.


def joined(ahead=10, **changes):
    """A buy of 1 at the bid, behind `ahead` displayed lots."""
    sim = exchange(**changes)
    sim.on_quote(1, 100, ahead, 101, 10)
    sim.place(7, 1, BUY, LIMIT, changes.pop("qty", 1), 100)
    sim.advance(1)
    return sim


def test_ten_ahead_trades_of_four_and_six_then_ours():
    sim = joined()
    assert told(sim) == [("ENTRY", "WORKING", 1, 100, 1)]
    sold(sim, 2, 100, 4)
    assert sim.queue_ahead(7) == 6
    sold(sim, 3, 100, 6)
    assert sim.queue_ahead(7) == 0
    assert not told(sim)
    sold(sim, 4, 100, 1)
    assert told(sim) == [("ENTRY", "FILL", 1, 100, 0)]


def test_a_trade_that_reaches_past_the_queue_fills_only_what_reaches_us():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 5, 100)
    sold(sim, 2, 100, 12)
    assert told(sim) == [("ENTRY", "WORKING", 5, 100, 5), ("ENTRY", "PARTIAL", 2, 100, 3)]
    sold(sim, 3, 100, 2)
    sold(sim, 4, 100, 9)
    assert told(sim) == [("ENTRY", "PARTIAL", 2, 100, 1), ("ENTRY", "FILL", 1, 100, 0)]


def test_buyers_at_our_price_and_unknown_aggressors_do_not_advance_us():
    sim = joined()
    bought(sim, 2, 100, 50)
    sim.on_trade(3, 100, 50, 0)
    assert sim.queue_ahead(7) == 10
    assert not fills(sim)


def test_a_sell_order_is_advanced_by_buyers():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 3)
    sim.place(7, 1, SELL, LIMIT, 1, 101)
    sold(sim, 2, 101, 9)
    bought(sim, 3, 101, 3)
    assert not fills(sim)
    bought(sim, 4, 101, 1)
    assert fills(sim) == [("ENTRY", 1, 101)]


@pytest.mark.parametrize(
    ("model", "after_cancel", "after_shrink"),
    # Joined behind 30, ten more join behind: 40 displayed. Twenty cancel: in proportion 30/40 of them stood before us,
    # 15 remain; the level shrinks to 4: none more than 4 can stand before us.
    [("pessimistic", 30, 30), ("probabilistic", 15, 3), ("optimistic", 0, 0)],
)
def test_cancellations_ahead(model, after_cancel, after_shrink):
    sim = joined(30, queue_model=model)
    sim.on_quote(2, 100, 40, 101, 10)
    sim.on_quote(3, 100, 20, 101, 10)
    assert sim.queue_ahead(7) == after_cancel
    # 16 of 20 cancel, 15/20 of them before us: 12 of our 15.
    sim.on_quote(4, 100, 4, 101, 10)
    assert sim.queue_ahead(7) == after_shrink


def test_what_traded_is_not_counted_as_cancelled():
    sim = joined(30, queue_model="probabilistic")
    sim.on_quote(2, 100, 40, 101, 10)
    sold(sim, 3, 100, 10)
    assert sim.queue_ahead(7) == 20
    sim.on_quote(4, 100, 30, 101, 10)  # 40 − 10 traded: nobody cancelled
    assert sim.queue_ahead(7) == 20
    sim.on_quote(5, 100, 15, 101, 10)  # half of 30 cancel, so half of our 20
    assert sim.queue_ahead(7) == 10


def test_fractions_of_a_cancellation_are_drawn_without_bias():
    # 1 of 2 cancels with 1 before us: it was the one before us in half of the cases.
    moved = 0
    for seed in range(400):
        sim = joined(1, queue_model="probabilistic", seed=seed)
        sim.on_quote(2, 100, 2, 101, 10)
        sim.on_quote(3, 100, 1, 101, 10)
        moved += sim.queue_ahead(7) == 0
    assert 160 < moved < 240  # four standard deviations of 400 fair draws


def test_an_empty_level_leaves_us_first_by_the_probabilistic_model_only():
    for model, ahead in [("pessimistic", 10), ("probabilistic", 0)]:
        sim = joined(queue_model=model)
        sim.on_quote(2, 99, 50, 101, 10)
        assert sim.queue_ahead(7) == ahead


def test_a_print_below_our_price_fills_all_of_us_at_our_price():
    sim = exchange()
    sim.on_quote(1, 100, 500, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 5, 100)
    sold(sim, 2, 99, 1)
    assert fills(sim) == [("ENTRY", 5, 100)]


def test_an_ask_below_our_price_fills_all_of_us_at_our_price():
    sim = exchange()
    sim.on_quote(1, 100, 500, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 5, 100)
    sim.on_quote(2, 98, 3, 99, 1)
    assert fills(sim) == [("ENTRY", 5, 100)]


def test_an_ask_at_our_price_fills_up_to_its_size_once():
    sim = exchange()
    sim.on_quote(1, 100, 500, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 5, 100)
    sim.on_quote(2, 99, 3, 100, 2)
    assert fills(sim) == [("ENTRY", 2, 100)]
    sim.on_quote(3, 99, 9, 100, 2)  # the same two lots, which we took
    assert not fills(sim)
    sim.on_quote(4, 99, 9, 100, 3)  # one more came
    assert fills(sim) == [("ENTRY", 1, 100)]


def test_inside_the_spread_we_are_first():
    sim = exchange()
    sim.on_quote(1, 100, 10, 103, 10)
    sim.place(7, 1, BUY, LIMIT, 1, 101)
    sim.advance(1)
    assert sim.queue_ahead(7) == 0
    sim.on_quote(2, 101, 40, 103, 10)  # others join behind us
    sold(sim, 3, 101, 1)
    assert fills(sim) == [("ENTRY", 1, 101)]


def test_behind_the_touch_the_queue_is_unknown_until_it_is_displayed():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 1, 98)
    sim.advance(1)
    assert sim.queue_ahead(7) is None
    sold(sim, 2, 98, 80)  # a print there before it was displayed: nothing is known
    assert not fills(sim)
    sim.on_quote(3, 98, 25, 99, 10)
    assert sim.queue_ahead(7) == 25
    sold(sim, 4, 98, 25)
    sold(sim, 5, 98, 1)
    assert fills(sim) == [("ENTRY", 1, 98)]


def test_locked_and_crossed_quotes_fill_nothing_that_rests():
    sim = joined()
    sim.on_quote(2, 100, 10, 100, 10)
    sim.on_quote(3, 100, 10, 99, 10)
    assert not fills(sim)
    sim.on_quote(4, 98, 10, 99, 10)
    assert fills(sim) == [("ENTRY", 1, 100)]


def test_a_side_without_size_is_not_there():
    sim = joined()
    sim.on_quote(2, 98, 10, 99, 0)
    assert not fills(sim)


def test_two_orders_of_ours_share_a_print():
    sim = joined()
    sim.place(8, 1, BUY, LIMIT, 1, 100)
    sim.advance(1)
    sold(sim, 2, 100, 11)
    assert [(answer.handle, answer.qty) for answer in exec_answers(sim)] == [(7, 1)]
    sold(sim, 3, 100, 1)
    assert [(answer.handle, answer.qty) for answer in exec_answers(sim)] == [(8, 1)]


def exec_answers(sim):
    taken = []
    while (answer := sim.take(sim.now_ns)) is not None:
        taken.append(answer)
    return [answer for answer in taken if answer.exec_id]


def test_all_or_nothing_waits_for_the_whole_quantity():
    sim = exchange(partial_fills=False)
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 5, 100)
    sold(sim, 2, 100, 12)
    sold(sim, 3, 100, 2)
    assert not fills(sim)
    sold(sim, 4, 100, 1)
    assert fills(sim) == [("ENTRY", 5, 100)]


def test_a_changed_price_or_more_lots_lose_the_place_fewer_lots_keep_it():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 3, 100)
    sold(sim, 2, 100, 6)
    assert sim.queue_ahead(7) == 4
    sim.on_quote(3, 100, 20, 101, 10)
    sim.modify(7, 3, 0, 100, 2)
    sim.advance(3)
    assert sim.queue_ahead(7) == 4
    sim.modify(7, 3, 0, 100, 5)
    sim.advance(3)
    assert sim.queue_ahead(7) == 20
    sold(sim, 4, 100, 5)
    sim.modify(7, 4, 0, 99)
    sim.modify(7, 4, 0, 100)
    sim.advance(4)
    assert sim.queue_ahead(7) == 20
    told_now = told(sim)
    assert told_now[1:] == [
        ("ENTRY", "WORKING", 2, 100, 2),
        ("ENTRY", "WORKING", 5, 100, 5),
        ("ENTRY", "WORKING", 5, 99, 5),
        ("ENTRY", "WORKING", 5, 100, 5),
    ]
