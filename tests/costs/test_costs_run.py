"""Two sessions on the simulated market: the first one's fills change what the second expects, and the log says so."""

import json
import math
import subprocess
import sys
from collections import Counter

import pytest

from tests.core.worlds import messages
from trading_bot.domain.events import StateCarried
from trading_bot.domain.trade_events import FillMeasured, OrderFilled, ParamsAdopted, TradeOpened
from trading_bot.engines.costs import FillKind

STRATEGY = """schema = 1
[template.E1]
on = true
title = "in and out with the queue, for tests"
cadence = "grid"
entry = "marketable"
target_ticks = 30
stop_ticks = 3
hold_s = 20
gain = 8.0
belief_enter = 0.6
belief_hold = 0.55
rearm_s = 1.0
weights = { queue_imbalance = 1.0 }
triggers = [{ signal = "queue_imbalance", min = 0.2 }]
[template.E1.exits]
thesis_belief = 0.0
trail = false
"""
CONFIG = """schema = 1
[decision]
stability_max = 9.0
equity_assumed_usd = 1000000.0
[costs]
cost_share_max = 1.0
fit_fills_min = 10
fit_pseudo_fills = 10
[safety]
entries_per_minute_max = 60
entries_per_hour_max = 600
entries_per_day_max = 1000
attempts_per_day_max = 10000
fees_day_usd_max = 10000.0
[lockouts]
spread_ticks = 100
slippage_ticks = 100.0
[reentry]
cooldown_s = 0
cooldown_loss_s = 0
[breakers]
losses_in_row_max = 100
[learning]
look_every_trades = 1000
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Summary and records of each of two trading days."""
    base = tmp_path_factory.mktemp("costs")
    (base / "eager.toml").write_text(STRATEGY)
    (base / "open.toml").write_text(CONFIG)
    found = []
    for start in ("2026-11-24T15:00:00Z", "2026-11-25T15:00:00Z"):
        done = subprocess.run(
            [
                sys.executable, "-m", "trading_bot.cli", "--mode", "OBSERVE", "--adapter", "sim", "--seed", "5",
                "--data-dir", str(base / "data"), "--config", str(base / "open.toml"),
                "--strategies", str(base / "eager.toml"), "--start", start, "--duration", "2400", "--json",
            ],
            capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        summary = json.loads(done.stdout)
        found.append((summary, [record for _, record in messages(base / "data" / "runs" / summary["run_id"])]))
    return found


def of(records, kind):
    return [record for record in records if isinstance(record, kind)]


def test_every_fill_records_what_it_cost(runs):
    for _, records in runs:
        fills, measured = of(records, OrderFilled), of(records, FillMeasured)
        assert len(fills) > 20
        assert [(one.order_id, one.leg, one.qty, one.commission_uusd) for one in fills] == [
            (one.order_id, one.leg, one.qty, one.commission_uusd) for one in measured
        ]
        opened = {one.order_id: one for one in of(records, TradeOpened)}
        for one in measured:
            assert one.hypothetical
            if one.fill_kind == FillKind.ENTRY:
                assert one.slippage_ticks == opened[one.order_id].slippage_ticks
                assert one.expected_e6 == opened[one.order_id].slippage_expected_e6 > 0


def test_the_second_session_adopts_what_the_first_taught(runs):
    (_, first), (_, second) = runs
    assert not of(first, ParamsAdopted), "nothing was known before the first"
    entries = [one for one in of(first, FillMeasured) if one.fill_kind == FillKind.ENTRY]
    stops = [one for one in of(first, FillMeasured) if one.fill_kind == FillKind.STOP]
    assert len(entries) >= 10
    for name, fills in (("entry_slippage_factor_e6", entries), ("stop_slippage_factor_e6", stops)):
        told = [one for one in of(second, ParamsAdopted) if one.parameter == name]
        if len(fills) < 10:
            assert not told
            continue
        ratio = sum(one.slippage_ticks for one in fills) / (sum(one.expected_e6 for one in fills) / 1e6)
        shrunk = (len(fills) * ratio + 10) / (len(fills) + 10)
        wanted = min(max(shrunk, 0.25, 1 / 1.5), 4.0, 1.5)
        assert [(one.old, one.fills) for one in told] == [(1_000_000, len(fills))]
        assert told[0].new == pytest.approx(wanted * 1e6, abs=1)
    assert Counter(type(one) for one in second)[ParamsAdopted] == len(of(second, ParamsAdopted)) > 0
    at = next(index for index, one in enumerate(second) if isinstance(one, StateCarried))
    assert all(isinstance(one, ParamsAdopted) for one in second[at + 1 : at + 1 + len(of(second, ParamsAdopted))])


def test_the_second_session_expects_what_it_adopted(runs):
    """Base slippage is .5 at calm; its multiples by spread and hour are multiplied by the factor as well."""
    _, second = runs[1]
    factor = next(one.new for one in of(second, ParamsAdopted) if one.parameter == "entry_slippage_factor_e6")
    expected = [one.expected_e6 for one in of(second, FillMeasured) if one.fill_kind == FillKind.ENTRY]
    steps = {math.floor(base * hour * factor + 0.5) for base in (0.5, 1.5, 2.5, 3.5, 4.5) for hour in (1.0, 1.5)}
    assert expected
    assert set(expected) <= steps


def test_both_replay_from_their_logs_alone(runs):
    for summary, _ in runs:
        replayed = subprocess.run(
            [sys.executable, "-m", "trading_bot.cli", "replay", summary["log_path"], "--json"],
            capture_output=True,
            check=False,
        )
        assert json.loads(replayed.stdout)["ok"] is True, replayed.stdout
