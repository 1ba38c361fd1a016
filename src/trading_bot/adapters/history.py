"""What came before a run, as closed 60 s bars: from market data files, folders of them, and the logs of earlier runs.

The bars are those the kernel would have built from the same records, so a run that begins with them has the bar signals
of one that saw the days before. Nothing that ends after the run's first record gets in.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from trading_bot._fast.historybars import MinuteBars
from trading_bot._fast.spans import market_only
from trading_bot.adapters.files import CsvColumns, open_files
from trading_bot.adapters.files.recognise import DBN_ENDS, TEXT_ENDS, recognise
from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import LogReader, segment_paths
from trading_bot.core.log_walk import MessageFrame, TickSpan
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.bars import MinuteBar, pack_bars
from trading_bot.domain.errors import ConfigError, DataCorrupt, SourceUnreachable, UsageError
from trading_bot.domain.events import HistoryLoaded, RunStarted
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session import SessionDay, SessionTable, parse_calendar

SESSIONS_MAX: Final = 20
_NONE_LEFT_OUT: Final = memoryview(b"").cast("q")
_FEED_ENDS: Final = (*DBN_ENDS, *TEXT_ENDS, ".parquet", ".zip")


class SessionBars(msgspec.Struct, frozen=True):
    """The bars of one trade date (yyyymmdd), oldest first; `source` names what they were built from."""

    trade_date: int
    source: str
    bars: tuple[MinuteBar, ...]


class _Stream(msgspec.Struct, frozen=True):
    """Records of one contract in order of time; `contract` is empty where the source does not name one."""

    contract: str
    records: Iterator[memoryview | bytes]


class _Part(msgspec.Struct, frozen=True):
    """What is read as one stream. `newest` is the last trade date it can hold, None when that is open."""

    name: str
    newest: int | None
    open: Callable[[], _Stream]


def history_from_paths(
    paths: Sequence[Path],
    instrument: Instrument,
    *,
    calendar: SessionTable,
    before_ns: int,
    sessions_max: int = SESSIONS_MAX,
    columns: CsvColumns | None = None,
) -> tuple[SessionBars, ...]:
    """The bars before `before_ns` (ns UTC) in the sources, by trade date, oldest first.

    A path is a market data file of any known format, a folder of them (every day in it), the log of a session or the
    folder of a run. `columns` declares CSV and Parquet files given by name. The last `sessions_max` trade dates that
    have bars are kept, and the one `before_ns` is in. A minute two sources have is taken from the one named first.
    The `source` of the newest session also tells what was found and not used, so that it stands in the log.

    Raises:
        SourceUnreachable: a path that is not there.
        UsageError: a format that is not known, a choice the user has to make, a log of another instrument, or sources
            that have no bar before `before_ns`.
        DataCorrupt: a source that is damaged before `before_ns`; nothing is used.
    """
    told: list[str] = []
    gathered = _Gathered(calendar, before_ns, sessions_max)
    for path in paths:
        with _naming(path):
            for part in _parts(path, instrument, calendar, columns):
                if gathered.needs(part.newest):
                    told += _gather(part, gathered)
    if paths and gathered.empty:
        raise UsageError(
            f"--history {', '.join(map(str, paths))}: no bar from before the run, which begins at "
            f"{datetime.fromtimestamp(before_ns // NS_PER_S, UTC).isoformat()} ({'; '.join(told)}); "
            "name earlier files or logs, or leave --history out"
        )
    return _telling(gathered.sessions(), [*told, *gathered.notes()])


def _telling(sessions: tuple[SessionBars, ...], notes: Sequence[str]) -> tuple[SessionBars, ...]:
    if not sessions or not notes:
        return sessions
    newest = sessions[-1]
    source = f"{newest.source} [{'; '.join(notes)}]"
    return (*sessions[:-1], SessionBars(newest.trade_date, source, newest.bars))


def run_history(folder: Path, instrument: Instrument, *, calendar: str, ts_ns: int) -> list[HistoryLoaded]:
    """What a run has seen before a restart at `ts_ns` that takes over no kernel, from the logs in its own folder.

    `calendar` is the text of a session table; without one there are no trade dates, and no event.

    Raises:
        DataCorrupt: a damaged log.
    """
    if not calendar:
        return []
    gathered = _Gathered(parse_calendar(calendar, source="the calendar of the run"), ts_ns, SESSIONS_MAX)
    for part in _log_parts(folder, instrument):
        if gathered.needs(part.newest):
            _gather(part, gathered)
    return history_events(gathered.sessions(), ts_ns)


def history_events(sessions: Iterable[SessionBars], ts_ns: int) -> list[HistoryLoaded]:
    """One event per trade date, stamped `ts_ns`, in the order given."""
    return [
        HistoryLoaded(ts_ns=ts_ns, source=session.source, count=len(session.bars), bars=pack_bars(session.bars))
        for session in sessions
    ]


class _Gathered:
    """Bars found so far, by trade date and minute."""

    def __init__(self, calendar: SessionTable, before_ns: int, sessions_max: int) -> None:
        if sessions_max < 0:
            raise UsageError(f"history of {sessions_max} sessions: expected 0 or more")
        self.before_ns = before_ns
        self._calendar = calendar
        self._sessions_max = sessions_max
        today = calendar.trading_day(before_ns)
        self._today = today.trade_date if today is not None else None
        self._bars: dict[int, dict[int, MinuteBar]] = {}
        # Of each trade date: the sources with the time and contract of their first bar.
        self._sources: dict[int, dict[str, tuple[int, str]]] = {}

    @property
    def empty(self) -> bool:
        """Whether no source had a bar of a known date."""
        return not self._bars

    def needs(self, newest: int | None) -> bool:
        """Whether bars up to trade date `newest` can still be among the ones kept."""
        earlier = self._earlier()
        return newest is None or len(earlier) < self._sessions_max or newest >= min(earlier, default=0)

    def add(self, name: str, contract: str, bars: Iterable[MinuteBar]) -> tuple[int, int]:
        """Take bars of a source, oldest first; how many stood already, and how many have no trade date."""
        duplicates = unknown = 0
        day: SessionDay | None = None
        for bar in bars:
            if day is None or bar.ts_open_ns >= day.globex_close_ns:
                day = self._calendar.trading_day(bar.ts_open_ns)
            if day is None:
                unknown += 1
                continue
            minutes = self._bars.setdefault(day.trade_date, {})
            if bar.ts_open_ns in minutes:
                duplicates += 1
                continue
            minutes[bar.ts_open_ns] = bar
            self._sources.setdefault(day.trade_date, {}).setdefault(name, (bar.ts_open_ns, contract))
        return duplicates, unknown

    def sessions(self) -> tuple[SessionBars, ...]:
        """What is kept, oldest first."""
        return tuple(
            SessionBars(
                date, ", ".join(name for name, _ in self._named(date)), tuple(sorted(self._bars[date].values()))
            )
            for date in self._kept()
        )

    def notes(self) -> list[str]:
        """What a person should know about the kept bars as a whole."""
        kept = self._kept()
        contracts = [contract for date in kept for _, (_, contract) in self._named(date) if contract]
        notes = []
        if len(set(contracts)) > 1:
            in_turn = " to ".join(contract for contract, _ in groupby(contracts))
            notes.append(f"contracts {in_turn}: the first ranges after a change span two contracts")
        before = self._calendar.days_before(self._today, 1) if self._today is not None else ()
        if kept and before and kept[-1] < before[-1].trade_date:
            notes.append(
                f"the history ends with {kept[-1]}, the session before the run is {before[-1].trade_date}: "
                "the first ranges compare with old prices"
            )
        return notes

    def _named(self, date: int) -> list[tuple[str, tuple[int, str]]]:
        return sorted(self._sources[date].items(), key=lambda source: source[1])

    def _kept(self) -> list[int]:
        earlier = self._earlier()
        return [*earlier, self._today] if self._today is not None and self._today in self._bars else earlier

    def _earlier(self) -> list[int]:
        """The last trade dates with bars, without today's, oldest first."""
        dates = sorted(date for date in self._bars if date != self._today)
        return dates[max(len(dates) - self._sessions_max, 0) :]


