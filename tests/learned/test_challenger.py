"""Champion against challenger: the verdict on trades made for it, and its interval by a second way (feature LE11)."""

import random

import pytest

from tests.learned.facts import ENTRY_NS, S, facts, trade
from tests.reports import day_log
from trading_bot.domain.config import BotConfig
from trading_bot.domain.events import AccountSnapshot
from trading_bot.research.challenger import Verdict, compare, interval_uusd, offline_config

HOUR_NS = 3_600 * S
FIFTEEN_NS = ENTRY_NS + HOUR_NS // 2  # on the hour
USD = 1_000_000


def side(nets_usd, *, hours=20, per_hour=6):
    """So many trades an hour over so many hours; `nets_usd(n)` gives the net of trade n."""
    rows = []
    for number in range(hours * per_hour):
        entry_ns = FIFTEEN_NS + number * HOUR_NS // per_hour
        gross_uusd = round(nets_usd(number) * USD) + 2_500_000
        rows.append(trade(trade_id=f"{number}-0", entry_ts_ns=entry_ns, gross_uusd=gross_uusd))
    return facts(*rows)


def noise(seed, mean):
    drawn = random.Random(seed)
    return lambda _number: mean + drawn.gauss(0, 6)


def test_fewer_than_a_hundred_trades_are_too_few():
    many, few = side(noise(1, 0)), side(noise(2, 9), per_hour=4)
    found = compare(many, few)
    assert (found.champion.trades, found.challenger.trades) == (120, 80)
    assert found.verdict is Verdict.TOO_FEW
    assert "a verdict needs 100 of each" in found.why


def test_a_market_of_an_hour_is_too_short_whatever_is_traded_in_it():
    found = compare(side(noise(1, 0), hours=1, per_hour=120), side(noise(2, 9), hours=1, per_hour=120))
    assert (found.verdict, found.low_uusd, found.blocks) == (Verdict.TOO_FEW, None, 1)


@pytest.mark.parametrize(("mean", "verdict"), [(5.0, Verdict.BETTER), (-5.0, Verdict.WORSE), (0.0, Verdict.NOT_SHOWN)])
def test_the_verdict_follows_the_interval(mean, verdict):
    found = compare(side(noise(1, 0)), side(noise(2, mean)))
    assert found.verdict is verdict
    assert found.low_uusd < found.difference_uusd < found.high_uusd
    assert found.difference_uusd == found.challenger.net_uusd - found.champion.net_uusd
    assert (found.block, found.blocks) == ("hour", 20)


def test_the_same_trades_differ_by_nothing():
    found = compare(side(noise(1, 0)), side(noise(1, 0)))
    assert (found.difference_uusd, found.low_uusd, found.high_uusd) == (0, 0, 0)
    assert found.verdict is Verdict.NOT_SHOWN


def test_ten_sessions_are_compared_session_by_session():
    def days(nets):
        rows = [
            trade(trade_id=f"{day}-{number}", trade_date=20261101 + day, gross_uusd=round(nets(number) * USD))
            for day in range(10)
            for number in range(12)
        ]
        return facts(*rows)

    found = compare(days(noise(1, 0)), days(noise(2, 0)))
    assert (found.block, found.blocks) == ("session", 10)


def test_the_interval_is_that_of_plain_resampling():
    """The bias correction moves it little where the blocks are even; a plain percentile must be close by."""
    drawn = random.Random(9)
    blocks = [round(drawn.gauss(4, 10) * USD) for _ in range(40)]
    sums = sorted(sum(drawn.choices(blocks, k=40)) for _ in range(8_000))
    low_uusd, high_uusd = interval_uusd(blocks)
    width = sums[7_799] - sums[200]
    assert low_uusd == pytest.approx(sums[200], abs=0.06 * width)
    assert high_uusd == pytest.approx(sums[7_799], abs=0.06 * width)
    assert interval_uusd(blocks) == (low_uusd, high_uusd), "seeded"
    assert interval_uusd(blocks[:4]) == (None, None)


@pytest.mark.parametrize(("assumed", "expected_usd"), [(False, 12_345.67), (True, 10_000.0)])
def test_a_side_begins_with_the_money_of_the_log_s_account(tmp_path, assumed, expected_usd):
    """Where no account existed the log's configuration said what was assumed: 10 000 USD (specification 6.5)."""
    snapshot = AccountSnapshot(
        ts_ns=day_log.at(0), account="DUSIM1", equity_uusd=12_345_670_000, margin_free_uusd=0, assumed=assumed
    )
    later = AccountSnapshot(ts_ns=day_log.at(9), account="DUSIM1", equity_uusd=1, margin_free_uusd=0)
    day_log.write(tmp_path / "run" / "20261125", [day_log.started(), snapshot, later])
    config = offline_config(BotConfig(), tmp_path / "run")
    assert config.decision.equity_assumed_usd == expected_usd
    assert (config.run.mode, config.run.adapter) == ("BACKTEST", "files")


def test_shadow_trades_do_not_count():
    ours = side(noise(1, 0))
    ghosts = facts(*(*ours.trades, *(trade(shadow=True, trade_id=f"s{number}-0") for number in range(50))))
    assert compare(ours, ghosts).challenger.trades == 120
