"""When evidence asks for a change: each rule on trades made for it, its numbers by hand (feature LE05)."""

import random

import numpy as np
import pytest

from tests.learned.facts import ORDER, TICK_UUSD, S, trade
from tests.learned.sets import K1
from trading_bot.analytics.attribution import TradeClass, attribution_of
from trading_bot.analytics.proposal_rules import Evidence, posterior_z, weighted_correlation, wishes
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.learning import expectancy


def evidence(
    net_ticks, *, belief_e6=700_000, reason="TIME", target_after_s=None, mae=2.0, products=None, klass="WRONG"
):
    """A trade that made so many ticks before costs of 2, and what is known of it."""
    row = trade(exit_reason=reason, gross_uusd=net_ticks * TICK_UUSD, belief_e6=belief_e6, mae_ticks=mae)
    found = attribution_of(row, ORDER, ())
    after_ns = None if target_after_s is None else target_after_s * S
    known = {"target_after_ns": after_ns, "classes": (TradeClass(klass),) * 2}
    return Evidence(
        type(found)(**{name: getattr(found, name) for name in found.__struct_fields__} | known), row, products or {}
    )


def steps(rows):
    return {wish.parameter.removeprefix("template.K1."): wish.step_e6 for wish in wishes("K1", K1, rows)}


def test_z_is_the_expectancy_of_the_specification_where_all_trades_weigh_one():
    drawn = random.Random(3)
    nets = [drawn.randrange(-15_000_000, 20_000_000) for _ in range(57)]
    assert posterior_z(nets, [1.0] * 57) == pytest.approx(expectancy(nets, 20).z, rel=1e-12)
    assert posterior_z([], []) == 0.0


def test_a_trade_of_weight_two_is_two_trades():
    nets = [5.0, -3.0, 1.0]
    assert posterior_z(nets, [2, 1, 1]) == pytest.approx(posterior_z([5.0, 5.0, -3.0, 1.0], [1] * 4))


def test_the_correlation_is_pearson_s_and_its_pairs_kish_s():
    drawn = random.Random(5)
    xs, ys = [drawn.gauss(0, 1) for _ in range(40)], [drawn.gauss(0, 1) for _ in range(40)]
    rho, pairs = weighted_correlation(xs, ys, [0.5] * 40)
    assert rho == pytest.approx(np.corrcoef(xs, ys)[0, 1])
    assert pairs == pytest.approx(40)
    assert weighted_correlation(xs, ys, [1.0] * 20 + [0.0] * 20)[1] == pytest.approx(20)


def test_nothing_is_asked_for_on_nine_trades():
    rows = [evidence(-8, reason="STOP", target_after_s=60) for _ in range(9)]
    assert wishes("K1", K1, rows) == []
    assert wishes("K1", K1, [*rows, evidence(-8)]) != []


@pytest.mark.parametrize(("ticks", "step"), [(-9, 10_000), (12, -10_000)])
def test_the_threshold_follows_the_trades_that_were_believed_in_least(ticks, step):
    low = [evidence(ticks + number % 3, belief_e6=645_000) for number in range(60)]
    high = [evidence(number % 3 - 1, belief_e6=800_000) for number in range(60)]
    assert steps([*low, *high])["belief_enter"] == step
    calm = [evidence((-9, 13)[number % 2], belief_e6=650_000 + number) for number in range(120)]
    assert "belief_enter" not in steps(calm)


def test_the_threshold_rises_only_where_that_would_have_kept_a_trade_out():
    """K1 here enters from .64 on: a hundredth more keeps out what was believed in with .649, and not with .65."""
    assert "belief_enter" not in steps([evidence(-9 + number % 3, belief_e6=650_000) for number in range(60)])
    assert "belief_enter" in steps([evidence(-9 + number % 3, belief_e6=649_999) for number in range(60)])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_weight_grows_with_a_signal_that_went_along_and_shrinks_with_one_against(sign):
    """`vwap_z` has a negative weight, so more of it is a lower number; `ofi_30s` a positive one."""
    rows = []
    for number in range(60):
        ticks = (-9, 13)[number % 2]
        share = 0.1 * (number % 2) * sign
        rows.append(evidence(ticks, products={"vwap_z": 0.5 + share, "ofi_30s": 0.2 + share}))
    found = steps(rows)
    assert found["weights.vwap_z"] == -sign * 50_000
    assert found["weights.ofi_30s"] == sign * 50_000


def test_a_signal_without_a_value_asks_for_nothing():
    rows = [evidence((-9, 13)[number % 2], products={"vwap_z": None}) for number in range(60)]
    assert not [name for name in steps(rows) if name.startswith("weights")]


def test_stops_that_were_hit_before_the_target_came_want_a_tick_more():
    """K1 here holds 600 s: a target after 601 s is another trade's."""
    others = [evidence(13, mae=7.0) for _ in range(20)]
    early = [evidence(-8, reason="STOP", target_after_s=600) for _ in range(3)]
    late = [evidence(-8, reason="STOP", target_after_s=601) for _ in range(3)]
    assert steps([*others, *early, *late])["stop_ticks"] == 1_000_000
    assert "stop_ticks" not in steps([*others, *early[:2], *late])
    assert K1.hold_s * NS_PER_S == 600 * S


def test_a_stop_that_no_winner_needed_is_a_tick_less():
    stopped = [evidence(-8, reason="STOP") for _ in range(6)]
    assert steps([evidence(13, mae=6.0) for _ in range(10)] + stopped)["stop_ticks"] == -1_000_000
    assert "stop_ticks" not in steps([evidence(13, mae=7.0) for _ in range(10)] + stopped)
    assert "stop_ticks" not in steps([evidence(13, mae=6.0) for _ in range(10)] + stopped[:4])
