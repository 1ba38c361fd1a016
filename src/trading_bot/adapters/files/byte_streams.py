"""Bytes and lines of a file, compressed or not, in constant memory.

A stream that ends early or is damaged raises DataCorrupt only after everything before the damage has been handed out.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Protocol

from trading_bot.domain.errors import DataCorrupt, SourceUnreachable, UsageError

CHUNK_BYTES: Final = 65_536


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def open_binary(path: Path) -> IO[bytes]:
    """Open for reading; raises SourceUnreachable naming the path."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise SourceUnreachable(f"no such file: {path}: check --input") from None
    except OSError as error:
        raise SourceUnreachable(f"cannot read {path}: {error.strerror}: check its permissions") from error


def chunks(path: Path) -> Iterator[bytes]:
    """Contents of a file in pieces, decompressed when its name ends in .gz or .zst.

    Raises DataCorrupt, after the last sound piece, when a compressed stream is damaged or ends early.
    """
    if path.name.endswith(".gz"):
        return _decompressed(path, "gzip")
    if path.name.endswith(".zst"):
        return _decompressed(path, "zstd")
    return _plain(path)


def lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Complete lines without their ends; a last line without an end counts when the stream itself ended in order."""
    rest = b""
    for piece in pieces:
        whole = (rest + piece).split(b"\n")
        rest = whole.pop()
        for line in whole:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
    if rest:
        yield rest.rstrip(b"\r").decode("utf-8", "replace")


def _plain(path: Path) -> Iterator[bytes]:
    with open_binary(path) as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece


def _decompressor(compression: str) -> _Decompressor:
    if compression == "gzip":
        return zlib.decompressobj(wbits=31)
    try:
        import zstandard
    except ImportError:
        raise UsageError("reading .zst needs the research extra: pip install 'trading-bot[research]'") from None
    return zstandard.ZstdDecompressor().decompressobj()


def _decompressed(path: Path, compression: str) -> Iterator[bytes]:
    """Frame by frame: both formats may hold several in a row, and only the frame's end proves it is whole."""
    stream = _decompressor(compression)
    started = False
    read_bytes = 0
    with open_binary(path) as file:
        while piece := file.read(CHUNK_BYTES):
            read_bytes += len(piece)
            while piece:
                if stream.eof:
                    stream, started = _decompressor(compression), False
                    piece = piece.lstrip(b"\0") if compression == "gzip" else piece  # padding after a gzip member
                    if not piece:
                        break
                started = True
                try:
                    plain = stream.decompress(piece)
                except Exception as error:  # zlib.error and zstandard.ZstdError have no common parent but this
                    raise DataCorrupt(
                        f"{path}: the {compression} stream is damaged near byte {read_bytes}: {error}; "
                        "everything before it was read; fetch the file again"
                    ) from error
                if plain:
                    yield plain
                piece = stream.unused_data if stream.eof else b""
    if not read_bytes or (started and not stream.eof):
        raise DataCorrupt(
            f"{path}: the {compression} stream ends early, after {read_bytes} bytes: the end of its last frame was "
            "expected; everything before it was read; fetch the file again"
        )
