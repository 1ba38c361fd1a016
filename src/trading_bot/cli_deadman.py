"""`trading-bot deadman`: a process beside the bot that closes what a dead or frozen one has left (docs/deadman.md)."""

import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from trading_bot import cli_options as options
from trading_bot.bot_view import check_folder
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json
from trading_bot.domain.errors import UsageError

app = typer.Typer()

UntilEnd = Annotated[bool, typer.Option("--until-end", help="End when the bot has ended, or has been closed.")]
OwnId = Annotated[
    int | None, typer.Option("--client-id", min=1, help="His own id at the gateway. Default: deadman.client_id (99)")
]


@app.command()
def deadman(
    ctx: typer.Context,
    *,
    host: options.Host = None,
    port: options.Port = None,
    account: options.Account = None,
    client_id: OwnId = None,
    until_end: UntilEnd = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Watch the bot in a data directory; cancel and close what it leaves when it dies or freezes. Ctrl-C ends it."""
    from trading_bot import log_setup
    from trading_bot.config_files import load_config, process_environment
    from trading_bot.deadman.link import Place
    from trading_bot.deadman.watch import DeadMan

    asked = common(ctx, data_dir, config, as_json=as_json)
    check_folder(asked)
    loaded = load_config(asked.config, environment=process_environment())
    with _only_one(asked.data_dir):
        log_setup.start_logging(asked.data_dir, run_id=f"deadman-{log_setup.new_run_id()}")
        place = Place(host=host, port=port, account=account, client_id=client_id)
        man = DeadMan(asked.data_dir, loaded.config, place, until_end=until_end)

        def stop(_number: int, _frame: object) -> None:
            man.stop = True

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        code = man.run()
    if asked.as_json:
        write_json({"exit_code": code, "took_over": man.took_over, "steps": man.journal.lines})
    raise typer.Exit(code)


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """One dead man per data directory: two would close one position twice.

    Raises:
        UsageError: another one watches it.
    """
    from trading_bot.core.deadman_files import LOCK_FILE

    with (data_dir / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"a dead man watches {data_dir} already; two would close one position twice. End that one first"
            ) from error
        yield
