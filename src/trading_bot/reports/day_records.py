"""What one trading day was, as values: what `day_ledger.read_day` finds and `day_picture` and `day_tables` show."""

from collections import Counter
from typing import NamedTuple

import msgspec

from trading_bot.domain.effects import Alert
from trading_bot.domain.events import QualityStateChanged, SessionChanged
from trading_bot.domain.learning import LearningState, LearningUpdate
from trading_bot.domain.trade_events import BreakerChanged
from trading_bot.domain.units import usd_from_uusd
from trading_bot.reports.fact_records import TradeFact


class Point(NamedTuple):
    """A value at a time."""

    ts_ns: int
    value: float


class Gates(msgspec.Struct, frozen=True, kw_only=True):
    """The gates of both scores, in hundredths, as the run's configuration had them."""

    dvs_entry_c: int
    dvs_hold_c: int
    dvs_kill_c: int
    eqs_entry_c: int
    eqs_hold_c: int
    eqs_kill_c: int


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """The kill switch from its latching to its clearing; `cleared_ts_ns` 0: it still stands."""

    ts_ns: int
    reason: str
    source: str
    cleared_ts_ns: int = 0
    cleared_reason: str = ""


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """A process went on. `recovery` is `full`, `facts`, or `new log`: another run or session began."""

    ts_ns: int
    recovery: str


class DayLedger(msgspec.Struct, frozen=True, kw_only=True):
    """A trading day as its logs tell it, in the order of the logs; nothing is replayed.

    `trade_date` is yyyymmdd, 0 when the calendar did not know it. `price` is the mid of bid and ask in ticks, thinned;
    the scores are in hundredths, each point valid until the next. `naked_ms_max` is the longest a position was without
    its stop at the broker. `history_bars` are minute bars loaded for the warm-up. `cash_uusd` is what the fills come to
    by themselves, prices and commission, in micro-dollars: `net_uusd` when nothing is open. `throttled` has the
    templates that are not ACTIVE at the end. `ts_flatten_ns` is 0 when the session's end was not reached. `notes` says
    what the logs do not tell.
    """

    trade_date: int
    instrument: str
    tick_size_points: float
    run_ids: tuple[str, ...]
    modes: tuple[str, ...]
    logs: tuple[str, ...]
    hypothetical: bool
    ts_first_ns: int
    ts_last_ns: int
    records: int
    ticks: int
    torn_bytes: int
    history_bars: int
    gates: Gates | None
    trades: tuple[TradeFact, ...]
    fills: int
    cash_uusd: int
    decisions: int
    entries: int
    skips: dict[str, int]
    skips_by_template: dict[str, dict[str, int]]
    alerts: tuple[Alert, ...]
    data_state: tuple[QualityStateChanged, ...]
    data_score: tuple[Point, ...]
    execution_score: tuple[Point, ...]
    kills: tuple[Kill, ...]
    restarts: tuple[Restart, ...]
    learning: tuple[LearningUpdate, ...]
    learning_before: dict[str, LearningState]
    breakers: tuple[BreakerChanged, ...]
    sessions: tuple[SessionChanged, ...]
    ts_flatten_ns: int
    naked_ms_max: float
    price: tuple[Point, ...]
    notes: tuple[str, ...]
    live_would_block: dict[str, int] = {}  # entries that LIVE would have refused, by its reason
    later_fees_uusd: int = 0  # commissions that the broker reported on this day for trades of another

    @property
    def exits_by_reason(self) -> dict[str, int]:
        """Trades by what ended them, most frequent first: STOP, TARGET, TIME, ..."""
        return dict(Counter(trade.exit_reason for trade in self.trades).most_common())

    @property
    def gross_uusd(self) -> int:
        """Before commission, in micro-dollars."""
        return sum(trade.gross_uusd for trade in self.trades)

    @property
    def commission_uusd(self) -> int:
        """Commission of all trades, in micro-dollars, and what was reported later for trades of other days."""
        return sum(trade.commission_uusd for trade in self.trades) + self.later_fees_uusd

    @property
    def net_uusd(self) -> int:
        """Net of commission, in micro-dollars."""
        return self.gross_uusd - self.commission_uusd

    @property
    def throttled(self) -> dict[str, str]:
        """Templates that are not ACTIVE at the end, with their state."""
        states = {**self.learning_before, **{update.template: update.state for update in self.learning}}
        return {name: state.value for name, state in sorted(states.items()) if state is not LearningState.ACTIVE}

    def equity(self, *, hypothetical: bool) -> tuple[Point, ...]:
        """Cumulative net in dollars after each trade of one kind, in the order of their ends."""
        total_uusd, points = 0, []
        for trade in sorted(self.trades, key=lambda row: row.exit_ts_ns):
            if trade.hypothetical is hypothetical:
                total_uusd += trade.net_uusd
                points.append(Point(trade.exit_ts_ns, usd_from_uusd(total_uusd)))
        return tuple(points)


class DayTable(msgspec.Struct, frozen=True):
    """A table for people: `cli_output.write_table(title, columns, rows)` prints it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
