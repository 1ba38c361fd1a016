"""The intake makes of a socket's bytes what the client library makes of them, however they are cut or spoilt."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fastpath.frames import (
    ACCOUNT,
    MES,
    NOTICE,
    NOW_NS,
    QUOTES,
    SAMPLE,
    STATUS,
    TRADES,
    Line,
    frame,
    quote,
    trade,
)
from trading_bot._fast.door import Door
from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.records import TICK_RECORD, FrameKind

STREAM = b"".join(
    [quote(), trade(), ACCOUNT, quote("6750.0", "6750.25"), STATUS, trade("6750.5"), NOTICE, SAMPLE, quote()]
)
KIND, TS, BID, ASK, BID_QTY, ASK_QTY, EVENT = 3, 7, 9, 10, 11, 12, 8


def both(*packets):
    """The same packets on both ways; the fast one."""
    fast, slow = Line(fast=True), Line(fast=False)
    for number, packet in enumerate(packets):
        for line in (fast, slow):
            line.hear(packet, NOW_NS + number * 1_000_000)
    assert fast.records == slow.records
    assert fast.heard == slow.heard
    assert not fast.session.failed
    assert not slow.session.failed
    return fast


def rows(line):
    return [TICK_RECORD.unpack_from(line.records, at) for at in range(0, len(line.records), 64)]


def test_ticks_are_read_here_and_everything_else_by_the_library():
    line = both(STREAM)
    assert (line.intake.ticks, line.intake.declined, line.intake.frames, line.intake.packets) == (5, 0, 9, 1)
    assert [row[KIND] for row in rows(line)] == [
        FrameKind.QUOTE,
        FrameKind.TRADE,
        FrameKind.QUOTE,
        FrameKind.TRADE,
        FrameKind.QUOTE,
    ]
    first = rows(line)[0]
    # 6750.25 is 27001 quarter points.
    assert (first[BID], first[ASK], first[BID_QTY], first[ASK_QTY]) == (27_001, 27_002, 12, 7)
    assert (first[TS], first[EVENT]) == (NOW_NS, 1_795_617_000 * 10**9)
    names = [row[0] for row in line.session.heard]
    assert names == ["updateAccountValue", "orderStatus", "error", "priceSizeTick"]


def test_a_packet_cut_at_any_byte_is_heard_whole():
    whole = Line(fast=True)
    whole.hear(STREAM)
    line = Line(fast=True)
    for cut in range(1, len(STREAM)):
        line.records, line.session.heard[:] = b"", []
        line.hear(STREAM[:cut])
        line.hear(STREAM[cut:])
        assert line.records == whole.records, cut
        assert line.heard == whole.heard, cut


def test_bytes_that_come_one_by_one_are_heard_whole():
    both(*(STREAM[at : at + 1] for at in range(len(STREAM))))


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_any_stream_cut_anyhow_is_heard_as_the_library_hears_it(dice):
    frames = [
        dice.choice(
            [
                quote(price(dice), price(dice), size(dice), size(dice), mask=dice.choice("0123")),
                trade(price(dice), size(dice), kind=dice.choice([1, 2, 4]), special=dice.choice(["", "R", "é"])),
                quote(request_id=dice.choice([QUOTES, TRADES, 99])),
                ACCOUNT,
                STATUS,
                NOTICE,
            ]
        )
        for _ in range(dice.randrange(1, 40))
    ]
    stream, packets = b"".join(frames), []
    while stream:
        at = dice.randrange(1, len(stream) + 1)
        packets.append(stream[:at])
        stream = stream[at:]
    both(*packets)


ALIKE = ["6750.25", "6750.2", "6750.250", "6750.5", "6750.0", "6750", "16750.25", "750.25", "6751.25", "6750.251"]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_is_nearly_what_came_before_is_read_as_what_it_is(dice):
    """Text that comes again is not read again: ids, seconds and prices that differ in one place, or in length alone."""
    frames = [
        dice.choice(
            [
                quote(
                    dice.choice(ALIKE), dice.choice(ALIKE), at=second(dice), request_id=dice.choice([QUOTES, 1, 111])
                ),
                trade(dice.choice(ALIKE), at=second(dice), kind=dice.choice([1, 1, 2, 3])),
                quote(dice.choice(ALIKE), at=second(dice), request_id=dice.choice([QUOTES, TRADES])),
            ]
        )
        for _ in range(60)
    ]
    both(*frames)


def second(dice):
    return dice.choice([1_795_617_000, 1_795_617_001, 1_795_627_000, 179_561_700, 1_795_617_000_0])


def price(dice):
    ticks = dice.randrange(26_900, 27_100)
    return dice.choice(
        [f"{ticks / 4}", f"{ticks / 4:.2f}", f"{ticks / 4:.9f}", f"{ticks / 4:.12f}", f"{ticks / 4 + 0.01:.2f}"]
        + ["0", "0.0", "-1.0", "6.75e3", "", "nan", "9999999", "1e400", "6750.", ".5", " 6750.25", "6_750.25"]
        + [str(ticks // 4)] * 4
    )


def size(dice):
    return dice.choice(
        ["1", "12", "0", "7.0", "7.5", "1000000", "2147483647", "2147483648", "999999999999999", "-3", "1e3", "", "x"]
    )


ODD = [
    quote(bid="6.75025e3"),
    quote(bid="-0.25"),
    quote(bid=""),
    quote(bid="nan"),
    quote(bid="6750.250000000000001"),
    quote(bid="12345678.25"),
    quote(bid_size="1e2"),
    quote(bid_size="-1"),
    quote(mask="-1"),
    quote(at="99999999999"),
    quote(at="9999999999"),
    quote(at="+1795617000"),
    trade(price="inf"),
    trade(kind=2),
    frame(99, QUOTES, 4, 1_795_617_000, "6750.25"),
    frame(99, QUOTES, 3, 1_795_617_000, "6750.25", "6750.5", "12", "7"),
    frame(99, QUOTES, 3, 1_795_617_000, "6750.25", "6750.5", "12", "7", "0", "more"),
    frame(99, QUOTES),
    frame(99),
    frame(99, "x", 3),
    frame(b"99\xff", QUOTES, 3),
    frame(""),
    frame(b"\xff\xfe"),
    quote()[:4] + b"99" + b"\1" * (len(quote()) - 6),
    b"\0\0\0\0",
    b"\0\0\0\1\0",
]


@pytest.mark.parametrize("odd", ODD, ids=[repr(one)[:60] for one in ODD])
def test_an_odd_frame_is_left_to_the_library_and_harms_nothing_around_it(odd):
    """The same ticks, whatever the library makes of the odd one: it may log, it may not lose its place."""
    line = both(quote("6750.0", "6750.25") + odd + trade("6750.5"), odd, quote())
    plain = [row for row in rows(line) if (row[BID], row[ASK]) in {(27_000, 27_001), (27_001, 27_002)}]
    assert len(plain) >= 2
    assert [row[BID] for row in rows(line) if row[KIND] == FrameKind.TRADE and row[BID] == 27_002]


@pytest.mark.parametrize("length", [0x01000000, 0x7FFFFFFF, 0xFFFFFFFF, 0x39390031])
def test_a_length_that_no_message_has_ends_the_connection(length):
    line = Line(fast=True)
    line.hear(quote() + ACCOUNT + length.to_bytes(4, "big") + quote())
    (error,) = line.session.failed
    assert isinstance(error, DataCorrupt)
    assert str(length) in str(error)
    assert len(rows(line)) == 1
    assert line.heard == ["('updateAccountValue', 'NetLiquidation', '10000.00', 'USD', 'DUSIM1')"]
    line.hear(quote())  # nothing of this connection means anything any more
    assert len(rows(line)) == 1
    line.intake.reset()
    line.hear(quote())
    assert len(rows(line)) == 2


def test_half_a_frame_of_a_connection_that_ended_is_forgotten():
    line = Line(fast=True)
    line.hear(quote()[:20])
    line.intake.reset()
    line.hear(trade())
    assert [row[KIND] for row in rows(line)] == [FrameKind.TRADE]


def test_everything_of_a_packet_has_one_stamp_and_none_is_below_the_one_before():
    line = Line(fast=True)
    line.hear(quote() + trade(), NOW_NS)
    line.hear(quote(), NOW_NS - 1_000)
    assert [row[TS] for row in rows(line)] == [NOW_NS, NOW_NS, NOW_NS]


def test_streams_say_how_many_ticks_they_gave_and_start_anew_with_a_new_id():
    line = Line(fast=True)
    line.hear(quote() + quote() + trade())
    assert (line.intake.seen(QUOTES)[0], line.intake.seen(TRADES)[0], line.intake.seen(5)) == (2, 1, (0, 0))
    line.feed.set_request_ids({QUOTES: "BidAsk", 77: "Last"})
    assert (line.intake.seen(QUOTES)[0], line.intake.seen(77), line.intake.seen(TRADES)) == (2, (0, 0), (0, 0))
    line.hear(trade())  # of a stream that was given up
    assert len(rows(line)) == 3


def test_a_stream_in_the_place_of_another_takes_nothing_of_it():
    line = Line(fast=True)
    line.hear(quote() + quote())
    line.intake.watch([(QUOTES + 1, "BidAsk", Door(MES.id, MES.tick_size_e9, 16))])
    line.hear(quote() + quote(request_id=QUOTES + 1))
    assert (line.intake.ticks, line.intake.seen(QUOTES + 1)[0]) == (3, 1)


def test_ten_thousand_ticks_in_one_packet_are_all_there_and_in_order():
    dice = random.Random(5)
    sizes = [dice.randrange(1, 1_000_000) for _ in range(10_000)]
    line = Line(fast=True)
    line.hear(b"".join(trade(size=str(one)) for one in sizes))
    assert [row[BID_QTY] for row in rows(line)] == sizes


def test_a_failing_listener_is_told_and_the_next_packet_is_heard():
    line = Line(fast=True)
    line.session.listen("error", lambda *_: 1 / 0)
    line.hear(NOTICE + quote())
    assert [type(error) for error in line.session.failed] == [ZeroDivisionError]
    line.hear(quote())
    assert len(rows(line)) == 2


def test_what_comes_before_a_tick_is_heard_before_it():
    """A message that ends a stream, and a tick of that stream behind it in one packet."""
    line = both(quote())
    ended = frame(4, 2, QUOTES, 10189, "Failed to request tick-by-tick data.", "")
    line.session.listen("error", lambda *_: line.feed.set_request_ids({TRADES: "Last"}))
    line.hear(quote("6750.0", "6750.25") + ended + quote("6749.0", "6749.25") + trade())
    assert [row[BID] for row in rows(line)] == [27_001, 27_000, 27_001]
