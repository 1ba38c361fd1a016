"""The control socket: `status`, `kill` and `flatten` for whoever has the token, beside the trading loop (SF02, SF10).

A thread of its own: it hears and latches while the loop is busy, and never waits for it. What it hands over are whole
values (`OperatorDesk`); nothing is decided here. Everything is bounded: connections, bytes of a line, requests of a
turn, turns of a second, the time a connection may be silent.
"""

import contextlib
import selectors
import socket
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.adapters import control_address
from trading_bot.adapters.control_protocol import (
    LINE_BYTES_MAX,
    ControlRequest,
    answer_line,
    parse_request,
    refusal_line,
    token_matches,
)
from trading_bot.core import operator_files as files
from trading_bot.core.operator_desk import OperatorDesk
from trading_bot.domain.errors import UsageError
from trading_bot.domain.units import NS_PER_MS

CONNECTIONS_MAX: Final = 8
WATCH_S: Final = 0.25  # how often the latch is looked at when nobody asks: the bound for a loop that is busy
SILENCE_S: Final = 5.0  # a connection that says nothing for so long is closed
_PAUSE_S: Final = 0.005  # after a turn: a flood of requests leaves the processor to the loop
SOURCE: Final = "socket"


class ControlSocket:
    """The listening end and the watch over the latch. One per data directory, as there is one bot.

    `failure` says why nobody can connect; the files of the data directory still work then, and the watch goes on.
    """

    def __init__(self, desk: OperatorDesk) -> None:
        """Listen in the desk's data directory, with a new token."""
        self._desk = desk
        self._data_dir: Path = desk.data_dir
        self._selector = selectors.DefaultSelector()
        self._connections: dict[socket.socket, _Connection] = {}
        self._token = ""
        self._listener: socket.socket | None = None
        self.failure = ""
        self.refused = 0  # requests that were none, or had another token
        try:
            self._token = control_address.new_token(self._data_dir)
            self._listener = control_address.listen(self._data_dir, CONNECTIONS_MAX)
        except OSError as error:
            self.failure = f"{self._data_dir / control_address.SOCKET_NAME}: {error.strerror or error}"
        else:
            self._selector.register(self._listener, selectors.EVENT_READ)
        self._stop, self._wake = socket.socketpair()
        self._selector.register(self._stop, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Hang up, and take socket and token away."""
        self._wake.close()
        if self._thread.ident is not None:
            self._thread.join(2.0)
        for channel in list(self._connections):
            self._hang_up(channel)
        if self._listener is not None:
            self._listener.close()
            control_address.take_away(self._data_dir)
        self._selector.close()
        self._stop.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(WATCH_S):
                if key.fileobj is self._stop:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._receive(key.fileobj)
            self._desk.watch()
            self._drop_silent()
            time.sleep(_PAUSE_S)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            channel, _ = self._listener.accept()
        except OSError:
            return  # it has gone again
        channel.setblocking(False)
        if len(self._connections) >= CONNECTIONS_MAX:
            _send(channel, refusal_line(f"{CONNECTIONS_MAX} connections are open already; close one"))
            channel.close()
            return
        self._connections[channel] = _Connection()
        self._selector.register(channel, selectors.EVENT_READ)

    def _receive(self, channel: socket.socket) -> None:
        """At most one request of a connection in a turn; what it sends beyond waits in its own buffer."""
        held = self._connections[channel]
        try:
            chunk = channel.recv(LINE_BYTES_MAX + 1 - len(held.text))
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._hang_up(channel)
            return
        held.text += chunk
        held.heard_s = time.monotonic()
        line, end, rest = held.text.partition(b"\n")
        if not end and len(held.text) <= LINE_BYTES_MAX:
            return
        held.text = b""
        answer, stays = (self._answer(line), True) if end and not rest else (_one_line(), False)
        if not _send(channel, answer) or not stays or answer.startswith(_REFUSED):
            self._hang_up(channel)

    def _answer(self, line: bytes) -> bytes:
        try:
            request = parse_request(line)
        except UsageError as error:
            self.refused += 1
            return refusal_line(str(error))
        if not token_matches(request, self._token):
            self.refused += 1
            return refusal_line(f"the token is not the one in {control_address.KEY_FILE}; nothing was done")
        try:
            return answer_line({"command": request.command, **self._do(request)})
        except OSError as error:
            return refusal_line(f"{error.filename or self._data_dir}: {error.strerror}")

    def _do(self, request: ControlRequest) -> dict[str, Any]:
        desk = self._desk
        if request.command == "kill":
            return self._kill(request)
        if request.command == "flatten":
            asked = files.ask_to_flatten(self._data_dir, request.reason, SOURCE)
            desk.look_soon()
            return {"asked": asked}
        latch = files.latched(self._data_dir)
        return {
            "status": desk.shown,
            "latched": None if latch is None else msgspec.structs.asdict(latch),
            "stopped_by": desk.stopped_by,
            "loop_age_ms": (time.monotonic_ns() - desk.polled_ns) / NS_PER_MS,
        }

    def _kill(self, request: ControlRequest) -> dict[str, Any]:
        """The latch first, so that it stands whatever the loop is at; a disk that refuses it stops no kill."""
        try:
            created, written = files.pull(self._data_dir, request.reason, SOURCE, once=True), True
        except OSError:
            created, written = not self._desk.stopped_by, False
        latch = files.latched(self._data_dir)
        source = SOURCE if latch is None else latch.source
        self._desk.ask_to_kill(request.reason if latch is None else latch.reason, source)
        return {"latched": True, "already": not created, "written": written}

    def _drop_silent(self) -> None:
        limit_s = time.monotonic() - SILENCE_S
        for channel in [channel for channel, held in self._connections.items() if held.heard_s < limit_s]:
            self._hang_up(channel)

    def _hang_up(self, channel: socket.socket) -> None:
        self._selector.unregister(channel)
        del self._connections[channel]
        channel.close()


class _Connection:
    """What a connection has sent of its next line, and when."""

    def __init__(self) -> None:
        self.text = b""
        self.heard_s = time.monotonic()


_REFUSED: Final = refusal_line("")[:11]  # {"ok":false


def _one_line() -> bytes:
    return refusal_line(f"expected one line of at most {LINE_BYTES_MAX} bytes, and the answer to it before the next")


def _send(channel: socket.socket, answer: bytes) -> bool:
    """Whether the whole of it went; nobody who does not read is waited for."""
    with contextlib.suppress(OSError):
        return channel.send(answer) == len(answer)
    return False
