"""A run that is continued by another configuration or another build goes on, and goes on again (architecture law 10).

The exchange that stands for a broker began anew with each such process, so recovery must not hold the whole log to one.
"""

import json
import shutil
import struct
import subprocess
import sys

import pytest

from tests.core.worlds import messages
from trading_bot.core.log_segments import RECORDS_START_BYTES
from trading_bot.core.replay import session_logs
from trading_bot.domain import events
from trading_bot.domain.effects import PlaceOrder

RUN = ("--mode", "SIM", "--adapter", "sim", "--seed", "16", "--start", "2026-11-25T14:20:00Z", "--duration", "7200")
CHANGED = {
    "a limit": "schema = 1\n[safety]\nentries_per_hour_max = 14\n",
    "the exchange itself": "schema = 1\n[simulator]\nreject_every = 3\n",
}
OTHER_BUILD = """
import sys
import trading_bot.wiring as wiring
wiring.build_digest = lambda: "another build"
from trading_bot.cli import main
sys.exit(main(sys.argv[1:]))
"""


def start(data_dir, *arguments, program=("-m", "trading_bot.cli")):
    done = subprocess.run(
        [sys.executable, *program, *RUN, "--data-dir", str(data_dir), *map(str, arguments), "--json"],
        capture_output=True,
    )
    return done.returncode, json.loads(done.stdout)


def run_of(data_dir):
    return next((data_dir / "runs").iterdir())


def records(segment: bytes):
    """(offset after it, kind) of each record, by walking the lengths."""
    offset = RECORDS_START_BYTES
    while offset + 64 <= len(segment):
        length = struct.unpack_from("<I", segment, offset + 4)[0]
        if length == 0 or segment[offset + 16] == 32:
            return
        offset += length
        yield offset


def cut(data_dir, part):
    """As a killed process would leave it: the last segment ends after this part of its records."""
    log = session_logs(run_of(data_dir))[-1]
    segment = max(log.glob("seg-*.tbl"))
    content = segment.read_bytes()
    ends = list(records(content))
    segment.write_bytes(content[: ends[int(len(ends) * part)]])


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run that traded and was killed."""
    data_dir = tmp_path_factory.mktemp("killed") / "data"
    code, summary = start(data_dir)
    assert code == 0
    assert summary["fills"] > 0
    cut(data_dir, 0.6)
    assert any(isinstance(record, PlaceOrder) for _, record in messages(run_of(data_dir)))
    return data_dir


@pytest.mark.parametrize("change", CHANGED)
def test_another_configuration_goes_on_and_again(killed, tmp_path, change):
    config = tmp_path / "changed.toml"
    config.write_text(CHANGED[change])
    data_dir = tmp_path / "data"
    shutil.copytree(killed, data_dir)
    code, summary = start(data_dir, "--config", config)
    assert (code, summary.get("error")) == (0, None)
    cut(data_dir, 0.9)
    code, summary = start(data_dir, "--config", config)
    assert (code, summary.get("error")) == (0, None)
    restarts = [
        record.recovery for _, record in messages(run_of(data_dir)) if isinstance(record, events.ProcessStarted)
    ]
    assert restarts == ["facts", "full"]


def test_another_build_goes_on(killed, tmp_path):
    data_dir = tmp_path / "data"
    shutil.copytree(killed, data_dir)
    code, summary = start(data_dir, program=("-c", OTHER_BUILD))
    assert (code, summary.get("error")) == (0, None)
