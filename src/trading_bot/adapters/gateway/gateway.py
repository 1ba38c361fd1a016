"""The gateway: a listener on the loopback interface, its clients, and the pump that moves the market's time."""

import asyncio
import ipaddress
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from trading_bot.adapters.gateway.client import VERSION_MIN, Client
from trading_bot.adapters.gateway.clock import GatewayClock
from trading_bot.adapters.gateway.contracts import ContractBook
from trading_bot.adapters.gateway.desk import Desk
from trading_bot.adapters.gateway.dispatch import Dispatcher
from trading_bot.adapters.gateway.faults import Faults
from trading_bot.adapters.gateway.market import Market
from trading_bot.adapters.gateway.scenario import Scenario, read_steps
from trading_bot.adapters.gateway.wire import Fields
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Coroutine


PUMP_S: Final = 0.002
SEED_MAX: Final = (1 << 63) - 1
CLIENTS_MAX: Final = 32  # API clients of one gateway (field notes A)
VERSION_MAX: Final = 178  # highest version whose messages are text and known here
FIRST: Final = "MES"  # the market that is opened at the start; others open when somebody asks
START_NS_DEFAULT: Final = 1_795_616_400_000_000_000  # 2026-11-25T14:20:00Z, ten minutes before a regular open

Tell = Callable[[str, dict[str, object]], None]


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway is started with.

    `port` 0 takes a free one. `start_ns` is the market's time when the clock begins (ns since the epoch), `speed` its
    seconds a second. `inputs` are files that replace the generated market. `clock_from` says when the clock begins: at
    the first client's startApi, or at the launch. `messages_per_s` are requests a client may send in any second of the
    wall, 0 without limit. `tick_by_tick_max` are tick-by-tick streams of one client at a time, `tick_by_tick_gap_s`
    the wall seconds between two requests for one instrument, `small_bars_per_10_min` are requests of one client for
    bars of 30 s and less, 0 without limit. `commission_usd` is one side of one contract; None takes half of the
    registry's round trip. `order_latency_ms` is market time from a request about an order to the exchange,
    `answer_latency_ms` from there back to the client. `master_client_id` also hears of every other client's orders.
    """

    host: str = "127.0.0.1"
    port: int = 0
    account: str = "DUSIM1"
    seed: int = 7
    start_ns: int = START_NS_DEFAULT
    speed: float = 1.0
    clock_from: Literal["connect", "launch"] = "connect"
    inputs: tuple[Path, ...] = ()
    scenario: Path | None = None
    equity_usd: float = 10_000.0
    commission_usd: float | None = None
    server_version_max: int = VERSION_MAX
    messages_per_s: int = 50
    tick_by_tick_max: int = 5
    tick_by_tick_gap_s: float = 15.0
    small_bars_per_10_min: int = 60
    order_latency_ms: float = 25.0
    answer_latency_ms: float = 25.0
    master_client_id: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        if not _is_loopback(self.host):
            raise UsageError(f"--host {self.host!r}: gateway-sim listens on loopback addresses only, such as 127.0.0.1")
        if not 0 < self.speed <= 10_000:
            raise UsageError(f"--speed {self.speed:g}: expected above 0 and at most 10000 market seconds a second")
        if not VERSION_MIN <= self.server_version_max <= VERSION_MAX:
            raise UsageError(f"server version {self.server_version_max}: expected {VERSION_MIN} to {VERSION_MAX}")
        if not self.account.startswith("DUSIM") or not self.account.isalnum():
            # What ends up beside a real account's id in a log must not look like one.
            raise UsageError(f"--account {self.account!r}: a simulated account is DUSIM and letters or digits: DUSIM1")
        if not 0 <= self.seed <= SEED_MAX:
            raise UsageError(f"--seed {self.seed}: expected 0 to {SEED_MAX}")
        if not 0 < self.equity_usd < float("inf"):
            raise UsageError(f"--equity {self.equity_usd:g}: expected dollars above 0")


def _reason(error: OSError) -> str:
    """Asyncio wraps the system's words in its own; a person needs the system's."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Gateway:
    """Everything of one gateway; lives in one event loop."""

    def __init__(self, config: GatewayConfig, tell: Tell | None = None) -> None:
        """`tell` hears (event, values) of what a person who watches wants to know."""
        self.config = config
        self.clock = GatewayClock(config.start_ns, config.speed)
        self.faults = Faults()
        self.lingering_ids: set[int] = set()  # of clients that left while the fault ids_linger lasted
        self.clients: dict[int, Client] = {}  # by client id, those that have started
        self.port = config.port
        # A name may mean two addresses, each with a free port of its own.
        self._address = "127.0.0.1" if config.host == "localhost" else config.host
        self.clients_max = CLIENTS_MAX
        self.failure: BaseException | None = None
        self._tell = tell
        self._connections: list[Client] = []
        self._server: asyncio.Server | None = None
        self._stopped = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.dispatcher = Dispatcher(self)
        self.scenario = Scenario(self, read_steps(config.scenario) if config.scenario else ())
        self.contracts = ContractBook(self)
        self.market = Market(self)
        self.desk: Desk = Desk(self)

    async def start(self) -> None:
        """Open the market, so that a start or a file that is none is told now, and listen.

        Raises:
            UsageError: the calendar does not know the start, or a file is of no known kind.
            SourceUnreachable: a file is not there, the port is taken, or the system refuses it.
        """
        self.market.book(INSTRUMENTS[FIRST])
        await self.listen()
        if self.config.clock_from == "launch":
            self.market.ready()
            self.clock.begin()
        self.start_task(self._pump())

    async def serve(self) -> None:
        """Run until `stop`; a bug of the gateway ends it and is raised here."""
        if self._server is None:
            await self.start()
        try:
            await self._stopped.wait()
        finally:
            await self._shut()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """End `serve`."""
        self._stopped.set()

    def fail(self, error: BaseException) -> None:
        """A bug of ours: a gateway that goes on would be believed."""
        self.failure = self.failure or error
        self.tell("bug", error=repr(error), traceback="".join(traceback.format_exception(error)))
        self.stop()

    def tell(self, event: str, **values: object) -> None:
        """A line for whoever watches."""
        if self._tell is not None:
            self._tell(event, values)

    async def listen(self) -> None:
        """Open the port (again)."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Client(self), self._address, self.port)
        except OSError as error:
            raise SourceUnreachable(
                f"gateway-sim cannot listen on {self.config.host}:{self.port}: {_reason(error)}; end what "
                f"uses the port, or choose another with --port (0 takes a free one)"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def hang_up(self) -> None:
        """Close the port and break every connection, as a process that dies does."""
        if self._server is not None:
            self._server.close()
        self.drop_clients()

    def drop_clients(self) -> None:
        """Break every connection; the port stays open."""
        for client in list(self._connections):
            client.abort()

    def stall(self, *, stalled: bool) -> None:
        """Every connection, and those to come: accept, and answer and send nothing; or go on."""
        self.faults.stalled = stalled
        for client in list(self._connections):
            if stalled:
                client.stall()
            else:
                client.resume()

    def split_writes(self, *, split: bool) -> None:
        """Every connection, and those to come: cut what is sent inside a frame."""
        self.faults.writes_split = split
        for client in self._connections:
            client.writes_split = split

    def told_s(self) -> int:
        """The whole second that clients are told, since the epoch: market time, unless a fault skews it."""
        return (self.clock.now_ns() + self.faults.clock_skew_ms * NS_PER_MS) // NS_PER_S

    def start_task(self, work: "Coroutine[Any, Any, None]") -> None:
        """Run `work` beside everything else; a bug in it ends the gateway, and the gateway's end cancels it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.remove(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _pump(self) -> None:
        while True:
            await asyncio.sleep(PUMP_S)
            if self.clock.begun:
                now_ns = self.clock.now_ns()
                self.scenario.advance(now_ns)
                self.market.advance(now_ns)
                self.desk.advance(now_ns)

    async def _shut(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._server is not None:
            self._server.close()
        for client in list(self._connections):
            client.close()
        await asyncio.sleep(0)  # lets the transports close

    # What a connection tells (client.Host).

    def joined(self, client: Client) -> bool:
        """A socket was accepted."""
        if self.faults.connections_refused:
            self.tell("refused", client=str(client))
            return False
        if self.faults.stalled:
            client.stall()
        client.writes_split = self.faults.writes_split
        self._connections.append(client)
        return True

    def greeted(self, client: Client, version_min: int, version_max: int) -> None:
        """Answer with the version this connection speaks: the highest both know."""
        version = min(self.config.server_version_max, version_max)
        if version < max(VERSION_MIN, version_min):
            self.tell("no_common_version", client=str(client), version_min=version_min, version_max=version_max)
            client.abort()
            return
        client.server_version = version
        client.account = self.config.account
        client.send(version, self.dispatcher.connection_time())

    def received(self, client: Client, fields: Fields) -> None:
        """A request."""
        self.dispatcher.dispatch(client, fields)

    def started(self, client: Client, client_id: int) -> None:
        """StartApi was accepted: the client has its id, and the clock runs."""
        client.client_id = client_id
        client.ready = True
        self.clients[client_id] = client
        self.market.ready()
        self.clock.begin()
        self.tell("client_started", client_id=client_id, peer=client.peer, server_version=client.server_version)

    def left(self, client: Client) -> None:
        """The socket is closed."""
        if client in self._connections:
            self._connections.remove(client)
        if self.clients.get(client.client_id) is client:
            del self.clients[client.client_id]
            if self.faults.ids_linger:
                self.lingering_ids.add(client.client_id)
            self.market.forget(client)
            self.tell("client_left", client_id=client.client_id)
        client.subscriptions.clear()
