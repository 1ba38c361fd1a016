"""Client process of the wire rows: the least that could answer a tick. `bench_wire_bare.py PORT LOOP [ORDERS]`.

`LOOP` is asyncio, uvloop, or blocking (a socket and no loop). Every packet is answered with canned bytes as long as an
order; nothing is decoded and nothing decided. Ends when the gateway hangs up.
"""

import asyncio
import gc
import socket
import sys
from typing import Any

from bench_wire_frames import LENGTH, canned_order, frame

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


class Greeting(asyncio.Protocol):
    """Asks for quotes, and hands the connection over once the gateway's greeting has been heard."""

    def __init__(self, answer: bytes, ended: "asyncio.Future[None]") -> None:
        """As `Canned`."""
        self.answer = answer
        self.ended = ended
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
            self.transport.set_protocol(Canned(self.transport, self.answer, self.ended))


def messages_in(data: bytes) -> int:
    """Whole messages at the beginning of `data`."""
    at = found = 0
    while len(data) - at >= LENGTH.size:
        at += LENGTH.size + LENGTH.unpack_from(data, at)[0]
        found += at <= len(data)
    return found


async def looped(port: int, answer: bytes) -> None:
    """Until the gateway hangs up."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    await loop.create_connection(lambda: Greeting(answer, ended), "127.0.0.1", port)
    await ended


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
    port, kind = int(sys.argv[1]), sys.argv[2]
    answer = canned_order(int(sys.argv[3]) if sys.argv[3:] else 1)
    gc.disable()
    if kind == "blocking":
        blocking(port, answer)
    elif kind == "uvloop":
        import uvloop

        uvloop.run(looped(port, answer))
    else:
        asyncio.run(looped(port, answer))


if __name__ == "__main__":
    main()
