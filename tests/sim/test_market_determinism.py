"""One seed, one market: the same bytes on every machine, in whatever batches and from wherever they are read."""

import tracemalloc

import numpy as np
import pytest

from tests.sim.world import SECOND_NS, at, content, digest, records, sim
from trading_bot._fast.marketgen import draw_u64
from trading_bot.adapters.sim.faults import Fault, FaultKind
from trading_bot.adapters.sim.market import MODEL_VERSION
from trading_bot.adapters.sim.profile import MarketProfile
from trading_bot.domain.errors import UsageError

# Whoever changes these bytes on purpose raises MODEL_VERSION: logs of earlier runs cannot be continued.
GOLDEN_MODEL = 1
GOLDEN_RECORDS = "691cbc0500e8b8d201c47d58ec42be32255aa8298410f518d6fb15b03381dc27"
GOLDEN_HISTORY = "43710490f542a07d162a5cea24c817a2c2a74b939b74d101bd8ec5092ae6237f"
DAY_START = "2026-11-25T14:20:00"


def test_the_generator_is_splitmix64():
    """The published sequence of the reference implementation for the seed 1234567."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [draw_u64(1234567, n) for n in range(1, 5)] == published


def test_the_first_records_are_these():
    data = content(sim(DAY_START, 7200))[: 50_000 * 64]
    assert len(data) == 50_000 * 64
    assert (MODEL_VERSION, digest(data)) == (GOLDEN_MODEL, GOLDEN_RECORDS)


def test_the_history_is_this():
    bars = list(sim(DAY_START, 60).history_bars(2))
    assert (MODEL_VERSION, digest(np.array(bars, "<i8").tobytes())) == (GOLDEN_MODEL, GOLDEN_HISTORY)


def test_the_same_seed_gives_the_same_market_and_another_one_another():
    one = content(sim(seconds=900, seed=4))
    assert content(sim(seconds=900, seed=4)) == one
    for other in (5, -4, 2**70):
        different = content(sim(seconds=900, seed=other))
        # Not one market shifted or cut, either: the first trades already differ.
        assert different[: 64 * 200] != one[: 64 * 200]


def test_a_profile_changes_the_market():
    assert content(sim(seconds=600)) != content(sim(seconds=600, profile=MarketProfile(vol_milli=900)))


@pytest.mark.parametrize("batch_records", [1, 7, 64, 100_000])
def test_the_size_of_the_batches_does_not_matter(batch_records):
    """Over the close of a session and with faults that drop, double and hold back records."""
    start, seconds = "2026-11-25T21:58:00", 3900
    faults = (
        Fault(FaultKind.DUPLICATE, at(start) + 20 * SECOND_NS, 5 * SECOND_NS),
        Fault(FaultKind.STALL, at(start) + 30 * SECOND_NS, 5 * SECOND_NS),
        Fault(FaultKind.OFF_GRID, at(start) + 40 * SECOND_NS, 5 * SECOND_NS),
    )
    whole = content(sim(start, seconds, faults=faults))
    feed = sim(start, seconds, faults=faults, batch_records=batch_records)
    batches = [bytes(batch) for batch in iter(feed.read, None)]
    assert b"".join(batches) == whole
    assert max(map(len, batches)) <= (batch_records + 2) * 64


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 9_000])
def test_skipping_is_reading_on(count):
    whole = content(sim(seconds=1200))
    feed = sim(seconds=1200)
    feed.skip_records(count)
    first = int.from_bytes(whole[count * 64 + 24 : count * 64 + 32], "little")
    assert feed.first_ts_ns() == first
    assert content(feed) == whole[count * 64 :]
    assert (feed.quotes, feed.trades) == tuple((records(sim(seconds=1200))["kind"] == kind).sum() for kind in (1, 2))


def test_skipping_more_than_there_is_says_so():
    feed = sim(seconds=60)
    count = len(content(sim(seconds=60))) // 64
    with pytest.raises(UsageError, match=f"has {count} records, the log already {count + 1}"):
        feed.skip_records(count + 1)


def test_memory_does_not_grow_with_the_run():
    feed = sim("2026-11-24T23:00:00", 8 * 86_400)
    tracemalloc.start()
    try:
        for _ in iter(feed.read, None):
            pass
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert feed.quotes + feed.trades > 1_500_000, "96 MB of records"
    assert peak_bytes < 2_000_000, "one session's plan"


def test_the_end_stays_the_end():
    feed = sim(seconds=60)
    content(feed)
    assert feed.read() is None
    assert feed.first_ts_ns() is None


def test_a_longer_run_begins_as_a_shorter_one():
    short = content(sim(seconds=600))
    # The end cuts a minute in two: the last step before it draws differently.
    assert content(sim(seconds=1800)).startswith(short[: -64 * 20])
