"""The one way out of a connection: at once where there is room, in order, and never half a message (EX15)."""

import asyncio
import socket
from types import SimpleNamespace

import pytest
import uvloop

from trading_bot.adapters.ibkr.library import part
from trading_bot.adapters.ibkr.outbox import Outbox
from trading_bot.adapters.ibkr.pacing import Lane


class Wire:
    """A library's client on a real connection, and the other end of it."""

    def __init__(self, loop, per_s=1_000):
        self.loop = loop
        asyncio.set_event_loop(loop)
        self.client = part("client").Client(SimpleNamespace(setEventsDone=int, connectionClosed=int))
        with socket.create_server(("127.0.0.1", 0)) as server:
            loop.run_until_complete(self.client.conn.connectAsync(*server.getsockname()))
            self.other, _ = server.accept()
        self.other.settimeout(2)
        self.client.connState, self.client._apiReady, self.client._serverVersion = 2, True, 176
        self.outbox = Outbox(self.client, per_s, 1, now_s=loop.time, later=loop.call_later)

    def heard(self, size):
        data = b""
        while len(data) < size:
            data += self.other.recv(size - len(data))
        return data

    def turn(self):
        self.loop.run_until_complete(asyncio.sleep(0.01))

    def close(self):
        self.client.conn.disconnect()
        self.other.close()
        self.turn()
        self.loop.close()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def wire(request):
    wire = Wire(request.param())
    yield wire
    wire.close()


def framed(text):
    return len(text).to_bytes(4, "big") + text.encode()


def test_bytes_leave_at_once_inside_a_callback_of_the_loop_and_outside_of_it(wire):
    """The other end has them before the turn is over: some loops write only then."""
    frames = framed("one") + framed("two")
    seen = []

    def inside():
        assert wire.outbox.send_frames(Lane.ENTRY, frames, 2)
        seen.append(wire.heard(len(frames)))

    wire.loop.call_soon(inside)
    wire.turn()
    assert seen == [frames]
    assert wire.outbox.send_frames(Lane.PROTECT, frames, 2)
    assert wire.heard(len(frames)) == frames


def test_what_the_library_sends_goes_the_same_way_and_keeps_its_place(wire):
    wire.client.reqCurrentTime()
    wire.outbox.send_frames(Lane.PROTECT, framed("order"), 1)
    wire.client.cancelOrder(7)
    expected = framed("49\0001\0") + framed("order") + framed("4\0001\0007\0\0")
    assert wire.heard(len(expected)) == expected
    assert (wire.client.conn.numMsgSent, wire.client.conn.numBytesSent) == (3, len(expected))


def test_a_full_socket_loses_and_mixes_nothing(wire):
    """What the socket does not take waits in the transport, and everything after it waits behind it."""
    wire.client.conn.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    frames = [framed(f"{number:06d}" + "x" * 50_000) for number in range(80)]
    for frame in frames:
        assert wire.outbox.send_frames(Lane.PROTECT, frame, 1)
    assert wire.client.conn.transport.get_write_buffer_size() > 0
    wire.other.setblocking(False)
    data, size = b"", sum(map(len, frames))
    for _ in range(5_000):
        wire.loop.run_until_complete(asyncio.sleep(0))
        try:
            data += wire.other.recv(1 << 20)
        except BlockingIOError:
            wire.turn()
        if len(data) >= size:
            break
    assert data == b"".join(frames)


def test_after_the_end_nothing_is_written_to_whatever_has_the_number_of_the_socket_now(wire):
    """A connection that is being closed, and one that the other side has broken."""
    wire.outbox.send_frames(Lane.PROTECT, framed("first"), 1)
    wire.client.conn.transport.abort()
    wire.outbox.transmit(framed("late"), 1)
    wire.turn()
    ends = socket.socketpair()  # very likely with the same descriptor
    wire.outbox.transmit(framed("later"), 1)
    for end in ends:
        end.setblocking(False)
        with pytest.raises(BlockingIOError):
            end.recv(100)
    for end in ends:
        end.close()
    assert wire.heard(len(framed("first"))) == framed("first")


def test_a_reset_connection_raises_nothing_and_ends_in_the_transport(wire):
    wire.other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wire.other.close()  # answers with a reset
    ended = []
    wire.client.conn.disconnected += lambda *_: ended.append(1)
    for _ in range(3):
        wire.outbox.transmit(framed("order"), 1)
    wire.turn()
    assert ended


def test_an_entry_is_refused_whole_and_a_cancel_waits(wire):
    wire.outbox._pacing.allow(4, 1)
    assert wire.outbox.send_frames(Lane.ENTRY, framed("a") * 3, 3)
    assert not wire.outbox.send_frames(Lane.ENTRY, framed("b") * 3, 3)
    assert wire.outbox.send_frames(Lane.PROTECT, framed("c"), 1)
    assert wire.outbox.send_frames(Lane.PROTECT, framed("d"), 1)
    assert wire.outbox.waiting == 1
    assert wire.heard(20) == framed("a") * 3 + framed("c")
    wire.client._apiReady = False
    assert not wire.outbox.send_frames(Lane.PROTECT, framed("e"), 1)
    assert wire.outbox.waiting == 1
