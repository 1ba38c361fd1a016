"""`learning_state.json`: the learning state and the learned costs on disk, whole or not at all (specification 9).

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
from trading_bot.engines.costs import Costs

FORMAT: Final = "trading_bot learning state"
VERSION: Final = 2
_WITHOUT_COSTS: Final = 1  # the version that knew no costs
FILE_NAME: Final = "learning_state.json"


class LearningDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`state` is what `LearningLoop.export_to_dict` gave after record `seq` of `log` (a session's log folder).

    `costs` are `engines.costs.Costs` as plain values, None where they are not known: version 1 did not hold them.
    """

    format: str
    version: int
    log: str
    seq: int
    sha256: str
    state: dict[str, Any]
    costs: dict[str, Any] | None = None

    def known_costs(self) -> Costs | None:
        """The learned costs.

        Raises:
            DataCorrupt: values that are none.
        """
        if self.costs is None:
            return None
        try:
            return msgspec.convert(self.costs, Costs)
        except msgspec.ValidationError as error:
            raise DataCorrupt(f"learned costs: {error}; remove the file: it is rebuilt from the log") from error


def save_learning(
    path: Path, state: dict[str, Any], *, costs: Costs | None = None, log: str = "", seq: int = 0
) -> None:
    """Write the file whole: a temporary file beside it, fsync, rename, fsync of the folder.

    A process killed at any moment leaves the old file or the new one.

    Raises:
        OSError: the disk does not take it; the old file stands. The caller alerts.
    """
    learned = None if costs is None else msgspec.to_builtins(costs)
    checksum = _checksum(VERSION, log, seq, state, learned)
    document = LearningDocument(
        format=FORMAT, version=VERSION, log=log, seq=seq, sha256=checksum, state=state, costs=learned
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

    Give its `state` to `LearningLoop.load_from_dict`, which checks the content and raises that of an earlier version;
    the next save writes this one.

    Raises:
        DataCorrupt: cut, damaged, not readable, or of another format or version; the message says which.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:  # a folder, or another user's
        raise _refusal(path, f"something that cannot be read ({error.strerror})") from error
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(path, f"{len(content)} bytes that are no complete JSON document ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _refusal(path, "a JSON document that is no learning state")
    version = document.get("version")
    if version not in {_WITHOUT_COSTS, VERSION} or isinstance(version, bool):
        raise _refusal(path, f"version {version!r}, expected {VERSION} or {_WITHOUT_COSTS}")
    try:
        found = msgspec.convert(document, LearningDocument)
    except msgspec.ValidationError as error:
        raise _refusal(path, str(error)) from error
    try:
        checksum = _checksum(found.version, found.log, found.seq, found.state, found.costs)
    except OverflowError as error:
        raise _refusal(path, "a whole number of more than 64 bits, which this program never writes") from error
    if found.sha256 != checksum:
        raise _refusal(path, "a checksum that does not match the content: the file was damaged or edited")
    return found


def _checksum(version: int, log: str, seq: int, state: dict[str, Any], costs: dict[str, Any] | None) -> str:
    content = [FORMAT, version, log, seq, state]
    return hashlib.sha256(canonical(content if version == _WITHOUT_COSTS else [*content, costs])).hexdigest()


def _refusal(path: Path, found: str) -> DataCorrupt:
    return DataCorrupt(
        f"{path}: {found}; expected a learning state written whole. "
        "It is not used: the state is rebuilt from the log, and the next save replaces the file"
    )
