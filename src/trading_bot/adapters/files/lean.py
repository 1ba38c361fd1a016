"""Zip files of the LEAN engine: trade ticks, and quote or trade bars of a second or a minute.

A bar is known when it ends: a quote bar becomes one quote, its close, and a trade bar one trade of the bar's volume at
its close, both stamped at the bar's start plus its period. The aggressor of a bar is not in the file.

Stamps count milliseconds from midnight. Equities: of New York (their first bars stand at 04:00). CME futures: of UTC -
the volume of the E-mini jumps at 13:30 in October and at 14:30 in January, which is 09:30 in New York in both, and
trading begins on a Sunday at 22:00 and 23:00, which is 18:00 there.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from trading_bot._fast.raw_batch import RawBatch
from trading_bot.adapters.files.byte_streams import CHUNK_BYTES, lines, open_binary
from trading_bot.adapters.files.delimited import price_of, size_of
from trading_bot.adapters.files.stamps import UNREADABLE_NS, local_midnight_offsets
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.records import RejectReason
from trading_bot.domain.units import is_whole

ROWS_PER_FILL: Final = 4096
# What the zip reader says of an archive that lies: about a place in it, a method or version, a password, a length.
_NO_ZIP: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, OverflowError,
    struct.error,
)  # fmt: skip
PERIOD_MS: Final = {"tick": 0, "second": 1_000, "minute": 60_000}
FIELDS: Final = {("tick", "trade"): 6, ("bar", "trade"): 6, ("bar", "quote"): 11}
_EQUITY_ZONE: Final = "America/New_York"
_EQUITY_SCALE_E9: Final = 100_000  # prices are integers of 1/10 000
_BAR: Final = re.compile(
    r"^([12]\d{7})_(\w+?)_(second|minute)_(quote|trade|openinterest)(?:_(\d{6,8}))?\.csv$", re.IGNORECASE | re.ASCII
)
_TICK: Final = re.compile(r"^([12]\d{7})_(\w+?)_(trade|quote)_tick(?:_(\d{6,8}))?\.csv$", re.IGNORECASE | re.ASCII)


class LeanMember(NamedTuple):
    """One CSV inside a LEAN zip."""

    name: str
    date: str
    symbol: str
    resolution: str
    kind: str
    expiry: str | None
    size: int


def lean_members(path: Path) -> list[LeanMember]:
    """The CSVs of the zip whose names are LEAN's; empty for another zip. Raises DataCorrupt for a damaged one."""
    try:
        with open_binary(path) as file, zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except _NO_ZIP as error:
        raise DataCorrupt(
            f"{path}: not a whole zip ({error}): the index stands at its end, so a cut file cannot be read at all; "
            "fetch it again"
        ) from error
    members = []
    for info in infos:
        if bar := _BAR.match(info.filename):
            date, symbol, resolution, kind, expiry = bar.groups()
        elif tick := _TICK.match(info.filename):
            (date, symbol, kind, expiry), resolution = tick.groups(), "tick"
        else:
            continue
        members.append(
            LeanMember(
                info.filename, date, symbol.upper(), resolution.lower(), kind.lower(), expiry or None, info.file_size
            )
        )
    return members


def volumes_by_expiry(path: Path, members: list[LeanMember]) -> dict[str, int]:
    """Traded volume of each expiry of a zip of trade bars."""
    volumes: dict[str, int] = {}
    for member in members:
        if member.kind == "trade" and member.expiry is not None:
            rows = (line.split(",") for line in lines(_member_chunks(path, member.name)))
            traded = sum(max(size_of(row[5]), 0) for row in rows if len(row) == 6)
            volumes[member.expiry] = volumes.get(member.expiry, 0) + traded
    return volumes


def _member_chunks(path: Path, name: str) -> Iterator[bytes]:
    try:
        with open_binary(path) as file, zipfile.ZipFile(file) as archive, archive.open(name) as member:
            while piece := member.read(CHUNK_BYTES):
                yield piece
    except _NO_ZIP as error:
        raise DataCorrupt(f"{path}, {name}: {error}; everything before it was read; fetch the file again") from error


