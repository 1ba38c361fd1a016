"""Rows of the wire: a gateway process writes a tick and waits for the order; and ticks at a rate, none lost.

Gateway and clients are processes of their own, all on this machine; nothing is pinned. One client is measured at a
time while the others sleep, in turns, so that each round of one path stands beside a round of every other.
"""

import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from tools.bench_harness import Beside, Row, Sizes, interleave, median, met_all, percentile, ratio_of
from tools.bench_wire_processes import Sent, Wire, absent, library_python, stamps_of

FLOOR_GOAL: Final = 1.25
STOCK_GOAL: Final = 1 / 5
LAG_GOAL_US: Final = 50.0
LIBRARIES: Final = ("ib_insync", "ib_async")
APART_US: Final = 1_000
_STREAMED: Final = LIBRARIES[0]
_QUANTILES: Final = {"p50": 0.5, "p99": 0.99}
_NS_PER_US: Final = 1e3

Rounds = list[list[int]]


def wire_rows(sizes: Sizes) -> list[Row]:
    """Tick to order over a socket, back to back and a millisecond apart, on both loops."""
    with Wire() as wire:
        lines = _lines(wire, sizes)
        found = {}
        for pause_us, count in ((0, sizes.wire_turns), (APART_US, sizes.wire_turns_apart)):
            sides = [_side(wire, line, count, pause_us) for line in lines.values()]
            found[pause_us] = dict(zip(lines, interleave(sides, sizes.rounds_wire), strict=True))
    rows = []
    for pause_us, named in ((0, "back to back"), (APART_US, "1 ms apart")):
        for loop, quantiles in (("uvloop", ("p50", "p99")), ("asyncio", ("p50",))):
            for library in LIBRARIES if loop == "uvloop" else LIBRARIES[:1]:
                rows += [
                    _wire_row(named, loop, quantile, found[pause_us], library)
                    for quantile in (quantiles if library == LIBRARIES[0] else ("p50",))
                ]
    return rows


def _lines(wire: Wire, sizes: Sizes) -> dict[str, int]:
    """The paths that are there to be measured, by name."""
    lines = {"blocking": wire.client("bench_wire_bare.py", "PORT", "blocking", "1")}
    for loop in ("uvloop", "asyncio"):
        lines[f"bare {loop}"] = wire.client("bench_wire_bare.py", "PORT", loop, "1")
        lines[f"ours {loop}"] = wire.client("bench_wire_ours.py", "order", "PORT", loop)
        for library in LIBRARIES if sizes.peers else ():
            python = library_python(library)
            if python is not None:
                name = f"{library} {loop}"
                lines[name] = wire.client("bench_wire_stock.py", library, "PORT", loop, "1", python=python)
    return lines


def _side(wire: Wire, line: int, count: int, pause_us: int) -> Callable[[], list[int]]:
    return lambda: wire.turns(line, count=count, pause_us=pause_us)


def _wire_row(named: str, loop: str, quantile: str, found: dict[str, Rounds], library: str) -> Row:
    ours, bare, blocking = (_at(found[name], quantile) for name in (f"ours {loop}", f"bare {loop}", "blocking"))
    stock = _at(found[f"{library} {loop}"], quantile) if f"{library} {loop}" in found else None
    to_floor, to_stock = ratio_of(ours, bare), None if stock is None else ratio_of(ours, stock)
    goal, met = None, None
    if quantile == "p50" and loop == "uvloop" and library == LIBRARIES[0]:
        goal, met = f"≤ {FLOOR_GOAL} x floor", to_floor <= FLOOR_GOAL
        if named == "back to back":
            goal, met = f"{goal}; ≤ 1/5 of peer", met_all(met, None if to_stock is None else to_stock <= STOCK_GOAL)
    return Row(
        name=f"wire to wire, {named}, {loop}, {quantile}",
        unit="µs",
        ours=median(ours),
        peer=Beside(f"{library} as it is", None if stock is None else median(stock)),
        floor=Beside("bare protocol, same loop", median(bare)),
        ratio=to_stock,
        goal=goal,
        met=met,
        note=f"{to_floor:.2f} x floor; blocking socket without a loop {median(blocking):.1f} µs"
        + ("" if stock is not None else f"; {absent(library)}"),
    )


def _at(rounds: Rounds, quantile: str) -> list[float]:
    """That percentile of each round, µs."""
    return [percentile(waits, _QUANTILES[quantile]) / _NS_PER_US for waits in rounds]


