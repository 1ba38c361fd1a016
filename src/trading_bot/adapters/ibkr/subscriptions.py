"""What should flow: the streams of one contract, as a wish that is asked for again with new ids after every loss.

Two tick-by-tick streams are what the kernel sees. Beside them a stream of sampled data (reqMktData) is the witness: it
tells the kind of data, and its ticks tell that a silent tick-by-tick stream has died. Bars of five seconds may be asked
for, so that the recorded ticks can be judged by them (witness.py); whether they come changes nothing for the others.

Where another market is seen than the traded one, the traded contract's quotes are asked for beside it, and its trades
where the login has a line for them. They are recorded; whether they come decides only whether something may be entered.
"""

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

from trading_bot.adapters.ibkr.link_state import DELAYED, LIVE
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.units import NS_PER_S

BID_ASK: Final = "BidAsk"
LAST: Final = "Last"
WITNESS: Final = "sampled"
BARS: Final = "bars"
BESIDE: Final = "beside"  # quotes of the traded contract, where another one is seen
BESIDE_LAST: Final = "beside trades"
ASKED_AS: Final = {BID_ASK: BID_ASK, LAST: LAST, BESIDE: BID_ASK, BESIDE_LAST: LAST}
SECONDARY: Final = frozenset({WITNESS, BARS, BESIDE, BESIDE_LAST})  # the seen market flows without them
NO_ID: Final = -1
# Sampled ticks that come when quotes or trades do: bid, ask and last with their sizes; from 66 on the delayed ones.
_QUOTES: Final = frozenset({0, 1, 2, 3})
_TRADES: Final = frozenset({4, 5})
_DELAYED_TYPES: Final = range(66, 77)
_NEVER_S: Final = float("-inf")
_BARS_PATIENCE: Final = 4  # they count as requests of history, of which the broker takes 60 in ten minutes


class Stream(msgspec.Struct, kw_only=True):
    """One wish. Times are wall seconds; `ticked`: it has given a tick since it was asked for, or since that is asked.

    `seen_s` is when the witness last saw what this stream carries.
    """

    kind: str
    contract: Any = None
    carries: frozenset[int] = frozenset()
    request_id: int = NO_ID
    wanted: bool = True
    asked_s: float = _NEVER_S
    ticked: bool = False
    counted: int = 0  # ticks of it that the intake has read
    tick_s: float = _NEVER_S
    seen_s: float = _NEVER_S


