"""What should flow: the streams of one contract, as a wish that is asked for again with new ids after every loss."""

import asyncio
from typing import Any, Final

import msgspec

from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.adapters.ibkr.feed import IbkrFeed
from trading_bot.adapters.ibkr.session import IbkrSession

TICK_TYPES: Final = ("BidAsk", "Last")


class _Stream(msgspec.Struct):
    """One wish; `request_id` is the one it was asked for with last, `ticked` whether that one has given a tick."""

    tick_type: str
    request_id: int = -1
    ticked: bool = False


class Subscriptions:
    """The streams of a contract on a connection.

    The broker takes no second tick-by-tick request for one instrument within 15 s (TWS API, reqTickByTickData), so what
    is asked for again waits until then, whoever asks.
    """

    def __init__(self, session: IbkrSession, bound: BoundContract, feed: IbkrFeed, wait_s: float) -> None:
        """`wait_s` of wall time lie between two requests. Nothing is asked for yet."""
        self._session = session
        self._bound = bound
        self._feed = feed
        self._wait_s = wait_s
        self._streams = [_Stream(tick_type) for tick_type in TICK_TYPES]
        self._asked_s: float | None = None
        self._renewal: asyncio.TimerHandle | None = None
        self.last_tick_s = session.clock.wall_s()
        session.listen("tickByTickAllLast", self._ticked)
        session.listen("tickByTickBidAsk", self._ticked)

    @property
    def flowing(self) -> bool:
        """Whether each stream has given a tick since it was asked for, or since that was forgotten."""
        return all(stream.ticked for stream in self._streams)

    @property
    def request_ids(self) -> set[int]:
        """The ids the streams were asked for with last."""
        return {stream.request_id for stream in self._streams}

    def request(self) -> None:
        """Ask for every stream now, with new ids."""
        client = self._session.ib.client
        self._renewal = None
        self._asked_s = self.last_tick_s = self._session.clock.wall_s()
        for stream in self._streams:
            stream.request_id, stream.ticked = client.getReqId(), False
        self._feed.set_request_ids(self.request_ids)
        for stream in self._streams:
            client.reqTickByTickData(stream.request_id, self._bound.contract, stream.tick_type, 0, False)

    def renew(self) -> None:
        """Give the streams up and ask for them again, once that is allowed. Asking twice changes nothing."""
        if self._renewal is not None:
            return
        asked_s = self._asked_s if self._asked_s is not None else float("-inf")
        left_s = max(asked_s + self._wait_s - self._session.clock.wall_s(), 0.0)
        self._renewal = self._session.loop.call_later(left_s, self._renew)

    def forget_ticks(self) -> None:
        """Only ticks from here on count."""
        for stream in self._streams:
            stream.ticked = False

    def _renew(self) -> None:
        client = self._session.ib.client
        if not client.isReady():
            self._renewal = None  # the next connection asks again
            return
        for stream in self._streams:
            client.cancelTickByTickData(stream.request_id)
        self.request()

    def _ticked(self, request_id: int, *_tick: Any) -> None:
        for stream in self._streams:
            if stream.request_id == request_id:
                stream.ticked = True
                self.last_tick_s = self._session.clock.wall_s()
