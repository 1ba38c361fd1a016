"""How the process uses the machine it runs on (docs/latency.md), as configuration. None of it changes a decision."""

from typing import Annotated, Final, Literal

from trading_bot.domain.config_section import Section, unit, within

CPU_NONE: Final = -1


class MachineConfig(Section, frozen=True):
    """The way of a tick, the event loop, and the core they run on."""

    fast_path: Annotated[bool, unit("flag", "ticks are decoded by the kernel, not by the client library")] = True
    loop: Annotated[Literal["uvloop", "asyncio"], unit("name", "event loop of the connection")] = "uvloop"
    spin: Annotated[bool, unit("flag", "never sleep: costs a whole core, saves the wake-up")] = False
    cpu: Annotated[int, within(-1, 4095), unit("core", "the core of the trading thread; -1: any")] = CPU_NONE
