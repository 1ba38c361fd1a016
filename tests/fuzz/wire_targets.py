"""What comes over sockets: the broker's stream, requests to gateway-sim, context messages, the control socket."""

import asyncio
import logging
import random
import zlib
from functools import cache
from itertools import pairwise

from tests.fastpath.frames import (
    ACCOUNT,
    NOTICE,
    NOW_NS,
    QUOTES,
    SAMPLE,
    STATUS,
    TRADES,
    Line,
    door,
    frame,
    quote,
    trade,
)
from tests.fuzz.gateway_requests import sample_requests
from tests.fuzz.kit import Target
from tests.property.driver import ANSWERS, outputs
from tests.property.shipped import shipped_config
from trading_bot._fast import HotPath
from trading_bot._fast.tws import TickIntake
from trading_bot.adapters.context_lines import LINE_BYTES_MAX, LineSplitter, parse
from trading_bot.adapters.control_protocol import parse_answer, parse_request, refusal_line, request_line, token_matches
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.gateway import Gateway, GatewayConfig
from trading_bot.domain.context import ContextLinesRefused, ContextReceived
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.records import TICK_RECORD, FrameClass

GREETING = b"API\0" + frame(b"v157..178")[:-1]
_TICKS = (QUOTES, TRADES)


def pieces(data, most=12):
    """The input cut at places that its own bytes name."""
    dice = random.Random(zlib.crc32(data))
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(most)))
    return [data[begin:end] for begin, end in pairwise([0, *cuts, len(data)])]


# ---- ticks


def streams(_folder):
    mixed = [quote(), trade(), ACCOUNT, quote("6750.0", "6750.25"), STATUS, trade("6750.5"), NOTICE, SAMPLE, quote()]
    return [b"".join(mixed), quote(), trade(), *mixed[2:3], b"".join(quote() for _ in range(30))]


def reframed(data, dice):
    """Every second time with sound lengths: what is wrong is then inside the fields."""
    if dice is None or dice.random() < 0.5:
        return data
    out, at = b"", 0
    while at + 4 <= len(data):
        length = min(int.from_bytes(data[at : at + 4], "big"), len(data) - at - 4)
        out += length.to_bytes(4, "big") + data[at + 4 : at + 4 + length]
        at += 4 + length
    return out


def hear_ticks(data, _folder):
    whole, cut = Line(fast=True), Line(fast=True)
    whole.hear(data)
    for piece in pieces(data):
        cut.hear(piece)
    assert whole.records == cut.records
    assert whole.heard == cut.heard
    failed = whole.session.failed
    assert [type(error) for error in failed] == [type(error) for error in cut.session.failed]
    assert all(isinstance(error, DataCorrupt) for error in failed), failed
    for row in TICK_RECORD.iter_unpack(whole.records):
        assert row[:3] == (0, 64, 0)
        assert row[4] == FrameClass.INPUT
    if failed:
        return
    slow = Line(fast=False)
    slow.hear(data)
    assert whole.records == slow.records
    assert whole.heard == slow.heard


@cache
def kernel_config():
    return shipped_config(20261125)


def step_ticks(data, _folder):
    """The kernel takes the ticks of each packet at once; another kernel takes the same ticks later, and agrees."""
    kernel, later = HotPath(kernel_config()), HotPath(kernel_config())
    outcomes, failed, heard = [], [], []

    def on_outcome(code):
        outcomes.append(code)
        return 1 << 62

    intake = TickIntake(heard.append, lambda: None, failed.append)
    intake.watch([(QUOTES, "BidAsk", door()), (TRADES, "Last", door())])
    waiting = TickIntake(lambda _: None, lambda: None, lambda _: None)
    waiting.watch([(QUOTES, "BidAsk", door()), (TRADES, "Last", door())])
    for number, piece in enumerate(pieces(data)):
        for one in (intake, waiting):
            one.set_clock(NOW_NS + number * 250_000_000, 0, 0.0)
        intake.arm(kernel, 1 << 62, on_outcome)
        intake.data_received(piece)
        waiting.data_received(piece)
        records, at, code = waiting.take(), 0, 1
        while code:
            at, code = later.run(records, at, 1 << 62)
    assert all(isinstance(error, DataCorrupt) for error in failed), failed
    if not failed:
        one, other = outputs(kernel), outputs(later)
        assert {name: one[name] for name in one if name not in ANSWERS} == {
            name: other[name] for name in other if name not in ANSWERS
        }


