"""What operator and bot tell each other, as files in the data directory (specification 8.3).

| file | written by | means |
|---|---|---|
| `KILLSWITCH` | `kill`, the bot, or a person with `touch` | latched: no start; a running bot flattens and halts |
| `KILLSWITCH.cleared` | `unkill` | a person cleared it, and why; the next run uses it up |
| `FLATTEN` | `flatten`, or a person with `touch` | close the position; the bot removes it when it takes the request |
| `DEADMAN` | the dead man | he closes what is open: a bot that thaws ends without sending anything (docs/deadman.md) |
| `status.json` | the bot, once a second | what it does (`BotStatus`) |
| `control.sock`, `control.token` | the bot | the same requests over a socket (`adapters/control_socket.py`) |
| `logs/operator.jsonl` | everybody above | one line for each command, and for each that the bot took |

Shell code: wall time is for people. A request that cannot be read or understood still counts, because whoever made it
wanted the bot to stop. Every write is whole or not at all.
"""

import contextlib
import errno
import fcntl
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from trading_bot.domain.errors import UsageError
from trading_bot.domain.units import iso_from_ns

KILL_FILE: Final = "KILLSWITCH"
CLEARED_FILE: Final = "KILLSWITCH.cleared"
FLATTEN_FILE: Final = "FLATTEN"
TAKEN_OVER_FILE: Final = "DEADMAN"
STATUS_FILE: Final = "status.json"
JOURNAL_FILE: Final = "operator.jsonl"
LOCK_FILE: Final = "bot.lock"
BY_HAND: Final = "file"  # source of a request whose file names none
NO_REASON: Final = "no reason given"
REASON_CHARS_MAX: Final = 500
READ_BYTES_MAX: Final = 64 * 1024
_NOT_OURS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Latch(msgspec.Struct, frozen=True, kw_only=True):
    """What a `KILLSWITCH` or `FLATTEN` file says; `when` is UTC wall time as text."""

    reason: str
    source: str
    when: str


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that the latch may go; `latch` is the one that went."""

    reason: str
    source: str
    when: str
    latch: Latch


class BotStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a running bot shows to other processes; `OperatorDesk.publish` fills in the last three fields.

    `position_qty` None is unknown, `position_avg_ticks` None is flat; scores in hundredths; `throttled` has the
    templates that are not ACTIVE, with their state; `last_exit` is the reason of the newest closed trade; `lockouts`
    say what stops entries for a while and until when; `levels` are the reference levels, lowest first (docs/levels.md),
    `context` the living messages (docs/context.md); `costs` as `core.cost_desk.cost_rows` has them; `link` is the
    newest LINK_STATUS and `reconciliation` the newest RECONCILIATION_DONE, empty where a simulator stands for the
    broker; `reconciled_rows` counts what `reconciliations` comparisons of the run found (docs/reconciliation.md).
    `kill_timeline_ms` has ms since the kill switch latched, by stage (`core/kill_timeline.py`); empty without one.
    `log_seq` is the number of the newest record of the session's log: a replay up to it shows the same.
    `limits` are the breakers on losses with the dollars left to each, `rules` the account's rule pack (docs/rules.md).
    `held` is the open position as a POSITION_HEARTBEAT would tell it now, and in words; empty while there is none.
    """

    run_id: str
    mode: str
    adapter: str
    instrument: str
    ts_market_ns: int
    session_state: str
    position_qty: int | None
    position_avg_ticks: float | None
    pnl_net_usd: float
    hypothetical: bool
    working_entries: int
    dvs_c: int
    eqs_c: int
    kill_reason: str | None
    stopping: str | None
    breakers: tuple[str, ...]
    throttled: dict[str, str]
    trades: int
    last_exit: str | None
    log_path: str
    lockouts: tuple[str, ...] = ()
    costs: dict[str, float | int | None] = {}
    levels: tuple[dict[str, Any], ...] = ()
    context: tuple[dict[str, Any], ...] = ()
    link: dict[str, Any] = {}
    reconciliation: dict[str, Any] = {}
    reconciliations: int = 0
    reconciled_rows: dict[str, int] = {}
    pid: int = 0
    ts_wall_ns: int = 0
    kill_timeline_ms: dict[str, float] = {}
    log_seq: int = 0
    limits: tuple[dict[str, Any], ...] = ()
    rules: dict[str, Any] = {}
    held: dict[str, Any] = {}


