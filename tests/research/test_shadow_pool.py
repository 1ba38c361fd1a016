"""Shadow trades over records, more at a time than one simulator has slots (docs/gates.md, docs/simulator.md 9)."""

from tests.parity.tape import BEGIN, quote, trade
from trading_bot.domain.exchange import SHADOWS, ExchangeConfig
from trading_bot.research.shadow_pool import ShadowOrder, ShadowPool

MS = 1_000_000
CONFIG = ExchangeConfig(entry_latency_ns=10 * MS, response_latency_ns=5 * MS)
FEE = 1_250_000


def at(ms):
    return BEGIN + ms * MS


def order(ms, side=1, limit=101, *, target=4, stop=4, hold_ms=1_000, life_ms=500):
    return ShadowOrder(
        ts_ns=at(ms),
        side=side,
        limit_ticks=limit,
        target_ticks=target,
        stop_ticks=stop,
        hold_ns=hold_ms * MS,
        life_ns=life_ms * MS,
    )


def test_in_at_the_touch_and_out_by_the_clock():
    pool = ShadowPool(CONFIG)
    pool.market(quote(at(0), 100, 5, 101, 5))
    number = pool.place(order(1))
    pool.market(quote(at(900), 102, 5, 103, 5) + quote(at(2_000), 90, 5, 91, 5) + quote(at(2_100), 90, 5, 91, 5))
    end = pool.ends[number]
    # Sent at 1 ms, at the exchange 10 ms later: lifts 101, heard 5 ms after that. Then 1000 ms, and 10 ms to leave at
    # the bid of 102, heard 5 ms later.
    assert (end.entry_ts_ns, end.entry_ticks) == (at(16), 101)
    assert (end.exit_ts_ns, end.exit_ticks, end.exit_leg) == (at(1_031), 102, "EXIT")
    assert end.fees_uusd == 2 * FEE


def test_an_entry_that_finds_nobody_ends_with_its_life():
    pool = ShadowPool(CONFIG)
    pool.market(quote(at(0), 100, 5, 101, 5))
    number = pool.place(order(1, limit=100))
    pool.market(quote(at(600), 100, 5, 101, 5) + quote(at(700), 100, 5, 101, 5))
    end = pool.ends[number]
    assert (end.entry_ts_ns, end.cancelled_ts_ns, end.fees_uusd) == (None, at(516), 0)


def test_more_than_one_simulator_holds_are_all_followed_and_none_disturbs_another():
    """Each of 150 enters at the ask of its own moment and leaves at its own target, whichever simulator follows it."""
    pool = ShadowPool(CONFIG)
    asks = {}
    count = 2 * SHADOWS + 22
    for index in range(count):
        asks[index] = 101 + index % 7
        pool.market(quote(at(20 * index), asks[index] - 1, 5, asks[index], 5))
        assert pool.place(order(20 * index, limit=asks[index], target=20, stop=50, hold_ms=60_000)) == index
    assert pool.simulators == 3
    for price in range(110, 140):
        pool.market(trade(at(5_000 + price), price, 1, aggressor=1))
    pool.finish(at(5_200))
    # A target is reached by a print beyond it: at its own price.
    assert [(end.entry_ticks, end.exit_ticks, end.exit_leg) for end in pool.ends] == [
        (asks[index], asks[index] + 20, "TARGET") for index in range(count)
    ]
    assert pool.simulators == 0


def test_a_simulator_that_is_set_beside_knows_the_market_so_far():
    """The 65th rests behind the lots that were displayed before its simulator existed."""
    pool = ShadowPool(CONFIG)
    pool.market(quote(at(0), 100, 7, 101, 5))
    for _ in range(SHADOWS):
        pool.place(order(1, limit=90, life_ms=60_000))
    late = pool.place(order(1, limit=100, life_ms=60_000))
    pool.market(trade(at(100), 100, 7, aggressor=2) + trade(at(101), 100, 1, aggressor=2))
    pool.market(quote(at(120), 100, 7, 101, 5) + quote(at(130), 100, 7, 101, 5))
    # Seven lots stand before it: the print of seven reaches nobody, the lot after it fills at 101 ms, heard 5 later.
    assert (pool.ends[late].entry_ts_ns, pool.ends[late].entry_ticks) == (at(106), 100)
    assert all(end.entry_ts_ns is None for end in pool.ends[:late])
