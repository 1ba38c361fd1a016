"""Hand-computed tapes of shadow trades (docs/simulator.md, 9)."""

import random

from tests.exchange.driver import BUY, FEE, LIMIT, MARKET, SELL, answers, bought, exchange, sold, told


def following(side=BUY, kind=MARKET, limit=0, **changes):
    """Entry at time 10 000 (market: 101), target and stop 8 ticks away, 1000 to hold, 500 for the entry to fill."""
    sim = exchange(entry_latency_ns=100, response_latency_ns=50, **changes)
    sim.on_quote(9_000, 100, 10, 101, 10)
    sim.place_shadow(3, 9_900, side, kind, limit, 8, 8, 1_000, 500)
    sim.advance(10_000)
    return sim


def told_shadow(sim, until):
    return [(a.ts_ns, a.leg.name, a.kind.name, a.side, a.price_ticks) for a in answers(sim, until)]


def test_entry_at_the_touch_and_target_by_the_queue():
    sim = following()
    assert told_shadow(sim, 10_050) == [(10_050, "ENTRY", "FILL", 1, 101)]
    sim.on_quote(10_100, 108, 10, 109, 20)
    bought(sim, 10_101, 109, 20)
    assert not told_shadow(sim, 10_200)
    bought(sim, 10_201, 109, 1)
    assert told_shadow(sim, 10_300) == [(10_251, "TARGET", "FILL", -1, 109)]
    assert (sim.shadows, sim.position, sim.fees_uusd, sim.executions) == (0, 0, 0, 0)


def test_a_stop_gapped_through():
    sim = following()
    sim.on_quote(10_100, 80, 10, 81, 10)
    sold(sim, 10_101, 82, 1)
    assert told_shadow(sim, 10_200)[1:] == [(10_151, "STOP", "FILL", -1, 80)]


def test_the_time_stop_counts_from_the_news_of_the_entry_and_its_order_takes_time():
    sim = following()
    sim.on_quote(11_149, 103, 10, 104, 10)
    assert sim.shadows == 1
    sim.on_quote(11_150, 90, 10, 91, 10)  # 10 000 + 50 to hear + 1000 to hold + 100 to send: out before this record
    assert told_shadow(sim, 11_300)[1:] == [(11_200, "EXIT", "FILL", -1, 103)]


def test_an_entry_that_is_not_filled_in_time_is_a_missed_one():
    sim = following(SELL, LIMIT, 101)
    bought(sim, 10_400, 101, 10)
    assert told_shadow(sim, 11_000) == [(10_550, "ENTRY", "CANCELLED", -1, 101)]
    assert sim.shadows == 0


def test_a_limit_entry_waits_in_the_pessimistic_queue_whatever_the_orders_use():
    sim = following(SELL, LIMIT, 101, queue_model="optimistic")
    bought(sim, 10_010, 101, 10)
    assert not told_shadow(sim, 10_100)
    bought(sim, 10_101, 101, 1)
    answer = answers(sim, 10_151)[0]
    assert (answer.kind.name, answer.price_ticks, answer.commission_uusd, answer.exec_id, answer.shadow) == (
        "FILL",
        101,
        FEE,
        0,
        True,
    )


def test_a_shadow_never_touches_an_order():
    """The same tape and orders, with and without shadows: the orders hear the same."""
    assert orders_heard(0) == orders_heard(12)


def orders_heard(shadows):
    rng = random.Random(4)
    sim = exchange(queue_model="probabilistic", entry_latency_ns=3, response_latency_ns=2, seed=9)
    heard = []
    ts = 100
    for step in range(600):
        ts += 5
        bid = 1_000 + rng.randint(-3, 3)
        sim.on_quote(ts, bid, rng.randint(0, 9), bid + 1, rng.randint(0, 9))
        sim.on_trade(ts + 1, bid + rng.randint(0, 1), rng.randint(1, 4), rng.choice([1, 2]))
        if step % 9 == 0:
            side = rng.choice([BUY, SELL])
            sim.place(step, ts + 1, side, LIMIT, 2, 1_000, 0, 1_000 - 3 * side, 1_000 + 2 * side)
        if step % 50 < shadows:
            sim.place_shadow(step, ts + 1, BUY, LIMIT, bid, 2, 2, 40, 40)
        heard += [answer for answer in answers(sim, ts + 2) if not answer.shadow]
    assert any(answer.exec_id for answer in heard)
    return heard, sim.position, sim.fees_uusd


def test_many_shadows_end_each_in_exactly_one_way():
    rng = random.Random(8)
    sim = exchange()
    ends = {}
    entered = {}
    for step in range(500):
        ts = 100 + 10 * step
        bid = 1_000 + rng.randint(-4, 4)
        sim.on_quote(ts, bid, rng.randint(0, 9), bid + 1, rng.randint(0, 9))
        sim.on_trade(ts + 1, bid + rng.randint(0, 1), rng.randint(1, 9), rng.choice([1, 2]))
        if step % 4 == 0 and step < 450:
            kind = rng.choice([LIMIT, MARKET])
            sim.place_shadow(step, ts + 1, rng.choice([BUY, SELL]), kind, bid if kind == LIMIT else 0, 2, 2, 15, 40)
        for answer in answers(sim, ts + 1):
            if answer.leg.name == "ENTRY" and answer.kind.name == "FILL":
                assert answer.handle not in entered
                entered[answer.handle] = answer
            else:
                assert answer.handle not in ends
                ends[answer.handle] = answer
                assert (answer.handle in entered) == (answer.kind.name == "FILL")
    assert sim.shadows == 0
    assert len(ends) == len(range(0, 450, 4))
    assert {answer.leg.name for answer in ends.values()} == {"ENTRY", "TARGET", "STOP", "EXIT"}
    assert not told(sim)
