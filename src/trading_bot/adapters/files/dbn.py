"""Databento DBN files: mbo, mbp-1, tbbo and trades, plain or zstd.

The vendor's decoder frames and upgrades the records; it says nothing when its input stops early, so this module
decompresses on its own and checks both ends: of the zstd frame and of the last record.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from trading_bot._fast.dbn_codec import DbnCodec
from trading_bot._fast.raw_batch import RawBatch
from trading_bot.adapters.files.byte_streams import chunks
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.units import is_whole

SCHEMAS: Final = {"mbo": True, "mbp-1": True, "tbbo": True, "trades": False}  # name: does it carry quotes?
RAW_SYMBOL: Final = re.compile(r"^([A-Z0-9]+?)[FGHJKMNQUVXZ]\d{1,2}$")
_PREFIX_BYTES: Final = 8
_ID_MAX: Final = (1 << 32) - 1  # of an instrument; a larger one can stand in no record
_METADATA_BYTES_MAX: Final = 1 << 26
# Small pieces bound the number of record objects alive at once.
_PIECE_BYTES: Final = 65_536


def _panicked(error: BaseException) -> bool:
    """Whether the vendor's code gave up on its input: what Rust calls a panic is no `Exception` in Python."""
    return type(error).__name__ == "PanicException"


def _vendor() -> Any:
    try:
        import databento_dbn
    except ImportError:
        raise UsageError("reading DBN needs the research extra: pip install 'trading-bot[research]'") from None
    return databento_dbn


class DbnHead:
    """What a DBN file says about itself before its first record."""

    def __init__(self, path: Path) -> None:
        data = b""
        needed = _PREFIX_BYTES
        for piece in chunks(path):
            data += piece
            if len(data) >= _PREFIX_BYTES:
                needed = _PREFIX_BYTES + int.from_bytes(data[4:8], "little")
            if len(data) >= needed or data[:3] != b"DBN"[: len(data)] or needed > _METADATA_BYTES_MAX:
                break
        if data[:3] != b"DBN":
            raise UsageError(f"{path}: does not start with the letters DBN: not a Databento file, or one half written")
        if len(data) < needed:
            raise DataCorrupt(f"{path}: ends after {len(data)} bytes, inside its metadata of {needed}; fetch it again")
        try:
            metadata = _vendor().Metadata.decode(data[:needed])
        except BaseException as error:
            if not (isinstance(error, ValueError | TypeError | RuntimeError | _vendor().DBNError) or _panicked(error)):
                raise
            raise DataCorrupt(f"{path}: its metadata cannot be read: {error}; fetch the file again") from error
        self.schema: str | None = None if metadata.schema is None else str(metadata.schema)
        self.start_ns = int(metadata.start)
        try:
            self.symbols = _symbols_by_id(metadata.mappings)
        except ValueError as error:  # dates of a mapping that are none
            raise DataCorrupt(f"{path}: its metadata cannot be read: {error}; fetch the file again") from error

    def instrument_id(self, path: Path, wanted: str | None, product: str) -> int:
        """The instrument to read: the one asked for, the only one, or the only one of the product; 0: not declared.

        Raises UsageError naming those found.
        """
        found = ", ".join(f"{name} ({number})" for number, name in sorted(self.symbols.items()))
        if wanted is not None:
            chosen = [n for n, name in self.symbols.items() if wanted.upper() in {name.upper(), str(n)}]
            if not chosen:
                raise UsageError(f"{path}: no instrument {wanted!r}; found {found or 'no symbols declared'}")
        elif len(self.symbols) > 1:
            chosen = [n for n, name in self.symbols.items() if root_of(name) == product]
        else:
            chosen = list(self.symbols)
        if len(chosen) > 1 or (self.symbols and not chosen):
            raise UsageError(f"{path}: holds several instruments: {found}; name one with --contract")
        return chosen[0] if chosen else 0


def root_of(raw_symbol: str) -> str:
    """ES of ESH4; a symbol of another shape stands for itself."""
    match = RAW_SYMBOL.match(raw_symbol)
    return match.group(1) if match else raw_symbol


def _symbols_by_id(mappings: dict[str, list[dict[str, Any]]]) -> dict[int, str]:
    """Instrument id to name, whichever of the two the file was asked by."""
    names: dict[int, str] = {}
    for key, intervals in mappings.items():
        for interval in intervals:
            value = str(interval["symbol"])
            number, name = (key, value) if is_whole(key) else (value, key)
            if is_whole(number) and int(number) <= _ID_MAX:
                names[int(number)] = name
    return names


class DbnSource:
    """Records of one instrument of a DBN file."""

    resolution_ns = 1

    def __init__(self, path: Path, head: DbnHead, instrument_id: int) -> None:
        self._path = path
        self._pieces: Iterator[bytes] = self._split(chunks(path))
        self._decoder = _vendor().DBNDecoder()
        self._metadata_type = _vendor().Metadata
        self._wanted = instrument_id
        self._symbols = head.symbols
        self._codec: DbnCodec | None = None

    @property
    def skipped(self) -> dict[str, int]:
        """Records of other kinds and of other instruments."""
        if self._codec is None:
            return {}
        counts = {
            "other_record_type": self._codec.other_records,
            "other_instrument": self._codec.other_instruments,
        }
        return {name: count for name, count in counts.items() if count}

    def fill(self, batch: RawBatch) -> bool:
        """Add the values of the next piece; False at the end of the file."""
        if self._codec is None:
            self._codec = DbnCodec(batch, self._wanted)
        piece = next(self._pieces, None)
        if piece is None:
            self._check_end()
            return False
        self._decoder.write(piece)
        try:
            records = self._decoder.decode()
            if records and isinstance(records[0], self._metadata_type):
                records = records[1:]
            self._codec.apply(records)
        except BaseException as error:
            if not (isinstance(error, ValueError | _vendor().DBNError) or _panicked(error)):
                raise
            raise DataCorrupt(f"{self._path}: {error}; everything before it was read; fetch the file again") from error
        if self._codec.strangers:
            found = ", ".join(str(n) for n in sorted({self._codec.instrument_id, *self._codec.strangers}))
            raise UsageError(f"{self._path}: holds several instruments: {found}; name one with --contract")
        if self._codec.publisher_mixed:
            raise UsageError(f"{self._path}: holds books of several venues; ask Databento for one venue per file")
        return True

    def _check_end(self) -> None:
        left = len(self._decoder.buffer())
        if left:
            raise DataCorrupt(
                f"{self._path}: ends {left} bytes into a record; everything before it was read; fetch the file again"
            )

    @staticmethod
    def _split(pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Decompression can turn one piece into megabytes."""
        for piece in pieces:
            for start in range(0, len(piece), _PIECE_BYTES):
                yield piece[start : start + _PIECE_BYTES]
