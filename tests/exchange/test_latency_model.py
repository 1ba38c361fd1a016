"""Latencies drawn from a model: the reference's answers, the law of cuts, and tapes by hand (docs/simulator.md, 2)."""

import random
from collections import Counter, defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.driver import BUY, LIMIT, MARKET, answers
from tests.exchange.reference import mix
from tests.exchange.scripts import RECORDS, SLOW_END, latency_model, slow_script
from tests.exchange.test_laws import as_tuple, collect, played, reference
from trading_bot._fast.exchange import ExchangeSim
from trading_bot.domain.exchange import ExchangeConfig
from trading_bot.domain.latency_model import LatencyBucket, LatencyModel

SEEDS = st.integers(min_value=0, max_value=2**32)
MS = 1_000_000
S = 1_000_000_000


def model(*buckets, points=(0, 1_000_000)):
    rows = [LatencyBucket(burst_min=least, samples=1, entry_ns=out, response_ns=back) for least, out, back in buckets]
    return LatencyModel(
        instrument="MES", fitted_at="2026-11-21T15:00:00Z", points=points, buckets=tuple(rows), samples=1
    )


def constant(entry_ns, response_ns):
    return (entry_ns, entry_ns), (response_ns, response_ns)


def simulator(latency, **changes):
    quick = {"child_latency_ns": 0, "stop_latency_ns": 0}
    return ExchangeSim(ExchangeConfig(latency=latency, **{**quick, **changes}))


@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_the_reference_hears_the_same(seed):
    config, calls = slow_script(seed)
    sim, heard = played(config, calls, SLOW_END)
    market = reference(config, calls, SLOW_END)
    assert [as_tuple(answer) for answer in heard] == sorted(market.heard, key=lambda row: row[0])
    assert (sim.position, sim.fees_uusd, sim.executions) == (market.position, market.fees, market.executions)


@settings(max_examples=100, deadline=None)
@given(SEEDS, SEEDS)
def test_where_time_and_state_are_cut_changes_nothing(seed, cut_seed):
    config, calls = slow_script(seed)
    whole = [as_tuple(answer) for answer in played(config, calls, SLOW_END)[1]]
    rng = random.Random(cut_seed)
    sim, late = ExchangeSim(config), []
    for name, arguments in calls:
        ts = arguments[0] if name in RECORDS else arguments[1]
        if rng.random() < 0.3:
            sim.advance(rng.randint(min(sim.now_ns, ts), ts))
        if rng.random() < 0.2:
            again = ExchangeSim(config)
            again.restore(sim.snapshot())
            sim = again
        getattr(sim, name)(*arguments)
        if rng.random() < 0.2:
            while (answer := sim.take(sim.now_ns)) is not None:
                late.append(answer)
    collect(sim, late, SLOW_END)
    assert [as_tuple(answer) for answer in late] == whole


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_answers_keep_their_order_and_no_drawn_latency_is_beyond_the_tables(seed):
    config, calls = slow_script(seed)
    heard = played(config, calls, SLOW_END)[1]
    assert [answer.ts_ns for answer in heard] == sorted(answer.ts_ns for answer in heard)
    executed = [answer.exec_id for answer in heard if answer.exec_id]
    assert executed == list(range(1, len(executed) + 1))
    for answer in (row for row in heard if row.shadow and row.leg.name != "ENTRY"):
        before = [row.kind.name for row in heard[: heard.index(answer)] if row.shadow and row.handle == answer.handle]
        assert before == ["FILL"]


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_shadows_change_nothing_for_orders(seed):
    config, calls = slow_script(seed)
    real = [row for row in played(config, calls, SLOW_END)[1] if not row.shadow]
    alone = played(config, [call for call in calls if call[0] != "place_shadow"], SLOW_END)[1]
    assert real == alone


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_model_of_one_latency_is_the_constants(seed):
    drawn, calls = slow_script(seed)
    entry_ns, response_ns = 75 * MS, 50 * MS
    fixed = msgspec.structs.replace(drawn, latency=None, entry_latency_ns=entry_ns, response_latency_ns=response_ns)
    drawn = msgspec.structs.replace(drawn, latency=model((0, *constant(entry_ns, response_ns))))
    assert played(drawn, calls, SLOW_END)[1] == played(fixed, calls, SLOW_END)[1]


def test_the_burst_of_the_second_before_chooses_the_table():
    calm, busy, rush = constant(10 * MS, 0), constant(40 * MS, 0), constant(90 * MS, 0)
    latency = model((0, *calm), (3, *busy), (5, *rush))
    # The first of the four is a whole second old, and not in the second before 10 s.
    ticks = [9 * S, 9 * S + 1, 10 * S - 2, 10 * S - 2]
    assert entry_ms(latency, ticks, 10 * S) == 40
    assert entry_ms(latency, ticks, 10 * S - 1) == 40  # all four
    assert entry_ms(latency, [*ticks, 10 * S], 10 * S) == 40
    assert entry_ms(latency, [*ticks, 10 * S, 10 * S], 10 * S) == 90
    assert entry_ms(latency, ticks, 10 * S + 1) == 10
    assert entry_ms(latency, [], 10 * S) == 10


def entry_ms(latency, ticks, ts):
    """How long an order sent at `ts` after these ticks, quotes and trades in turn, takes to the exchange."""
    sim = simulator(latency)
    for index, tick_ns in enumerate(ticks):
        sim.on_trade(tick_ns, 100, 1, 1) if index % 2 else sim.on_quote(tick_ns, 100, 5, 101, 5)
    return (arrival(sim, 1, ts) - ts) / MS


def arrival(sim, handle, ts):
    """A market order, acknowledged as it arrives: the response latency is 0 here."""
    sim.place(handle, ts, BUY, MARKET, 1)
    return next(answer.ts_ns for answer in answers(sim, ts + S) if answer.handle == handle)


