"""The file feed: one or several input files as one stream of tick records."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from trading_bot._fast.door import Door
from trading_bot._fast.merger import Merger
from trading_bot._fast.raw_batch import RawBatch
from trading_bot.adapters.files.columns import CsvColumns
from trading_bot.adapters.files.dbn import DbnHead, DbnSource, root_of
from trading_bot.adapters.files.delimited import DelimitedSource
from trading_bot.adapters.files.lean import LeanSource, lean_members, volumes_by_expiry
from trading_bot.adapters.files.parquet import ParquetSource
from trading_bot.adapters.files.recognise import Recognised, choose, normal_date, recognise
from trading_bot.adapters.files.source import Source
from trading_bot.domain.errors import BotError, UsageError
from trading_bot.domain.instruments import INSTRUMENTS, Instrument
from trading_bot.domain.records import FRAME_ALIGN, FRAME_HEADER, RejectReason

# Files know no calendar: a silence this long counts as a new session for the door's price band.
SESSION_SILENCE_NS: Final = 30 * 60 * 1_000_000_000


class FileFeed:
    """Reads inputs merged by receive time; at equal times in the order they were given.

    The same files give the same records in the same batches, however often they are opened: a restart skips what the
    log already holds.
    """

    def __init__(
        self, sources: Sequence[Source], instrument: Instrument, *, batch_records: int, description: dict[str, Any]
    ) -> None:
        self._sources = list(sources)
        self._batches = [RawBatch() for _ in self._sources]
        self._door = Door(instrument.id, instrument.tick_size_e9, batch_records, SESSION_SILENCE_NS)
        self._merger = Merger(self._batches, self._door)
        self._failure: BotError | None = None
        self._failed: set[int] = set()
        self._ended = False
        self._held: memoryview | None = None
        self.description = description

    @property
    def quotes(self) -> int:
        """Quotes accepted so far, skipped records included."""
        return self._door.quotes

    @property
    def trades(self) -> int:
        """Trades accepted so far, skipped records included."""
        return self._door.trades

    @property
    def price_gaps(self) -> int:
        """Times the price band was re-anchored."""
        return self._door.price_gaps

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Values refused at the door, by the name of the reason; only reasons that occurred."""
        counts = {reason.name: self._door.refused(reason) for reason in RejectReason}
        return {name: count for name, count in counts.items() if count}

    @property
    def skipped_by_reason(self) -> dict[str, int]:
        """Rows that are no market record (suspicious prints, one-sided quotes, other instruments), by name."""
        total: dict[str, int] = {}
        for source in self._sources:
            for name, count in source.skipped.items():
                total[name] = total.get(name, 0) + count
        return total

    @property
    def resolution_ns(self) -> int:
        """Step of the event stamps: the coarsest of the inputs."""
        return max(source.resolution_ns for source in self._sources)

    def read(self) -> memoryview | None:
        """The next batch of whole 64-byte tick records, valid until the next call; None at the end.

        Raises DataCorrupt (or UsageError for a file that turns out to hold several instruments) once everything
        before the trouble has been handed out, and again on every later call.
        """
        if self._held is not None:
            held, self._held = self._held, None
            return held
        if not self._ended:
            self._advance()
        if self._door.held:
            return self._door.take()
        if self._failure is not None:
            raise self._failure
        return None

    def first_ts_ns(self) -> int | None:
        """Receive time of the record `read` gives next, ns UTC; None when there is none. Raises as `read`."""
        self._held = self.read()
        if self._held is None:
            return None
        ts_ns: int = FRAME_HEADER.unpack_from(self._held)[7]
        return ts_ns

    def skip_records(self, count: int) -> None:
        """Pass over the first `count` records, which the log already holds.

        Raises UsageError when the files hold fewer: they are not what the log was made from.
        """
        left = count
        while left > 0:
            batch = self.read()
            if batch is None:
                raise UsageError(
                    f"the input holds {count - left} records, the log already {count}: give the files the log was "
                    "made from, or a new --data-dir"
                )
            have = len(batch) // FRAME_ALIGN
            if have > left:
                self._held = batch[left * FRAME_ALIGN :]
            left -= min(have, left)

    def _advance(self) -> None:
        """Fill the door, or get as far as the sources go."""
        while (wanting := self._merger.run()) >= 0:
            if wanting in self._failed:
                # All it gave before it failed is merged; what the others hold beyond that is not handed out.
                self._ended = True
                return
            try:
                self._batches[wanting].done = not self._sources[wanting].fill(self._batches[wanting])
            except BotError as error:
                self._failure = self._failure or error
                self._failed.add(wanting)
        self._ended = wanting == Merger.END


