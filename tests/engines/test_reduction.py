"""RK08: what a reduction leaves of an entry (specification 8.2), and size after a loss (6.6).

"1.5 % half size (of one lot: at most 1 entry/h and EUC >= 2x the minimum)".
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines import cases

REDUCED = {"halved": True, "euc_factor_e6": 2_000_000, "entries_per_hour_max": 1}


def decided(position_qty_max=10, stop_ticks=8, required_e6=2_000_000, **inputs):
    engine = cases.engine(config={"safety": {"position_qty_max": position_qty_max}})
    candidate = cases.candidate(stop_ticks=stop_ticks, required_e6=required_e6)
    return engine.decide(candidate, cases.inputs(**inputs))


@pytest.mark.parametrize(
    ("position_qty_max", "stop_ticks", "usual", "reduced"),
    [
        pytest.param(10, 1, 10, 5, id="15.00 carry 12 stops of 1.25, the limit 10: 5"),
        pytest.param(10, 2, 6, 3, id="6 stops of 2.50: 3"),
        pytest.param(10, 4, 3, 1, id="3 stops of 5.00: 1, an odd size is halved downwards"),
        pytest.param(10, 6, 2, 1, id="2 stops of 7.50: 1"),
        pytest.param(10, 8, 1, 1, id="one stop of 10.00: one contract cannot be halved"),
        pytest.param(1, 1, 1, 1, id="nor can the one that the limit allows"),
    ],
)
def test_a_reduction_halves_the_size(position_qty_max, stop_ticks, usual, reduced):
    assert decided(position_qty_max, stop_ticks).qty == usual
    assert decided(position_qty_max, stop_ticks, **REDUCED).qty == reduced


@pytest.mark.parametrize(
    ("required_e6", "usual", "reduced"),
    [
        # The edge less its uncertainty is 3.5 ticks and the cost 1.7: an EUC of 1.8. Twice a minimum of .9 is 1.8.
        pytest.param(2_600_000, "ENTER", "ENTER", id="a minimum of .9: 1.8 is twice of it"),
        pytest.param(2_600_001, "ENTER", "EUC_LOW", id="a millionth more: no longer"),
        pytest.param(3_500_000, "ENTER", "EUC_LOW", id="a minimum of 1.8 is met once"),
        pytest.param(3_500_001, "EUC_LOW", "EUC_LOW", id="and not a millionth more"),
    ],
)
def test_a_reduction_asks_for_twice_the_smallest_euc(required_e6, usual, reduced):
    assert decided(required_e6=required_e6).reason == usual
    assert decided(required_e6=required_e6, **REDUCED).reason == reduced


def test_a_reduction_leaves_one_entry_an_hour():
    assert decided(entries_last_hour=0, **REDUCED).reason == "ENTER"
    assert decided(entries_last_hour=1, **REDUCED).reason == "FREQUENCY_HOUR"
    assert decided(entries_last_hour=1).reason == "ENTER"


def test_a_reduction_never_allows_more_entries_than_the_usual_budget():
    """A larger number than the hour's 15 does not raise it."""
    wide = REDUCED | {"entries_per_hour_max": 60}
    assert decided(entries_last_hour=14, **wide).reason == "ENTER"
    assert decided(entries_last_hour=15, **wide).reason == "FREQUENCY_HOUR"


@given(
    equity_uusd=st.integers(0, 20_000_000_000),
    loss_uusd=st.integers(0, 5_000_000_000),
    stop_ticks=st.integers(1, 12),
    position_qty_max=st.integers(1, 10),
    reduced=st.booleans(),
)
def test_with_the_same_stop_a_loss_never_makes_the_next_entry_larger(
    equity_uusd, loss_uusd, stop_ticks, position_qty_max, reduced
):
    """Across tiers too. That a narrower stop may not make it larger either is for who knows the size before."""
    before = decided(position_qty_max, stop_ticks, equity_uusd=equity_uusd)
    after = decided(position_qty_max, stop_ticks, equity_uusd=equity_uusd - loss_uusd, **(REDUCED if reduced else {}))
    assert after.qty <= before.qty
