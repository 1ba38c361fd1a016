"""What the bot's own log says: read while it runs, and whole afterwards."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from trading_bot.core.log_reader import LogReader, segment_paths
from trading_bot.core.log_walk import MessageFrame
from trading_bot.domain import log_records
from trading_bot.domain.broker_events import CommissionReported
from trading_bot.domain.effects import Effect, PlaceExit, PlaceOrder
from trading_bot.domain.events import Event
from trading_bot.domain.trade_events import OrderFilled, TradeClosed

Record = Event | Effect


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What counts of the logs of all runs of a data directory, in the order of the records."""

    fills: tuple[OrderFilled, ...]
    placed: tuple[PlaceOrder, ...]
    exits: tuple[PlaceExit, ...]
    commissions: tuple[CommissionReported, ...]
    closed: tuple[TradeClosed, ...]

    @property
    def position(self) -> int:
        """What the fills come to."""
        return sum(row.qty if row.side == "BUY" else -row.qty for row in self.fills)


def run_folders(data_dir: Path) -> list[Path]:
    """Folders of the runs, oldest first."""
    runs = data_dir / "runs"
    return sorted(entry for entry in runs.iterdir() if entry.is_dir()) if runs.is_dir() else []


def log_folders(data_dir: Path) -> list[Path]:
    """Every session log of every run, oldest first."""
    return [
        entry
        for run in run_folders(data_dir)
        for entry in sorted(run.iterdir())
        if entry.is_dir() and segment_paths(entry)
    ]


def read_facts(data_dir: Path) -> Facts:
    """The facts of all logs.

    Raises:
        LogCorrupt: a log is damaged.
    """
    records = [record for log in log_folders(data_dir) for _, record in _messages(log, 1, live=False)]
    return Facts(
        fills=tuple(record for record in records if isinstance(record, OrderFilled)),
        placed=tuple(record for record in records if isinstance(record, PlaceOrder)),
        exits=tuple(record for record in records if isinstance(record, PlaceExit)),
        commissions=tuple(record for record in records if isinstance(record, CommissionReported)),
        closed=tuple(record for record in records if isinstance(record, TradeClosed)),
    )


def _messages(log: Path, start_seq: int, *, live: bool) -> Iterator[tuple[int, Record]]:
    with LogReader(log, live=live) as reader:
        for item in reader.spans(start_seq):
            if isinstance(item, MessageFrame):
                yield item.seq, log_records.decode(item.payload)


class LogTail:
    """Reads logs while they are written: every record so far, each read once."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._next: dict[Path, int] = {}
        self._records: list[Record] = []

    def records(self) -> list[Record]:
        """All messages that are there by now."""
        for log in log_folders(self._data_dir):
            for seq, record in _messages(log, self._next.get(log, 1), live=True):
                self._next[log] = seq + 1
                self._records.append(record)
        return self._records
