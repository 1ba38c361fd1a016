"""Which column of a CSV or Parquet file means what: declared by the user, or known for a few shapes."""

from pathlib import Path
from typing import Final

import msgspec

from trading_bot.adapters.files.stamps import TimeFormat
from trading_bot.adapters.text_documents import read_toml_tables
from trading_bot.domain.errors import ConfigError


class CsvColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of columns. Prices are in points.

    A row may carry a quote (`bid`, `bid_size`, `ask`, `ask_size`), a trade (`price`, `size`, perhaps `aggressor`), or
    both; empty cells mean that part is not there. Of a row with both, the quote comes first: it is the market the trade
    met. `time` is the receive time and, joined to `date` by a blank where that is a column of its own, is read by
    `time_format`: `iso`, or a number since 1970 in `s`, `ms`, `us` or `ns`. `event_time` defaults to `time`.
    `resolution_ns` is the step of the event stamps; without it, that of the format (`iso`: 1 µs).
    `buy` and `sell` are the words of the aggressor column; any other word means the feed does not know.
    `quotes_when_changed` drops a quote equal to the one before.
    """

    time: str
    date: str | None = None
    time_format: TimeFormat = "iso"
    timezone: str = "UTC"
    event_time: str | None = None
    resolution_ns: int | None = None
    bid: str | None = None
    bid_size: str | None = None
    ask: str | None = None
    ask_size: str | None = None
    price: str | None = None
    size: str | None = None
    aggressor: str | None = None
    buy: tuple[str, ...] = ("B", "BUY", "buy")
    sell: tuple[str, ...] = ("A", "S", "SELL", "sell")
    delimiter: str = ","
    quotes_when_changed: bool = False

    @property
    def has_quotes(self) -> bool:
        """True when rows can carry quotes."""
        return self.bid is not None

    @property
    def has_trades(self) -> bool:
        """True when rows can carry trades."""
        return self.price is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is read."""
        wanted = (self.date, self.time, self.event_time, self.bid, self.bid_size, self.ask, self.ask_size)
        return tuple(dict.fromkeys(n for n in (*wanted, self.price, self.size, self.aggressor) if n is not None))

    def check(self, where: str) -> None:
        """Check the relations between the fields; raises ConfigError naming `where` they stand."""
        quote = (self.bid, self.bid_size, self.ask, self.ask_size)
        if any(quote) and not all(quote):
            raise ConfigError(f"{where}: a quote needs all of bid, bid_size, ask and ask_size; found {quote}")
        if (self.price is None) != (self.size is None):
            raise ConfigError(f"{where}: a trade needs both price and size")
        if not (self.has_quotes or self.has_trades):
            raise ConfigError(f"{where}: neither bid nor price is declared: expected a quote, a trade or both")
        if self.date is not None and self.time_format != "iso":
            raise ConfigError(f"{where}: a date column goes with time_format iso, found {self.time_format}")
        if len(self.delimiter) != 1:
            raise ConfigError(f"{where}: delimiter {self.delimiter!r}: expected one character")
        if self.resolution_ns is not None and self.resolution_ns < 1:
            raise ConfigError(f"{where}: resolution_ns {self.resolution_ns}: expected at least 1")


# What tape_generator.py writes, and the plainest thing a user can write.
TAPE: Final = CsvColumns(
    time="ts_ns",
    time_format="ns",
    bid="bid",
    bid_size="bid_qty",
    ask="ask",
    ask_size="ask_qty",
    price="price",
    size="qty",
    aggressor="aggressor",
)
# Trade tape with the book beside each trade: naive UTC stamps; DepthSequence is below Sequence in every row, so the
# quote beside a trade was there before it. TradeType 1 is at the bid (a seller), 2 at the ask (a buyer).
TRADE_AND_DEPTH: Final = CsvColumns(
    date="Date",
    time="Time",
    resolution_ns=100_000,
    bid="BidPrice",
    bid_size="BidSize",
    ask="AskPrice",
    ask_size="AskSize",
    price="Price",
    size="Volume",
    aggressor="TradeType",
    buy=("2",),
    sell=("1",),
    delimiter=";",
    quotes_when_changed=True,
)
PARQUET_QUOTES: Final = CsvColumns(
    time="ts_recv",
    event_time="ts_event",
    time_format="ns",
    bid="bid",
    bid_size="bid_sz",
    ask="ask",
    ask_size="ask_sz",
)
PARQUET_TRADES: Final = CsvColumns(
    time="ts_recv", event_time="ts_event", time_format="ns", price="px", size="qty", aggressor="side"
)
CSV_PRESETS: Final = (TAPE, TRADE_AND_DEPTH)
PARQUET_PRESETS: Final = (PARQUET_QUOTES, PARQUET_TRADES)


def declared_columns(path: Path) -> CsvColumns | None:
    """Columns from `<file>.columns.toml` beside the file, else `columns.toml` in its folder, else None.

    Raises ConfigError for a declaration that cannot be used.
    """
    for sidecar in (path.with_name(path.name + ".columns.toml"), path.with_name("columns.toml")):
        if sidecar.is_file():
            return read_columns(sidecar)
    return None


def read_columns(declaration: Path) -> CsvColumns:
    """The columns a TOML file declares. Raises ConfigError for a declaration that cannot be used."""
    try:
        columns = msgspec.convert(read_toml_tables(declaration), CsvColumns)
    except msgspec.ValidationError as error:
        known = ", ".join(CsvColumns.__struct_fields__)
        raise ConfigError(f"{declaration}: {error}; known keys are {known}") from error
    columns.check(str(declaration))
    return columns
