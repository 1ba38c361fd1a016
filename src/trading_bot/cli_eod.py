"""`trading-bot eod` and `digest`: the end of a day with its flat assertion, and the week."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from trading_bot import cli_options as options
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_error, write_json
from trading_bot.cli_pages import Form, Out, form_of, trade_date_of, write_whole
from trading_bot.domain.errors import Halted, LogCorrupt, UsageError

if TYPE_CHECKING:
    from trading_bot.pages.page import Page
    from trading_bot.reports.week import Week, WeekBook
    from trading_bot.research.gate_records import GateLedger

app = typer.Typer()

Mode = Annotated[
    str | None, typer.Option("--mode", metavar="MODE", help="Only this mode: OBSERVE, PAPER, LIVE, BACKTEST or SIM.")
]


@app.command()
def eod(
    ctx: typer.Context,
    logs: Annotated[
        list[Path] | None, typer.Argument(metavar="[LOG]...", help="Runs, or logs; none: the data directory.")
    ] = None,
    *,
    date: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The trade date. Default: the newest.")
    ] = None,
    mode: Mode = None,
    out: Out = None,
    form: Form = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """The end of a day: flat or not (exit 5), money, why not, what changed, what is next."""
    from trading_bot.core.operator_files import bot_runs
    from trading_bot.pages.day_end_document import day_document
    from trading_bot.pages.day_end_page import day_end_page
    from trading_bot.reports.day_end import read_day_end

    asked = common(ctx, data_dir, config, as_json=as_json)
    chosen = "json" if asked.as_json and form is None and out is None else form_of(form, out)
    paths = [log_folder(asked, log) for log in logs or ()] or [_data(asked)]
    chosen_mode = None if mode is None else mode.upper()
    day = read_day_end(paths, trade_date=trade_date_of(date), mode=chosen_mode, live=bot_runs(asked.data_dir))
    _show(asked, day_end_page(day), day_document(day), out, chosen)
    if not day.flat:
        reasons = "; ".join(text for book in day.books for text in book.open_reasons)
        if chosen != "json":
            write_error("NotFlat", f"NOT FLAT: {reasons}. Look at the broker", Halted.exit_code, as_json=False)
        raise typer.Exit(Halted.exit_code)


@app.command()
def digest(
    ctx: typer.Context,
    *,
    week: Annotated[
        str | None, typer.Option("--week", metavar="YYYY-Www", help="ISO week such as 2026-W48. Default: the newest.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="The week this day is in.")] = None,
    gates: Annotated[
        bool, typer.Option("--gates", help="Add what each gate saved or cost; follows every refused candidate.")
    ] = False,
    mode: Mode = None,
    out: Out = None,
    form: Form = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """The week of a data directory: day by day, what it comes to, the week before beside it."""
    from trading_bot.core.operator_files import bot_runs
    from trading_bot.pages.day_end_document import week_document
    from trading_bot.pages.week_page import week_page
    from trading_bot.reports.week import read_week

    asked = common(ctx, data_dir, config, as_json=as_json)
    chosen = "json" if asked.as_json and form is None and out is None else form_of(form, out)
    data_dir, chosen_mode = _data(asked), None if mode is None else mode.upper()
    found = read_week(data_dir, week=_week(week, to), mode=chosen_mode, live=bot_runs(data_dir))
    ledgers = [_gates(book) for book in found.books] if gates else []
    document = week_document(found) | ({"gates": msgspec.to_builtins(ledgers)} if gates else {})
    _show(asked, week_page(found, ledgers), document, out, chosen)
    if found.unread:
        if chosen != "json":
            write_error("LogCorrupt", "; ".join(found.unread), LogCorrupt.exit_code, as_json=False)
        raise typer.Exit(LogCorrupt.exit_code)


def _gates(book: "WeekBook") -> "GateLedger":
    from trading_bot.research.gate_ledger import gate_ledger

    return gate_ledger([Path(log) for day in book.days for run in day.runs for log in run.logs])


def _data(asked: Common) -> Path:
    """The data directory.

    Raises:
        UsageError: it is not there; a name that was mistyped is not a week without trades.
    """
    if not asked.data_dir.is_dir():
        raise UsageError(f"--data-dir {asked.data_dir}: there is no such folder; expected one with runs/ in it")
    return asked.data_dir


def _week(week: str | None, to: str | None) -> "Week | None":
    from trading_bot.reports.week import Week, as_date, week_of

    if week is not None and to is not None:
        raise UsageError("--week and --to both name a week; give one of them")
    try:
        if to is not None:
            return week_of(as_date(trade_date_of(to) or 0))
        if week is None:
            return None
        found = re.fullmatch(r"(\d{4})-?[Ww](\d{1,2})", week, re.ASCII)
        if found is None:
            raise ValueError(week)
        named = Week(int(found[1]), int(found[2]))
        _ = named.monday  # a year has 52 weeks or 53
    except ValueError as error:
        given = f"--to {to}" if to is not None else f"--week {week}"
        raise UsageError(f"{given}: no such week or day; expected 2026-W48, or --to 2026-11-25") from error
    return named


def _show(asked: Common, page: "Page", document: dict[str, Any], out: Path | None, chosen: str) -> None:
    if chosen == "json":
        shown = msgspec.json.encode(document).decode() + "\n"
    elif chosen == "html":
        from trading_bot.pages.render_html import html

        shown = html(page)
    else:
        from trading_bot.pages.render_text import markdown, text

        shown = (markdown if chosen == "markdown" else text)(page)
    if out is not None:
        write_whole(out, shown)
    if asked.as_json:
        write_json(document)
    elif out is None:
        typer.echo(shown, nl=False)
