"""The market behind the gateway: one source of records per underlying, taken as the gateway's clock passes them.

Contracts of one underlying share its prices, as MES and ES do within a tick.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from trading_bot.adapters.files import open_files
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.live_bars import LiveBars, bar_of, joined
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.instruments import INSTRUMENTS, Instrument
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, FrameKind
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session import SessionTable

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

HISTORY_SESSIONS: Final = 21
_DAYS: Final = 14  # a generated market is planned session by session, so its end costs nothing
_BATCH: Final = 64
_TICKS_KEPT: Final = 500_000  # some hours of an active market
_DAY_NS: Final = 86_400 * NS_PER_S


class Record(msgspec.Struct, frozen=True, gc=False):
    """One quote or trade, prices in ticks; `ts_ns` is when it happens, `event_ns` its stamp."""

    kind: FrameKind
    ts_ns: int
    event_ns: int
    bid_ticks: int = 0
    ask_ticks: int = 0
    bid_qty: int = 0
    ask_qty: int = 0
    price_ticks: int = 0
    qty: int = 0
    aggressor: int = 0


class Listener(Protocol):
    """A stream of one client."""

    client: Client
    req_id: int

    def on_record(self, record: Record) -> None:
        """One record of its contract's underlying."""

    def on_time(self, now_ns: int) -> None:
        """The market's time has come to `now_ns`."""


class Book:
    """One underlying: where its records come from, its last values, its bars."""

    def __init__(self, records: Iterator[Record], history: Callable[[], list[MinuteBar]]) -> None:
        """`history` gives the bars before the first record; it is asked once, when somebody wants them."""
        self._records = records
        self._history = history
        self._past: list[MinuteBar] | None = None
        self.pending: deque[Record] = deque()
        self.quote: Record | None = None
        self.trade: Record | None = None
        self.volume = 0
        self.bars = LiveBars()
        self.ticks: deque[Record] = deque(maxlen=_TICKS_KEPT)  # for historical ticks
        self._day: tuple[int, MinuteBar] | None = None
        self._closes: dict[int, int | None] = {}

    def until(self, now_ns: int) -> Iterator[Record]:
        """Records up to `now_ns`, each applied as it is given."""
        while True:
            if not self.pending:
                record = next(self._records, None)
                if record is None:
                    return
                self.pending.append(record)
            if self.pending[0].ts_ns > now_ns:
                return
            record = self.pending.popleft()
            self._apply(record)
            yield record

    def past_bars(self) -> list[MinuteBar]:
        """Bars before the gateway's start."""
        if self._past is None:
            self._past = self._history()
        return self._past

    def day_range(self, calendar: SessionTable, now_ns: int) -> MinuteBar | None:
        """The session under way as one bar; None before its first trade."""
        day = calendar.trading_day(now_ns)
        if day is None:
            return None
        if self._day is None or self._day[0] != day.trade_date:
            bars = [
                bar for bar in (*self.past_bars(), *self.bars.until(now_ns)) if bar.ts_open_ns >= day.globex_open_ns
            ]
            self._day = (day.trade_date, reduce(joined, bars)) if bars else None
        return self._day[1] if self._day is not None else None

    def prior_close_ticks(self, calendar: SessionTable, now_ns: int) -> int | None:
        """The last price of the session before; None when nothing is known of it."""
        day = calendar.trading_day(now_ns)
        if day is None:
            return None
        if day.trade_date not in self._closes:
            bars = (*self.past_bars(), *self.bars.until(now_ns))
            before = [bar for bar in bars if bar.ts_open_ns < day.globex_open_ns]
            self._closes[day.trade_date] = before[-1].close_ticks if before else None
        return self._closes[day.trade_date]

    def _apply(self, record: Record) -> None:
        self.ticks.append(record)
        if record.kind is FrameKind.QUOTE:
            self.quote = record
        else:
            self.trade = record
            self.volume += record.qty
            self.bars.add(record.ts_ns, record.price_ticks, record.qty)
            if self._day is not None:
                self._day = (self._day[0], joined(self._day[1], bar_of(record.ts_ns, record.price_ticks, record.qty)))


