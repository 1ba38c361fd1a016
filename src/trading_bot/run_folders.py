"""Runs of a data directory: which one a start goes on with, and what each says it is."""

import os
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from trading_bot.core.recovery import unfinished
from trading_bot.domain.errors import DataCorrupt

ATTRIBUTE_FILE: Final = "run.json"


class RunsBefore(msgspec.Struct, frozen=True, kw_only=True):
    """What a start of such a run finds: a cut run to go on with, and runs of its kind, newest first."""

    attributes: dict[str, Any]
    unfinished: Path | None
    runs: list[Path]


def runs_before(data_dir: Path, attributes: dict[str, Any]) -> RunsBefore:
    """The runs in a data directory, as a start sees them.

    Raises:
        DataCorrupt: what a run says of itself is no JSON.
    """
    unfinished = find_unfinished(data_dir, attributes)
    return RunsBefore(attributes=attributes, unfinished=unfinished, runs=earlier_runs(data_dir, attributes))


def find_unfinished(data_dir: Path, attributes: dict[str, Any]) -> Path | None:
    """The newest run of the same kind, when it was cut; an older one is history."""
    runs = data_dir / "runs"
    if not runs.is_dir():
        return None
    wanted = orjson.loads(orjson.dumps(attributes, default=str))
    for folder in sorted((entry for entry in runs.iterdir() if entry.is_dir()), reverse=True):
        described = folder / ATTRIBUTE_FILE
        if not described.is_file():
            continue
        try:
            held = orjson.loads(described.read_bytes())
        except orjson.JSONDecodeError as error:
            raise DataCorrupt(
                f"{described}: not valid JSON ({error}); remove the folder or restore the file"
            ) from error
        if held == wanted:
            return folder if unfinished(folder) else None
    return None


def earlier_runs(data_dir: Path, attributes: dict[str, Any]) -> list[Path]:
    """Runs of the same mode, adapter and instrument, newest first."""
    runs = data_dir / "runs"
    found = []
    for folder in sorted((entry for entry in runs.iterdir() if entry.is_dir()), reverse=True) if runs.is_dir() else []:
        held = _attributes_of(folder)  # `_find_unfinished` has refused a damaged one already
        if all(held.get(name) == attributes[name] for name in ("mode", "adapter", "instrument")):
            found.append(folder)
    return found


def runs_of(data_dir: Path, instrument: str) -> list[Path]:
    """Runs of any mode and adapter on an instrument, newest first."""
    runs, found = data_dir / "runs", []
    for folder in sorted((entry for entry in runs.iterdir() if entry.is_dir()), reverse=True) if runs.is_dir() else []:
        held = _attributes_of(folder)
        if held.get("instrument") == instrument:
            found.append(folder)
    return found


def _attributes_of(folder: Path) -> dict[str, Any]:
    """What a run's folder says about the run; empty where it says nothing."""
    try:
        held = orjson.loads((folder / ATTRIBUTE_FILE).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return held if isinstance(held, dict) else {}


def write_atomic(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON document whole or not at all."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
