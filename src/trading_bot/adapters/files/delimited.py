"""CSV and the like: text rows with declared columns, plain or compressed."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trading_bot._fast.raw_batch import RawBatch
from trading_bot.adapters.files.byte_streams import chunks, lines
from trading_bot.adapters.files.columns import CsvColumns
from trading_bot.adapters.files.stamps import NS_PER, stamp_reader, zone
from trading_bot.domain.errors import DataCorrupt, UsageError
from trading_bot.domain.records import Aggressor

ROWS_PER_FILL: Final = 4096
# Above any size the door accepts: a size that is no whole number is refused there as out of range.
NO_SIZE: Final = 1 << 62


def price_of(text: str) -> float:
    """The price in points; text that is no number becomes NaN, which the door refuses by that name."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def size_of(text: str) -> int:
    """A whole size; `5.0` counts as 5."""
    try:
        return max(min(int(text), NO_SIZE), -NO_SIZE)
    except ValueError:
        number = price_of(text)
        return int(number) if number.is_integer() and abs(number) < NO_SIZE else NO_SIZE


def read_header(path: Path) -> str:
    """The first line; raises DataCorrupt for an empty or damaged file."""
    for line in lines(chunks(path)):
        return line
    raise DataCorrupt(f"{path}: the file is empty: expected a header line with column names")


class DelimitedSource:
    """Rows of a delimited text file."""

    def __init__(self, path: Path, columns: CsvColumns) -> None:
        columns.check(str(path))
        self._path = path
        self._columns = columns
        self.skipped: dict[str, int] = {}
        unit_ns = 1_000 if columns.time_format == "iso" else NS_PER[columns.time_format]
        self.resolution_ns = columns.resolution_ns or unit_ns
        self._line = 0
        self._rows = self._read_rows()
        header = [name.strip() for name in next(self._rows, [])]
        missing = [name for name in columns.names if name not in header]
        if missing:
            raise UsageError(f"{path}: no column {missing[0]!r}; found {', '.join(header)}: correct the declaration")
        self._width = len(header)
        self._at = {name: header.index(name) for name in columns.names}
        self._stamp = stamp_reader(columns.time_format, zone(columns.timezone, str(path)))
        self._sides = dict.fromkeys(columns.buy, Aggressor.BUY) | dict.fromkeys(columns.sell, Aggressor.SELL)
        self._last_quote: tuple[str, str, str, str] | None = None

    def fill(self, batch: RawBatch) -> bool:
        """Add the next rows; False at the end of the file."""
        for _ in range(ROWS_PER_FILL):
            row = next(self._rows, None)
            if row is None:
                return False
            if not row:
                continue
            if len(row) != self._width:
                raise DataCorrupt(
                    f"{self._path}, line {self._line}: found {len(row)} fields, expected {self._width} as in the "
                    "header; everything before it was read; fetch or repair the file"
                )
            self._put(batch, row)
        return True

    def _read_rows(self) -> Iterator[list[str]]:
        try:
            for row in csv.reader(lines(chunks(self._path)), delimiter=self._columns.delimiter):
                self._line += 1
                yield row
        except csv.Error as error:
            raise DataCorrupt(f"{self._path}, line {self._line + 1}: {error}; everything before it was read") from error

    def _put(self, batch: RawBatch, row: list[str]) -> None:
        columns, at = self._columns, self._at
        text = row[at[columns.time]]
        ts_ns = self._stamp(text if columns.date is None else f"{row[at[columns.date]]} {text}")
        ts_event_ns = ts_ns if columns.event_time is None else self._stamp(row[at[columns.event_time]])
        quote = columns.bid is not None and self._put_quote(batch, row, ts_ns, ts_event_ns)
        trade = columns.price is not None and self._put_trade(batch, row, ts_ns, ts_event_ns)
        if not (quote or trade):
            self._skip("empty_row")

    def _put_quote(self, batch: RawBatch, row: list[str], ts_ns: int, ts_event_ns: int) -> bool:
        """Add the quote part of the row, if there is one; the names are all declared when `bid` is."""
        columns, at = self._columns, self._at
        bid = row[at[columns.bid or ""]]
        ask = row[at[columns.ask or ""]]
        if not bid and not ask:
            return False
        if not bid or not ask:
            self._skip("one_sided_quote")
            return True
        quote = (bid, row[at[columns.bid_size or ""]], ask, row[at[columns.ask_size or ""]])
        if not columns.quotes_when_changed or quote != self._last_quote:
            self._last_quote = quote
            batch.quote_points(ts_ns, ts_event_ns, price_of(bid), size_of(quote[1]), price_of(ask), size_of(quote[3]))
        return True

    def _put_trade(self, batch: RawBatch, row: list[str], ts_ns: int, ts_event_ns: int) -> bool:
        columns, at = self._columns, self._at
        price = row[at[columns.price or ""]]
        if not price:
            return False
        side = Aggressor.UNKNOWN
        if columns.aggressor is not None:
            side = self._sides.get(row[at[columns.aggressor]].strip(), Aggressor.UNKNOWN)
        batch.trade_points(ts_ns, ts_event_ns, price_of(price), size_of(row[at[columns.size or ""]]), side)
        return True

    def _skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1