class _Request(msgspec.Struct, frozen=True):
    """A file as written by this program, or by a person who knows its keys."""

    reason: str = ""
    source: str = BY_HAND
    when: str = ""


# --- from other processes ------------------------------------------------------------------------------------------


def pull(data_dir: Path, reason: str, source: str, *, once: bool = False) -> bool:
    """Latch the kill switch; False when it was latched already (the first reason stands).

    An earlier clearing goes in any case. `once`: a switch that was latched already leaves no line in the journal.

    Raises:
        OSError: the disk takes not even an empty file.
    """
    switch = data_dir / KILL_FILE
    said, by = plain(reason) or NO_REASON, plain(source)
    try:
        created = _create(switch, orjson.dumps({"reason": said, "source": by, "when": wall()}))
    except OSError:
        # A full disk may still have room for a name, and an empty file latches as well.
        try:
            os.close(os.open(switch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            created = True
        except FileExistsError:
            created = False
    finally:
        with contextlib.suppress(OSError):
            (data_dir / CLEARED_FILE).unlink()
    if created or not once:
        note(data_dir, "kill", said, by, already=not created)
    return created


def latched(data_dir: Path) -> Latch | None:
    """The kill switch as it stands, also when its file is empty, damaged or unreadable."""
    return read_request(data_dir / KILL_FILE)


def clear(data_dir: Path, reason: str, source: str) -> Cleared | None:
    """Clear the latch; None when nothing is latched.

    A process killed at any moment leaves the latch, or the latch gone and who cleared it.

    Raises:
        UsageError: no reason.
        OSError: the disk does not take it; the latch stands.
    """
    said = plain(reason)
    if not said:
        raise UsageError("clearing the kill switch needs a reason that can be read later: --reason TEXT")
    latch = latched(data_dir)
    if latch is None:
        return None
    found = Cleared(reason=said, source=plain(source), when=wall(), latch=latch)
    replace(data_dir / CLEARED_FILE, msgspec.json.encode(found))
    with contextlib.suppress(FileNotFoundError):
        _remove(data_dir / KILL_FILE)
    _sync(data_dir)
    note(data_dir, "unkill", found.reason, found.source, latch=msgspec.structs.asdict(latch))
    return found


def cleared(data_dir: Path) -> Cleared | None:
    """Who cleared the latch since the last run began; None also for a file that does not say why."""
    try:
        found = msgspec.json.decode(content_of(data_dir / CLEARED_FILE), type=Cleared)
    except (OSError, *_NOT_OURS):
        return None  # not cleared, then: the safe reading
    reason = plain(found.reason)
    return msgspec.structs.replace(found, reason=reason, source=plain(found.source)) if reason else None


def ask_to_flatten(data_dir: Path, reason: str, source: str) -> bool:
    """Leave a request for the running bot; False when one stands there already.

    Raises:
        OSError: the disk does not take it.
    """
    said, by = plain(reason) or NO_REASON, plain(source)
    note(data_dir, "flatten", said, by)
    return _create(data_dir / FLATTEN_FILE, orjson.dumps({"reason": said, "source": by, "when": wall()}))


def read_status(data_dir: Path) -> tuple[BotStatus | None, str]:
    """The status a bot published last, or None and why there is none to be had."""
    path = data_dir / STATUS_FILE
    try:
        return msgspec.json.decode(content_of(path), type=BotStatus), ""
    except FileNotFoundError:
        return None, f"there is no {path}: no bot has published its status here"
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror}"
    except _NOT_OURS as error:
        return None, f"{path} is not the status of this version of the bot: {error}"


def bot_runs(data_dir: Path) -> bool:
    """Whether a process holds `bot.lock`.

    Raises:
        OSError: the lock cannot be looked at.
    """
    return is_locked(data_dir / LOCK_FILE)


def is_locked(path: Path) -> bool:
    """Whether a process holds this lock; a file that is not there is held by nobody.

    Raises:
        OSError: the lock cannot be looked at.
    """
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def bot_pid(data_dir: Path) -> int | None:
    """The process that wrote its number into `bot.lock`; None when there is none to read."""
    try:
        text = content_of(data_dir / LOCK_FILE)
    except OSError:
        return None
    return int(text) if text.strip().isdigit() and len(text) < 20 else None


def waiting(request: Path) -> bool:
    """Whether nobody has taken the request yet."""
    return os.path.lexists(request)


def take_back(request: Path) -> bool:
    """Withdraw a request; False when it was taken meanwhile, or cannot be removed."""
    try:
        request.unlink()
    except OSError:
        return False
    return True


def plain(text: str) -> str:
    """One printable line of at most 500 characters: what others wrote ends in logs, alerts and on terminals."""
    words = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * REASON_CHARS_MAX]).split()
    line = " ".join(words)
    return line if len(line) <= REASON_CHARS_MAX else f"{line[: REASON_CHARS_MAX - 1]}…"


