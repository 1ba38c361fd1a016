"""What belief promised against what came of it (issue 8, item 1; specification 9: between sessions, bounded)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.handler_world import START_NS, World
from tests.kernel.kit import HOUR, T0, TICK, S, config, template
from tests.learning.trades import trade
from trading_bot._fast import HotPath
from trading_bot.core.carried import Carried
from trading_bot.core.learning_desk import promised_e6
from trading_bot.core.learning_loop import LearningConfig, LearningLoop
from trading_bot.core.learning_rows import with_adopted
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import ParamsAdopted
from trading_bot.domain.units import NS_PER_HOUR
from trading_bot.engines.belief import BeliefRules, Promise, fitted_factor_e6, reliability

NOON = T0 + 12 * HOUR
RULES = BeliefRules.compile(LearningConfig())
MONDAY, FRIDAY, NEXT_MONDAY = 20261123, 20261127, 20261130


def promised(loop, nets_usd, promise_usd=1.0, template="K1"):
    for net_usd in nets_usd:
        loop.record(
            trade(net_usd, template=template, belief_e6=700_000, p_e6=560_000, promised_uusd=round(promise_usd * 1e6))
        )


@given(st.lists(st.tuples(st.integers(1, 10**7), st.integers(-(10**8), 10**8)), min_size=50, max_size=200))
def test_the_factor_is_least_squares_with_pseudo_trades(pairs):
    """The reference: numpy's solver over the trades and 200 rows of the root mean square promise, kept exactly."""
    found = fitted_factor_e6([Promise(700_000, 560_000, p, r) for p, r in pairs], RULES)
    x = np.array([p for p, _ in pairs], dtype=float)
    typical = np.full(200, np.sqrt(np.mean(x * x)))
    everything = np.concatenate([x, typical])[:, None]
    slope = np.linalg.lstsq(everything, np.concatenate([[float(r) for _, r in pairs], typical]), rcond=None)[0][0]
    assert found == pytest.approx(min(max(slope, 0.25), 1.0) * 1e6, abs=2)


def test_few_trades_change_nothing():
    loop = LearningLoop(templates=("K1",))
    promised(loop, [-5.0] * 49)
    assert loop.adopt_beliefs(MONDAY) == []
    promised(loop, [-5.0])
    assert loop.adopt_beliefs(FRIDAY)


def test_it_moves_at_most_a_tenth_a_week_and_only_where_a_session_begins():
    """100 trades that each promised 1 USD and lost 1: (100·-100 + 200·100)/(300·100) = .333; .1 a week."""
    loop = LearningLoop(templates=("K1",))
    promised(loop, [-1.0] * 100)
    assert loop.belief_factor("K1") == 1.0
    [change] = loop.adopt_beliefs(MONDAY)
    assert (change.old, change.new, change.trades) == (1_000_000, 900_000, 100)
    assert (change.net_uusd, change.promised_uusd) == (-100_000_000, 100_000_000)
    assert loop.adopt_beliefs(MONDAY) == [], "once a trade date"
    assert loop.adopt_beliefs(FRIDAY) == [], "the week's bound is used up"
    assert [change.new for change in loop.adopt_beliefs(NEXT_MONDAY)] == [800_000]
    assert loop.adopt_beliefs(0) == [], "an unknown date adopts nothing"


def test_it_ends_at_what_was_fitted_and_comes_back_when_trades_keep_their_promise():
    loop = LearningLoop(templates=("K1",))
    promised(loop, [-1.0] * 100)
    for week in range(9):
        loop.adopt_beliefs(MONDAY + week if week < 5 else 20261207 + 7 * (week - 5))
    weeks = [20270104, 20270111, 20270118, 20270125, 20270201, 20270208, 20270215]
    for date in weeks:
        loop.adopt_beliefs(date)
    assert loop.belief_factor("K1") == pytest.approx(1 / 3, abs=1e-6)
    promised(loop, [3.0] * 200)
    assert [change.new for change in loop.adopt_beliefs(20270222)] == [433_333]


def test_trades_that_bring_more_than_promised_raise_nothing_above_one():
    loop = LearningLoop(templates=("K1",))
    promised(loop, [9.0] * 100)
    assert loop.adopt_beliefs(MONDAY) == []


def test_books_and_shadow_trades_do_not_mix():
    loop = LearningLoop(templates=("K1",))
    for _ in range(100):
        loop.record(trade(-1.0, hypothetical=True, belief_e6=1, p_e6=1, promised_uusd=10**6))
        loop.record(trade(-1.0, shadow=True, belief_e6=1, p_e6=1, promised_uusd=10**6))
    assert loop.adopt_beliefs(MONDAY) == []


