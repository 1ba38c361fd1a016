"""States and throttle: the whole graph, its hysteresis, and one step per look (specification 9; LE02, LE03)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.learning.trades import around, feed, trade
from trading_bot.core.learning_loop import Finding, LearningLoop, LearningState
from trading_bot.domain.errors import CoreBug
from trading_bot.engines.learning import TRANSITIONS, next_state

ACTIVE, LIGHT, HEAVY = LearningState.ACTIVE, LearningState.THROTTLED_120, LearningState.THROTTLED_150
QUARANTINED, ARCHIVED = LearningState.QUARANTINED, LearningState.ARCHIVED
F = Finding

# From worst to best; what each finding means for a template that trades, by the specification's words.
FROM_WORST = (F.LOST, F.DRAWDOWN, F.BAD, F.WEAK, F.POOR, F.FAIR, F.GOOD)
EXPECTED = {
    ACTIVE: (QUARANTINED, QUARANTINED, HEAVY, LIGHT, LIGHT, ACTIVE, ACTIVE),
    LIGHT: (QUARANTINED, QUARANTINED, HEAVY, LIGHT, LIGHT, LIGHT, ACTIVE),
    HEAVY: (QUARANTINED, QUARANTINED, HEAVY, HEAVY, LIGHT, LIGHT, LIGHT),
}
EXPECTED_REST = {
    (QUARANTINED, F.SHADOW_OPEN): QUARANTINED,
    (QUARANTINED, F.SHADOW_PROVEN): HEAVY,
    (QUARANTINED, F.SHADOW_HOPELESS): ARCHIVED,
    (QUARANTINED, F.PERSON_ARCHIVES): ARCHIVED,
    (ARCHIVED, F.PERSON_REVIVES): QUARANTINED,
    **{(state, F.PERSON_ARCHIVES): ARCHIVED for state in EXPECTED},
    **{(state, F.TOO_FEW): state for state in EXPECTED},
}
SEVERITY = [ACTIVE, LIGHT, HEAVY, QUARANTINED, ARCHIVED]


class TestTable:
    @pytest.mark.parametrize("state", LearningState)
    @pytest.mark.parametrize("finding", Finding)
    def test_every_pair(self, state, finding):
        trading = dict(zip(FROM_WORST, EXPECTED.get(state, ()), strict=False))
        expected = trading.get(finding) or EXPECTED_REST.get((state, finding))
        if expected is None:
            with pytest.raises(CoreBug, match=f"{state} cannot be found {finding}"):
                next_state(state, finding)
        else:
            assert next_state(state, finding) is expected

    def test_every_state_is_reached_from_active_and_left_again(self):
        reached = [ACTIVE]
        for state in reached:
            reached += [to for (at, _), to in TRANSITIONS.items() if at is state and to not in reached]
        assert set(reached) == set(LearningState)
        assert {at for (at, _), to in TRANSITIONS.items() if to is not at} == set(LearningState)

    @pytest.mark.parametrize("state", EXPECTED)
    def test_worse_evidence_never_gives_a_smaller_throttle(self, state):
        severities = [SEVERITY.index(next_state(state, finding)) for finding in FROM_WORST]
        assert severities == sorted(severities, reverse=True)

    @pytest.mark.parametrize("state", EXPECTED)
    def test_upwards_is_one_step_at_a_time(self, state):
        for finding in FROM_WORST:
            assert SEVERITY.index(next_state(state, finding)) >= SEVERITY.index(state) - 1

    def test_no_look_undoes_itself(self):
        """The finding that led somewhere does not lead back out of there."""
        for (at, finding), to in TRANSITIONS.items():
            back = TRANSITIONS.get((to, finding))
            assert to is at or back in {None, to} or SEVERITY.index(to) < SEVERITY.index(at)


def quarantined_loop() -> LearningLoop:
    loop = LearningLoop(templates=("K1",))
    feed(loop, around(-6.0, 40))
    assert loop.state("K1") is QUARANTINED
    return loop


class TestLooks:
    def test_a_look_is_every_twentieth_trade_and_nothing_between(self):
        loop = LearningLoop(templates=("K1",))
        at = [index for index, net in enumerate(around(-8.0, 45), start=1) if loop.record(trade(net)) is not None]
        assert at == [20, 40]
        assert loop.state("K1") is QUARANTINED

    def test_two_losses_say_nothing(self):
        loop = LearningLoop(templates=("K1",))
        feed(loop, [-10.0] * 19)
        assert loop.throttle("K1") == 1.0

    def test_all_the_way_down_and_up(self):
        """Twenty at −2: ×1.2; at −3: ×1.5; at −6: quarantine. Sixty shadow trades at +5: ×1.5 and up again."""
        loop = LearningLoop(templates=("K1",))
        seen = []
        for mean_usd in (-2.0, -3.0, -6.0):
            seen += feed(loop, around(mean_usd, 20))
        seen += feed(loop, around(5.0, 60), shadow=True)
        seen += feed(loop, around(4.0, 40))
        assert [update.state for update in seen] == [LIGHT, HEAVY, QUARANTINED, HEAVY, LIGHT, ACTIVE]
        assert [update.previous for update in seen] == [ACTIVE, LIGHT, HEAVY, QUARANTINED, HEAVY, LIGHT]
        assert [update.evidence.n for update in seen] == [20, 40, 60, 60, 20, 40]
        assert [update.evidence.threshold_e6 for update in seen] == [
            350_000,
            200_000,
            50_000,
            900_000,
            300_000,
            450_000,
        ]
        assert [update.epoch for update in seen] == [0, 0, 0, 1, 1, 1]

    def test_the_throttle_and_entries_follow_the_state(self):
        loop = LearningLoop(templates=("K1",))
        seen = [(loop.throttle("K1"), loop.entries_allowed("K1"), loop.shadow_wanted("K1"))]
        for mean_usd in (-2.0, -3.0, -6.0):
            feed(loop, around(mean_usd, 20))
            seen.append((loop.throttle("K1"), loop.entries_allowed("K1"), loop.shadow_wanted("K1")))
        infinity = float("inf")
        assert seen == [(1.0, True, False), (1.2, True, False), (1.5, True, False), (infinity, False, True)]

    def test_one_look_makes_one_transition_even_from_the_top_to_the_bottom(self):
        loop = LearningLoop(templates=("K1",))
        feed(loop, around(1.0, 20))
        (update,) = feed(loop, around(-15.0, 20))
        assert (update.previous, update.state) == (ACTIVE, QUARANTINED)

    def test_hysteresis_holds_what_the_threshold_alone_would_flip(self):
        """P between .35 and .45 neither throttles an active template nor frees a throttled one."""
        loop = LearningLoop(templates=("K1",))
        feed(loop, around(-1.0, 20))
        assert loop.evidence("K1").finding is F.FAIR
        assert loop.state("K1") is ACTIVE
        loop = LearningLoop(templates=("K1",))
        feed(loop, around(-2.0, 20))
        feed(loop, around(0.8, 20))
        assert loop.evidence("K1").finding is F.FAIR
        assert loop.state("K1") is LIGHT

    def test_templates_do_not_pay_for_each_other(self):
        loop = LearningLoop(templates=("K1", "K2"))
        feed(loop, around(-6.0, 40), template="K1")
        assert (loop.state("K1"), loop.state("K2")) == (QUARANTINED, ACTIVE)


class TestQuarantine:
    def test_sixty_good_shadow_trades_release_it_and_fifty_nine_do_not(self):
        loop = quarantined_loop()
        assert feed(loop, around(5.0, 59), shadow=True) == []
        (update,) = feed(loop, [-5.0], shadow=True)
        assert update.state is HEAVY
        assert update.evidence.shadow
        assert loop.entries_allowed("K1")

    def test_real_trades_never_release_it(self):
        loop = quarantined_loop()
        feed(loop, around(50.0, 400))
        assert loop.state("K1") is QUARANTINED

    def test_shadow_trades_from_before_do_not_count(self):
        loop = LearningLoop(templates=("K1",))
        feed(loop, around(5.0, 60), shadow=True)
        feed(loop, around(-6.0, 40))
        assert feed(loop, around(5.0, 20), shadow=True) == []
        assert loop.evidence("K1").n == 20

    def test_a_released_template_starts_with_fresh_evidence(self):
        loop = quarantined_loop()
        feed(loop, around(5.0, 60), shadow=True)
        assert loop.evidence("K1").n == 0
        assert feed(loop, around(0.0, 19)) == []
        assert loop.metrics("K1").trades == 59, "the totals forget nothing"

    def test_hopeless_in_shadow_too_it_is_archived_until_a_person_says_otherwise(self):
        loop = quarantined_loop()
        (update,) = feed(loop, around(-6.0, 120), shadow=True)
        assert update.state is ARCHIVED
        assert feed(loop, around(50.0, 200), shadow=True) == []
        assert feed(loop, around(50.0, 200)) == []
        assert not loop.shadow_wanted("K1")
        revived = loop.order_by_person("K1", F.PERSON_REVIVES, 7)
        assert (revived.state, revived.evidence.finding) == (QUARANTINED, F.PERSON_REVIVES)
        assert loop.evidence("K1").n == 0

    def test_a_person_cannot_revive_what_trades(self):
        with pytest.raises(CoreBug):
            LearningLoop(templates=("K1",)).order_by_person("K1", F.PERSON_REVIVES, 0)


class TestBooks:
    def test_hypothetical_and_real_trades_never_mix(self):
        real, observed = LearningLoop(templates=("K1",)), LearningLoop(templates=("K1",), hypothetical=True)
        for loop in (real, observed):
            feed(loop, around(-6.0, 40), hypothetical=True)
        assert (real.state("K1"), observed.state("K1")) == (ACTIVE, QUARANTINED)
        assert real.sigma_p("K1") == LearningLoop().sigma_p("K1")
        assert real.evidence("K1").n == 0
        feed(observed, around(20.0, 200))
        assert observed.state("K1") is QUARANTINED


results = st.tuples(
    st.sampled_from(["K1", "S2"]), st.integers(-40, 40), st.sampled_from([False] * 3 + [True]), st.booleans()
)


@given(st.lists(st.tuples(results, st.integers(1, 30)), max_size=40))
def test_whatever_happens_a_look_moves_at_most_once_and_says_from_where(runs):
    loop = LearningLoop(templates=("K1", "S2"))
    since_look = dict.fromkeys(((name, shadow) for name in ("K1", "S2") for shadow in (False, True)), 0)
    for (template, cents, shadow, hypothetical), repeat in runs:
        for index in range(repeat):
            before = loop.state(template)
            net_usd = cents / 4 + (5 if index % 2 else -5)
            update = loop.record(trade(net_usd, template=template, shadow=shadow, hypothetical=hypothetical))
            since_look[template, shadow] += not hypothetical
            if update is None or update.hypothetical:
                assert loop.state(template) is before
                continue
            assert (update.previous, update.state) == (before, loop.state(template))
            assert before is not update.state
            assert since_look[template, shadow] >= 20
            since_look[template, shadow] = 0
            assert SEVERITY.index(update.state) >= SEVERITY.index(before) - 1
            assert loop.last_update(template) == update
