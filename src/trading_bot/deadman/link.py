"""The dead man's way to the broker, kept up while nothing happens, so that it is there when something does."""

import time
from typing import Final

import msgspec

from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.probe import HOST_DEFAULT, PORT_PAPER
from trading_bot.adapters.ibkr.rescue import Rescue, cancel_as
from trading_bot.adapters.ibkr.session import IbkrSettings
from trading_bot.core.heartbeat import Described
from trading_bot.deadman.journal import Journal
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import BotError, UsageError
from trading_bot.domain.instruments import instrument_by_symbol

_WAITS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # between attempts to connect; the last one repeats
_TELL_S: Final = 60.0  # the same trouble is told again after so long


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is, as it was asked for; None is what the bot says of itself."""

    host: str | None = None
    port: int | None = None
    account: str | None = None
    client_id: int | None = None


class Link:
    """A connection, or the next attempt to have one."""

    def __init__(self, place: Place, config: BotConfig, journal: Journal) -> None:
        """Nothing is connected yet."""
        self.rescue: Rescue | None = None
        self.problem = ""
        self._place = place
        self._config = config
        self._journal = journal
        self._failures = 0
        self._next_s = 0.0
        self._probe_s = 0.0
        self._told: tuple[str, float] = ("", 0.0)

    def ready(self, bot: Described | None) -> Rescue | None:
        """The connection, made anew where it is not there and an attempt is due.

        Raises:
            UsageError: what was asked for is not what the bot trades.
        """
        if self.rescue is None and time.monotonic() >= self._next_s:
            settings = self._settings(bot)
            if settings is not None and bot is not None:
                self._connect(settings, bot)
        return self.rescue

    def idle(self, seconds: float) -> None:
        """Let the connection live for so long; a lost one is noticed, and one that answers nothing."""
        if self.rescue is None:
            time.sleep(seconds)
            return
        try:
            self.rescue.idle(seconds)
            if time.monotonic() >= self._probe_s:
                self._probe_s = time.monotonic() + self._config.ibkr.probe_every_s
                answer = self.rescue.session.ask(self.rescue.session.current_time())
                if isinstance(answer, Unknown):
                    self.lost(f"the gateway does not tell its time: {answer.reason}")
        except BotError as error:
            self.lost(str(error))

    def lost(self, why: str) -> None:
        """This connection is of no use any more."""
        self.close()
        self._trouble(why)

    def close(self) -> None:
        """Hang up."""
        rescue, self.rescue = self.rescue, None
        if rescue is not None:
            rescue.close()

    def cancel_as_bot(self, bot: Described) -> int:
        """Withdraw the bot's orders under its own client id; how many.

        Raises:
            BotError: the id is taken, or the broker does not answer.
        """
        settings = self._settings(bot)
        if settings is None or bot.client_id < 0:
            raise UsageError("the bot has not said which client id it has")
        own = msgspec.structs.replace(settings, client_id=bot.client_id)
        return cancel_as(own, instrument_by_symbol(bot.instrument))

    def _settings(self, bot: Described | None) -> IbkrSettings | None:
        """None while nobody has said whose account it is."""
        place = self._place
        account = place.account or (bot.account if bot is not None else "")
        if not account:
            return None
        if bot is not None and bot.account and bot.account != account:
            raise UsageError(
                f"--account {account}: the bot in this directory trades {bot.account}; name that one, or another "
                "--data-dir. Nothing was sent"
            )
        own = self._config.deadman.client_id if place.client_id is None else place.client_id
        if bot is not None and bot.client_id == own:
            raise UsageError(
                f"client id {own} is the bot's; the dead man needs one of his own: --client-id, or deadman.client_id"
            )
        ibkr = self._config.ibkr
        return IbkrSettings(
            host=place.host or (bot.host if bot is not None else "") or HOST_DEFAULT,
            port=place.port or (bot.port if bot is not None else 0) or PORT_PAPER,
            client_id=own,
            account=account,
            connect_timeout_s=ibkr.connect_timeout_s,
            request_timeout_s=ibkr.request_timeout_s,
            messages_per_s_max=ibkr.messages_per_s_max,
            messages_reserved=ibkr.messages_reserved,
            loop="asyncio",
            fast_path=False,
        )

    def _connect(self, settings: IbkrSettings, bot: Described) -> None:
        try:
            self.rescue = Rescue(settings, instrument_by_symbol(bot.instrument))
        except BotError as error:
            self._trouble(str(error))
            return
        self._failures, self.problem, self._told = 0, "", ("", 0.0)
        self._probe_s = time.monotonic() + self._config.ibkr.probe_every_s
        self._journal.write(
            "connected",
            level="info",
            host=settings.host,
            port=settings.port,
            account=settings.account,
            client_id=settings.client_id,
        )

    def _trouble(self, why: str) -> None:
        self.problem = why
        self._next_s = time.monotonic() + _WAITS_S[min(self._failures, len(_WAITS_S) - 1)]
        self._failures += 1
        before, told_s = self._told
        if why != before or time.monotonic() - told_s > _TELL_S:
            self._told = (why, time.monotonic())
            self._journal.write("unreachable", level="critical", why=why)
