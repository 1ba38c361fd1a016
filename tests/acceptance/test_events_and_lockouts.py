"""Specification 8.4 in simulated sessions as a user runs them: flat before a tier 1 event; a stale calendar."""

import pytest

from tests.acceptance.test_sim_days import EAGER, OPEN, at, day, of
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, PlaceOrder
from trading_bot.domain.trade_events import OrderFilled
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S

START = "2026-11-25T14:55:00Z"  # 09:55 ET, a market in which something is open at 09:57:30 with these seeds
EVENT_NS = at("2026-11-25T15:00:00Z")
CALENDAR = """schema = 1
checked = 2026-11-21
covers_from = 2026-11-01
covers_to = 2026-11-30
[[event]]
name = "ISM"
kind = "release"
tier = 1
ts = 2026-11-25T10:00:00-05:00
"""


@pytest.fixture
def options(tmp_path):
    def write(calendar=CALENDAR, required="live"):
        (tmp_path / "eager.toml").write_text(EAGER)
        (tmp_path / "mine.toml").write_text(calendar)
        table = f'[events]\nfile = "mine.toml"\nrequired = "{required}"\n'
        (tmp_path / "open.toml").write_text(OPEN + table)
        return ("--strategies", tmp_path / "eager.toml", "--config", tmp_path / "open.toml", "--duration", 900)

    return write


def position_at(records, ts_ns):
    fills = [fill for fill in of(records, OrderFilled) if fill.ts_ns <= ts_ns]
    return sum(fill.qty if fill.side == "BUY" else -fill.qty for fill in fills)


def test_it_is_flat_two_minutes_before_a_tier_one_event(tmp_path, options):
    open_before, after = 0, []
    for seed in range(3):
        summary, records = day(tmp_path / str(seed), "--seed", seed, "--start", START, *options())
        begin_ns, flat_ns = EVENT_NS - 150 * NS_PER_S, EVENT_NS - 120 * NS_PER_S
        if position_at(records, begin_ns):
            open_before += 1
            assert [one.ts_ns for one in of(records, Alert) if one.code == "EVENT_FLATTEN"] == [begin_ns]
        for second in range(0, 121 + 300, 5):
            assert position_at(records, flat_ns + second * NS_PER_S) == 0
        sent = [order.ts_ns for order in of(records, PlaceOrder)]
        assert not [ts_ns for ts_ns in sent if begin_ns <= ts_ns < EVENT_NS + 5 * NS_PER_MIN]
        after += [ts_ns for ts_ns in sent if ts_ns >= EVENT_NS + 5 * NS_PER_MIN]
        assert summary["skips_by_reason"]["EVENT_BLACKOUT"]
        windows = [(one.ts_ns, one.until_ns) for one in of(records, events.LockoutChanged) if one.lockout == "EVENT"]
        assert windows == [(begin_ns, EVENT_NS + 5 * NS_PER_MIN), (EVENT_NS + 5 * NS_PER_MIN, 0)]
    assert open_before, "no seed had a position to leave"
    assert after, "it goes on afterwards"


@pytest.mark.parametrize("required", ["always", "live"])
def test_a_stale_calendar_enters_nothing_where_it_is_required(tmp_path, options, required):
    stale = CALENDAR.replace("checked = 2026-11-21", "checked = 2026-11-17").replace("tier = 1", "tier = 2")
    summary, records = day(tmp_path / "data", "--seed", 1, "--start", START, *options(stale, required))
    told = [one.text for one in of(records, Alert) if one.code == "EVENT_CALENDAR_STALE"]
    if required == "live":  # a simulated market has no tomorrow
        assert summary["approvals"]
        assert told == []
        return
    assert summary["approvals"] == 0
    assert set(summary["skips_by_reason"]) == {"EVENT_CALENDAR_STALE"}
    assert "checked 8 days ago, on 20261117" in told[0]
