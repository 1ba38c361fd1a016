"""`trading-bot learning archive` and `revive`: a person's word about a template (docs/learning.md)."""

from typing import Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.bot_view import check_folder, hand_over
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json
from trading_bot.core import learning_requests
from trading_bot.core import operator_files as files
from trading_bot.domain.errors import UsageError

SOURCE: Final = "cli"

app = typer.Typer()

Template = Annotated[str, typer.Argument(metavar="TEMPLATE", help="A template of the run, such as K1.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the log.")]


@app.command()
def archive(
    ctx: typer.Context,
    template: Template,
    *,
    reason: Reason = "",
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Take a template out of trading, and out of shadow trading, until `revive`."""
    _order(common(ctx, data_dir, config, as_json=as_json), "archive", template, reason)


@app.command()
def revive(
    ctx: typer.Context,
    template: Template,
    *,
    reason: Reason = "",
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Let an archived template into quarantine, where it has to prove itself in shadow trades."""
    _order(common(ctx, data_dir, config, as_json=as_json), "revive", template, reason)


def _order(asked: Common, order: str, template: str, reason: str) -> None:
    check_folder(asked)
    if not files.plain(template):
        raise UsageError(f"{order} needs the name of a template; `trading-bot learning show` lists them")
    if not files.plain(reason):
        raise UsageError(f"{order} of {template} needs --reason TEXT: it is kept in the log")
    taken, bot = hand_over(
        asked,
        asked.data_dir / learning_requests.ORDER_FILE,
        lambda: learning_requests.ask_to_order(asked.data_dir, order, template, reason, SOURCE),
        f"nothing was {order}d",
    )
    if asked.as_json:
        write_json({"order": order, "template": template, "taken": taken, "bot": bot})
        return
    what = f"{bot.name} took it" if taken else "no bot runs; the next one that starts takes it"
    typer.echo(f"{order} {template}: {what}. What the table of states does not allow is told as LEARNING_ORDER_REFUSED")
