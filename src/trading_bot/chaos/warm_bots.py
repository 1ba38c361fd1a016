"""Bots forked from a process that has imported everything already: a start without a second of imports.

What is forked is a process of its own that runs the command line like any other and dies of a kill -9 like any other.
A crash campaign starts a bot a second; a user's start pays for a new interpreter, which proves nothing about recovery.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

_COMMAND_LINE: Final = "trading_bot.cli"
# What a bot at a broker loads on the way to its first order; by name, as they stand above this package.
_LOADED: Final = (
    _COMMAND_LINE,
    "trading_bot.cli_run",
    "trading_bot.wiring",
    "trading_bot.broker_source",
    "trading_bot.chaos.warm_library",
    "trading_bot.chaos.crashes",  # what the module that forks them imports, it imports again
    "trading_bot.chaos.warm_bots",
)


def preload() -> None:
    """Say what the fork server is to load; before the first bot of this process."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(_LOADED))


class WarmProcess:
    """A forked process, as `subprocess.Popen` shows one."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid = process.pid or 0

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code.

        Raises:
            TimeoutExpired: it still runs after so many seconds.
        """
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("bot", timeout or 0.0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send it a signal; nothing when it has ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Kill -9."""
        self.send_signal(signal.SIGKILL)


def launch_warm(
    arguments: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    out_path: Path,
    err_path: Path,
    *,
    prepare: Callable[[Path], None] | None = None,
) -> WarmProcess:
    """As `bots.launch`, forked. `prepare(folder)` is called in the new process before it begins."""
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_main, args=(tuple(arguments), folder, dict(env), out_path, err_path, prepare))
    process.start()
    return WarmProcess(process)


def _main(
    arguments: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    out_path: Path,
    err_path: Path,
    prepare: Callable[[Path], None] | None,
) -> None:
    """The child: its own folder, environment and outputs, then the command line."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for path, number in ((out_path, 1), (err_path, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, number)
        os.close(file)
    if prepare is not None:
        prepare(folder)
    code = import_module(_COMMAND_LINE).main(list(arguments))
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)
