"""What the cost microscope says about trades, as values (docs/microscope.md; NV05, AN05).

Lengths in ticks per lot, positive is good for the position unless it is called a cost; times in ns; money in integer
micro-dollars for the whole quantity. A `seq` is a record of the trade's log, 0 where there is none. None: not known.
"""

from typing import Final

import msgspec

from trading_bot.domain.orders import Side
from trading_bot.domain.units import NS_PER_MS

HORIZONS_MS: Final = (100, 1_000, 5_000, 30_000)
HORIZONS_NS: Final = tuple(ms * NS_PER_MS for ms in HORIZONS_MS)


class Markout(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where the mid stood `horizon_ms` after a fill, in the direction of that fill: a buy likes it higher.

    `ticks` is against the price of the fill, `drift_ticks` against the mid at the fill: below zero whoever filled us
    knew better. `seq` is the quote that stood then; None: the log had ended.
    """

    horizon_ms: int
    ticks: float | None
    drift_ticks: float | None
    seq: int


class WayTimes(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How long an entry took. `log_` is in the log's time, from the decision; a simulator's where `simulated`.

    The others are wall time of ORDER_TIMED (`timed_seq`), None without one: `write_ns` from the decision to the bytes
    given to the socket, from there `ack_ns` to the broker's first word and `fill_ns` to the first execution;
    `tick_to_write_ns` begins at the packet with the tick.
    """

    simulated: bool
    log_ack_ns: int | None
    log_fill_ns: int | None
    write_ns: int | None
    ack_ns: int | None
    fill_ns: int | None
    tick_to_write_ns: int | None
    timed_seq: int


class Excess(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far the price at which the position could have been left went, against or for it; 0 where it never did."""

    ticks: float
    ts_ns: int | None
    seq: int


class TradeScope(msgspec.Struct, frozen=True, kw_only=True):
    """One trade under the microscope.

    `spread_ticks` is that of the decision. `entry_cost_ticks` is the entry's price against the mid when it filled,
    `exit_cost_ticks` the mid against the exit's price: half a spread each where the touch was paid, below zero where it
    was earned. `slippage_ticks` are against what the decision fixed. `mae` and `mfe` come from every recorded quote,
    None where the log has none; `told_mae_ticks` and `told_mfe_ticks` are what the bot itself saw.
    """

    log: str
    trade_id: str
    outcome_seq: int
    decision_seq: int
    place_seq: int
    opened_seq: int
    closed_seq: int
    template: str
    side: Side
    qty: int
    hypothetical: bool
    decision_ts_ns: int
    entry_ts_ns: int
    exit_ts_ns: int
    entry_ticks: float
    exit_ticks: float
    exit_reason: str
    way: WayTimes
    spread_ticks: float | None
    entry_cost_ticks: float | None
    exit_cost_ticks: float | None
    entry_slippage_ticks: float | None
    exit_slippage_ticks: float | None
    slippage_ticks: float
    slippage_expected_ticks: float
    commission_uusd: int
    commission_ticks: float
    net_uusd: int
    entry_markouts: tuple[Markout, ...]
    exit_markouts: tuple[Markout, ...]
    mae: Excess | None
    mfe: Excess | None
    told_mae_ticks: float | None
    told_mfe_ticks: float | None


class Drift(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The mean drift of the mid after entries, `horizon_ms` later, in their direction, over `count` of them."""

    horizon_ms: int
    count: int
    mean_ticks: float | None


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """Execution quality of one template (AN05); `template` is empty in the row of all.

    `fill_rate` is of the entries that are over. Slippage is the mean per filled trade, actual and expected.
    `adverse` is the drift after fills, `missed` after entries that ended without one: where the first is below the
    second, who fills us knows better than who does not.
    """

    template: str
    entries: int
    filled: int
    missed_entries: int
    rejected: int
    fill_rate: float | None
    trades: int
    slippage_ticks: float | None
    slippage_expected_ticks: float | None
    entry_cost_ticks: float | None
    exit_cost_ticks: float | None
    commission_ticks: float | None
    adverse: tuple[Drift, ...]
    missed: tuple[Drift, ...]


class Microscope(msgspec.Struct, frozen=True, kw_only=True):
    """Every trade, and each template with the row of all first. `hypothetical` None: both kinds are in it."""

    hypothetical: bool | None
    trades: tuple[TradeScope, ...]
    templates: tuple[ExecutionRow, ...]
