"""Parquet: the same declared columns as CSV, typed."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from trading_bot._fast.raw_batch import RawBatch
from trading_bot.adapters.files.columns import CsvColumns
from trading_bot.adapters.files.delimited import NO_SIZE
from trading_bot.adapters.files.stamps import NS_PER
from trading_bot.domain.errors import DataCorrupt, SourceUnreachable, UsageError
from trading_bot.domain.records import Aggressor

ROWS_PER_FILL: Final = 4096
_NAN: Final = float("nan")


def open_parquet(path: Path) -> Any:
    """The opened file; raises DataCorrupt for one without a readable footer (such as one cut short)."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise UsageError("reading Parquet needs the research extra: pip install 'trading-bot[research]'") from None
    try:
        return parquet.ParquetFile(path, memory_map=False, pre_buffer=False)
    except FileNotFoundError:
        raise SourceUnreachable(f"no such file: {path}: check --input") from None
    except (pa.ArrowException, ValueError, OSError) as error:  # names that are no UTF-8 are a ValueError
        raise DataCorrupt(
            f"{path}: not a whole Parquet file ({error}): the index stands at its end, so a cut file cannot be read at "
            "all; fetch it again"
        ) from error


def parquet_columns(path: Path) -> list[str]:
    """Column names of the file."""
    return list(open_parquet(path).schema_arrow.names)


class ParquetSource:
    """Rows of a Parquet file, a few thousand at a time."""

    def __init__(self, path: Path, columns: CsvColumns) -> None:
        columns.check(str(path))
        if columns.date is not None or columns.time_format == "iso":
            raise UsageError(f"{path}: Parquet stamps are numbers or timestamps: set time_format to ns, us, ms or s")
        self._path = path
        self._columns = columns
        self._file = open_parquet(path)
        found = self._file.schema_arrow.names
        missing = [name for name in columns.names if name not in found]
        if missing:
            raise UsageError(f"{path}: no column {missing[0]!r}; found {', '.join(found)}: correct the declaration")
        self.skipped: dict[str, int] = {}
        self.resolution_ns = columns.resolution_ns or NS_PER[columns.time_format]
        self._sides = dict.fromkeys(columns.buy, Aggressor.BUY) | dict.fromkeys(columns.sell, Aggressor.SELL)
        self._batches: Iterator[Any] = self._file.iter_batches(ROWS_PER_FILL, columns=list(columns.names))

    def fill(self, batch: RawBatch) -> bool:
        """Add the next few thousand rows; False at the end of the file."""
        import pyarrow as pa

        try:
            rows = next(self._batches, None)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise DataCorrupt(f"{self._path}: {error}; everything before it was read; fetch the file again") from error
        if rows is None:
            return False
        columns = self._columns
        ts_ns = self._stamps(rows, columns.time)
        ts_event_ns = ts_ns if columns.event_time is None else self._stamps(rows, columns.event_time)
        quotes = self._quotes(rows) if columns.has_quotes else [None] * len(ts_ns)
        trades = self._trades(rows) if columns.has_trades else [None] * len(ts_ns)
        for received, event, quote, trade in zip(ts_ns, ts_event_ns, quotes, trades, strict=True):
            if quote is not None:
                batch.quote_points(received, event, *quote)
            if trade is not None:
                batch.trade_points(received, event, *trade)
        return True

    def _stamps(self, rows: Any, name: str) -> list[int]:
        import pyarrow as pa

        column = rows.column(name)
        factor = NS_PER[self._columns.time_format]
        if pa.types.is_timestamp(column.type):
            column, factor = column.cast(pa.timestamp("ns", tz=column.type.tz)).cast(pa.int64()), 1
        # Null and absurd stamps become 0, which the door refuses as unreadable.
        return [v * factor if v is not None and 0 < v * factor < 1 << 63 else 0 for v in column.to_pylist()]

    def _quotes(self, rows: Any) -> list[tuple[float, int, float, int] | None]:
        columns = self._columns
        names = (columns.bid, columns.bid_size, columns.ask, columns.ask_size)
        result: list[tuple[float, int, float, int] | None] = []
        last = None
        for bid, bid_qty, ask, ask_qty in zip(*(rows.column(name).to_pylist() for name in names), strict=True):
            quote = (_price(bid), _size(bid_qty), _price(ask), _size(ask_qty))
            if (bid is None) != (ask is None):
                self.skipped["one_sided_quote"] = self.skipped.get("one_sided_quote", 0) + 1
                result.append(None)
            elif bid is None or (columns.quotes_when_changed and quote == last):
                result.append(None)
            else:
                result.append(quote)
                last = quote
        return result

    def _trades(self, rows: Any) -> list[tuple[float, int, int] | None]:
        columns = self._columns
        prices, sizes = rows.column(columns.price).to_pylist(), rows.column(columns.size).to_pylist()
        words = [None] * len(prices) if columns.aggressor is None else rows.column(columns.aggressor).to_pylist()
        return [
            None if price is None else (_price(price), _size(size), self._sides.get(str(word), Aggressor.UNKNOWN))
            for price, size, word in zip(prices, sizes, words, strict=True)
        ]


def _price(value: float | None) -> float:
    return _NAN if value is None else float(value)


def _size(value: float | None) -> int:
    if value is None or not math.isfinite(value) or value != int(value):
        return NO_SIZE
    return max(min(int(value), NO_SIZE), -NO_SIZE)
