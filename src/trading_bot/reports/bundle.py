"""A bug bundle: one file with everything that replays a run elsewhere and nothing that names its owner (NV07).

The logs are written again with their texts replaced (`log_rewrite`, `redaction`), replayed before and after, and packed
with what stood beside them. The bundle says what was replaced, never what it was.
"""

import gzip
import hashlib
import os
import tarfile
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from trading_bot.core.event_log import LogReader, MessageFrame
from trading_bot.core.operator_files import CLEARED_FILE, KILL_FILE, STATUS_FILE
from trading_bot.core.replay import replay, session_logs
from trading_bot.domain import log_records
from trading_bot.domain.errors import LogCorrupt, UsageError
from trading_bot.domain.events import RunStarted
from trading_bot.domain.inflated import inflated
from trading_bot.domain.summary import ReplayReport
from trading_bot.reports.bundle_text import readme
from trading_bot.reports.log_rewrite import LogCopy, ending_digests, learn_log, rewrite_log
from trading_bot.reports.redaction import Redactor

SCHEMA: Final = 1
SUFFIX: Final = ".tar.gz"
MANIFEST: Final = "bundle.json"
RUN_FOLDER: Final = "run"
_STATE_FILES: Final = (STATUS_FILE, "learning_state.json", "learned_params.json", KILL_FILE, CLEARED_FILE)
_LINES_MAX: Final = 50_000  # newest diagnostic lines of a file
_FILE_BYTES_MAX: Final = 64 << 20
# What must be the same of a replay before and after.
_SAME: Final = ("ok", "logs", "records", "ticks", "effects", "first_difference_seq", "last_seq")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay said; `error` where there was none, because a log is damaged."""

    ok: bool
    logs: int = 0
    records: int = 0
    ticks: int = 0
    effects: int = 0
    first_difference_seq: int | None = None
    last_seq: int = 0
    effects_digest: str = ""
    state_digest: str = ""
    reason: str = ""
    error: str = ""


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What was packed. `equal`: the bundle replays as the original does, difference or not.

    `replaced` counts the different things of each kind that got another name (secrets: the places). `state_digest` of
    the original is left out where it differs: it would confirm a guess of what was replaced.
    """

    schema: int
    name: str
    run_id: str
    mode: str
    instrument: str
    logs: tuple[str, ...]
    records: int
    changed_messages: int
    original: Seen
    bundled: Seen
    equal: bool
    effects_digest_same: bool
    state_digest_same: bool
    replaced: dict[str, int]
    versions: dict[str, str]
    notes: tuple[str, ...]
    files: dict[str, str]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bundle is made: the code, and what names this machine and its user."""

    build: str
    versions: dict[str, str]
    secrets: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def make_bundle(folder: Path, out: Path, origin: Origin, *, hide: Iterable[str] = ()) -> Bundle:
    """Pack the run or the session's log in `folder` into the new file `out`. `hide` are further words to take out.

    Raises:
        UsageError: no log there, or `out` exists.
        OSError: the disk does not take it; nothing is left of it then.
    """
    if out.exists():
        raise UsageError(f"{out} exists; name another file with --out, or remove it")
    logs = session_logs(folder)
    run_folder = logs[0].parent
    redactor = Redactor(secrets=(*origin.secrets, *hide), users=origin.users, hosts=origin.hosts)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=out.parent) as made:
        root = Path(made) / "bundle"
        target = root / RUN_FOLDER
        sides = dict(_side_files(run_folder, _first(logs[0]).run_id))
        for _path, document in sides.values():
            redactor.learn(document)
        copies, original, bundled = _rewrite(logs, target, redactor, origin.build)
        started = _first(target / logs[0].name)
        _write_sides(root, sides, target, logs, redactor)
        bundle = Bundle(
            schema=SCHEMA,
            name=out.name.removesuffix(SUFFIX),
            run_id=started.run_id,
            mode=started.mode,
            instrument=started.instrument,
            logs=tuple(log.name for log in logs),
            records=sum(copy.records for copy in copies),
            changed_messages=sum(copy.changed for copy in copies),
            original=_hidden(original, bundled, redactor),
            bundled=bundled,
            equal=_equal(original, bundled),
            effects_digest_same=original.effects_digest == bundled.effects_digest,
            state_digest_same=original.state_digest == bundled.state_digest,
            replaced=redactor.counts,
            versions={**origin.versions, "build_of_the_log": started.kernel_build, "build_here": origin.build},
            notes=tuple(_notes(logs, copies, same_build=started.kernel_build == origin.build)),
            files=dict(_checksums(root)),
        )
        (root / MANIFEST).write_bytes(_json(bundle))
        (root / "README.md").write_text(readme(bundle), encoding="utf-8")
        _pack(root, Path(made) / "packed", bundle.name)
        (Path(made) / "packed").rename(out)
    return bundle


def run_id_of(folder: Path) -> str:
    """Which run the first log below `folder` is of."""
    return _first(session_logs(folder)[0]).run_id


def _rewrite(logs: list[Path], target: Path, redactor: Redactor, build: str) -> tuple[list[LogCopy], Seen, Seen]:
    """The logs with their texts replaced, and what a replay says of both."""
    for log in logs:
        learn_log(log, redactor)
    copies = [rewrite_log(log, target / log.name, redactor) for log in logs]
    original = _replayed(logs[0].parent if len(logs) > 1 else logs[0], build)
    if original.ok and any(copy.changed for copy in copies):
        again = False
        for log in logs:
            for old, new in ending_digests(target / log.name, build).items():
                redactor.replace_exactly(old, new)
                again = True
        if again:
            for log in logs:
                for path in (target / log.name).iterdir():
                    path.unlink()
            copies = [rewrite_log(log, target / log.name, redactor) for log in logs]
    bundled = _replayed(target, build)
    if original.ok and bundled.ok:
        redactor.replace_exactly(original.effects_digest, bundled.effects_digest)
        redactor.replace_exactly(original.state_digest, bundled.state_digest)
    return copies, original, bundled


def _replayed(path: Path, build: str) -> Seen:
    try:
        report: ReplayReport = replay(path, build=build)
    except LogCorrupt as error:
        return Seen(ok=False, error=str(error))
    return Seen(**{name: getattr(report, name) for name in Seen.__struct_fields__ if name != "error"})


def _equal(original: Seen, bundled: Seen) -> bool:
    """Whether both answer the same; of a damaged original there is only what stands before the damage."""
    if original.error:
        return bundled.ok
    return all(getattr(original, name) == getattr(bundled, name) for name in _SAME)


def _hidden(original: Seen, bundled: Seen, redactor: Redactor) -> Seen:
    """The original's answer as it may be told."""
    same = original.state_digest == bundled.state_digest
    return msgspec.structs.replace(
        original,
        reason=redactor.text(original.reason),
        error=redactor.text(original.error),
        state_digest=original.state_digest if same else "",
    )


