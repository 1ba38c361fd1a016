"""How a connection to the gateway is made: refusals in words, one attempt a call (docs/ibkr.md, 4)."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from trading_bot.domain.errors import SourceUnreachable, UsageError

if TYPE_CHECKING:
    from trading_bot.adapters.ibkr.session import IbkrSession

CLIENT_ID_TAKEN: Final = 326
START: Final = (
    "start TWS or IB Gateway (or `trading-bot gateway-sim`), enable the API (docs/ibkr.md), and name its --port"
)


class Handshake:
    """Of one session: listens for what refuses a connection while it is made."""

    def __init__(self, session: "IbkrSession") -> None:
        """Nothing is connected yet."""
        self._session = session
        self._place = f"{session.settings.host}:{session.settings.port}"
        self._refused: asyncio.Future[str] = session.loop.create_future()
        session.ib.client.apiError += self._on_refusal
        session.ib.client.conn.disconnected += self._on_hung_up
        session.listen("error", self._on_error)

    async def make(self) -> None:
        """Connect, up to the point where requests can be sent.

        Raises:
            SourceUnreachable: nothing listens, no answer in time, or the client id is taken.
        """
        session, settings = self._session, self._session.settings
        session.hang_up()  # what may be left of the connection before
        await asyncio.sleep(0)
        session.begin_anew()
        self._refused = session.loop.create_future()
        session.ib.wrapper.clientId = settings.client_id  # as the library's own connecting does
        connecting = session.loop.create_task(
            session.ib.client.connectAsync(settings.host, settings.port, settings.client_id, None)
        )
        try:
            await asyncio.wait(
                {connecting, self._refused}, timeout=settings.connect_timeout_s, return_when="FIRST_COMPLETED"
            )
            if connecting.done():
                connecting.result()
            elif self._refused.done():
                raise SourceUnreachable(self._refused.result())
            else:
                raise SourceUnreachable(
                    f"{self._place} does not complete the API handshake within {settings.connect_timeout_s:g} s: the "
                    "gateway hangs or is not logged in; restart it, or name another --port"
                )
        except OSError as error:
            raise SourceUnreachable(
                f"no gateway answers at {self._place} ({error.strerror or error}): {START}"
            ) from error
        finally:
            if not session.connected:
                session.hang_up()
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        if not session.connected:  # it may have broken while the loop turned, and is used from here on
            raise SourceUnreachable(f"{self._place} closed the connection at once; try again")
        for callback in session.on_ready:
            callback()

    def _on_error(self, _req_id: int, code: int, text: str, *_more: Any) -> None:
        if code == CLIENT_ID_TAKEN:
            self._on_refusal(
                f"the gateway at {self._place} says that client id {self._session.settings.client_id} is taken "
                f"({text}): end the other program, or give --client-id"
            )

    def _on_hung_up(self, reason: str) -> None:
        self._on_refusal(
            f"{self._place} closed the connection before the handshake was over "
            f"({reason or 'without a word'}): is the API enabled there, and this address trusted (docs/ibkr.md)?"
        )

    def _on_refusal(self, reason: str) -> None:
        if not self._refused.done():
            self._refused.set_result(reason)


def choose_account(asked: str | None, accounts: Sequence[str]) -> str:
    """The account asked for, or the only one.

    Raises:
        UsageError: the login does not have it, or has several and none was asked for.
    """
    offered = ", ".join(accounts)
    if asked is None and len(accounts) == 1:
        return accounts[0]
    if asked is None:
        raise UsageError(f"the login has several accounts ({offered}): choose one with --account")
    if asked not in accounts:
        raise UsageError(f"--account {asked}: the login has {offered}; name one of them, or log in as its user")
    return asked