def _gather(part: _Part, gathered: _Gathered) -> list[str]:
    """Read one stream into `gathered`; what a person should know about it."""
    stream = part.open()
    builder = MinuteBars(gathered.before_ns)
    for records in stream.records:
        if builder.take(records):
            break
    bars = builder.bars()
    duplicates, unknown = gathered.add(part.name, stream.contract, bars)
    notes = []
    if not bars:
        notes.append(f"{part.name}: no trade in a minute that ended before the run's first record")
    if duplicates:
        notes.append(f"{part.name}: {duplicates} of its {len(bars)} bars are of minutes an earlier source gave")
    if unknown:
        notes.append(f"{part.name}: {unknown} of its {len(bars)} bars are of dates the calendar does not know")
    if builder.price_gaps:
        notes.append(f"{part.name}: {builder.price_gaps} price gaps; bars of both sides of each are used")
    return notes


def _parts(path: Path, instrument: Instrument, calendar: SessionTable, columns: CsvColumns | None) -> Iterator[_Part]:
    """The streams under `path`, the newest first where dates tell."""
    if not path.exists():
        raise SourceUnreachable("there is no such file or folder; name files, folders or logs that exist")
    if not path.is_dir():
        yield _Part(path.name, None, partial(_open_files, [path], instrument, columns=columns))
    elif holds_logs(path):
        yield from _log_parts(path, instrument)
    else:
        yield from _folder_parts(path, instrument, calendar)


