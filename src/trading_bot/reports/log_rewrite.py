"""A session's log written again with its texts replaced: the same records under the same numbers, sound and sealed.

Market records are copied as they are. A message in which nothing is replaced keeps its bytes. Where the documents of
a run change, so do their digests and the mark that every message carries.
"""

import re
import zlib
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.core import log_segments as layout
from trading_bot.core.documents import RunDocuments
from trading_bot.core.event_log import EventLog, LogReader, MessageFrame
from trading_bot.core.player import Player
from trading_bot.domain import log_records
from trading_bot.domain.config import config_tag
from trading_bot.domain.errors import LogCorrupt, ReplayDiverged
from trading_bot.domain.events import ProcessStarted, RunEnded, RunStarted
from trading_bot.domain.inflated import inflated
from trading_bot.domain.records import FRAME_ALIGN
from trading_bot.reports.redaction import Redactor

_WITH_DOCUMENTS: Final = ("RUN_STARTED", "PROCESS_STARTED")
_HASH: Final = re.compile(r"[0-9a-f]{8,64}")
_Beginning = RunStarted | ProcessStarted


class LogCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: `changed` messages of `records` differ from the original's.

    `damage` says where the original is damaged: what stands before it was copied. `closed`: it ended in order.
    """

    records: int
    changed: int
    torn_bytes: int
    closed: bool
    damage: str = ""


def learn_log(source: Path, redactor: Redactor) -> None:
    """Let `redactor` see every message of a log; a damaged one up to the damage."""
    with LogReader(source) as reader:
        try:
            for item in reader.spans():
                if isinstance(item, MessageFrame):
                    plain = _decoded(item)
                    redactor.learn(plain)
                    if (record := _beginning(plain, item)) is not None:
                        redactor.learn(_documents(record, item.seq))
        except LogCorrupt:
            return


def rewrite_log(source: Path, target: Path, redactor: Redactor) -> LogCopy:
    """Write the log in `source` to the new folder `target`.

    Raises:
        LogFull: no room.
        UsageError: there is a log in `target`.
    """
    with LogReader(source) as reader:
        rewriter = _Rewriter(target, redactor)
        damage = ""
        try:
            for item in reader.spans():
                if isinstance(item, MessageFrame):
                    rewriter.message(item, reader)
                else:
                    rewriter.ticks(item.buffer, reader)
        except LogCorrupt as error:
            damage = str(error)
        closed = reader.closed and not damage
        rewriter.end(in_order=closed)
        return LogCopy(
            records=rewriter.records,
            changed=rewriter.changed,
            torn_bytes=0 if damage else reader.torn_bytes,
            closed=closed,
            damage=damage,
        )


def ending_digests(log: Path, build: str) -> dict[str, str]:
    """The digests that RUN_ENDED names and should not, each with the one a replay finds; empty where they agree.

    Empty also where nothing can be compared: the log has no such record, diverges before it, or is another build's.
    """
    ended: tuple[int, RunEnded] | None = None
    with LogReader(log) as reader:
        for item in reader.spans():
            if isinstance(item, MessageFrame) and isinstance(record := log_records.decode(item.payload), RunEnded):
                ended = item.seq, record
    if ended is None:
        return {}
    player = Player(build=build)
    with LogReader(log) as reader:
        try:
            player.play(reader.spans(), until_seq=ended[0] - 1)
        except ReplayDiverged:
            return {}
    if player.machine is None or not player.compared:
        return {}
    found = {
        ended[1].effects_digest: player.machine.digest.hexdigest(),
        ended[1].state_digest: player.machine.state.digest(),
    }
    return {old: new for old, new in found.items() if old != new}


class _Rewriter:
    """Writes one log; begins with its first record, whose segment tells how large they are."""

    def __init__(self, target: Path, redactor: Redactor) -> None:
        self.records = self.changed = 0
        self._target = target
        self._redactor = redactor
        self._log: EventLog | None = None
        self._tags: dict[int, int] = {}  # old mark of a message: new one

    def ticks(self, records: memoryview, reader: LogReader) -> None:
        log = self._opened(reader)
        done, total = 0, len(records) // FRAME_ALIGN
        while done < total:
            taken = log.writer.append_ticks(records[done * FRAME_ALIGN :])
            done += taken
            if done < total:
                log.maintain()
        self.records += total

    def message(self, frame: MessageFrame, reader: LogReader) -> None:
        log = self._opened(reader)
        payload = bytes(frame.payload)
        written = self._replaced(frame)
        log.writer.set_config_tag(self._tags.get(frame.config_tag, frame.config_tag))
        try:
            log.append_message(frame.cls, frame.ts_ns, frame.instrument, frame.cause_seq, written)
        except ValueError as error:  # a class or a cause that no log of ours has
            raise _unknown(frame.seq, error) from error
        self.records += 1
        self.changed += written != payload
        log.maintain()

    def end(self, *, in_order: bool) -> None:
        """Seal what was written; a log that had no end gets none."""
        if self._log is None:
            self._target.mkdir(parents=True, exist_ok=True)
            return
        if in_order:
            self._log.close()
            return
        self._log.abandon()
        with LogReader(self._target) as reader:
            for _ in reader.spans():
                pass
            last = reader.segments[-1]
        for path in self._target.iterdir():
            index = layout.segment_index(path.name)
            if index is not None and index > last.index:
                path.unlink()
        with (self._target / last.name).open("r+b") as file:
            file.truncate(last.end_bytes)

    def _opened(self, reader: LogReader) -> EventLog:
        if self._log is None:
            header = reader.segments[0].header
            assert header is not None
            size_bytes = min(header.segment_bytes, layout.SEGMENT_BYTES_DEFAULT)
            self._log = EventLog.create(self._target, header.log_id, size_bytes)
        return self._log

    def _replaced(self, frame: MessageFrame) -> bytes:
        plain = _decoded(frame)
        changed = self._redactor.value(plain)
        beginning = _beginning(plain, frame)
        if beginning is not None:
            changed = {**changed, **self._documents_replaced(beginning, frame.seq)}
        if changed == plain:
            return bytes(frame.payload)
        packed = log_records.ENCODER.encode(changed)
        try:
            return log_records.encode(log_records.decode(packed))  # in the order of the record's own fields
        except msgspec.DecodeError:
            return packed  # of a newer version

    def _documents_replaced(self, record: _Beginning, seq: int) -> dict[str, Any]:
        """The fields that depend on the documents; as they were where nothing in those was replaced."""
        plain = _documents(record, seq)
        changed = self._redactor.value(plain)
        if changed == plain:
            return {"documents": record.documents, "digests": record.digests, "config_hash": record.config_hash}
        packed = zlib.compress(msgspec.msgpack.encode(changed), 6)
        documents = RunDocuments.unpack(packed, where=f"record {seq}")
        self._tags[config_tag(record.config_hash)] = config_tag(documents.config_hash)
        self._redactor.replace_exactly(record.config_hash, documents.config_hash)
        return {
            "documents": documents.pack(),
            "digests": documents.digests(),
            "config_hash": documents.config_hash,
        }


def _beginning(plain: Any, frame: MessageFrame) -> _Beginning | None:
    """The record as such where it carries documents."""
    if not isinstance(plain, dict) or plain.get("kind") not in _WITH_DOCUMENTS or not plain.get("documents"):
        return None
    try:
        record = log_records.decode(frame.payload)
    except msgspec.DecodeError as error:
        raise _unknown(frame.seq, error) from error
    assert isinstance(record, RunStarted | ProcessStarted)
    if not _HASH.fullmatch(record.config_hash):
        raise _unknown(frame.seq, f"its configuration hash is {record.config_hash[:80]!r}")
    return record


def _decoded(frame: MessageFrame) -> Any:
    try:
        return msgspec.msgpack.decode(frame.payload)
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        raise _unknown(frame.seq, error) from error


def _documents(record: _Beginning, seq: int) -> dict[str, Any]:
    """The documents of a record as plain values."""
    try:
        return msgspec.msgpack.decode(inflated(record.documents), type=dict[str, Any])
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        raise _unknown(seq, f"its documents: {error}") from error


def _unknown(seq: int, why: object) -> LogCorrupt:
    """What cannot be read cannot be cleaned, and is not handed out."""
    text = f"record {seq} does not decode ({why}), so nobody can say what stands in it"
    return LogCorrupt(text, segment="", offset=0, seq=seq)
