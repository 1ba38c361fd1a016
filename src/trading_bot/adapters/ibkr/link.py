"""The link as four separate states, and what is done about each (docs/ibkr.md, 5).

Socket: the connection to the gateway. Broker: the gateway's to the broker's servers. Farm: the broker's market data.
Flowing: ticks have come on every stream since it was asked for, and still come. A message that something is well again
is a hint; a tick is the truth.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.codes import Kind, code_row
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.adapters.ibkr.subscriptions import Subscriptions
from trading_bot.domain.errors import BotError
from trading_bot.domain.events import LinkStatus
from trading_bot.domain.ibkr_config import IbkrConfig

LIVE: Final = 1
DELAYED: Final = 3
_WATCH_S: Final = 0.1
_KEPT_S: Final = 5.0  # streams that were kept over an outage give a tick within this, or are asked for again


class LinkState(msgspec.Struct, frozen=True, kw_only=True):
    """The four states, and the kind of data (1 live)."""

    socket: bool = False
    broker: bool = False
    farm: bool = False
    flowing: bool = False
    data_type: int = LIVE

    @property
    def up(self) -> bool:
        """All four."""
        return self.socket and self.broker and self.farm and self.flowing


class Link:
    """Watches a connection, keeps its streams alive, connects again when it breaks, and tells every change."""

    def __init__(
        self,
        session: IbkrSession,
        subscriptions: Subscriptions,
        config: IbkrConfig,
        market_open: Callable[[int], bool],
    ) -> None:
        """`market_open` says whether a time (ns) is one of continuous trading: only then silence means something."""
        self.state = LinkState()
        self.on_reconnected: list[Callable[[], None]] = []
        self._session = session
        self._subscriptions = subscriptions
        self._config = config
        self._market_open = market_open
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept_until_s: float | None = None
        self._probed_s = 0.0
        self._closing = False
        self._rows: dict[Kind, Callable[[int, str], None]] = {
            Kind.LINK_DOWN: lambda code, _text: self._change(f"CODE_{code}", broker=False),
            Kind.LINK_UP_DATA_LOST: self._data_lost,
            Kind.LINK_UP_DATA_KEPT: self._data_kept,
            Kind.FARM_DOWN: lambda code, _text: self._change(f"CODE_{code}", farm=False, flowing=False),
            Kind.FARM_UP: self._farm_up,
            Kind.COMPETING: lambda code, _text: self._change(f"CODE_{code}", flowing=False),
            Kind.DELAYED: lambda code, _text: self._change(f"CODE_{code}", data_type=DELAYED, flowing=False),
        }
        session.listen("error", self._on_error)
        session.listen("marketDataType", self._on_data_type)
        session.ib.client.apiEnd += self._on_lost

    def start(self) -> None:
        """The connection stands: ask for the streams and watch from here on."""
        self._probed_s = self._session.clock.wall_s()
        self._change("CONNECTED", socket=True, broker=True, farm=True, flowing=False)
        self._subscriptions.request()
        self._spawn(self._watch())

    def close(self) -> None:
        """Stop watching; a connection that ends from here on was meant to."""
        self._closing = True
        for task in self._tasks:
            task.cancel()

    def _change(self, reason: str, **fields: Any) -> None:
        state = msgspec.structs.replace(self.state, **fields)
        if state == self.state:
            return
        self.state = state
        self._session.tell(
            LinkStatus(
                ts_ns=0,
                up=state.up,
                data_type=state.data_type,
                socket=state.socket,
                broker=state.broker,
                farm=state.farm,
                flowing=state.flowing,
                reason=reason,
            )
        )

    # --- what the broker says --------------------------------------------------------------------------------------

    def _on_error(self, req_id: int, code: int, text: str, *_more: Any) -> None:
        row = code_row(code)
        if row.kind is Kind.STREAM_FAILED and req_id in self._subscriptions.request_ids:
            self._change(f"CODE_{code}", flowing=False)
            self._subscriptions.renew()
        elif (act := self._rows.get(row.kind)) is not None:
            act(code, text)

    def _data_lost(self, code: int, _text: str) -> None:
        self._change(f"CODE_{code}", broker=True, flowing=False)
        self._subscriptions.renew()

    def _data_kept(self, code: int, _text: str) -> None:
        self._change(f"CODE_{code}", broker=True, flowing=False)
        self._expect_ticks()

    def _farm_up(self, code: int, _text: str) -> None:
        """Well again: believed when ticks come. The notice is repeated on every connection, when nothing was wrong."""
        if not self.state.farm:
            self._change(f"CODE_{code}", flowing=False)
            self._expect_ticks()

    def _expect_ticks(self) -> None:
        self._subscriptions.forget_ticks()
        self._kept_until_s = self._session.clock.wall_s() + _KEPT_S

    def _on_data_type(self, _req_id: int, data_type: int) -> None:
        self._change(f"DATA_TYPE_{data_type}", data_type=data_type)

    # --- what we see -----------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            if self.state.socket:
                self._look_at_ticks()
                await self._probe()

    def _look_at_ticks(self) -> None:
        wall_s = self._session.clock.wall_s()
        subscriptions = self._subscriptions
        if subscriptions.flowing and not self.state.flowing and self.state.broker:
            self._kept_until_s = None
            self._change("TICKS", farm=True, flowing=True)
            return
        silent_s = wall_s - subscriptions.last_tick_s
        stale = silent_s > self._config.stale_s and self._market_open(self._session.stamp())
        if self.state.flowing and stale:
            self._change("STALE", flowing=False)
            subscriptions.renew()
        elif self._kept_until_s is not None and wall_s > self._kept_until_s:
            self._kept_until_s = None
            subscriptions.renew()
        elif not self.state.flowing and stale and self.state.broker:
            subscriptions.renew()

    async def _probe(self) -> None:
        """A gateway that accepts and answers nothing is as good as gone."""
        wall_s = self._session.clock.wall_s()
        if wall_s - self._probed_s < self._config.probe_every_s:
            return
        self._probed_s = wall_s
        answer = await self._session.asked(self._current_time())
        if isinstance(answer, Unknown) and self.state.socket:
            self._change("GATEWAY_SILENT", socket=False, flowing=False)
            self._session.ib.client.disconnect()
            self._spawn(self._reconnect())

    async def _current_time(self) -> int:
        heard: asyncio.Future[int] = self._session.loop.create_future()
        self._session.listen_once("currentTime", heard)
        self._session.ib.client.reqCurrentTime()
        return await heard

    # --- the socket ------------------------------------------------------------------------------------------------

    def _on_lost(self, *_event: Any) -> None:
        if self._closing or not self.state.socket:
            return
        self._change("SOCKET_LOST", socket=False, flowing=False)
        self._spawn(self._reconnect())

    async def _reconnect(self) -> None:
        """With the same client id, again and again: orders belong to it (docs/ibkr.md, 4)."""
        waits_s = self._config.reconnect_waits_s
        attempt = 0
        while True:
            await asyncio.sleep(waits_s[min(attempt, len(waits_s) - 1)])
            attempt += 1
            try:
                await self._session.reconnect()
            except BotError as error:
                self._session.notice(0, f"attempt {attempt} to connect again: {error}")
            else:
                break
        self._probed_s = self._session.clock.wall_s()
        self._change("RECONNECTED", socket=True, broker=True, farm=True, flowing=False)
        self._subscriptions.renew()
        for callback in self.on_reconnected:
            callback()

    def _spawn(self, work: Any) -> None:
        task = self._session.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._session.fail(error)
