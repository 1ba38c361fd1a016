"""Latencies, deadlines, fixed tables, refusals, snapshots (docs/simulator.md, 2, 3 and 10)."""

import re

import msgspec
import pytest

from tests.architecture.sources import PACKAGE, ROOT
from tests.exchange.driver import (
    BUY,
    LIMIT,
    MARKET,
    SELL,
    STOP,
    STOP_LIMIT,
    TS_NEVER_NS,
    Leg,
    answers,
    exchange,
    sold,
    told,
)
from trading_bot._fast.exchange import ExchangeSim
from trading_bot.domain import exchange as names
from trading_bot.domain.exchange import AnswerKind, ExchangeConfig, ExchangeFull, OrderKind
from trading_bot.domain.records import TICK_RECORD

STATE_PXD = (PACKAGE / "_fast" / "exchange_state.pxd").read_text()


def delayed(**changes):
    sim = exchange(entry_latency_ns=100, response_latency_ns=30, **changes)
    sim.on_quote(1_000, 100, 5, 101, 5)
    return sim


def test_an_order_is_in_force_before_a_record_of_its_own_time():
    sim = delayed()
    sim.place(7, 1_000, BUY, LIMIT, 1, 100)
    sold(sim, 1_099, 99, 1)  # through its price, too early
    assert sim.position == 0
    sold(sim, 1_100, 99, 1)
    assert sim.position == 1


def test_an_order_takes_the_quote_that_stands_when_it_arrives():
    sim = delayed()
    sim.place(7, 1_000, BUY, MARKET, 1)
    sim.on_quote(1_099, 110, 5, 111, 5)
    sim.on_quote(1_100, 120, 5, 121, 5)
    assert [(a.ts_ns, a.price_ticks) for a in answers(sim, 1_130) if a.exec_id] == [(1_130, 111)]


def test_answers_arrive_after_the_response_latency_and_not_before():
    sim = delayed()
    sim.place(7, 1_000, BUY, LIMIT, 1, 100)
    assert sim.next_due_ns == 1_100  # the arrival: the shell has to come, its answer may be due before the next record
    assert sim.take(1_100) is None
    assert sim.next_due_ns == 1_130
    assert sim.take(1_129) is None
    assert sim.take(1_130).kind == AnswerKind.ACK
    assert sim.take(1_130).kind == AnswerKind.WORKING
    assert sim.take(1_130) is None
    assert sim.next_due_ns == TS_NEVER_NS
    sold(sim, 1_200, 100, 6)
    assert (sim.next_due_ns, sim.position) == (1_230, 1)
    assert sim.take(1_230).kind == AnswerKind.FILL


def test_the_run_stops_after_a_record_with_news_and_before_its_deadline():
    sim = delayed()
    sim.place(7, 1_000, BUY, LIMIT, 1, 100)
    answers(sim, 1_130)
    tape = b"".join(
        TICK_RECORD.pack(0, 64, 0, kind, 1, 1, 0, ts, ts, price, 0, lots, 0, 2, 0, 0, 0)
        for kind, ts, price, lots in [(2, 1_140, 100, 5), (2, 1_150, 100, 1), (5, 1_160, 0, 0), (2, 1_180, 100, 1)]
    )
    assert sim.run(tape) == (2, 1)
    assert sim.next_due_ns == 1_180
    assert sim.run(tape, 2, sim.next_due_ns) == (3, 0)
    assert sim.take(1_180).kind == AnswerKind.FILL


def test_messages_stay_in_order_and_time_does_not_go_back():
    sim = delayed()
    sim.on_quote(2_000, 100, 5, 101, 5)
    sim.place(7, 500, BUY, LIMIT, 1, 100)  # taken at 2000
    sim.place(8, 2_050, BUY, LIMIT, 1, 100)
    sim.cancel(7, 2_020)  # sent after order 8: arrives with it
    assert [(a.ts_ns, a.handle, a.kind.name) for a in answers(sim, 3_000)] == [
        (2_130, 7, "ACK"),
        (2_130, 7, "WORKING"),
        (2_180, 8, "ACK"),
        (2_180, 8, "WORKING"),
        (2_180, 7, "CANCELLED"),
    ]


