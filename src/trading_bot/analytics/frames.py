"""Facts as tables: one row per trade, fill, order, decision. What people and `query` work with."""

import types
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from trading_bot.domain.units import NS_PER_S
from trading_bot.reports.fact_records import (
    CorrectionFact,
    DecisionFact,
    Facts,
    FillFact,
    OrderFact,
    RefusalFact,
    ScorePoint,
    SessionFact,
    TradeFact,
)

NEW_YORK: Final = ZoneInfo("America/New_York")
Row = TypeVar("Row", bound=msgspec.Struct)
_NS: Final = pl.Datetime("ns", "UTC")
_TERMS: Final = (
    "z_e6",
    "belief_e6",
    "p_e6",
    "edge_e6",
    "uncertainty_e6",
    "cost_e6",
    "euc_e6",
    "required_e6",
    "target_ticks",
    "stop_ticks",
)
_SCALARS: Final[dict[type, type[pl.DataType]]] = {
    int: pl.Int64,
    float: pl.Float64,
    str: pl.String,
    bool: pl.Boolean,
}


def frame(facts: Facts) -> pl.DataFrame:
    """One row per trade, shadows too: the fields of `TradeFact` and `net_uusd`, `win`, `hold_s`, `hour` and times.

    `hour` is New York's hour of the entry, `entry_at` and `exit_at` are UTC to the nanosecond.
    """
    added: dict[str, tuple[Any, Callable[[TradeFact], object]]] = {
        "net_uusd": (pl.Int64, lambda row: row.net_uusd),
        "win": (pl.Boolean, lambda row: row.win),
        "hold_s": (pl.Float64, lambda row: row.hold_ns / NS_PER_S),
        "hour": (pl.Int64, lambda row: hour_of(row.entry_ts_ns)),
        "entry_at": (_NS, lambda row: row.entry_ts_ns),
        "exit_at": (_NS, lambda row: row.exit_ts_ns),
    }
    return _frame(facts.trades, TradeFact, added)


def tables(facts: Facts) -> dict[str, pl.DataFrame]:
    """Every table by its name: trades, fills, orders, decisions, refusals, corrections, quality, sessions."""
    terms: dict[str, tuple[Any, Callable[[DecisionFact], object]]] = {name: (pl.Int64, _term(name)) for name in _TERMS}
    return {
        "trades": frame(facts),
        "fills": _frame(facts.fills, FillFact),
        "orders": _frame(facts.orders, OrderFact),
        "decisions": _frame(facts.decisions, DecisionFact, terms, without=("candidate",)),
        "refusals": _frame(facts.refusals, RefusalFact),
        "corrections": _frame(facts.corrections, CorrectionFact),
        "quality": _frame(facts.quality, ScorePoint),
        "sessions": _frame(facts.sessions, SessionFact),
    }


def hour_of(ts_ns: int) -> int:
    """New York's hour of a time, 0 to 23."""
    return datetime.fromtimestamp(ts_ns // NS_PER_S, UTC).astimezone(NEW_YORK).hour


def _term(name: str) -> Callable[[DecisionFact], object]:
    return lambda row: None if row.candidate is None else getattr(row.candidate, name)


def _frame(
    rows: Sequence[Row],
    kind: type[Row],
    added: dict[str, tuple[Any, Callable[[Row], object]]] | None = None,
    *,
    without: tuple[str, ...] = (),
) -> pl.DataFrame:
    """Columns in the order of the struct's fields, with types from its annotations: an empty table has them too."""
    hints = get_type_hints(kind)
    names = [name for name in kind.__struct_fields__ if name not in without]
    schema: dict[str, Any] = {name: _type_of(hints[name]) for name in names}
    columns: dict[str, list[object]] = {name: [_plain(getattr(row, name)) for row in rows] for name in names}
    for name, (dtype, value) in (added or {}).items():
        schema[name], columns[name] = dtype, [value(row) for row in rows]
    return pl.DataFrame(columns, schema=schema)


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _type_of(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is tuple:
        return pl.List(_type_of(get_args(hint)[0]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return pl.String
    return _SCALARS[hint]
