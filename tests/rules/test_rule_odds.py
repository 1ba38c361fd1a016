"""NV12: odds against cases whose answer is known without a bootstrap."""

import json

import msgspec
import pytest

from trading_bot.cli import main
from trading_bot.domain.errors import UsageError
from trading_bot.domain.rule_pack import Consistency, DailyLoss, RulePack, TrailingDrawdown
from trading_bot.research.rule_odds import DayTrade, rule_odds

USD = 1_000_000


def pack(*rules, target_usd=300, days_min=0):
    return RulePack(
        name="t", account_uusd=10_000 * USD, rules=rules, profit_target_uusd=target_usd * USD, days_min=days_min
    )


def static(limit_usd):
    """A drawdown whose line never rises."""
    return TrailingDrawdown(limit_uusd=limit_usd * USD, basis="end_of_day", locks_at_uusd=(10_000 - limit_usd) * USD)


def trade(net_usd, best_usd=0, worst_usd=0):
    return DayTrade(net_usd * USD, best_usd * USD, worst_usd * USD)


def test_a_gambler_between_two_walls():
    """+100 with p = 3/5, else -100, walls at +-300: (1 - r^3) / (1 - r^6) with r = 2/3 passes (Feller 1968, XIV)."""
    days = [[trade(100)]] * 3 + [[trade(-100)]] * 2
    exact = (1 - (2 / 3) ** 3) / (1 - (2 / 3) ** 6)
    found = rule_odds(pack(static(300)), days, risk_uusd=0, horizon_days=400, paths=4_000)
    assert found.pass_p == pytest.approx(exact, abs=4 * found.error_p)
    assert found.error_p == pytest.approx((exact * (1 - exact) / 4_000) ** 0.5, rel=0.05)
    assert found.broken_p["RULE_TRAILING_END_OF_DAY"] == pytest.approx(1 - exact, abs=4 * found.error_p)
    assert (found.open_p, found.stopped_p) == (0, 0)


def test_a_certain_pass_takes_its_days():
    days = [[trade(60), trade(40)]] * 5
    assert rule_odds(pack(static(500)), days, risk_uusd=0, paths=100).days_to_pass == 3
    assert rule_odds(pack(static(500), days_min=7), days, risk_uusd=0, paths=100).days_to_pass == 7
    assert rule_odds(pack(static(500)), days, risk_uusd=0, paths=100, horizon_days=2).open_p == 1


def test_consistency_caps_a_day_and_delays_the_pass():
    """Three trades of 100 a day, 40 %, by hand.

    Caps of the days: 120, 133 (2/3 of 200), 267, 467. They earn 200, 200, 300, 300; the best is 50 %, 50 %, 43 %, 30 %.
    """
    days = [[trade(100)] * 3] * 5
    free = rule_odds(pack(static(500)), days, risk_uusd=0, paths=100)
    capped = rule_odds(pack(static(500), Consistency(best_day_ppm=400_000)), days, risk_uusd=0, paths=100)
    assert (free.days_to_pass, capped.days_to_pass) == (1, 4)


def test_the_best_moment_of_a_trade_moves_an_intraday_line_and_no_other():
    days = [[trade(100, best_usd=1_000, worst_usd=-200)]] * 5
    intraday = TrailingDrawdown(limit_uusd=1_100 * USD, basis="intraday")
    found = rule_odds(pack(intraday), days, risk_uusd=0, paths=100)
    assert found.broken_p == {"RULE_TRAILING_INTRADAY": 1.0}
    end_of_day = TrailingDrawdown(limit_uusd=1_100 * USD, basis="end_of_day")
    assert rule_odds(pack(end_of_day), days, risk_uusd=0, paths=100).pass_p == 1


def test_without_room_for_a_stop_the_bot_does_not_trade_on():
    """30 are lost, 40 are allowed, a trade may lose 15: the day is over, and no line is reached."""
    days = [[trade(-30), trade(-30)]] * 5
    kept = rule_odds(pack(DailyLoss(limit_uusd=40 * USD)), days, risk_uusd=15 * USD, paths=100)
    assert (kept.broken_p, kept.open_p) == ({}, 1)
    bold = rule_odds(pack(DailyLoss(limit_uusd=40 * USD)), days, risk_uusd=0, paths=100)
    assert bold.broken_p == {"RULE_DAILY_LOSS": 1.0}
    stopped = rule_odds(pack(static(40)), days, risk_uusd=15 * USD, paths=100)
    assert stopped.stopped_p == 1


def test_the_seed_decides():
    days = [[trade(100)], [trade(-80)], [trade(30)], [], [trade(-10)]]
    first = rule_odds(pack(static(200)), days, risk_uusd=0, paths=300, seed=3)
    assert first == rule_odds(pack(static(200)), days, risk_uusd=0, paths=300, seed=3)
    assert first != rule_odds(pack(static(200)), days, risk_uusd=0, paths=300, seed=4)


def test_too_little_is_refused():
    with pytest.raises(UsageError, match="expected at least 5 days"):
        rule_odds(pack(static(200)), [[trade(1)]] * 4, risk_uusd=0)
    with pytest.raises(UsageError, match="nothing to pass"):
        rule_odds(pack(static(200), target_usd=0), [[trade(1)]] * 9, risk_uusd=0)


def test_the_commands(capfdbinary):
    assert main(["rules", "show", "evaluation_50k_intraday", "--json"]) == 0
    shown = json.loads(capfdbinary.readouterr().out)
    assert shown["account_uusd"] == 50_000 * USD
    assert [rule["kind"] for rule in shown["rules"]] == ["trailing_drawdown", "daily_loss", "consistency", "flat_by"]
    assert main(["rules", "show", "funded_50k_end_of_day"]) == 0
    out = capfdbinary.readouterr().out.decode()
    assert "15:50 ET" in out
    assert "2,500.00 USD, locks at 50,100.00 USD" in out
    assert main(["rules", "odds", "small_account", "--log", "nowhere"]) == 2


def test_a_closed_trade_as_the_odds_see_it():
    from tests.core.handler_world import World, of
    from trading_bot.domain.orders import Leg, Side
    from trading_bot.domain.trade_events import TradeClosed
    from trading_bot.research.rule_odds import _trade

    world = World()
    world.hold(1)
    [closed] = of(world.fill(Leg.TARGET, Side.SELL, 1, 24_013), TradeClosed)
    found = _trade(msgspec.structs.replace(closed.outcome, mfe_ticks=14.0, mae_ticks=3.0))
    assert found == DayTrade(12 * 1_250_000 - 2_500_000, 17_500_000, -3_750_000)
