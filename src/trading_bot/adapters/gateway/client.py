"""One connection: greeting, frames in, frames out."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, cast

from trading_bot.adapters.gateway.wire import Fields, NoFrame, Splitter, encode

GREETING: Final = b"API\0"
VERSION_MIN: Final = 157  # below it neither library connects
VERSION_ADVANCED_REJECT: Final = 166  # errors carry a JSON field
UNREAD_BYTES_MAX: Final = 64 << 20  # a client that reads nothing is hung up on
WAITING_FRAMES_MAX: Final = 500_000  # as is one that a stall keeps waiting for this much
TAIL_BYTES: Final = 7  # less than the shortest frame
TAIL_S: Final = 0.002
_VERSIONS: Final = re.compile(rb"v(\d{1,6})(?:\.\.(\d{1,6}))?(?: (.*))?", re.DOTALL)


class Host(Protocol):
    """Whom a connection belongs to."""

    def greeted(self, client: "Client", version_min: int, version_max: int) -> None:
        """The client has said which versions it speaks."""
        ...

    def received(self, client: "Client", fields: Fields) -> None:
        """A request."""
        ...

    def joined(self, client: "Client") -> bool:
        """A socket was accepted; False hangs up."""
        ...

    def left(self, client: "Client") -> None:
        """The socket is closed."""
        ...

    def tell(self, event: str, **values: object) -> None:
        """A line for whoever watches the gateway."""
        ...


class Client(asyncio.Protocol):
    """A connection and whom it stands for. What is sent leaves together at the end of the loop's iteration."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._splitter = Splitter()
        self._head: bytes | None = b""  # the bytes of the greeting; None once it has come
        self._out: list[bytes] = []
        self._held: deque[bytes] = deque()  # requests that came while the gateway was stalled
        self.client_id = -1  # as startApi says
        self.server_version = 0  # of this connection; 0 before the greeting
        self.account = ""  # the first of the managed accounts
        self.ready = False  # startApi was accepted
        self.closed = False
        self.stalled = False
        self.writes_split = False  # what is sent leaves in two packets, the second with the end of a frame
        self._tail = b""  # of what was sent, not written yet
        self.connect_options = ""
        self.subscriptions: dict[int, object] = {}
        self.on_closed: list[Callable[[], None]] = []
        self.frames_in = 0
        self.frames_out = 0

    def __str__(self) -> str:
        return f"client {self.client_id}" if self.ready else f"connection {self.peer}"

    @property
    def peer(self) -> str:
        """Address of the other end."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return f"{name[0]}:{name[1]}" if name else "?"

    def send(self, *values: object) -> None:
        """One frame of these fields, first the message's id."""
        self.send_frame(encode(*values))

    def send_frame(self, frame: bytes) -> None:
        """A frame that is encoded already: one encoding serves every subscriber."""
        if self.closed:
            return
        if not self._out and not self.stalled:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(frame)
        self.frames_out += 1
        if len(self._out) > WAITING_FRAMES_MAX:
            self._host.tell("stalled_too_long", client=str(self), waiting_frames=len(self._out))
            self.abort()

    def error(self, req_id: int, code: int, text: str, advanced: str = "") -> None:
        """S> 4: `req_id` is a request's or an order's id, or -1 for a notice of the system."""
        values: list[object] = [4, 2, req_id, code, text]
        if self.server_version >= VERSION_ADVANCED_REJECT:
            values.append(json.dumps(advanced) if advanced else "")
        self.send(*values)

    def close(self) -> None:
        """Send what waits, then hang up."""
        if self._transport is not None and not self.closed:
            self._flush()
            self._send_tail()
            self._transport.close()
        self.closed = True

    def abort(self) -> None:
        """Hang up at once: what was not sent is lost, as when a process dies."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def stall(self) -> None:
        """Answer and send nothing from now on."""
        self.stalled = True

    def resume(self) -> None:
        """Answer what came meanwhile, and send what waited."""
        self.stalled = False
        if self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        while self._held and not self.stalled and not self.closed:
            self._receive(self._held.popleft())

    def _flush(self) -> None:
        if self._transport is None or not self._out or self.stalled:
            return
        frames, self._out = self._out, []
        data = self._tail + b"".join(frames)
        kept = min(len(data) // 2, TAIL_BYTES) if self.writes_split else 0
        self._transport.write(data[: len(data) - kept])
        self._tail = data[len(data) - kept :]
        if self._tail:
            asyncio.get_running_loop().call_later(TAIL_S, self._send_tail)
        if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._host.tell("not_reading", client=str(self), unread_bytes=self._transport.get_write_buffer_size())
            self.abort()

    def _send_tail(self) -> None:
        tail, self._tail = self._tail, b""
        if self._transport is not None and tail and not self.closed:
            self._transport.write(tail)

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A socket was accepted."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        if not self._host.joined(self):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, whoever closed it."""
        self.closed = True
        self.ready = False
        self._host.left(self)
        for callback in self.on_closed:
            callback()
        if exc is not None:
            self._host.tell("connection_broken", client=str(self), reason=str(exc))

    def data_received(self, data: bytes) -> None:
        """Bytes as they come: part of a frame, or many."""
        if self.closed:
            return
        if self._head is not None:
            self._head += data
            head, data = self._head, self._head[len(GREETING) :]
            if head[: len(GREETING)] != GREETING[: len(head)]:
                self._refuse(f"began with {head[:40]!r}, expected {GREETING!r}")
                return
            if len(head) < len(GREETING):
                return
            self._head = None
        try:
            payloads = self._splitter.feed(data)
        except NoFrame as error:
            self._refuse(str(error))
            return
        for payload in payloads:
            if self.closed:
                return
            self._receive(payload)

    def _receive(self, payload: bytes) -> None:
        if self.stalled:
            self._held.append(payload)
            if len(self._held) > WAITING_FRAMES_MAX:
                self._host.tell("stalled_too_long", client=str(self), waiting_requests=len(self._held))
                self.abort()
            return
        self.frames_in += 1
        if self.server_version == 0:
            self._greet(payload)
        else:
            self._host.received(self, Fields(payload))

    def _greet(self, payload: bytes) -> None:
        found = _VERSIONS.fullmatch(payload.rstrip(b"\0"))
        if found is None:
            self._refuse(f"greeted with {payload[:80]!r}, expected v157..178")
            return
        self.connect_options = (found[3] or b"").decode(errors="backslashreplace")
        version_min = int(found[1])
        self._host.greeted(self, version_min, int(found[2] or version_min))

    def _refuse(self, reason: str) -> None:
        self._host.tell("no_client", client=str(self), reason=reason)
        self.abort()
