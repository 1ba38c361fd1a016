"""NV12: a rule pack is TOML; what it cannot mean is refused with file, rule and what to do."""

import tomllib

import pytest

from tests.architecture.sources import ROOT
from trading_bot.config_files import load_config, read_toml
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.rule_pack import Consistency, DailyLoss, FlatBy, RuleResponse, TrailingDrawdown
from trading_bot.rule_files import read_rules

PACKS = sorted((ROOT / "configs" / "rule_packs").glob("*.toml"))

WHOLE = """
name = "mine"
account_usd = 10000.0
profit_target_usd = 600.0
days_min = 3
attempt = 2
[[rule]]
kind = "trailing_drawdown"
basis = "intraday"
limit_usd = 500.25
locks_at_usd = 10100.0
buffer_usd = 25.0
[[rule]]
kind = "daily_loss"
limit_usd = 200.0
response = "kill"
[[rule]]
kind = "consistency"
best_day_pct = 30.0
[[rule]]
kind = "flat_by"
time_et = "15:45"
"""


def read(text):
    return read_rules("mine.toml", tomllib.loads(text))


def test_dollars_and_clock_times_become_integers():
    pack = read(WHOLE)
    assert (pack.identity, pack.account_uusd, pack.profit_target_uusd) == ("mine#2", 10_000_000_000, 600_000_000)
    trailing, daily, consistency, flat = pack.rules
    assert trailing == TrailingDrawdown(
        limit_uusd=500_250_000, basis="intraday", locks_at_uusd=10_100_000_000, buffer_uusd=25_000_000
    )
    assert daily == DailyLoss(limit_uusd=200_000_000, response=RuleResponse.KILL)
    assert consistency == Consistency(best_day_ppm=300_000)
    assert flat == FlatBy(minute_et=15 * 60 + 45, lead_min=5, entries_end_min=10)


@pytest.mark.parametrize("path", PACKS, ids=lambda path: path.stem)
def test_every_shipped_pack_is_read_and_says_that_its_numbers_are_no_firms(path):
    loaded = load_config(None, overrides={"rules.file": path.stem})
    assert loaded.rules_path == path
    assert loaded.rules.rules
    assert "no firm's" in path.read_text() or "own account" in path.read_text()


@pytest.mark.parametrize(
    ("found", "instead", "words"),
    [
        ('kind = "daily_loss"', 'kind = "weekly_loss"', "weekly_loss"),
        ("limit_usd = 200.0", "limit = 200.0", "limit"),
        ("limit_usd = 200.0", "limit_usd = 0.0", "> 0"),
        ("limit_usd = 200.0", "limit_usd = nan", "> 0"),
        ("best_day_pct = 30.0", "best_day_pct = 100.0", "< 100"),
        ("profit_target_usd = 600.0", "", "give profit_target_usd"),
        ("buffer_usd = 25.0", "buffer_usd = 501.0", "broken from the start"),
        ("limit_usd = 500.25", "limit_usd = 10000.0", "not below account_usd"),
        ("locks_at_usd = 10100.0", "locks_at_usd = 9000.0", "below the line of the first day"),
        ('time_et = "15:45"', 'time_et = "3:45 pm"', "such as 15:45"),
        ('time_et = "15:45"', 'time_et = "25:00"', "25:00"),
        ('time_et = "15:45"', 'time_et = "17:30"', "a trade date ends at 17:00"),
        ('time_et = "15:45"', 'time_et = "15:45"\nlead_min = 20', "entries would go on"),
        ('time_et = "15:45"', 'time_et = "15:45"\nresponse = "pause"', "pause"),
        ('name = "mine"', 'name = "mine and yours"', "name"),
        ('kind = "consistency"\nbest_day_pct = 30.0', 'kind = "daily_loss"\nlimit_usd = 9.0', "two rules are"),
        ("attempt = 2", "attempt = 0", ">= 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(found, instead, words):
    assert found in WHOLE
    with pytest.raises(ConfigError, match=words) as refused:
        read(WHOLE.replace(found, instead))
    assert "mine.toml" in str(refused.value)


def test_a_pack_that_is_not_there_is_refused_with_the_places_tried():
    with pytest.raises(ConfigError, match=r"rule pack \(rules.file\) evaluation_60k not found"):
        load_config(None, overrides={"rules.file": "evaluation_60k"})


def test_a_pack_beside_the_configuration_file_that_names_it_is_found(tmp_path):
    (tmp_path / "mine.toml").write_text("schema = 1\n" + WHOLE)
    (tmp_path / "config.toml").write_text('schema = 1\n[rules]\nfile = "mine.toml"\n')
    loaded = load_config(tmp_path / "config.toml")
    assert loaded.rules.name == "mine"
    assert loaded.rules == read_rules("", read_toml(tmp_path / "mine.toml"))


def test_a_pack_is_part_of_what_a_decision_depends_on():
    plain = load_config(None)
    ruled = load_config(None, overrides={"rules.file": "small_account"})
    assert plain.rules is None
    assert plain.config_hash != ruled.config_hash
