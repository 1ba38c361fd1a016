"""`trading-bot kill|unkill|flatten|status`: a person's word to a running bot, and a look at it, from another process.

Requests are files the bot polls (`core/operator_files.py`) and need nothing of it. Where its control socket answers
(`adapters/control_socket.py`) it hears of them at once, takes a kill that no disk would, and says how old its loop is.
"""

import sys
import time
from collections.abc import Callable
from typing import Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.adapters import control_client
from trading_bot.bot_view import Bot, View, bot_in, check_folder, check_known, link_text, rows, told, view
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json, write_pairs
from trading_bot.core import operator_files as files
from trading_bot.core.kill_timeline import CANCELS, CLOSED, EXIT, FLAT, HALTED, LATCHED, TAKEN
from trading_bot.domain.errors import SourceUnreachable, UsageError

SOURCE: Final = "cli"
WAIT_S_DEFAULT: Final = 15.0
WAIT_S_MAX: Final = 3600.0
_LOOK_S: Final = 0.05
_STAGES: Final = {
    LATCHED: "latched",
    TAKEN: "taken by the bot",
    CANCELS: "entries and targets withdrawn",
    EXIT: "exit sent",
    CLOSED: "position closed",
    FLAT: "flat, confirmed by the broker",
    HALTED: "halted",
}

app = typer.Typer()

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the latch and in every log.")]
Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, max=WAIT_S_MAX, help="How long to wait for the bot.")
]


