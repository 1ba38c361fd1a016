"""`trading-bot stats`, `fees` and `query`: the numbers of trades over any logs (docs/analytics.md)."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json, write_pairs, write_table
from trading_bot.cli_pages import trade_date_of
from trading_bot.domain.errors import UsageError
from trading_bot.domain.units import UUSD_PER_USD, iso_from_ns

if TYPE_CHECKING:
    from trading_bot.analytics.analysis import Analysis, Book
    from trading_bot.analytics.days import Ratios
    from trading_bot.analytics.metrics import Metrics
    from trading_bot.analytics.samples import Interval, TailRisk
    from trading_bot.reports.fact_records import Facts

app = typer.Typer()

Logs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[LOG...]", help="Runs, sessions' logs or data directories. Default: the data directory."),
]
Date = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Only the logs of this trade date.")]

_DASH: Final = "-"
_GROUPED: Final = ("regime", "phase", "hour", "side", "exit", "mode")


@app.command()
def stats(
    ctx: typer.Context,
    logs: Logs = None,
    *,
    date: Date = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not walk the recorded market for exits' quotes.")] = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """What the trades come to: metrics with intervals, drawdown, ratios, groups, where the money came from."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    facts = _facts(asked, logs, date)
    _need_extra()
    from trading_bot.analytics.analysis import analyse
    from trading_bot.analytics.exit_touches import exit_touches

    analysis = analyse(facts, touches=None if quick else exit_touches(facts))
    if asked.as_json:
        write_json(analysis)
        return
    _show(analysis)


@app.command()
def fees(
    ctx: typer.Context,
    logs: Logs = None,
    *,
    date: Date = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="One row per execution, for a spreadsheet.")] = False,
    hypothetical: Annotated[bool, typer.Option("--hypothetical", help="Those of simulated fills instead.")] = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """The fee ledger: every commission, the execution it is of and the report it stands on."""
    from trading_bot.analytics.fees import fee_ledger, fees_csv

    asked = common(ctx, data_dir, config, as_json=as_json)
    facts = _facts(asked, logs, date)
    ledger = fee_ledger(facts, hypothetical=hypothetical)
    if asked.as_json:
        write_json(ledger)
    elif as_csv:
        typer.echo(fees_csv(ledger), nl=False)
    else:
        title = "HYPOTHETICAL fees" if hypothetical else "Fees"
        by_basis = [(f"of these {name}", _fee(amount)) for name, amount in ledger.by_basis_uusd.items()]
        others = sum(row.counted for row in facts.fills) - len(ledger.rows)
        kind = "real" if hypothetical else "simulated (--hypothetical shows their fees)"
        elsewhere = [("beside these", f"{others:,} executions are {kind}")] if others else []
        write_pairs(
            title,
            [
                ("executions", f"{len(ledger.rows):,}"),
                ("total", _fee(ledger.total_uusd)),
                *by_basis,
                ("of trades", _fee(ledger.of_trades_uusd)),
                ("of executions without a trade", _fee(ledger.of_strays_uusd)),
                ("reported later for other logs", _fee(ledger.later_uusd)),
                *((f"day {day}", _fee(amount)) for day, amount in ledger.by_day_uusd.items()),
                *elsewhere,
            ],
        )


