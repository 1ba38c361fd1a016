"""`trading-bot report LOG...`: a day as one HTML file, or short as text, Markdown or JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from trading_bot import cli_options as options
from trading_bot.build_digest import build_digest
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json
from trading_bot.cli_pages import Form, Out, form_of, trade_date_of, write_whole
from trading_bot.strategy_plugins import offer_installed

app = typer.Typer(no_args_is_help=True)


@app.command()
def report(
    ctx: typer.Context,
    logs: Annotated[list[Path], typer.Argument(metavar="LOG...", help="Runs or sessions' logs of one day.")],
    *,
    out: Out = None,
    form: Form = None,
    date: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The day, where the logs are of several.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what needs the log to be played: regimes and the gate ledger.")
    ] = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """A trading day to look at: chart, money, trades, costs, gates; every number names its records."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    chosen = "json" if asked.as_json and form is None and out is None else form_of(form, out)
    _report(asked, logs, out, chosen, trade_date=trade_date_of(date), quick=quick)


def _report(
    asked: Common, logs: Sequence[Path], out: Path | None, chosen: str, *, trade_date: int | None, quick: bool
) -> None:
    from trading_bot.pages.day_document import day_document
    from trading_bot.pages.day_inputs import read_inputs
    from trading_bot.pages.day_report import day_page
    from trading_bot.pages.render_text import markdown, text

    folders = [log_folder(asked, log) for log in logs]
    offer_installed()
    inputs = read_inputs(folders, trade_date=trade_date, build="" if quick else build_digest())
    if chosen == "html":
        from trading_bot.pages.render_html import html

        shown = html(day_page(inputs))
    elif chosen == "json":
        import msgspec

        shown = msgspec.json.encode(day_document(inputs)).decode() + "\n"
    else:
        shown = (markdown if chosen == "markdown" else text)(day_page(inputs))
    if out is not None:
        write_whole(out, shown)
    if asked.as_json:
        write_json(day_document(inputs))
    elif out is None:
        typer.echo(shown, nl=False)
    else:
        typer.echo(f"{out}: {chosen}, {len(shown.encode()) / 1e6:.1f} MB, {len(inputs.trades)} trades", err=True)