@app.command()
def kill(
    ctx: typer.Context,
    *,
    reason: Reason = "",
    wait: Wait = WAIT_S_DEFAULT,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Pull the kill switch: the bot cancels, flattens and halts, and none starts until `unkill`."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    bot = bot_in(asked)
    created = _pull(asked, bot, reason)
    latch = files.latched(asked.data_dir)
    waited_s = _wait(wait, lambda: bot_in(asked).running is False, what="to halt") if bot.running else 0.0
    after = view(asked)
    halted = after.bot.running is False if bot.running else None
    timeline_ms = _timeline_ms(bot, after)
    document = {
        "latched": latch,
        "already": not created,
        "bot": bot,
        "halted": halted,
        "waited_s": waited_s,
        "position_qty": after.status.position_qty if halted and after.status else None,
        "timeline_ms": timeline_ms,
    }
    if asked.as_json:
        write_json(document)
        return
    if latch is not None:
        typer.echo(f"kill switch {'latched' if created else 'was latched already'}: {told(latch)}")
    for stage, at_ms in timeline_ms.items():
        typer.echo(f"{at_ms:>12,.1f} ms  {_STAGES.get(stage, stage)}")
    typer.echo(_halt_text(asked, bot, after, waited_s))
    typer.echo("no bot starts here until `trading-bot unkill --reason TEXT`")


def _pull(asked: Common, bot: Bot, reason: str) -> bool:
    """The file first: it needs nobody. Then the socket, which is heard at once; the disk's refusal leaves it alone."""
    refused: OSError | None = None
    created = False
    try:
        created = files.pull(asked.data_dir, reason, SOURCE)
    except OSError as error:
        refused = error
    heard = control_client.ask(asked.data_dir, "kill", files.plain(reason)) if bot.running else None
    if refused is None:
        return created
    if heard is not None:
        return not heard.get("already", False)
    stop = "no bot runs there" if bot.running is False else f"stop {bot.name} by SIGTERM: it flattens and ends"
    raise UsageError(
        f"the kill switch {asked.data_dir / files.KILL_FILE} cannot be written: {refused.strerror}; {stop}"
    ) from refused


def _timeline_ms(bot: Bot, after: View) -> dict[str, float]:
    """Stages of this bot's kill, as far as its last status has them."""
    found = after.status
    if found is None or found.kill_reason is None or (bot.pid is not None and bot.pid != found.pid):
        return {}
    return found.kill_timeline_ms


def _halt_text(asked: Common, bot: Bot, after: View, waited_s: float) -> str:
    if bot.running is None:
        return f"whether a bot runs is not known: {asked.data_dir / files.LOCK_FILE} cannot be read"
    if not bot.running:
        return f"no bot runs in {asked.data_dir}"
    if after.bot.running is not False:
        down = ""
        if after.status is not None and after.status.link and not after.status.link["up"]:
            down = (
                f" Its link is {link_text(after.status)}: it asks and tries again until the broker has confirmed zero."
            )
        return (
            f"{bot.name} still runs after {waited_s:.1f} s: it flattens, or does not answer.{down} Look with "
            "`trading-bot status`; if it stays, close the position at the broker and end the process"
        )
    position = "its last status says nothing about the position: look at the broker"
    if after.status is not None and after.status.position_qty is not None:
        position = f"its last status says position {after.status.position_qty}"
    return f"{bot.name} has halted after {waited_s:.1f} s; {position}"


@app.command()
def unkill(
    ctx: typer.Context,
    *,
    reason: Reason = "",
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Clear the kill switch, with a reason, once the bot has halted. The next start may trade again."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    if not files.plain(reason):
        raise UsageError("--reason says why the bot may trade again; it may not be empty")
    bot = bot_in(asked)
    if files.latched(asked.data_dir) is not None and bot.running is not False:
        check_known(asked, bot)
        raise UsageError(
            f"{bot.name} still runs in {asked.data_dir} and is flattening before it halts; wait until "
            "`trading-bot status` shows that it has ended (if it does not, close the position at the broker and end "
            "the process), then clear the switch"
        )
    try:
        cleared = files.clear(asked.data_dir, reason, SOURCE)
    except OSError as error:
        raise UsageError(
            f"the kill switch stays latched: {error.filename or asked.data_dir}: {error.strerror}; put that right "
            "and clear it again"
        ) from error
    if asked.as_json:
        write_json({"was_latched": cleared is not None, "cleared": cleared})
    elif cleared is None:
        typer.echo(f"nothing to clear: the kill switch of {asked.data_dir} is not latched")
    else:
        typer.echo(f"kill switch cleared: {cleared.reason}\nit was latched: {told(cleared.latch)}")


@app.command()
def flatten(
    ctx: typer.Context,
    *,
    reason: Reason = "",
    wait: Wait = WAIT_S_DEFAULT,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Ask the running bot to withdraw its entries and close its position. It goes on trading afterwards."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    bot = bot_in(asked)
    check_known(asked, bot)
    if not bot.running:
        raise UsageError(
            f"no bot runs in {asked.data_dir}, so nobody would carry it out; name the bot's --data-dir, or close the "
            "position at the broker"
        )
    try:
        if control_client.ask(asked.data_dir, "flatten", files.plain(reason)) is None:
            files.ask_to_flatten(asked.data_dir, reason, SOURCE)
    except OSError as error:
        raise UsageError(
            f"{asked.data_dir / files.FLATTEN_FILE} cannot be written: {error.strerror}; put that right, or stop "
            f"{bot.name} by SIGTERM: it flattens and ends"
        ) from error
    request = asked.data_dir / files.FLATTEN_FILE
    waited_s = _wait(
        wait, lambda: not files.waiting(request) or bot_in(asked).running is False, what="to take the request"
    )
    if files.waiting(request):
        if bot_in(asked).running is False and files.take_back(request):
            raise UsageError(f"{bot.name} ended before it took the request, which is withdrawn; look at its summary")
        raise SourceUnreachable(
            f"{bot.name} has not taken the request within {waited_s:.1f} s; it stands until it does. If it does "
            "not answer, close the position at the broker and end the process"
        )
    if asked.as_json:
        write_json({"taken": True, "bot": bot, "waited_s": waited_s})
    else:
        typer.echo(f"{bot.name} took the request after {waited_s:.1f} s; see `trading-bot status` for the position")


@app.command()
def status(
    ctx: typer.Context,
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show whether a bot runs and what it does, and whether the kill switch is latched."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    seen = view(asked)
    if asked.as_json:
        write_json(seen)
        return
    write_pairs(f"Bot in {asked.data_dir}", rows(seen))
    if seen.problem:
        typer.echo(f"{typer.style('note:', fg='yellow', bold=True)} {seen.problem}", err=True)


def _wait(seconds: float, done: Callable[[], bool], *, what: str) -> float:
    """Until it is done, or the time is over; how long it took."""
    if sys.stderr.isatty():
        typer.echo(f"waiting up to {seconds:g} s for the bot {what} …", err=True)
    begin_s = time.monotonic()
    while not done() and time.monotonic() - begin_s < seconds:
        time.sleep(_LOOK_S)
    return round(time.monotonic() - begin_s, 3)
