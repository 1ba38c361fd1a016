"""Terms, verdict, scale and the looking rule of a candidate, by hand from docs/kernel.md, section 8."""

import pytest

from tests.kernel.kit import BAR, HOUR, T0, TICK, S, config, play, quote, template, trigger
from trading_bot._fast import HotPath
from trading_bot.domain.kernel import MapKnot, Verdict

NOON = T0 + 12 * HOUR  # in RTH, neither its first nor its last hour
KNOTS = (MapKnot(0.5, 0.40, 0.50, -1.0), MapKnot(0.7, 0.60, 0.30, 1.0), MapKnot(0.9, 0.65, 0.30, 2.0))


def terms_at(belief, *, ts_ns=NOON, side=1, changes=None, **row):
    """Terms of a template with T = 8, S = 6, commission 2 and slippage .5, on a spread of one tick."""
    kernel = HotPath(config(template("t", TICK, {"queue_imbalance": 1.0}, **row), **(changes or {})))
    kernel.on_quote(NOON - S, 100, 10, 101, 10)
    return kernel.terms(0, side, belief, ts_ns)


def test_without_a_map_by_hand():
    """p_be = (6 + 2 + .5 + .5) / 14.5; p = p_be + half of the rest to .8; cost 2 + .5 + (1 - p)/2."""
    found = terms_at(0.8)
    p_be = 9 / 14.5
    p = p_be + 0.5 * (0.8 - p_be)
    edge, cost = 8 * p - 6 * (1 - p), 2.5 + 0.5 * (1 - p)
    assert (found.p_be_e6, found.p_e6, found.p_stop_e6) == (620_690, 710_345, 289_655)
    assert (found.p_time_e6, found.mark_e6, found.fitted, found.volatility) == (0, 0, False, 1)
    assert found.edge_e6 == round(edge * 1e6)
    assert found.cost_e6 == round(cost * 1e6)
    assert found.uncertainty_e6 == 14 * 80_000
    assert found.euc_e6 == pytest.approx(round((edge - cost - 1.12) * 1e6), abs=1)
    assert found.required_e6 == round((cost + 0.5) * 1e6)
    assert found.cost_share_e6 == round(cost / 8 * 1e6)
    assert (found.slippage_e6, found.entry_slippage_e6, found.scale_e6) == (500_000, 500_000, 1_000_000)
    assert found.z_e6 == 750_000  # (2 * .8 - 1) = .6, .6 / .8
    assert (found.episode, found.stability_e6, found.missing, found.target_ticks, found.stop_ticks) == (
        0,
        0,
        False,
        8,
        6,
    )


@pytest.mark.parametrize(
    ("belief", "p_target", "p_stop", "mark"),
    [
        pytest.param(0.10, 0.40, 0.50, -1.0, id="below the first knot"),
        pytest.param(0.50, 0.40, 0.50, -1.0, id="at the first"),
        pytest.param(0.60, 0.50, 0.40, 0.0, id="halfway"),
        pytest.param(0.70, 0.60, 0.30, 1.0, id="at one in the middle"),
        pytest.param(0.80, 0.625, 0.30, 1.5, id="in the second span"),
        pytest.param(0.95, 0.65, 0.30, 2.0, id="beyond the last"),
    ],
)
def test_with_a_map_by_hand(belief, p_target, p_stop, mark):
    """The time stop brings its mark, the stop's slippage and half the spread."""
    found = terms_at(belief, maps=((), KNOTS, ()))
    p_time = 1 - p_target - p_stop
    assert found.fitted
    assert found.p_e6 == round(p_target * 1e6)
    assert found.p_stop_e6 == round(p_stop * 1e6)
    assert found.p_time_e6 == pytest.approx(p_time * 1e6, abs=1)
    assert found.mark_e6 == pytest.approx(mark * 1e6, abs=1)
    assert found.edge_e6 == pytest.approx((8 * p_target - 6 * p_stop + p_time * mark) * 1e6, abs=1)
    assert found.cost_e6 == pytest.approx((2.5 + (p_stop + p_time) * 0.5 + p_time * 0.5) * 1e6, abs=1)


def test_a_map_of_another_volatility_does_not_count():
    assert not terms_at(0.8, maps=(KNOTS, (), KNOTS)).fitted  # without atr_14_n the bucket is normal


def test_slippage_factors_and_the_cap():
    kernel = HotPath(config(template("t", TICK, {"queue_imbalance": 1.0}), slippage_cap_ticks=1.0))
    kernel.on_quote(NOON, 100, 10, 101, 10)
    before = kernel.terms(0, 1, 0.8, NOON)
    kernel.set_slippage_factors(0.25, 3.0)
    after = kernel.terms(0, 1, 0.8, NOON)
    assert (before.entry_slippage_e6, before.slippage_e6) == (500_000, 500_000)
    assert (after.entry_slippage_e6, after.slippage_e6) == (125_000, 1_000_000)  # .5 * 3 is above the cap
    first_hour = kernel.terms(0, 1, 0.8, T0 + 10 * HOUR)
    assert first_hour.entry_slippage_e6 == 187_500  # .5 * 1.5 / 4
    with pytest.raises(ValueError, match="entry is -1"):
        kernel.set_slippage_factors(-1.0, 1.0)


def test_terms_change_nothing_and_refuse_what_they_cannot_mean():
    kernel = HotPath(config(template("t", TICK, {"queue_imbalance": 1.0})))
    kernel.on_quote(NOON, 100, 10, 101, 10)
    before = kernel.snapshot()
    kernel.terms(0, -1, 0.3, T0 + 30 * HOUR)
    assert kernel.snapshot() == before
    for bad in ((0, 0, 0.5), (0, 1, 0.0), (0, 1, 1.0), (0, 1, float("nan")), (1, 1, 0.5)):
        with pytest.raises(ValueError, match=r"side is|belief is|no template"):
            kernel.terms(*bad, NOON)


