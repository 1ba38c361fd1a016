"""The simulated feed: a seeded market as tick records, and the history before it."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from trading_bot._fast.door import Door
from trading_bot._fast.marketfaults import FaultStage
from trading_bot._fast.marketgen import MarketGen
from trading_bot.adapters.sim.day_plan import STREAM_HISTORY, STREAM_MARKET, DayPlanner
from trading_bot.adapters.sim.draws import stream_key
from trading_bot.adapters.sim.faults import Fault, fault_rows
from trading_bot.adapters.sim.profile import MarketProfile, NewsShock
from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.records import FRAME_ALIGN, FRAME_HEADER, RejectReason
from trading_bot.engines.session import MINUTE_NS, SessionDay, SessionKind, SessionTable

# Changes whenever the same arguments give other bytes than before.
MODEL_VERSION: Final = 1
DEFAULT_PRICE_TICKS: Final = 27_200  # 6800 points of an index future
PRICE_TICKS_MIN: Final = 4_000  # below, a day's ordinary range is no small part of the price
PRICE_TICKS_MAX: Final = 10_000_000
HISTORY_DAYS_MAX: Final = 60
_BAR_NUMBERS: Final = 7
_BAR_ROWS: Final = 2048


class SimFeed:
    """A market of `instrument` from `start_ns` for `duration_ns`, in the sessions of the table only.

    The same arguments give the same bytes on every machine, in batches of any size. The first bid is `price_ticks`, at
    `start_ns` or at the first open after it. Receive times (`ts_ns`) are in the sessions and in the window; event
    stamps are some hundred microseconds earlier, rounded down to `resolution_ns`. `news` are the shocks of the run,
    None draws them; `faults` happen on the way to the door.

    Raises UsageError when nothing trades in the window or the table does not reach that far.
    """

    def __init__(
        self,
        instrument: Instrument,
        calendar: SessionTable,
        *,
        seed: int,
        start_ns: int,
        duration_ns: int,
        price_ticks: int = DEFAULT_PRICE_TICKS,
        profile: MarketProfile | None = None,
        news: Sequence[NewsShock] | None = None,
        faults: Sequence[Fault] = (),
        resolution_ns: int = 1,
        batch_records: int = 4096,
    ) -> None:
        if duration_ns <= 0:
            raise UsageError(f"sim feed: found a duration of {duration_ns} ns, expected more than 0")
        if not PRICE_TICKS_MIN <= price_ticks <= PRICE_TICKS_MAX:
            raise UsageError(f"sim feed: found {price_ticks} ticks, expected {PRICE_TICKS_MIN} to {PRICE_TICKS_MAX}")
        self._instrument = instrument
        self._calendar = calendar
        self._seed = seed
        self._start_ns = start_ns
        self._end_ns = start_ns + duration_ns
        self._price_ticks = price_ticks
        self._profile = profile if profile is not None else MarketProfile()
        self._market: SessionKind = "rth" if instrument.security_type == "STK" else "globex"
        self._planner = DayPlanner(seed, self._profile, calendar, self._market, news)
        self._plans = self._plans_ahead()
        self._door = Door(instrument.id, instrument.tick_size_e9, batch_records)
        stage = FaultStage(fault_rows(faults, instrument, price_ticks), instrument.tick_size_e9)
        self._gen = self._generator(STREAM_MARKET, self._door, stage, resolution_ns)
        self._resolution_ns = resolution_ns
        self._ended = not self._load_next()
        self._held: memoryview | None = None
        if self._ended:
            raise UsageError(
                f"sim feed: {instrument.symbol} does not trade between {start_ns} and {self._end_ns} (ns UTC) by the "
                f"session table (to {calendar.last_trade_date}): give another --start or a longer --duration"
            )
        self.description: dict[str, Any] = {
            "market": "sim",
            "model": MODEL_VERSION,
            "instrument": instrument.symbol,
            "seed": seed,
            "start_ns": start_ns,
            "duration_ns": duration_ns,
            "price_ticks": price_ticks,
            "resolution_ns": resolution_ns,
            "profile": msgspec.to_builtins(self._profile),
            "news": None if news is None else msgspec.to_builtins(tuple(news)),
            "faults": msgspec.to_builtins(tuple(faults)),
        }

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
    def resolution_ns(self) -> int:
        """Step of the event stamps."""
        return self._resolution_ns

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Values refused at the door, by the name of the reason; only reasons that occurred."""
        counts = {reason.name: self._door.refused(reason) for reason in RejectReason}
        return {name: count for name, count in counts.items() if count}

    @property
    def news(self) -> tuple[NewsShock, ...]:
        """The shocks of the window in order of time, jumps drawn."""
        shocks = [shock for day in self._days() for shock in self._planner.news(day)]
        return tuple(shock for shock in shocks if self._start_ns <= shock.at_ns < self._end_ns)

    def read(self) -> memoryview | None:
        """The next batch of whole 64-byte tick records, valid until the next call; None at the end."""
        if self._held is not None:
            held, self._held = self._held, None
            return held
        while not self._ended and self._gen.run() == MarketGen.WANTING:
            self._ended = not self._load_next()
        return self._door.take() if self._door.held else None

    def first_ts_ns(self) -> int | None:
        """Receive time of the record `read` gives next, ns UTC; None when there is none."""
        self._held = self.read()
        if self._held is None:
            return None
        ts_ns: int = FRAME_HEADER.unpack_from(self._held)[7]
        return ts_ns

    def skip_records(self, count: int) -> None:
        """Pass over the first `count` records, which the log already holds.

        Raises UsageError when the market has fewer: it is not the one the log was made from.
        """
        left = count
        while left > 0:
            batch = self.read()
            if batch is None:
                raise UsageError(
                    f"the simulated market has {count - left} records, the log already {count}: give the --seed, "
                    "--start and --duration the log was made with, or a new --data-dir"
                )
            have = len(batch) // FRAME_ALIGN
            if have > left:
                self._held = batch[left * FRAME_ALIGN :]
            left -= min(have, left)

    def history_bars(self, days: int) -> Iterator[MinuteBar]:
        """Closed bars before `start_ns`: of `days` sessions (at most 60), then of the one `start_ns` is in.

        They are trades of the same seed's market, shifted so that they end where this feed begins. Fewer sessions come
        at the table's start. Minutes without a trade have no bar.
        """
        if not 0 <= days <= HISTORY_DAYS_MAX:
            raise UsageError(f"history of {days} sessions: expected 0 to {HISTORY_DAYS_MAX}")
        today = self._calendar.trading_day(self._start_ns)
        if today is None:
            return
        end_ns = self._start_ns - self._start_ns % MINUTE_NS
        gen = self._generator(STREAM_HISTORY, None, None, 1)
        # Bars hold trades only: with fewer changes of the queues between them they come four times as fast.
        calm = msgspec.structs.replace(self._profile, quotes_milli=max(self._profile.quotes_milli // 4, 100))
        planner = DayPlanner(self._seed, calm, self._calendar, self._market, None)
        rows = array("q")
        for day in (*self._calendar.days_before(today.trade_date, days), today):
            for plan in planner.plans(day, day.globex_open_ns, end_ns):
                gen.load(plan)
                _collect_bars(gen, rows)
        shift_ticks = self._price_ticks - gen.bid_ticks
        for at in range(0, len(rows), _BAR_NUMBERS):
            bar = MinuteBar(*rows[at : at + _BAR_NUMBERS])
            yield MinuteBar(
                bar.ts_open_ns,
                bar.open_ticks + shift_ticks,
                bar.high_ticks + shift_ticks,
                bar.low_ticks + shift_ticks,
                bar.close_ticks + shift_ticks,
                bar.volume,
                bar.notional + shift_ticks * bar.volume,
            )

    def _generator(self, stream: int, door: Door | None, stage: FaultStage | None, resolution_ns: int) -> MarketGen:
        return MarketGen(
            self._instrument.tick_size_e9,
            stream_key(self._seed, stream),
            self._price_ticks,
            self._price_ticks // 2,
            self._profile.information_milli,
            resolution_ns,
            door,
            stage,
        )

    def _days(self) -> Iterator[SessionDay]:
        day = self._calendar.trading_day(self._start_ns)
        while day is not None and day.globex_open_ns < self._end_ns:
            yield day
            day = next(iter(self._calendar.days_from(day.trade_date, 2)[1:]), None)

    def _plans_ahead(self) -> Iterator[tuple[bool, "array[int]"]]:
        """The plans of the run, each with whether a session begins with it."""
        for day in self._days():
            for number, plan in enumerate(self._planner.plans(day, self._start_ns, self._end_ns)):
                yield number == 0, plan

    def _load_next(self) -> bool:
        following = next(self._plans, None)
        if following is None:
            return False
        new_session, plan = following
        if new_session:
            self._door.new_session()
        self._gen.load(plan)
        return True


def _collect_bars(gen: MarketGen, rows: "array[int]") -> None:
    """Run a generator to the end of its plan and append its bars."""
    memory = array("q", bytes(8 * _BAR_NUMBERS * _BAR_ROWS))
    table = memoryview(memory).cast("B").cast("q", (_BAR_ROWS, _BAR_NUMBERS))
    while True:
        count = gen.run_bars(table)
        rows.extend(memory[: count * _BAR_NUMBERS])
        if count < _BAR_ROWS:
            break
    last = gen.close_bar()
    if last is not None:
        rows.extend(last)
