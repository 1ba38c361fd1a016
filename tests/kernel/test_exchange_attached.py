"""The exchange simulator inside the kernel's loop (docs/kernel.md, 2 and 11; docs/simulator.md, 2)."""

import random

import pytest

from tests.kernel.kit import HOUR, MS, SELL, T0, S, busy_config, config, market, plain, quote, trade
from trading_bot._fast import ExchangeSim, HotPath, LogWriter, Segment
from trading_bot.domain.exchange import ExchangeConfig, ExchangeFull, Leg, OrderKind
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.records import FrameKind

NOON = T0 + 12 * HOUR
INSTANT = dict.fromkeys(["entry_latency_ns", "response_latency_ns", "child_latency_ns", "stop_latency_ns"], 0)


def attached(*, settings=INSTANT, kernel=None):
    exchange = ExchangeSim(ExchangeConfig(**settings))
    kernel = kernel or HotPath(config())
    kernel.set_exchange(exchange)
    return kernel, exchange


def taken(exchange, until):
    found = []
    while exchange.next_due_ns <= until:
        due = exchange.next_due_ns
        while (answer := exchange.take(due)) is not None:
            found.append(answer)
    return found


def filled(exchange, until=NOON + HOUR):
    return [(answer.ts_ns, answer.qty, answer.price_ticks) for answer in taken(exchange, until) if answer.exec_id]


def test_the_exchange_sees_what_the_kernel_takes():
    tape = market(3, 4000, start=NOON)
    alone = ExchangeSim(ExchangeConfig())
    kernel, exchange = attached(settings={})
    for sim in (alone, exchange):
        sim.place(1, NOON, 1, OrderKind.LIMIT, 5, 20_000, 0, 19_990, 20_003)
        sim.place(2, NOON, -1, OrderKind.LIMIT, 5, 20_002, 0, 20_010, 19_999)
        sim.place_shadow(3, NOON, 1, OrderKind.LIMIT, 19_999, 3, 4, S, 20 * S)
    joined, at = b"".join(tape), 0
    while at < len(tape):
        at, _ = alone.run(joined, at)
    at = 0
    while at < len(tape):
        at, _ = kernel.run(joined, at)
    assert len(filled(exchange)) >= 4
    assert exchange.snapshot() != ExchangeSim(ExchangeConfig()).snapshot()
    # and nothing but the answers already taken is different
    taken(alone, NOON + HOUR)
    assert exchange.snapshot() == alone.snapshot()


def test_single_calls_reach_the_exchange_too():
    kernel, exchange = attached()
    kernel.on_quote(NOON, 100, 10, 101, 10)
    exchange.place(1, NOON, 1, OrderKind.LIMIT, 5, 100)
    kernel.on_trade(NOON + 1, 100, 12, SELL)
    kernel.on_rejected(NOON + 2)
    assert exchange.now_ns == NOON + 2
    kernel.on_trade(NOON + 3, 100, 1, SELL)
    assert filled(exchange) == [(NOON + 1, 2, 100), (NOON + 3, 1, 100)]


def test_news_bring_the_deadline_nearer():
    # the print of 310 ms fills, told at 560: the quotes of 400 and 559.999999 ms are taken, that of 560 waits
    kernel, exchange = attached(settings=INSTANT | {"response_latency_ns": 250 * MS})
    times = [0, 310 * MS, 400 * MS, 560 * MS - 1, 560 * MS, 600 * MS]
    tape = [quote(NOON + t, 100, 101) for t in times]
    tape[1] = trade(NOON + times[1], 100, 12, SELL)
    tape = b"".join(tape)
    kernel.run(tape[:64])
    exchange.place(1, NOON, 1, OrderKind.LIMIT, 1, 100)
    assert [answer.ts_ns for answer in taken(exchange, NOON + 250 * MS)] == [NOON + 250 * MS] * 2  # ACK, WORKING
    assert kernel.run(tape, 1) == (4, 0)
    assert kernel.now_ns == NOON + 560 * MS - 1
    assert exchange.next_due_ns == NOON + 560 * MS
    # without fresh news the deadline is the caller's alone
    assert kernel.run(tape, 4) == (6, 0)


def test_grid_points_before_the_nearer_deadline_are_run():
    kernel, exchange = attached(settings=INSTANT | {"response_latency_ns": 1250 * MS})
    tape = quote(NOON, 100, 101) + trade(NOON + 10 * MS, 100, 12, SELL) + quote(NOON + 3 * S, 100, 101)
    kernel.run(tape[:64])
    exchange.place(1, NOON, 1, OrderKind.LIMIT, 1, 100)
    exchange.take(NOON)
    assert kernel.run(tape, 1) == (2, 0)
    assert kernel.now_ns == NOON + 1200 * MS  # due at 1250 for the acknowledgement
    assert exchange.next_due_ns == NOON + 1250 * MS


def test_a_deadline_of_the_caller_that_is_nearer_stays():
    kernel, exchange = attached(settings=INSTANT | {"response_latency_ns": 500 * MS})
    tape = b"".join(quote(NOON + t * 100 * MS, 100, 101) for t in range(9)) + trade(NOON + 800 * MS, 100, 12, SELL)
    kernel.run(tape[:64])
    exchange.place(1, NOON, 1, OrderKind.LIMIT, 1, 101)
    assert kernel.run(tape, 1, NOON + 300 * MS) == (3, 0)


