"""DE03, specification 6.3 and 6.4: what a template must achieve, at which scales it can trade, at which commission."""

import json

import msgspec
import pytest

from tests.core.worlds import eager_template
from trading_bot.config_files import load_config
from trading_bot.core.carried import Carried
from trading_bot.core.earlier_runs import reported_costs
from trading_bot.domain.config import BotConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.engines.costs import CostBook, Costs
from trading_bot.engines.template_terms import scaled_ticks, scales_that_trade, template_terms

MES = INSTRUMENTS["MES"]


@pytest.mark.parametrize(
    ("target", "stop", "commission_usd", "rate"),
    [
        # Specification 1: (S + f) / (T + S) at f = 2; here without slippage, so that commission is all of f.
        (4, 4, 2.50, 0.75),
        (8, 8, 2.50, 0.625),
        (12, 8, 2.50, 0.50),
        (12, 8, 1.25, 0.45),
    ],
)
def test_break_even_at_a_commission_other_than_the_instruments(target, stop, commission_usd, rate):
    config = msgspec.convert({"costs": {"slippage_base_ticks": 0.0}}, BotConfig)
    template = eager_template(target_ticks=target, stop_ticks=stop)
    terms = template_terms(template, MES, config, min_euc_ticks=0.0, round_trip_uusd=round(commission_usd * 1e6))
    assert terms.break_even_p == pytest.approx(rate)
    assert terms.random_walk_p == pytest.approx(stop / (target + stop))


def test_lengths_are_rounded_half_up_and_never_below_one():
    assert [scaled_ticks(ticks, scale) for ticks, scale in ((9, 0.5), (8, 1.18), (1, 0.5), (1, 0.49))] == [5, 9, 1, 1]


def test_the_largest_scale_is_where_the_stop_grows_too_wide():
    """A stop of 8 is 12 up to 1.56 (12.48 + .5 = 12.98) and 13 beyond; in tier S 9 up to 1.18."""
    config = load_config().config
    template = eager_template(target_ticks=16, stop_ticks=8)
    tiers = config.decision.tiers
    assert scales_that_trade(template, MES, config, tiers["B"]) == (0.5, 1.56)
    assert scales_that_trade(template, MES, config, tiers["S"])[1] == 1.18


def test_the_smallest_scale_is_where_the_costs_grow_too_large():
    """S2 of the specification, 8/6: at .81 its target is 6 and its stop 5, at .82 they are 7 and 5."""
    config = load_config().config
    template = eager_template(target_ticks=8, stop_ticks=6)
    low, _ = scales_that_trade(template, MES, config, config.decision.tiers["B"])
    below = template_terms(template, MES, config, min_euc_ticks=0.25, scale=low - 0.01)
    assert below.cost_share > 0.35 or below.needed_p > 0.8 or below.needed_belief > 1.0
    cheaper = scales_that_trade(template, MES, config, config.decision.tiers["B"], round_trip_uusd=1_240_000)
    assert cheaper[0] < low


def test_no_scale_at_all():
    config = load_config().config
    template = eager_template(target_ticks=4, stop_ticks=12)
    assert scales_that_trade(template, MES, config, config.decision.tiers["B"]) is None


def test_fills_of_a_broker_count_before_those_of_a_simulator(monkeypatch, tmp_path):
    simulated = Costs(hypothetical=CostBook(fees_uusd=2_500_000, lots=2))
    real = Costs(real=CostBook(fees_uusd=620_000, lots=1), hypothetical=CostBook(fees_uusd=1, lots=1))
    ends = {tmp_path / "new": simulated, tmp_path / "old": real, tmp_path / "none": Costs()}

    class End:
        def __init__(self, costs):
            self.carried = msgspec.msgpack.encode(Carried(costs=costs))

    monkeypatch.setattr("trading_bot.core.earlier_runs.last_end", lambda folder: End(ends[folder]))
    assert reported_costs(list(ends)) == (real.real, False)
    assert reported_costs([tmp_path / "none", tmp_path / "new"]) == (simulated.hypothetical, True)
    assert reported_costs([tmp_path / "none"]) is None


def test_config_check_answers_for_a_map(tmp_path, capsys):
    from tests.config.test_maps import MAP
    from trading_bot.cli import main

    path = tmp_path / "k1.toml"
    path.write_text(MAP)
    assert main(["config", "check", str(path), "--data-dir", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["kind"] == "calibration map"
    assert (answer["template"], answer["version"], answer["volatility"]) == ("K1", 3, ["normal"])
