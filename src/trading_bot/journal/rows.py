"""From the facts of a run to rows of the tables. Sums are those of the facts: nothing is read a second way."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from trading_bot.domain.learning import LearningUpdate
from trading_bot.domain.trade_events import BreakerChanged, ParamsAdopted
from trading_bot.journal import schema
from trading_bot.journal.quality_minutes import QualityMinute
from trading_bot.reports.fact_records import DecisionFact, Facts, SessionFact, TradeFact

Row = dict[str, Any]
Rows = dict[str, list[Row]]

_E6: Final = 1_000_000
_NUL: Final = "\u2400"  # PostgreSQL takes no NUL in a text; what a broker or a log says may hold one


def rows_of(facts: Facts, minutes: Mapping[str, Iterable[QualityMinute]]) -> Rows:
    """The rows of one run by table. `minutes` by the log they are of, as `facts` names it."""
    keys = {session.log: log_key(session) for session in facts.sessions}
    dates = {session.log: session.trade_date for session in facts.sessions}
    first = facts.sessions[0]
    rows: Rows = {table.name: [] for table in schema.PROJECTED}
    rows["runs"] = [_row(schema.RUNS, first)]
    rows["sessions"] = [_row(schema.SESSIONS, session, log=keys[session.log]) for session in facts.sessions]

    def of_log(table: sa.Table, found: Iterable[Any], special: Callable[[Any], Row] = _nothing) -> None:
        rows[table.name] = [_row(table, fact, log=keys[fact.log], **special(fact)) for fact in found]

    def told(table: sa.Table, kind: str, special: Callable[[Any], Row] = _nothing) -> None:
        rows[table.name] = [
            _row(table, fact.record, log=keys[fact.log], seq=fact.seq, **special(fact.record))
            for fact in facts.told(kind)
        ]

    of_log(schema.TRADES, facts.trades, lambda trade: _of_trade(trade, dates[trade.log]))
    of_log(schema.ORDERS, facts.orders)
    of_log(schema.FILLS, facts.fills)
    of_log(schema.DECISIONS, facts.decisions, _of_decision)
    of_log(schema.CORRECTIONS, facts.corrections)
    of_log(schema.REFUSALS, facts.refusals, lambda refusal: {"failed": " ".join(refusal.failed)})
    told(schema.BREAKERS, _tag(BreakerChanged))
    told(schema.LEARNING, _tag(LearningUpdate), _of_update)
    told(schema.PARAMETERS, _tag(ParamsAdopted))
    rows["quality_minutes"] = [
        _row(schema.QUALITY_MINUTES, minute, log=keys[log]) for log, found in minutes.items() for minute in found
    ]
    return rows


def log_key(session: SessionFact) -> str:
    """How the journal names a session's log, wherever its folder is."""
    return f"{session.run_id}/{session.name}"


def _of_trade(trade: TradeFact, trade_date: int) -> Row:
    return {
        "trade_date": trade_date,
        "fill_seqs": " ".join(map(str, trade.fill_seqs)),
        "net_uusd": trade.net_uusd,
    }


def _of_decision(decision: DecisionFact) -> Row:
    terms, fields = decision.candidate, ("belief_e6", "euc_e6", "required_e6")
    found = {name: None if terms is None else getattr(terms, name) for name in fields}
    return {**found, "modifiers": ", ".join(decision.modifiers)}


def _of_update(update: LearningUpdate) -> Row:
    names = ("shadow", "n", "wins", "mean_uusd", "sd_uusd", "p_e6", "drawdown_uusd", "threshold_e6")
    found = {name: getattr(update.evidence, name) for name in names}
    return {**found, "finding": update.evidence.finding.value}


def _nothing(_fact: Any) -> Row:
    return {}


def _row(table: sa.Table, fact: Any, **special: Any) -> Row:
    """A row whose columns are the fact's fields of the same name; `…_e6` takes a field that is no whole number."""
    row = {}
    for column in table.columns:
        name = column.name
        if name in special:
            value = special[name]
        elif name.endswith("_ticks_e6"):
            value = _millionths(getattr(fact, name.removesuffix("_e6")))
        else:
            value = getattr(fact, name)
        row[name] = value.replace("\0", _NUL) if isinstance(value, str) else value
    return row


def _millionths(value: float | None) -> int | None:
    return None if value is None else round(value * _E6)


def _tag(kind: type[Any]) -> str:
    return str(kind.__struct_config__.tag)
