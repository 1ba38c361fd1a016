"""Worlds in which a mutant shows itself soon: a seed's own, narrowed."""

from collections.abc import Callable

import msgspec

from trading_bot.domain.breaker_config import BreakerConfig
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.research.seeded_world import World
from trading_bot.research.troubles import Echo, Troubles


def last_part(world: World, minutes: int = 100) -> World:
    """Its last minutes over the close without feed faults, with a kill near their end."""
    close_ns = world.end_ns - world.end_ns % NS_PER_MIN
    start_ns = max(world.start_ns, close_ns - minutes * NS_PER_MIN)
    part_ns = world.end_ns - start_ns
    return msgspec.structs.replace(
        world,
        start_ns=start_ns,
        duration_ns=part_ns,
        faults=(),
        troubles=Troubles(),
        operator=((start_ns + part_ns * 9 // 10, "kill"),),
    )


def _quiet(world: World) -> World:
    return msgspec.structs.replace(last_part(world), operator=())


def _restarted(world: World) -> World:
    """Killed where, in the world of seed 15, an entry was decided and nothing of it is in the log yet."""
    return msgspec.structs.replace(_quiet(world), restart_at=586, clock_stands=True)


def _cut(world: World) -> World:
    """Killed there as well, and told to end while a position is open (of seed 15: from 386 to 428 s)."""
    return msgspec.structs.replace(_restarted(world), duration_ns=406 * NS_PER_S)


def _next_day(world: World) -> World:
    return msgspec.structs.replace(_quiet(world), troubles=Troubles(next_day=True))


def _observed(world: World) -> World:
    config = msgspec.structs.replace(world.config, run=msgspec.structs.replace(world.config.run, mode="OBSERVE"))
    return msgspec.structs.replace(_quiet(world), config=config, troubles=Troubles(observe=True))


def _echoed(world: World) -> World:
    echo = Echo(twice_per_mille=300, late_per_mille=300, late_ns_max=1_000_000_000)
    return msgspec.structs.replace(_quiet(world), troubles=Troubles(echo=echo))


def _tight(world: World) -> World:
    """The shipped breakers instead of the drawn ones, which let hundreds of trades pass."""
    config = msgspec.structs.replace(world.config, breakers=BreakerConfig())
    return msgspec.structs.replace(_quiet(world), config=config)


def _whole(world: World) -> World:
    return world


WORLDS: dict[str, Callable[[World], World]] = {
    "killed": last_part,
    "quiet": _quiet,
    "restarted": _restarted,
    "cut": _cut,
    "next day": _next_day,
    "observed": _observed,
    "echoed": _echoed,
    "tight": _tight,
    "whole": _whole,
}
