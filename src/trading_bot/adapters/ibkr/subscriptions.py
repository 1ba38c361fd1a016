"""What should flow: the streams of one contract, as a wish that is asked for again with new ids after every loss."""

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
    """The streams of a contract on a connection."""

    def __init__(self, session: IbkrSession, bound: BoundContract, feed: IbkrFeed) -> None:
        """Nothing is asked for yet."""
        self._session = session
        self._bound = bound
        self._feed = feed
        self._streams = [_Stream(tick_type) for tick_type in TICK_TYPES]
        session.listen("tickByTickAllLast", self._ticked)
        session.listen("tickByTickBidAsk", self._ticked)

    @property
    def flowing(self) -> bool:
        """Whether each stream has given a tick since it was asked for."""
        return all(stream.ticked for stream in self._streams)

    def request(self) -> None:
        """Ask for every stream, with new ids."""
        client = self._session.ib.client
        for stream in self._streams:
            stream.request_id, stream.ticked = client.getReqId(), False
        self._feed.set_request_ids({stream.request_id for stream in self._streams})
        for stream in self._streams:
            client.reqTickByTickData(stream.request_id, self._bound.contract, stream.tick_type, 0, False)

    def _ticked(self, request_id: int, *_tick: Any) -> None:
        for stream in self._streams:
            if stream.request_id == request_id:
                stream.ticked = True
