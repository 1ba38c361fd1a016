"""Strategy files: the shipped templates can trade, and a rule that could not is refused with its reason (DG07)."""

import math
import tomllib

import pytest

from tests.conftest import ROOT
from trading_bot.config_files import load_config
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.engines.template_terms import template_terms
from trading_bot.strategy_files import read_strategies

SHIPPED = ROOT / "configs" / "strategies.toml"
# Specification 6.4: T, S, hold, and which are passive only.
TABLE = {
    "K1": (16, 8, 1200, "marketable"),
    "K2": (12, 10, 900, "marketable"),
    "K3": (15, 10, 480, "marketable"),
    "K4": (20, 12, 720, "marketable"),
    "S1": (10, 6, 90, "passive"),
    "S2": (8, 6, 60, "passive"),
    "S3": (10, 8, 120, "passive"),
}
# Specification 6.5: tiers that may trade a template, with their smallest expected utility (6.3).
TIERS = {
    "K1": {"S": 0.50, "A": 0.35, "B": 0.25},
    "K2": {"A": 0.35, "B": 0.25},
    "K3": {"A": 0.35, "B": 0.25},
    "K4": {"B": 0.25},
    "S1": {"A": 0.35, "B": 0.25},
    "S2": {"B": 0.25},
    "S3": {"B": 0.25},
}
HOLD = "hold_s = 90"
GOOD = """
[template.T1]
on = true
title = "test"
cadence = "tick"
entry = "passive"
target_ticks = 10
stop_ticks = 6
hold_s = 90
weights = { queue_imbalance = 1.0 }
"""


@pytest.fixture(scope="module")
def templates():
    return load_config().templates


def read(text, symbol="MES"):
    document = tomllib.loads(text)
    return read_strategies(SHIPPED, document, instrument=INSTRUMENTS[symbol], config=BotConfig())


def trades(belief, target, stop, entry, commission, min_euc):
    """Specification 6.2 and 6.3 at calm with full scores, without a fitted map: does this belief trade?"""
    slippage = 0.5
    entry_slippage = 0.0 if entry == "passive" else slippage
    p_be = (stop + commission + entry_slippage + slippage) / (target + stop + slippage)
    p = p_be + 0.5 * (belief - p_be)
    edge = p * target - (1 - p) * stop
    uncertainty = (target + stop) * math.sqrt(0.25 / 40)  # 40 pseudo-trades, at the widest: .079
    cost = commission + entry_slippage + (1 - p) * slippage
    return p <= 0.80 and edge - uncertainty >= cost + min_euc and cost / target <= 0.35


def test_the_shipped_templates_are_those_of_the_specification(templates):
    found = {
        name: (template.target_ticks, template.stop_ticks, template.hold_s, template.entry)
        for name, template in templates.items()
    }
    assert found == TABLE
    assert all(template.on for template in templates.values())
    assert templates["K1"].target_rule == "vwap"


def test_everything_the_specification_leaves_open_says_that_it_is_assumed(templates):
    for name, template in templates.items():
        missing = {"weights", "triggers", "gain", "belief_enter", "rearm_s"} - set(template.assumed)
        assert not missing, f"{name}: {missing}"


@pytest.mark.parametrize(("name", "tier"), [(name, tier) for name in TIERS for tier in TIERS[name]])
def test_a_belief_below_one_trades(templates, name, tier):
    """Reachability (6.3): some p ≤ .80, and the lowest such belief is the one `config check` prints."""
    target, stop, _, entry = TABLE[name]
    beliefs = [k / 10_000 for k in range(10_000)]
    paying = [belief for belief in beliefs if trades(belief, target, stop, entry, 2.0, TIERS[name][tier])]
    assert paying
    config = load_config().config
    euc = config.decision.tiers[tier].min_euc_ticks
    terms = template_terms(templates[name], INSTRUMENTS["MES"], config, min_euc_ticks=euc)
    assert terms.needed_belief == pytest.approx(paying[0], abs=2e-4)
    assert terms.random_walk_p == pytest.approx(stop / (target + stop))


@pytest.mark.parametrize("name", list(TABLE))
def test_signals_can_raise_the_belief_above_what_pays(templates, name):
    """σ(a·x + b) with every weighted signal at six tenths of its range."""
    template = templates[name]
    z = template.gain * 0.6 + template.offset
    belief = 0.5 * (1 + z / math.sqrt(1 + z * z))
    target, stop, _, entry = TABLE[name]
    assert belief > template.belief_enter
    assert trades(belief, target, stop, entry, 2.0, 0.25)
    assert trades(template.belief_enter + 0.05, target, stop, entry, 2.0, 0.25), "entered far below what pays"


def test_break_even_rates_are_the_specifications():
    """Specification 1: (S+f)/(T+S), f = 2: 4/4 75 %, 8/8 62.5 %, 12/8 50 %, without slippage."""
    config = BotConfig()
    config = type(config)(costs=type(config.costs)(slippage_base_ticks=0.0))
    for target, stop, rate in ((4, 4, 0.75), (8, 8, 0.625), (12, 8, 0.50)):
        text = GOOD.replace("target_ticks = 10", f"target_ticks = {target}").replace(
            "stop_ticks = 6", f"stop_ticks = {stop}"
        )
        template = read(text.replace("on = true", "on = false"))["T1"]
        terms = template_terms(template, INSTRUMENTS["MES"], config, min_euc_ticks=0.25)
        assert terms.break_even_p == pytest.approx(rate)


