"""Quotes at asked times (docs/microscope.md): against a plain look through every record of a random tape."""

import random

import pytest

from tests.reports import day_log
from tests.reports.day_log import at, quote
from trading_bot.core.log_reader import LogReader
from trading_bot.domain.records import TICK_RECORD, FrameKind
from trading_bot.reports import market_path
from trading_bot.reports.market_path import Extreme, PriceRange, Touch, read_market_path


def tape(seed, count):
    """Quotes with equal times, gaps, empty sides and crossed books among them, prints between them, in two segments."""
    drawn = random.Random(seed)
    ts_ns, bid, records = at(60), 24_000, []
    for _ in range(count):
        ts_ns += drawn.choice([0, 0, 1, 1_000_000, 90_000_000, 700_000_000])
        bid += drawn.choice([-1, 0, 0, 1])
        kind = drawn.random()
        if kind < 0.1:
            row = (0, 64, 0, FrameKind.TRADE, 1, 1, 0, ts_ns, ts_ns, bid, 0, 3, 0, 1, 0, 0, 0)
            records.append(TICK_RECORD.pack(*row))
        else:
            ask = bid + (1 if kind > 0.25 else drawn.choice([-1, 0, 3]))
            records.append(quote(ts_ns, bid, ask, ask_qty=0 if kind > 0.95 else 4))
        if drawn.random() < 0.02:
            records.append(day_log.skip((ts_ns - at(0)) / 1e9, "EUC_LOW"))
    return records


def quotes_of(log):
    """(seq, ts, bid, ask) of every quote that counts, in order."""
    with LogReader(log) as reader:
        for frame in reader.frames():
            if frame.kind == FrameKind.QUOTE:
                fields = TICK_RECORD.unpack(frame.payload)
                if fields[11] > 0 and fields[12] > 0 and fields[10] > fields[9]:
                    yield frame.seq, fields[7], fields[9], fields[10]


def naive_touch(quotes, at_ns, last_ns):
    standing = [row for row in quotes if row[1] <= at_ns]
    return Touch(*standing[-1]) if standing and at_ns <= last_ns else None


def naive_range(quotes, begin_ns, end_ns, last_ns):
    inside = [row for row in quotes if begin_ns <= row[1] <= end_ns]
    before = [(row[0], begin_ns, *row[2:]) for row in quotes if row[1] <= begin_ns][-1:]
    rows = before + inside
    if not rows or end_ns > last_ns:
        return None

    def first(column, best):
        price = best(row[column] for row in rows)
        row = next(row for row in rows if row[column] == price)
        return Extreme(price, row[1], row[0])

    return PriceRange(first(2, min), first(2, max), first(3, min), first(3, max))


@pytest.mark.parametrize("batch", [1, 7, 1 << 16])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_answer_is_that_of_a_plain_look_through_the_log(tmp_path, monkeypatch, seed, batch):
    monkeypatch.setattr(market_path, "_BATCH_TICKS", batch)
    log = day_log.write(tmp_path / "log", [day_log.started(), *tape(seed, 600)])
    quotes = list(quotes_of(log))
    with LogReader(log) as reader:
        last_ns = max(frame.ts_ns for frame in reader.frames() if frame.kind in (FrameKind.QUOTE, FrameKind.TRADE))
    drawn = random.Random(seed)
    times = [row[1] + drawn.choice([-1, 0, 0, 1, 5_000_000]) for row in drawn.sample(quotes, 150)]
    times += [at(0), last_ns, last_ns + 1]
    spans = [(begin, begin + drawn.choice([0, 1_000_000, 3_000_000_000, 60_000_000_000])) for begin in times]
    path = read_market_path(log, times, spans)
    assert path.quotes == len(quotes)
    for at_ns in times:
        assert path.touches[at_ns] == naive_touch(quotes, at_ns, last_ns), at_ns
    for span in spans:
        assert path.ranges[span] == naive_range(quotes, *span, last_ns), span


def test_the_traded_market_beside_the_one_that_was_seen_does_not_count(tmp_path):
    other = TICK_RECORD.pack(0, 64, 0, FrameKind.QUOTE, 1, 2, 0, at(61), at(61), 500, 501, 4, 4, 0, 0, 0, 0)
    log = day_log.write(
        tmp_path / "log", [day_log.started(), quote(at(60), 24_000, 24_001), other, quote(at(62), 1, 2)]
    )
    touch = read_market_path(log, [at(61)]).touches[at(61)]
    assert touch is not None
    assert (touch.bid_ticks, touch.twice_mid_ticks) == (24_000, 48_001)
