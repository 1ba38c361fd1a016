"""One connection to a gateway, seen from a loop that does not know asyncio.

The runner pulls: `pump` is where the event loop runs, and everything that comes in while it does is put into queues.
Nothing of ours is called from a callback of the library except what fills those queues.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import msgspec

from trading_bot.adapters.ibkr.answers import Known, Unknown
from trading_bot.adapters.ibkr.clock import Clock, FeedClock, SystemClock
from trading_bot.adapters.ibkr.library import library, part
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.domain.events import Input
from trading_bot.domain.units import NS_PER_S

T = TypeVar("T")
Listener = Callable[..., None]

CLIENT_ID_TAKEN: Final = 326
_CLOCK_SAMPLES: Final = 30
START: Final = (
    "start TWS or IB Gateway (or `trading-bot gateway-sim`), enable the API (docs/ibkr.md), and name its --port"
)


class IbkrSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gateway is and how long to wait for it. `account` None: the only one of the login."""

    host: str
    port: int
    client_id: int
    account: str | None = None
    connect_timeout_s: float = 10.0
    request_timeout_s: float = 4.0


class _Tap:
    """Stands before the library's wrapper: listeners hear a callback first, then the library does what it does.

    The library's decoder logs what a callback raises and goes on; an error of ours must not end there, so it is kept
    for `pump` to raise.
    """

    def __init__(self, wrapper: Any, listeners: dict[str, list[Listener]], failed: Callable[[Exception], None]) -> None:
        self._wrapper = wrapper
        self._listeners = listeners
        self._failed = failed

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._wrapper, name)
        if not callable(target):
            return target
        heard = self._listeners.setdefault(name, [])

        def call(*arguments: Any) -> Any:
            try:
                for listener in tuple(heard):
                    listener(*arguments)
            except Exception as error:  # noqa: BLE001 (raised by `pump`)
                self._failed(error)
            return target(*arguments)

        return call


class _Complaints(logging.Handler):
    """What the library only logs, such as a message it cannot decode, is outside trouble: a notice for the core."""

    def __init__(self, tell: Callable[[Input], None]) -> None:
        super().__init__(logging.ERROR)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() if error is None else f"{record.getMessage()} {error!r}"
        self._tell(BrokerNotice(ts_ns=0, code=0, text=f"client library: {text}", error=False))


