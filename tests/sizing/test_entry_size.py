"""Sizes as the decision gives them: no cap is ever exceeded, nothing grows after a loss, LIVE is never the larger."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines import cases
from trading_bot.domain.config import BotConfig
from trading_bot.engines.decision_v2 import DecisionEngineV2
from trading_bot.engines.entry_size import KellyFacts, SizeFacts

USD = 1_000_000
MES_TICK_USD = Fraction(5, 4)
TIERS = {
    "S": {"equity_usd_min": 0, "templates": ["*"], "stop_ticks_max": 9, "max_risk_usd": 12, "min_euc_ticks": 0.5},
    "A": {"equity_usd_min": 2500, "templates": ["*"], "stop_ticks_max": 12, "max_risk_usd": 15, "min_euc_ticks": 0.35},
    "B": {"equity_usd_min": 7500, "templates": ["*"], "stop_ticks_max": 12, "max_risk_usd": 15, "min_euc_ticks": 0.25},
    "C": {
        "equity_usd_min": 25_000,
        "templates": ["*"],
        "stop_ticks_max": 12,
        "max_risk_usd": 120,
        "min_euc_ticks": 0.25,
        "contracts_max": 4,
    },
    "D": {
        "equity_usd_min": 50_000,
        "templates": ["*"],
        "stop_ticks_max": 12,
        "max_risk_usd": 200,
        "min_euc_ticks": 0.25,
        "contracts_max": 8,
    },
}
PROVEN = KellyFacts(trades=200, wins=150, won_uusd=3_000 * USD, lost_uusd=500 * USD)


def large_engine(**sizing):
    """A configuration with larger tiers, as the specification lets a user write them."""
    config = {
        "decision": {"tiers": TIERS},
        "sizing": {"max_risk_usd": 200, **sizing},
        "safety": {"position_qty_max": 8, "open_risk_usd_max": 200},
    }
    return DecisionEngineV2(msgspec.convert(config, BotConfig), {"K1": cases.template()}, cases.INSTRUMENTS["MES"])


ENGINE = large_engine()
facts = st.builds(
    SizeFacts,
    margin_used_uusd=st.one_of(st.none(), st.integers(0, 60_000 * USD)),
    margin_per_contract_uusd=st.one_of(st.none(), st.integers(500 * USD, 20_000 * USD)),
    open_risk_uusd=st.integers(0, 250 * USD),
    last_entry_qty=st.one_of(st.none(), st.integers(1, 8)),
    last_trade_lost=st.booleans(),
    vix_e6=st.one_of(st.none(), st.integers(0, 90_000_000)),
    kelly=st.builds(
        lambda trades, won, win_usd, loss_usd: (
            KellyFacts(
                trades=trades,
                wins=min(won, trades),
                won_uusd=min(won, trades) * win_usd * USD,
                lost_uusd=(trades - min(won, trades)) * loss_usd * USD,
            ),
        ),
        st.integers(0, 300),
        st.integers(0, 300),
        st.integers(1, 40),
        st.integers(1, 40),
    ),
)


@given(
    facts=facts,
    equity_usd=st.integers(-1_000, 200_000),
    stop_ticks=st.integers(1, 14),
    halved=st.booleans(),
    live=st.booleans(),
)
def test_no_cap_is_ever_exceeded(facts, equity_usd, stop_ticks, halved, live):
    inputs = cases.inputs(equity_uusd=equity_usd * USD, size=facts, halved=halved, advice_binds=live)
    qty = ENGINE.decide(cases.candidate(stop_ticks=stop_ticks, fitted=True), inputs).qty
    if qty == 0:
        return
    name = max((tier for tier in TIERS if TIERS[tier]["equity_usd_min"] <= equity_usd), key=list(TIERS).index)
    tier = TIERS[name]
    risk_usd = qty * stop_ticks * MES_TICK_USD
    assert stop_ticks <= tier["stop_ticks_max"]
    assert risk_usd <= tier["max_risk_usd"]
    assert risk_usd <= Fraction(2, 100) * equity_usd
    assert risk_usd * USD <= 200 * USD - facts.open_risk_uusd
    assert qty <= tier.get("contracts_max", 1)
    assert facts.margin_used_uusd is not None
    assert facts.margin_per_contract_uusd is not None
    free_uusd = equity_usd * USD - facts.margin_used_uusd - qty * facts.margin_per_contract_uusd
    assert free_uusd >= Fraction(20, 100) * equity_usd * USD, "20 % stay free"
    if facts.last_trade_lost and facts.last_entry_qty is not None:
        assert qty <= facts.last_entry_qty
    if facts.kelly[0].trades < 100:
        assert qty == 1
    if live and facts.vix_e6 is not None:
        assert facts.vix_e6 < 50_000_000


@given(facts=facts, equity_usd=st.integers(1_000, 200_000), stop_ticks=st.integers(1, 12))
def test_advice_never_lets_more_lots_trade_than_live_would_but_for_the_first(facts, equity_usd, stop_ticks):
    asked = {"equity_uusd": equity_usd * USD, "size": facts}
    paper = ENGINE.decide(cases.candidate(stop_ticks=stop_ticks, fitted=True), cases.inputs(**asked))
    live = ENGINE.decide(cases.candidate(stop_ticks=stop_ticks, fitted=True), cases.inputs(**asked, advice_binds=True))
    assert paper.qty <= max(live.qty, 1)
    assert (paper.live == "SIZE_ZERO") == (paper.qty > 0 and live.qty == 0)


MANY_LOTS = {
    "equity_uusd": 30_000 * USD,
    "stop_ticks": 8,
    "p_e6": 800_000,
    "trades": 100,
    "open_risk_uusd": 0,
    "vix_e6": None,
    "halved": False,
    "advice_binds": True,
}


SIZES = (
    # 50 of 100 won, the prior of 40 trades at .8: p = 82/140, W 1 000, L 900, so Kelly is .2129 of 30 000 dollars
    # over 900, half of it 3.5; with p .5 it is .05, half of it .8.
    ({}, 3),
    ({"p_e6": 500_000}, 0),
    ({"equity_uusd": 26_000 * USD}, 3),
    ({"equity_uusd": 25_000 * USD}, 2),
    ({"halved": True}, 1),
    ({"vix_e6": 30 * USD}, 1),
    ({"trades": 99}, 1),
    ({"open_risk_uusd": 180 * USD}, 2),
    ({"stop_ticks": 12, "open_risk_uusd": 180 * USD}, 1),
    ({"stop_ticks": 12, "open_risk_uusd": 190 * USD}, 0),
    ({"open_risk_uusd": 190 * USD}, 1),
    ({"advice_binds": False}, 3),
    ({"p_e6": 500_000, "advice_binds": False}, 1),
)


@pytest.mark.parametrize("before", range(len(SIZES)))
def test_a_size_does_not_depend_on_what_was_asked_before(before):
    """The engine keeps its newest answers: whatever came before, a case that differs in one fact gets its own."""
    engine = large_engine()
    for change, expected in [SIZES[before], *SIZES]:
        row = MANY_LOTS | change
        half = row["trades"] // 2
        kelly = KellyFacts(
            trades=row["trades"], wins=half, won_uusd=half * 1_000 * USD, lost_uusd=(row["trades"] - half) * 900 * USD
        )
        size = SizeFacts(
            margin_used_uusd=0,
            margin_per_contract_uusd=USD,
            open_risk_uusd=row["open_risk_uusd"],
            vix_e6=row["vix_e6"],
            kelly=(kelly,),
        )
        inputs = cases.inputs(
            equity_uusd=row["equity_uusd"], size=size, halved=row["halved"], advice_binds=row["advice_binds"]
        )
        candidate = cases.candidate(stop_ticks=row["stop_ticks"], p_e6=row["p_e6"], fitted=True)
        assert engine.decide(candidate, inputs).qty == expected


@pytest.mark.parametrize(
    ("vix", "qty"),
    [(None, 8), (19.9, 8), (20, 6), (29.9, 6), (30, 4), (40, 2), (49.9, 2), (50, 0)],
)
def test_volatility_scales_the_size_in_live(vix, qty):
    """RK13: .8, .5, .25 and 0 of 8 lots at 20, 30, 40 and 50."""
    size = SizeFacts(
        margin_used_uusd=0,
        margin_per_contract_uusd=USD,
        vix_e6=None if vix is None else round(vix * USD),
        kelly=(PROVEN,),
    )
    asked = {"equity_uusd": 100_000 * USD, "size": size}
    assert ENGINE.decide(cases.candidate(fitted=True), cases.inputs(**asked, advice_binds=True)).qty == qty
    paper = ENGINE.decide(cases.candidate(fitted=True), cases.inputs(**asked))
    assert paper.qty == max(qty, 1)
    assert paper.live == ("SIZE_ZERO" if qty == 0 else "")


def test_one_lot_stays_one_lot_while_the_factor_is_above_zero():
    size = SizeFacts(margin_used_uusd=0, margin_per_contract_uusd=USD, vix_e6=45 * USD, kelly=(PROVEN,))
    asked = {"equity_uusd": 10_000 * USD, "size": size, "advice_binds": True}
    assert ENGINE.decide(cases.candidate(fitted=True), cases.inputs(**asked)).qty == 1


@pytest.mark.parametrize(
    ("fraction", "qty"),
    [
        # p .6 (60 of 100 won; the prior of 40 trades at the candidate's .6 changes nothing), W = L = 1 000 dollars:
        # Kelly .6 - .4 = .2 of 30 000 dollars over 1 000 is 6 lots; half of it 3, a quarter 1.5.
        (0.5, 3),
        (0.25, 1),
    ],
)
def test_kelly_is_worked_out_from_the_templates_own_trades(fraction, qty):
    kelly = KellyFacts(trades=100, wins=60, won_uusd=60_000 * USD, lost_uusd=40_000 * USD)
    size = SizeFacts(margin_used_uusd=0, margin_per_contract_uusd=USD, kelly=(kelly,))
    asked = {"equity_uusd": 30_000 * USD, "size": size, "advice_binds": True}
    engine = large_engine(kelly_fraction_max=fraction)
    assert engine.decide(cases.candidate(p_e6=600_000, stop_ticks=2, fitted=True), cases.inputs(**asked)).qty == qty


def test_below_the_margin_nothing_is_entered():
    """6.5: below what-if margin / 0.8 the bot only observes."""
    size = SizeFacts(margin_used_uusd=0, margin_per_contract_uusd=1_300 * USD, kelly=(PROVEN,))
    for equity_usd, reason in ((1_625, "ENTER"), (1_624, "SIZE_ZERO")):
        asked = {"equity_uusd": equity_usd * USD, "size": size}
        assert ENGINE.decide(cases.candidate(fitted=True), cases.inputs(**asked)).reason == reason


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ({"S": TIERS["S"], "A": TIERS["A"]}, "needs S, A and B"),
        (TIERS | {"C": TIERS["C"] | {"equity_usd_min": 7000}}, "further tiers start above B"),
        (TIERS | {"C": TIERS["C"] | {"equity_usd_min": 50_000}}, "further tiers start above B"),
    ],
)
def test_tiers_that_contradict_each_other_are_refused(tiers, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert({"decision": {"tiers": tiers}, "sizing": {"max_risk_usd": 200}}, BotConfig)


@pytest.mark.parametrize(
    "vix", [{"vix_levels": [30, 20, 40, 50]}, {"vix_factors": [0.5, 0.8, 0.2, 0]}, {"vix_levels": [1]}]
)
def test_volatility_factors_that_rise_are_refused(vix):
    with pytest.raises(msgspec.ValidationError, match="vix_levels must rise"):
        msgspec.convert({"sizing": vix}, BotConfig)


@pytest.mark.parametrize(
    ("changes", "qty"),
    [
        # 100 000 dollars in tier D: 200 dollars of risk over stops of 10.00 are 20, the tier allows 8.
        ({}, 8),
        ({"open_risk_uusd": 130 * USD}, 7),
        ({"open_risk_uusd": 191 * USD}, 0),
        ({"last_entry_qty": 3, "last_trade_lost": True}, 3),
        ({"last_entry_qty": 3, "last_trade_lost": False}, 8),
        ({"last_entry_qty": None, "last_trade_lost": True}, 8),
        ({"margin_per_contract_uusd": 16_000 * USD}, 5),
        ({"margin_used_uusd": None}, 0),
        ({"margin_per_contract_uusd": None}, 0),
    ],
)
def test_each_cap_alone(changes, qty):
    size = SizeFacts(**{"margin_used_uusd": 0, "margin_per_contract_uusd": USD, "kelly": (PROVEN,)} | changes)
    asked = {"equity_uusd": 100_000 * USD, "size": size, "advice_binds": True}
    assert ENGINE.decide(cases.candidate(fitted=True), cases.inputs(**asked)).qty == qty