# --- ticks at a rate ------------------------------------------------------------------------------------------------


class Lag(msgspec.Struct, frozen=True):
    """What became of the ticks of one stream. `lags_us` in the order they were sent, of those that arrived once.

    `wrong` counts the lost, the doubled and those that came before an earlier one.
    """

    sent: Sent
    wrong: int
    lags_us: list[float]

    def at(self, share: float) -> float:
        """A percentile of the lag, µs."""
        return percentile(self.lags_us, share)

    @property
    def rate(self) -> float:
        """Ticks a second that the gateway could send."""
        return len(self.sent.stamps) / self.sent.took_s


def stream_rows(sizes: Sizes) -> list[Row]:
    """The whole bot under a steady stream, log on, and the library at a rate that it can take and at ours."""
    ours = _stream("bench_wire_ours.py", ("stream", "PORT", "uvloop"), sizes.stream_rate, sizes.stream_ticks)
    bare = _stream("bench_wire_bare.py", ("PORT", "uvloop"), sizes.stream_rate, sizes.stream_ticks)
    slow = _library_stream(sizes.library_rate, sizes) if sizes.peers else None
    fast = _library_stream(sizes.stream_rate, sizes) if sizes.peers else None
    named = f"ticks at {sizes.stream_rate} a second for {sizes.stream_ticks / sizes.stream_rate:g} s"
    told = f"sent at {ours.rate:.0f} a second, at most {ours.sent.late_ms:.1f} ms late"
    if fast is not None:
        told += (
            f"; {_STREAMED} at {sizes.stream_rate} a second for {sizes.library_ticks / sizes.stream_rate:g} s: "
            f"lag p50 {fast.at(0.5) / 1e3:.1f} ms, {fast.lags_us[-1] / 1e3:.1f} ms behind at the end"
        )
    rows = [
        Row(
            name=f"{named}, lost or out of order",
            unit="ticks",
            ours=float(ours.wrong),
            floor=Beside("sent", float(len(ours.sent.stamps))),
            ratio=ours.wrong / len(ours.sent.stamps),
            goal="0",
            met=ours.wrong == 0,
            note="numbers and stamps are read from the log of the run",
        )
    ]
    for quantile, share in _QUANTILES.items():
        theirs = None if slow is None else slow.at(share)
        rows.append(
            Row(
                name=f"{named}, lag {quantile}",
                unit="µs",
                ours=ours.at(share),
                peer=Beside(f"{_STREAMED} at {sizes.library_rate} a second", theirs),
                floor=Beside("bare protocol, same loop", bare.at(share)),
                ratio=None if theirs is None else ours.at(share) / theirs,
                goal="≤ 50 µs" if quantile == "p50" else None,
                met=ours.at(share) <= LAG_GOAL_US if quantile == "p50" else None,
                note=told if quantile == "p50" else "",
            )
        )
    return rows


def _library_stream(rate: int, sizes: Sizes) -> Lag | None:
    python = library_python(_STREAMED)
    if python is None:
        return None
    arguments = (_STREAMED, "PORT", "uvloop", "0")
    return _stream("bench_wire_stock.py", arguments, rate, sizes.library_ticks, python=python)


def _stream(script: str, arguments: tuple[str, ...], rate: int, count: int, python: str = sys.executable) -> Lag:
    with Wire() as wire:
        path = wire.folder / "received.bin"
        line = wire.client(script, *arguments, str(path), python=python)
        sent = wire.stream(line, rate=rate, count=count)
        wire.hang_up(line)
        return lag_of(sent, *_received(path))


def _received(path: Path) -> "tuple[array[int], array[int]]":
    both = stamps_of(path)
    half = len(both) // 2
    return both[:half], both[half:]


def lag_of(sent: Sent, numbers: "array[int]", stamps: "array[int]") -> Lag:
    """Each tick's receive stamp less when it was sent; and how many are missing, doubled or out of their order."""
    due, wrong = 0, 0
    lags = []
    for number, stamp in zip(numbers, stamps, strict=True):
        if number == due:
            lags.append((stamp - sent.stamps[number]) / _NS_PER_US)
            due += 1
        elif number > due:
            wrong += number - due  # those between were passed over: lost, or later than this one
            lags.append((stamp - sent.stamps[number]) / _NS_PER_US)
            due = number + 1
        else:
            wrong += 1
    return Lag(sent, wrong + len(sent.stamps) - due, lags)
