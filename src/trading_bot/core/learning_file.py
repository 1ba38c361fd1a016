"""`learning_state.json`: the learning state on disk, whole or not at all (specification 9).

One JSON object with a checksum over its content. It is a projection of the log: `log` and `seq` say up to which
record. The shell calls this on a `SaveLearningState` effect and at the start; nothing here decides.
"""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.domain.config import canonical
from trading_bot.domain.errors import DataCorrupt

FORMAT: Final = "trading_bot learning state"
VERSION: Final = 1
FILE_NAME: Final = "learning_state.json"


class LearningDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`state` is what `LearningLoop.export_to_dict` gave after record `seq` of `log` (a session's log folder)."""

    format: str
    version: int
    log: str
    seq: int
    sha256: str
    state: dict[str, Any]


def save_learning(path: Path, state: dict[str, Any], *, log: str = "", seq: int = 0) -> None:
    """Write the file whole: a temporary file beside it, fsync, rename, fsync of the folder.

    A process killed at any moment leaves the old file or the new one.

    Raises:
        OSError: the disk does not take it; the old file stands. The caller alerts.
    """
    document = LearningDocument(
        format=FORMAT, version=VERSION, log=log, seq=seq, sha256=_checksum(log, seq, state), state=state
    )
    # No newline at the end: then every shorter file is visibly incomplete.
    content = msgspec.json.encode(document)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_learning(path: Path) -> LearningDocument | None:
    """The file's document; None when there is no file (a first start).

    Give its `state` to `LearningLoop.load_from_dict`, which checks the content.

    Raises:
        DataCorrupt: cut, damaged, or of another format or version; the message says which.
        OSError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(path, f"{len(content)} bytes that are no complete JSON document ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _refusal(path, "a JSON document that is no learning state")
    if document.get("version") != VERSION or isinstance(document.get("version"), bool):
        raise _refusal(path, f"version {document.get('version')!r}, expected {VERSION}")
    try:
        found = msgspec.convert(document, LearningDocument)
    except msgspec.ValidationError as error:
        raise _refusal(path, str(error)) from error
    try:
        checksum = _checksum(found.log, found.seq, found.state)
    except OverflowError as error:
        raise _refusal(path, "a whole number of more than 64 bits, which this program never writes") from error
    if found.sha256 != checksum:
        raise _refusal(path, "a checksum that does not match the content: the file was damaged or edited")
    return found


def _checksum(log: str, seq: int, state: dict[str, Any]) -> str:
    return hashlib.sha256(canonical([FORMAT, VERSION, log, seq, state])).hexdigest()


def _refusal(path: Path, found: str) -> DataCorrupt:
    return DataCorrupt(
        f"{path}: {found}; expected a learning state written whole. "
        "It is not used: the state is rebuilt from the log, and the next save replaces the file"
    )
