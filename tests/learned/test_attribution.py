"""Skill, luck and execution by hand, the classes by their table, the market afterwards by a plain scan (LE07, LE08)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.learned.facts import ENTRY_NS, ORDER, TICK_UUSD, S, facts, trade
from tests.reports import day_log
from tests.reports.day_log import quote
from trading_bot.analytics.attribution import TradeClass, attribute, attribution_of, class_of, sigma_ticks
from trading_bot.domain.orders import Side
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.reports import forward_path
from trading_bot.reports.forward_path import Asked, Look, look_forward

WINNER = trade()
LOSER = trade(exit_reason="STOP", gross_uusd=-10 * TICK_UUSD, slippage_ticks=2.0, slippage_expected_ticks=1.0)


def test_a_winner_by_hand():
    """T 16, S 8, p .5 each: edge = 8 - 4 = 4 ticks, cost 2.75: 1.25 ticks or 1.5625 USD were expected.

    It made 16 ticks = 20.00 less 2.50 = 17.50 USD. Slippage was half a tick less than expected: execution +.625. So
    luck is 17.50 - 1.5625 - .625 = 15.3125. Sigma: sqrt(.5 * 12^2 + .5 * 12^2) = 12 ticks = 15.00 USD.
    Luck's share = 15.3125 / 30.3125 = .505155; execution's 1 (nothing was lost); weight = .494845.
    """
    found = attribution_of(WINNER, ORDER, ())
    assert (found.net_uusd, found.skill_uusd, found.execution_uusd) == (17_500_000, 1_562_500, 625_000)
    assert (found.luck_uusd, found.sigma_uusd) == (15_312_500, 15_000_000)
    assert found.luck == pytest.approx(0.5051546, abs=1e-7)
    assert (found.skill, found.execution, found.late_ns) == (pytest.approx(1 - 0.5051546, abs=1e-7), 1.0, 0)
    assert found.weight == pytest.approx(0.4948454, abs=1e-7)


def test_a_loser_by_hand():
    """10 ticks lost with 2 ticks of slippage where 1 was expected: -12.50 - 2.50 = -15.00 USD.

    Execution -1 tick = -1.25; luck = -15.00 - 1.5625 + 1.25 = -15.3125 USD, as far from the promise as the winner's.
    Execution's share = 1 / (1 + 1/2) = .666667; weight = .494845 * .666667 = .329897.
    """
    found = attribution_of(LOSER, ORDER, ())
    assert (found.skill_uusd, found.execution_uusd, found.luck_uusd) == (1_562_500, -1_250_000, -15_312_500)
    assert found.execution == pytest.approx(2 / 3)
    assert found.weight == pytest.approx(0.3298969, abs=1e-7)


def test_a_late_fill_costs_execution():
    """Sent with 10 s to live, filled after 20 s: half."""
    found = attribution_of(trade(entry_ts_ns=ENTRY_NS + 19 * S), ORDER, ())
    assert (found.execution, found.late_ns) == (0.5, 10 * S)


def test_the_spread_of_three_ends_by_hand():
    """A chance of .4 of +16, .4 of -8, .2 of a mark m with edge .4*16 - .4*8 + .2*m = 3.4 ticks: m = 1.

    Variance = .4 * 12.6^2 + .4 * 11.4^2 + .2 * 2.4^2 = 63.504 + 51.984 + 1.152 = 116.64 = 10.8^2.
    """
    row = trade(p_e6=400_000, p_stop_e6=400_000, edge_e6=3_400_000)
    assert sigma_ticks(row) == pytest.approx(10.8)


@given(
    gross_ticks=st.integers(-40, 40),
    qty=st.integers(1, 5),
    fees=st.integers(0, 9_000_000),
    edge=st.integers(-20_000_000, 20_000_000),
    cost=st.integers(0, 9_000_000),
    slip=st.integers(-3, 9),
    p=st.integers(0, 1_000_000),
)
def test_the_parts_add_up_to_the_micro_dollar(gross_ticks, qty, fees, edge, cost, slip, p):
    row = trade(
        gross_uusd=gross_ticks * TICK_UUSD * qty,
        commission_uusd=fees,
        qty=qty,
        edge_e6=edge,
        cost_e6=cost,
        slippage_ticks=float(slip),
        p_e6=p,
        p_stop_e6=1_000_000 - p,
    )
    found = attribution_of(row, ORDER, ())
    assert found.skill_uusd + found.luck_uusd + found.execution_uusd == row.net_uusd
    assert 0 <= found.luck <= 1
    assert 0 < found.execution <= 1
    assert found.weight == pytest.approx((1 - found.luck) * found.execution)


def test_a_trade_whose_terms_are_not_in_the_log_teaches_nothing():
    found = attribution_of(trade(edge_e6=None, cost_e6=None, stop_ticks=None, target_ticks=None), None, ())
    assert (found.skill_uusd, found.weight, found.attributable) == (None, None, False)
    assert found.trade_class is TradeClass.UNKNOWN


def look(target_s=None, stop_s=None, mark_ticks=20_000):
    def at(seconds):
        return None if seconds is None else ENTRY_NS + seconds * S

    return Look(target_ns=at(target_s), stop_ns=at(stop_s), mark_ticks=mark_ticks)


LOST = -8 * TICK_UUSD


@pytest.mark.parametrize(
    ("changes", "seen", "expected"),
    [
        ({}, look(target_s=60), "RIGHT_PAID"),
        ({"exit_reason": "TIME"}, look(mark_ticks=20_003), "RIGHT_PAID"),
        ({"exit_reason": "TIME"}, look(mark_ticks=20_000), "LUCKY"),
        ({"exit_reason": "TRAILING"}, look(stop_s=90), "LUCKY"),
        ({"exit_reason": "STOP", "gross_uusd": LOST}, look(stop_s=30), "WRONG"),
        ({"exit_reason": "STOP", "gross_uusd": LOST}, look(stop_s=30, target_s=200), "RIGHT_STOPPED_FIRST"),
        ({"exit_reason": "STOP", "gross_uusd": LOST}, look(target_s=200), "RIGHT_STOPPED_FIRST"),
        ({"exit_reason": "THESIS", "gross_uusd": LOST}, look(stop_s=90, target_s=200), "WRONG"),
        ({"exit_reason": "THESIS", "gross_uusd": LOST}, look(target_s=200), "RIGHT_LEFT_EARLY"),
        ({"exit_reason": "THESIS", "gross_uusd": LOST}, look(mark_ticks=20_001), "RIGHT_LEFT_EARLY"),
        ({"exit_reason": "THESIS", "gross_uusd": LOST}, look(mark_ticks=19_999), "WRONG"),
        ({"exit_reason": "TIME", "gross_uusd": TICK_UUSD}, look(target_s=200), "RIGHT_COSTS"),
        ({}, None, "UNKNOWN"),
    ],
)
def test_classes(changes, seen, expected):
    assert class_of(trade(**changes), seen) == expected


def test_a_short_trade_is_right_when_the_price_falls():
    row = trade(side=Side.SELL, exit_reason="TIME")
    assert class_of(row, look(mark_ticks=19_990)) is TradeClass.RIGHT_PAID
    assert class_of(row, look(mark_ticks=20_010)) is TradeClass.LUCKY


def test_a_template_s_parts_by_hand():
    """Winner and loser: luck 15.3125 - 15.3125 = 0, so z = 0; execution .625 - 1.25; 2.50 net in all.

    Shown: (2.50 + .625) / (2 + 20) = .142045 USD a trade.
    """
    other = trade(trade_id="200-0", shadow=True)
    found = attribute(facts(WINNER, LOSER, other), forward=False)
    [row] = found.templates
    assert (row.trades, row.shadow_trades, row.attributable) == (2, 1, 0)
    assert (row.net_uusd, row.skill_uusd, row.luck_uusd, row.execution_uusd) == (2_500_000, 3_125_000, 0, -625_000)
    assert (row.luck_z, row.shown_uusd, row.unknown_uusd) == (0.0, 142_045, 0)


def tape(tmp_path, seed):
    """A walk of quotes, two a second, for 40 minutes; some of them crossed or one-sided, which do not count."""
    random.seed(seed)
    bid, records = 20_000, []
    for number in range(4_800):
        bid += random.choice((-1, 0, 0, 1))
        ask = bid + random.choice((1, 1, 2, 0))
        bid_qty = 0 if random.random() < 0.05 else 10
        records.append((ENTRY_NS + number * S // 2, bid, ask, bid_qty))
    log = day_log.write(tmp_path / "log", [day_log.started(), *(quote(*row) for row in records)])
    return log, [(ts_ns, low, high) for ts_ns, low, high, qty in records if qty and high > low]


@pytest.mark.parametrize("batch", [97, 1 << 16])
@pytest.mark.parametrize("seed", range(2))
def test_what_came_first_by_a_plain_scan(tmp_path, monkeypatch, seed, batch):
    monkeypatch.setattr(forward_path, "_BATCH_TICKS", batch)
    log, quotes = tape(tmp_path, seed)
    asked = [
        Asked(ENTRY_NS + at * 60 * S, sign, 20_000 + sign * reach, 20_000 - sign * reach)
        for at in (0, 1, 7, 12)
        for sign in (1, -1)
        for reach in (3, 12, 40)
    ]
    horizons = [15 * NS_PER_MIN, 30 * NS_PER_MIN]
    for one, looks in zip(asked, look_forward(log, asked, horizons), strict=True):
        for horizon_ns, found in zip(horizons, looks, strict=True):
            end_ns = one.ts_ns + horizon_ns
            if end_ns > quotes[-1][0]:
                assert found is None
                continue
            side = 1 if one.sign > 0 else 2
            inside = [row for row in quotes if one.ts_ns <= row[0] <= end_ns]
            target = next((r[0] for r in inside if (r[side] - one.target_price_ticks) * one.sign >= 0), None)
            stop = next((r[0] for r in inside if (r[side] - one.stop_price_ticks) * one.sign <= 0), None)
            mark = [row[side] for row in quotes if row[0] <= end_ns][-1]
            assert (found.target_ns, found.stop_ns, found.mark_ticks) == (target, stop, mark)