def test_prices_of_gaps_rejected_records_and_time_records_match_nothing():
    sim = exchange()
    sim.on_quote(1, 100, 5, 101, 5)
    sim.place(7, 1, BUY, LIMIT, 1, 100)
    answers(sim)
    tape = b"".join(TICK_RECORD.pack(0, 64, 0, kind, 1, 1, 0, 2, 2, 50, 60, 9, 9, 2, 0, 0, 0) for kind in (3, 4, 5))
    assert sim.run(tape) == (3, 0)
    assert sim.queue_ahead(7) == 5


def test_a_modified_order_is_refused_when_it_is_gone():
    sim = exchange()
    sim.modify(7, 1, Leg.ENTRY, 100, 1)
    assert told(sim, 1) == [("ENTRY", "REFUSED", 1, 100, 0)]


def test_a_quantity_at_or_below_the_filled_one_ends_the_order():
    sim = exchange()
    sim.on_quote(1, 100, 0, 101, 5)
    sim.place(7, 1, BUY, LIMIT, 5, 100)
    sold(sim, 2, 100, 2)
    told(sim)
    sim.modify(7, 2, Leg.ENTRY, 0, 2)
    assert told(sim, 2) == [("ENTRY", "CANCELLED", 3, 100, 0)]


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        ((0, LIMIT, 1, 100), "side is 0"),
        ((BUY, 5, 1, 100), "kind is 5"),
        ((BUY, LIMIT, 0, 100), "qty is 0"),
        ((BUY, LIMIT, 1_001, 100), "qty is 1001"),
        ((BUY, LIMIT, 1, 0), "limit_ticks is 0"),
        ((BUY, MARKET, 1, 100), "limit_ticks is 100"),
        ((BUY, LIMIT, 1, 100, 99), "trigger_ticks is 99"),
        ((BUY, STOP, 1, 0, 0), "trigger_ticks is 0"),
        ((BUY, STOP_LIMIT, 1, 99, 100), "limit 99 lies before trigger 100"),
        ((SELL, STOP_LIMIT, 1, 101, 100), "limit 101 lies before trigger 100"),
        ((BUY, LIMIT, 1, 100, 0, 96, 95), "target 95 is not beyond stop 96"),
        ((BUY, LIMIT, 1, 100, 0, -1), "stop_price_ticks is -1"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_at_the_door(order, complaint):
    sim = exchange()
    with pytest.raises(ValueError, match=complaint):
        sim.place(7, 1, *order)
    assert (sim.live_orders, sim.next_due_ns) == (0, TS_NEVER_NS)


def test_other_calls_that_make_no_sense():
    sim = exchange()
    sim.on_quote(1, 100, 5, 101, 5)
    sim.place(7, 1, BUY, LIMIT, 1, 100)
    for call, complaint in [
        (lambda: sim.place(7, 1, BUY, LIMIT, 1, 100), "handle 7 belongs to an order that lives"),
        (lambda: sim.modify(7, 1, Leg.STOP, 96, 2), "follows its parent's fills"),
        (lambda: sim.modify(7, 1, Leg.ALL, 96), "leg is 4"),
        (lambda: sim.cancel(7, 1, 5), "leg is 5"),
        (lambda: sim.exit(7, 1, STOP, 100, 1), "kind is 3"),
        (lambda: sim.take(TS_NEVER_NS), "ts_ns is"),
        (lambda: sim.place_shadow(1, 1, BUY, LIMIT, 100, 0, 8, 1, 1), "target_ticks is 0"),
        (lambda: sim.run(b"x" * 65), "65 bytes"),
        (lambda: ExchangeConfig(reject_per_mille=1_001), "reject_per_mille is 1001"),
        (lambda: ExchangeConfig(queue_model="hopeful"), "queue_model is 'hopeful'"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            call()


def test_a_configuration_file_is_held_to_the_same_ranges():
    assert msgspec.convert({"seed": 3}, ExchangeConfig).seed == 3
    for bad in [{"seed": -1}, {"stop_trigger": "mid"}, {"sede": 3}]:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(bad, ExchangeConfig)


def test_full_tables_are_told_and_change_nothing():
    sim = delayed()
    for handle in range(names.GROUPS):
        sim.place(handle, 1_000, BUY, LIMIT, 1, 90)
    before = sim.snapshot()
    with pytest.raises(ExchangeFull, match="64 orders live"):
        sim.place(99, 1_000, BUY, LIMIT, 1, 90)
    assert sim.snapshot() == before
    for handle in range(names.SHADOWS):
        sim.place_shadow(handle, 1_000, BUY, LIMIT, 90, 8, 8, 1, 1)
    with pytest.raises(ExchangeFull, match="64 shadow trades"):
        sim.place_shadow(99, 1_000, BUY, LIMIT, 90, 8, 8, 1, 1)
    for _ in range(256 - names.GROUPS):
        sim.cancel(0, 1_000)
    with pytest.raises(ExchangeFull, match="256 messages"):
        sim.cancel(0, 1_000)


def test_answers_that_nobody_takes_are_not_lost_in_silence():
    sim = exchange()
    for _ in range(1_024):
        sim.cancel(1, 1)
        sim.advance(1)
    sim.cancel(1, 1)
    with pytest.raises(ExchangeFull, match="1024 answers"):
        sim.advance(1)


def test_a_snapshot_goes_on_where_it_was_taken_and_knows_its_configuration():
    sim = exchange(queue_model="probabilistic", seed=5)
    sim.on_quote(1, 100, 7, 101, 7)
    sim.place(7, 1, BUY, LIMIT, 3, 100, 0, 96, 105)
    sim.place_shadow(7, 1, SELL, LIMIT, 101, 8, 8, 50, 50)
    other = exchange(queue_model="probabilistic", seed=5)
    other.restore(sim.snapshot())
    for one in (sim, other):
        one.on_quote(2, 100, 5, 101, 7)
        sold(one, 3, 99, 4)
        one.on_quote(4, 105, 5, 106, 7)
    assert answers(sim) == answers(other)
    assert sim.snapshot() == other.snapshot()
    with pytest.raises(ValueError, match="another configuration"):
        exchange(seed=6).restore(sim.snapshot())
    with pytest.raises(ValueError, match="another build"):
        sim.restore(sim.snapshot()[:-1])


@pytest.mark.parametrize(
    ("prefix", "python"),
    [("ORDER_", OrderKind), ("REPLY_", AnswerKind), ("LEG_", names.Leg)],
)
def test_the_names_have_the_same_numbers_in_c(prefix, python):
    head = {
        "ORDER_": "domain.exchange.OrderKind",
        "REPLY_": "domain.exchange.AnswerKind",
        "LEG_": "domain.exchange.Leg;",
    }
    block = STATE_PXD.split(head[prefix])[1].split("cdef enum")[0]
    found = {name: int(value) for name, value in re.findall(rf"^    {prefix}(\w+) = (\d+)", block, re.MULTILINE)}
    assert found == {member.name: member.value for member in python}


def test_the_tables_have_the_announced_sizes():
    sizes = {name: int(value) for name, value in re.findall(r"^    (GROUPS|SHADOWS) = (\d+)", STATE_PXD, re.MULTILINE)}
    assert sizes == {"GROUPS": names.GROUPS, "SHADOWS": names.SHADOWS}


def test_the_default_is_the_one_of_the_configuration():
    assert ExchangeSim().config == ExchangeConfig()


def test_the_presets_are_those_of_the_document():
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([\d, ]+) \| (\d+) \|$", (ROOT / "docs/simulator.md").read_text(), re.MULTILINE
    )
    written = {
        name: (queue, tuple(int(ms) for ms in times.split(",")), int(beyond)) for name, queue, times, beyond in rows
    }
    assert written == {
        name: (
            preset.queue_model,
            tuple(
                latency // 1_000_000
                for latency in (
                    preset.entry_latency_ns,
                    preset.response_latency_ns,
                    preset.child_latency_ns,
                    preset.stop_latency_ns,
                )
            ),
            preset.beyond_touch_lots,
        )
        for name, preset in names.PRESETS.items()
    }


def test_the_document_gives_each_default():
    text = (ROOT / "docs/simulator.md").read_text()
    assert [field for field in ExchangeConfig.__struct_fields__ if f"`{field}`" not in text] == []