def test_a_state_rebuilt_from_the_log_holds_the_factor():
    loop, told = LearningLoop(templates=("K1",)), LearningLoop(templates=("K1",))
    promised(loop, [-1.0] * 100)
    before = loop.export_to_dict()
    [change] = loop.adopt_beliefs(MONDAY)
    adoption = ParamsAdopted(
        ts_ns=1, parameter="belief_factor_e6/K1", old=change.old, new=change.new, fills=change.trades,
        actual=change.net_uusd, expected=change.promised_uusd, hypothetical=False,
    )  # fmt: skip
    told.load_from_dict(with_adopted(before, adoption, MONDAY))
    assert told.canonical() == loop.canonical()


def test_a_session_begins_with_what_was_learned_and_keeps_it():
    """100 trades that promised 1 USD and lost 1 on average: .9 from the first record on, until the session ends."""
    loop = LearningLoop(templates=("E1",), hypothetical=True)
    for net_usd in (9.0, -11.0) * 50:
        spoken = {"belief_e6": 1, "p_e6": 1, "promised_uusd": 10**6}
        loop.record(trade(net_usd, template="E1", ts_ns=START_NS - NS_PER_HOUR, hypothetical=True, **spoken))
    fresh, world = World(), World(carried=Carried(learning=loop.export_to_dict()))
    [told] = [record for record in world.records if isinstance(record, ParamsAdopted)]
    assert (told.parameter, told.old, told.new, told.fills) == ("belief_factor_e6/E1", 1_000_000, 900_000, 100)
    before, after = (one.state.kernel.terms(0, 1, 0.9, one.now_ns) for one in (fresh, world))
    net_e6 = before.edge_e6 - before.cost_e6
    assert net_e6 > 0
    assert after.edge_e6 - after.cost_e6 == pytest.approx(0.9 * net_e6, abs=3)
    assert promised_e6(world.state, after) == pytest.approx(net_e6, abs=5), "evidence is what was promised before it"
    world.hold(1)
    world.fill(Leg.STOP, Side.SELL, 1, 23_980)
    assert world.state.kernel.terms(0, 1, 0.9, world.now_ns).p_e6 == after.p_e6


class TestKernel:
    def kernel(self):
        kernel = HotPath(config(template("t", TICK, {"queue_imbalance": 1.0})))
        kernel.on_quote(NOON - S, 100, 10, 101, 10)
        return kernel

    @pytest.mark.parametrize("factor", [0.0, 0.25, 0.6, 1.0])
    def test_the_promise_is_scaled_and_nothing_else(self, factor):
        kernel = self.kernel()
        whole = kernel.terms(0, 1, 0.9, NOON)
        kernel.set_belief_factor(0, factor)
        part = kernel.terms(0, 1, 0.9, NOON)
        assert whole.edge_e6 > whole.cost_e6
        assert part.edge_e6 - part.cost_e6 == pytest.approx(factor * (whole.edge_e6 - whole.cost_e6), abs=3)
        assert part.p_e6 + part.p_stop_e6 + part.p_time_e6 == pytest.approx(1_000_000, abs=2)
        assert (part.belief_e6, part.p_be_e6, part.uncertainty_e6) == (
            whole.belief_e6, whole.p_be_e6, whole.uncertainty_e6,
        )  # fmt: skip

    def test_a_loss_that_belief_expects_stays_a_loss(self):
        kernel = self.kernel()
        before = kernel.terms(0, 1, 0.2, NOON)
        kernel.set_belief_factor(0, 0.5)
        assert kernel.terms(0, 1, 0.2, NOON) == before

    @pytest.mark.parametrize("factor", [-0.1, 1.1, float("nan")])
    def test_what_is_no_share_is_refused(self, factor):
        with pytest.raises(ValueError, match="belief factor"):
            self.kernel().set_belief_factor(0, factor)


def test_the_map_of_belief_against_outcome():
    """Four trades in [.6, .7): promised .55, three won; two in [.8, .9): promised .7, none won."""
    low = [Promise(650_000, 550_000, 1, net) for net in (1, 1, 1, -1)]
    high = [Promise(850_000, 700_000, 1, -1)] * 2
    found = reliability(low + high, 40)
    assert [(row.low, row.high, row.n, row.wins) for row in found.bins] == [(0.6, 0.7, 4, 3), (0.8, 0.9, 2, 0)]
    assert found.brier == pytest.approx((3 * 0.45**2 + 0.55**2 + 2 * 0.7**2) / 6)
    assert found.ece == pytest.approx((4 * 0.20 + 2 * 0.70) / 6)
    assert found.bins[0].posterior == pytest.approx((3 + 40 * 0.55) / 44)
    assert reliability([], 40).brier is None