def test_a_template_without_weights_lives_from_terms_alone():
    kernel = HotPath(config(template("python", TICK, {}), template("t", TICK, {"queue_imbalance": 1.0}, z_enter=0.5)))
    assert play(kernel, [quote(NOON + i * S, 100, 101, 50, 1) for i in range(4)])
    assert {found.template for found in kernel.candidates()} <= {1}
    assert kernel.terms(0, 1, 0.7, NOON).belief_e6 == 700_000
    assert kernel.beliefs()[0] == (None, None, None, None, None, False, False, False)


@pytest.mark.parametrize(
    ("jump", "scale_e6", "target", "stop"),
    [
        pytest.param(0, 500_000, 4, 3, id="a still market: half"),
        pytest.param(200, 2_000_000, 16, 12, id="a wild one: twice"),
    ],
)
def test_target_and_stop_scale_with_volatility_between_half_and_twice(jump, scale_e6, target, stop):
    kernel = HotPath(config(template("t", TICK, {"queue_imbalance": 1.0}, rv_reference=1.0)))
    kernel.on_quote(NOON, 1000, 10, 1001, 10)
    missing = kernel.terms(0, 1, 0.7, NOON)
    assert (missing.missing, missing.target_ticks, missing.scale_e6, missing.verdict) == (True, 0, 0, Verdict.MISSING)
    for second in range(1, 1502):  # rv_300s is warm 1500 s after the first quote
        up = jump if second % 2 else 0
        kernel.on_quote(NOON + second * S, 1000 + up, 10, 1001 + up, 10)
    found = kernel.terms(0, 1, 0.7, NOON)
    assert (found.scale_e6, found.target_ticks, found.stop_ticks) == (scale_e6, target, stop)
    # minutes of RTH without a trade: the data score is 80 and the doubt 1 + 0.5 * 0.2
    assert found.uncertainty_e6 == (target + stop) * 88_000


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, 0),
        ({"cost_share_max_e6": 260_000}, Verdict.COST_SHARE),
        ({"min_euc_ticks": 5.0}, Verdict.EUC_LOW),
        ({"cost_share_max_e6": 260_000, "min_euc_ticks": 5.0}, Verdict.COST_SHARE | Verdict.EUC_LOW),
    ],
)
def test_the_verdict_is_of_the_reported_numbers(changes, verdict):
    found = terms_at(0.95, changes=changes, target_ticks=10)
    assert found.verdict == verdict
    assert (found.edge_e6 - found.uncertainty_e6 < found.required_e6) is bool(verdict & Verdict.EUC_LOW)


def looks(kernel, seconds):
    """Verdicts of the candidates fired at each second from NOON on, None where none was."""
    found = []
    for second in seconds:
        play_code = kernel.on_quote(NOON + second * S, 100, 50, 101, 1)
        while play_code & 256:
            play_code = kernel.on_quote(NOON + second * S, 100, 50, 101, 1)
        fired = kernel.candidates() if play_code & 1 else ()
        found.append(fired[0].verdict if fired else None)
    return found


def test_a_refusal_is_told_once_and_again_when_it_changes():
    kernel = HotPath(
        config(template("t", TICK, {"queue_imbalance": 1.0}, trigger("queue_imbalance", 0.5), z_enter=0.3))
    )
    kernel.set_entry_mask(1)
    kernel.set_costs(2.0, 50.0)
    assert looks(kernel, range(3)) == [Verdict.EUC_LOW, None, None]
    kernel.set_costs(9.0, 50.0)
    both = Verdict.EUC_LOW | Verdict.COST_SHARE
    assert looks(kernel, range(3, 6)) == [both, None, None]
    kernel.set_entry_mask(0)
    assert looks(kernel, range(6, 8)) == [None, None]  # masked: it fired in this episode and is not looked at
    kernel.set_costs(0.0, -10.0)
    kernel.set_entry_mask(1)
    assert looks(kernel, range(8, 11)) == [0, 0, 0]  # worth trading: at every look


def test_a_masked_firing_is_told_again_when_the_mask_opens():
    kernel = HotPath(config(template("t", TICK, {"queue_imbalance": 1.0}, z_enter=0.3)))
    kernel.set_costs(2.0, 50.0)
    assert looks(kernel, range(2)) == [Verdict.EUC_LOW, None]
    kernel.set_entry_mask(1)
    assert looks(kernel, range(2, 5)) == [Verdict.EUC_LOW, None, None]


def test_looks_keep_their_distance_also_when_nothing_fires():
    kernel = HotPath(config(template("t", TICK, {"queue_imbalance": 1.0}, z_enter=0.3, rearm_ns=3 * S)))
    kernel.set_entry_mask(1)
    kernel.set_costs(2.0, 50.0)
    assert looks(kernel, range(4)) == [Verdict.EUC_LOW, None, None, None]  # looked at 0 s and 3 s
    kernel.set_costs(0.0, -10.0)
    assert looks(kernel, range(4, 8)) == [None, None, 0, None]  # the look at 3 s counts: next at 6 s


def test_what_no_map_can_be_is_refused_by_name():
    for maps, said in (
        (((), KNOTS[:1], ()), "map 1 of template t has 1 knots"),
        (((), (KNOTS[1], KNOTS[0]), ()), "beliefs must ascend"),
        (((), (), ((MapKnot(0.1, 1.5, 0.0, 0.0), KNOTS[1]))), "p_target of knot 0 of map 2"),
        (((), ()), "2 maps: expected one per volatility bucket"),
    ):
        with pytest.raises(ValueError, match=said):
            HotPath(config(template("t", BAR, {"vwap_z": 1.0}, maps=maps)))
