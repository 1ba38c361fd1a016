"""MO02: each check by its own facts: what is fine, what is to be looked at, what somebody has to act on."""

import msgspec
import pytest

from trading_bot.core.operator_files import BotStatus, Latch
from trading_bot.domain.events import LatencySampled
from trading_bot.monitor.checks import Level, health
from trading_bot.monitor.sight import Sight
from trading_bot.monitor.story import Stop, Story

LINK = {"up": True, "data_type": 1, "socket": True, "broker": True, "farm": True, "flowing": True, "reason": ""}
STATUS = BotStatus(
    run_id="r", mode="PAPER", adapter="ibkr", instrument="MES", ts_market_ns=10**18, session_state="SESSION_ENTRIES",
    position_qty=0, position_avg_ticks=None, pnl_net_usd=-4321.5, hypothetical=False, working_entries=0, dvs_c=100,
    eqs_c=100, kill_reason=None, stopping=None, breakers=(), throttled={}, trades=0, last_exit=None, log_path="",
    link=LINK,
)  # fmt: skip
SIGHT = Sight(
    ts_wall_ns=10**18, data_dir="data", running=True, latch=None, status=STATUS, status_problem="",
    heartbeat_age_s=0.4, loop_age_s=0.01, dead_man=True, tick_age_s=0.2, log_age_s=0.3, disk_free_bytes=10**11,
    log_problem="", run_id="r", log="20261125", last_seq=9, ticks=5, decisions=(), alerts=(), stops=(),
)  # fmt: skip
SHUT = {"session_state": "SESSION_CLOSED"}


def check(name, story=None, status=None, **changes):
    sight = msgspec.structs.replace(SIGHT, **changes)
    if status is not None:
        sight = msgspec.structs.replace(sight, status=msgspec.structs.replace(STATUS, **status))
    found = health(sight, story or Story())
    return next(one for one in found.checks if one.name == name)


def test_everything_is_fine():
    found = health(SIGHT, Story())
    assert found.status is Level.OK
    assert {one.level for one in found.checks} == {Level.OK}
    assert len({one.name for one in found.checks}) == len(found.checks)


@pytest.mark.parametrize(
    ("name", "changes", "level", "words"),
    [
        ("bot", {"running": False}, "fail", "no bot runs"),
        ("bot", {"running": None}, "warn", "lock cannot be read"),
        ("kill_switch", {"latch": Latch(reason="news", source="cli", when="now")}, "fail", "by cli"),
        ("kill_switch", {"status": {"kill_reason": "by hand"}}, "fail", "was killed"),
        ("heartbeat", {"heartbeat_age_s": 5.1}, "fail", "stands still"),
        ("heartbeat", {"heartbeat_age_s": 5.0}, "ok", "the loop runs"),
        ("heartbeat", {"loop_age_s": 5.1}, "fail", "stands still"),
        ("heartbeat", {"heartbeat_age_s": None}, "fail", ""),
        ("dead_man", {"dead_man": False}, "warn", "none watches a bot in PAPER"),
        ("dead_man", {"dead_man": None}, "warn", "not known"),
        ("dead_man", {"dead_man": False, "status": {"mode": "OBSERVE"}}, "ok", "none is needed"),
        ("heartbeat", {"heartbeat_age_s": -2.0}, "fail", "a clock was set"),
        ("market_data", {"tick_age_s": 10.5}, "fail", "silence in an open session"),
        ("market_data", {"tick_age_s": 9.9}, "ok", "come"),
        ("market_data", {"tick_age_s": 3600.0, "status": SHUT}, "ok", "silence is allowed"),
        ("market_data", {"tick_age_s": None}, "warn", "no market data"),
        ("link", {"status": {"link": {**LINK, "up": False, "farm": False, "reason": "2103"}}}, "fail", "farm"),
        ("link", {"status": {"link": {**LINK, "data_type": 3}}}, "warn", "type 3"),
        ("link", {"status": {"link": {}}}, "ok", "no broker"),
        ("position", {"status": {"position_qty": None}}, "warn", "not known"),
        ("position", {"status": {"reconciliation": {"findings": [{"row": "ORPHAN_POSITION"}]}}}, "warn", "ORPHAN"),
        ("position", {"status": {"reconciliation": {"findings": [{"row": "AGREES"}]}}}, "ok", "known"),
        ("log", {"log_age_s": 31.0}, "fail", "does not grow"),
        ("log", {"log_age_s": 31.0, "status": SHUT}, "ok", ""),
        ("log", {"log_problem": "LogCorrupt: x"}, "warn", "LogCorrupt"),
        ("disk", {"disk_free_bytes": 499_999_999}, "fail", "0.5 GB"),
        ("disk", {"disk_free_bytes": 1_999_999_999}, "warn", "2.0 GB"),
        ("disk", {"disk_free_bytes": None}, "fail", "does not answer"),
        ("breakers", {"status": {"breakers": ("LOSSES_IN_ROW",)}}, "warn", "LOSSES_IN_ROW"),
        ("quality", {"status": {"dvs_c": 79}}, "warn", "data score 0.79"),
        ("quality", {"status": {"eqs_c": 74}}, "warn", "execution score 0.74"),
        ("quality", {"status": {"dvs_c": 0, **SHUT}}, "ok", ""),
    ],
)
def test_a_check_says_what_it_found(name, changes, level, words):
    found = check(name, **changes)
    assert (found.level, words in found.reason) == (level, True), found


def test_a_breaker_that_halts_fails_and_has_its_age():
    stop = Stop("DAILY_HALT", "HALT", STATUS.ts_market_ns - 90 * 10**9, 0, "loss 300.00 of 10000.00 USD")
    found = check("breakers", status={"breakers": ("DAILY_HALT",)}, stops=(stop,))
    assert (found.level, found.age_s) == (Level.FAIL, 90.0)


def test_a_broken_rule_is_a_stop_as_a_breaker_is():
    rules = {"rows": [{"rule": "RULE_DAILY_LOSS", "tripped": True}]}
    stop = Stop("RULE_DAILY_LOSS", "flatten", STATUS.ts_market_ns, 0, "balance 1.00")
    assert check("breakers", status={"rules": rules}).level is Level.WARN
    assert check("breakers", status={"rules": rules}, stops=(stop,)).level is Level.FAIL


def test_latency_over_its_limit_is_looked_at():
    story = Story()
    story.latency = LatencySampled(ts_ns=1, decision_us_p99=50_001.0, loop_lag_us_max=0.0)
    assert check("latency", story).level is Level.WARN
    story.latency = LatencySampled(ts_ns=1, decision_us_p99=50_000.0, loop_lag_us_max=500_000.0)
    assert check("latency", story).level is Level.OK


def test_no_money_is_told_to_whoever_asks():
    """`/health` is open: neither the result nor the words of a loss are in it."""
    stop = Stop("DAILY_HALT", "HALT", STATUS.ts_market_ns, 0, "loss 300.00 of 10000.00 USD")
    status = msgspec.structs.replace(STATUS, breakers=("DAILY_HALT",))
    latch = Latch(reason="breaker DAILY_OUTER: loss 500.00 of 10000.00 USD", source="breaker", when="now")
    sight = msgspec.structs.replace(SIGHT, status=status, stops=(stop,), latch=latch)
    text = msgspec.json.encode(health(sight, Story())).decode()
    assert "USD" not in text
    assert "4321" not in text
