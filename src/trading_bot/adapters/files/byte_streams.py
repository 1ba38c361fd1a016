"""Bytes and lines of a file, compressed or not, in constant memory.

A stream that ends early or is damaged raises DataCorrupt only after everything before the damage has been handed out.
"""

import codecs
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from trading_bot.domain.errors import DataCorrupt, SourceUnreachable, UsageError

CHUNK_BYTES: Final = 65_536
ZSTD_CHUNK_BYTES: Final = 4_096
LINE_BYTES_MAX: Final = 1 << 20


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
        return _gzip(path)
    if path.name.endswith(".zst"):
        return _zstd(path)
    return _plain(path)


def lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Complete lines without their ends; a last line without an end counts when the stream itself ended in order.

    Raises DataCorrupt for a line of more than 1 MiB: what has no line ends is no text, however long it goes on.
    """
    rest = b""
    pieces = _without_mark(pieces)
    for piece in pieces:
        whole = (rest + piece).split(b"\n")
        rest = whole.pop()
        if len(rest) > LINE_BYTES_MAX:
            raise DataCorrupt(
                f"a line of more than {LINE_BYTES_MAX} bytes: this is no text of rows; is it another format?"
            )
        for line in whole:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
    if rest:
        yield rest.rstrip(b"\r").decode("utf-8", "replace")


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Without the byte order mark that spreadsheets put before UTF-8 text."""
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= len(codecs.BOM_UTF8):
            break
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from pieces


def _plain(path: Path) -> Iterator[bytes]:
    with open_binary(path) as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece


def _gzip(path: Path) -> Iterator[bytes]:
    """Member by member; the output of each step is bounded, however well the file was compressed."""
    stream = zlib.decompressobj(wbits=31)
    started = ended = False
    read_bytes = 0
    with open_binary(path) as file:
        while piece := file.read(CHUNK_BYTES):
            read_bytes += len(piece)
            while piece:
                if ended:
                    stream, started, ended = zlib.decompressobj(wbits=31), False, False
                    piece = piece.lstrip(b"\0")  # padding after a member
                    continue
                started = True
                try:
                    plain = stream.decompress(piece, CHUNK_BYTES)
                except zlib.error as error:
                    raise _damaged(path, "gzip", read_bytes, error) from error
                if plain:
                    yield plain
                ended = stream.eof
                piece = stream.unused_data if ended else stream.unconsumed_tail
    if not read_bytes or (started and not ended):
        raise _ends_early(path, "gzip", read_bytes)


def _zstd(path: Path) -> Iterator[bytes]:
    """Frame by frame, in small steps: what a step gave before a damaged block inside it is lost."""
    try:
        import zstandard
    except ImportError:
        raise UsageError("reading .zst needs the research extra: pip install 'trading-bot[research]'") from None
    stream = zstandard.ZstdDecompressor().decompressobj()
    ended = False
    read_bytes = 0
    with open_binary(path) as file:
        while piece := file.read(ZSTD_CHUNK_BYTES):
            read_bytes += len(piece)
            while piece:
                if ended:
                    stream = zstandard.ZstdDecompressor().decompressobj()
                try:
                    plain = stream.decompress(piece)
                except zstandard.ZstdError as error:
                    raise _damaged(path, "zstd", read_bytes, error) from error
                if plain:
                    yield plain
                ended = stream.eof
                piece = stream.unused_data if ended else b""
    if not ended:
        raise _ends_early(path, "zstd", read_bytes)


def _damaged(path: Path, compression: str, read_bytes: int, error: Exception) -> DataCorrupt:
    return DataCorrupt(
        f"{path}: the {compression} stream is damaged near byte {read_bytes}: {error}; "
        "everything before it was read; fetch the file again"
    )


def _ends_early(path: Path, compression: str, read_bytes: int) -> DataCorrupt:
    return DataCorrupt(
        f"{path}: the {compression} stream ends early, after {read_bytes} bytes: the end of its last frame was "
        "expected; everything before it was read; fetch the file again"
    )