class Market:
    """Prices and streams of every contract."""

    def __init__(self, gateway: "Gateway") -> None:
        """Sources open when somebody asks for them."""
        self._gateway = gateway
        self._books: dict[str, Book] = {}
        self._listeners: dict[str, list[Listener]] = {}

    def book(self, instrument: Instrument) -> Book:
        """Prices of an underlying."""
        underlying = instrument.underlying
        if underlying not in self._books:
            self._books[underlying] = self._open(underlying)
            now_ns = self._gateway.clock.now_ns()
            for _ in self._books[underlying].until(now_ns):  # what has passed before anybody looked
                pass
        return self._books[underlying]

    def advance(self, now_ns: int) -> None:
        """Take records up to `now_ns`: the desk sees each first, then subscribers."""
        on_record = getattr(self._gateway.desk, "on_record", None)
        for underlying, book in self._books.items():
            listeners = self._listeners.get(underlying, [])
            for record in book.until(now_ns):
                if on_record is not None:
                    on_record(underlying, record)
                if not self._gateway.faults.data_stopped:
                    for listener in listeners:
                        listener.on_record(record)
            for listener in listeners:
                listener.on_time(now_ns)

    def listen(self, instrument: Instrument, listener: Listener) -> None:
        """Add a stream."""
        self.book(instrument)
        # A new list, so that a stream may be added or dropped while records are given out.
        self._listeners[instrument.underlying] = [*self._listeners.get(instrument.underlying, []), listener]

    def drop(self, client: Client, req_id: int) -> bool:
        """Remove a stream; whether there was one."""
        found = False
        for underlying, listeners in self._listeners.items():
            kept = [one for one in listeners if one.client is not client or one.req_id != req_id]
            found = found or len(kept) < len(listeners)
            self._listeners[underlying] = kept
        return found

    def forget(self, client: Client) -> None:
        """Drop every stream of the client, without a word to it."""
        for underlying, listeners in self._listeners.items():
            self._listeners[underlying] = [one for one in listeners if one.client is not client]

    def touch(self, con_id: int) -> tuple[int, int, int, int]:
        """Best bid and ask as (bid_ticks, bid_qty, ask_ticks, ask_qty); 0 where there is none."""
        quote = self._of(con_id).quote
        return (0, 0, 0, 0) if quote is None else (quote.bid_ticks, quote.bid_qty, quote.ask_ticks, quote.ask_qty)

    def last(self, con_id: int) -> int:
        """Price of the last trade in ticks; 0 before the first."""
        trade = self._of(con_id).trade
        return 0 if trade is None else trade.price_ticks

    def push(self, instrument: Instrument, record: Record) -> None:
        """A record of a script, taken when its time has come; records of the source wait behind it."""
        self.book(instrument).pending.appendleft(record)

    def _of(self, con_id: int) -> Book:
        row: Listed | None = self._gateway.contracts.find(con_id)
        assert row is not None, f"contract {con_id} was never listed"
        return self.book(row.instrument)

    def _open(self, underlying: str) -> Book:
        config = self._gateway.config
        instrument = next(row for row in INSTRUMENTS.values() if row.underlying == underlying)
        calendar = self._gateway.contracts.calendar
        if config.inputs:
            feed = open_files(list(config.inputs), instrument)
            return Book(_records(feed.read), list)
        sim = SimFeed(
            instrument,
            calendar,
            seed=config.seed,
            start_ns=config.start_ns,
            duration_ns=_DAYS * _DAY_NS,
            resolution_ns=NS_PER_S,
            batch_records=_BATCH,
        )
        return Book(_records(sim.read), lambda: list(sim.history_bars(HISTORY_SESSIONS)))


def _records(read: Callable[[], memoryview | None]) -> Iterator[Record]:
    """Quotes and trades of a feed's batches; what its door refused is not the market."""
    while (batch := read()) is not None:
        for at in range(0, len(batch), FRAME_ALIGN):
            yield from _record(batch, at)


def _record(batch: memoryview, at: int) -> Iterator[Record]:
    row = TICK_RECORD.unpack_from(batch, at)
    ts_ns, event_ns, first_ticks, second_ticks, first_qty, second_qty, aggressor = (*row[7:13], row[13])
    if row[3] == FrameKind.QUOTE:
        yield Record(FrameKind.QUOTE, ts_ns, event_ns, first_ticks, second_ticks, first_qty, second_qty)
    elif row[3] == FrameKind.TRADE:
        yield Record(FrameKind.TRADE, ts_ns, event_ns, price_ticks=first_ticks, qty=first_qty, aggressor=int(aggressor))
