"""Recorded market data (DBN, Parquet, CSV, LEAN zips) as one stream of tick records; see docs/data-files.md."""

from trading_bot.adapters.files.columns import CsvColumns, read_columns
from trading_bot.adapters.files.feed import FileFeed, open_files

__all__ = ["CsvColumns", "FileFeed", "open_files", "read_columns"]