def _first(log: Path) -> RunStarted:
    with LogReader(log) as reader:
        for item in reader.spans():
            if isinstance(item, MessageFrame) and isinstance(record := log_records.decode(item.payload), RunStarted):
                return record
            break
    raise LogCorrupt(f"{log} does not begin with RUN_STARTED", segment=log.name, offset=0, seq=1)


def _side_files(run_folder: Path, run_id: str) -> Iterator[tuple[str, tuple[Path, Any]]]:
    """Name in the bundle, path and content of what stands beside the logs: JSON documents, or lists of lines."""
    for path in sorted(run_folder.glob("*.json")):
        yield f"{RUN_FOLDER}/{path.name}", (path, _document(path))
    data_dir = run_folder.parent.parent
    if run_folder.parent.name != "runs":
        return
    for name in _STATE_FILES:
        document = _document(data_dir / name)
        of_another = isinstance(document, dict) and document.get("run_id", run_id) != run_id
        if document is not None and not of_another:
            yield f"state/{name}", (data_dir / name, document)
    for path in sorted((data_dir / "logs").glob("*.jsonl")):
        lines = _lines(path, run_id)
        if lines:
            yield f"logs/{path.name}", (path, lines)


def _document(path: Path) -> Any:
    """A JSON document, its text where it is none, None where there is no ordinary file."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _FILE_BYTES_MAX:
        return None
    content = path.read_bytes()
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content.decode("utf-8", "replace")


def _lines(path: Path, run_id: str) -> list[Any]:
    """The newest lines of this run, and those that name no run."""
    if path.is_symlink() or not path.is_file():
        return []
    kept: deque[Any] = deque(maxlen=_LINES_MAX)
    with path.open("rb") as file:
        for line in file:
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError:
                found = line.decode("utf-8", "replace").rstrip("\n")
            if not isinstance(found, dict) or found.get("run_id", run_id) == run_id:
                kept.append(found)
    return list(kept)


def _write_sides(
    root: Path, sides: Mapping[str, tuple[Path, Any]], target: Path, logs: list[Path], redactor: Redactor
) -> None:
    for name, (path, document) in sides.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jsonl":
            place.write_bytes(b"".join(orjson.dumps(redactor.value(line)) + b"\n" for line in document))
        elif isinstance(document, str):
            place.write_text(redactor.text(document), encoding="utf-8")
        else:
            place.write_bytes(_json(redactor.value(document)))
    for log in logs:
        plain = msgspec.msgpack.decode(inflated(_first(target / log.name).documents))
        place = root / "documents" / f"{log.name}.json"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(_json(plain))


def _notes(logs: list[Path], copies: list[LogCopy], *, same_build: bool) -> Iterator[str]:
    if not same_build:
        yield "made under another build than wrote the log, so that no replay here has compared its effects"
    for log, copy in zip(logs, copies, strict=True):
        if copy.damage:
            yield f"{log.name}: the original is damaged after record {copy.records}; the bundle has what stands before"
        if copy.torn_bytes:
            yield f"{log.name}: {copy.torn_bytes} bytes of an unfinished record at the end were left out"
        if not copy.closed and not copy.damage:
            yield f"{log.name}: the original has no orderly end (killed, or still running when this was made)"


def _checksums(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                yield path.relative_to(root).as_posix(), hashlib.file_digest(file, "sha256").hexdigest()


def _json(document: Any) -> bytes:
    plain = msgspec.to_builtins(document, str_keys=True)
    return orjson.dumps(plain, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _pack(root: Path, path: Path, name: str) -> None:
    """A tar of `root` as the folder `name`; owners, times and modes of this machine are not in it."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w|") as archive:
            for source in sorted(root.rglob("*")):
                member = tarfile.TarInfo(f"{name}/{source.relative_to(root).as_posix()}")
                member.mode = 0o755 if source.is_dir() else 0o644
                if source.is_dir():
                    member.type = tarfile.DIRTYPE
                    archive.addfile(member)
                    continue
                member.size = source.stat().st_size
                with source.open("rb") as content:
                    archive.addfile(member, content)
        packed.flush()
        raw.flush()
        os.fsync(raw.fileno())
