"""The week's digest, from the logs of its days (MO07): each day, what they come to, and the week before beside it."""

import contextlib
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

import msgspec

from trading_bot.domain.errors import LogCorrupt, UsageError
from trading_bot.domain.events import RunStarted
from trading_bot.reports.day_end import begun_logs, day_end_of
from trading_bot.reports.day_end_records import (
    BookDay,
    Change,
    Count,
    DayEnd,
    LearningLine,
    Records,
    StandingBreaker,
    Tally,
    TradeLine,
)


class Week(msgspec.Struct, frozen=True):
    """A calendar week of ISO 8601: Monday to Sunday."""

    year: int
    number: int

    @property
    def monday(self) -> date:
        """Its first day."""
        return date.fromisocalendar(self.year, self.number, 1)

    @property
    def before(self) -> "Week":
        """The week before."""
        return week_of(self.monday - timedelta(days=7))

    @property
    def name(self) -> str:
        """`2026-W48`."""
        return f"{self.year}-W{self.number:02d}"

    def holds(self, trade_date: int) -> bool:
        """Whether a trade date (yyyymmdd, 0: unknown) is in it."""
        return bool(trade_date) and week_of(as_date(trade_date)) == self


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """The deepest fall of the sum of closed trades from its highest, 0 before the first; from one trade to another."""

    amount_uusd: int
    peak_trade: str
    trough_trade: str


class WeekBook(msgspec.Struct, frozen=True, kw_only=True):
    """One book of a week; `days` in order. `previous` is the same book's week before, None where it has none.

    `late_commission_uusd` as in `BookDay`. What stands at the end is the newest day's.
    """

    mode: str
    adapter: str
    instrument: str
    hypothetical: bool
    days: tuple[BookDay, ...]
    dates: tuple[int, ...]
    total: Tally
    late_commission_uusd: int
    previous: Tally | None
    previous_net_uusd: int | None
    drawdown: Drawdown
    slippage_ticks_mean: float | None
    by_template: tuple[Tally, ...]
    by_exit: tuple[Tally, ...]
    skips: tuple[Count, ...]
    learning: tuple[Change, ...]
    breakers: tuple[Change, ...]
    trouble: tuple[Change, ...]
    learning_states: tuple[LearningLine, ...]
    breakers_standing: tuple[StandingBreaker, ...]

    @property
    def net_uusd(self) -> int:
        """Net of every commission."""
        return self.total.net_uusd - self.late_commission_uusd

    @property
    def flat(self) -> bool:
        """Whether the newest day ended flat: what a day left open, the next has closed or still shows."""
        return self.days[-1].flat

    @property
    def trades(self) -> tuple[TradeLine, ...]:
        """All trades, in the order of their days."""
        return tuple(row for day in self.days for row in day.trades)

    @property
    def best_day(self) -> int:
        """Trade date that earned most, the first of equals."""
        return max(zip(self.dates, self.days, strict=True), key=lambda row: row[1].net_uusd)[0]

    @property
    def worst_day(self) -> int:
        """Trade date that cost most, the first of equals."""
        return min(zip(self.dates, self.days, strict=True), key=lambda row: row[1].net_uusd)[0]


class WeekDigest(msgspec.Struct, frozen=True, kw_only=True):
    """A week: its books, real ones first. `unread` names logs that could not be read, of any week, and why."""

    week: str
    first_date: int
    last_date: int
    books: tuple[WeekBook, ...]
    unread: tuple[str, ...]

    @property
    def trades(self) -> int:
        """Closed trades in all books, real and hypothetical alike."""
        return sum(book.total.trades for book in self.books)


def read_week(path: Path | str, *, week: Week | None = None, mode: str | None = None, live: bool = False) -> WeekDigest:
    """The digest of a week; of the newest one in which there is a log, where none is named.

    A week without a log is one without a book. A log that is damaged is named, and the others are read. `live`: a
    process may be writing.

    Raises:
        UsageError: no week is named, and there is no log to take it from.
    """
    unread: list[str] = []
    try:
        begun = begun_logs(path, mode=mode, unread=unread)
    except UsageError:
        if week is None:
            raise
        begun = []
    dates = sorted({started.trade_date for _, started in begun if started.trade_date})
    if week is None:
        if not dates:
            raise UsageError(f"{path}: no log of a known date{f' in mode {mode}' if mode else ''}; name a --week")
        week = week_of(as_date(dates[-1]))
    this = _books(begun, [one for one in dates if week.holds(one)], unread, live=live)
    before = _books(begun, [one for one in dates if week.before.holds(one)], unread, live=live)
    books = [_book(key, days, before.get(key, [])) for key, days in this.items()]
    monday = week.monday
    return WeekDigest(
        week=week.name,
        first_date=_number(monday),
        last_date=_number(monday + timedelta(days=6)),
        books=tuple(sorted(books, key=lambda book: (book.hypothetical, book.mode))),
        unread=tuple(unread),
    )


