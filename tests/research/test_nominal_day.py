"""The nominal-day check on a generated session: each gate that closed time, with its share (specification 6.3)."""

import subprocess
import sys

import msgspec
import pytest

from tests.conftest import ROOT
from trading_bot.domain.errors import UsageError
from trading_bot.domain.reasons import GateReason
from trading_bot.research.nominal_day import NominalDay, nominal_day


def test_an_ordinary_session_of_the_default_profile():
    done = subprocess.run(
        [sys.executable, "tools/nominal_day.py", "--profile", "scalper", "--seed", "1", "--json"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=300,
    )
    day = msgspec.json.decode(done.stdout, type=dict[str, NominalDay])["scalper"]
    # 390 regular minutes; a minute without a trade closes no bar.
    assert 380 <= day.minutes <= 390
    assert set(day.gates) <= {gate.name for gate in GateReason}
    assert all(0 < share <= 1 for share in day.gates.values())
    assert set(day.warnings) == {gate for gate, share in day.gates.items() if share > 0.30}
    # Entries stop 15 min before the close, and begin 5 min after the open: 15 and 4 or 5 of 390 closes of minutes.
    late = day.gates["SESSION_CLOSE_BUFFER"] + day.gates["SESSION_EXIT"]
    assert late == pytest.approx(15 / 390, abs=2 / 390)
    assert day.gates["SESSION_OPEN_DELAY"] == pytest.approx(4.5 / 390, abs=1.5 / 390)
    # Data is good all day, and nothing is asked of a calendar of events where the market is generated.
    for gate in ("DVS_LOW", "DATA_DOWN", "EVENT_CALENDAR_STALE", "KILL_SWITCH", "TIER", "UNCALIBRATED"):
        assert gate not in day.gates
    assert day.open_share > 0


def test_a_folder_without_a_log_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no log"):
        nominal_day(tmp_path, build="any")
