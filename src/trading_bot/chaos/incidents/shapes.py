"""Shapes that many incidents share: what to wait for, and a fault struck at a moment after which the bot trades on."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from trading_bot.chaos.incident import Incident
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.log_facts import Record
from trading_bot.chaos.moments import Predicate, Scene, traded
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.events import LinkStatus

CLIENT_ID: Final = 1  # the bot's
# Attempts to connect again and the probe of the gateway come faster than shipped: an incident shall not wait minutes.
FAST: Final[Mapping[str, Any]] = MappingProxyType(
    {"ibkr.reconnect_waits_s": "0.5, 0.5, 1.0", "ibkr.probe_every_s": 1.0, "ibkr.request_timeout_s": 1.0}
)
# Slower than most: what is waited for here is the wall's (attempts, deadlines, silences), and a market that runs fast
# makes data old on a busy machine.
SPEED: Final = 10.0
incident: Final = partial(Incident, speed=SPEED)
LONG_S: Final = 90.0  # for what the broker allows once in 15 s, with room for a busy machine

Body = Callable[[Lab], None]


def connected(scene: Scene) -> bool:
    """The bot's client is there."""
    return CLIENT_ID in scene.clients


def gone(scene: Scene) -> bool:
    """The bot's client is not there."""
    return CLIENT_ID not in scene.clients


def link_said(*reasons: str) -> Callable[[Record], bool]:
    """A change of the link's state with one of these reasons."""
    return lambda record: isinstance(record, LinkStatus) and record.reason in reasons


def noticed(code: int) -> Callable[[Record], bool]:
    """The broker's message was told."""
    return lambda record: isinstance(record, BrokerNotice) and record.code == code


def struck(
    action: str,
    *,
    at: Predicate,
    says: str,
    shows: Callable[[Record], bool] | None = None,
    then: Body | None = None,
    **values: Any,
) -> Body:
    """A fault at a moment; the bot's log shows it, and the bot makes two more round trips.

    `says` names the moment, `then` goes on with the incident before the trades are waited for.
    """

    def body(lab: Lab) -> None:
        bot = lab.start()
        scene = lab.strike(at, action, what=says, **values).wait()
        if shows is not None:
            lab.logged(shows, what=f"{action} in the bot's log")
        if then is not None:
            then(lab)
        # The position it struck at comes to an end, and one more is opened and closed after it.
        lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
        lab.end(bot)

    return body
