"""One connection to a gateway, seen from a loop that does not know asyncio (docs/adr/0017).

The runner pulls: `pump` is where the event loop runs, and everything that comes in while it does is put into queues.
Nothing of ours is called from a callback of the library except what fills those queues.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import msgspec

from trading_bot.adapters.ibkr.answers import Known, Unknown
from trading_bot.adapters.ibkr.clock import Clock, FeedClock, SystemClock, read_gateway_clock
from trading_bot.adapters.ibkr.latency import LatencyMeter, LatencyTimer
from trading_bot.adapters.ibkr.library import library, part
from trading_bot.adapters.ibkr.link_state import LinkState
from trading_bot.adapters.ibkr.outbox import Outbox
from trading_bot.adapters.ibkr.pacing import Lane
from trading_bot.adapters.ibkr.tap import Complaints, Listener, Tap
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.domain.events import Input, LatencySampled

T = TypeVar("T")

CLIENT_ID_TAKEN: Final = 326
_NOTICE_AGAIN_S: Final = 60.0
START: Final = (
    "start TWS or IB Gateway (or `trading-bot gateway-sim`), enable the API (docs/ibkr.md), and name its --port"
)


class IbkrSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gateway is, how long to wait for it, and how much to send it a second.

    `account` None: the only one of the login. Times are seconds of wall time.
    """

    host: str
    port: int
    client_id: int
    account: str | None = None
    connect_timeout_s: float = 10.0
    request_timeout_s: float = 4.0
    messages_per_s_max: int = 45
    messages_reserved: int = 15


