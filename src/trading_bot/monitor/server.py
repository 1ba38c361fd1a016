"""A small HTTP server: GET alone, one answer a connection, everything bounded.

| path | token | answers |
|---|---|---|
| /health | no, on a loopback address | JSON of the checks; 200, or 503 when one fails |
| /metrics | yes | Prometheus text |
| /status | yes | JSON of everything seen |
"""

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
import orjson

from trading_bot.domain.errors import UsageError
from trading_bot.monitor import metrics
from trading_bot.monitor.access import admitted, is_loopback
from trading_bot.monitor.checks import Level, health
from trading_bot.monitor.sight import Sight, Watcher

HEAD_BYTES_MAX: Final = 8 * 1024
CONNECTIONS_MAX: Final = 16
TIMEOUT_S: Final = 5.0
LOOK_S: Final = 1.0
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"


class Answer(msgspec.Struct, frozen=True):
    """What goes back."""

    status: HTTPStatus
    kind: str
    body: bytes


class Monitor:
    """Looks at a bot once a second and answers whoever asks; nothing it does reaches the bot."""

    def __init__(self, watcher: Watcher, *, host: str, port: int, token: str) -> None:
        """`port` 0 takes a free one."""
        self._watcher = watcher
        self._host, self._port, self._token = host, port, token
        self._sight: Sight | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._pages: dict[str, tuple[bool, Callable[[Sight], Answer]]] = {
            "/health": (not is_loopback(host), self._health),
            "/metrics": (True, self._metrics),
            "/status": (True, self._status),
        }

    async def serve(self, stop: asyncio.Event, ready: Callable[[int], None]) -> None:
        """Until `stop`; `ready` is told the port.

        Raises:
            UsageError: the address cannot be taken.
        """
        try:
            server = await asyncio.start_server(self._connected, self._host, self._port, limit=HEAD_BYTES_MAX)
        except OSError as error:
            raise UsageError(
                f"--host {self._host} --port {self._port} cannot be taken: {error.strerror or error}; another monitor "
                "may run there: choose another --port"
            ) from error
        looking = asyncio.create_task(self._look(stop))
        try:
            ready(server.sockets[0].getsockname()[1])
            await stop.wait()
        finally:
            server.close()
            for writer in self._open:
                writer.transport.abort()
            await looking

    async def _look(self, stop: asyncio.Event) -> None:
        """The first look reads the session's whole log, in a thread: a question meanwhile is answered with 503."""
        while not stop.is_set():
            self._sight = await asyncio.to_thread(self._watcher.look)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= 2 * CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._open.add(writer)
        crowded = len(self._open) > CONNECTIONS_MAX
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._answer(reader)  # an answer before the question would be lost with the connection
                if crowded:
                    answer = _plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
                writer.write(_head(answer) + answer.body)
                await writer.drain()
        except (TimeoutError, ConnectionError):
            pass  # whoever asked has gone, or says nothing
        finally:
            self._open.discard(writer)
            writer.close()
            with contextlib.suppress(TimeoutError, ConnectionError):
                await asyncio.wait_for(writer.wait_closed(), TIMEOUT_S)

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too long")
        except asyncio.IncompleteReadError:
            return _plain(HTTPStatus.BAD_REQUEST, "no request")
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _plain(HTTPStatus.BAD_REQUEST, "no HTTP/1 request")
        if words[0] != "GET":
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, "GET alone: nothing can be changed here")
        return self._page(words[1].partition("?")[0], _header(lines, "authorization"))

    def _page(self, path: str, authorization: str) -> Answer:
        guarded, page = self._pages.get(path, (True, None))
        if guarded and not admitted(authorization, self._token):
            return _plain(HTTPStatus.UNAUTHORIZED, "a token is needed: Authorization: Bearer TOKEN")
        if page is None:
            return _plain(HTTPStatus.NOT_FOUND, f"pages are {', '.join(self._pages)}")
        if self._sight is None:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "the log is being read for the first time")
        return page(self._sight)

    def _health(self, sight: Sight) -> Answer:
        found = health(sight, self._watcher.story)
        status = HTTPStatus.SERVICE_UNAVAILABLE if found.status is Level.FAIL else HTTPStatus.OK
        return Answer(status, _JSON, _json(found))

    def _status(self, sight: Sight) -> Answer:
        found = health(sight, self._watcher.story)
        return Answer(HTTPStatus.OK, _JSON, _json({"health": found, **sight.document()}))

    def _metrics(self, sight: Sight) -> Answer:
        story = self._watcher.story
        try:
            return Answer(HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.exposition(sight, story, health(sight, story)))
        except UsageError as error:
            return _plain(HTTPStatus.NOT_IMPLEMENTED, str(error))


def _header(lines: list[str], wanted: str) -> str:
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == wanted:
            return value.strip()
    return ""


def _plain(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, _TEXT, f"{text}\n".encode())


def _json(document: Any) -> bytes:
    plain = msgspec.to_builtins(document, str_keys=True)
    return orjson.dumps(plain, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _head(answer: Answer) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
        f"Content-Type: {answer.kind}",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
    ]
    if answer.status is HTTPStatus.UNAUTHORIZED:
        lines.append("WWW-Authenticate: Bearer")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
