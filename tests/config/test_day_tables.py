"""Tables of a trading day: exits, breakers, learning, simulator, and what one template does differently."""

import copy

import msgspec
import pytest

from tests.conftest import ROOT
from trading_bot.config_files import load_config
from trading_bot.config_keys import ASSUMED_DEFAULTS, KEYS
from trading_bot.domain.config import BotConfig, config_hash
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.exchange import ExchangeConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.simulator_config import SimulatorConfig
from trading_bot.engines.exchange_config import exchange_config

SHIPPED = (ROOT / "configs" / "strategies.toml").read_text(encoding="utf-8")
MES = INSTRUMENTS["MES"]
MS = 1_000_000

# The specification's numbers, by section; nothing here is read from the code.
SPECIFIED = {
    # 8.2
    "breakers.daily_alert_pct": 1.0,
    "breakers.daily_reduce_pct": 1.5,
    "breakers.daily_halt_pct": 3.0,
    "breakers.daily_outer_pct": 5.0,
    "breakers.weekly_halt_pct": 10.0,
    "breakers.drawdown_alert_pct": 10.0,
    "breakers.drawdown_halt_pct": 15.0,
    "breakers.reduced_entries_per_hour": 1,
    "breakers.reduced_euc_factor": 2.0,
    "breakers.rapid_loss_pct": 1.0,
    "breakers.rapid_loss_stops": 2.5,
    "breakers.rapid_loss_window_s": 5 * 60,
    "breakers.rapid_loss_pause_min": 30,
    "breakers.broker_errors_max": 5,
    "breakers.stale_data_s": 10,
    # 8.5, scalper
    "breakers.losses_in_row_max": 4,
    "breakers.losses_pause_min": 20,
    # 8.4
    "exits.shock_atr_n": 2.55,
    "exits.shock_range_ratio": 4.0,
    # 9
    "learning.look_every_trades": 20,
    "learning.pseudo_trades": 20,
    "learning.throttle_light": 1.2,
    "learning.throttle_heavy": 1.5,
    "learning.throttle_light_p": 0.35,
    "learning.throttle_heavy_p": 0.20,
    "learning.throttle_n_min": 20,
    "learning.quarantine_p": 0.05,
    "learning.quarantine_n_min": 40,
    "learning.drawdown_percentile": 99.0,
    "learning.release_n_min": 60,
    "learning.release_p": 0.90,
    "learning.save_every_trades": 10,
    # 11
    "exits.limit_through_ticks": 8,
    "orders.entry_ttl_s": 10,
    "simulator.stop_trigger": "last",
    # features EX10, EX11
    "exits.break_even_from_r": 1.0,
    "exits.break_even_lock_r": 0.25,
    "exits.lock_from_r": 2.0,
    "exits.lock_r": 1.0,
    "exits.trail": True,
    "exits.trail_atr": 0.75,
}
# What no document fixes, so that the operator must see a star.
OPEN = (
    "orders.stop_deadline_ms",
    "orders.exit_check_ms",
    "orders.position_heartbeat_s",
    "exits.limit_wait_ms",
    "exits.thesis_belief",
    "exits.quality_action",
    "breakers.restore_min",
    "breakers.broker_errors_pause_min",
    # docs/learning.md, section 3
    "learning.hysteresis_p",
    "learning.window_trades",
    "learning.evidence_days_max",
    "learning.bootstrap_paths",
    "learning.archive_n_min",
    "learning.archive_p",
    # docs/simulator.md, section 10
    "simulator.queue_model",
    "simulator.entry_latency_ms",
    "simulator.response_latency_ms",
    "simulator.child_latency_ms",
    "simulator.stop_latency_ms",
    "simulator.partial_fills",
    "simulator.beyond_touch_lots",
)
# docs/simulator.md, section 10: queue, (entry, response, child, stop) ms, lots beyond the touch.
PRESET_TABLE = {
    "none": ("pessimistic", (25, 25, 5, 5), 0),
    "optimistic": ("optimistic", (10, 10, 0, 0), 0),
    "model": ("probabilistic", (25, 25, 5, 5), 0),
    "pessimistic": ("pessimistic", (60, 60, 20, 20), 1),
}


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


# --- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", SPECIFIED)
def test_a_number_of_the_specification_is_the_default_and_no_assumption(key):
    loaded = load_config()
    assert loaded.history[key][-1].value == SPECIFIED[key]
    assert key not in loaded.config.assumed


