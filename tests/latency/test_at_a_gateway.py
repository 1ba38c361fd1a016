"""EX17, MO10: a bot's run at a gateway by the real library tells the way of its orders, and replays."""

import json

import pytest

from tests.cli.conftest import run_main
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.chaos.bots import STYLES, environment
from trading_bot.core.event_log import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.effects import PlaceOrder
from trading_bot.domain.events import OrderAcknowledged
from trading_bot.domain.latency_events import LatencySummary, OrderTimed
from trading_bot.domain.orders import Leg
from trading_bot.domain.trade_events import OrderFilled, OrderWorking

__all__ = ["run_main"]  # fixture
START_NS = 1_795_617_300_000_000_000  # 2026-11-25T14:35:00Z
SPEED = 10.0
S = 1_000_000_000
END_NS = 2**63


def records(folder):
    for log in session_logs(folder):
        with LogReader(log) as reader:
            for item in reader.spans():
                if isinstance(item, MessageFrame):
                    yield log_records.decode(item.payload)


@pytest.fixture
def run(run_main, monkeypatch, tmp_path):
    """A bot that trades whenever it may, for twelve seconds of the wall; its folder and what it told."""

    def one(*arguments):
        strategy = STYLES["quick"].replace('cadence = "grid"', 'cadence = "tick"')
        (tmp_path / "s.toml").write_text(strategy)
        for name, value in environment({"latency.summary_s": 5, "latency.order_wait_s": 1.0}).items():
            if name.startswith("TRADING_BOT__"):
                monkeypatch.setenv(name, value)
        common = ("--mode", "PAPER", "--adapter", "ibkr", "--account", "DUSIM1", "--clock", "feed", "--speed", "10")
        with running_gateway(seed=7, speed=SPEED, start_ns=START_NS) as gateway:
            port = ("--port", gateway.port, "--strategies", "s.toml", "--duration", "12", "--json")
            code, out, _ = run_main(*common, *port, *arguments)
        summary = json.loads(out)
        assert code == 0, summary
        return tmp_path / summary["log_path"]

    return one


def test_every_order_that_left_is_timed_and_the_run_replays(run, run_main):
    folder = run()
    found = list(records(folder))
    placed = [record.order.order_id for record in found if isinstance(record, PlaceOrder)]
    timed = [record for record in found if isinstance(record, OrderTimed)]
    entries = [one for one in timed if one.leg is Leg.ENTRY]
    answered = {
        record.order_id: record.ts_ns
        for record in found
        if isinstance(record, OrderAcknowledged | OrderWorking | OrderFilled)
    }
    early = [order_id for order_id in placed if answered.get(order_id, END_NS) < found[-1].ts_ns - 3 * SPEED * S]
    assert early
    assert {one.order_id for one in entries} >= set(early)  # the last ones may still have been under way
    assert len({one.order_id for one in entries}) == len(entries)
    assert {one.order_id for one in entries} <= set(placed)
    assert all(0 < one.ack_ns < 10 * S for one in entries if one.order_id in answered)
    assert all(one.fill_ns is None or one.fill_ns >= one.ack_ns > 0 for one in entries)
    assert all(one.write_ns and one.write_ns < 10 * S for one in entries)
    of_ticks = [one for one in entries if one.decide_ns is not None]
    assert of_ticks
    assert all(one.tick_to_write_ns is not None and one.tick_to_write_ns < 10 * S for one in of_ticks)
    assert {one.leg for one in timed} >= {Leg.ENTRY, Leg.STOP, Leg.TARGET}
    summaries = [record for record in found if isinstance(record, LatencySummary)]
    assert summaries
    assert sum(one.ticks for one in summaries) > 100
    assert {stage.stage for one in summaries for stage in one.stages} >= {"decode", "decide", "loop_lag"}
    assert sum(one.collections for one in summaries) == 0
    low_ns, high_ns = summaries[-1].clock_low_ns, summaries[-1].clock_high_ns
    assert low_ns is None or low_ns <= high_ns
    assert run_main("replay", folder, "--json")[0] == 0
    shown = json.loads(run_main("latency", "show", folder, "--json")[1])
    assert len(shown["orders"]) == len(timed)
