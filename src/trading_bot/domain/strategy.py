"""Strategies written in Python: what they see at the close of a minute, and what they may say.

A strategy proposes a side and a belief; gates, costs, size, safety gate and exits are those of every other template. It
must answer from what it was shown alone: no clock, file, network or random source, or a replay of
its run diverges. How to write one: docs/strategies.md.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol, runtime_checkable

import msgspec

from trading_bot.domain.errors import ConfigError

ENTRY_POINTS: Final = "trading_bot.strategies"  # the group under which a package names its strategies
Param = float | int | str | bool


class ClosedBar(msgspec.Struct, frozen=True, gc=False):
    """One closed minute: prices in ticks, `notional` the sum of price_ticks x qty, `trades` their number."""

    ts_open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume: int
    notional: int
    trades: int


class BarView(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is known when a minute has closed.

    `bars` are the last closed minutes, at most 128, newest last, those of the warm-up included. `signals` has every
    signal of the registry by name, None where it has no value yet. `regime` is the regime classifier's name. The book
    is the newest quote, None before the first.
    """

    ts_ns: int
    instrument: str
    tick_size_points: float
    bars: tuple[ClosedBar, ...]
    signals: Mapping[str, float | None]
    regime: str
    bid_ticks: int | None
    ask_ticks: int | None


class Proposal(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A side to take now (+1 long, -1 short) and the belief in it, above 0 and below 1. `reason` is for the journal.

    The belief is mapped to a probability as every template's is: without a fitted map it counts half against the
    break-even rate (specification 6.2).

    Raises:
        ValueError: another side, or a belief out of range.
    """

    side: int
    belief: float
    reason: str = ""

    def __post_init__(self) -> None:
        if self.side not in (1, -1):
            raise ValueError(f"side is {self.side!r}: expected 1 (long) or -1 (short)")
        if not 0.0 < self.belief < 1.0:
            raise ValueError(f"belief is {self.belief!r}: expected a number above 0 and below 1")


@runtime_checkable
class Strategy(Protocol):
    """A strategy of one session log: made anew when a session begins, from the `params` of its table."""

    def on_bar(self, view: BarView) -> Proposal | None:
        """Asked once per closed minute; None is nothing to propose."""
        ...


class InstalledStrategy(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy that a package offers. `digest` is the SHA-256 of its code, which decides and so is recorded."""

    name: str
    distribution: str
    digest: str
    make: Callable[[Mapping[str, Param]], Strategy]


Finder = Callable[[str], InstalledStrategy]


def _nothing_installed(name: str) -> InstalledStrategy:
    raise ConfigError(f"strategy {name}: nothing looks for installed strategies in this process")


_finder: Finder = _nothing_installed


def set_finder(finder: Finder) -> None:
    """Who looks strategies up by name: the shell, since finding one imports code."""
    global _finder  # noqa: PLW0603 (one process has one set of installed packages)
    _finder = finder


def find_strategy(name: str) -> InstalledStrategy:
    """The installed strategy of that name.

    Raises:
        ConfigError: none has it, or it cannot be imported.
    """
    return _finder(name)
