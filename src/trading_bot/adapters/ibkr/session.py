"""One connection to a gateway, seen from a loop that does not know asyncio (docs/adr/0017).

The runner pulls: `pump` is where the event loop runs, and everything that comes in while it does is put into queues.
Nothing of ours is called from a callback of the library except what fills those queues.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import msgspec

from trading_bot._fast.tws import TickIntake
from trading_bot.adapters.ibkr.answers import Known, Unknown
from trading_bot.adapters.ibkr.clock import Clock, FeedClock, SystemClock, read_gateway_clock
from trading_bot.adapters.ibkr.connection import new_loop, take_over
from trading_bot.adapters.ibkr.handshake import Handshake, choose_account
from trading_bot.adapters.ibkr.latency import LatencyMeter, LatencyTimer
from trading_bot.adapters.ibkr.latency_watch import LatencyWatch
from trading_bot.adapters.ibkr.library import library, part
from trading_bot.adapters.ibkr.link_state import LinkState
from trading_bot.adapters.ibkr.outbox import Outbox
from trading_bot.adapters.ibkr.pacing import Lane
from trading_bot.adapters.ibkr.tap import Complaints, Listener, Tap
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.errors import DataCorrupt, SourceUnreachable, UsageError
from trading_bot.domain.events import Input, LatencySampled
from trading_bot.domain.latency_config import LatencyConfig
from trading_bot.domain.units import NS_PER_S

T = TypeVar("T")

_NOTICE_AGAIN_S: Final = 60.0


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
    loop: str = "uvloop"
    fast_path: bool = True
    spin: bool = False
    latency: LatencyConfig = LatencyConfig()


class IbkrSession:
    """A connection: its loop, its clock, the inputs it has for the core."""

    def __init__(self, settings: IbkrSettings, *, speed: float | None = None) -> None:
        """`speed` None: the system's clock; else the gateway's, which runs that fast (a gateway simulator)."""
        self.settings = settings
        self.loop = new_loop(settings.loop)
        asyncio.set_event_loop(self.loop)
        self.lib = library()  # which asks for the current loop when it is first imported
        self.ib: Any = self.lib.IB()
        self.ib.RaiseRequestErrors = True  # else an error reads as an empty answer
        self._request_error: Any = part("wrapper").RequestError
        self.inputs: deque[Input] = deque()
        self.account = ""
        self.accounts: tuple[str, ...] = ()
        self.intake = TickIntake(self._on_messages, self.wake, self._on_intake_failure)
        self.set_clock(SystemClock())
        if speed is not None:
            # Stamps never go back: until the gateway's time is known there are none, it may be before this machine's.
            self.intake.set_clock(0, 0, 0.0)
        self.link = LinkState()  # kept by the one who watches it
        self._speed = speed
        self._told_s: dict[tuple[int, str], float] = {}
        self._woken = False
        self._spinning = False
        self._failure: BaseException | None = None
        self._complaints: Complaints | None = None
        self._meter = LatencyMeter(self._wall_s)
        self.latency = LatencyWatch(
            self.intake,
            settings.latency,
            self.tell,
            client_id=settings.client_id,
            transport=lambda: self.ib.client.conn.transport,
            waiting=self.inputs.__len__,
        )
        self.stages = self.latency.stages
        self._timer = LatencyTimer(self.loop, self._meter, self._tell_latency, self.latency)
        self.on_ready: list[Callable[[], None]] = []  # called when a connection can take requests
        client = self.ib.client
        take_over(client, self.intake)
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
        self._handshake = Handshake(self)
        for callback, listener in self.stages.listeners:
            self.listen(callback, listener)

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
        """Messages that have come so far."""
        return self.intake.frames

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

    def set_clock(self, clock: Clock) -> None:
        """What tells the time from here on."""
        self.clock = clock
        self.intake.set_clock(*clock.line)

    def stamp(self) -> int:
        """The receive time of this moment, ns; all that one packet brings has one. Never below the one before."""
        return self.intake.stamp()

    def not_before(self, ts_ns: int) -> None:
        """No stamp from here on is below `ts_ns`."""
        self.intake.not_before(ts_ns)

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
        """End the pump after this turn of the loop: something is there for the core, which comes first."""
        self.intake.disarm()
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
        if self.settings.spin and not self._spinning:
            self._spinning = True
            self.loop.call_soon(self._spin)
        if self._woken or timeout_s <= 0:
            self._turn()
        else:
            timer = self.loop.call_later(timeout_s, self.loop.stop)
            self.loop.run_forever()
            timer.cancel()
        self._woken = False
        self.intake.disarm()
        if self._failure is not None:
            raise self._failure

    def _spin(self) -> None:
        """With something to do at every turn the loop never sleeps, and is there when a packet comes."""
        self.loop.call_soon(self._spin)

    def decided(self) -> None:
        """The core has decided on a tick of the packet at hand, inside the loop."""
        self._meter.took(self.intake.socket_ns / NS_PER_S)

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
        await self._handshake.make()
        self.accounts = tuple(self.ib.client.getAccounts())
        self.account = choose_account(self.settings.account, self.accounts)
        if self._speed is not None:
            self.set_clock(await self._gateway_clock(self._speed))

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
        await self._handshake.make()
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
        self.latency.close()
        self.run(_end_tasks())  # what says goodbye may wake, which stops the loop
        self.loop.close()
        if self._complaints is not None:
            self._complaints.close()

    def begin_anew(self) -> None:
        """What is left of the connection before is void."""
        self.intake.reset()
        self.outbox.clear()

    def _on_messages(self, frames: bytes) -> None:
        """Whole messages that are the library's; one that it cannot even begin to read ends the connection."""
        try:
            self.ib.client._onSocketHasData(frames)  # noqa: SLF001 (what its own connection calls)
        except Exception as error:  # noqa: BLE001 (what listens of ours has raised in the tap already)
            self.notice_once(
                0, f"the library cannot read what the gateway sends: {error!r}; connecting again", error=True
            )
            self.hang_up()

    def _on_intake_failure(self, error: BaseException) -> None:
        """Bytes that are no messages end the connection; anything else is ours."""
        if isinstance(error, DataCorrupt):
            self.notice(0, f"the gateway sends what is no message: {error}; connecting again", error=True)
            self.hang_up()
        else:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """An error in our own callback: kept for `pump`, which raises it into the run."""
        self._failure = self._failure or error
        self.wake()

    def _tell_latency(self, decision_us: float, lag_us: float) -> None:
        self.tell(LatencySampled(ts_ns=0, decision_us_p99=decision_us, loop_lag_us_max=lag_us))


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, asyncio.sleep(0), return_exceptions=True)
