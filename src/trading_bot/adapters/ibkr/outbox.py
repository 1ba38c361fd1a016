"""What leaves the process: paced, in lanes, and at once where there is room (docs/adr/0018)."""

import struct
from collections.abc import Callable
from typing import Any, Final

from trading_bot._fast.pacing import Pacing, write_now
from trading_bot.adapters.ibkr.pacing import Lane

_LENGTH: Final = struct.Struct(">I")  # before each message

_ENTRY: Final = Lane.ENTRY


def framed(message: bytes) -> bytes:
    """A message with its length before it."""
    return _LENGTH.pack(len(message)) + message


class Outbox:
    """The one way out of a connection. The library's own messages take it as well."""

    def __init__(
        self,
        client: Any,
        per_s: int,
        reserved: int,
        *,
        now_s: Callable[[], float],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """`per_s` messages in any second, `reserved` of them for what protects a position; `now_s` is wall time."""
        self._client = client
        self._pacing = Pacing(per_s, reserved, now_s=now_s, transmit=self.transmit, later=later)
        self._written: tuple[object, int] = (None, -1)  # a transport and its socket
        client.sendMsg = self._send_text  # the library has one queue for everything, in order of arrival
        self.clear = self._pacing.clear

    def send(self, lane: Lane, call: Callable[[], None], messages: int) -> bool:
        """Let `call` make the library send; False when there is no connection, or no room for an entry."""
        if not self._client.isReady() or (lane is _ENTRY and self._pacing.room(lane) < messages):
            return False
        self._pacing.lane = lane
        try:
            call()
        finally:
            self._pacing.lane = Lane.DATA
        return True

    def send_frames(self, lane: Lane, frames: bytes, messages: int) -> bool:
        """Send whole messages, each with its length before it; False as for `send`."""
        if not self._client.isReady():
            return False
        return self._pacing.send(lane, frames, messages, or_not=lane is _ENTRY)

    @property
    def waiting(self) -> int:
        """Messages that wait for their second."""
        return self._pacing.waiting

    def waits(self, lane: Lane) -> bool:
        """Whether what was sent last in this lane waits for its second."""
        return self._pacing.waits(lane)

    def _send_text(self, text: str) -> None:
        self._pacing.send(self._pacing.lane, framed(text.encode()), 1)

    def transmit(self, frames: bytes, messages: int) -> None:
        """Past the transport when nothing waits in it: some loops write only after the turn that decided has ended."""
        connection = self._client.conn
        transport = connection.transport
        if transport is None:
            return
        sent = 0
        if not transport.get_write_buffer_size() and not transport.is_closing():
            if self._written[0] is not transport:
                self._written = (transport, transport.get_extra_info("socket").fileno())
            sent = write_now(self._written[1], frames)  # what goes wrong here the transport meets too, and tells
        if sent < len(frames):
            transport.write(frames[sent:])
        connection.numBytesSent += len(frames)
        connection.numMsgSent += messages
