"""The log as text files that any program reads: JSON lines and CSV (PR08). Parquet is `reports.log_export`."""

import tempfile
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import orjson

from trading_bot.core.log_reader import LogReader
from trading_bot.domain.errors import UsageError
from trading_bot.domain.records import FrameKind
from trading_bot.reports.honesty_columns import write_sums
from trading_bot.reports.log_export import ExportReport, export_parquet, show

RECORDS_FILE: Final = "records.jsonl"
_TABLES: Final = ("ticks", "rejected", "messages", "minutes")


def export_jsonl(path: Path | str, folder: Path | str) -> ExportReport:
    """Writes `records.jsonl`: every record of the log in order, one JSON object to a line, as `log show --json` has it.

    The file appears whole or not at all; `SHA256SUMS` is beside it. Minutes are not judged here. Raises LogCorrupt at
    damage.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    written, temporary = target / RECORDS_FILE, target / f".{RECORDS_FILE}.tmp"
    try:
        with temporary.open("wb") as file:
            counts = _write_lines(path, file)
        temporary.replace(written)
    finally:
        temporary.unlink(missing_ok=True)
    with LogReader(path) as reader:
        for _ in reader.spans():
            pass
        last_seq, torn_bytes = reader.last_seq, reader.torn_bytes
    files = [written, write_sums(target, [written])]
    return ExportReport(
        [str(one) for one in files], *counts, minutes=0, flagged=0, last_seq=last_seq, torn_bytes=torn_bytes
    )


def _write_lines(path: Path | str, file: IO[bytes]) -> tuple[int, int, int]:
    """Ticks, rejected inputs and messages written."""
    ticks = rejected = messages = 0
    for row in show(path):
        plain = msgspec.to_builtins(row, str_keys=True)
        file.write(orjson.dumps(plain, default=str, option=orjson.OPT_APPEND_NEWLINE))
        if row["kind"] == FrameKind.MESSAGE.name:
            messages += 1
        elif row["kind"] == FrameKind.REJECTED.name:
            rejected += 1
        else:
            ticks += 1
    return ticks, rejected, messages


def export_csv(path: Path | str, folder: Path | str) -> ExportReport:
    """Writes `ticks.csv`, `rejected.csv`, `messages.csv` and `minutes.csv`: the columns of the Parquet files, by name.

    A null is an empty field; texts are quoted. They are made from the Parquet files, so that the two cannot differ.
    Raises UsageError without pyarrow, LogCorrupt at damage.
    """
    try:
        from pyarrow import csv, parquet
    except ImportError as error:
        raise UsageError("CSV export needs pyarrow; install trading-bot[research], or take --jsonl") from error
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".parquet-") as aside:
        report = export_parquet(path, aside)
        files = [_as_csv(Path(aside) / f"{name}.parquet", target / f"{name}.csv", csv, parquet) for name in _TABLES]
    files.append(write_sums(target, files))
    return msgspec.structs.replace(report, files=[str(one) for one in files])


def _as_csv(source: Path, target: Path, csv: Any, parquet: Any) -> Path:
    """One table, in constant memory; whole or not at all."""
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        table = parquet.ParquetFile(source)
        with csv.CSVWriter(temporary, table.schema_arrow) as writer:
            for batch in table.iter_batches():
                writer.write_batch(batch)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target
