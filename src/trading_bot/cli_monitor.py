"""`trading-bot monitor`: the sidecar that watches a bot from a process of its own (docs/watching.md)."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.bot_view import check_folder
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json
from trading_bot.domain.errors import BotError

if TYPE_CHECKING:
    from trading_bot.monitor.sight import Watcher

PORT_DEFAULT: Final = 9464
_BELL_S: Final = 5.0

app = typer.Typer()

Host = Annotated[str, typer.Option("--host", help="Address to listen on; others than this machine need --expose.")]
Port = Annotated[int, typer.Option("--port", help="0 takes a free one.", min=0, max=65535)]
Expose = Annotated[bool, typer.Option("--expose", help="Listen where others can reach it; every page needs the token.")]


@app.command()
def monitor(
    ctx: typer.Context,
    *,
    host: Host = "127.0.0.1",
    port: Port = PORT_DEFAULT,
    expose: Expose = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Watch a bot and serve /health, /metrics and /status, until SIGTERM or Ctrl-C. Changes nothing in the bot.

    Five minutes after a session's close it writes the end of the day into the data directory's `reports`, and backs the
    journal up.
    """
    from trading_bot.monitor.access import KEY_FILE, KEY_VARIABLE, refuse_exposed, token_of
    from trading_bot.monitor.server import Monitor
    from trading_bot.monitor.sight import Watcher

    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    refuse_exposed(host, os.environ, expose=expose)
    token = token_of(asked.data_dir, os.environ)
    where = KEY_VARIABLE if os.environ.get(KEY_VARIABLE) else str(asked.data_dir / KEY_FILE)

    def ready(bound: int) -> None:
        url = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        if asked.as_json:
            write_json({"url": url, "port": bound, "token": where, "pid": os.getpid()})
        else:
            typer.echo(f"watching {asked.data_dir}: {url}/health; /metrics and /status with the token of {where}")

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        watcher = Watcher(asked.data_dir)
        writing = asyncio.create_task(_write_at_close(watcher, stop))
        try:
            await Monitor(watcher, host=host, port=port, token=token).serve(stop, ready)
        finally:
            stop.set()
            await writing

    asyncio.run(serve())


async def _write_at_close(watcher: "Watcher", stop: asyncio.Event) -> None:
    """Write the end of each day; a bot that goes on over the close has no end at which it could do that itself."""
    from trading_bot.monitor.closing_bell import ClosingBell

    bell = ClosingBell()
    while not stop.is_set():
        if bell.rings(watcher.story):
            await asyncio.to_thread(_write_day_end, watcher.data_dir)
            await asyncio.to_thread(_keep_journal, watcher.data_dir)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _BELL_S)


def _write_day_end(data_dir: Path) -> None:
    from trading_bot.pages.day_end_files import FOLDER, write_day_end

    try:
        day = write_day_end(data_dir, live=True)
    except (BotError, OSError) as error:  # the watch goes on; `trading-bot eod` says it again
        typer.echo(f"the end of the day was not written: {error}", err=True)
        return
    typer.echo(f"{data_dir / FOLDER}/eod-{day.trade_date:08d}: {'flat' if day.flat else 'NOT FLAT'}", err=True)


def _keep_journal(data_dir: Path) -> None:
    """The journal up to date and today's backup made (docs/journal.md), where the extra is installed."""
    try:
        from trading_bot.journal.backup import FOLDER as BACKUPS
        from trading_bot.journal.backup import KEEP_DAYS
        from trading_bot.journal.database import Database, database_url
        from trading_bot.journal.keeping import one_round

        found = one_round(Database(database_url(None, data_dir)), data_dir, data_dir / BACKUPS, keep_days=KEEP_DAYS)
    except ImportError as error:
        typer.echo(f"no journal, and no backup: {error.name} is missing; install trading-bot[journal]", err=True)
        return
    except (BotError, OSError) as error:
        typer.echo(f"the journal was not kept: {error}", err=True)
        return
    for folder, reason in found.rebuilt.refused.items():
        typer.echo(f"not in the journal: {folder}: {reason}", err=True)
    typer.echo(f"{found.rebuilt.db}: {found.rebuilt.trades:,} trades; backup {found.backup.file}", err=True)
