"""What the end of a day is, as values (MO06): `reports.day_end` finds them, a page or a text shows them.

Money in integer micro-dollars, times in ns since the Unix epoch, prices in ticks. Every number names the records it
comes from as `Records`: by log, their numbers in it.
"""

import msgspec

from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.orders import Side
from trading_bot.domain.scheduled import ScheduledEvent
from trading_bot.domain.units import usd_from_uusd
from trading_bot.reports.standing import Standing

Records = dict[str, tuple[int, ...]]  # log -> numbers of its records, ascending


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Trades that have something in common, and what they came to; `records` are their TRADE_CLOSED."""

    name: str
    trades: int
    wins: int
    gross_uusd: int
    commission_uusd: int
    records: Records

    @property
    def net_uusd(self) -> int:
        """Net of commission."""
        return self.gross_uusd - self.commission_uusd


class TradeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One closed trade; `seq` is its TRADE_CLOSED, `trade_id` what `explain` takes."""

    log: str
    seq: int
    trade_id: str
    template: str
    side: Side
    qty: int
    entry_ts_ns: int
    exit_ts_ns: int
    entry_ticks: int
    exit_ticks: int
    exit_reason: str
    slippage_ticks: float
    gross_uusd: int
    commission_uusd: int

    @property
    def net_uusd(self) -> int:
        """Net of commission."""
        return self.gross_uusd - self.commission_uusd


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How often something was; `meaning` says it in words where the name alone does not."""

    name: str
    count: int
    meaning: str
    records: Records


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened once: record `seq` of `log`. `tone` is `good`, `bad`, `warn` or empty."""

    log: str
    seq: int
    ts_ns: int
    what: str
    text: str
    tone: str = ""


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the day. `exit_reason` is empty where it was cut, or still runs."""

    run_id: str
    logs: tuple[str, ...]
    ts_first_ns: int
    ts_last_ns: int
    restarts: int
    exit_reason: str
    config_hash: str
    records: int


class LearningLine(msgspec.Struct, frozen=True, kw_only=True):
    """How a template stands at the end of the day."""

    template: str
    state: str
    since_ns: int


class StandingBreaker(msgspec.Struct, frozen=True, kw_only=True):
    """A breaker that stands at the end of the day; `resumes_at_ns` TS_NEVER_NS: no time ends it."""

    breaker: str
    since_ns: int
    resumes_at_ns: int
    reason: str


class NextSession(msgspec.Struct, frozen=True, kw_only=True):
    """The next session for entries, by the calendar that the run was given, and the events inside it."""

    trade_date: int
    open_ns: int
    close_ns: int
    entries_from_ns: int
    entries_to_ns: int
    flatten_ns: int
    events: tuple[ScheduledEvent, ...]
    events_known: bool


class Stray(msgspec.Struct, frozen=True, kw_only=True):
    """Executions that are part of no trade: whose position was open when a process began cold, or that nobody owned.

    `net_uusd` is what they come to by themselves, with their commission; None while they leave a position open. It is
    money of the account, and in no trade and no summary.
    """

    fills: int
    net_uusd: int | None
    records: Records


class BookDay(msgspec.Struct, frozen=True, kw_only=True):
    """One book of the day: what one mode did through one adapter in one instrument.

    `net_uusd` is what the runs' summaries come to: the trades less `late_commission_uusd`, commissions reported for
    trades of earlier days. `standings` are what has to be flat: the newest end at a broker, of a simulator each run's.
    `entries_open`: the session has been open for entries. `equity_uusd` is the account's after the last trade, None
    where no run ended in order.
    """

    mode: str
    adapter: str
    instrument: str
    tick_size_points: float
    hypothetical: bool
    runs: tuple[RunLine, ...]
    standings: tuple[Standing, ...]
    total: Tally
    late_commission_uusd: int
    stray: Stray
    entries_open: bool
    fills: int
    orders: int
    decisions: int
    trades: tuple[TradeLine, ...]
    by_template: tuple[Tally, ...]
    by_exit: tuple[Tally, ...]
    skips: tuple[Count, ...]
    skips_by_template: dict[str, dict[str, int]]
    refusals: tuple[Count, ...]
    comparisons: tuple[Count, ...]
    alerts: tuple[Count, ...]
    learning: tuple[Change, ...]
    breakers: tuple[Change, ...]
    trouble: tuple[Change, ...]
    learning_states: tuple[LearningLine, ...]
    breakers_standing: tuple[StandingBreaker, ...]
    kill_reason: str
    data_down_ns: int
    naked_ns_max: int
    equity_uusd: int | None
    next_session: NextSession | None
    notes: tuple[str, ...]

    @property
    def net_uusd(self) -> int:
        """Net of every commission."""
        return self.total.net_uusd - self.late_commission_uusd

    @property
    def net_usd(self) -> float:
        """The same in dollars, for people."""
        return usd_from_uusd(self.net_uusd)

    @property
    def best(self) -> TradeLine | None:
        """The trade that earned most, the first of equals."""
        return max(self.trades, key=lambda row: row.net_uusd, default=None)

    @property
    def worst(self) -> TradeLine | None:
        """The trade that cost most, the first of equals."""
        return min(self.trades, key=lambda row: row.net_uusd, default=None)

    @property
    def flat(self) -> bool:
        """Whether everything that has to be flat is."""
        return all(one.flat for one in self.standings)

    @property
    def open_reasons(self) -> tuple[str, ...]:
        """Why the book is not flat, in words; empty where it is."""
        return tuple(text for one in self.standings for text in reasons_of(one))


class DayEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a trading day (yyyymmdd, 0: no calendar knew it): its books, real ones first."""

    trade_date: int
    books: tuple[BookDay, ...]

    @property
    def traded(self) -> bool:
        """Whether there was anything to do: entries were open, or something filled."""
        return any(book.entries_open or book.fills for book in self.books)

    @property
    def flat(self) -> bool:
        """The flat assertion."""
        return all(book.flat for book in self.books)


def reasons_of(standing: Standing) -> tuple[str, ...]:
    """Why this is not flat, in words."""
    reasons, tick_points = list(standing.doubts), instrument_by_symbol(standing.instrument).tick_size_points
    if standing.position_qty:
        reasons.append(f"position {standing.position_qty:+d} (record {standing.position_seq})")
    for order in standing.orders:
        price = f" at {order.price_ticks * tick_points:,.2f}" if order.price_ticks else " at the market"
        fading = "; the other order of its group has filled, that this one is gone was not told" if order.fading else ""
        lots = f"{order.remaining} lot" + ("s" if order.remaining != 1 else "")
        reasons.append(f"{order.leg} of order {order.order_id}, {lots}{price} (record {order.seq}){fading}")
    where = f"{standing.run_id}/{standing.name}"
    return tuple(f"{where}: {reason}" for reason in reasons)
