"""Layers of the configuration: defaults < profile < --config file < environment < command line (specification 13)."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from trading_bot.config_files import load_config
from trading_bot.config_keys import ASSUMED_DEFAULTS, KEYS, flatten
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import ConfigError

ENVIRONMENT = {"TRADING_BOT__SAFETY__ENTRIES_PER_HOUR_MAX": "11", "TRADING_BOT_DEBUG": "1", "HOME": "/"}


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="bot.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def refusal(*args, **kwargs):
    with pytest.raises(ConfigError) as refused:
        load_config(*args, **kwargs)
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_without_anything_the_values_are_the_defaults_and_the_scalper_profile_names_its_own():
    loaded = load_config()
    assert loaded.config == BotConfig(assumed=dict(ASSUMED_DEFAULTS))
    assert loaded.origins["run.mode"] == "default"
    assert loaded.origins["safety.entries_per_day_max"] == "profile scalper"
    assert set(loaded.origins) == set(KEYS)


def test_each_layer_stands_above_the_one_before(write):
    file = write("[safety]\nentries_per_day_max = 9\nentries_per_hour_max = 9\nentries_per_minute_max = 3\n")
    overrides = {"safety.entries_per_minute_max": 4}
    loaded = load_config(file, profile="conservative", environment=ENVIRONMENT, overrides=overrides)
    safety = loaded.config.safety
    assert (safety.entries_per_day_max, safety.entries_per_hour_max, safety.entries_per_minute_max) == (9, 11, 4)
    assert loaded.config.session.open_delay_min == 15
    assert loaded.origins["safety.entries_per_day_max"] == f"file {file}"
    assert loaded.origins["safety.entries_per_hour_max"] == ("environment TRADING_BOT__SAFETY__ENTRIES_PER_HOUR_MAX")
    assert loaded.origins["safety.entries_per_minute_max"] == "command line"
    assert loaded.origins["session.open_delay_min"] == "profile conservative"
    assert loaded.origins["orders.entry_ttl_s"] == "default"
    assert [(setting.origin, setting.value) for setting in loaded.history["safety.entries_per_hour_max"]] == [
        ("default", 15),
        ("profile conservative", 1),
        (f"file {file}", 9),
        ("environment TRADING_BOT__SAFETY__ENTRIES_PER_HOUR_MAX", 11),
    ]


@pytest.mark.parametrize(
    ("command_line", "environment", "text", "chosen"),
    [
        (None, {}, "", "scalper"),
        (None, {}, "[run]\nprofile = 'conservative'\n", "conservative"),
        (None, {"TRADING_BOT__RUN__PROFILE": "scalper"}, "[run]\nprofile = 'conservative'\n", "scalper"),
        ("conservative", {"TRADING_BOT__RUN__PROFILE": "scalper"}, "", "conservative"),
    ],
)
def test_the_profile_is_chosen_by_the_same_precedence(write, command_line, environment, text, chosen):
    loaded = load_config(write(text), profile=command_line, environment=environment)
    assert loaded.config.run.profile == chosen
    assert loaded.config.safety.entries_per_day_max == {"scalper": 40, "conservative": 2}[chosen]


def test_a_tier_keeps_what_the_file_does_not_name(write):
    config = load_config(write("[decision.tiers.A]\nmin_euc_ticks = 0.4\n")).config
    assert config.decision.tiers["A"].min_euc_ticks == 0.4
    assert config.decision.tiers["A"].equity_usd_min == 2500
    environment = {"TRADING_BOT__DECISION__TIERS__A__TEMPLATES": "K1, S1"}
    assert load_config(environment=environment).config.decision.tiers["A"].templates == ("K1", "S1")


def test_a_reason_goes_with_its_number(write):
    assumed = "[signals]\nvpin_bucket_qty = 99\n[assumed]\n'signals.vpin_bucket_qty' = 'fitted by hand'\n"
    assert load_config(write(assumed)).config.assumed["signals.vpin_bucket_qty"] == "fitted by hand"
    dotted = assumed.replace("'signals.vpin_bucket_qty'", "signals.vpin_bucket_qty")
    assert load_config(write(dotted)).config.assumed["signals.vpin_bucket_qty"] == "fitted by hand"
    silent = load_config(write("[signals]\nvpin_bucket_qty = 99\n")).config
    assert "signals.vpin_bucket_qty" not in silent.assumed, "the default's reason does not cover another number"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[safety]\nspread_tick_max = 2\n", ["unknown key safety.spread_tick_max", "safety.spread_ticks_max?"]),
        ("[orders]\nspread_ticks_max = 2\n", ["unknown key orders.spread_ticks_max", "safety.spread_ticks_max?"]),
        ("[sesion]\nkind = 'rth'\n", ["unknown key sesion.kind", "session.kind?"]),
        ("[sesion]\n", ["unknown key sesion"]),
        ("[decision.tiers.C]\nstop_ticks_max = 3\n", ["unknown key decision.tiers.C.stop_ticks_max"]),
        ("session = 5\n", ["session is 5", "expected a table [session]"]),
        ("[session]\nkind = 'rht'\n", ["session.kind is 'rht'", "one of rth, globex", "did you mean rth?"]),
        ("[session]\nopen_delay_min = 300\n", ["session.open_delay_min is 300", "from 0 to 240 (min)"]),
        ("[session]\nopen_delay_min = '5'\n", ["session.open_delay_min is '5'", "a whole number"]),
        ("[session]\nopen_delay_min = 5.5\n", ["session.open_delay_min is 5.5", "a whole number"]),
        ("[session]\nopen_delay_min = true\n", ["session.open_delay_min is True", "a whole number"]),
        ("[costs]\ncost_share_max = nan\n", ["costs.cost_share_max is nan", "a number from 0 to 1"]),
        ("[sizing]\nstop_ticks_max = 13\n", ["sizing.stop_ticks_max is 13", "from 1 to 12 (ticks)"]),
        ("[session]\n[session\n", ["not valid TOML", "line 2"]),
        ("schema = 2\n", ["schema is 2", "reads schema 1"]),
        ("[assumed]\n'session.kid' = 'why'\n", ["[assumed]", "unknown key session.kid", "session.kind?"]),
        ("[assumed]\n'session.kind' = 3\n", ["session.kind is 3", "expected the reason"]),
        ("assumed = 'x'\n", ["assumed is 'x'", "a table"]),
        ("[template.K1]\non = true\n", ["this is a strategy file", "--strategies"]),
    ],
)
def test_what_a_file_gets_wrong_is_named(write, text, said):
    path = write(text)
    message = refusal(path)
    assert message.startswith(str(path))
    assert not [part for part in said if part not in message], message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[session]\nflatten_before_close_min = 20\n",
            ["session.flatten_before_close_min (20) must be below session.close_buffer_min (15)", "profile scalper"],
        ),
        ("[quality]\ndvs_hold_c = 90\n", ["quality.dvs_kill_c < quality.dvs_hold_c < quality.dvs_entry_c"]),
        ("[decision.tiers.S]\nmax_risk_usd = 20\n", ["decision.tiers.S.max_risk_usd (20.0) is above", "15.0"]),
        ("[decision.tiers.S]\nequity_usd_min = 3000\n", ["equity_usd_min must start at 0"]),
    ],
)
def test_a_broken_relation_names_both_sides_and_their_origins(write, text, said):
    path = write(text)
    message = refusal(path)
    assert not [part for part in said if part not in message], message
    assert "`$" not in message


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"TRADING_BOT__SESION__KIND": "rth"},
            ["TRADING_BOT__SESION__KIND", "did you mean TRADING_BOT__SESSION__KIND?"],
        ),
        ({"TRADING_BOT__SESSION__KIND": "night"}, ["TRADING_BOT__SESSION__KIND", "session.kind is 'night'", "globex"]),
        ({"TRADING_BOT__SIZING__MAX_RISK_USD": "lots"}, ["sizing.max_risk_usd is 'lots'", "from 0 to 1000 (USD)"]),
        ({"TRADING_BOT__SIZING__MAX_RISK_USD": "inf"}, ["sizing.max_risk_usd is 'inf'"]),
    ],
)
def test_a_wrong_variable_is_named(environment, said):
    message = refusal(environment=environment)
    assert not [part for part in said if part not in message], message


@pytest.mark.parametrize(("text", "waits_s"), [("0.5, 1,2.5", (0.5, 1.0, 2.5)), ("7", (7.0,)), (" 3 ,", (3.0,))])
def test_a_list_of_numbers_can_come_from_the_environment(text, waits_s):
    loaded = load_config(None, environment={"TRADING_BOT__IBKR__RECONNECT_WAITS_S": text})
    assert loaded.config.ibkr.reconnect_waits_s == waits_s


def test_a_list_that_is_none_is_refused_with_what_is_expected():
    with pytest.raises(ConfigError, match=r"RECONNECT_WAITS_S.*'soon'; expected a list of numbers"):
        load_config(None, environment={"TRADING_BOT__IBKR__RECONNECT_WAITS_S": "soon"})


def test_command_line_values_are_checked_like_all_others():
    assert "run.mode is 'LIEV'; expected one of OBSERVE, PAPER, LIVE" in refusal(overrides={"run.mode": "LIEV"})
    assert load_config(overrides={"run.mode": "paper"}).config.run.mode == "PAPER"
    assert "did you mean MES?" in refusal(overrides={"run.instrument": "MSE"})
    assert "profile" in refusal(profile="scalpr")


def test_every_number_has_bounds_and_every_key_a_meaning():
    """Without bounds NaN would pass."""
    for spec in KEYS.values():
        numeric = isinstance(spec.default, int | float) and not isinstance(spec.default, bool)
        assert not numeric or (spec.low is not None and spec.high is not None), spec.key
        assert spec.meaning, spec.key


def test_a_missing_file_names_the_places_and_the_nearest(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    message = refusal(Path("globex_reserch.toml"))
    assert "did you mean globex_research.toml?" in message
    assert str(tmp_path / "configs") in message
    assert str(ROOT / "configs") in message


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# caf\xe9\n")
    assert "not UTF-8 text at byte 5" in refusal(path)


def test_shipped_files_are_found_from_any_folder_and_the_working_folder_comes_first(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load_config(Path("globex_research")).config_path == ROOT / "configs" / "globex_research.toml"
    (tmp_path / "configs").mkdir()
    own = tmp_path / "configs" / "globex_research.toml"
    own.write_text("[session]\nkind = 'globex'\n")
    assert load_config(Path("globex_research")).config_path == own


def test_a_strategy_file_is_found_beside_the_configuration_that_names_it(write):
    shipped = (ROOT / "configs" / "strategies.toml").read_text()
    beside = write(shipped, "mine.toml")
    loaded = load_config(write("[run]\nstrategies = 'mine.toml'\n"))
    assert loaded.strategies_path == beside


# --- the shipped files -------------------------------------------------------------------------------------------


def test_default_toml_documents_every_key_and_equals_the_defaults():
    text = (ROOT / "configs" / "default.toml").read_text()
    loaded = load_config(ROOT / "configs" / "default.toml")
    assert loaded.config == load_config().config, "as shipped the file changes nothing"
    document = tomllib.loads(re.sub(r"^#(?=[a-z0-9_\"]+ = )|^#(?=\"[^\"]+\" = )", "", text, flags=re.MULTILINE))
    assert document.pop("schema") == 1
    assert document.pop("assumed") == dict(ASSUMED_DEFAULTS)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in flatten(document)}
    assert values == {key: spec.default for key, spec in KEYS.items()}


def test_the_conservative_profile_is_the_users():
    """Specification 8.5, right column."""
    config = load_config(profile="conservative").config
    safety = config.safety
    assert (safety.entries_per_day_max, safety.entries_per_hour_max, safety.entries_per_minute_max) == (2, 1, 1)
    assert (config.session.open_delay_min, config.session.close_buffer_min) == (15, 15)
    assert safety.position_qty_max == 1


def test_the_scalper_profile_is_the_specification():
    """Specification 8.5, left column."""
    config = load_config(profile="scalper").config
    safety = config.safety
    assert (safety.entries_per_day_max, safety.entries_per_hour_max, safety.entries_per_minute_max) == (40, 15, 2)
    assert (config.session.open_delay_min, config.session.close_buffer_min) == (5, 15)
    assert (safety.fees_day_usd_max, safety.position_qty_max) == (100.0, 1)


def test_the_research_configuration_gives_a_reason_for_every_number_it_loosens():
    path = ROOT / "configs" / "globex_research.toml"
    loaded = load_config(path)
    assert loaded.config.session.kind == "globex"
    own = {key for key, origin in loaded.origins.items() if origin == f"file {path}"}
    assert own <= set(loaded.config.assumed)
