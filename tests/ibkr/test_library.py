"""One shim for two libraries that must not share an environment (docs/adr/0016)."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from trading_bot.adapters.ibkr import library as shim
from trading_bot.domain.errors import UsageError

INSTALLED = [name for name in shim.NAMES if find_spec(name) is not None]


@pytest.fixture(autouse=True)
def _forget():
    shim.library.cache_clear()
    yield
    shim.library.cache_clear()


def test_exactly_one_library_is_in_an_environment():
    assert len(INSTALLED) == 1
    assert shim.library_name() == INSTALLED[0]


def test_the_environment_may_force_one(monkeypatch):
    monkeypatch.setenv(shim.CHOICE, INSTALLED[0])
    assert shim.library().__name__ == INSTALLED[0]


def test_one_that_is_missing_is_said_with_what_to_do(monkeypatch):
    (missing,) = set(shim.NAMES) - set(INSTALLED)
    monkeypatch.setenv(shim.CHOICE, missing)
    with pytest.raises(UsageError, match=f"pip install {missing}") as raised:
        shim.library()
    assert raised.value.exit_code == 2


def test_a_name_nobody_knows_is_refused(monkeypatch):
    monkeypatch.setenv(shim.CHOICE, "ibapi")
    with pytest.raises(UsageError, match="'ibapi'; expected ib_async or ib_insync"):
        shim.library()


def test_the_parts_are_of_the_same_library():
    assert shim.part("decoder").__name__ == f"{INSTALLED[0]}.decoder"


def test_a_run_without_a_broker_does_not_import_it():
    """Start-up time: the library loads numpy."""
    code = (
        "import sys, trading_bot.cli, trading_bot.adapters.ibkr.session, trading_bot.adapters.ibkr.link\n"
        "print([name for name in ('ib_insync', 'ib_async', 'eventkit') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
