"""The fee ledger: every commission with the execution it is of and the report it stands on (feature AN08)."""

import csv
import io
from collections import Counter
from typing import Final

import msgspec

from trading_bot.domain.units import iso_from_ns, usd_from_uusd
from trading_bot.reports.fact_records import Facts, FillFact

REPORTED: Final = "reported"  # by the broker, after an estimate
ESTIMATED: Final = "estimated"  # no report has come
TOLD: Final = "told"  # with the execution itself
MODELLED: Final = "modelled"  # a simulator's


class FeeRow(msgspec.Struct, frozen=True, kw_only=True):
    """The commission of one execution; `basis` is what it stands on.

    `reported_seq` is the record of `reported_log` that says so, 0 for none.
    """

    log: str
    seq: int
    reported_log: str
    reported_seq: int
    trade_closed_seq: int
    ts_ns: int
    trade_date: int
    run_id: str
    mode: str
    instrument: str
    order_id: str
    leg: str
    side: str
    qty: int
    price_ticks: int
    exec_id: str
    perm_id: int
    basis: str
    commission_uusd: int
    hypothetical: bool


class FeeLedger(msgspec.Struct, frozen=True, kw_only=True):
    """All commissions of one kind of money. `of_trades_uusd` and `of_strays_uusd` sum to `total_uusd`.

    `later_uusd` was reported for executions that are in none of these logs; it is not in the total.
    """

    hypothetical: bool
    total_uusd: int
    of_trades_uusd: int
    of_strays_uusd: int
    later_uusd: int
    by_basis_uusd: dict[str, int]
    by_day_uusd: dict[str, int]
    rows: tuple[FeeRow, ...]


def fee_ledger(facts: Facts, *, hypothetical: bool) -> FeeLedger:
    """Every execution that counts, in the order of the logs."""
    sessions = {row.log: row for row in facts.sessions}
    fills = [row for row in facts.fills if row.counted and row.hypothetical is hypothetical]
    rows = tuple(
        FeeRow(
            log=fill.log,
            seq=fill.seq,
            reported_log=fill.reported_log,
            reported_seq=fill.reported_seq,
            trade_closed_seq=fill.trade_closed_seq,
            ts_ns=fill.ts_ns,
            trade_date=sessions[fill.log].trade_date,
            run_id=sessions[fill.log].run_id,
            mode=sessions[fill.log].mode,
            instrument=fill.instrument,
            order_id=fill.order_id,
            leg=fill.leg,
            side=fill.side.value,
            qty=fill.qty,
            price_ticks=fill.price_ticks,
            exec_id=fill.exec_id,
            perm_id=fill.perm_id,
            basis=_basis(fill),
            commission_uusd=fill.commission_uusd,
            hypothetical=fill.hypothetical,
        )
        for fill in fills
    )
    by_basis: Counter[str] = Counter()
    by_day: Counter[str] = Counter()
    for row in rows:
        by_basis[row.basis] += row.commission_uusd
        by_day[str(row.trade_date)] += row.commission_uusd
    # A report may stand in a later log of the run than its execution.
    known = {(sessions[row.log].run_id, row.exec_id) for row in fills}
    return FeeLedger(
        hypothetical=hypothetical,
        total_uusd=sum(row.commission_uusd for row in rows),
        of_trades_uusd=sum(row.commission_uusd for row in rows if row.trade_closed_seq),
        of_strays_uusd=sum(row.commission_uusd for row in rows if not row.trade_closed_seq),
        later_uusd=sum(
            row.delta_uusd
            for row in facts.corrections
            if row.hypothetical is hypothetical and (sessions[row.log].run_id, row.exec_id) not in known
        ),
        by_basis_uusd=dict(sorted(by_basis.items())),
        by_day_uusd=dict(sorted(by_day.items())),
        rows=rows,
    )


def _basis(fill: FillFact) -> str:
    if fill.hypothetical:
        return MODELLED
    if fill.reported_seq:
        return REPORTED
    return ESTIMATED if fill.estimated else TOLD


def fees_csv(ledger: FeeLedger) -> str:
    """The ledger as CSV with a header: times in UTC, `commission_usd` exact to the micro-dollar."""
    text = io.StringIO()
    names = [name for name in FeeRow.__struct_fields__ if name != "commission_uusd"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time_utc", *names, "commission_usd"])
    for row in ledger.rows:
        values = [getattr(row, name) for name in names]
        writer.writerow([iso_from_ns(row.ts_ns), *values, f"{usd_from_uusd(row.commission_uusd):.6f}"])
    return text.getvalue()
