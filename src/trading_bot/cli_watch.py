"""`trading-bot watch`: the run on a terminal, from a process of its own. Reads the bot's files and changes nothing."""

import signal
import sys
import time
from typing import Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.bot_view import check_folder
from trading_bot.cli_options import common
from trading_bot.cli_output import console, write_json

INTERVAL_S_DEFAULT: Final = 1.0

app = typer.Typer()

Once = Annotated[bool, typer.Option("--once", help="Print one picture and end.")]
Interval = Annotated[
    float, typer.Option("--interval", metavar="SECONDS", min=0.2, max=60.0, help="Between two looks. Default: 1")
]


@app.command()
def watch(
    ctx: typer.Context,
    *,
    once: Once = False,
    interval: Interval = INTERVAL_S_DEFAULT,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show the run: lights, position, result, limits, the last decisions and why. Ctrl-C ends it, never the bot."""
    from trading_bot.monitor.checks import health
    from trading_bot.monitor.screen import document, frame
    from trading_bot.monitor.sight import Watcher

    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    watcher = Watcher(asked.data_dir)
    if asked.as_json:
        sight = watcher.look()
        write_json(document(sight, health(sight, watcher.story)))
        return
    screen = console()
    if once or not sys.stdout.isatty():
        sight = watcher.look()
        screen.print(frame(sight, health(sight, watcher.story), screen.width))
        return
    from rich.live import Live

    # The terminal gets its own screen back whichever way this ends.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Live(console=screen, screen=True, auto_refresh=False) as live:
        try:
            while True:
                sight = watcher.look()
                live.update(frame(sight, health(sight, watcher.story), screen.width), refresh=True)
                time.sleep(interval)
        except KeyboardInterrupt:
            return
