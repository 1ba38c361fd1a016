"""LIVE is armed by a person for one account and one session (EX02)."""

import json
import stat

import pytest

from trading_bot.adapters.ibkr.arming import ARMED_FILE, arm
from trading_bot.domain.errors import UsageError

NOW, CLOSE = 1_000, 9_000


def armed(folder, typed="U123", account="U123"):
    return arm(folder, account, typed, now_ns=NOW, trade_date=20261125, expires_ns=CLOSE)


def test_an_armed_account_may_trade_until_its_session_ends(tmp_path):
    arming = armed(tmp_path)
    assert arming.why_not(NOW) == arming.why_not(CLOSE - 1) == ""
    assert "20261125" in arming.why_not(CLOSE)
    assert "--arm" in arming.why_not(CLOSE)


def test_the_file_is_the_operators_alone_and_says_what_is_armed(tmp_path):
    armed(tmp_path)
    path = tmp_path / ARMED_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    held = json.loads(path.read_bytes())
    assert (held["account"], held["trade_date"], held["expires_ns"]) == ("U123", 20261125, CLOSE)


@pytest.mark.parametrize("typed", [None, "", "u123", "U1234"])
def test_the_account_has_to_be_typed_exactly(tmp_path, typed):
    with pytest.raises(UsageError, match="U123") as caught:
        armed(tmp_path, typed=typed)
    assert caught.value.exit_code == 2
    assert not (tmp_path / ARMED_FILE).exists()


def test_who_removes_the_file_disarms(tmp_path):
    arming = armed(tmp_path)
    (tmp_path / ARMED_FILE).unlink()
    assert "disarmed" in arming.why_not(NOW)


def test_only_the_last_start_may_trade(tmp_path):
    first = armed(tmp_path)
    second = armed(tmp_path)
    assert "another start" in first.why_not(NOW)
    assert second.why_not(NOW) == ""
    first.disarm()
    assert second.why_not(NOW) == ""
    second.disarm()
    assert not (tmp_path / ARMED_FILE).exists()


def test_a_file_that_cannot_be_read_arms_nothing(tmp_path):
    arming = armed(tmp_path)
    (tmp_path / ARMED_FILE).write_text("{")
    assert "cannot be read" in arming.why_not(NOW)


def test_without_its_file_nothing_is_armed(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        armed(tmp_path / "missing")