def test_an_outcome_of_the_record_with_news_stands():
    kernel, exchange = attached()
    kernel.on_quote(NOON, 100, 10, 101, 10)
    exchange.place(1, NOON, 1, OrderKind.LIMIT, 1, 100)
    kernel.set_position(1, 0, 100, 0)
    tape = trade(NOON + 1, 100, 12, SELL) + quote(NOON + 2, 100, 101)
    assert kernel.run(tape) == (1, Outcome.EXIT)
    assert [ts for ts, _, _ in filled(exchange)] == [NOON + 1]


def test_a_record_that_waits_has_not_met_the_exchange():
    kernel, exchange = attached()
    kernel.on_quote(NOON + 50 * MS, 100, 10, 101, 10)
    exchange.place(1, NOON + 50 * MS, 1, OrderKind.LIMIT, 5, 100)
    kernel.set_position(1, 0, 0, NOON + 100 * MS)
    late = NOON + 250 * MS
    assert kernel.on_trade(late, 100, 12, SELL) == Outcome.EXIT | Outcome.PENDING
    assert exchange.now_ns == NOON + 50 * MS
    assert kernel.on_trade(late, 100, 12, SELL) == 0
    assert filled(exchange) == [(late, 2, 100)]
    kernel.set_position(1, 0, 0, NOON + 300 * MS)
    tape = trade(late + 250 * MS, 100, 1, SELL)
    assert kernel.run(tape) == (0, Outcome.EXIT)
    assert exchange.now_ns == late
    kernel.set_writer(LogWriter())  # no segment: full
    assert kernel.run(tape) == (0, Outcome.LOG_FULL)
    assert kernel.on_trade(late + 250 * MS, 100, 1, SELL) == Outcome.LOG_FULL
    assert filled(exchange) == []
    writer = LogWriter()
    writer.offer(Segment(bytearray(64 * 1024), 0))
    writer.begin()
    kernel.set_writer(writer)
    assert kernel.run(tape) == (1, 0)
    assert filled(exchange) == [(late + 250 * MS, 1, 100)]


def test_bad_records_do_not_reach_the_exchange():
    kernel, exchange = attached()
    kernel.on_quote(NOON, 100, 10, 101, 10)
    with pytest.raises(ValueError, match="record 0 has kind 16"):
        kernel.run(plain(FrameKind.MESSAGE, NOON + S))
    assert exchange.now_ns == NOON


def nearly_full():
    """1 020 answers wait; the next ones come with the record of 3 s."""
    kernel, exchange = attached(settings=INSTANT | {"entry_latency_ns": 1})
    kernel.on_quote(NOON, 100, 10, 101, 10)
    exchange.place(1, NOON, 1, OrderKind.LIMIT, 1, 90)
    for n in range(1018):
        exchange.modify(1, NOON + 10 + n, Leg.ENTRY, 90 - n % 2 - 1)
    for n in range(20):
        exchange.modify(1, NOON + 3 * S, Leg.ENTRY, 80 - n)
    return kernel, exchange


def test_lost_answers_end_the_call_and_are_named():
    tape = quote(NOON + S, 100, 101) + quote(NOON + 2 * S, 100, 101) + quote(NOON + 4 * S, 100, 101)
    kernel, _ = nearly_full()
    with pytest.raises(ExchangeFull, match=f"lost at {NOON + 4 * S}: more than 1024"):
        kernel.run(tape)
    assert kernel.counters()["quotes"] == 3  # the first, and the two before the loss
    kernel, _ = nearly_full()
    with pytest.raises(ExchangeFull, match=f"lost at {NOON + 4 * S}: more than 1024"):
        kernel.on_quote(NOON + 4 * S, 100, 1, 101, 1)


def test_an_idle_exchange_changes_nothing_of_the_kernel_and_is_in_no_snapshot():
    tape = b"".join(market(5, 3000, start=NOON))
    states = []
    for exchange in (None, ExchangeSim(ExchangeConfig())):
        kernel = HotPath(busy_config())
        kernel.set_exchange(exchange)
        kernel.set_entry_mask(15)
        at, stops = 0, []
        while at < len(tape) // 64:
            at, code = kernel.run(tape, at)
            stops.append((at, code))
        states.append((stops, kernel.snapshot()))
    assert states[0] == states[1]


def test_none_detaches():
    kernel, exchange = attached()
    kernel.on_quote(NOON, 100, 10, 101, 10)
    kernel.set_exchange(None)
    kernel.on_quote(NOON + 1, 100, 10, 101, 10)
    kernel.run(quote(NOON + 2, 100, 101))
    assert exchange.now_ns == NOON
    with pytest.raises(TypeError):
        kernel.set_exchange("an exchange")


@pytest.mark.parametrize("seed", range(5))
def test_a_tape_cut_anywhere_gives_the_same_answers(seed):
    tape = b"".join(market(seed, 2000, start=NOON))
    rng = random.Random(seed)

    def answers(step):
        kernel, exchange = attached(settings={})
        exchange.place(1, NOON, 1, OrderKind.LIMIT, 5, 20_000, 0, 19_990, 20_003)
        exchange.place(2, NOON, -1, OrderKind.LIMIT, 5, 20_002, 0, 20_010, 19_999)
        at, found = 0, []
        while at < 2000:
            at, _ = kernel.run(tape[: (at + step()) * 64], at, exchange.next_due_ns)
            found += taken(exchange, kernel.now_ns)
            if at < 2000:
                # what is due before the next record
                found += taken(exchange, int.from_bytes(tape[at * 64 + 24 : at * 64 + 32], "little"))
        return found + taken(exchange, NOON + HOUR)

    whole = answers(lambda: 2000)
    assert len(whole) > 10
    assert answers(lambda: 1) == whole
    assert answers(lambda: rng.randrange(1, 300)) == whole