class IbkrSession:
    """A connection: its loop, its clock, the inputs it has for the core."""

    def __init__(self, settings: IbkrSettings, *, speed: float | None = None) -> None:
        """`speed` None: the system's clock; else the gateway's, which runs that fast (a gateway simulator)."""
        self.settings = settings
        self.lib = library()
        self.loop = _new_loop()
        self.ib: Any = self.lib.IB()
        self.ib.RaiseRequestErrors = True  # else an error reads as an empty answer
        self._request_error: Any = part("wrapper").RequestError
        self.inputs: deque[Input] = deque()
        self.account = ""
        self.accounts: tuple[str, ...] = ()
        self.clock: Clock = SystemClock()
        self._speed = speed
        self._stamp_ns = 0
        self._listeners: dict[str, list[Listener]] = {}
        self._woken = False
        self._refused: asyncio.Future[str] = self.loop.create_future()
        self._failure: Exception | None = None
        # The decoder holds bound methods of the wrapper it was made with, so it is made anew with the tap.
        self.ib.client.decoder = part("decoder").Decoder(_Tap(self.ib.wrapper, self._listeners, self.fail), 0)
        self.listen("error", self._on_error)

    @property
    def server_version(self) -> int:
        """Protocol version of the connection."""
        version: int = self.ib.client.serverVersion()
        return version

    def listen(self, callback: str, listener: Listener) -> None:
        """Hear a callback of the library's wrapper, by its name, before the library acts on it."""
        self._listeners.setdefault(callback, []).append(listener)

    def restamp(self) -> None:
        """What was told before the run began is told as of now."""
        now_ns = self.stamp()
        self.inputs = deque(msgspec.structs.replace(event, ts_ns=now_ns) for event in self.inputs)

    def listen_once(self, callback: str, answer: "asyncio.Future[Any]") -> None:
        """The first argument of the next such callback becomes the answer."""
        listeners = self._listeners.setdefault(callback, [])

        def hear(value: Any, *_more: Any) -> None:
            listeners.remove(hear)
            if not answer.done():
                answer.set_result(value)

        listeners.append(hear)

    # --- time and queues -------------------------------------------------------------------------------------------

    def stamp(self) -> int:
        """The receive time of this moment, ns; never below the one before."""
        self._stamp_ns = max(self._stamp_ns, self.clock.now_ns())
        return self._stamp_ns

    def tell(self, event: Input) -> None:
        """Queue an input for the core, stamped with now, and end the pump."""
        self.inputs.append(msgspec.structs.replace(event, ts_ns=self.stamp()))
        self.wake()

    def notice(self, code: int, text: str, *, error: bool = False) -> None:
        """Tell what changes nothing, so that it stands in the log."""
        self.tell(BrokerNotice(ts_ns=0, code=code, text=text, error=error))

    def wake(self) -> None:
        """End the pump after this turn of the loop: something is there for the core."""
        self._woken = True
        if self.loop.is_running():
            self.loop.stop()

    def pump(self, timeout_s: float) -> None:
        """Let the loop run until something is there for the core, or the time is over; one turn at least."""
        asyncio.set_event_loop(self.loop)
        if self._woken or timeout_s <= 0:
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
        else:
            timer = self.loop.call_later(timeout_s, self.loop.stop)
            self.loop.run_forever()
            timer.cancel()
        self._woken = False
        if self._failure is not None:
            raise self._failure

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

    # --- life ------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Handshake, account and clock.

        Raises:
            SourceUnreachable: nothing listens, no answer in time, or the client id is taken.
            UsageError: the login does not have the account.
        """
        try:
            self.run(self._connect())
        except BaseException:
            self.close()
            raise

    async def _connect(self) -> None:
        # The library tells on its loggers what callbacks and the errors below tell too; only its decoder has news.
        logging.getLogger(self.lib.__name__).setLevel(logging.CRITICAL)
        decoding = logging.getLogger(f"{self.lib.__name__}.Decoder")
        decoding.setLevel(logging.ERROR)
        decoding.propagate = False
        decoding.handlers = [_Complaints(self.tell)]
        await self._handshake()
        self.accounts = tuple(self.ib.client.getAccounts())
        self.account = self._choose_account()
        if self._speed is not None:
            self.clock = await self._gateway_clock(self._speed)

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

    async def _handshake(self) -> None:
        settings = self.settings
        place = f"{settings.host}:{settings.port}"
        self._refused = self.loop.create_future()
        connecting = self.loop.create_task(
            self.ib.client.connectAsync(settings.host, settings.port, settings.client_id, None)
        )
        try:
            await asyncio.wait(
                {connecting, self._refused}, timeout=settings.connect_timeout_s, return_when="FIRST_COMPLETED"
            )
            if self._refused.done():
                raise SourceUnreachable(self._refused.result())
            if not connecting.done():
                raise SourceUnreachable(
                    f"{place} does not complete the API handshake within {settings.connect_timeout_s:g} s: the gateway "
                    "hangs or is not logged in; restart it, or name another --port"
                )
            connecting.result()
        except OSError as error:
            raise SourceUnreachable(f"no gateway answers at {place} ({error.strerror or error}): {START}") from error
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)

    def _choose_account(self) -> str:
        asked, offered = self.settings.account, ", ".join(self.accounts)
        if asked is None and len(self.accounts) == 1:
            return self.accounts[0]
        if asked is None:
            raise UsageError(f"the login has several accounts ({offered}): choose one with --account")
        if asked not in self.accounts:
            raise UsageError(f"--account {asked}: the login has {offered}; name one of them, or log in as its user")
        return asked

    async def _gateway_clock(self, speed: float) -> FeedClock:
        """The gateway's time from its answers in whole seconds: each bounds it, many bound it closely."""
        heard: asyncio.Queue[int] = asyncio.Queue()
        self.listen("currentTime", heard.put_nowait)
        low_ns, high_ns = -(2**63), 2**63
        for number in range(_CLOCK_SAMPLES):
            sent_ns = time.monotonic_ns()
            self.ib.client.reqCurrentTime()
            second = await asyncio.wait_for(heard.get(), self.settings.request_timeout_s)
            low_ns = max(low_ns, second * NS_PER_S - round(time.monotonic_ns() * speed))
            high_ns = min(high_ns, (second + 1) * NS_PER_S - round(sent_ns * speed))
            # Uneven, so that the answers do not fall on one phase of the gateway's second; below its limit of messages.
            await asyncio.sleep(0.021 + 0.0007 * (number % 9))
        return FeedClock((low_ns + high_ns) // 2, speed, monotonic_ns=0)

    def close(self) -> None:
        """Disconnect and give the loop back. A second call does nothing."""
        if self.loop.is_closed():
            return
        if self.ib.client.isConnected():
            self.ib.client.disconnect()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def fail(self, error: Exception) -> None:
        """An error in our own callback: kept for `pump`, which raises it into the run."""
        self._failure = self._failure or error
        self.wake()

    def _on_error(self, _req_id: int, code: int, text: str, *_more: Any) -> None:
        if code == CLIENT_ID_TAKEN and not self._refused.done():
            self._refused.set_result(
                f"the gateway at {self.settings.host}:{self.settings.port} says that client id "
                f"{self.settings.client_id} is taken ({text}): end the other program, or give --client-id"
            )


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop
