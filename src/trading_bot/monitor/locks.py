"""Whether a process holds a lock, without taking it even for a moment: a bot that starts just then must get it.

The kernel lists its locks; a file system may number its files otherwise there. Only where a process of the number that
the lock's owner wrote is alive, and the list does not have its lock, is the lock itself asked.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

_LIST: Final = Path("/proc/locks")
_PROCESSES: Final = Path("/proc")


def held(lock: Path, pid: int | None, ask: Callable[[], bool]) -> bool | None:
    """Whether somebody holds `lock`; None is not known. `ask` takes the lock for a moment to find out."""
    try:
        inode = lock.stat().st_ino
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        listed = _LIST.read_text(encoding="ascii", errors="replace")
    except OSError:
        return _asked(ask)
    if any(_is_of(line, inode) for line in listed.splitlines()):
        return True
    return _asked(ask) if pid is not None and (_PROCESSES / str(pid)).exists() else False


def _is_of(line: str, inode: int) -> bool:
    """`12: FLOCK  ADVISORY  WRITE 345 08:01:6789 0 EOF`, with the inode at the end of the sixth word."""
    words = line.split()
    return len(words) >= 6 and words[1] == "FLOCK" and words[3] == "WRITE" and words[5].endswith(f":{inode}")


def _asked(ask: Callable[[], bool]) -> bool | None:
    try:
        return ask()
    except OSError:
        return None
