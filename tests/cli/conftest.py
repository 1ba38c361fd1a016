"""The command line in this process, for the many cases that need no process of their own."""

import os

import pytest
import structlog

from trading_bot import log_setup
from trading_bot.cli import main


@pytest.fixture
def run_main(capfdbinary, monkeypatch, tmp_path):
    """Runs `main` in an empty folder; gives the exit code, stdout and stderr."""
    for name in [name for name in os.environ if name.startswith("TRADING_BOT__")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfdbinary.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfdbinary.readouterr()
        return code, captured.out.decode(), captured.err.decode()

    yield run
    if (lines := log_setup.current_lines()) is not None:
        lines.close()
    log_setup._started.clear()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
