"""Bots whose log has a disk in trouble: without room, refusing, or not answering (PR06).

The trouble begins and ends with a file beside the bot's data, and meets the log's segment files alone, where the
system's answer would come from; everything above them is the product's. Segments are small, so that a full disk is
felt within seconds.
"""

import errno
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

from trading_bot.chaos.lab import Lab
from trading_bot.chaos.warm_bots import WarmProcess, launch_warm
from trading_bot.core.segment_file import SegmentFile

Trouble = Literal["full", "refuses", "slow", ""]
SEGMENT_BYTES: Final = 128 * 1024  # for each MiB that log.segment_mib says
_FLAG: Final = "disk-trouble"
_POLL_S: Final = 0.02


def trouble(lab: Lab, kind: Trouble) -> None:
    """From now on the disk of every bot of the lab is so; empty: it is well."""
    (lab.folder / _FLAG).write_text(kind, encoding="utf-8")


def launch_on_bad_disk(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str], out_path: Path, err_path: Path
) -> WarmProcess:
    """As `warm_bots.launch_warm`, with a disk that `trouble` reaches."""
    return launch_warm(arguments, folder, env, out_path, err_path, prepare=_take_over)


def _take_over(folder: Path) -> None:
    """In the bot's process, before it begins."""
    allocate, sync = SegmentFile.allocate, SegmentFile.sync
    flag = folder / _FLAG

    def told() -> str:
        return flag.read_text(encoding="utf-8") if flag.exists() else ""

    def allocated(*where: Any, **how: Any) -> SegmentFile:
        match told():
            case "full":
                raise OSError(errno.ENOSPC, "No space left on device")
            case "refuses":
                raise OSError(errno.EROFS, "Read-only file system")
            case _:
                pass
        return allocate(*where, **how)

    def synced(opened: SegmentFile, end_bytes: int) -> None:
        while told() == "slow":
            time.sleep(_POLL_S)
        if told() == "refuses":
            raise OSError(errno.EIO, "Input/output error")
        sync(opened, end_bytes)

    setattr(SegmentFile, "allocate", allocated)  # noqa: B010 (a fault is put where the system's answer would come from)
    setattr(SegmentFile, "sync", synced)  # noqa: B010
    setattr(import_module("trading_bot.wiring"), "_MIB", SEGMENT_BYTES)  # noqa: B010
