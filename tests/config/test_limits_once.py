"""OP05, DG07: a limit has its number in one key of the configuration; keys that contradict each other are refused."""

import ast
import json
from operator import attrgetter
from pathlib import Path

import msgspec
import pytest

from trading_bot.config_files import load_config
from trading_bot.domain.config import BotConfig, SizingConfig
from trading_bot.domain.config_relations import RELATIONS
from trading_bot.domain.errors import ConfigError
from trading_bot.engines import sizing

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ROOT / "src" / "trading_bot"
# Where entries are allowed or refused: a number there would be a limit.
GATES = ("safety_gate", "breakers", "breaker_table", "budgets", "decision_v2", "lockouts", "entry_size", "live_verdict")
PLAIN = {0, 1, -1}
# Numbers in those modules that are no limits.
OTHER = {
    "safety_gate": {2: "rows of the losses"},
    "breakers": {2: "half of two contracts, and the version's pair"},
    "breaker_table": {
        **dict.fromkeys((2, 3, 4, 5, 7, 9, 64, 100, 153, 365, 400, 10_000, 719_468), "the days of a date"),
        10_000: "ppm in a percent",
    },
    "budgets": {16: "remembered limits", 10_000: "ppm in a percent"},
    "decision_v2": {
        2: "half of the hold (specification 6.4)",
        250_000_000: "the quarter point",
        1_000_000_000: "ns",
        1.25: "[U] the signature",
        0.25: "[U] the signature",
    },
    "lockouts": {30: "bars of ATR30 (specification 8.4)"},
    "entry_size": {2: "half of two contracts", 100: "basis points", 256: "remembered sizes"},
}
UNITS = {1_000_000, 1_000_000_000}


