"""How the bench measures: interleaved rounds in one run, the garbage collector off, medians of per-round ratios."""

import gc
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")
WITHOUT_PEER: Final = "not installed: its package could not be had (see the first lines)"


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much one run measures. Counts of events, records, calls, minutes or rounds."""

    events: int = 250_000
    oracle_events: int = 4_000
    calls: int = 50_000
    nautilus_events: int = 100_000  # with brackets it takes 12 microseconds an event
    append_calls: int = 20_000
    append_calls_paced: int = 2_500
    log_ticks: int = 600_000
    msgpack_ticks: int = 50_000
    tape_minutes: int = 120
    packets: int = 20_000
    wire_turns: int = 2_000
    wire_turns_apart: int = 250  # a millisecond each, at least
    rounds_wire: int = 9
    stream_rate: int = 100_000  # ticks a second
    stream_ticks: int = 1_000_000
    library_rate: int = 10_000
    library_ticks: int = 20_000
    live_s: float = 12.0
    live_turns: int = 200
    rounds_live: int = 3
    memory_ticks: int = 1_500_000
    memory_piece: int = 50_000  # the stream is repeated, so that the bench itself holds little
    peers: bool = True  # measure other projects where they are installed
    rounds: int = 20
    rounds_long: int = 7  # for rounds of a process or of a large part of a second


QUICK: Final = Sizes(
    events=9_000,
    oracle_events=300,
    calls=500,
    nautilus_events=3_000,
    append_calls=300,
    append_calls_paced=60,
    log_ticks=6_000,
    msgpack_ticks=500,
    tape_minutes=7,
    packets=600,
    wire_turns=20,
    wire_turns_apart=5,
    rounds_wire=2,
    stream_rate=5_000,
    stream_ticks=2_000,
    library_rate=2_000,
    library_ticks=300,
    live_s=6.0,
    live_turns=4,
    rounds_live=1,
    memory_ticks=30_000,
    memory_piece=3_000,
    peers=False,
    rounds=3,
    rounds_long=2,
)


class Beside(msgspec.Struct, frozen=True):
    """What a figure stands beside: its name, and its value in the row's unit, None when it was not there to measure."""

    name: str
    value: float | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table.

    `ratio` is ours ÷ peer, or ours ÷ floor in a row without a peer: the median of the ratios of single rounds. `goal`
    and `met` are None together; `met` is also None where the goal names a peer that was not there.
    """

    name: str
    unit: str
    ours: float
    peer: Beside | None = None
    floor: Beside | None = None
    ratio: float | None = None
    goal: str | None = None
    met: bool | None = None
    note: str = ""


@contextmanager
def quiet_gc() -> Iterator[None]:
    """No garbage collection inside."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def interleave(sides: Sequence[Callable[[], T]], rounds: int, warm_up: int = 1) -> list[list[T]]:
    """One measurement of each side per round, the order turned round every time; a list of rounds per side."""
    found: list[list[T]] = [[] for _ in sides]
    for turn in range(-warm_up, rounds):
        order = range(len(sides)) if turn % 2 == 0 else range(len(sides) - 1, -1, -1)
        gc.collect()
        for place in order:
            with quiet_gc():
                value = sides[place]()
            if turn >= 0:
                found[place].append(value)
    return found


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def ratio_of(ours: Sequence[float], other: Sequence[float]) -> float:
    """Median of the ratios of single rounds: drift of the machine between rounds cancels."""
    return statistics.median(a / b for a, b in zip(ours, other, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """Value at `share` (0..1) of the values, the lower one between two."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def met_all(*parts: bool | None) -> bool | None:
    """Whether every part of a goal is met: False when one is not, None when one could not be measured."""
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True
