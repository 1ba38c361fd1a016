"""A gateway in a thread of its own, for tests and for commands that need one beside them."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from inspect import signature
from typing import Any, Final, TypeVar

from trading_bot.adapters.gateway.gateway import Gateway, GatewayConfig

_T = TypeVar("_T")
Told = tuple[str, dict[str, object]]
ANSWER_S: Final = 60.0  # patience on a busy machine; an answer takes a millisecond


class RunningGateway:
    """A gateway that runs in another thread. `call` is the only way into it."""

    def __init__(
        self, gateway: Gateway, loop: asyncio.AbstractEventLoop, told: list[tuple[str, dict[str, object]]]
    ) -> None:
        self._gateway = gateway
        self._loop = loop
        self.told = told  # what it has told so far: (event, values)
        self.host = gateway.config.host
        self.account = gateway.config.account

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._gateway.port

    @property
    def failure(self) -> BaseException | None:
        """The bug that ended it."""
        return self._gateway.failure

    def call(self, work: Callable[..., _T]) -> _T:
        """Run `work()`, or `work(gateway)` when it takes an argument, in the gateway's loop; its result.

        Raises what `work` raised.
        """
        answer: Future[_T] = Future()

        def run() -> None:
            try:
                answer.set_result(work(self._gateway) if signature(work).parameters else work())
            except BaseException as error:  # noqa: BLE001 (raised where it was asked for)
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return answer.result(ANSWER_S)

    def __getattr__(self, name: str) -> Any:
        """Parts of the gateway (`scenario`, `desk`, `market`, `clients`): to be used inside `call`."""
        return getattr(self._gateway, name)


@contextmanager
def running_gateway(**config: Any) -> Iterator[RunningGateway]:
    """A gateway on a free port of the loopback interface, with the fields of GatewayConfig.

    On leaving it is stopped, and what ended it before (a bug in a handler) is raised.
    """
    told: list[Told] = []
    ready: Future[RunningGateway] = Future()

    async def main() -> None:
        gateway = Gateway(GatewayConfig(**config), lambda event, values: told.append((event, values)))
        await gateway.start()
        gateway.market.ready()
        ready.set_result(RunningGateway(gateway, asyncio.get_running_loop(), told))
        await gateway.serve()

    ended: Future[None] = Future()

    def run() -> None:
        try:
            asyncio.run(main())
            ended.set_result(None)
        except BaseException as error:  # noqa: BLE001 (raised in the thread that waits)
            (ended if ready.done() else ready).set_exception(error)

    thread = threading.Thread(target=run, name="gateway-sim", daemon=True)
    thread.start()
    running = ready.result(ANSWER_S)
    try:
        yield running
    finally:
        if not ended.done():
            running._loop.call_soon_threadsafe(running._gateway.stop)  # noqa: SLF001
        thread.join(ANSWER_S)
    ended.result(0)