def test_both_profiles_pause_as_the_specification_says():
    """Specification 8.5: 4 losses 20 minutes, conservative 2 losses 120 minutes [U]."""
    for profile, losses, minutes in (("scalper", 4, 20), ("conservative", 2, 120)):
        loaded = load_config(profile=profile)
        breakers = loaded.config.breakers
        assert (breakers.losses_in_row_max, breakers.losses_pause_min) == (losses, minutes)
        assert loaded.origins["breakers.losses_pause_min"] == f"profile {profile}"


def test_the_profiles_differ_in_nothing_else_of_these_tables():
    scalper, conservative = (load_config(profile=name).config for name in ("scalper", "conservative"))
    for name in ("exits", "learning", "simulator", "orders"):
        assert getattr(scalper, name) == getattr(conservative, name)


@pytest.mark.parametrize("key", OPEN)
def test_an_open_number_is_marked_with_its_reason(key):
    assert len(load_config().config.assumed[key]) > 10


def test_a_reason_is_given_for_keys_that_exist_and_never_for_the_users_numbers():
    assert set(ASSUMED_DEFAULTS) <= set(KEYS)
    fixed = {key for key, spec in KEYS.items() if spec.fixed_by_user}
    assert {"breakers.daily_halt_pct", "breakers.weekly_halt_pct", "learning.save_every_trades"} <= fixed
    assert not fixed & set(ASSUMED_DEFAULTS)


def test_another_number_loses_the_reason_of_the_default(write):
    config = load_config(write("[exits]\nthesis_s = 9\n")).config
    assert "exits.thesis_s" not in config.assumed
    assert "exits.thesis_belief" in config.assumed


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[exits]\nthesis_blief = 0.4\n", ["unknown key exits.thesis_blief", "exits.thesis_belief?"]),
        ("[exits]\nthesis_belief = 1.1\n", ["exits.thesis_belief is 1.1", "from 0 to 1"]),
        ("[exits]\ntrail = 1\n", ["exits.trail is 1;", "true or false"]),
        ("[exits]\nquality_action = 'tight'\n", ["expected one of tighten, exit", "did you mean tighten?"]),
        ("[breakers]\ndaily_halt = 2\n", ["unknown key breakers.daily_halt", "breakers.daily_halt_pct?"]),
        ("[breakers]\ndaily_outer_pct = 5.1\n", ["breakers.daily_outer_pct is 5.1", "from 0.01 to 5 (%)"]),
        ("[breakers]\nlosses_in_row_max = 0\n", ["breakers.losses_in_row_max is 0", "from 1 to 100 (trades)"]),
        ("[learning]\nlook_every = 20\n", ["unknown key learning.look_every", "learning.look_every_trades?"]),
        ("[learning]\nthrottle_light_p = 1.0\n", ["learning.throttle_light_p is 1.0", "from 0.001 to 0.999"]),
        ("[learning]\ndrawdown_percentile = 100\n", ["learning.drawdown_percentile is 100", "from 50 to 99.9 (%)"]),
        ("[learning]\nconfidence_max = nan\n", ["learning.confidence_max is nan"]),
        ("[simulator]\nlatency_ms = 5\n", ["unknown key simulator.latency_ms", "latency_ms?"]),
        ("[simulator]\nentry_latency_ms = -1\n", ["simulator.entry_latency_ms is -1", "from 0 to 60000 (ms)"]),
        ("[simulator]\nhistory_sessions = 21\n", ["simulator.history_sessions is 21", "from 0 to 20 (sessions)"]),
        ("[simulator]\npreset = 'pesimistic'\n", ["did you mean pessimistic?"]),
        ("[simulator]\nfaults = 'STALL'\n", ["simulator.faults is 'STALL'", "a list of texts"]),
        ("[orders]\nstop_deadline_ms = 99\n", ["orders.stop_deadline_ms is 99", "from 100 to 60000 (ms)"]),
        ("[orders]\nexit_check_ms = 60001\n", ["orders.exit_check_ms is 60001", "from 100 to 60000 (ms)"]),
        ("[run]\nmode = 'BACKTESTS'\n", ["OBSERVE, PAPER, LIVE, BACKTEST, SIM", "did you mean BACKTEST?"]),
    ],
)
def test_what_these_tables_get_wrong_is_named(write, text, said):
    path = write(text)
    message = refusal(path)
    assert message.startswith(str(path))
    assert not [part for part in said if part not in message], message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[exits]\nlock_r = 2.0\n", ["exits.lock_r (2.0) must be below exits.lock_from_r (2.0)"]),
        ("[exits]\nbreak_even_from_r = 2.5\n", ["exits.break_even (2.5 R to 0.25 R) must come before exits.lock"]),
        ("[breakers]\ndaily_halt_pct = 1.2\n", ["daily_alert_pct < daily_reduce_pct < daily_halt_pct", "1.2"]),
        ("[breakers]\ndrawdown_alert_pct = 15\n", ["drawdown_alert_pct < drawdown_halt_pct"]),
        (
            "[breakers]\nreduced_entries_per_hour = 16\n",
            ["breakers.reduced_entries_per_hour (16)", "safety.entries_per_hour_max (15)", "profile scalper"],
        ),
        ("[learning]\nthrottle_heavy_p = 0.30\n", ["throttle_heavy_p + hysteresis_p", "overlap"]),
        ("[learning]\nwindow_trades = 100\n", ["learning.archive_n_min (120)", "could never be reached"]),
        ("[learning]\nrelease_p = 0.05\n", ["learning.archive_p (0.05) must be below"]),
    ],
)
def test_numbers_that_contradict_each_other_are_refused_with_both(write, text, said):
    message = refusal(write(text))
    assert not [part for part in said if part not in message], message
    assert "`$" not in message


