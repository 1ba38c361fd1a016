"""Opening a bug bundle that somebody sent: ordinary files within bounds, into a folder that goes away again."""

import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.reports.bundle import RUN_FOLDER, SUFFIX

BYTES_MAX: Final = 16 << 30  # unpacked: a month of sessions
# What the library raises about nonsense, a TypeError about an empty file among it.
_UNREADABLE: Final = (tarfile.TarError, zlib.error, OSError, EOFError, ValueError, TypeError)
_MEMBERS_MAX: Final = 10_000


def is_bundle(path: Path) -> bool:
    """Whether `path` is the file of a bundle, by its name."""
    return path.name.endswith(SUFFIX) and path.is_file()


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The run folder of the bundle `path`, unpacked beside the system's other temporary files.

    Raises:
        UsageError: it is no bundle of ours.
        DataCorrupt: it is damaged, or larger than any bundle.
    """
    with tempfile.TemporaryDirectory(prefix="trading-bot-bundle-") as folder:
        try:
            with tarfile.open(path, "r|gz") as archive:
                archive.extractall(folder, members=_checked(path, archive), filter="data")
        except _UNREADABLE as error:
            raise DataCorrupt(f"{path} does not unpack: {error}; ask for it again") from error
        runs = [entry / RUN_FOLDER for entry in Path(folder).iterdir() if (entry / RUN_FOLDER).is_dir()]
        if len(runs) != 1:
            raise UsageError(f"{path} holds no run: expected a file that `trading-bot bundle` has written")
        yield runs[0]


def _checked(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    total = 0
    for number, member in enumerate(archive, start=1):
        total += member.size
        if total > BYTES_MAX or number > _MEMBERS_MAX:
            raise DataCorrupt(f"{path} unpacks to more than any bundle holds; it is none, or is meant to fill the disk")
        if not (member.isfile() or member.isdir()):
            raise DataCorrupt(
                f"{path} holds {member.name}, which is neither a file nor a folder: it is no bundle of ours"
            )
        yield member
