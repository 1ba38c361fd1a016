"""The bot's side of the dead man: the heartbeat he watches, and starting him (docs/deadman.md)."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from trading_bot import log_setup
from trading_bot.core import operator_files as files
from trading_bot.core.deadman_files import deadman_runs, read_state
from trading_bot.core.heartbeat import Described, Heartbeat
from trading_bot.domain.errors import Halted, UsageError

if TYPE_CHECKING:
    from trading_bot.config_files import RunOptions
    from trading_bot.domain.summary import RunSummary
    from trading_bot.market_sources import Source
    from trading_bot.modes import ModeRow


def begin(data_dir: Path, heartbeat: Heartbeat) -> None:
    """This process starts, the kill switch being clear.

    Raises:
        Halted: the dead man is closing what an earlier one has left.
    """
    taken = data_dir / files.TAKEN_OVER_FILE
    if files.waiting(taken):
        state = read_state(data_dir)
        if state is not None and state.doing == "closing" and deadman_runs(data_dir):
            raise Halted(
                f"the dead man (pid {state.pid}) is closing what an earlier run has left; wait until "
                "logs/deadman.jsonl says that it is flat, then start again"
            )
        with contextlib.suppress(FileNotFoundError):
            taken.unlink()
    heartbeat.begin()


def describe(options: "RunOptions", row: "ModeRow", source: "Source", heartbeat: Heartbeat) -> None:
    """Say what runs here, and see to it that somebody watches it where the configuration asks for that."""
    run = options.loaded.config.run
    broker = source.broker
    described = Described(run_id=options.run_id, mode=run.mode, sends=row.orders_leave, instrument=run.instrument)
    if broker is not None:
        settings = broker.session.settings
        described = msgspec.structs.replace(
            described,
            account=broker.session.account,
            client_id=settings.client_id,
            host=settings.host,
            port=settings.port,
            contract=broker.bound.con_id,
        )
    heartbeat.describe(described)
    if row.orders_leave and options.loaded.config.deadman.start:
        _start(options)


def ended(heartbeat: Heartbeat, summary: "RunSummary") -> None:
    """The run ended by itself: what is open now is open on purpose, or nothing is."""
    if summary.exit_code == 0 or summary.position_qty == 0:
        heartbeat.end()


def _start(options: "RunOptions") -> None:
    """A dead man in a session of his own: what ends this terminal must not end him.

    Raises:
        UsageError: the system starts no process.
    """
    log = log_setup.get_logger()
    with contextlib.suppress(OSError):
        if deadman_runs(options.data_dir):
            log.info("deadman", text="one watches this directory already")
            return
    config = (
        [] if options.loaded.config_path is None else ["--config", str(Path(options.loaded.config_path).absolute())]
    )
    command = [sys.executable, "-m", "trading_bot.cli", "deadman", "--until-end"]
    try:
        # The interpreter and our own package, with arguments that this module made.
        process = subprocess.Popen(  # noqa: S603
            [*command, "--data-dir", str(options.data_dir.absolute()), *config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=dict(os.environ),
        )
    except OSError as error:
        raise UsageError(
            f"deadman.start is on and the dead man cannot be started: {error.strerror}; start him by himself "
            f"(`trading-bot deadman --data-dir {options.data_dir}`) and leave deadman.start off"
        ) from error
    log.info("deadman", text="started", pid=process.pid)