# --- the simulator -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESET_TABLE)
def test_a_preset_is_the_row_of_the_document(preset):
    queue, (entry, response, child, stop), beyond = PRESET_TABLE[preset]
    expected = ExchangeConfig(
        queue_model=queue,
        entry_latency_ns=entry * MS,
        response_latency_ns=response * MS,
        child_latency_ns=child * MS,
        stop_latency_ns=stop * MS,
        beyond_touch_lots=beyond,
        stop_trigger="last",
        partial_fills=True,
        fee_per_side_uusd=1_250_000,  # specification 1: $2.50 a round trip
        seed=11,
    )
    assert exchange_config(SimulatorConfig(preset=preset), MES, 11) == expected


@pytest.mark.parametrize("symbol", INSTRUMENTS)
def test_two_sides_pay_the_round_trip(symbol):
    instrument = INSTRUMENTS[symbol]
    sides = 2 * exchange_config(SimulatorConfig(), instrument, 0).fee_per_side_uusd
    assert sides == instrument.commission_round_trip_uusd


def test_every_number_of_the_table_reaches_the_simulator():
    config = SimulatorConfig(
        queue_model="optimistic",
        stop_trigger="touch",
        entry_latency_ms=0.5,
        response_latency_ms=1.25,
        child_latency_ms=0,
        stop_latency_ms=60_000,
        partial_fills=False,
        beyond_touch_lots=7,
        reject_every=12,
        reject_per_mille=9,
        reject_exit_every=3,
    )
    assert exchange_config(config, MES, 2**63 - 1) == ExchangeConfig(
        queue_model="optimistic",
        stop_trigger="touch",
        entry_latency_ns=500_000,
        response_latency_ns=1_250_000,
        child_latency_ns=0,
        stop_latency_ns=60_000_000_000,
        partial_fills=False,
        beyond_touch_lots=7,
        reject_every=12,
        reject_per_mille=9,
        reject_exit_every=3,
        fee_per_side_uusd=1_250_000,
        seed=2**63 - 1,
    )


def test_faults_and_the_trigger_go_with_a_preset():
    config = SimulatorConfig(
        preset="pessimistic",
        stop_trigger="touch",
        partial_fills=False,
        reject_every=5,
        reject_per_mille=6,
        reject_exit_every=7,
    )
    built = exchange_config(config, MES, 0)
    assert (built.stop_trigger, built.partial_fills) == ("touch", False)
    assert (built.reject_every, built.reject_per_mille, built.reject_exit_every) == (5, 6, 7)
    assert (built.queue_model, built.entry_latency_ns, built.beyond_touch_lots) == ("pessimistic", 60 * MS, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queue_model", "'optimistic'"),
        ("entry_latency_ms", 9),
        ("response_latency_ms", 9),
        ("child_latency_ms", 9),
        ("stop_latency_ms", 9),
        ("beyond_touch_lots", 9),
    ],
)
def test_a_number_that_a_preset_would_overrule_is_refused(write, name, value):
    path = write(f"[simulator]\n{name} = {value}\n")
    load_config(path)
    message = refusal(path, environment={"TRADING_BOT__SIMULATOR__PRESET": "model"})
    assert f"simulator.{name} " in message
    assert f"simulator.{name} comes from file {path}" in message
    assert "simulator.preset comes from environment TRADING_BOT__SIMULATOR__PRESET" in message


