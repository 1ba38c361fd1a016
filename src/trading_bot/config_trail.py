"""The audit trail of the configuration (PR09): what each start of a run was configured with, and what changed since.

The values are those the event log embeds, under the hash every record of the log carries. Which layer set a value is
not what a decision depends on, so it stands beside the log, in `config.json` of the run's folder.
"""

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.config_files import DEFAULT, LoadedConfig
from trading_bot.config_keys import flatten
from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import events, log_records
from trading_bot.domain.errors import BotError
from trading_bot.domain.learned import LearnedSet
from trading_bot.domain.secret_names import names_secret
from trading_bot.domain.units import iso_from_ns
from trading_bot.log_setup import REDACTED
from trading_bot.run_folders import write_atomic

RECORD_FILE: Final = "config.json"
NOT_RECORDED: Final = "not recorded"
_NONE: Final = "(none)"
_VALUE_CHARS_MAX: Final = 200
# Parts of a run's documents that are compared by their digest; the calendar's rows around a run differ every day.
_DIGESTED: Final = ("events", "latency", "maps", "plugins", "rules")
# The tag stands at the start of a message: what is none of these two is not decoded.
_TAGS: Final = (b"RUN_STARTED", b"PROCESS_STARTED")
_TAG_BYTES: Final = 48
_LOGIN: Final = re.compile(r"(?<=://)[^/@\s]+@")


class ConfigChange(msgspec.Struct, frozen=True, kw_only=True):
    """One value that is not what it was at the start before; texts as people read them, a secret as `[redacted]`.

    `origin` is the layer that set the new value: `default`, `profile NAME`, `file PATH`, `environment NAME`,
    `command line`, `learned set N` (`learning params` has its evidence), or `not recorded`.
    """

    key: str
    old: str
    new: str
    origin: str


class ConfigStart(msgspec.Struct, frozen=True, kw_only=True):
    """One start of a process, or of a session's log, with what it changed; record `seq` of `log` has the whole.

    `when` is the wall's time of the process's start (UTC, to the second), `ts_ns` the market's. `hash_holds`: the
    configuration in the log has the hash that the log names.
    """

    run_id: str
    log: str
    seq: int
    when: str
    ts_ns: int
    mode: str
    adapter: str
    instrument: str
    build: str
    config_hash: str
    hash_holds: bool
    changes: tuple[ConfigChange, ...]


class ConfigHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Every start in order of the wall's time; `unread` says which logs could not be read, and why."""

    starts: tuple[ConfigStart, ...]
    unread: tuple[str, ...]