def test_a_record_that_is_no_tick_makes_no_burst():
    from trading_bot.domain.records import TICK_RECORD

    sim = simulator(model((0, *constant(10 * MS, 0)), (2, *constant(40 * MS, 0))))
    tape = b"".join(
        TICK_RECORD.pack(0, 64, 0, kind, 1, 1, 0, S, S, 100, 101, 5, 5, 0, 0, 0, 0) for kind in (3, 4, 5, 1)
    )
    sim.run(tape)
    assert arrival(sim, 1, S) == S + 10 * MS


def test_more_ticks_than_are_remembered_are_the_busiest_burst():
    sim = simulator(model((0, *constant(10 * MS, 0)), (4_096, *constant(40 * MS, 0))))
    for _ in range(4_095):
        sim.on_quote(S, 100, 5, 101, 5)
    assert arrival(sim, 1, S) == S + 10 * MS
    at = 5 * S
    for _ in range(9_000):
        sim.on_quote(at, 100, 5, 101, 5)
    assert arrival(sim, 2, at) == at + 40 * MS


def test_one_draw_by_hand():
    """Order 8 of seed 42 leaves at 2 s: splitmix64 of seed, way, order, time and 0, in the table 0, 10 ms, 50 ms."""
    points, table = (0, 400_000, 1_000_000), (0, 10 * MS, 50 * MS)
    sim = simulator(model((0, table, table), points=points), seed=42)
    sim.on_quote(S, 100, 5, 101, 5)
    sim.place(8, 2 * S, BUY, LIMIT, 1, 100)
    chance = mix(mix(mix(mix(42, 1), 8), 2 * S), 0) % 1_000_000
    assert chance > 400_000  # the second span, so that the line below is the one at work
    assert sim.next_due_ns == 2 * S + 10 * MS + 40 * MS * (chance - 400_000) // 600_000


def test_draws_follow_the_tables():
    """Ten thousand orders: the share below each quantile is its chance, within four standard deviations."""
    points = (0, 100_000, 500_000, 900_000, 990_000, 1_000_000)
    table = (1 * MS, 2 * MS, 5 * MS, 20 * MS, 80 * MS, 300 * MS)
    sim = simulator(model((0, table, (0,) * 6), points=points))
    sim.on_quote(S, 100, 5_000, 101, 5_000)
    took = []
    for number in range(10_000):
        ts = (2 + number) * S
        took.append(arrival(sim, number, ts) - ts)
    for chance, value in zip(points[1:-1], table[1:-1], strict=True):
        share = chance / 1_000_000
        assert abs(sum(ns <= value for ns in took) / 10_000 - share) < 4 * (share * (1 - share) / 10_000) ** 0.5
    assert min(took) >= 1 * MS
    assert max(took) <= 300 * MS


def test_a_message_never_overtakes_the_one_before_it():
    """As on a socket: whatever is drawn, an order is at the exchange before what was sent after it."""
    rng = random.Random(5)
    table = (0, 500 * MS)
    sim = simulator(model((0, table, (0, 0))))
    sim.on_quote(S, 100, 5, 101, 5)
    heard = defaultdict(list)
    for number in range(40):
        sim.place(number, 2 * S + number * MS, BUY, LIMIT, 1, 90)
        sim.cancel(number, 2 * S + number * MS + rng.randint(0, MS))
    for answer in answers(sim, 10 * S):
        heard[answer.handle].append((answer.kind.name, answer.ts_ns))
    arrived = [rows[0][1] for _, rows in sorted(heard.items())]
    assert arrived == sorted(arrived)
    assert len(set(arrived)) > 3
    assert Counter(tuple(kind for kind, _ in rows) for rows in heard.values()) == {("ACK", "WORKING", "CANCELLED"): 40}


def test_another_seed_draws_something_else():
    config, calls = slow_script(11, 600)
    first, again = (played(config, calls, SLOW_END)[1] for _ in range(2))
    other = played(msgspec.structs.replace(config, seed=config.seed ^ 1), calls, SLOW_END)[1]
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"points": (0, 500_000)}, "points"),
        ({"points": (0, 0, 1_000_000)}, "points"),
        ({"points": ()}, "points"),
        ({"buckets": ()}, "buckets"),
        ({"buckets": (("one",), ("two",))}, "burst_min"),
        ({"entry_ns": (5, 4)}, r"buckets\[0\]\.entry_ns"),
        ({"response_ns": (0, 3_600_000_000_001)}, r"buckets\[0\]\.response_ns"),
        ({"response_ns": (0, 1, 2)}, r"buckets\[0\]\.response_ns"),
    ],
)
def test_tables_that_cannot_be_drawn_from_are_refused_by_name(change, named):
    row = {"burst_min": 0, "samples": 1, "entry_ns": (0, 1), "response_ns": (0, 1)}
    row.update({key: value for key, value in change.items() if key in row})
    buckets = tuple(LatencyBucket(**row) for _ in change.get("buckets", ("one",)))
    with pytest.raises(ValueError, match=named):
        LatencyModel(
            instrument="MES",
            fitted_at="2026-11-21T15:00:00Z",
            points=change.get("points", (0, 1_000_000)),
            buckets=buckets,
            samples=1,
        )


def test_a_scaled_model_draws_the_same_chances():
    one = latency_model(random.Random(1))
    half = one.scaled(0.5)
    assert half.buckets[0].entry_ns == tuple(round(ns * 0.5) for ns in one.buckets[0].entry_ns)
    assert one.scaled(0).entry_ns_max == 0
    assert one.scaled(1e9).response_ns_max == 3_600_000_000_000