def test_lists_and_switches_can_come_from_the_environment():
    environment = {
        "TRADING_BOT__SIMULATOR__PARTIAL_FILLS": "false",
        "TRADING_BOT__SIMULATOR__FAULTS": "STALL 2026-11-25T15:40:00Z 14, STALL 2026-11-25T16:40:00Z 9",
    }
    simulator = load_config(environment=environment).config.simulator
    assert simulator.partial_fills is False
    assert simulator.faults == ("STALL 2026-11-25T15:40:00Z 14", "STALL 2026-11-25T16:40:00Z 9")
    assert "true or false" in refusal(environment={"TRADING_BOT__EXITS__TRAIL": "perhaps"})


# --- what a template does differently ----------------------------------------------------------------------------


def with_exits(text):
    assert SHIPPED.count("\n[template.K4]\n") == 1
    return SHIPPED.replace("\n[template.K4]\n", f"\n[template.K1.exits]\n{text}\n[template.K4]\n")


def test_a_template_may_leave_differently_and_the_others_stay(write):
    text = 'trail = false\nthesis_belief = 0.5\n[template.K1.exits.assumed]\ntrail = "VWAP is near"\n'
    templates = load_config(strategies=write(with_exits(text))).templates
    own = templates["K1"].exits
    assert (own.trail, own.thesis_belief, own.thesis_s, own.assumed) == (False, 0.5, None, {"trail": "VWAP is near"})
    shipped = load_config().templates
    assert {name: templates[name] for name in templates if name != "K1"} == {
        name: shipped[name] for name in shipped if name != "K1"
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("thesis_blief = 0.4\n", ["template.K1.exits: unknown key thesis_blief", "did you mean thesis_belief?"]),
        ("lock_r = 0.4\n", ["template.K1.exits: unknown key lock_r", "known: thesis_belief"]),
        ("thesis_belief = 1.5\n", ["template.K1.exits.thesis_belief is 1.5", "<= 1"]),
        ("thesis_belief = nan\n", ["template.K1.exits.thesis_belief is nan", "finite"]),
        ("trail = 'no'\n", ["template.K1.exits.trail is 'no'"]),
        ("quality_action = 'hold'\n", ["template.K1.exits.quality_action is 'hold'"]),
        ("assumed = { trial = 'x' }\n", ["template.K1.exits.assumed: unknown key trial", "did you mean trail?"]),
        (
            "thesis_belief = 0.65\n",
            ["template.K1.belief_enter (0.64) is below", "template.K1.exits.thesis_belief (0.65)"],
        ),
    ],
)
def test_what_a_template_s_exits_get_wrong_is_named(write, text, said):
    path = write(with_exits(text))
    message = refusal(strategies=path)
    assert message.startswith(str(path))
    assert not [part for part in said if part not in message], message


def test_the_thesis_of_all_templates_is_held_to_their_entries_too(write):
    message = refusal(write("[exits]\nthesis_belief = 0.7\n"))
    assert "template.K1.belief_enter (0.64) is below exits.thesis_belief (0.7)" in message


# --- the hash ----------------------------------------------------------------------------------------------------

TABLES = {"exits", "breakers", "learning", "simulator", "orders"}


@pytest.mark.parametrize("key", [key for key in KEYS if key.split(".")[0] in TABLES])
def test_every_key_counts_in_the_hash(key):
    table, name = key.split(".")
    section = copy.copy(getattr(BotConfig(), table))
    # Past the checks: some keys can only move together with another one.
    msgspec.structs.force_setattr(section, name, "another")
    changed = copy.copy(BotConfig())
    msgspec.structs.force_setattr(changed, table, section)
    assert config_hash(changed, {}) != config_hash(BotConfig(), {})


def test_a_template_s_exits_count_in_the_hash(write):
    loaded = load_config()
    other = load_config(strategies=write(with_exits("trail_atr = 0.5\n")))
    assert config_hash(loaded.config, loaded.templates) != config_hash(loaded.config, other.templates)