def _folder_parts(folder: Path, instrument: Instrument, calendar: SessionTable) -> Iterator[_Part]:
    """One stream per day of a folder of files; each file without a date is a stream of its own."""
    days: set[tuple[str, ...]] = set()
    undated = []
    for file in sorted(folder.iterdir()):
        if not (file.is_file() and file.name.lower().endswith(_FEED_ENDS)):
            continue
        try:
            found = recognise(file, None)
        except ConfigError:
            raise
        except UsageError:
            continue  # a folder may hold what is no feed, as it may under --input
        if found.dates:
            days.add(found.dates)
        else:
            undated.append(file)
    if not days and not undated:
        raise UsageError("holds neither a log nor a market data file; name the folder of a run, or of data files")
    for dates in sorted(days, key=max, reverse=True):
        following = calendar.days_from(int(max(dates)), 2)  # the evening of a date belongs to the next one
        newest = following[-1].trade_date if following else None
        opener = partial(_open_files, [folder], instrument, date=dates[0])
        yield _Part(f"{folder.name} {'+'.join(dates)}", newest, opener)
    for file in undated:
        yield _Part(file.name, None, partial(_open_files, [file], instrument))


def _open_files(
    paths: Sequence[Path], instrument: Instrument, *, date: str | None = None, columns: CsvColumns | None = None
) -> _Stream:
    feed = open_files(paths, instrument, date=date, columns=columns)
    contracts = [source["contract"] for source in feed.description["inputs"] if source["contract"]]
    return _Stream(contracts[0] if contracts else "", iter(feed.read, None))


def holds_logs(folder: Path) -> bool:
    """Whether a folder is a log, or a run's folder of logs."""
    return any(segment_paths(entry) for entry in (folder, *folder.iterdir()) if entry.is_dir())


def _log_parts(path: Path, instrument: Instrument) -> Iterator[_Part]:
    """One stream per trade date: a session that went on in a second log goes on in the middle of a minute."""
    begun = []
    for log in session_logs(path):
        first = _started(log)
        if first is None:
            yield _Part(f"log {log.name}", None, partial(_open_logs, []))
        else:
            begun.append((first.trade_date, log, first))
    dated = [(date, list(group)) for date, group in groupby(begun, key=lambda entry: entry[0])]
    for date, group in reversed(dated):
        for _, log, started in group:
            if started.instrument != instrument.symbol:
                raise UsageError(
                    f"{log.name} is a log of {started.instrument}, the run is of {instrument.symbol}; name logs of "
                    f"{instrument.symbol}, or run with --instrument {started.instrument}"
                )

        started = group[0][2]
        name = f"log {date} of {started.run_id} ({started.adapter})"
        # Date 0: the calendar of that run did not know the date; ours may.
        yield _Part(name, date or None, partial(_open_logs, [(log, _beside(started)) for _, log, started in group]))


def _started(log: Path) -> RunStarted | None:
    """How the log begins; None when it was cut before its first record.

    Raises:
        DataCorrupt: it begins otherwise.
    """
    with LogReader(log, live=True) as reader:
        first = next(reader.spans(), None)
        if first is None:
            return None
        record = None
        if isinstance(first, MessageFrame):
            try:
                record = log_records.decode(first.payload)
            except msgspec.ValidationError as error:
                raise DataCorrupt(f"{log.name}: record 1 is not of this version: {error}") from error
    if not isinstance(record, RunStarted):
        raise DataCorrupt(f"{log.name}: does not begin with RUN_STARTED: this is not the beginning of a log")
    return record


def _beside(started: RunStarted) -> int:
    """The instrument whose records make bars where a log holds those of two; 0 where it holds one."""
    if not started.documents:
        return 0
    documents = RunDocuments.unpack(started.documents, where=started.run_id)
    return documents.market_instrument.id if documents.signal_instrument is not None else 0


def _open_logs(logs: Sequence[tuple[Path, int]]) -> _Stream:
    return _Stream("", (records for log, market_id in logs for records in _logged(log, market_id)))


def _logged(log: Path, market_id: int) -> Iterator[memoryview | bytes]:
    with LogReader(log) as reader:
        for item in reader.spans():
            if isinstance(item, TickSpan):
                yield market_only(item.buffer, market_id, _NONE_LEFT_OUT) if market_id else item.buffer


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors of a source say that it was named for the history, and what to do."""
    try:
        yield
    except DataCorrupt as error:
        raise DataCorrupt(f"--history {path}: {error}; restore it, or run without it: none of it was used") from error
    except SourceUnreachable as error:
        raise SourceUnreachable(f"--history {path}: {error}") from error
    except UsageError as error:
        raise UsageError(f"--history {path}: {error}") from error
