"""Honesty as columns: of every tick the score of its minute, and the minutes themselves (docs/parity.md)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.domain.honesty import MINUTE_NS, MinuteHonesty

SUMS: Final = "SHA256SUMS"
_CHUNK_BYTES: Final = 1 << 20


class TickMarks:
    """The score of the minute in which a tick was received."""

    def __init__(self, minutes: Sequence[MinuteHonesty]) -> None:
        """`minutes` ascending."""
        import numpy as np

        scored = [minute for minute in minutes if minute.score is not None]
        # One more, so that a place behind the last minute exists: no tick is in it.
        self._begins = np.array([*(minute.begin_ns for minute in scored), np.iinfo(np.int64).max], dtype=np.int64)
        self._scores = np.array([*(minute.score for minute in scored), 0], dtype=np.uint8)
        self._flagged = np.array([*(minute.flagged for minute in scored), False], dtype=bool)

    def columns(self, ts_ns: Any) -> dict[str, tuple[Any, Any]]:
        """`honesty` and `flagged` of receive times, null where nothing judges the minute."""
        import numpy as np

        begins = ts_ns - ts_ns % MINUTE_NS
        at = np.searchsorted(self._begins, begins)
        unknown = self._begins[at] != begins
        return {"honesty": (self._scores[at], unknown), "flagged": (self._flagged[at], unknown)}


def write_minutes(path: Path, minutes: Sequence[MinuteHonesty], pa: Any, pq: Any) -> None:
    """`minutes.parquet`: each minute with its score and what it was made of; the score is null where it is unknown."""
    types = {"begin_ns": pa.int64(), "score": pa.uint8(), "flagged": pa.bool_()}
    names = [field.name for field in msgspec.structs.fields(MinuteHonesty)]
    schema = pa.schema([(name, types.get(name, pa.int64())) for name in names])
    rows = [msgspec.structs.asdict(minute) for minute in minutes]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, compression="zstd")


def write_sums(folder: Path, paths: Sequence[Path]) -> Path:
    """`SHA256SUMS` of the files, as `sha256sum --check` reads it."""
    lines = []
    for path in paths:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        lines.append(f"{digest.hexdigest()}  {path.name}\n")
    target, temporary = folder / SUMS, folder / f".{SUMS}.tmp"
    temporary.write_text("".join(lines))
    temporary.replace(target)
    return target