def open_files(
    paths: Sequence[Path],
    instrument: Instrument,
    *,
    date: str | None = None,
    batch_records: int = 4096,
    columns: CsvColumns | None = None,
    contract: str | None = None,
) -> FileFeed:
    """Open files, or the day `date` of a folder, as one feed of `instrument`.

    `columns` declares the columns of CSV and Parquet inputs; `contract` names one instrument of a file that holds
    several (a raw symbol or id of a DBN file, an expiry such as 201312 of a LEAN zip).

    Raises SourceUnreachable for a missing path, UsageError for an unknown format or a choice the user has to make,
    DataCorrupt for a file that cannot be read at all.
    """
    if not paths:
        raise UsageError("no input: give --input a file or a folder")
    wanted_date = None if date is None else normal_date(date)
    items: list[Recognised] = []
    for path in paths:
        if path.is_dir():
            items += choose(path, wanted_date, instrument.symbol)
        else:
            items.append(recognise(path, columns))
    if wanted_date is not None and not any(path.is_dir() for path in paths):
        raise UsageError(f"--date {date} goes with a folder; {paths[0]} is a file")
    _refuse_double_count(items)
    expiry = _expiry(items, contract)
    sources, inputs = [], []
    for item in items:
        source, name = _open(item, instrument, contract, expiry)
        sources.append(source)
        size_bytes = item.path.stat().st_size
        inputs.append({"name": item.path.name, "size_bytes": size_bytes, "format": item.format, "contract": name})
    description = {
        "inputs": inputs,
        "instrument": instrument.symbol,
        "resolution_ns": max(source.resolution_ns for source in sources),
    }
    return FileFeed(sources, instrument, batch_records=batch_records, description=description)


def _open(item: Recognised, instrument: Instrument, contract: str | None, expiry: str | None) -> tuple[Source, str]:
    """The source and the name of what is read from it."""
    if item.format.startswith("dbn"):
        head = DbnHead(item.path)
        number = head.instrument_id(item.path, contract, instrument.symbol)
        symbol = head.symbols.get(number, "")
        _same_prices(item.path, root_of(symbol), instrument)
        return DbnSource(item.path, head, number), symbol
    if item.format.startswith("lean"):
        _same_prices(item.path, item.symbol or "", instrument)
        members = lean_members(item.path)
        chosen = [member for member in members if member.expiry in {None, expiry}]
        if not chosen:
            found = ", ".join(sorted(member.expiry or "" for member in members))
            raise UsageError(f"{item.path}: no expiry {expiry}; found {found}: signals never mix two contracts")
        return LeanSource(item.path, chosen[0]), chosen[0].expiry or chosen[0].symbol
    assert item.columns is not None
    if item.format == "parquet":
        return ParquetSource(item.path, item.columns), ""
    return DelimitedSource(item.path, item.columns), ""


def _expiry(items: list[Recognised], contract: str | None) -> str | None:
    """The contract of LEAN futures zips: the one asked for, else that with the largest volume over all inputs.

    Without trade data the largest file stands in for volume. The whole day's volume is used, also for its beginning:
    which contract a file is read for is not a signal.
    """
    volumes: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for item in items:
        if item.format.startswith("lean"):
            members = [member for member in lean_members(item.path) if member.expiry is not None]
            for expiry, volume in volumes_by_expiry(item.path, members).items():
                volumes[expiry] = volumes.get(expiry, 0) + volume
            for member in members:
                if member.expiry is not None:
                    sizes[member.expiry] = sizes.get(member.expiry, 0) + member.size
    if contract is not None and sizes:
        return contract
    ranking = volumes or sizes
    return max(sorted(ranking), key=lambda expiry: ranking[expiry]) if ranking else None


def _same_prices(path: Path, symbol: str, instrument: Instrument) -> None:
    """Refuse data of another product: some of its prices would lie on this grid by chance."""
    known = INSTRUMENTS.get(symbol)
    if known is None:
        return
    if (known.underlying, known.tick_size_e9) != (instrument.underlying, instrument.tick_size_e9):
        raise UsageError(f"{path}: holds {symbol}, not {instrument.symbol}: run with --instrument {symbol}")


def _refuse_double_count(items: list[Recognised]) -> None:
    """Two inputs of different fineness that both bring the trades (or quotes) of a day would count them twice."""
    for one, other in combinations(items, 2):
        if one.path.resolve() == other.path.resolve():
            raise UsageError(f"{other.path}: given twice: its records would count twice; give it once")
        same_day = set(one.dates) & set(other.dates) and one.rank != other.rank and one.symbol == other.symbol
        for what, twice in (("trades", one.trades and other.trades), ("quotes", one.quotes and other.quotes)):
            if same_day and twice:
                raise UsageError(
                    f"{one.path.name} and {other.path.name} both hold the {what} of {one.dates[0]}: give one of them"
                )