def test_the_order_of_the_file_is_kept():
    names = ["B1", "A1", "C1"]
    assert list(read("".join(GOOD.replace("T1", name) for name in names))) == names


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("queue_imbalance", "queue_imbalence", ["T1.weights", "unknown signal queue_imbalence", "queue_imbalance?"]),
        ("queue_imbalance", "session_phase", ["session_phase is a category and carries no weight"]),
        ("queue_imbalance = 1.0", "queue_imbalance = nan", ["queue_imbalance is nan", "finite"]),
        ("queue_imbalance = 1.0", "queue_imbalance = '1'", ["queue_imbalance is '1'", "finite number"]),
        ("queue_imbalance = 1.0", "queue_imbalance = 0", ["a weight of 0 says nothing"]),
        ("target_ticks", "target_tick", ["unknown key target_tick", "did you mean target_ticks?"]),
        ("stop_ticks = 6", "stop_ticks = 13", ["T1.stop_ticks is 13", "<= 12"]),
        ("hold_s = 90", "hold_s = 'long'", ["T1.hold_s is 'long'", "expected `int`"]),
        ("hold_s = 90", "hold_s = 90\ngain = inf", ["T1.gain is inf", "finite"]),
        ('cadence = "tick"', 'cadence = "tock"', ["T1.cadence is 'tock'"]),
        ('title = "test"\n', "", ["missing required field `title`"]),
        ("[template.T1]", "[template.t1]", ["template.t1", "capital letter"]),
        ("[template.T1]", "[templates.T1]", ["unknown key templates"]),
        (HOLD, HOLD + '\ntriggers = [{ signal = "sweep_tick", min = 1.0 }]', ["triggers[0]", "sweep_ticks?"]),
        (HOLD, HOLD + '\ntriggers = [{ signal = "ofi_1s", mim = 1.0 }]', ["triggers[0]", "mim", "min?"]),
        (HOLD, HOLD + '\ntriggers = [{ signal = "ofi_1s", of = "delta", min = 1.0 }]', ["delta is for bar"]),
        (HOLD, HOLD + '\ntriggers = [{ signal = "ofi_1s" }]', ["needs min, max or both"]),
        ("hold_s = 90", 'hold_s = 90\nassumed = { wieghts = "x" }', ["assumed", "unknown key wieghts", "weights?"]),
    ],
)  # fmt: skip
def test_what_a_strategy_file_gets_wrong_is_named(old, new, said):
    assert old in GOOD
    with pytest.raises(ConfigError) as refused:
        read(GOOD.replace(old, new))
    assert str(refused.value).startswith(str(SHIPPED))
    assert not [part for part in said if part not in str(refused.value)], str(refused.value)


def test_the_good_file_is_good():
    assert read(GOOD)["T1"].weights == {"queue_imbalance": 1.0}


@pytest.mark.parametrize(
    ("old", "new", "symbol", "said"),
    [
        (
            "target_ticks = 10",
            "target_ticks = 2",
            "MES",
            ["target of 2 ticks is below its costs", "commission 2.0 ticks"],
        ),
        ("on = true", "on = true", "MNQ", ["commission 5.0 ticks of MNQ", "costs.cost_share_max is 35.0%"]),
        ("target_ticks = 10\nstop_ticks = 6", "target_ticks = 7\nstop_ticks = 12", "MES", ["a win rate of"]),
        ("hold_s = 90", "hold_s = 90\napplicability = 0.0", "MES", ["belief inf"]),
    ],
)
def test_a_template_that_could_never_trade_is_refused_with_its_reason(old, new, symbol, said):
    assert old in GOOD
    with pytest.raises(ConfigError) as refused:
        read(GOOD.replace(old, new), symbol)
    assert not [part for part in [*said, "on = false"] if part not in str(refused.value)], str(refused.value)
    assert read(GOOD.replace(old, new).replace("on = true", "on = false"), symbol)


@pytest.mark.parametrize(
    ("trigger", "key"),
    [
        ('{ signal = "vwap_z", max = -5.0 }', "max"),
        ('{ signal = "breakout_distance_n", min = 50 }', "min"),
        ('{ signal = "vwap_z", of = "delta", min = 2.5 }', "min"),
    ],
)
def test_a_threshold_outside_the_range_of_its_signal_is_refused(trigger, key):
    """Specification 3.1: bar signals lie in [-1, 1], so a change between two bars lies in [-2, 2]."""
    with pytest.raises(ConfigError, match=rf"triggers\[0\]\.{key} .*can never pass"):
        read(GOOD + f"triggers = [{trigger}]\n")


def test_a_threshold_at_the_end_of_the_range_passes():
    read(GOOD + 'triggers = [{ signal = "vwap_z", max = -1.0 }]\n')