# ---- gateway-sim


class Wire:
    """In place of a transport: counts what is sent."""

    def __init__(self):
        self.sent = bytearray()
        self.closed = False

    def write(self, data):
        self.sent += data

    def close(self):
        self.closed = True

    abort = close

    def get_extra_info(self, _name):
        return ("127.0.0.1", 1)

    def get_write_buffer_size(self):
        return 0


def ask_gateway(data, _folder):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_asked(data))
    finally:
        loop.close()
        asyncio.set_event_loop(None)


async def _asked(data):
    gateway = Gateway(GatewayConfig(messages_per_s=0, tick_by_tick_gap_s=0.0))
    client, wire = Client(gateway), Wire()
    client.connection_made(wire)
    for piece in (GREETING, frame(71, 2, 7, ""), *pieces(data)):
        if not wire.closed:
            client.data_received(piece)
        await asyncio.sleep(0)
    for ahead_ns in (0, 300_000_000, 2_000_000_000):
        now_ns = gateway.clock.now_ns() + ahead_ns
        gateway.market.advance(now_ns)
        gateway.desk.advance(now_ns)
        await asyncio.sleep(0)
    client.connection_lost(None)
    await gateway._shut()
    if gateway.failure is not None:
        raise gateway.failure
    at = 0
    while at < len(wire.sent):  # what it answers is frames to the last byte
        at += 4 + int.from_bytes(wire.sent[at : at + 4], "big")
    assert at == len(wire.sent) or wire.closed


# ---- context and control


def lines(_folder):
    good = (
        b'{"source": "news", "name": "risk", "value": 0.7, "conviction": 1, "ts": 1795617000000000000, "ttl_s": 60}\n'
    )
    iso = good.replace(b"1795617000000000000", b'"2026-11-25T14:30:00Z"')
    return [good, good + iso, good * 20, b"\n\n" + iso]


def hear_context(data, _folder):
    whole = list(LineSplitter().feed(data))
    splitter = LineSplitter()
    cut = [line for piece in pieces(data) for line in splitter.feed(piece)]
    assert len(splitter._rest) <= LINE_BYTES_MAX
    assert [(line.number, line.text) for line in cut] == [(line.number, line.text) for line in whole]
    for line in whole:
        if line.text is not None:
            found = parse(line.text, "here", NOW_NS)
            assert isinstance(found, ContextReceived | ContextLinesRefused)
            assert len(getattr(found, "found", "")) < 2_000


def control_requests(_folder):
    return [request_line("a" * 64, command, "because") for command in ("status", "kill", "flatten")]


def hear_control(data, _folder):
    try:
        request = parse_request(data)
    except UsageError as error:
        told = refusal_line(str(error))
        assert b"a" * 40 not in told  # the token, or most of it
        raise
    assert token_matches(request, "a" * 64) == (request.token == "a" * 64)
    assert not token_matches(request, "")


def control_answers(_folder):
    return [b'{"ok":true,"status":{}}\n', refusal_line("no")]


logging.getLogger("ib_insync").setLevel(logging.CRITICAL + 1)
logging.getLogger("ib_async").setLevel(logging.CRITICAL + 1)
_FIELDS = (
    b"\x0099\x00",
    b"\0",
    b"11\0003\0",
    b"6750.25\0",
    b"6750.250000001\0",
    b"-1\0",
    b"\0\0\0\x20",
    b"\0\xff\xff\xff",
)
TARGETS = (
    Target("ticks", streams, hear_ticks, _FIELDS, shape=reframed),
    Target("ticks_armed", streams, step_ticks, _FIELDS, shape=reframed),
    Target(
        "gateway", sample_requests, ask_gateway, (*_FIELDS, b"1.7976931348623157E308\0", b"Infinite\0"), shape=reframed
    ),
    Target("context", lines, hear_context, (b"\n", b'"ts": ', b"nan")),
    Target("control", control_requests, hear_control, (b'"token"', b'"command":"kill"', b"\\ud800")),
    Target("control_answers", control_answers, lambda data, _folder: parse_answer(data)),
)
