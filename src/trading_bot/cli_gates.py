"""`trading-bot gates LOG`: what each gate saved or cost, by trades that were never sent (docs/gates.md)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trading_bot import cli_options as options
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json, write_pairs, write_table
from trading_bot.domain.units import UUSD_PER_USD

if TYPE_CHECKING:
    from trading_bot.research.gate_records import GateLedger, Tally

app = typer.Typer()

Logs = Annotated[list[Path], typer.Argument(metavar="LOG...", help="Log folder of a run, or one log in it; several.")]
Date = Annotated[int | None, typer.Option("--date", metavar="YYYYMMDD", help="Only the logs of this trade date.")]

_COLUMNS = (
    "gate",
    "candidates",
    "filled",
    "won",
    "net ticks",
    "net USD",
    "a trade USD",
    "95 % from",
    "to",
    "one at a time",
    "says",
)


@app.command()
def gates(
    ctx: typer.Context,
    logs: Logs,
    *,
    date: Date = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Follow every refused candidate in the simulator: what each gate saved or cost. HYPOTHETICAL throughout."""
    from trading_bot.research.gate_ledger import gate_ledger

    asked = common(ctx, data_dir, config, as_json=as_json)
    ledger = gate_ledger([log_folder(asked, log) for log in logs], trade_date=date)
    if asked.as_json:
        write_json(ledger)
        return
    _show(ledger)


def _show(ledger: "GateLedger") -> None:
    first = [row for row in ledger.rows if row.first.candidates]
    alone = [row for row in ledger.rows if row.alone.candidates]
    passed = [("(let pass)", ledger.entered)] if ledger.entered.candidates else []
    for title, rows in (
        ("HYPOTHETICAL: what each gate refused first, had it been traded", [(row.gate, row.first) for row in first]),
        ("HYPOTHETICAL: what it alone refused", [(row.gate, row.alone) for row in alone]),
    ):
        if rows or passed:
            cells = [_row(name, tally, ledger.tick_value_uusd) for name, tally in (*rows, *passed)]
            write_table(title, _COLUMNS, cells)
    write_table(
        "Every gate that said no",
        ("gate", "said no", "first", "alone", "only delayed", "without terms"),
        [
            (row.gate, row.said_no, row.first.candidates, row.alone.candidates, row.delayed, row.no_terms)
            for row in ledger.rows
        ],
    )
    followed = sum(trade.fate.value != "NO_TERMS" for trade in ledger.trades)
    dates = ", ".join(str(date) for date in ledger.trade_dates) or "none"
    write_pairs(
        f"{ledger.instrument}, {len(ledger.logs)} log{'s' if len(ledger.logs) != 1 else ''}",
        [
            ("trade dates", dates),
            ("decisions", f"{ledger.decisions:,} read, {followed:,} candidates followed one by one"),
            ("market records", f"{ledger.ticks:,}"),
            ("intervals", f"95 %, trades of one {ledger.clustered_by} taken as one group"),
            ("SAVED, COST", "the whole interval is below, above zero; UNTOLD: it is not, or there is none"),
            *(("note", note) for note in ledger.notes),
        ],
    )


def _row(name: str, tally: "Tally", tick_uusd: int) -> tuple[str, ...]:
    single = f"{_usd(tally.single_net_uusd)} in {tally.single_trades:,}"
    return (
        name,
        f"{tally.candidates:,}",
        f"{tally.filled:,}",
        f"{100 * tally.wins / tally.filled:.0f} %" if tally.filled else "-",
        f"{tally.net_uusd / tick_uusd:+,.1f}",
        _usd(tally.net_uusd),
        *(_usd(value) for value in (tally.mean_uusd, tally.low_uusd, tally.high_uusd)),
        single,
        "" if name == "(let pass)" else tally.verdict.value,
    )


def _usd(amount_uusd: float | None) -> str:
    return "-" if amount_uusd is None else f"{amount_uusd / UUSD_PER_USD:+,.2f}"
