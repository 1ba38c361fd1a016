"""The heartbeat: a mapped file that the bot's loop touches, for the dead man and whoever else watches (SF06).

The loop writes it itself, not a thread: a loop that stands still shows. Times are of the monotonic clock, which all
processes of one machine share. Shell code; nothing here is an input of a decision.

| bytes | holds (little-endian, 8 bytes each) |
|---|---|
| 0 | `TBHEART1` |
| 8 | process id |
| 16 | when that process started, in the kernel's own count: a process id may come back |
| 24 | when it began to start |
| 32 | the newest beat of the loop, 0 before the first |
| 40 | number of beats |
| 48 | 1: a bot that sends orders has run here and has not ended in an orderly way |
| 56 | since when the bot asks for help with a position that it cannot close, 0: it does not |
| 64 | length of the description, which follows: JSON, what the bot is and where its broker is |
"""

import mmap
import os
import struct
import time
from pathlib import Path
from typing import Final

import msgspec
import orjson

HEARTBEAT_FILE: Final = "heartbeat"
_MAGIC: Final = b"TBHEART1"
_BYTES: Final = 4096
_HEAD: Final = struct.Struct("<8s8q")
_PID_AT, _STARTING_AT, _BEAT_AT, _OPEN_AT, _ASKED_AT, _LENGTH_AT = 8, 24, 32, 48, 56, 64
_PAIR: Final = struct.Struct("<2q")
_ONE: Final = struct.Struct("<q")


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What a bot says of itself. `sends`: its orders leave this machine; `contract` is the broker's id of it."""

    run_id: str
    mode: str
    sends: bool
    instrument: str
    account: str = ""
    client_id: int = -1
    host: str = ""
    port: int = 0
    contract: int = 0


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says. Times in ns of the monotonic clock.

    `owed`: nobody has ended this run in an orderly way. `asked_ns`: since when the bot asks for help, 0: it does not.
    """

    pid: int
    process_started: int
    starting_ns: int
    beat_ns: int
    beats: int
    owed: bool
    asked_ns: int
    described: Described | None


class Heartbeat:
    """The bot's side. One per process and data directory."""

    def __init__(self, data_dir: Path) -> None:
        """Makes the file where there is none, and leaves what it says as it is.

        Raises:
            OSError: the disk does not take a page.
        """
        self.path = data_dir / HEARTBEAT_FILE
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            os.posix_fallocate(file, 0, _BYTES)  # a page without room would be a SIGBUS in the loop
            self._page = mmap.mmap(file, _BYTES)
        finally:
            os.close(file)
        if self._page[: len(_MAGIC)] != _MAGIC:
            self._page[:] = bytes(_BYTES)
            self._page[: len(_MAGIC)] = _MAGIC
        self.beat_ns = 0  # this process's newest
        self._beats = 0
        self._sends = False

    def begin(self) -> None:
        """A process starts. What an earlier one has left open stays open until this one has ended in order."""
        _PAIR.pack_into(self._page, _PID_AT, os.getpid(), process_started(os.getpid()) or 0)
        _PAIR.pack_into(self._page, _STARTING_AT, time.monotonic_ns(), 0)
        self.ask(0)

    def describe(self, described: Described) -> None:
        """What runs here from now on."""
        text = orjson.dumps(msgspec.to_builtins(described))
        _ONE.pack_into(self._page, _LENGTH_AT, 0)  # nobody reads half of it
        self._page[_HEAD.size : _HEAD.size + len(text)] = text
        _ONE.pack_into(self._page, _LENGTH_AT, len(text))
        self._sends = described.sends

    def beat(self, now_ns: int) -> None:
        """The loop is alive; `now_ns` is monotonic. About half a microsecond."""
        self._beats += 1
        self.beat_ns = now_ns
        _PAIR.pack_into(self._page, _BEAT_AT, now_ns, self._beats)
        if self._beats == 1 and self._sends:
            _ONE.pack_into(self._page, _OPEN_AT, 1)

    def ask(self, now_ns: int) -> None:
        """Help with a position that does not close (specification 10, T-3:00); 0: it has closed."""
        _ONE.pack_into(self._page, _ASKED_AT, now_ns)

    def end(self) -> None:
        """An orderly end: whatever is open now is left on purpose."""
        if self._sends:
            _ONE.pack_into(self._page, _OPEN_AT, 0)


def read_pulse(data_dir: Path) -> Pulse | None:
    """The heartbeat of the bot there; None when there is none, or what is there is no heartbeat."""
    try:
        file = os.open(data_dir / HEARTBEAT_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        page = os.read(file, _BYTES)
    except OSError:
        return None
    finally:
        os.close(file)
    if len(page) < _HEAD.size or page[: len(_MAGIC)] != _MAGIC:
        return None
    _magic, pid, started, starting_ns, beat_ns, beats, owed, asked_ns, length = _HEAD.unpack_from(page)
    described = None
    if 0 < length <= len(page) - _HEAD.size:
        try:
            described = msgspec.json.decode(page[_HEAD.size : _HEAD.size + length], type=Described)
        except (ValueError, RecursionError):  # no JSON, no UTF-8, or other keys
            described = None
    return Pulse(
        pid=pid,
        process_started=started,
        starting_ns=starting_ns,
        beat_ns=beat_ns,
        beats=beats,
        owed=bool(owed),
        asked_ns=asked_ns,
        described=described,
    )


def process_started(pid: int) -> int | None:
    """When a process started, in the kernel's ticks since boot; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()  # the name may hold anything
    return int(fields[19]) if len(fields) > 19 else None
