"""Closed bars of 60 s as values and as packed bytes, for the warm-up."""

import zlib
from array import array
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.inflated import inflated

_NUMBERS: Final = 7


class MinuteBar(NamedTuple):
    """A closed bar of 60 s, prices in ticks; `notional` is the sum of price times quantity in ticks times lots."""

    ts_open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume: int
    notional: int


def pack_bars(bars: Iterable[MinuteBar]) -> bytes:
    """Bars as zlib-compressed little-endian 64-bit integers, seven a bar."""
    numbers = array("q")
    for bar in bars:
        numbers.extend(bar)
    return zlib.compress(numbers.tobytes(), 1)


def unpack_bars(packed: bytes) -> Iterator[MinuteBar]:
    """The bars `pack_bars` packed.

    Raises:
        DataCorrupt: the bytes are not packed bars.
    """
    numbers = array("q")
    try:
        numbers.frombytes(inflated(packed))
    except ValueError as error:
        raise DataCorrupt(f"packed bars: {error}; expected what pack_bars wrote") from error
    if len(numbers) % _NUMBERS:
        raise DataCorrupt(f"packed bars: {len(numbers)} numbers, expected {_NUMBERS} a bar")
    for at in range(0, len(numbers), _NUMBERS):
        yield MinuteBar(*numbers[at : at + _NUMBERS])
