"""`latency show`: a log written by a runner, read back over the whole run."""

import json

import pytest

from tests.cli.conftest import run_main
from tests.core.worlds import OPEN_NS, ListFeed, documents, new_run, quote
from trading_bot._fast.histogram import Histogram
from trading_bot.adapters.ibkr.stages import stage_times
from trading_bot.core.replay import replay
from trading_bot.domain.events import LatencySampled
from trading_bot.domain.latency_events import LatencySummary, OrderTimed
from trading_bot.domain.orders import Leg

__all__ = ["run_main"]  # fixture
US = 1_000
MS = 1_000_000
S = 1_000 * MS


def histogram(durations_ns):
    filled = Histogram()
    for ns in durations_ns:
        filled.add(ns)
    return filled


def entry(number, **changes):
    fields = {"decode_ns": 9 * US, "decide_ns": 3 * US, "gate_ns": 60 * US, "write_ns": 20 * US}
    fields |= {"ack_ns": number * MS, "fill_ns": 2 * number * MS, "waited_ns": 3 * number * MS} | changes
    return OrderTimed(ts_ns=0, order_id=(number, 0), leg=Leg.ENTRY, **fields)


def summary(decode_ns, **fields):
    stages = (stage_times("decode", histogram(decode_ns)),)
    return LatencySummary(ts_ns=0, span_ns=60 * S, stages=stages, packets=10, frames=30, ticks=20, **fields)


@pytest.fixture
def log(tmp_path):
    """A run whose adapter told these, in this order."""

    def write(*told):
        feed = ListFeed([quote(OPEN_NS + after_ns, 24_000, 24_001) for after_ns in (0, S, 2 * S)])
        runner = new_run(tmp_path / "run", feed, documents(), first_inputs=told)
        runner.run()
        return tmp_path / "run"

    return write


def test_the_stages_are_of_the_whole_run(log, run_main):
    """Percentiles of two minutes are no mean of theirs: 100 fast ones and 100 slow ones have a p50 that is fast."""
    told = [
        summary([1 * US] * 100, clock_low_ns=-5, clock_high_ns=9, waiting_bytes_max=7, collections=1),
        *(entry(number) for number in range(1, 11)),
        OrderTimed(ts_ns=0, order_id=(1, 0), leg=Leg.STOP, ack_ns=90 * MS, waited_ns=90 * MS),
        summary([1 * MS] * 100, clock_low_ns=2 * MS, clock_high_ns=3 * MS, waiting_ticks_max=4, declined=2),
    ]
    code, out, err = run_main("latency", "show", log(*told), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    stages = {row["stage"]: row for row in found["stages"]}
    assert list(stages) == ["decode", "gate", "write", "tick_to_write", "ack", "fill"]
    decode = stages["decode"]
    assert (decode["count"], decode["max_ns"], decode["source"]) == (200, MS, "SUMMARIES")
    assert US <= decode["p50_ns"] <= 1.02 * US
    assert decode["p90_ns"] == decode["p999_ns"] == MS
    ack = stages["ack"]
    assert (ack["count"], ack["source"]) == (11, "ORDERS")
    assert (ack["p50_ns"], ack["p90_ns"], ack["p99_ns"]) == (6 * MS, 10 * MS, 90 * MS)  # 6th, 10th and 11th of 11
    assert stages["tick_to_write"]["p50_ns"] == 92 * US
    assert (found["packets"], found["ticks"], found["declined"]) == (20, 40, 2)
    assert (found["clock_low_ns"], found["clock_high_ns"]) == (2 * MS, 3 * MS)
    assert (found["waiting_bytes_max"], found["waiting_ticks_max"], found["collections"]) == (7, 4, 1)
    assert found["measured_s"] == 120.0


def test_each_order_has_its_way(log, run_main):
    told = [entry(1), entry(2, decode_ns=None, decide_ns=None, gate_ns=None, fill_ns=None)]
    folder = log(*told)
    orders = json.loads(run_main("latency", "show", folder, "--json")[1])["orders"]
    assert [(one["order"], one["leg"]) for one in orders] == [("1-0", "ENTRY"), ("2-0", "ENTRY")]
    names = ("decode_ns", "decide_ns", "gate_ns", "write_ns", "tick_to_write_ns", "ack_ns", "fill_ns")
    assert [orders[0][name] for name in names] == [9 * US, 3 * US, 60 * US, 20 * US, 92 * US, MS, 2 * MS]
    assert [orders[1][name] for name in names] == [None, None, None, 20 * US, None, 2 * MS, None]
    code, out, _ = run_main("latency", "show", folder, "--orders", "1")
    assert code == 0
    assert "Orders in µs (1 of 2)" in out
    assert "2-0" in out
    assert "1-0" not in out.split("Orders in")[1]


def test_what_was_told_changes_no_effect_and_replays(log):
    folder = log(summary([US]), entry(1), entry(2))
    report = replay(folder, build="test")
    assert (report.ok, report.first_difference_seq) == (True, None)


@pytest.mark.parametrize(
    ("told", "part"),
    [
        ((), "a file or a simulator was read"),
        ((LatencySampled(ts_ns=0, decision_us_p99=5.0, loop_lag_us_max=9.0),), "shorter than the first summary"),
    ],
)
def test_a_log_without_measurements_says_why(log, run_main, told, part):
    folder = log(*told)
    code, out, err = run_main("latency", "show", folder)
    assert (code, out) == (0, "")
    assert part in err
    assert part in json.loads(run_main("latency", "show", folder, "--json")[1])["problem"]


def test_no_log_is_an_error(run_main):
    code, out, _ = run_main("latency", "show", "nowhere", "--json")
    assert code == 2
    assert json.loads(out)["error"]["code"] == 2