def numbers(path):
    """Every number of a module that is written out, with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            yield node.value, node.lineno


@pytest.mark.parametrize("module", GATES)
def test_no_gate_has_a_number_of_its_own(module):
    allowed = PLAIN | UNITS | set(OTHER.get(module, ()))
    found = [row for row in numbers(PRODUCT / "engines" / f"{module}.py") if row[0] not in allowed]
    assert not found, "a limit belongs into domain/*_config.py"


def test_a_number_in_a_gate_would_be_found(tmp_path):
    spoiled = tmp_path / "gate.py"
    spoiled.write_text((PRODUCT / "engines" / "budgets.py").read_text() + "\nEQUITY_SHARE = 20_000\n")
    assert 20_000 in {value for value, _ in numbers(spoiled)}
    assert 20_000 not in PLAIN | UNITS | set(OTHER["budgets"])


def limits():
    """Keys that bound something, with their defaults: {key: value}."""
    rows = {}
    for section in BotConfig.__struct_fields__:
        value = getattr(BotConfig(), section)
        for name in getattr(value, "__struct_fields__", ()):
            if name.endswith(("_max", "_min")) or "_max_" in name:
                rows[f"{section}.{name}"] = getattr(value, name)
    return rows


def test_no_default_of_a_function_repeats_a_limit():
    """`def f(stop_ticks_max=12)` would be a second place: a default comes from the configuration, or is None."""
    names = {key.split(".")[1] for key in limits()}
    found = []
    for folder in ("core", "engines"):
        for path in sorted((PRODUCT / folder).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef):
                    found += _repeated(path, node, names)
    assert not found


def _repeated(path, node, names):
    arguments = [*node.args.posonlyargs, *node.args.args]
    pairs = list(zip(arguments[len(arguments) - len(node.args.defaults) :], node.args.defaults, strict=True))
    pairs += list(zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True))
    return [
        f"{path.name}:{node.lineno} {argument.arg}"
        for argument, default in pairs
        if argument.arg in names and isinstance(default, ast.Constant) and isinstance(default.value, int | float)
    ]


def test_what_the_users_function_takes_by_default_is_the_configurations():
    own = SizingConfig()
    assert own.equity_risk_pct_max == sizing.RISK_PCT_MAX
    assert own.stop_ticks_max == sizing.STOP_TICKS_MAX
    assert own.order_qty_max == sizing.ORDER_CONTRACTS_MAX
    assert own.kelly_trades_min == sizing.KELLY_TRADES_MIN
    assert own.margin_headroom_pct_min * 100 == sizing.MARGIN_HEADROOM_MIN_BPS


def test_every_limit_is_asked_for():
    """A key that nothing reads is a limit that does not hold: no rule is unreachable (DG07)."""
    source = "".join(
        path.read_text()
        for path in sorted(PRODUCT.rglob("*.py"))
        if path.name != "config.py" and not path.name.endswith("_config.py")
    )
    unread = [
        key for key in limits() if f".{key.split('.')[1]}" not in source and f'"{key.split(".")[1]}"' not in source
    ]
    assert not unread


def test_profiles_name_only_keys_that_exist_once():
    for name in ("scalper", "conservative"):
        loaded = load_config(profile=name)
        assert loaded.config.run.profile == name
        assert all(
            attrgetter(key)(loaded.config) is not None for key in loaded.origins if not key.startswith("decision")
        )


def changed(key, value):
    section, name = key.split(".")
    return {section: {name: value}}


def merged(*parts):
    whole: dict = {}
    for part in parts:
        for section, values in part.items():
            whole.setdefault(section, {}).update(values)
    return whole


# What makes each row fail, and what just holds: values of (low, high).
CASES = {
    ("safety.position_qty_max", "sizing.order_qty_max"): ((3, 2), (2, 2)),
    ("sizing.max_risk_usd", "safety.open_risk_usd_max"): ((15.0, 14.99), (15.0, 15.0)),
    ("breakers.reduced_entries_per_hour", "safety.entries_per_hour_max"): ((2, 1), (1, 1)),
    ("sizing.equity_risk_pct_max", "breakers.daily_halt_pct"): ((3.01, 3.0), (3.0, 3.0)),
    ("safety.spread_ticks_max", "lockouts.spread_ticks"): ((3, 3), (2, 3)),
    ("breakers.rapid_loss_pct", "breakers.daily_halt_pct"): ((3.01, 3.0), (3.0, 3.0)),
    ("breakers.daily_halt_pct", "breakers.weekly_halt_pct"): ((3.0, 2.99), (3.0, 3.0)),
    ("breakers.weekly_halt_pct", "breakers.monthly_halt_pct"): ((10.0, 9.99), (10.0, 10.0)),
    ("breakers.daily_halt_pct", "breakers.intraday_drawdown_pct"): ((3.0, 2.99), (3.0, 3.0)),
}


def test_every_relation_has_a_case():
    assert {(row.low, row.high) for row in RELATIONS} == set(CASES)
    assert all(row.why for row in RELATIONS)


@pytest.mark.parametrize("row", RELATIONS, ids=lambda row: f"{row.low} {row.high}")
def test_a_contradiction_names_both_keys_and_their_values(row, tmp_path):
    (low, high), (fits_low, fits_high) = CASES[row.low, row.high]
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(merged(changed(row.low, low), changed(row.high, high)), BotConfig)
    message = str(refused.value)
    for part in (f"{row.low} ({low})", f"{row.high} ({high})", row.why):
        assert part in message
    assert msgspec.convert(merged(changed(row.low, fits_low), changed(row.high, fits_high)), BotConfig)
    # And so does the file that says it.
    path = tmp_path / "bot.toml"
    lines = [f"[{key.split('.')[0]}]" for key in dict.fromkeys([row.low.split(".")[0], row.high.split(".")[0]])]
    text = dict.fromkeys(lines, "")
    for key, value in ((row.low, low), (row.high, high)):
        text[f"[{key.split('.')[0]}]"] += f"{key.split('.')[1]} = {json.dumps(value)}\n"
    path.write_text("schema = 1\n" + "".join(f"{line}\n{values}" for line, values in text.items()))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert row.low in str(caught.value)
    assert row.high in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"decision": {"tiers": {}}}, "decision.tiers needs S, A and B"),
        (
            {"breakers": {"daily_reduce_pct": 0.5}},
            "daily_alert_pct < daily_reduce_pct < daily_halt_pct < daily_outer_pct",
        ),
        ({"breakers": {"daily_outer_pct": 3.0}}, "must hold"),
        ({"breakers": {"drawdown_alert_pct": 15.0}}, "drawdown_alert_pct < drawdown_halt_pct"),
        ({"session": {"close_buffer_min": 5}}, "session.flatten_before_close_min (5) must be below"),
        ({"quality": {"eqs_hold_c": 20}}, "quality.eqs_kill_c < quality.eqs_hold_c < quality.eqs_entry_c"),
        ({"reentry": {"cooldown_loss_s": 10}}, "reentry.cooldown_s"),
    ],
)
def test_contradictions_within_a_section_are_refused(changes, said):
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(changes, BotConfig)
    assert said in str(refused.value)


def test_a_tier_may_not_be_wider_than_sizing():
    tiers = msgspec.to_builtins(BotConfig().decision.tiers)
    tiers["S"]["stop_ticks_max"] = 9
    with pytest.raises(msgspec.ValidationError, match=r"decision.tiers.S.stop_ticks_max \(9\) is above"):
        msgspec.convert({"decision": {"tiers": tiers}, "sizing": {"stop_ticks_max": 8}}, BotConfig)
