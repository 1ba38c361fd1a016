"""The market behind the gateway: one source of records per underlying, taken as the gateway's clock passes them.

Contracts of one underlying share its prices, as MES and ES do within a tick. What subscribers hear depends on the
records and on when they subscribed, in market time, and not on how often the gateway's pump runs.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from trading_bot.adapters.files import open_files
from trading_bot.adapters.gateway.book import Book
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.limits import Limits
from trading_bot.adapters.gateway.past import generated_past, no_past
from trading_bot.adapters.gateway.record import Record, records_of
from trading_bot.adapters.sim.market import DEFAULT_PRICE_TICKS, SimFeed
from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import INSTRUMENTS, Instrument
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

__all__ = ["STEP_NS", "Listener", "Market", "Record", "Stream"]

STEP_NS: Final = 250 * NS_PER_MS  # how often streams hear what time it is
_DAYS: Final = 14  # a generated market is planned session by session, so its end costs nothing
_BATCH: Final = 512
_DAY_NS: Final = 86_400 * NS_PER_S
# Where generated markets begin, in ticks: the size of each index in 2026, assumed. Others begin where SimFeed does.
_PRICE_TICKS: Final = {"NDX": 100_000, "RUT": 24_000, "DJI": 47_000}


class Stream(Protocol):
    """Something a client has asked for that goes on until it is cancelled."""

    client: Client
    req_id: int
    row: Listed


class Listener(Stream, Protocol):
    """A stream of market data. `name` is its kind: AllLast, Last, BidAsk, MidPoint, Sampled, Depth, Bars, History."""

    name: str

    def on_record(self, record: Record) -> None:
        """One record of its contract's underlying."""

    def on_time(self, now_ns: int) -> None:
        """The market's time has come to `now_ns`, a whole multiple of STEP_NS."""


class _Place:
    """One underlying: its book, who listens, and when they hear the time next."""

    def __init__(self, book: Book, now_ns: int) -> None:
        self.book = book
        self.listeners: tuple[Listener, ...] = ()  # replaced, so that it may change while records are given out
        self.step_ns = now_ns - now_ns % STEP_NS + STEP_NS


