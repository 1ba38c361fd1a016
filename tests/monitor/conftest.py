"""One short simulated run for all tests that look at a log, and its own summary to compare with."""

import json

import pytest
import structlog

from trading_bot import log_setup
from trading_bot.cli import main


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """(data directory, summary) of a run of half an hour with a rule pack."""
    data_dir = tmp_path_factory.mktemp("watched") / "data"
    code = main([
        "--adapter", "sim", "--mode", "SIM", "--seed", "3", "--duration", "1500", "--rules", "evaluation_50k_intraday",
        "--data-dir", str(data_dir), "--json",
    ])  # fmt: skip
    if (lines := log_setup.current_lines()) is not None:
        lines.close()
    log_setup._started.clear()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    [folder] = (data_dir / "runs").iterdir()
    summary = json.loads((folder / "summary.json").read_bytes())
    assert code == summary["exit_code"]
    return data_dir, summary
