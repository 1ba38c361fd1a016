"""Client process of the wire rows: the least that could answer a tick, or take one.

`bench_wire_bare.py PORT LOOP ORDERS`: every packet is answered with canned bytes as long as so many orders; nothing is
decoded and nothing decided. `bench_wire_bare.py PORT LOOP PATH`: every packet is kept with the moment it was heard;
when the gateway hangs up, each tick's number and that moment are written to `PATH`. `LOOP` is asyncio, uvloop, or
blocking (a socket and no loop, for answers only).
"""

import asyncio
import gc
import socket
import sys
import time
from array import array
from collections.abc import Callable
from typing import Any

from bench_wire_frames import LENGTH, canned_order, frame, number_of

_LARGE = 1 << 16
_HELLO = b"API\0" + LENGTH.pack(9) + b"v157..176" + frame(71, 2, 1, "") + frame(97, 1, "BidAsk")
_GREETING_MESSAGES = 3  # server version, accounts, next id


class Canned(asyncio.Protocol):
    """Answers each packet."""

    def __init__(self, transport: Any, answer: bytes, ended: "asyncio.Future[None]") -> None:
        """`answer` to each packet; `ended` when the gateway hangs up."""
        self.answer = answer
        self.write = transport.write
        self.ended = ended

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        """A tick."""
        self.write(self.answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The gateway is done."""
        self.ended.set_result(None)


class Keeping(asyncio.Protocol):
    """Keeps each packet, and when it was heard."""

    def __init__(self, heard: list[tuple[int, bytes]], ended: "asyncio.Future[None]") -> None:
        """Into `heard`."""
        self.heard = heard
        self.ended = ended

    def data_received(self, data: bytes) -> None:
        """Ticks, and maybe a part of one."""
        self.heard.append((time.monotonic_ns(), data))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The gateway is done."""
        self.ended.set_result(None)


class Greeting(asyncio.Protocol):
    """Asks for quotes, and hands the connection over once the gateway's greeting has been heard."""

    def __init__(self, then: Callable[[Any], asyncio.Protocol]) -> None:
        """`then` makes the protocol that comes after, for a transport."""
        self.then = then
        self.heard = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say everything at once."""
        self.transport = transport
        self.transport.write(_HELLO)

    def data_received(self, data: bytes) -> None:
        """Part of the greeting."""
        self.heard += data
        if messages_in(self.heard) >= _GREETING_MESSAGES:
            self.transport.set_protocol(self.then(self.transport))


def messages_in(data: bytes) -> int:
    """Whole messages at the beginning of `data`."""
    at = found = 0
    while len(data) - at >= LENGTH.size:
        at += LENGTH.size + LENGTH.unpack_from(data, at)[0]
        found += at <= len(data)
    return found


async def answering(port: int, answer: bytes) -> None:
    """Until the gateway hangs up."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    await loop.create_connection(
        lambda: Greeting(lambda transport: Canned(transport, answer, ended)), "127.0.0.1", port
    )
    await ended


async def keeping(port: int) -> list[tuple[int, bytes]]:
    """Until the gateway hangs up; what was heard."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    heard: list[tuple[int, bytes]] = []
    await loop.create_connection(lambda: Greeting(lambda _transport: Keeping(heard, ended)), "127.0.0.1", port)
    await ended
    return heard


def numbers_of(heard: list[tuple[int, bytes]]) -> "tuple[array[int], array[int]]":
    """Each tick's number, and when the packet that completed it was heard."""
    numbers, stamps, carry = array("q"), array("q"), b""
    for stamp, data in heard:
        carry += data
        at = 0
        while len(carry) - at >= LENGTH.size:
            end = at + LENGTH.size + LENGTH.unpack_from(carry, at)[0]
            if end > len(carry):
                break
            numbers.append(number_of(carry[at:end]))
            stamps.append(stamp)
            at = end
        carry = carry[at:]
    return numbers, stamps


def blocking(port: int, answer: bytes) -> None:
    """The same with a socket alone."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(_HELLO)
    heard = b""
    while messages_in(heard) < _GREETING_MESSAGES:
        heard += connection.recv(_LARGE)
    while connection.recv(_LARGE):
        connection.sendall(answer)


def main() -> None:
    """Connect and answer."""
    port, kind, third = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    gc.disable()
    if kind == "blocking":
        blocking(port, canned_order(int(third)))
        return
    if kind == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    if third.isdigit():
        asyncio.run(answering(port, canned_order(int(third))))
        return
    numbers, stamps = numbers_of(asyncio.run(keeping(port)))
    with open(third, "wb") as file:  # noqa: PTH123 - beside the gateway's file
        numbers.tofile(file)
        stamps.tofile(file)


if __name__ == "__main__":
    main()