@app.command()
def query(
    ctx: typer.Context,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One statement over trades, fills, orders, decisions, ...")],
    logs: Logs = None,
    *,
    date: Date = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Ask the logs in SQL (DuckDB): SELECT template, sum(net_uusd) FROM trades GROUP BY 1."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    facts = _facts(asked, logs, date)
    _need_extra()
    from trading_bot.analytics import query as questions

    answer = questions.query(facts, sql)
    if asked.as_json:
        write_json({"columns": answer.columns, "rows": answer.rows})
    else:
        write_table("", answer.columns, [[_DASH if cell is None else cell for cell in row] for row in answer.rows])


def _facts(asked: Common, logs: Sequence[Path] | None, date: str | None) -> "Facts":
    from trading_bot.reports.trade_facts import read_facts

    folders = [log_folder(asked, log) for log in logs] if logs else [asked.data_dir]
    return read_facts(folders, trade_date=trade_date_of(date))


def _need_extra() -> None:
    for name in ("duckdb", "polars", "scipy"):
        if find_spec(name) is None:
            raise UsageError(f"{name} is not installed: pip install 'trading-bot[analytics]'")


def _show(analysis: "Analysis") -> None:
    if not analysis.books:
        typer.echo("No trade in these logs.")
    for book in analysis.books:
        modes = ", ".join(group.key for group in book.groups["mode"])
        name = f"{modes}: HYPOTHETICAL" if book.hypothetical else f"{modes}: the broker's fills"
        write_pairs(f"{name}, net of commission", _pairs(book))
        write_table(
            f"{name}: by template",
            ("template", "trades", "won", "net USD", "a trade USD", "95 % from", "to", "profit factor", "edge kept"),
            [_template(key, found, book) for key, found in book.by_template.items()],
        )
        for dimension in _GROUPED:
            write_table(
                f"{name}: by {dimension}",
                (dimension, "trades", "won", "net USD", "a trade USD", "hold s"),
                [
                    (
                        row.key,
                        row.trades,
                        f"{row.win_rate:.0%}",
                        _usd(row.net_uusd),
                        _usd(row.expectancy_uusd),
                        f"{row.hold_mean_s:.1f}",
                    )
                    for row in book.groups[dimension]
                ],
            )
    write_table(
        "From candidate to fill",
        ("template", "candidates", "orders", "filled", "fill rate", "shadow trades"),
        [
            (row.template, row.candidates, row.orders, row.filled, _share(row.fill_rate), row.shadows)
            for row in analysis.funnels
        ],
    )
    for note in analysis.notes:
        typer.echo(f"note: {note}")


def _pairs(book: "Book") -> list[tuple[str, object]]:
    found, fall, parts = book.metrics, book.drawdown, book.decomposition
    recovered = "not yet" if fall.recovered_ts_ns is None else iso_from_ns(fall.recovered_ts_ns)[:19]
    came_from = (
        f"edge {parts.edge_ticks:+.1f}, spread {-parts.spread_ticks:+.1f}, slippage {-parts.slippage_ticks:+.1f}, "
        f"fees {-parts.fees_ticks:+.1f} = {parts.net_ticks:+.1f} ticks (residual {parts.residual_max_ticks:.2f})"
    )
    later = [("reported later for other logs", _usd(-book.later_fees_uusd))] if book.later_fees_uusd else []
    return [
        ("trades", f"{found.trades:,} ({found.wins} won, {found.losses} lost, {found.flat} flat)"),
        ("net", f"{_usd(book.net_uusd)} (gross {_usd(found.gross_uusd)}, fees {_fee(found.commission_uusd)})"),
        *later,
        ("win rate", f"{_share(found.win_rate)}{_between(found.win_rate_interval, _share)}"),
        ("expectancy", f"{_usd(found.expectancy_uusd)} a trade{_between(found.expectancy_interval, _usd)}"),
        ("profit factor", _ratio(found.profit_factor)),
        ("average win, loss", f"{_usd(found.average_win_uusd)}, {_usd(_minus(found.average_loss_uusd))}"),
        ("drawdown", f"{_usd(-fall.depth_uusd)}, {fall.duration_s / 60:.0f} min, recovered {recovered}"),
        ("hold", f"median {found.hold_median_s or 0:.1f} s, mean {found.hold_mean_s or 0:.1f} s"),
        *((f"{row.window_days} days", _ratios(row)) for row in book.ratios),
        *((f"worst {1 - tail.level:.0%} of {tail.unit}s", _tail(tail)) for tail in book.tails),
        ("where it came from", came_from),
        *(
            (f"{curve.forecast}: {curve.outcome}", _belief(curve.brier, curve.brier_base, curve.ece))
            for curve in book.calibration
        ),
    ]


def _ratios(row: "Ratios") -> str:
    shown = f"Sharpe {_ratio(row.sharpe)}, Sortino {_ratio(row.sortino)}, Calmar {_ratio(row.calmar)}"
    return f"{shown} ({row.note})" if row.note else shown


def _tail(tail: "TailRisk") -> str:
    if tail.var_uusd is None or tail.es_uusd is None:
        return f"{_DASH} ({tail.note})"
    note = f" ({tail.note})" if tail.note else ""
    return f"VaR {_usd(-tail.var_uusd)}, expected shortfall {_usd(-tail.es_uusd)}{note}"


def _template(name: str, found: "Metrics", book: "Book") -> tuple[str, ...]:
    interval, kept = found.expectancy_interval, book.efficiency_by_template[name].edge_ratio
    return (
        name,
        str(found.trades),
        _share(found.win_rate),
        _usd(found.net_uusd),
        _usd(found.expectancy_uusd),
        _usd(interval.low if interval else None),
        _usd(interval.high if interval else None),
        _ratio(found.profit_factor),
        _share(kept),
    )


def _belief(brier: float | None, base: float | None, ece: float | None) -> str:
    return f"Brier {_ratio(brier)} (the average would have {_ratio(base)}), calibration error {_ratio(ece)}"


def _between(interval: "Interval | None", show: Callable[[float], str]) -> str:
    if interval is None:
        return ""
    return f" ({interval.level:.0%}: {show(interval.low)} to {show(interval.high)})"


def _minus(amount: float | None) -> float | None:
    return None if amount is None else -amount


def _usd(amount_uusd: float | None) -> str:
    return _DASH if amount_uusd is None else f"{amount_uusd / UUSD_PER_USD:+,.2f}"


def _fee(amount_uusd: int) -> str:
    return f"{amount_uusd / UUSD_PER_USD:,.2f}"


def _share(share: float | None) -> str:
    return _DASH if share is None else f"{share:.1%}"


def _ratio(ratio: float | None) -> str:
    return _DASH if ratio is None else f"{ratio:.2f}"
