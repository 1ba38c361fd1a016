"""`trading-bot clear-breaker`: a person's word about a breaker that waits for one (docs/safety.md)."""

from typing import Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.bot_view import check_folder, hand_over
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json
from trading_bot.core import breaker_requests
from trading_bot.core import operator_files as files
from trading_bot.domain.errors import UsageError
from trading_bot.engines.breaker_table import RULES, Reset

SOURCE: Final = "cli"
CLEARABLE: Final = tuple(rule.breaker.value for rule in RULES if rule.reset is Reset.PERSON)

app = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(CLEARABLE)}.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why trading may go on; kept in the log.")]


@app.command("clear-breaker")
def clear_breaker(
    ctx: typer.Context,
    name: Name,
    *,
    reason: Reason = "",
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Clear a breaker that only a person ends; DRAWDOWN_HALT takes the equity of now as its new peak."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    breaker = name.upper()
    if breaker not in CLEARABLE:
        raise UsageError(f"{name} is not cleared by a person; expected one of {', '.join(CLEARABLE)}")
    if not files.plain(reason):
        raise UsageError(f"clearing {breaker} needs --reason TEXT: say why trading may go on")
    path = asked.data_dir / breaker_requests.CLEAR_FILE
    taken, bot = hand_over(
        asked,
        path,
        lambda: breaker_requests.ask_to_clear(asked.data_dir, breaker, reason, SOURCE),
        "nothing was cleared",
    )
    if asked.as_json:
        write_json({"breaker": breaker, "taken": taken, "bot": bot})
        return
    what = f"{bot.name} took it" if taken else "no bot runs; the next one that starts takes it"
    typer.echo(f"{breaker}: {what}. A breaker whose cause lasts trips again; `trading-bot status` shows what stands")