def week_of(day: date) -> Week:
    """The week a date is in."""
    year, number, _ = day.isocalendar()
    return Week(year, number)


def as_date(trade_date: int) -> date:
    """A date of yyyymmdd.

    Raises:
        ValueError: there is no such date.
    """
    return date(trade_date // 10_000, trade_date // 100 % 100, trade_date % 100)


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


_Key = tuple[str, str, str]


def _books(
    begun: Sequence[tuple[Path, RunStarted]], dates: Iterable[int], unread: list[str], *, live: bool
) -> dict[_Key, list[tuple[int, BookDay]]]:
    """The days of each book; a log that cannot be read is named, and is in none."""
    found: dict[_Key, list[tuple[int, BookDay]]] = {}
    for trade_date in dates:
        day = _readable(begun, trade_date, unread, live=live)
        for book in day.books:
            found.setdefault((book.mode, book.adapter, book.instrument), []).append((trade_date, book))
    return found


def _readable(begun: Sequence[tuple[Path, RunStarted]], trade_date: int, unread: list[str], *, live: bool) -> DayEnd:
    """A day without its damaged logs."""
    with contextlib.suppress(LogCorrupt):
        return day_end_of(begun, trade_date, live=live)
    whole = []
    for one in begun:
        try:
            day_end_of([one], trade_date, live=live)
        except LogCorrupt as error:
            unread.append(str(error))
        else:
            whole.append(one)
    return day_end_of(whole, trade_date, live=live)


def _book(key: _Key, dated: Sequence[tuple[int, BookDay]], before: Sequence[tuple[int, BookDay]]) -> WeekBook:
    days = [book for _, book in dated]
    trades = [row for day in days for row in day.trades]
    mode, adapter, instrument = key
    return WeekBook(
        mode=mode,
        adapter=adapter,
        instrument=instrument,
        hypothetical=days[-1].hypothetical,
        days=tuple(days),
        dates=tuple(trade_date for trade_date, _ in dated),
        total=_summed("all", [day.total for day in days]),
        late_commission_uusd=sum(day.late_commission_uusd for day in days),
        previous=_summed("all", [day.total for _, day in before]) if before else None,
        previous_net_uusd=sum(day.net_uusd for _, day in before) if before else None,
        drawdown=_drawdown(trades),
        slippage_ticks_mean=sum(row.slippage_ticks for row in trades) / len(trades) if trades else None,
        by_template=_by_name(row for day in days for row in day.by_template),
        by_exit=_by_name(row for day in days for row in day.by_exit),
        skips=_counts(row for day in days for row in day.skips),
        learning=tuple(row for day in days for row in day.learning),
        breakers=tuple(row for day in days for row in day.breakers),
        trouble=tuple(row for day in days for row in day.trouble),
        learning_states=days[-1].learning_states,
        breakers_standing=days[-1].breakers_standing,
    )


def _drawdown(trades: Iterable[TradeLine]) -> Drawdown:
    total = peak = 0
    peak_trade = ""
    deepest = Drawdown(amount_uusd=0, peak_trade="", trough_trade="")
    for row in sorted(trades, key=lambda row: row.exit_ts_ns):
        total += row.net_uusd
        if total > peak:
            peak, peak_trade = total, row.trade_id
        elif peak - total > deepest.amount_uusd:
            deepest = Drawdown(amount_uusd=peak - total, peak_trade=peak_trade, trough_trade=row.trade_id)
    return deepest


def _by_name(tallies: Iterable[Tally]) -> tuple[Tally, ...]:
    groups: dict[str, list[Tally]] = {}
    for row in tallies:
        groups.setdefault(row.name, []).append(row)
    return tuple(_summed(name, rows) for name, rows in sorted(groups.items()))


def _summed(name: str, rows: Sequence[Tally]) -> Tally:
    return Tally(
        name=name,
        trades=sum(row.trades for row in rows),
        wins=sum(row.wins for row in rows),
        gross_uusd=sum(row.gross_uusd for row in rows),
        commission_uusd=sum(row.commission_uusd for row in rows),
        records=_joined(row.records for row in rows),
    )


def _counts(counts: Iterable[Count]) -> tuple[Count, ...]:
    groups: dict[str, list[Count]] = {}
    for row in counts:
        groups.setdefault(row.name, []).append(row)
    rows = [
        Count(
            name=name,
            count=sum(row.count for row in found),
            meaning=found[0].meaning,
            records=_joined(row.records for row in found),
        )
        for name, found in groups.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.name)))


def _joined(found: Iterable[Records]) -> Records:
    """Days have logs of their own, so that no log is in two of them."""
    return {log: seqs for records in found for log, seqs in records.items()}
