"""From a request's message id to its handler: pacing first, then the table."""

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway import (
    account_requests,
    connection_requests,
    history_requests,
    market_requests,
    order_requests,
    stream_requests,
    tick_requests,
)
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.wire import BadRequest, Fields

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

Handler = Callable[["Gateway", Client, Fields], None]

START_API: Final = 71
_MODULES: Final = (
    connection_requests,
    market_requests,
    stream_requests,
    tick_requests,
    history_requests,
    order_requests,
    account_requests,
)
# Where a request's id stands: after a version, nowhere, or (all others) first.
_VERSIONED: Final = frozenset({1, 2, 4, 7, 9, 10, 11, 24, 25, 50, 51, 62, 63, 76, 77})
_WITHOUT_ID: Final = frozenset({5, 6, 8, 14, 15, 16, 17, 49, 58, 59, 61, 64, 71, 91, 99})
_SECOND_NS: Final = 1_000_000_000
# A second, less what the way here may delay the first of a client's messages: one that keeps to the rate is not blamed.
_WINDOW_NS: Final = 900_000_000


def handlers() -> dict[int, Handler]:
    """Every request this gateway understands, by message id."""
    merged: dict[int, Handler] = {}
    for module in _MODULES:
        assert not merged.keys() & module.HANDLERS.keys(), f"{module.__name__} takes requests of another module"
        merged.update(module.HANDLERS)
    return merged


class Pace:
    """Requests of one client in any second of the wall."""

    def __init__(self, per_s: int) -> None:
        self.per_s = per_s
        self._times: deque[int] = deque()
        self._violated_ns = 0
        self.violations = 0

    def admit(self, now_ns: int) -> bool | None:
        """True within the rate; None for the first request beyond it, False for those that follow in that second."""
        times = self._times
        while times and now_ns - times[0] >= _WINDOW_NS:
            times.popleft()
        if not self.per_s or len(times) < self.per_s:
            times.append(now_ns)
            return True
        if self.violations and now_ns - self._violated_ns < _SECOND_NS:
            return False
        self.violations += 1
        self._violated_ns = now_ns
        return None


class Dispatcher:
    """Hands each request to its handler; what cannot be read is answered with an error."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._handlers = handlers()
        self._paces: dict[Client, Pace] = {}

    def connection_time(self) -> str:
        """The second field of the greeting's answer: `20261125 14:20:00 GMT`."""
        return f"{datetime.fromtimestamp(self._gateway.told_s(), UTC):%Y%m%d %H:%M:%S} GMT"

    def dispatch(self, client: Client, fields: Fields) -> None:
        """Carry out one request."""
        if not self._within_pace(client):
            return
        try:
            number = fields.int("message id")
            if not client.ready and number != START_API:
                client.error(-1, 321, f"Error validating request.-'message {number}' : cause - startApi comes first")
                return
            if self._faulted(client, number, fields):
                return
            handler = self._handlers.get(number)
            if handler is None:
                self._gateway.tell("unknown_request", client=str(client), message_id=number, fields=fields.rest()[:8])
                client.error(-1, 320, f"Server error when reading an API client request. Message id {number} unknown")
                return
            handler(self._gateway, client, fields)
        except BadRequest as error:
            self._gateway.tell("bad_request", client=str(client), reason=str(error))
            client.error(fields.subject, 320, f"Server error when reading an API client request. {error}")
        except Exception as error:  # noqa: BLE001 (a bug in a handler ends the gateway, with its traceback)
            self._gateway.fail(error)

    def _faulted(self, client: Client, number: int, fields: Fields) -> bool:
        """Whether a fault takes this request: it is not answered, or with an error under its own id."""
        faults = self._gateway.faults
        if number in faults.requests_ignored:
            return True
        if number not in faults.requests_refused:
            return False
        if number in _VERSIONED:
            fields.int("version")
        req_id = -1 if number in _WITHOUT_ID else fields.req_id()
        client.error(req_id, faults.refusal_code, faults.refusal_text)
        return True

    @property
    def _limit(self) -> int:
        """Requests of a client in a second."""
        return self._gateway.faults.messages_per_s or self._gateway.config.messages_per_s

    def _within_pace(self, client: Client) -> bool:
        pace = self._paces.get(client)
        if pace is None:
            pace = self._paces[client] = Pace(self._limit)
            client.on_closed.append(partial(self._paces.__delitem__, client))
        pace.per_s = self._limit
        admitted = pace.admit(time.monotonic_ns())
        if admitted is None:
            limit = self._limit
            text = f"Max rate of messages per second has been exceeded:max={limit} rec={limit + 1} ({pace.violations})"
            client.error(-1, 100, text)
            self._gateway.tell("pacing", client=str(client), violations=pace.violations)
            if pace.violations > 1:
                client.close()
        return bool(admitted)