class _Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One start as `config.json` has it: `origins` of what is not a default."""

    when: str
    config_hash: str
    files: dict[str, str | None] = {}
    origins: dict[str, str] = {}


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    starts: tuple[_Recorded, ...] = ()


def record_configuration(folder: Path, loaded: LoadedConfig, config_hash: str) -> None:
    """Append this start to `config.json` of a run's folder: hash, files, and the layer of each value that was set.

    Raises:
        OSError: the disk does not take it; the earlier file stands.
    """
    files = {
        "config": loaded.config_path,
        "profile": loaded.profile_path,
        "strategies": loaded.strategies_path,
        "maps": loaded.maps_path,
        "rules": loaded.rules_path,
    }
    start = _Recorded(
        when=iso_from_ns(time.time_ns())[:19] + "Z",
        config_hash=config_hash,
        files={name: None if path is None else str(path) for name, path in files.items()},
        origins={key: origin for key, origin in loaded.origins.items() if origin != DEFAULT},
    )
    record = _Record(starts=(*_recorded(folder).starts, start))
    write_atomic(folder / RECORD_FILE, msgspec.to_builtins(record))


def _recorded(folder: Path) -> _Record:
    """What the folder says of its starts; nothing where the file is missing or damaged: the values are in the log."""
    try:
        return msgspec.json.decode((folder / RECORD_FILE).read_bytes(), type=_Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return _Record()


def config_history(data_dir: Path) -> ConfigHistory:
    """Every start of every run below `data_dir`, each compared with the one before it, whatever its mode."""
    runs = data_dir / "runs"
    folders = sorted(entry for entry in runs.iterdir() if entry.is_dir()) if runs.is_dir() else []
    starts: list[ConfigStart] = []
    unread: list[str] = []
    before: dict[str, str] | None = None
    for folder in folders:  # a run's name begins with the wall's time of its start
        try:
            for start, values in _starts_of(folder, before):
                starts.append(start)
                before = values
        except (BotError, OSError) as error:
            unread.append(f"{folder.name}: {error}")
    return ConfigHistory(starts=tuple(starts), unread=tuple(unread))


def _starts_of(folder: Path, before: dict[str, str] | None) -> Iterator[tuple[ConfigStart, dict[str, str]]]:
    """The starts of one run, in order, each with its values."""
    recorded = _recorded(folder).starts
    current: events.RunStarted | None = None
    for log in session_logs(folder):
        for seq, record in _openings(log):
            if isinstance(record, events.RunStarted):
                current = record
            assert current is not None, f"{log}: a log begins with RUN_STARTED"
            if not record.documents:
                continue
            documents = RunDocuments.unpack(record.documents, where=str(log))
            values = _values(documents, record)
            # The newest start with this hash: the layers of two starts with one configuration are told apart by no log.
            said = next((one for one in reversed(recorded) if one.config_hash == record.config_hash), None)
            start = ConfigStart(
                run_id=current.run_id,
                log=log.name,
                seq=seq,
                when=said.when if said else _when(folder.name),
                ts_ns=record.ts_ns,
                mode=current.mode,
                adapter=current.adapter,
                instrument=current.instrument,
                build=record.kernel_build,
                config_hash=record.config_hash,
                hash_holds=documents.config_hash == record.config_hash,
                changes=_changes(before, values, said, documents.learned),
            )
            yield start, values
            before = values


def _openings(log: Path) -> Iterator[tuple[int, events.RunStarted | events.ProcessStarted]]:
    with LogReader(log) as reader:
        for item in reader.spans():
            if not isinstance(item, MessageFrame):
                continue
            head = bytes(item.payload[:_TAG_BYTES])
            if not any(tag in head for tag in _TAGS):
                continue
            record = log_records.decode(item.payload)
            if isinstance(record, events.RunStarted | events.ProcessStarted):
                yield item.seq, record


def _values(documents: RunDocuments, record: events.RunStarted | events.ProcessStarted) -> dict[str, str]:
    """Dotted keys with their values as texts: configuration, templates, vetoes; digests of what is larger."""
    tables: dict[str, Any] = {
        **msgspec.to_builtins(documents.config),
        "template": msgspec.to_builtins(documents.templates),
        "veto": msgspec.to_builtins(documents.vetoes),
    }
    # Why a value is assumed is a sentence for people, and no value.
    tables.pop("assumed", None)
    values = {key: _text(key, value) for key, value in flatten(tables) if ".assumed." not in key and value != {}}
    digests = record.digests or documents.digests()
    values |= {f"{name} (SHA-256)": digests.get(name, _NONE)[:16] for name in _DIGESTED}
    return values | {"build": record.kernel_build[:16]}


def _changes(
    before: Mapping[str, str] | None, values: Mapping[str, str], said: _Recorded | None, learned: LearnedSet | None
) -> tuple[ConfigChange, ...]:
    if before is None:
        return ()
    changes = []
    for key in sorted(before.keys() | values.keys()):
        old, new = before.get(key, _NONE), values.get(key, _NONE)
        if old != new:
            changes.append(ConfigChange(key=key, old=old, new=new, origin=_origin(key, said, learned)))
    return tuple(changes)


def _origin(key: str, said: _Recorded | None, learned: LearnedSet | None) -> str:
    if key == "build":
        return "another build of the program"
    if learned is not None and any(key == value.parameter for value in learned.values):
        return f"learned set {learned.number}"
    if said is None:
        return NOT_RECORDED
    if key.startswith(("template.", "veto.")):
        return f"file {said.files.get('strategies')}"
    part = key.partition(" ")[0]
    if part in _DIGESTED:
        path = said.files.get(part)
        return NOT_RECORDED if path is None else f"file {path}"
    return said.origins.get(key, DEFAULT)


def _text(key: str, value: Any) -> str:
    if any(names_secret(part) for part in key.split(".")):
        return REDACTED
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = _LOGIN.sub(f"{REDACTED}@", text)
    return text if len(text) <= _VALUE_CHARS_MAX else f"{text[:_VALUE_CHARS_MAX]}…"


def _when(run_name: str) -> str:
    """`20261121T061552Z-e847` is named after its start; a folder that is not says nothing."""
    stamp = run_name[:16]
    if not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
        return NOT_RECORDED
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}Z"
