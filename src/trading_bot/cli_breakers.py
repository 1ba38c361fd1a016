"""`trading-bot clear-breaker`: a person's word about a breaker that waits for one (docs/safety.md)."""

import time
from typing import Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.bot_view import bot_in, check_folder, check_known
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json
from trading_bot.core import breaker_requests
from trading_bot.core import operator_files as files
from trading_bot.domain.errors import SourceUnreachable, UsageError
from trading_bot.engines.breaker_table import RULES, Reset

SOURCE: Final = "cli"
CLEARABLE: Final = tuple(rule.breaker.value for rule in RULES if rule.reset is Reset.PERSON)
_WAIT_S: Final = 5.0
_LOOK_S: Final = 0.05

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
    bot = bot_in(asked)
    check_known(asked, bot)
    path = asked.data_dir / breaker_requests.CLEAR_FILE
    try:
        breaker_requests.ask_to_clear(asked.data_dir, breaker, reason, SOURCE)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; nothing was cleared") from error
    begin_s = time.monotonic()
    while bot.running and files.waiting(path) and time.monotonic() - begin_s < _WAIT_S:
        time.sleep(_LOOK_S)
    taken = not files.waiting(path)
    if bot.running and not taken:
        raise SourceUnreachable(
            f"{bot.name} has not taken the request within {_WAIT_S:g} s; it stands until the bot does, or the next one "
            f"that starts; remove {path} to take it back"
        )
    if asked.as_json:
        write_json({"breaker": breaker, "taken": taken, "bot": bot})
        return
    what = f"{bot.name} took it" if taken else "no bot runs; the next one that starts takes it"
    typer.echo(f"{breaker}: {what}. A breaker whose cause lasts trips again; `trading-bot status` shows what stands")