class Subscriptions:
    """The streams of a contract on a connection.

    The broker takes no second tick-by-tick request for one instrument within 15 s (TWS API, reqTickByTickData). So a
    stream that is asked for again waits that long, whoever asks, and also over a new connection.
    """

    def __init__(
        self,
        session: IbkrSession,
        contract: Any,
        wait_s: float,
        on_ids: Callable[[dict[int, str]], None],
        *,
        bars: bool = False,
        beside: Any = None,
        beside_trades: bool = False,
    ) -> None:
        """`wait_s` of wall time lie between two requests of a stream; `on_ids` is told whose ticks count, with kinds.

        `bars`: those of five seconds are wanted too. `beside` is the traded contract where `contract` is another one,
        `beside_trades`: there is a tick-by-tick line for its trades. Nothing is asked for yet.
        """
        self.on_data_type: Callable[[int], None] = _ignore
        self._session = session
        self._wait_s = wait_s
        self._on_ids = on_ids
        self._ticks = (
            Stream(kind=BID_ASK, contract=contract, carries=_QUOTES),
            Stream(kind=LAST, contract=contract, carries=_TRADES),
        )
        self._beside = tuple(
            Stream(kind=kind, contract=beside)
            for kind, wanted in ((BESIDE, True), (BESIDE_LAST, beside_trades))
            if wanted and beside is not None
        )
        self._witness = Stream(kind=WITNESS, contract=contract)
        self._bars = Stream(kind=BARS, contract=contract, wanted=bars)
        self._streams = (self._witness, *self._ticks, *self._beside, *((self._bars,) if bars else ()))
        self._denied = False  # live data were denied to the witness
        session.listen("tickByTickAllLast", self._on_tick)
        session.listen("tickByTickBidAsk", self._on_tick)
        session.listen("priceSizeTick", self._on_sample)
        session.listen("tickSize", self._on_sample)
        session.listen("marketDataType", self._on_kind)

    @property
    def flowing(self) -> bool:
        """Whether each tick-by-tick stream has given a tick since it was asked for, or since ticks were forgotten."""
        self._look()
        return all(stream.ticked for stream in self._ticks)

    def stream(self, request_id: int) -> Stream | None:
        """The stream that was asked for with this id last."""
        return next((one for one in self._streams if one.request_id == request_id != NO_ID), None)

    def witness_asked_s(self) -> float:
        """When the kind of data was asked for last."""
        return self._witness.asked_s

    @property
    def sampled_id(self) -> int:
        """Request id of the sampled stream, NO_ID without one."""
        return self._witness.request_id

    @property
    def bars_id(self) -> int:
        """Request id of the bars of five seconds, NO_ID without any."""
        return self._bars.request_id

    @property
    def bars_asked_s(self) -> float:
        """When bars were asked for last, wall seconds."""
        return self._bars.asked_s

    # --- asking ----------------------------------------------------------------------------------------------------

    def ask_due(self) -> None:
        """Ask for what is wanted and may be asked for now, with new ids."""
        now_s = self._session.clock.wall_s()
        due = [one for one in self._streams if one.wanted and now_s - one.asked_s >= self._wait_of(one)]
        if not due or not self._session.connected:
            return
        client = self._session.ib.client
        for stream in due:
            if stream.request_id != NO_ID:
                self._cancel(stream)
            stream.request_id, stream.wanted, stream.ticked = client.getReqId(), False, False
            stream.asked_s, stream.seen_s, stream.counted = now_s, _NEVER_S, 0
        self._tell_ids()  # before the first answer can come
        for stream in due:
            if stream is self._witness:
                self._denied = False
                client.reqMktData(stream.request_id, stream.contract, "", False, False, [])
            elif stream is self._bars:
                client.reqRealTimeBars(stream.request_id, stream.contract, 5, "TRADES", False, [])
            else:
                client.reqTickByTickData(stream.request_id, stream.contract, ASKED_AS[stream.kind], 0, False)

    def renew(self, kinds: Collection[str] = (WITNESS, BID_ASK, LAST, BESIDE, BESIDE_LAST, BARS)) -> None:
        """Give these streams up and want them again; they are asked for as soon as that is allowed."""
        self._look()
        for stream in self._streams:
            if stream.kind in kinds:
                stream.wanted, stream.ticked = True, False

    def refused(self, stream: Stream) -> None:
        """The broker ended this stream; there is nothing left to cancel."""
        stream.request_id, stream.wanted, stream.ticked = NO_ID, True, False
        self._tell_ids()

    def denied(self) -> None:
        """The broker has no live data for the witness: its ticks say nothing until it is asked again."""
        self._denied = True
        self.on_data_type(DELAYED)

    def lost(self) -> None:
        """The connection is gone, and with it every stream."""
        for stream in self._streams:
            self.refused(stream)

    def forget_ticks(self) -> None:
        """Only ticks from here on prove that data flow."""
        self._look()
        for stream in self._ticks:
            stream.ticked = False

    def _cancel(self, stream: Stream) -> None:
        client = self._session.ib.client
        if stream is self._bars:
            client.cancelRealTimeBars(stream.request_id)
        else:
            (client.cancelMktData if stream is self._witness else client.cancelTickByTickData)(stream.request_id)

    def _wait_of(self, stream: Stream) -> float:
        return self._wait_s * (_BARS_PATIENCE if stream is self._bars else 1)

    def _tell_ids(self) -> None:
        every = (*self._ticks, *self._beside)
        self._on_ids({stream.request_id: stream.kind for stream in every if stream.request_id != NO_ID})

    # --- silence ---------------------------------------------------------------------------------------------------

    def silent(self, limit_s: float, open_s: float) -> tuple[str, ...]:
        """Streams that give no ticks although they should. The market has been open since `open_s` of wall time.

        Quotes come all the time; trades may pause, so that their stream is silent when the witness has seen a trade
        `limit_s` after its last tick. Where quotes are silent everything is.
        """
        self._look()
        now_s = self._session.clock.wall_s()
        if any(now_s - max(one.tick_s, one.asked_s, open_s) > limit_s for one in self._ticks if one.kind == BID_ASK):
            return (WITNESS, BID_ASK, LAST)
        return tuple(one.kind for one in self._ticks if one.seen_s - max(one.tick_s, one.asked_s, open_s) > limit_s)

    def renew_silent_beside(self, limit_s: float, open_s: float) -> None:
        """As `silent`, for the traded contract's own quotes: they are asked for again, and the rest goes on."""
        self._look()
        now_s = self._session.clock.wall_s()
        if any(now_s - max(one.tick_s, one.asked_s, open_s) > limit_s for one in self._beside if one.kind == BESIDE):
            self.renew({BESIDE, BESIDE_LAST})

    def _look(self) -> None:
        """Ticks that the intake has read itself."""
        for stream in (*self._ticks, *self._beside):
            count, last_ns = self._session.intake.seen(stream.request_id)
            if count > stream.counted:
                stream.counted = count
                stream.ticked = stream.ticked or not stream.wanted
                stream.tick_s = max(stream.tick_s, last_ns / NS_PER_S)

    # --- callbacks of the library ----------------------------------------------------------------------------------

    def _on_tick(self, request_id: int, *_tick: Any) -> None:
        for stream in (*self._ticks, *self._beside):
            if stream.request_id == request_id:
                stream.ticked = not stream.wanted  # one that was given up proves nothing
                stream.tick_s = self._session.clock.wall_s()

    def _on_sample(self, request_id: int, tick_type: int, *_value: Any) -> None:
        if request_id != self._witness.request_id:
            return
        if tick_type in _DELAYED_TYPES:
            self.on_data_type(DELAYED)
            return
        for stream in self._ticks:
            if tick_type in stream.carries:
                stream.seen_s = self._session.clock.wall_s()
                if not self._denied:
                    self.on_data_type(LIVE)

    def _on_kind(self, request_id: int, data_type: int) -> None:
        if request_id == self._witness.request_id:
            self.on_data_type(data_type)


def _ignore(_data_type: int) -> None:
    """Nobody asks for the kind of data yet."""