class IbkrSession:
    """A connection: its loop, its clock, the inputs it has for the core."""

    def __init__(self, settings: IbkrSettings, *, speed: float | None = None) -> None:
        """`speed` None: the system's clock; else the gateway's, which runs that fast (a gateway simulator)."""
        self.settings = settings
        # Not uvloop: entering its run_forever costs six times as much, and the pump enters it for each packet.
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.lib = library()  # which asks for the current loop when it is first imported
        self.ib: Any = self.lib.IB()
        self.ib.RaiseRequestErrors = True  # else an error reads as an empty answer
        self._request_error: Any = part("wrapper").RequestError
        self.inputs: deque[Input] = deque()
        self.account = ""
        self.accounts: tuple[str, ...] = ()
        self.clock: Clock = SystemClock()
        self.link = LinkState()  # kept by the one who watches it
        self._speed = speed
        self._stamp_ns = 0
        self._told_s: dict[tuple[int, str], float] = {}
        self._woken = False
        self._refused: asyncio.Future[str] = self.loop.create_future()
        self._failure: Exception | None = None
        self._complaints: Complaints | None = None
        self._meter = LatencyMeter(self._wall_s)
        self._timer = LatencyTimer(self.loop, self._meter, self._tell_latency)
        self.on_ready: list[Callable[[], None]] = []  # called when a connection can take requests
        client = self.ib.client
        self.outbox = Outbox(
            client,
            settings.messages_per_s_max,
            settings.messages_reserved,
            now_s=self._wall_s,
            later=self.loop.call_later,
        )
        # The decoder holds bound methods of the wrapper it was made with, so it is made anew with the tap.
        self._tap = Tap(self.ib.wrapper, self.fail)
        client.decoder = part("decoder").Decoder(self._tap, 0)
        client.apiError += self._on_refusal
        client.conn.disconnected += self._on_hung_up
        self.listen("error", self._on_error)

    @property
    def server_version(self) -> int:
        """Protocol version of the connection."""
        version: int = self.ib.client.serverVersion()
        return version

    @property
    def connected(self) -> bool:
        """Whether requests can be sent."""
        ready: bool = self.ib.client.isReady()
        return ready

    @property
    def messages_heard(self) -> int:
        """Messages that came over this connection so far, 0 without one."""
        count: int = self.ib.client.connectionStats().numMsgRecv if self.connected else 0
        return count

    def listen(self, callback: str, listener: Listener) -> None:
        """Hear a callback of the library's wrapper, by its name, before the library acts on it."""
        self._tap.add(callback, listener)

    def listen_once(self, callback: str, answer: "asyncio.Future[Any]") -> None:
        """The first argument of the next such callback becomes the answer; when it is given up, nobody listens."""

        def hear(value: Any, *_more: Any) -> None:
            if not answer.done():
                answer.set_result(value)

        self._tap.add(callback, hear)
        answer.add_done_callback(lambda _answer: self._tap.remove(callback, hear))

    # --- time and queues -------------------------------------------------------------------------------------------

    def _wall_s(self) -> float:
        return self.clock.wall_s()

    def stamp(self) -> int:
        """The receive time of this moment, ns; never below the one before."""
        self._stamp_ns = max(self._stamp_ns, self.clock.now_ns())
        return self._stamp_ns

    def not_before(self, ts_ns: int) -> None:
        """No stamp from here on is below `ts_ns`."""
        self._stamp_ns = max(self._stamp_ns, ts_ns)

    def tell(self, event: Input) -> None:
        """Queue an input for the core, stamped with now, and end the pump."""
        self.inputs.append(msgspec.structs.replace(event, ts_ns=self.stamp()))
        self.wake()

    def restamp(self) -> None:
        """What was told before the run began is told as of now."""
        now_ns = self.stamp()
        for _ in range(len(self.inputs)):
            self.inputs.append(msgspec.structs.replace(self.inputs.popleft(), ts_ns=now_ns))

    def notice(self, code: int, text: str, *, error: bool = False) -> None:
        """Tell what changes nothing, so that it stands in the log."""
        self.tell(BrokerNotice(ts_ns=0, code=code, text=text, error=error))

    def notice_once(self, code: int, text: str, *, error: bool = False) -> None:
        """As `notice`, but the same words once a minute at most: what is said of each stream must not fill the log."""
        now_s = self._wall_s()
        before_s = self._told_s.get((code, text))
        if before_s is None or now_s - before_s > _NOTICE_AGAIN_S:
            if len(self._told_s) >= 1_000:  # texts may name ids: what is old is said anew
                self._told_s.clear()
            self._told_s[code, text] = now_s
            self.notice(code, text, error=error)

    def wake(self) -> None:
        """End the pump after this turn of the loop: something is there for the core."""
        if not self._woken:
            self._woken = True
            if self._timer.started:  # what connecting told waits for the run to begin, not for a decision
                self._meter.heard()
        if self.loop.is_running():
            self.loop.stop()

    def pump(self, timeout_s: float) -> None:
        """Let the loop run until something is there for the core, or the time is over; one turn at least.

        Raises what a callback of ours has raised.
        """
        self._meter.decided()
        asyncio.set_event_loop(self.loop)  # one of the libraries asks for it by that name
        self._timer.start()
        if self._woken or timeout_s <= 0:
            self._turn()
        else:
            timer = self.loop.call_later(timeout_s, self.loop.stop)
            self.loop.run_forever()
            timer.cancel()
        self._woken = False
        if self._failure is not None:
            raise self._failure

    def _turn(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end; everything else goes on meanwhile."""
        asyncio.set_event_loop(self.loop)
        task = self.loop.create_task(work)
        while not task.done():  # a wake-up stops the loop before the task has ended
            task.add_done_callback(lambda _task: self.loop.stop())
            self.loop.run_forever()
        return task.result()

    def ask(self, question: Coroutine[Any, Any, T], timeout_s: float | None = None) -> Known[T] | Unknown:
        """Ask and wait; a time-out or a lost connection is Unknown."""
        return self.run(self.asked(question, timeout_s))

    async def asked(self, question: Coroutine[Any, Any, T], timeout_s: float | None = None) -> Known[T] | Unknown:
        """As `ask`, inside the loop."""
        limit_s = self.settings.request_timeout_s if timeout_s is None else timeout_s
        try:
            return Known(await asyncio.wait_for(question, limit_s))
        except TimeoutError:
            return Unknown(f"no answer within {limit_s:g} s")
        except ConnectionError as error:
            return Unknown(f"the connection was lost: {error}")
        except self._request_error as error:
            return Unknown(f"{error.code} {error.message}", code=error.code)

    # --- sending ---------------------------------------------------------------------------------------------------

    def send(self, lane: Lane, call: Callable[[], None], *, messages: int = 1) -> bool:
        """Let `call` send its messages in a lane; what may go at once has left the process when this returns.

        Returns:
            False when nothing was sent: there is no connection, or no room this second for an entry of so many
            `messages`. Data and what protects a position are sent, or wait for their turn; what still waits when the
            connection ends is never sent.
        """
        return self.outbox.send(lane, call, messages)

    def send_frames(self, lane: Lane, frames: bytes, *, messages: int = 1) -> bool:
        """As `send`, of messages that are bytes already: each with its length before it, all in one write."""
        return self.outbox.send_frames(lane, frames, messages)

    # --- life ------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Handshake, account and clock.

        Raises:
            SourceUnreachable: nothing listens, no answer in time, or the client id is taken.
            UsageError: the login does not have the account.
        """
        if self._complaints is None:
            self._complaints = Complaints(
                self.lib.__name__, lambda text: self.notice_once(0, f"client library: {text}")
            )
        try:
            self.run(self._connect())
        except BaseException:
            self.close()
            raise

    async def _connect(self) -> None:
        await self._handshake()
        self.accounts = tuple(self.ib.client.getAccounts())
        self.account = self._choose_account()
        if self._speed is not None:
            self.clock = await self._gateway_clock(self._speed)

    async def _gateway_clock(self, speed: float) -> FeedClock:
        async def current_time() -> int:
            answer = await self.asked(self.current_time())
            if isinstance(answer, Unknown):
                raise SourceUnreachable(f"the gateway does not tell its time: {answer.reason}; restart it")
            return answer.data

        return await read_gateway_clock(current_time, speed)

    async def reconnect(self) -> None:
        """The same connection again: same client id, same account.

        Raises:
            SourceUnreachable: as `connect`.
            UsageError: the login has another account now.
        """
        await self._handshake()
        if self.account not in self.ib.client.getAccounts():
            offered = ", ".join(self.ib.client.getAccounts())
            self.ib.client.disconnect()
            raise UsageError(
                f"the gateway came back with account {offered}; this run is of {self.account}: log in as its user"
            )

    def hang_up(self) -> None:
        """Break the connection now: the other side does not answer, so nothing is waited for."""
        transport = self.ib.client.conn.transport
        if transport is not None:
            transport.abort()

    async def _handshake(self) -> None:
        settings, place = self.settings, f"{self.settings.host}:{self.settings.port}"
        self.hang_up()  # what may be left of the connection before
        await asyncio.sleep(0)
        self._refused = self.loop.create_future()
        self.outbox.clear()
        self.ib.wrapper.clientId = settings.client_id  # as the library's own connecting does
        connecting = self.loop.create_task(
            self.ib.client.connectAsync(settings.host, settings.port, settings.client_id, None)
        )
        try:
            await asyncio.wait(
                {connecting, self._refused}, timeout=settings.connect_timeout_s, return_when="FIRST_COMPLETED"
            )
            if connecting.done():
                connecting.result()
                if not self.connected:
                    raise SourceUnreachable(f"{place} closed the connection at once; try again")
            elif self._refused.done():
                raise SourceUnreachable(self._refused.result())
            else:
                raise SourceUnreachable(
                    f"{place} does not complete the API handshake within {settings.connect_timeout_s:g} s: the gateway "
                    "hangs or is not logged in; restart it, or name another --port"
                )
        except OSError as error:
            raise SourceUnreachable(f"no gateway answers at {place} ({error.strerror or error}): {START}") from error
        finally:
            if not self.connected:
                self.hang_up()
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        for callback in self.on_ready:
            callback()

    def _choose_account(self) -> str:
        asked, offered = self.settings.account, ", ".join(self.accounts)
        if asked is None and len(self.accounts) == 1:
            return self.accounts[0]
        if asked is None:
            raise UsageError(f"the login has several accounts ({offered}): choose one with --account")
        if asked not in self.accounts:
            raise UsageError(f"--account {asked}: the login has {offered}; name one of them, or log in as its user")
        return asked

    async def current_time(self) -> int:
        """The gateway's time in whole seconds since the Unix epoch."""
        heard: asyncio.Future[int] = self.loop.create_future()
        self.listen_once("currentTime", heard)
        self.ib.client.reqCurrentTime()
        return await heard

    def close(self) -> None:
        """Disconnect and give the loop back. A second call does nothing."""
        if self.loop.is_closed():
            return
        asyncio.set_event_loop(self.loop)
        if self.ib.client.isConnected():
            self.ib.client.disconnect()
        self.run(_end_tasks())  # what says goodbye may wake, which stops the loop
        self.loop.close()
        if self._complaints is not None:
            self._complaints.close()

    def fail(self, error: Exception) -> None:
        """An error in our own callback: kept for `pump`, which raises it into the run."""
        self._failure = self._failure or error
        self.wake()

    def _tell_latency(self, decision_us: float, lag_us: float) -> None:
        self.tell(LatencySampled(ts_ns=0, decision_us_p99=decision_us, loop_lag_us_max=lag_us))

    def _on_error(self, _req_id: int, code: int, text: str, *_more: Any) -> None:
        if code == CLIENT_ID_TAKEN:
            self._on_refusal(
                f"the gateway at {self.settings.host}:{self.settings.port} says that client id "
                f"{self.settings.client_id} is taken ({text}): end the other program, or give --client-id"
            )

    def _on_hung_up(self, reason: str) -> None:
        self._on_refusal(
            f"{self.settings.host}:{self.settings.port} closed the connection before the handshake was over "
            f"({reason or 'without a word'}): is the API enabled there, and this address trusted (docs/ibkr.md)?"
        )

    def _on_refusal(self, reason: str) -> None:
        if not self._refused.done():
            self._refused.set_result(reason)


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, asyncio.sleep(0), return_exceptions=True)
