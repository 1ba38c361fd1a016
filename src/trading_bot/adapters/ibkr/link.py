"""The link as four separate states, and what is done about each (docs/ibkr.md, 5).

A message that something is well again is a hint; a tick is the truth (IBC issue 143, ib_insync issue 256: streams that
die over a restored link, with nothing said).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.codes import CODES, Kind, code_row
from trading_bot.adapters.ibkr.link_state import LIVE, UNKNOWN, LinkState
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.adapters.ibkr.subscriptions import SECONDARY, WITNESS, Subscriptions
from trading_bot.domain.errors import BotError
from trading_bot.domain.events import LinkStatus
from trading_bot.domain.ibkr_config import IbkrConfig
from trading_bot.domain.units import NS_PER_S

_WATCH_S: Final = 0.1
_KEPT_S: Final = 5.0  # streams that were kept over an outage give a tick within this, or are asked for again
_DATA_TYPE_AGAIN_S: Final = 60.0  # while data are not live, the kind of data is asked for this often
_SILENT_PROBES: Final = 2  # unanswered in a row: one may have waited for a busy moment of ours
_NO_REQUEST: Final = -1
_CLOCK_SET: Final = "the gateway's clock was set, or this machine's: `trading-bot latency show` has the difference"


class Link:
    """Watches a connection, keeps its streams alive, connects again when it breaks, and tells every change.

    It listens from the moment it is made, so that what the gateway says while a client connects counts; it tells and
    acts from `start` on.
    """

    def __init__(self, session: IbkrSession, config: IbkrConfig, patience: Callable[[int], int]) -> None:
        """Of a time (ns) `patience` says how many times `ibkr.stale_s` a silence may last; 0: the market is closed."""
        self.on_reconnected: list[Callable[[], None]] = []
        self.on_data_type: list[Callable[[int], None]] = []
        self.on_told: list[Callable[[LinkStatus], None]] = []  # for a person to read
        self.probe_s = 0.0  # the gateway's last answer took so long
        self._session = session
        self._config = config
        self._patience = patience
        self._subscriptions: Subscriptions | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting_again = False
        self._kept_until_s: float | None = None
        self._open_s: float | None = None  # wall time since when the market is open
        self._closing = False
        self._rows: dict[Kind, Callable[[str, str], None]] = {
            Kind.LINK_DOWN: self._broker_lost,
            Kind.LINK_UP_DATA_LOST: self._broker_back_data_lost,
            Kind.LINK_UP_DATA_KEPT: self._broker_back_data_kept,
            Kind.SOCKET: self._socket_reset,
            Kind.FARM_DOWN: self._farm_lost,
            Kind.FARM_UP: self._farm_back,
            Kind.COMPETING: self._data_taken,
        }
        session.listen("error", self._on_error)
        session.ib.client.apiEnd += self._on_lost

    @property
    def state(self) -> LinkState:
        """The four states."""
        return self._session.link

    def start(self, subscriptions: Subscriptions) -> None:
        """The connection stands: ask for the streams and watch from here on."""
        self._subscriptions = subscriptions
        subscriptions.on_data_type = self._on_data_type
        self._set(socket=True)
        self._tell("CONNECTED")
        subscriptions.ask_due()
        self._spawn(self._watch(subscriptions))
        self._spawn(self._probe())

    def close(self) -> None:
        """Stop watching; a connection that ends from here on was meant to."""
        self._closing = True
        for task in self._tasks:
            task.cancel()

    # --- the state -------------------------------------------------------------------------------------------------

    def _set(self, **fields: Any) -> bool:
        """Whether that changed anything."""
        state = msgspec.structs.replace(self.state, **fields)
        changed = state != self.state
        self._session.link = state
        return changed

    def _change(self, reason: str, **fields: Any) -> None:
        if self._set(**fields) and self._subscriptions is not None:
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        state = self.state
        status = LinkStatus(
            ts_ns=0,
            up=state.up,
            data_type=state.data_type,
            socket=state.socket,
            broker=state.broker,
            farm=state.farm,
            flowing=state.flowing,
            reason=reason,
        )
        self._session.tell(status)
        for callback in self.on_told:
            callback(status)

    def _expect_ticks(self, within_s: float | None) -> None:
        """Only new ticks prove that data flow; without them in time the streams are asked for again."""
        if self._subscriptions is not None:
            self._subscriptions.forget_ticks()
        self._kept_until_s = None if within_s is None else self._session.clock.wall_s() + within_s

    def _renew(self) -> None:
        self._kept_until_s = None
        if self._subscriptions is not None:
            self._subscriptions.renew()

    # --- what the broker says --------------------------------------------------------------------------------------

    def _on_error(self, request_id: int, code: int, text: str, *_more: Any) -> None:
        """A message about the connection or about one of our streams; the rest is for those who asked."""
        row, subscriptions = code_row(code), self._subscriptions
        stream = None if subscriptions is None else subscriptions.stream(request_id)
        if subscriptions is not None and stream is not None:
            if row.ends_stream:
                subscriptions.refused(stream)
            if stream.kind not in SECONDARY and row.ends_stream:
                self._change(f"CODE_{code}", flowing=False)
            elif stream.kind == WITNESS and row.kind is Kind.DELAYED:
                subscriptions.denied()
        if request_id == _NO_REQUEST or stream is not None:
            if subscriptions is not None:
                self._session.notice_once(code, f"{row.meaning}: {text}" if code in CODES else text, error=row.error)
            if (act := self._rows.get(row.kind)) is not None:
                act(f"CODE_{code}", text)

    def _broker_lost(self, reason: str, _text: str) -> None:
        self._expect_ticks(None)
        self._change(reason, broker=False, flowing=False)

    def _broker_back_data_lost(self, reason: str, _text: str) -> None:
        self._change(reason, broker=True, flowing=False)
        self._renew()

    def _broker_back_data_kept(self, reason: str, _text: str) -> None:
        self._expect_ticks(_KEPT_S)
        self._change(reason, broker=True, flowing=False)

    def _socket_reset(self, _reason: str, _text: str) -> None:
        """The gateway is about to hang up. Doing so ourselves ends in the same place, without waiting for it."""
        self._session.hang_up()

    def _farm_lost(self, reason: str, _text: str) -> None:
        """Any farm's: whether it is ours, the next tick tells."""
        self._expect_ticks(None)
        self._change(reason, farm=False, flowing=False)

    def _farm_back(self, _reason: str, _text: str) -> None:
        """Believed when ticks come. Said on each connection, too, when nothing was wrong."""
        if not self.state.farm:
            self._expect_ticks(_KEPT_S)

    def _data_taken(self, reason: str, _text: str) -> None:
        """Another login has the data. They are asked for again and again: it gives them back without a word."""
        self._change(reason, flowing=False)
        self._renew()

    def _on_data_type(self, data_type: int) -> None:
        if data_type != self.state.data_type:
            self._change(f"DATA_TYPE_{data_type}", data_type=data_type)
            for callback in self.on_data_type:
                callback(data_type)

    # --- what we see -----------------------------------------------------------------------------------------------

    async def _watch(self, subscriptions: Subscriptions) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            if self.state.socket:
                self._look_at_ticks(subscriptions)
                subscriptions.ask_due()

    def _look_at_ticks(self, subscriptions: Subscriptions) -> None:
        now_s = self._session.clock.wall_s()
        state = self.state
        if subscriptions.flowing and state.broker and not state.flowing:
            self._kept_until_s = None
            self._change("TICKS", farm=True, flowing=True)
        elif self._kept_until_s is not None and now_s > self._kept_until_s:
            self._renew()
        if state.data_type not in {LIVE, UNKNOWN} and now_s - subscriptions.witness_asked_s() > _DATA_TYPE_AGAIN_S:
            subscriptions.renew({WITNESS})
        patience = self._patience(self._session.stamp())
        if not patience:
            self._open_s = None
            return
        if self._open_s is None:
            self._open_s = now_s
        if not state.broker:
            return  # silence has its explanation, and nobody would answer
        silent = subscriptions.silent(self._config.stale_s * patience, self._open_s)
        if silent:
            self._change("SILENT_" + "_".join(silent), flowing=False)
            subscriptions.renew(silent)
        else:
            subscriptions.renew_silent_beside(self._config.stale_s * patience, self._open_s)

    async def _probe(self) -> None:
        """A gateway that takes connections and answers nothing is as good as gone."""
        unanswered = 0
        while True:
            await asyncio.sleep(self._pause_s() if unanswered == 0 else 0)
            if not self._session.connected:
                unanswered = 0
                await asyncio.sleep(_WATCH_S)
                continue
            asked_s, asked_ns = self._session.clock.wall_s(), self._session.clock.now_ns()
            heard = self._session.messages_heard
            answer = await self._session.asked(self._session.current_time())
            if not isinstance(answer, Unknown):
                self.probe_s = self._session.clock.wall_s() - asked_s
                if self._session.latency.gateway_time(asked_ns, self._session.clock.now_ns(), answer.data):
                    self._session.notice_once(0, _CLOCK_SET, error=True)
            if not isinstance(answer, Unknown) or self._session.messages_heard != heard:
                unanswered = 0
                continue
            unanswered += 1
            if unanswered >= _SILENT_PROBES and self._session.connected:
                unanswered = 0
                self._change("GATEWAY_SILENT", socket=False, flowing=False)
                self._session.hang_up()

    def _pause_s(self) -> float:
        """To the next probe: a little earlier, where the gateway's clock turns and its answer tells most about it."""
        every_s, clock = self._config.probe_every_s, self._session.clock
        at_ns = clock.now_ns() + round(every_s * clock.speed * NS_PER_S)
        early_s = self._session.latency.clock.early_ns(at_ns) / NS_PER_S / clock.speed
        return every_s - early_s if early_s < every_s / 2 else every_s

    # --- the socket ------------------------------------------------------------------------------------------------

    def _on_lost(self, *_event: Any) -> None:
        if self._closing or self._subscriptions is None:
            return
        self._subscriptions.lost()
        self._kept_until_s = None
        self._change("SOCKET_LOST", socket=False, flowing=False)
        if not self._connecting_again:
            self._connecting_again = True
            self._spawn(self._reconnect(self._subscriptions))

    async def _reconnect(self, subscriptions: Subscriptions) -> None:
        """With the same client id, again and again: orders belong to it (docs/ibkr.md, 4)."""
        waits_s = self._config.reconnect_waits_s
        attempt = 0
        while True:
            await asyncio.sleep(waits_s[min(attempt, len(waits_s) - 1)])
            attempt += 1
            # What was said on the old connection is void; what the gateway says while this one is made counts.
            self._set(broker=True, farm=True, data_type=UNKNOWN)
            try:
                await self._session.reconnect()
            except BotError as error:
                self._session.notice_once(0, f"cannot connect again yet: {error}")
            else:
                break
        self._connecting_again = False
        self._set(socket=True)
        self._tell("RECONNECTED")
        subscriptions.ask_due()
        for callback in self.on_reconnected:
            callback()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._session.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._session.fail(error)
