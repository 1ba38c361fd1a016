"""Compressed parts of log records, made large again within bounds: a log may come from somebody else."""

import zlib
from typing import Final

BYTES_MAX: Final = 64 << 20  # the largest part there is, the bars of sixty sessions, has a fifteenth of it


def inflated(packed: bytes, bytes_max: int = BYTES_MAX) -> bytes:
    """What `zlib.compress` made `packed` of.

    Raises:
        ValueError: not whole, damaged, or larger than `bytes_max`.
    """
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed, bytes_max)
    except zlib.error as error:
        raise ValueError(f"its compression is damaged: {error}") from error
    if not stream.eof:
        more = len(plain) == bytes_max
        raise ValueError(f"it has more than {bytes_max} bytes" if more else "its compression ends early")
    return plain
