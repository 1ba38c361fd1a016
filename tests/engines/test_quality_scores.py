"""EQS with memory, and the gates of both scores (specification 4 and 5). Expected values worked out by hand."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trading_bot
from trading_bot.config_files import load_config
from trading_bot.engines.quality import EQS_PENALTIES, Band, EqsDeficit, band, deficit_e6, eqs_c, forget

T0_NS = 1_795_620_600_000_000_000
SECOND_NS = 1_000_000_000
ROOT = Path(trading_bot.__file__).resolve().parents[2]

# Specification 5: penalty in hundredths, half-life in seconds.
PENALTIES = {
    "link_outage": (30, 600),
    "link_outage_short": (10, 600),
    "order_state_unknown": (25, 1800),
    "reject": (15, 1200),
    "slippage": (10, 900),
    "partial_left": (10, 1200),
    "late_fill": (8, 900),
}


@pytest.fixture(scope="module")
def gates():
    return load_config(ROOT / "configs" / "default.toml").config.quality


def left(name, seconds):
    """What is left of a penalty after `seconds`, in millionths."""
    return deficit_e6(EqsDeficit(name, T0_NS), T0_NS + round(seconds * SECOND_NS))


def test_penalties_are_the_specified_ones():
    assert {name: (row.cost_c, row.half_life_s) for name, row in EQS_PENALTIES.items()} == PENALTIES


@pytest.mark.parametrize(
    ("name", "seconds", "expected_e6"),
    [
        # d (2 - r) / 2^(n+1), n whole half-lives and r the rest.
        pytest.param("reject", 0, 150_000, id="a rejection costs .15"),
        pytest.param("reject", 600, 112_500, id="half a half-life: .15 x 1.5 / 2 = .1125"),
        pytest.param("reject", 1200, 75_000, id="one half-life: .075"),
        pytest.param("reject", 1800, 56_250, id="1.5 half-lives: .15 x 1.5 / 4 = .05625"),
        pytest.param("reject", 2400, 37_500, id="two half-lives: .0375"),
        pytest.param("reject", 3300, 23_437, id="2.75 half-lives: .15 x 1.25 / 8 = .0234375"),
        pytest.param("link_outage", 0, 300_000, id="a lost link costs .30"),
        pytest.param("link_outage", 150, 262_500, id="a quarter: .30 x 1.75 / 2"),
        pytest.param("link_outage_short", 600, 50_000, id="a short outage: .10, halved"),
        pytest.param("order_state_unknown", 1800, 125_000, id="an unknown order: .25, halved"),
        pytest.param("slippage", 450, 75_000, id="slippage: .10 x 1.5 / 2"),
        pytest.param("partial_left", 1200, 50_000, id="a partial left hanging: .10, halved"),
        pytest.param("late_fill", 900, 40_000, id="a late fill: .08, halved"),
        pytest.param("reject", -5, 150_000, id="a clock that steps back forgives nothing and costs no more"),
        pytest.param("reject", 40 * 1200, 0, id="after forty half-lives nothing is left"),
    ],
)
def test_a_penalty_is_forgiven_by_half_every_half_life(name, seconds, expected_e6):
    assert left(name, seconds) == expected_e6


@pytest.mark.parametrize(
    ("deficits", "seconds", "score_c"),
    [
        pytest.param((), 0, 100, id="nothing happened"),
        pytest.param((("link_outage", 0),), 0, 70, id="link lost: .70"),
        pytest.param((("reject", 0),), 0, 85, id="one rejection: .85"),
        pytest.param((("reject", 0),), 1200, 92, id="one half-life later .925, rounded down"),
        pytest.param((("reject", 0), ("reject", 0)), 0, 70, id="two rejections: .70"),
        pytest.param((("reject", 0), ("reject", 1200)), 1200, 77, id="one halved and a new one: .775, rounded down"),
        pytest.param(tuple((name, 0) for name in PENALTIES), 0, 0, id="everything at once is 1.08: no less than 0"),
        pytest.param((("late_fill", 0),), 9_000, 99, id="a trace of a penalty is still a penalty"),
    ],
)
def test_the_score_is_one_less_what_is_left(deficits, seconds, score_c):
    taken = tuple(EqsDeficit(name, T0_NS + since_s * SECOND_NS) for name, since_s in deficits)
    assert eqs_c(taken, T0_NS + seconds * SECOND_NS) == score_c


@given(
    name=st.sampled_from(sorted(PENALTIES)),
    elapsed_ns=st.integers(0, 40_000 * SECOND_NS),
    later_ns=st.integers(0, 10_000 * SECOND_NS),
)
def test_forgiveness_follows_the_formula_and_never_turns(name, elapsed_ns, later_ns):
    cost_c, half_life_s = PENALTIES[name]
    n, rest_ns = divmod(elapsed_ns, half_life_s * SECOND_NS)
    r = Fraction(rest_ns, half_life_s * SECOND_NS)
    exact = Fraction(cost_c, 100) * (2 - r) / 2 ** (n + 1) * 1_000_000
    deficit = EqsDeficit(name, T0_NS)
    found = deficit_e6(deficit, T0_NS + elapsed_ns)
    assert exact - 1 < found <= exact
    assert deficit_e6(deficit, T0_NS + elapsed_ns + later_ns) <= found


def test_only_what_counts_is_remembered():
    old, young = EqsDeficit("reject", T0_NS), EqsDeficit("link_outage", T0_NS + 40_000 * SECOND_NS)
    # .15 is below a millionth after 18 half-lives (.15 / 2^18 = 5.7e-7).
    assert forget((old, young), T0_NS + 17 * 1200 * SECOND_NS) == (old, young)
    assert forget((old, young), T0_NS + 18 * 1200 * SECOND_NS) == (young,)


def test_the_shipped_gates_are_the_specified_ones(gates):
    assert (gates.dvs_entry_c, gates.dvs_hold_c, gates.dvs_kill_c) == (80, 60, 30)
    assert (gates.eqs_entry_c, gates.eqs_hold_c, gates.eqs_kill_c) == (75, 60, 30)
    assert (gates.kill_after_s, gates.data_down_clear_s) == (10, 60)


@pytest.mark.parametrize(
    ("score_c", "dvs_band", "eqs_band"),
    [
        (100, Band.ENTRY, Band.ENTRY),
        (80, Band.ENTRY, Band.ENTRY),
        (79, Band.HOLD, Band.ENTRY),
        (75, Band.HOLD, Band.ENTRY),
        (74, Band.HOLD, Band.HOLD),
        (60, Band.HOLD, Band.HOLD),
        (59, Band.LOW, Band.LOW),
        (30, Band.LOW, Band.LOW),
        (29, Band.KILL, Band.KILL),
        (0, Band.KILL, Band.KILL),
    ],
)
def test_bands_at_their_bounds(gates, score_c, dvs_band, eqs_band):
    assert band(score_c, entry_c=gates.dvs_entry_c, hold_c=gates.dvs_hold_c, kill_c=gates.dvs_kill_c) is dvs_band
    assert band(score_c, entry_c=gates.eqs_entry_c, hold_c=gates.eqs_hold_c, kill_c=gates.eqs_kill_c) is eqs_band


def test_bands_are_numbered_as_the_kernel_numbers_them():
    """docs/kernel.md, section 5."""
    assert [int(one) for one in (Band.KILL, Band.LOW, Band.HOLD, Band.ENTRY)] == [0, 1, 2, 3]
