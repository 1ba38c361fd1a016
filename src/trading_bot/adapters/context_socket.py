"""A Unix socket in the data directory that takes context messages as JSON lines; only this user may connect.

It never waits: what has come is read between batches of market data, and an answer nobody reads is dropped.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.adapters.context_lines import Found, Line, LineSplitter, RateGate, parse, too_long
from trading_bot.domain.context import ContextLinesRefused
from trading_bot.domain.errors import UsageError

SOCKET_NAME: Final = "context.sock"
CONNECTIONS_MAX: Final = 16
_CHUNK: Final = 16 * 1024  # read of one connection at a time: a flood waits in its own buffer
_PATH_BYTES_MAX: Final = 107  # what the system has room for in a socket's address
_PRIVATE: Final = 0o177  # umask that leaves 0600


class _Connection:
    def __init__(self, channel: socket.socket, number: int) -> None:
        self.channel = channel
        self.number = number
        self.lines = LineSplitter()

    def answer(self, document: dict[str, object]) -> None:
        """Best effort: the sender that does not read its answers is not waited for."""
        with contextlib.suppress(OSError):
            self.channel.send(msgspec.json.encode(document) + b"\n")


class ContextSocket:
    """The listening end. One per data directory, as there is one bot."""

    def __init__(self, path: Path, *, rate_max: int) -> None:
        """Listen at `path`; one that a dead process left is replaced.

        Raises:
            UsageError: the path is too long, something else lies there, or the system refuses.
        """
        self.path = path
        self._gate = RateGate(rate_max)
        self._connections: list[_Connection] = []
        self._accepted = 0
        address = os.fsencode(path)
        if len(address) > _PATH_BYTES_MAX:
            raise UsageError(
                f"context.socket: {path} has {len(address)} bytes; a socket's path has at most {_PATH_BYTES_MAX}: "
                "choose a shorter --data-dir"
            )
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._remove(must=True)
            before = os.umask(_PRIVATE)
            try:
                self._listener.bind(address)
            finally:
                os.umask(before)
            self._listener.listen(CONNECTIONS_MAX)
        except OSError as error:
            self._listener.close()
            raise UsageError(f"context.socket: cannot listen at {path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Hang up, and take the socket away."""
        for connection in self._connections:
            connection.channel.close()
        self._connections.clear()
        self._listener.close()
        with contextlib.suppress(OSError):
            self._remove(must=False)

    def read(self, now_ns: int, second: int) -> Iterator[Found]:
        """What has come. `now_ns` is the market's time, `second` one of the machine."""
        told = self._gate.told(second, now_ns)
        if told is not None:
            yield told
        self._accept()
        for connection in list(self._connections):
            yield from self._receive(connection, now_ns, second)

    def _remove(self, *, must: bool) -> None:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISSOCK(found.st_mode):
            self.path.unlink()
        elif must:
            raise OSError(0, "something that is no socket lies there; move it away")

    def _accept(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return  # nobody more is waiting, or has gone again
            channel.setblocking(False)
            self._accepted += 1
            connection = _Connection(channel, self._accepted)
            if len(self._connections) < CONNECTIONS_MAX:
                self._connections.append(connection)
            else:
                connection.answer({"error": f"{CONNECTIONS_MAX} connections are open already; close one"})
                channel.close()

    def _receive(self, connection: _Connection, now_ns: int, second: int) -> Iterator[Found]:
        try:
            chunk = connection.channel.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            connection.channel.close()
            self._connections.remove(connection)
            return
        for line in connection.lines.feed(chunk):
            found = self._judged(connection, line, now_ns, second)
            if found is not None:
                yield found

    def _judged(self, connection: _Connection, line: Line, now_ns: int, second: int) -> Found | None:
        where = f"{SOCKET_NAME} connection {connection.number} line {line.number}"
        if not self._gate.admit(second, where):
            connection.answer({"line": line.number, "error": "too many messages in this second (context.rate_max)"})
            return None
        found = too_long(where, now_ns) if line.text is None else parse(line.text, where, now_ns)
        if isinstance(found, ContextLinesRefused):
            connection.answer({"line": line.number, "error": f"found {found.found}; expected {found.expected}"})
        else:
            connection.answer({"line": line.number, "received": True})
        return found
