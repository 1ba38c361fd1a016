"""A file of context messages, followed while it grows; it may also be one that belongs to recorded data."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from trading_bot.adapters.context_lines import Found, Line, LineSplitter, RateGate, parse, too_long
from trading_bot.domain.context import ContextLinesRefused, ContextReceived
from trading_bot.domain.units import NS_PER_S

_CHUNK: Final = 64 * 1024


class ContextFile:
    """JSON lines. A file that is not there yet is waited for; one that was replaced or cut begins anew."""

    def __init__(self, path: Path, *, rate_max: int, known: Mapping[str, int]) -> None:
        """Nothing is opened yet. `known`: stamps up to which the log has the messages of a name already."""
        self._path = path
        self._known = known
        self._gate = RateGate(rate_max)
        self._file = -1
        self._lines = LineSplitter()
        self._pending: Iterator[Line] = iter(())
        self._old_bytes = 0  # how long it was when it was first opened: what an earlier time may have left
        self._over_before = 0
        self._first = True
        self._failure = ""

    def close(self) -> None:
        """Forget the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def read(self, now_ns: int, second: int) -> Iterator[Found]:
        """What complete lines say that were not given yet, up to where the file ends now.

        `now_ns` is the market's time, `second` one of the machine, for the rate of lines without a stamp.
        """
        try:
            self._open_current()
            yield from self._read(now_ns, second)
        except OSError as error:
            self.close()
            failure = error.strerror or str(error)
            if failure != self._failure:
                self._failure = failure
                yield ContextLinesRefused(
                    ts_ns=now_ns, where=str(self._path), found=failure, expected="a file this user may read"
                )

    def _read(self, now_ns: int, second: int) -> Iterator[Found]:
        if self._file < 0:
            return
        while True:
            for line in self._pending:
                found = self._judged(line, now_ns, second)
                if found is not None:
                    yield found
            chunk = os.read(self._file, _CHUNK)
            if not chunk:
                break
            self._pending = self._lines.feed(chunk)
        yield from self._told(now_ns)

    def _open_current(self) -> None:
        """Open it when it is there and is not the one that is open already."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return
        if self._file >= 0:
            opened = os.fstat(self._file)
            same = (opened.st_ino, opened.st_dev) == (found.st_ino, found.st_dev)
            if same and found.st_size >= os.lseek(self._file, 0, os.SEEK_CUR):
                return
            self.close()
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "no regular file")
        self._file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._lines, self._failure = LineSplitter(), ""
        self._pending = iter(())
        self._old_bytes = os.fstat(self._file).st_size if self._first else 0
        self._first = False

    def _judged(self, line: Line, now_ns: int, second: int) -> Found | None:
        where = f"{self._path.name} line {line.number}"
        found = too_long(where, now_ns) if line.text is None else parse(line.text, where, now_ns)
        if isinstance(found, ContextReceived):
            if line.start < self._old_bytes and self._left_behind(found, now_ns):
                return None
            second = found.stamped_ns // NS_PER_S  # recorded messages come faster than they were written
        return found if self._gate.admit(second, where) else None

    def _left_behind(self, message: ContextReceived, now_ns: int) -> bool:
        """Whether it belongs to the time before this process: taken then, or over before it began."""
        if message.stamped_ns <= self._known.get(message.name, -1):
            return True
        over = message.stamped_ns + message.time_to_live_ns <= now_ns
        self._over_before += over
        return over

    def _told(self, now_ns: int) -> Iterator[Found]:
        over = self._gate.told(-1, now_ns)
        if over is not None:
            yield over
        if self._over_before:
            yield ContextLinesRefused(
                ts_ns=now_ns,
                where=self._path.name,
                found=f"{self._over_before} messages that had ended before the start",
                expected="living ones; an old file may be moved away",
                count=self._over_before,
            )
            self._over_before = 0
