"""The moments a bot is killed at: in its start, at any time, and at what its log or the broker's desk shows."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from trading_bot.chaos.bots import Bot
from trading_bot.chaos.lab import Lab, NotReached
from trading_bot.chaos.log_facts import LogTail
from trading_bot.chaos.moments import Predicate, entry_working, holding, one_more
from trading_bot.domain.effects import CancelOrder, PlaceExit, PlaceOrder
from trading_bot.domain.events import OrderAcknowledged
from trading_bot.domain.reconciling import ReconciliationDone
from trading_bot.domain.trade_events import OrderFilled

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

START_S: Final = 1.5  # a start takes about a second: connecting, recovering, asking
RUN_S: Final = 1.0
SOON_S: Final = 0.02  # after a happening at the desk: before, while and after the bot hears of it
PATIENCE_S: Final = 6.0  # with a moment that does not come: then it is any moment
COMPARED_S: Final = 30.0
_POLL_S: Final = 0.002
_LOOK_S: Final = 0.02

# Records of the bot's log right after which it is killed.
_RECORDS: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "order written": (PlaceOrder, PlaceExit, CancelOrder),
        "answer written": (OrderAcknowledged,),
        "fill written": (OrderFilled,),
    }
)
_AT_DESK: Final = ("order arrives", "entry works", "execution", "position stands", "cancel arrives")
KINDS: Final = ("start", "any time", *_AT_DESK, *_RECORDS)


def strike(lab: Lab, bot: Bot, rng: random.Random) -> str:
    """Kill the bot at a moment that is drawn; which kind it was. A bot that ended before is not killed."""
    kind = rng.choice(KINDS)
    if kind == "start":
        time.sleep(rng.uniform(0.0, START_S))
        _kill(bot)
        return kind
    tail = LogTail(lab.folder / "data")
    known = len(tail.records())
    if _seen(tail, known, (ReconciliationDone,), bot, COMPARED_S, _LOOK_S):
        if kind in _RECORDS:
            came = _seen(tail, len(tail.records()), _RECORDS[kind], bot, PATIENCE_S, _POLL_S)
            kind = kind if came else "any time"
        elif kind in _AT_DESK:
            delay_s = rng.choice((0.0, rng.uniform(0.0, SOON_S)))
            kind = kind if _struck(lab, bot, _at_desk(lab, kind), delay_s) else "any time"
        else:
            time.sleep(rng.uniform(0.0, RUN_S))
    _kill(bot)
    return kind


def _kill(bot: Bot) -> None:
    if bot.killed or bot.running:
        bot.kill()


def _seen(tail: LogTail, known: int, kinds: tuple[type, ...], bot: Bot, patience_s: float, poll_s: float) -> bool:
    """Wait until a record behind the first `known` is of one of the kinds."""
    end_s = time.monotonic() + patience_s
    while True:
        seen = tail.records()
        if any(isinstance(record, kinds) for record in seen[known:]):
            return True
        if time.monotonic() > end_s or not bot.running:
            return False
        known = len(seen)
        time.sleep(poll_s)


def _at_desk(lab: Lab, kind: str) -> Predicate:
    witness = lab.witness
    counters: Mapping[str, Callable[[], int]] = {
        "order arrives": lambda: len(witness.placed),
        "execution": lambda: len(witness.changes),
        "cancel arrives": lambda: len(witness.cancels),
    }
    states: Mapping[str, Predicate] = {"entry works": entry_working, "position stands": holding}
    return one_more(counters[kind]) if kind in counters else states[kind]


def _struck(lab: Lab, bot: Bot, predicate: Predicate, delay_s: float) -> bool:
    """Kill in the gateway's own loop, at the happening and before any client is told, or some milliseconds later."""
    armed = [True]

    def kill() -> None:
        if armed[0]:
            bot.strike()

    def work(_gateway: "Gateway") -> None:
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, kill)
        else:
            kill()

    try:
        lab.when(predicate, work, what="a moment to be killed at").wait(PATIENCE_S)
    except NotReached:
        return False
    finally:
        time.sleep(delay_s)
        armed[0] = False
    return True
