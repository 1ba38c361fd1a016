"""Recorded sessions as they are keep entries possible: the data score is at its entry gate for 80 % of the time.

Time counts while the session table allows entries; whole runs through the command, score bands from their logs.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trading_bot.core.event_log import LogReader
from trading_bot.core.log_reader import MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import events, log_records

ENTRY_BAND = 3
HOLIDAY = "es_l3_holiday/esh4_glbx_mdp3_20231225.mbo.dbn.zst"


def messages(path):
    for log in session_logs(Path(path)):
        with LogReader(log) as reader:
            for item in reader.spans():
                if isinstance(item, MessageFrame):
                    yield log_records.decode(item.payload)


def possible(path):
    """(time with the score at the entry gate, time in which entries are allowed), ns."""
    good = allowed = last_ns = 0
    band, entries = ENTRY_BAND, False
    for record in messages(path):
        if entries:
            allowed += record.ts_ns - last_ns
            good += (record.ts_ns - last_ns) * (band == ENTRY_BAND)
        last_ns = record.ts_ns
        if isinstance(record, events.SessionChanged):
            entries = record.state == "SESSION_ENTRIES"
        elif isinstance(record, events.OutcomeReached):
            band = record.dvs_band
    return good, allowed


@pytest.mark.parametrize(
    ("source", "options"),
    [
        pytest.param(HOLIDAY, ("--config", "globex_research.toml"), id="holiday hour"),
        pytest.param("spy_sessions", ("--date", "20131007", "--instrument", "SPY"), id="SPY 2013-10-07"),
        pytest.param("spy_sessions", ("--date", "20131010", "--instrument", "SPY"), id="SPY 2013-10-10"),
    ],
)
def test_entries_are_possible_for_most_of_the_session(shared_data, tmp_path, source, options, capsys):
    line = ["--mode", "OBSERVE", "--adapter", "files", "--input", shared_data / source, *options, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "trading_bot.cli", *map(str, line), "--data-dir", str(tmp_path)],
        capture_output=True,
        check=True,
    )
    good, allowed = possible(json.loads(done.stdout)["log_path"])
    assert allowed > 3_000_000_000_000, "less than fifty minutes of session"
    with capsys.disabled():
        sys.stdout.write(
            f"\n{source} {' '.join(options)}: entries possible {good / allowed:.1%} of {allowed / 3.6e12:.2f} h\n"
        )
    assert good >= 0.80 * allowed