class Market:
    """Prices and streams of every contract."""

    def __init__(self, gateway: "Gateway") -> None:
        """Sources open when somebody asks for them."""
        self._gateway = gateway
        self._places: dict[str, _Place] = {}
        self.limits = Limits(gateway)

    def book(self, instrument: Instrument) -> Book:
        """Prices of an underlying.

        Raises:
            UsageError: the calendar does not know the gateway's start, or an input has nothing to give.
            SourceUnreachable: an input cannot be read.
        """
        return self._place(instrument.underlying).book

    def ready(self) -> None:
        """Wait for what was before the start, a second at most: nobody shall wait for it once the clock runs."""
        for place in self._places.values():
            place.book.past()

    def advance(self, now_ns: int) -> None:
        """Take records up to `now_ns`: the desk sees each first, then subscribers."""
        for underlying, place in self._places.items():
            self._advance(underlying, place, now_ns)

    def listen(self, listener: Listener) -> None:
        """Add a stream; its client can cancel it by its id."""
        place = self._place(listener.row.instrument.underlying)
        place.listeners = (*place.listeners, listener)
        listener.client.subscriptions[listener.req_id] = listener

    def drop(self, client: Client, req_id: int) -> None:
        """Remove a stream; one that is not there may be dropped."""
        client.subscriptions.pop(req_id, None)
        for place in self._places.values():
            place.listeners = tuple(one for one in place.listeners if one.client is not client or one.req_id != req_id)

    def forget(self, client: Client) -> None:
        """Drop every stream of the client, without a word to it."""
        for place in self._places.values():
            place.listeners = tuple(one for one in place.listeners if one.client is not client)

    def touch(self, con_id: int) -> tuple[int, int, int, int]:
        """Best bid and ask as (bid_ticks, bid_qty, ask_ticks, ask_qty); 0 where there is none."""
        quote = self._of(con_id).quote
        return (0, 0, 0, 0) if quote is None else (quote.bid_ticks, quote.bid_qty, quote.ask_ticks, quote.ask_qty)

    def last(self, con_id: int) -> int:
        """Price of the last trade in ticks; 0 before the first."""
        trade = self._of(con_id).trade
        return 0 if trade is None else trade.price_ticks

    def push(self, instrument: Instrument, *records: Record) -> None:
        """Records of a script: each happens at its time, between those of the source, or at once when that is past."""
        book = self.book(instrument)
        for record in records:
            book.push(record)

    def script(self, instrument: Instrument, records: Iterable[Record] = ()) -> None:
        """From now on this underlying is these records, and what is pushed, and nothing else."""
        self.book(instrument).stop_source()
        self.push(instrument, *records)

    def _advance(self, underlying: str, place: _Place, now_ns: int) -> None:
        book, faults, desk = place.book, self._gateway.faults, self._gateway.desk
        while (ts_ns := book.next_ns) <= now_ns:
            if ts_ns >= place.step_ns:
                self._step(place, ts_ns)
            record = book.take()
            if faults.halt:
                continue  # nothing trades, nothing is quoted: what the source has of this time never happened
            desk.on_record(underlying, record)
            if not faults.data_stopped:
                for listener in self._heard(place):
                    listener.on_record(record)
        if now_ns >= place.step_ns:
            self._step(place, now_ns)

    def _heard(self, place: _Place) -> tuple[Listener, ...]:
        """Streams that are not stopped by a fault."""
        stopped = self._gateway.faults.stream_stopped
        return tuple(one for one in place.listeners if one.name != stopped) if stopped else place.listeners

    def _step(self, place: _Place, until_ns: int) -> None:
        """Tell the time at every step that has passed."""
        if not place.listeners or self._gateway.faults.data_stopped:
            place.step_ns = until_ns - until_ns % STEP_NS + STEP_NS
            return
        while place.step_ns <= until_ns:
            for listener in self._heard(place):
                listener.on_time(place.step_ns)
            place.step_ns += STEP_NS

    def _of(self, con_id: int) -> Book:
        row = self._gateway.contracts.find(con_id)
        assert row is not None, f"contract {con_id} was never listed"
        return self.book(row.instrument)

    def _place(self, underlying: str) -> _Place:
        place = self._places.get(underlying)
        if place is None:
            now_ns = self._gateway.clock.now_ns()
            place = _Place(self._open(underlying), now_ns)
            while place.book.next_ns <= now_ns:  # what has passed before anybody looked
                place.book.take()
            self._places[underlying] = place
        return place

    def _open(self, underlying: str) -> Book:
        config, calendar = self._gateway.config, self._gateway.contracts.calendar
        number, instrument = next((at, row) for at, row in enumerate(_FIRSTS) if row.underlying == underlying)
        if config.inputs and number:
            return Book(iter(()), no_past(), calendar)  # files are of the first market: the others are silent
        if config.inputs:
            book = Book(records_of(open_files(list(config.inputs), instrument).read), no_past(), calendar)
            _check_begin(book.next_ns, config.start_ns)
            return book
        seed = config.seed + number  # the first market is the simulator's of the same seed
        price_ticks = _PRICE_TICKS.get(underlying, DEFAULT_PRICE_TICKS)
        sim = SimFeed(
            instrument,
            calendar,
            seed=seed,
            start_ns=config.start_ns,
            duration_ns=_DAYS * _DAY_NS,
            price_ticks=price_ticks,
            resolution_ns=NS_PER_S,
            batch_records=_BATCH,
        )
        past = generated_past(instrument, calendar, seed, config.start_ns, price_ticks)
        return Book(records_of(sim.read), past, calendar)


def _first_rows() -> tuple[Instrument, ...]:
    """The first instrument of each underlying."""
    rows: dict[str, Instrument] = {}
    for row in INSTRUMENTS.values():
        rows.setdefault(row.underlying, row)
    return tuple(rows.values())


_FIRSTS: Final = _first_rows()


def _check_begin(first_ns: int, start_ns: int) -> None:
    """A file of another day would leave the market silent for ever."""
    if abs(first_ns - start_ns) <= _DAY_NS:
        return
    first = datetime.fromtimestamp(first_ns // NS_PER_S, UTC) if first_ns < 1 << 61 else None
    if first is None:
        raise UsageError("--input: no quotes or trades in it; give a file of market data (docs/data-files.md)")
    start = datetime.fromtimestamp(start_ns // NS_PER_S, UTC)
    raise UsageError(
        f"--input begins {first:%Y-%m-%dT%H:%M:%SZ}, the gateway {start:%Y-%m-%dT%H:%M:%SZ}: give --start within a day "
        "of the file's first record"
    )