def note(data_dir: Path, event: str, reason: str, source: str, **more: Any) -> None:
    """One line in `logs/operator.jsonl`. A disk that does not take it must not stop the command it is about."""
    line = orjson.dumps(
        {"ts": wall(), "event": event, "reason": reason, "source": source, "pid": os.getpid(), **more},
        option=orjson.OPT_APPEND_NEWLINE,
    )
    path = data_dir / "logs" / JOURNAL_FILE
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(journal, line)
        finally:
            os.close(journal)


# --- files ---------------------------------------------------------------------------------------------------------


def read_request(path: Path) -> Latch | None:
    """What a request's file says; None when there is none. It never fails: what cannot be read still counts."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Latch(reason=f"{path.name} cannot be looked at: {error.strerror}", source=BY_HAND, when=wall())
    when = iso_from_ns(found.st_mtime_ns)
    try:
        content = content_of(path)
    except OSError as error:
        return Latch(reason=f"{path.name} cannot be read: {error.strerror}", source=BY_HAND, when=when)
    try:
        request = msgspec.json.decode(content, type=_Request)
    except _NOT_OURS:
        text = plain(content.decode("utf-8", "replace"))
        said = f"{path.name} was made by hand and says: {text}" if text else f"{path.name} was made by hand, empty"
        return Latch(reason=plain(said), source=BY_HAND, when=when)
    return Latch(
        reason=plain(request.reason) or NO_REASON,
        source=plain(request.source) or BY_HAND,
        when=plain(request.when) or when,
    )


def content_of(path: Path) -> bytes:
    """The first 64 KiB of a regular file; a pipe would wait for its writer, a link may lead anywhere.

    Raises:
        OSError: also for anything that is no regular file.
    """
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.read(file, READ_BYTES_MAX)
    finally:
        os.close(file)


def _temporary(path: Path, content: bytes, *, sync: bool) -> Path:
    """`content` in a file beside `path`, whole and on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink()
        raise
    return temporary


def replace(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write a file whole or not at all."""
    _temporary(path, content, sync=sync).replace(path)
    if sync:
        _sync(path.parent)


def _create(path: Path, content: bytes) -> bool:
    """Write a file whole unless there is one; of two processes at once, one creates it."""
    temporary = _temporary(path, content, sync=True)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:
        # A file system without hard links; two processes at once may then both create it.
        if os.path.lexists(path):
            return False
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    with contextlib.suppress(OSError):  # it stands for every process; only a power cut could still take it back
        _sync(path.parent)
    return True


def _remove(path: Path) -> None:
    """Remove a file, or an empty folder that stands in its place."""
    try:
        path.unlink()
    except (IsADirectoryError, PermissionError):  # Linux and POSIX say that a folder is no file in different ways
        path.rmdir()


def _sync(folder: Path) -> None:
    """What was created, renamed or removed in `folder` survives a power cut from here on."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def wall() -> str:
    """Wall time, UTC, for people."""
    return iso_from_ns(time.time_ns())
