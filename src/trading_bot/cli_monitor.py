"""`trading-bot monitor`: the sidecar that watches a bot from a process of its own (docs/watching.md)."""

import asyncio
import os
import signal
from typing import Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.bot_view import check_folder
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json

PORT_DEFAULT: Final = 9464

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
    """Watch a bot and serve /health, /metrics and /status, until SIGTERM or Ctrl-C. Changes nothing in the bot."""
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
        await Monitor(Watcher(asked.data_dir), host=host, port=port, token=token).serve(stop, ready)

    asyncio.run(serve())
