"""What a file is, told from its contents and name, and which files of a folder make one day's feed."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.adapters.files.columns import CSV_PRESETS, PARQUET_PRESETS, CsvColumns, declared_columns
from trading_bot.adapters.files.dbn import SCHEMAS, DbnHead
from trading_bot.adapters.files.delimited import read_header
from trading_bot.adapters.files.lean import FIELDS, lean_members
from trading_bot.adapters.files.parquet import parquet_columns
from trading_bot.domain.errors import ConfigError, DataCorrupt, SourceUnreachable, UsageError

KNOWN: Final = "Databento .dbn and .dbn.zst, .parquet, .csv and .txt (also .gz), LEAN .zip"
TEXT_ENDS: Final = (".csv", ".csv.gz", ".txt", ".txt.gz")
DBN_ENDS: Final = (".dbn", ".dbn.zst")
# How fine a source is; of a folder's files the finest is read.
FINENESS: Final = {"mbo": 0, "mbp-1": 1, "tbbo": 2, "trades": 2, "rows": 3, "tick": 3, "second": 4, "minute": 5}
_DATE: Final = re.compile(r"(?<!\d)(20\d{2}|19\d{2})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")


class Recognised(msgspec.Struct, frozen=True, kw_only=True):
    """One input file and what it holds."""

    path: Path
    format: str
    fineness: str
    quotes: bool
    trades: bool
    dates: tuple[str, ...]
    symbol: str | None = None
    columns: CsvColumns | None = None

    @property
    def rank(self) -> int:
        """Smaller is finer."""
        return FINENESS[self.fineness]


def recognise(path: Path, columns: CsvColumns | None) -> Recognised:
    """What the file is. `columns` overrides what would be found for CSV and Parquet.

    Raises SourceUnreachable for a missing path, UsageError for an unknown format, naming the known ones, and
    DataCorrupt for a file whose head cannot be read.
    """
    if not path.exists():
        raise SourceUnreachable(f"no such file: {path}: check --input")
    name = path.name.lower()
    if name.endswith(DBN_ENDS):
        return _recognise_dbn(path)
    if name.endswith(".parquet"):
        return _recognise_columns(path, columns, "parquet", parquet_columns(path))
    if name.endswith(TEXT_ENDS):
        return _recognise_columns(path, columns, "csv", None)
    if name.endswith(".zip"):
        return _recognise_lean(path)
    raise UsageError(f"{path}: unknown format; known are {KNOWN}")


def normal_date(date: str) -> str:
    """YYYYMMDD of YYYYMMDD or YYYY-MM-DD; raises UsageError for anything else."""
    for form in ("%Y%m%d", "%Y-%m-%d"):
        try:
            return datetime.strptime(date, form).replace(tzinfo=UTC).strftime("%Y%m%d")
        except ValueError:
            continue
    raise UsageError(f"--date {date!r}: expected a date such as 20131007 or 2013-10-07")


def choose(folder: Path, date: str | None, product: str) -> list[Recognised]:
    """The files of a folder that make the feed of one day: its finest quotes and its finest trades.

    Raises UsageError when the folder holds several days and none is named, or more than one file would do.
    """
    if not folder.is_dir():
        raise SourceUnreachable(f"no such folder: {folder}: check --input")
    known = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.lower().endswith((*DBN_ENDS, *TEXT_ENDS, ".parquet", ".zip")):
            try:
                known.append(recognise(path, None))
            except ConfigError:
                raise
            except UsageError:
                continue  # bars, open interest, notes: a folder may hold what is no feed
            except DataCorrupt:
                if date is None or not _dates(path) or date in _dates(path):
                    raise
    if not known:
        raise UsageError(f"{folder}: no file of a known format in it; known are {KNOWN}")
    days = sorted({item.dates for item in known})
    if date is None and len(days) > 1:
        listed = ", ".join("+".join(day) or "undated" for day in days)
        raise UsageError(f"{folder}: holds several days: {listed}; name one with --date")
    here = [item for item in known if date is None or date in item.dates]
    if not here:
        raise UsageError(f"{folder}: nothing for {date}; it holds {', '.join('+'.join(day) for day in days if day)}")
    symbols = {item.symbol for item in here if item.symbol}
    if len(symbols) > 1:
        here = [item for item in here if item.symbol in {None, product}]
        if not here:
            raise UsageError(f"{folder}: holds {', '.join(sorted(symbols))}, none of them {product}; set --instrument")
    quotes = _finest(folder, [item for item in here if item.quotes])
    trades = _finest(folder, [item for item in here if item.trades])
    # At equal times a quote bar ended before the trade, but a quote of an event stream is what the trade left behind.
    bars = quotes is not None and quotes.fineness in {"second", "minute"}
    order = (quotes, trades) if bars else (trades, quotes)
    return list(dict.fromkeys(item for item in order if item is not None))


def _finest(folder: Path, items: list[Recognised]) -> Recognised | None:
    if not items:
        return None
    best = min(item.rank for item in items)
    finest = [item for item in items if item.rank == best]
    if len(finest) > 1:
        names = ", ".join(item.path.name for item in finest)
        raise UsageError(f"{folder}: {names} hold the same thing; give the wanted ones with --input")
    return finest[0]


def _dates(path: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys("".join(match) for match in _DATE.findall(path.name)))


def _recognise_dbn(path: Path) -> Recognised:
    head = DbnHead(path)
    if head.schema is not None and head.schema not in SCHEMAS:
        raise UsageError(f"{path}: schema {head.schema} is no feed: expected {', '.join(SCHEMAS)}")
    dates = _dates(path) or (datetime.fromtimestamp(head.start_ns // 1_000_000_000, UTC).strftime("%Y%m%d"),)
    schema = head.schema or "mbo"
    return Recognised(
        path=path,
        format=f"dbn {head.schema or 'mixed'}",
        fineness=schema,
        quotes=SCHEMAS[schema],
        trades=True,
        dates=dates,
    )


def _recognise_columns(path: Path, columns: CsvColumns | None, format_name: str, names: list[str] | None) -> Recognised:
    """Columns given by the caller, declared beside the file, or known by their names."""
    found = columns or declared_columns(path)
    if found is None:
        header = None if names is not None else read_header(path)
        for preset in PARQUET_PRESETS if names is not None else CSV_PRESETS:
            have = names if header is None else [cell.strip() for cell in header.split(preset.delimiter)]
            if have is not None and set(preset.names) <= set(have):
                found = preset
                break
        if found is None:
            seen = ", ".join(names) if names is not None else (header or "")[:200]
            if "\ufffd" in seen or not seen.replace("\t", "").isprintable():
                raise UsageError(f"{path}: its first line is no text with column names; is it of another format?")
            raise UsageError(
                f"{path}: unknown columns: {seen}; declare them in {path.name}.columns.toml (docs/data-files.md)"
            )
    return Recognised(
        path=path,
        format=format_name,
        fineness="rows",
        quotes=found.has_quotes,
        trades=found.has_trades,
        dates=_dates(path),
        columns=found,
    )


def _recognise_lean(path: Path) -> Recognised:
    members = lean_members(path)
    feeds = [m for m in members if ("tick" if m.resolution == "tick" else "bar", m.kind) in FIELDS]
    if not feeds:
        held = ", ".join(sorted({f"{m.resolution} {m.kind}" for m in members})) or "no LEAN data"
        raise UsageError(f"{path}: {held} is no feed: expected trade ticks, or quote or trade bars")
    shapes = {(m.date, m.symbol, m.resolution, m.kind) for m in feeds}
    if len(shapes) > 1:
        raise UsageError(f"{path}: holds {len(shapes)} kinds of data; expected one day of one kind per zip")
    first = feeds[0]
    return Recognised(
        path=path,
        format=f"lean {first.resolution} {first.kind}",
        fineness=first.resolution,
        quotes=first.kind == "quote",
        trades=first.kind == "trade",
        dates=(first.date,),
        symbol=first.symbol,
    )
