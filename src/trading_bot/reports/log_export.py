"""The log for people and tools: rows for `log show`, Parquet columns for `log export`."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.core.honesty import honesty_of
from trading_bot.core.log_reader import Frame, LogReader, MessageFrame
from trading_bot.domain.errors import UsageError
from trading_bot.domain.records import (
    REJECTED_RECORD,
    TICK_RECORD,
    Aggressor,
    FrameClass,
    FrameKind,
    RejectReason,
)
from trading_bot.reports.honesty_columns import TickMarks, write_minutes, write_sums

Row = dict[str, Any]

# The three 64-byte shapes as NumPy reads them; the numbers are those of `TICK_RECORD` and `REJECTED_RECORD`.
_HEAD: Final = [
    ("crc", "<u4"),
    ("length", "<u4"),
    ("seq", "<u8"),
    ("kind", "u1"),
    ("cls", "u1"),
    ("instrument", "<u2"),
    ("flags", "<u4"),
    ("ts_ns", "<i8"),
    ("ts_event_ns", "<i8"),
]
_TICK: Final = [
    *_HEAD,
    ("bid_ticks", "<i4"),
    ("ask_ticks", "<i4"),
    ("bid_qty", "<i4"),
    ("ask_qty", "<i4"),
    ("aggressor", "u1"),
    ("pad", "V7"),
]
_REJECTED: Final = [
    *_HEAD,
    ("raw_a", "<f8"),
    ("raw_b", "<f8"),
    ("reason", "u1"),
    ("original_kind", "u1"),
    ("pad", "V2"),
    ("raw_qty", "<i4"),
]


class ExportReport(msgspec.Struct, frozen=True):
    """What `export_parquet` wrote: the files and how many rows each kind of record became.

    `minutes` were judged (docs/parity.md), `flagged` of them are not to be trusted.
    """

    files: list[str]
    ticks: int
    rejected: int
    messages: int
    minutes: int
    flagged: int
    last_seq: int
    torn_bytes: int


def show(
    path: Path | str, *, from_seq: int = 1, to_seq: int | None = None, kinds: frozenset[str] = frozenset()
) -> Iterator[Row]:
    """Rows of a log from `from_seq` to `to_seq` inclusive, decoded.

    `kinds` keeps only records whose kind (`QUOTE`, `TRADE`, `MESSAGE`, ...) or message tag is in it; empty keeps all.
    Raises LogCorrupt after the last good row before the damage.
    """
    with LogReader(path) as reader:
        for frame in reader.frames(from_seq):
            if to_seq is not None and frame.seq > to_seq:
                return
            row = _message_row(frame) if frame.kind == FrameKind.MESSAGE else _tick_row(frame)
            if not kinds or row["kind"] in kinds or row.get("tag") in kinds:
                yield row


def export_parquet(path: Path | str, folder: Path | str) -> ExportReport:
    """Writes `ticks.parquet`, `rejected.parquet`, `messages.parquet` and `minutes.parquet`, in constant memory.

    Columns of a kind that has no such value are null there: a quote has no price, a trade no bid. `SHA256SUMS` beside
    them holds their checksums. Raises UsageError without pyarrow, LogCorrupt at damage (the files then hold everything
    before it).
    """
    try:
        import numpy as np
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError as error:
        raise UsageError("Parquet export needs pyarrow; install trading-bot[research]") from error
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with LogReader(path) as reader:
        minutes = honesty_of(reader.spans())
    marked = partial(_tick_columns, TickMarks(minutes))
    ticks = _RecordTable(target / "ticks.parquet", pa, pq, _tick_schema(pa), marked)
    rejected = _RecordTable(target / "rejected.parquet", pa, pq, _rejected_schema(pa), _rejected_columns)
    messages = _MessageTable(target / "messages.parquet", pa, pq)
    tables = (ticks, rejected, messages)
    try:
        with LogReader(path) as reader:
            for item in reader.spans():
                if isinstance(item, MessageFrame):
                    messages.add(_message_values(item))
                    continue
                records = np.frombuffer(item.buffer, dtype=np.dtype(_TICK))
                refused = records["kind"] == FrameKind.REJECTED
                if refused.any():
                    rejected.add(records.view(np.dtype(_REJECTED))[refused])
                    records = records[~refused]
                ticks.add(records)
            last_seq, torn_bytes = reader.last_seq, reader.torn_bytes
    finally:
        for table in tables:
            table.close()
        files = [*(table.path for table in tables), target / "minutes.parquet"]
        write_minutes(files[-1], minutes, pa, pq)
        files.append(write_sums(target, files))
    return ExportReport(
        files=[str(file) for file in files],
        ticks=ticks.rows,
        rejected=rejected.rows,
        messages=messages.rows,
        minutes=len(minutes),
        flagged=sum(minute.flagged for minute in minutes),
        last_seq=last_seq,
        torn_bytes=torn_bytes,
    )


def _tick_row(frame: Frame) -> Row:
    shape = REJECTED_RECORD if frame.kind == FrameKind.REJECTED else TICK_RECORD
    values = shape.unpack(frame.payload)
    row: Row = {
        "seq": frame.seq,
        "kind": FrameKind(frame.kind).name,
        "class": FrameClass(frame.cls).name,
        "ts_ns": frame.ts_ns,
        "instrument": frame.instrument,
        "flags": values[6],
        "ts_event_ns": values[8],
    }
    names: dict[int, tuple[str, ...]] = {
        FrameKind.QUOTE: ("bid_ticks", "ask_ticks", "bid_qty", "ask_qty"),
        FrameKind.TRADE: ("price_ticks", "", "qty", "", "aggressor"),
        FrameKind.PRICE_GAP: ("old_anchor_ticks", "new_anchor_ticks"),
        FrameKind.TIME: (),
        FrameKind.REJECTED: ("raw_a", "raw_b", "reason", "original_kind", "", "raw_qty"),
    }
    enums: dict[str, Callable[[int], Any]] = {
        "aggressor": Aggressor,
        "reason": RejectReason,
        "original_kind": FrameKind,
    }
    for name, value in zip(names[frame.kind], values[9:], strict=False):
        if name:
            row[name] = _name(enums[name], value) if name in enums else value
    return row


def _message_row(frame: Frame) -> Row:
    body = _decode(frame.payload)
    return {
        "seq": frame.seq,
        "kind": FrameKind.MESSAGE.name,
        "class": FrameClass(frame.cls).name,
        "ts_ns": frame.ts_ns,
        "instrument": frame.instrument,
        "cause_seq": frame.cause_seq,
        "tag": _tag(body),
        "payload": body,
    }


def _decode(payload: memoryview) -> Any:
    """The payload as plain values; one that is not msgpack is shown as its hexadecimal digits."""
    try:
        return msgspec.msgpack.decode(payload)
    except msgspec.DecodeError:
        return {"undecodable_hex": payload.hex()}


def _tag(body: Any) -> str | None:
    """The tag of a tagged union: the key `kind` of a map, the first element of an array."""
    tag = body.get("kind") if isinstance(body, dict) else body[0] if isinstance(body, list) and body else None
    return tag if isinstance(tag, str) else None


def _name(kind: Callable[[int], Any], value: int) -> str | int:
    try:
        name: str = kind(value).name
    except ValueError:
        return value
    return name


def _message_values(item: MessageFrame) -> Row:
    body = _decode(item.payload)
    return {
        "seq": item.seq,
        "ts_ns": item.ts_ns,
        "class": FrameClass(item.cls).name,
        "instrument": item.instrument,
        "cause_seq": item.cause_seq,
        "tag": _tag(body),
        "json": msgspec.json.encode(body).decode(),
    }


def _tick_columns(marks: TickMarks, records: Any) -> dict[str, tuple[Any, Any]]:
    """Column name -> (values, mask of nulls or None)."""
    kind = records["kind"]
    quote, trade, gap = kind == FrameKind.QUOTE, kind == FrameKind.TRADE, kind == FrameKind.PRICE_GAP
    columns = {name: (records[name], None) for name in ("seq", "ts_ns", "ts_event_ns", "instrument", "kind", "flags")}
    columns |= {name: (records[name], ~quote) for name in ("bid_ticks", "ask_ticks", "bid_qty", "ask_qty")}
    columns |= {"price_ticks": (records["bid_ticks"], ~trade), "qty": (records["bid_qty"], ~trade)}
    columns |= {"aggressor": (records["aggressor"], ~trade)}
    columns |= marks.columns(records["ts_ns"])
    columns |= {"old_anchor_ticks": (records["bid_ticks"], ~gap), "new_anchor_ticks": (records["ask_ticks"], ~gap)}
    return columns


def _rejected_columns(records: Any) -> dict[str, tuple[Any, Any]]:
    return {name: (records[name], None) for name in records.dtype.names}


class _RecordTable:
    """A Parquet file of 64-byte records, gathered to row groups of at least `BATCH_ROWS`.

    The module pyarrow comes in as a value: it is an optional extra.
    """

    BATCH_ROWS: Final = 1 << 16

    def __init__(
        self, path: Path, pa: Any, pq: Any, schema: Any, columns: Callable[[Any], dict[str, tuple[Any, Any]]]
    ) -> None:
        self.path = path
        self.rows = 0
        self._pa = pa
        self._schema = schema
        self._columns = columns
        self._pending: list[Any] = []
        self._pending_rows = 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def add(self, records: Any) -> None:
        """Adds a structured array; it is copied."""
        if len(records):
            self._pending.append(records.copy())
            self._pending_rows += len(records)
            self.rows += len(records)
            if self._pending_rows >= self.BATCH_ROWS:
                self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import numpy as np

        if not self._pending:
            return
        columns = self._columns(np.concatenate(self._pending))
        arrays = []
        for field in self._schema:
            values, nulls = columns[field.name]
            arrays.append(self._pa.array(values, mask=nulls, type=field.type))
        self._writer.write_batch(self._pa.record_batch(arrays, schema=self._schema))
        self._pending, self._pending_rows = [], 0


class _MessageTable:
    """The Parquet file of messages."""

    BATCH_ROWS: Final = 1 << 14

    def __init__(self, path: Path, pa: Any, pq: Any) -> None:
        self.path = path
        self.rows = 0
        self._pa = pa
        self._schema = _message_schema(pa)
        self._pending: list[Row] = []
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def add(self, row: Row) -> None:
        self._pending.append(row)
        self.rows += 1
        if len(self._pending) >= self.BATCH_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(self._pa.Table.from_pylist(self._pending, schema=self._schema))
            self._pending = []


def _tick_schema(pa: Any) -> Any:
    return pa.schema(
        [
            ("seq", pa.uint64()),
            ("ts_ns", pa.int64()),
            ("ts_event_ns", pa.int64()),
            ("instrument", pa.uint16()),
            ("kind", pa.uint8()),
            ("flags", pa.uint32()),
            ("bid_ticks", pa.int32()),
            ("ask_ticks", pa.int32()),
            ("bid_qty", pa.int32()),
            ("ask_qty", pa.int32()),
            ("price_ticks", pa.int32()),
            ("qty", pa.int32()),
            ("aggressor", pa.uint8()),
            ("old_anchor_ticks", pa.int32()),
            ("new_anchor_ticks", pa.int32()),
            ("honesty", pa.uint8()),
            ("flagged", pa.bool_()),
        ]
    )


def _rejected_schema(pa: Any) -> Any:
    return pa.schema(
        [
            ("seq", pa.uint64()),
            ("ts_ns", pa.int64()),
            ("ts_event_ns", pa.int64()),
            ("instrument", pa.uint16()),
            ("flags", pa.uint32()),
            ("original_kind", pa.uint8()),
            ("reason", pa.uint8()),
            ("raw_a", pa.float64()),
            ("raw_b", pa.float64()),
            ("raw_qty", pa.int32()),
        ]
    )


def _message_schema(pa: Any) -> Any:
    return pa.schema(
        [
            ("seq", pa.uint64()),
            ("ts_ns", pa.int64()),
            ("class", pa.string()),
            ("instrument", pa.uint16()),
            ("cause_seq", pa.uint64()),
            ("tag", pa.string()),
            ("json", pa.string()),
        ]
    )
