"""Records of the market beside: in the log among the others, and nothing the kernel computes depends on them."""

import random

import pytest

from tests.kernel.kit import HOUR, MS, T0, S, busy_config, config, market, quote, trade
from trading_bot._fast import ExchangeSim, HotPath, LogWriter, Segment
from trading_bot._fast.spans import count_kind
from trading_bot.domain.exchange import ExchangeConfig
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, FrameKind

NOON = T0 + 12 * HOUR
BESIDE = 2


def beside(record: bytes) -> bytes:
    """The same record of the other instrument."""
    return record[:18] + BESIDE.to_bytes(2, "little") + record[20:]


def kernel(settings=None):
    made = HotPath(settings or config())
    made.set_beside(BESIDE)
    return made


def outcomes(hotpath, tape):
    """(time, code) of every outcome of a tape."""
    joined, at, found = b"".join(tape), 0, []
    while at < len(tape):
        at, code = hotpath.run(joined, at)
        if code:
            found.append((hotpath.last_outcome_ts_ns, code))
    return found


def mixed(tape, seed):
    """A quote of the other market, at a price of its own, before a third of the records and at their times."""
    random_ = random.Random(seed)
    both = []
    for record in tape[:-1]:
        ts_ns = TICK_RECORD.unpack(record)[7]
        if random_.random() < 0.33:
            price = random_.randrange(19_000, 21_000)
            kind = random_.choice([quote(ts_ns, price, price + 1), trade(ts_ns, price, 3, 1)])
            both.append(beside(kind))
        both.append(record)
    return [*both, tape[-1]]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_computed_depends_on_them(seed):
    tape = market(seed, 6_000, start=NOON)
    alone, together = HotPath(busy_config()), kernel(busy_config())
    found = outcomes(together, mixed(tape, seed))
    assert found == outcomes(alone, tape)
    assert len(found) > 10
    assert together.snapshot() == alone.snapshot()
    assert together.counters() == alone.counters()
    assert alone.beside() is None


def test_an_exchange_does_not_meet_them():
    hotpath, exchange = kernel(), ExchangeSim(ExchangeConfig())
    hotpath.set_exchange(exchange)
    before = exchange.snapshot()
    hotpath.run(beside(quote(NOON, 100, 101)))
    assert exchange.snapshot() == before


def test_every_record_is_logged_in_its_place():
    tape = mixed(market(5, 300, start=NOON), 5)
    buffer, writer = bytearray(1 << 17), LogWriter()
    writer.offer(Segment(buffer, 0))
    writer.begin()
    hotpath = kernel(busy_config())
    hotpath.set_writer(writer)
    outcomes(hotpath, tape)
    at = buffer.find(tape[0][16:]) - 16
    rows = [buffer[at + n * FRAME_ALIGN : at + (n + 1) * FRAME_ALIGN] for n in range(len(tape))]
    assert [row[16:] for row in rows] == [record[16:] for record in tape]  # behind checksum, length and number
    assert any(row[18] == BESIDE for row in rows)
    first = TICK_RECORD.unpack(rows[0])[2]
    assert [TICK_RECORD.unpack(row)[2] for row in rows] == list(range(first, first + len(tape)))


def test_the_newest_quote_is_kept_and_trades_and_refusals_leave_it():
    hotpath = kernel()
    assert hotpath.beside() is None
    hotpath.run(beside(quote(NOON, 100, 101, 7, 8)))
    hotpath.run(beside(quote(NOON + MS, 102, 104, 5, 6)))
    hotpath.run(beside(trade(NOON + 2 * MS, 103, 1, 1)) + quote(NOON + 3 * MS, 90, 91))
    assert hotpath.beside() == (102, 5, 104, 6, NOON + MS)
    assert hotpath.book() == (90, 10, 91, 10)
    assert hotpath.now_ns == NOON + 3 * MS


def test_a_price_gap_beside_forgets_its_quote_and_is_no_outcome():
    hotpath = kernel()
    hotpath.run(quote(NOON, 100, 101) + beside(quote(NOON, 100, 101)))
    gap = TICK_RECORD.pack(0, 64, 0, FrameKind.PRICE_GAP, 1, BESIDE, 0, NOON + S // 20, 0, 100, 200, 0, 0, 0, 0, 0, 0)
    assert hotpath.run(gap) == (1, 0)
    assert hotpath.beside() is None
    assert hotpath.book() == (100, 10, 101, 10)


def test_a_snapshot_does_not_hold_it_and_a_third_instrument_is_refused():
    hotpath = kernel()
    hotpath.run(quote(NOON, 100, 101) + beside(quote(NOON, 100, 101)))
    again = kernel()
    again.restore(hotpath.snapshot())
    assert again.beside() is None
    third = (3).to_bytes(2, "little")
    record = quote(NOON, 100, 101)
    with pytest.raises(ValueError, match=r"record 0 has kind 1 and instrument 3"):
        hotpath.run(record[:18] + third + record[20:])
    with pytest.raises(ValueError, match=r"instrument 2"):
        HotPath(config()).run(beside(record))


def test_its_own_market_is_not_beside_it():
    with pytest.raises(ValueError, match=r"the market beside is 1"):
        HotPath(config()).set_beside(1)


def test_counting_tells_the_instruments_apart():
    tape = b"".join([quote(NOON, 1, 2), beside(quote(NOON, 1, 2)), beside(trade(NOON, 1, 1, 1))])
    assert len(tape) == 3 * FRAME_ALIGN
    assert [count_kind(tape, FrameKind.QUOTE, which) for which in (0, 1, BESIDE, 3)] == [2, 1, 1, 0]
    assert count_kind(tape, FrameKind.TRADE, BESIDE) == 1
