"""The same trades by template, regime, phase, hour, side, exit and day: groups that sum to the whole exactly (AN02)."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from trading_bot.analytics.frames import hour_of
from trading_bot.domain.units import NS_PER_S
from trading_bot.reports.fact_records import TradeFact

DIMENSIONS: Final[dict[str, Callable[[TradeFact], str]]] = {
    "template": lambda row: row.template,
    "regime": lambda row: row.regime or "-",
    "phase": lambda row: row.bucket or "-",  # `engines.session.session_phase`: 0 before the open to 6 after the close
    "hour": lambda row: f"{hour_of(row.entry_ts_ns):02d}",
    "side": lambda row: row.side.value,
    "exit": lambda row: row.exit_reason or "-",
    "day": lambda row: str(row.trade_date),
    "instrument": lambda row: row.instrument,
    "mode": lambda row: row.mode,
}


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Trades that share a key. `members` are their places in the book's list of trades, and so their records."""

    key: str
    trades: int
    lots: int
    wins: int
    win_rate: float
    gross_uusd: int
    commission_uusd: int
    net_uusd: int
    expectancy_uusd: float
    profit_factor: float | None
    hold_mean_s: float
    members: tuple[int, ...]


def grouped(trades: Sequence[TradeFact], dimension: str) -> tuple[Group, ...]:
    """Groups of one of `DIMENSIONS`, by key. Every trade is in exactly one."""
    key_of = DIMENSIONS[dimension]
    by_key: dict[str, list[int]] = {}
    for place, trade in enumerate(trades):
        by_key.setdefault(key_of(trade), []).append(place)
    return tuple(_group(key, [trades[at] for at in places], places) for key, places in sorted(by_key.items()))


def _group(key: str, trades: Sequence[TradeFact], places: Sequence[int]) -> Group:
    nets = [row.net_uusd for row in trades]
    lost_uusd = -sum(net for net in nets if net < 0)
    wins = sum(net > 0 for net in nets)
    return Group(
        key=key,
        trades=len(trades),
        lots=sum(row.qty for row in trades),
        wins=wins,
        win_rate=wins / len(trades),
        gross_uusd=sum(row.gross_uusd for row in trades),
        commission_uusd=sum(row.commission_uusd for row in trades),
        net_uusd=sum(nets),
        expectancy_uusd=sum(nets) / len(trades),
        profit_factor=sum(net for net in nets if net > 0) / lost_uusd if lost_uusd else None,
        hold_mean_s=sum(row.hold_ns for row in trades) / len(trades) / NS_PER_S,
        members=tuple(places),
    )
