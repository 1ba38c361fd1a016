"""`learned_params.json`: the parameters a person adopted, whole or not at all, every earlier set kept (features LE05).

Read once, where a run begins a session; a run that is going on never reads it again.
"""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core import operator_files
from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import events, log_records
from trading_bot.domain.config import canonical
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.learned import LearnedBooks, LearnedSet

FILE_NAME: Final = "learned_params.json"
PREVIOUS_NAME: Final = "learned_params.previous.json"
FORMAT: Final = "trading_bot learned parameters"
VERSION: Final = 1
# The tag stands at the start of a message: what is none of these is not decoded.
_TAGS: Final = (b"RUN_STARTED", b"PROCESS_STARTED")
_TAG_BYTES: Final = 48


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    version: int
    sha256: str
    books: LearnedBooks


def read_learned(data_dir: Path) -> LearnedBooks:
    """Every set that was adopted in a data directory; empty where none was.

    Raises:
        DataCorrupt: cut, changed, not readable, or of another format or version.
    """
    path = data_dir / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return LearnedBooks()
    except OSError as error:  # a folder, or another user's
        raise _refusal(path, f"something that cannot be read ({error.strerror})") from error
    try:
        head = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(path, f"{len(content)} bytes that are no complete JSON document ({error})") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise _refusal(path, "a JSON document that holds no learned parameters")
    if head.get("version") != VERSION or isinstance(head.get("version"), bool):
        raise _refusal(path, f"version {head.get('version')!r}, expected {VERSION}")
    try:
        document = msgspec.convert(head, _Document)
    except msgspec.ValidationError as error:
        raise _refusal(path, str(error)) from error
    if document.sha256 != _checksum(document.books):
        raise _refusal(path, "a checksum that does not match the content: the file was damaged or edited")
    return document.books


def write_learned(data_dir: Path, books: LearnedBooks) -> Path:
    """Write the file whole; the one before it stays beside it under `PREVIOUS_NAME`.

    A process killed at any moment leaves the old file or the new one.

    Raises:
        OSError: the disk does not take it; the old file stands.
    """
    path = data_dir / FILE_NAME
    content = msgspec.json.encode(_Document(format=FORMAT, version=VERSION, sha256=_checksum(books), books=books))
    data_dir.mkdir(parents=True, exist_ok=True)
    if path.exists():
        operator_files.replace(data_dir / PREVIOUS_NAME, path.read_bytes())
    operator_files.replace(path, content)
    return path


@contextmanager
def only_writer(data_dir: Path) -> Iterator[None]:
    """One adoption at a time: from reading the file to writing it.

    Raises:
        UsageError: another process is at it, or there is no such data directory.
    """
    if not data_dir.is_dir():  # made here, it would hold a set that no bot ever reads
        raise UsageError(f"--data-dir {data_dir} does not exist; name the one that the bot runs with")
    with (data_dir / f".{FILE_NAME}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another process is changing {data_dir / FILE_NAME}; wait for it, then ask again"
            ) from error
        yield


class LoggedSession(msgspec.Struct, frozen=True, kw_only=True):
    """The newest session log of a run: whether it lacks its end, its trade date, and the set it was written with."""

    going_on: bool
    trade_date: int
    learned: LearnedSet | None


def newest_session(run_folder: Path) -> LoggedSession | None:
    """What the newest log with any record says; None where there is none. Reads that log to its end.

    Raises:
        UsageError: the folder holds no log.
        LogCorrupt: a record about the start of a process does not decode.
    """
    for log in reversed(session_logs(run_folder)):
        documents, last = b"", b""
        for last in _messages(log):
            if any(tag in last[:_TAG_BYTES] for tag in _TAGS):
                record = log_records.decode(last)
                documents = getattr(record, "documents", b"") or documents
        if documents:
            learned = RunDocuments.unpack(documents, where=log.name).learned
            ended = b"RUN_ENDED" in last[:_TAG_BYTES]
            return LoggedSession(going_on=not ended, trade_date=newest_date(run_folder), learned=learned)
    return None


def newest_date(run_folder: Path) -> int:
    """Trade date (yyyymmdd) of the newest log of a run that holds a record, 0 where none does or it had none.

    Raises:
        UsageError: the folder holds no log.
        LogCorrupt: the first record does not decode.
    """
    for log in reversed(session_logs(run_folder)):
        first = next(_messages(log), None)
        record = None if first is None else log_records.decode(first)
        if isinstance(record, events.RunStarted):
            return record.trade_date
    return 0


def _messages(log: Path) -> Iterator[bytes]:
    with LogReader(log) as reader:
        for item in reader.spans():
            if isinstance(item, MessageFrame):
                yield bytes(item.payload)


def _checksum(books: LearnedBooks) -> str:
    return hashlib.sha256(canonical([FORMAT, VERSION, msgspec.to_builtins(books)])).hexdigest()


def _refusal(path: Path, found: str) -> DataCorrupt:
    return DataCorrupt(
        f"{path}: {found}; expected learned parameters written whole. Copy {PREVIOUS_NAME} over it to go back to the "
        "sets before the last change, or move it away to trade with the strategy file as it is"
    )