class LeanSource:
    """Rows of one CSV inside a LEAN zip."""

    def __init__(self, path: Path, member: LeanMember) -> None:
        self._where = f"{path}, {member.name}"
        shape = ("tick" if member.resolution == "tick" else "bar", member.kind)
        if shape not in FIELDS:
            raise UsageError(
                f"{self._where}: {member.resolution} {member.kind} data is no feed: expected trade ticks, "
                "or quote or trade bars of a second or a minute"
            )
        self._width = FIELDS[shape]
        self._put = {
            ("tick", "trade"): self._trade_tick,
            ("bar", "trade"): self._trade_bar,
            ("bar", "quote"): self._quote_bar,
        }[shape]
        future = member.expiry is not None
        try:
            self._stamp = local_midnight_offsets(member.date, UTC if future else ZoneInfo(_EQUITY_ZONE))
        except ValueError as error:
            raise DataCorrupt(f"{self._where}: {member.date} in its name is no date; fetch the file again") from error
        self._scaled = not future
        self._period_ms = PERIOD_MS[member.resolution]
        self.resolution_ns = max(self._period_ms, 1) * 1_000_000
        self.skipped: dict[str, int] = {}
        self._line = 0
        self._rows = lines(_member_chunks(path, member.name))

    def fill(self, batch: RawBatch) -> bool:
        """Add the next rows; False at the end."""
        for _ in range(ROWS_PER_FILL):
            line = next(self._rows, None)
            if line is None:
                return False
            self._line += 1
            row = line.split(",")
            if len(row) != self._width:
                if not line:
                    continue
                raise DataCorrupt(
                    f"{self._where}, line {self._line}: found {len(row)} fields, expected {self._width}; "
                    "everything before it was read; fetch the file again"
                )
            self._put(batch, row)
        return True

    def _ts_ns(self, text: str) -> int:
        """The end of the bar, or the tick itself."""
        ms = text.partition(".")[0]
        return self._stamp(int(ms) + self._period_ms) if is_whole(ms, 9) else UNREADABLE_NS

    def _trade_tick(self, batch: RawBatch, row: list[str]) -> None:
        """ms, price, size, exchange, sale condition, suspicious. Prints stay in file order, out of sequence or not."""
        if row[5] != "0":
            self._skip("suspicious")
            return
        self._trade(batch, self._ts_ns(row[0]), row[1], row[2], 0)

    def _trade_bar(self, batch: RawBatch, row: list[str]) -> None:
        """ms, open, high, low, close, volume."""
        self._trade(batch, self._ts_ns(row[0]), row[4], row[5], _ohlc_reason(row[1:5]))

    def _trade(self, batch: RawBatch, ts_ns: int, price: str, size: str, reason: int) -> None:
        if self._scaled and is_whole(price):
            batch.trade_e9(ts_ns, ts_ns, _e9(price), size_of(size), 0, reason)
        else:
            scale = 1e-4 if self._scaled else 1.0
            batch.trade_points(ts_ns, ts_ns, price_of(price) * scale, size_of(size), 0, reason)

    def _quote_bar(self, batch: RawBatch, row: list[str]) -> None:
        """ms, bid open, high, low, close, bid size, ask open, high, low, close, ask size."""
        bid, ask = row[4], row[9]
        if not bid or not ask:
            self._skip("one_sided_quote")
            return
        ts_ns = self._ts_ns(row[0])
        reason = _ohlc_reason(row[1:5]) or _ohlc_reason(row[6:10])
        bid_size, ask_size = size_of(row[5]), size_of(row[10])
        if self._scaled and is_whole(bid) and is_whole(ask):
            batch.quote_e9(ts_ns, ts_ns, _e9(bid), bid_size, _e9(ask), ask_size, reason)
        else:
            scale = 1e-4 if self._scaled else 1.0
            batch.quote_points(ts_ns, ts_ns, price_of(bid) * scale, bid_size, price_of(ask) * scale, ask_size, reason)

    def _skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1


def _e9(price: str) -> int:
    return min(int(price) * _EQUITY_SCALE_E9, (1 << 63) - 2)


def _ohlc_reason(bar: list[str]) -> int:
    """OHLC_ORDER unless low ≤ open, close ≤ high; what is no number is left to the price check."""
    first, high, low, close = map(price_of, bar)
    wrong = high < low or first > high or close > high or first < low or close < low
    return RejectReason.OHLC_ORDER if wrong else 0
