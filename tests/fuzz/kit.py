"""Hostile input: how it is made from sound input, and what the product may do with it.

A case is named by (target, seed, number) and made from nothing else, so a finding can be made again. What may happen:
the input is taken, or refused with a `BotError` of an exit code that stands for the operator's world (2, 3 or 6).
Everything else is a finding: another exception, a property that does not hold, more seconds or bytes than allowed.
"""

import random
import re
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from trading_bot.domain.errors import BotError

OUTSIDE = frozenset({2, 3, 6})  # usage, unreachable, corrupt: never a bug of ours
CASE_S = 10.0  # of one input; the slowest sound one takes a tenth of a second
INPUT_BYTES_MAX = 640 * 1024
NUMBERS = (
    *(b"0", b"-1", b"1", b"00", b"7", b"-0.0", b"1e308", b"-1e308", b"1e-320", b"1e999", b"nan", b"inf", b"-inf"),
    *(
        str(sign * (1 << bits) + more).encode()
        for bits in (7, 15, 31, 53, 63, 64, 128)
        for sign in (1, -1)
        for more in (-1, 0)
    ),
    *(
        b"9" * 5_000,
        b"0.1",
        b".",
        b"1_000",
        b"0x10",
        b"+5",
        b"1e5",
        b"\xd9\xa3",
        b"true",
        b'"5"',
        b"[]",
        b"{}",
        b"null",
    ),
)
BYTES = (0x00, 0x01, 0x0A, 0x1B, 0x22, 0x27, 0x2C, 0x3D, 0x5B, 0x5C, 0x5D, 0x7B, 0x7F, 0x80, 0xC0, 0xED, 0xFE, 0xFF)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


class Target(NamedTuple):
    """One door. `samples` makes sound inputs in an empty folder; `feed` takes an input, with a folder of its own.

    `shape` makes something of a mutated input before it is fed, such as a right checksum over wrong content.
    """

    name: str
    samples: Callable[[Path], list[bytes]]
    feed: Callable[[bytes, Path], None]
    tokens: tuple[bytes, ...] = ()
    codes: frozenset[int] = OUTSIDE
    shape: Callable[[bytes, random.Random], bytes] | None = None


class Finding(NamedTuple):
    kind: str
    text: str


class TooSlow(BaseException):
    """One input took longer than any may. No `Exception`: a handler of the product must not swallow it."""


@contextmanager
def bounded_s(seconds: float) -> Iterator[None]:
    def told(*_):
        raise TooSlow

    before = signal.signal(signal.SIGALRM, told)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def examine(target: Target, data: bytes, folder: Path) -> Finding | None:
    """Feed one input and judge what came of it."""
    try:
        with bounded_s(CASE_S):
            target.feed(data, folder)
    except BotError as error:
        if error.exit_code not in target.codes:
            return Finding(f"exit code {error.exit_code}", traceback.format_exc())
        if not str(error).strip():
            return Finding("no message", traceback.format_exc())
    except TooSlow:
        return Finding("too slow", f"more than {CASE_S:g} s\n{traceback.format_exc()}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is what we look for)
        return Finding(type(error).__name__, traceback.format_exc())
    return None


def case(target: Target, samples: list[bytes], seed: int, number: int) -> bytes:
    """The input of one case."""
    dice = random.Random(f"{target.name} {seed} {number}")
    data = mutated(dice, samples, target.tokens)
    return target.shape(data, dice) if target.shape is not None else data


def mutated(dice: random.Random, samples: list[bytes], tokens: tuple[bytes, ...] = ()) -> bytes:
    """A sound input with one to eight things done to it; once in thirty nothing but noise."""
    if dice.random() < 1 / 30:
        return dice.randbytes(dice.choice((0, 1, 7, 64, 1_000)))
    data = bytearray(dice.choice(samples))
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        dice.choice(_DEEDS)(dice, data, samples, tokens)
        del data[INPUT_BYTES_MAX:]
    return bytes(data)


def _span(dice, data, most=64):
    at = dice.randrange(len(data) + 1)
    return at, min(len(data), at + dice.choice((1, 2, 4, dice.randint(1, most), len(data))))


def _flip(dice, data, *_):
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _set(dice, data, *_):
    if data:
        data[dice.randrange(len(data))] = dice.choice(BYTES)


def _cut(dice, data, *_):
    del data[dice.randrange(len(data) + 1) :]


def _remove(dice, data, *_):
    at, end = _span(dice, data)
    del data[at:end]


def _repeat(dice, data, *_):
    at, end = _span(dice, data)
    data[at:at] = bytes(data[at:end]) * dice.choice((1, 2, 50, min(20_000, INPUT_BYTES_MAX // max(1, end - at))))


def _nest(dice, data, *_):
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.choice((b"[", b"{", b"[[", b'{"a":', b"{a=", b"a.", b'"', b"\0", b"(")) * dice.choice(
        (2, 3_000, 60_000)
    )


def _token(dice, data, _samples, tokens):
    at, end = _span(dice, data)
    data[at : dice.choice((at, end))] = dice.choice(tokens or NUMBERS)


def _number(dice, data, *_):
    found = list(_NUMBER.finditer(data))[:2_000]
    if found:
        one = dice.choice(found)
        data[one.start() : one.end()] = dice.choice(NUMBERS)


def _integer(dice, data, *_):
    """Four or eight bytes become a number at the edge of what such a field holds."""
    size = dice.choice((1, 2, 4, 8))
    if len(data) >= size:
        at = dice.randrange(len(data) - size + 1)
        value = dice.choice((0, 1, 2, 63, 64, 65, (1 << 8 * size) - 1, 1 << (8 * size - 1), (1 << (8 * size - 1)) - 1))
        data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, dice.choice(("little", "big")))


def _splice(dice, data, samples, *_):
    other = dice.choice(samples)
    at, end = _span(dice, other, 4_096)
    start, stop = _span(dice, data, 4_096)
    data[start:stop] = other[at:end]


def _lines(dice, data, *_):
    """Lines change places, or stand there twice."""
    lines = bytes(data).split(b"\n")
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    if dice.random() < 0.5:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines.insert(one, lines[other])
    data[:] = b"\n".join(lines)


_DEEDS = (
    _flip,
    _set,
    _cut,
    _remove,
    _repeat,
    _nest,
    _token,
    _token,
    _number,
    _number,
    _number,
    _integer,
    _splice,
    _lines,
)
