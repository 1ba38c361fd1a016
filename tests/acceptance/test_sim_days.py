"""Whole days on the simulated market, as a user runs them: flat in time, the same twice, learning that survives.

Times are New York's, written in UTC: 15:55 ET is 20:55Z in winter, 19:55Z from 2026-03-08 on; on 2026-11-27 NYSE closes
at 13:00 ET, so flat by 12:55 ET is 17:55Z.
"""

import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.core.worlds import messages
from trading_bot.core.learning_file import load_learning
from trading_bot.domain import events
from trading_bot.domain.effects import PlaceExit, PlaceOrder
from trading_bot.domain.reasons import GateReason
from trading_bot.domain.trade_events import BreakerChanged, FlattenAdvanced, OrderFilled, TradeClosed, TradeOpened
from trading_bot.domain.units import NS_PER_S

EAGER = """schema = 1
[template.E1]
on = true
title = "lean with the queue, for tests: holds long, so that something is open when it matters"
cadence = "grid"
entry = "marketable"
target_ticks = 40
stop_ticks = 12
hold_s = 1200
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
# Wide where a limit would end the day early; the flatten, the kill switch and the stops are the shipped ones.
OPEN = """schema = 1
[decision]
stability_max = 9.0
equity_assumed_usd = 1000000.0
[costs]
cost_share_max = 1.0
[safety]
entries_per_minute_max = 60
entries_per_hour_max = 600
entries_per_day_max = 1000
attempts_per_day_max = 10000
fees_day_usd_max = 10000.0
[breakers]
losses_in_row_max = 100
[lockouts]
volatility_min = 1
spread_ticks = 100
slippage_ticks = 100.0
[reentry]
cooldown_s = 0
cooldown_loss_s = 0
[exits]
break_even_from_r = 100.0
lock_from_r = 100.0
"""


def at(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S


def sim(data_dir: Path, *arguments, mode="OBSERVE"):
    """Exit code, summary (None when there is none) and what was said, of one command in its own process."""
    done = subprocess.run(
        [
            sys.executable, "-m", "trading_bot.cli", "--mode", mode, "--adapter", "sim", "--data-dir", str(data_dir),
            *map(str, arguments), "--json",
        ],
        capture_output=True,
        check=False,
    )  # fmt: skip
    document = json.loads(done.stdout)
    return done.returncode, document, done.stderr.decode()


def day(data_dir: Path, *arguments, mode="OBSERVE"):
    """A run that ends with 0: its summary and every record of its logs; the replay of its log is equal."""
    code, summary, said = sim(data_dir, *arguments, mode=mode)
    assert code == 0, said
    replayed = subprocess.run(
        [sys.executable, "-m", "trading_bot.cli", "replay", summary["log_path"], "--json"],
        capture_output=True,
        check=False,
    )
    assert json.loads(replayed.stdout)["ok"] is True, replayed.stdout
    return summary, [record for _, record in messages(Path(summary["log_path"]))]


def shown(data_dir: Path, *arguments):
    """What `learning show` says, as JSON."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "trading_bot.cli",
            "learning",
            "show",
            *map(str, arguments),
            "--json",
            "--data-dir",
            data_dir,
        ],
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


def of(records, kind):
    return [record for record in records if isinstance(record, kind)]


def flat_since(records):
    """When the position became zero for the last time, from nothing but the executions."""
    position, since_ns = 0, 0
    for fill in of(records, OrderFilled):
        position += fill.qty if fill.side == "BUY" else -fill.qty
        since_ns = fill.ts_ns if position == 0 else None
    assert position == 0
    return since_ns


@pytest.fixture
def eager(tmp_path):
    """Options for a day full of positions."""
    (tmp_path / "eager.toml").write_text(EAGER)
    (tmp_path / "open.toml").write_text(OPEN)
    return ("--strategies", tmp_path / "eager.toml", "--config", tmp_path / "open.toml")


@pytest.mark.parametrize(
    ("start", "flatten", "close"),
    [
        pytest.param("2026-11-25T14:20:00Z", "2026-11-25T20:55:00Z", "2026-11-25T21:00:00Z", id="normal day"),
        pytest.param("2026-11-27T14:20:00Z", "2026-11-27T17:55:00Z", "2026-11-27T18:00:00Z", id="half day"),
        pytest.param("2026-03-09T13:20:00Z", "2026-03-09T19:55:00Z", "2026-03-09T20:00:00Z", id="after clock change"),
    ],
)
def test_the_day_is_flat_five_minutes_before_its_close(tmp_path, eager, start, flatten, close):
    summary, records = day(tmp_path / "data", "--seed", 7, "--start", start, *eager)
    assert summary["trades_closed"] > 20
    told = of(records, events.SessionExitFlatten)
    assert [(one.ts_ns, one.reason, one.minutes_remaining) for one in told] == [
        (at(flatten), "MINUTES_TO_RTH_CLOSE", 5.0)
    ]
    # The exit is sent at that very moment and fills within a second; then nothing more is entered.
    assert flat_since(records) <= at(flatten) + NS_PER_S
    entries = of(records, PlaceOrder)
    assert entries
    assert max(entry.ts_ns for entry in entries) < at(close) - 15 * 60 * NS_PER_S
    assert (summary["position_qty"], summary["ts_flatten_ns"]) == (0, at(flatten))
    assert summary["orders"] == 0, "OBSERVE sends none"
    assert summary["pnl_net_usd"] == 0.0, "a hypothetical result is no result"
    assert all(trade.outcome.hypothetical for trade in of(records, TradeClosed))


def test_a_position_that_is_open_at_the_time_is_closed_by_the_plan(tmp_path, eager):
    """Entries end at 15:45, a hold of 20 minutes outlasts 15:55: on most days something is open then."""
    closed = []
    for seed in range(6):
        _, records = day(tmp_path / str(seed), "--seed", seed, "--start", "2026-11-25T20:40:00Z", *eager)
        closed += [t.outcome.exit_ts_ns for t in of(records, TradeClosed) if t.outcome.exit_reason == "SESSION"]
        steps = [(step.ts_ns, step.plan, step.command) for step in of(records, FlattenAdvanced)]
        if any(t.outcome.exit_reason == "SESSION" for t in of(records, TradeClosed)):
            assert steps[0][0] == at("2026-11-25T20:55:00Z")
            assert ("SESSION", "EXIT_LIMIT") in {step[1:] for step in steps}
            # T-4:45 verifies with the broker, whatever we believe.
            assert (at("2026-11-25T20:55:15Z"), "SESSION", "ASK_BROKER") in steps
            assert of(records, FlattenAdvanced)[-1].step == "DONE"
    assert closed, "no seed had a position at 15:55"
    assert all(at("2026-11-25T20:55:00Z") < ts_ns < at("2026-11-25T20:55:01Z") for ts_ns in closed)


def test_a_holiday_has_no_entries(tmp_path, eager):
    summary, records = day(tmp_path / "data", "--seed", 7, "--start", "2026-11-26T14:20:00Z", *eager)
    assert summary["approvals"] == 0
    assert not of(records, PlaceOrder)
    decisions = of(records, events.DecisionMade)
    assert len(decisions) == summary["decisions"] > 0
    assert all(decision.mask >> GateReason.SESSION_NYSE_SHUT & 1 for decision in decisions)
    # Globex is thin that day: after a minute without a trade the data score, which is asked first, says no as well.
    assert set(summary["skips_by_reason"]) <= {"SESSION_NYSE_SHUT", "DVS_LOW"}


STALL = '[simulator]\nfaults = ["STALL 2026-11-25T20:50:00Z 1500"]\n'


@pytest.mark.parametrize("killed", [False, True], ids=["the ladder alone", "the kill switch first"])
def test_a_feed_that_stalls_from_15_50_is_flat_by_timers(tmp_path, eager, killed):
    """No record comes after 15:50. Shipped, ten seconds below .30 with a position pull the kill switch; with that
    patience stretched beyond the close, the session's ladder has to do it alone.
    """
    config = tmp_path / "stall.toml"
    patient = OPEN if killed else OPEN + "quality_exit_s = 3600.0\n"  # of [exits]
    config.write_text(patient + STALL + ("" if killed else "[quality]\nkill_after_s = 600\n"))
    options = (*eager[:2], "--config", config, "--start", "2026-11-25T20:40:00Z")
    held = 0
    for seed in range(6):
        code, summary, said = sim(tmp_path / str(seed), "--seed", seed, *options)
        records = [record for _, record in messages(Path(summary["log_path"]))]
        assert summary["position_qty"] == 0, said
        last_ns = flat_since(records)
        before = [fill for fill in of(records, OrderFilled) if fill.ts_ns < at("2026-11-25T20:50:00Z")]
        if sum(fill.qty if fill.side == "BUY" else -fill.qty for fill in before) == 0:
            continue
        held += 1
        if killed:
            assert code == 5
            assert summary["exit_reason"] == "KILL_SWITCH"
            assert last_ns < at("2026-11-25T20:50:35Z")
        else:
            assert code == 0
            assert at("2026-11-25T20:55:00Z") <= last_ns < at("2026-11-25T20:55:01Z")
            exits = [one for one in of(records, PlaceExit) if one.ts_ns >= at("2026-11-25T20:50:00Z")]
            assert [one.ts_ns for one in exits] == [at("2026-11-25T20:55:00Z")]
    assert held, "no seed held a position at 15:50"


def test_the_issues_command_gives_the_same_twice_in_one_folder_and_in_two(tmp_path):
    command = ("--seed", 11, "--duration", 7200)
    first, records = day(tmp_path / "one", *command)
    again, _ = day(tmp_path / "one", *command)
    other, _ = day(tmp_path / "two", *command)
    for name in ("effects_digest", "state_digest", "fills", "decisions", "pnl_hypothetical"):
        assert first[name] == again[name] == other[name], name
    assert first["decisions"] > 100
    assert first["fills"] > 10
    assert (first["position_qty"], first["exit_reason"]) == (0, "DURATION")
    assert first["ts_last_ns"] - first["ts_first_ns"] >= 7200 * NS_PER_S
    # What the ledger says is what the executions say: cash flows at 1.25 USD a tick, commissions apart.
    cash = sum(
        (-1 if fill.side == "BUY" else 1) * fill.qty * fill.price_ticks * 1_250_000 - fill.commission_uusd
        for fill in of(records, OrderFilled)
    )
    assert round(first["pnl_hypothetical"] * 1_000_000) == cash
    assert len(of(records, TradeOpened)) == len(of(records, TradeClosed)) == first["trades_closed"]


def test_sim_is_observe_with_orders_that_count(tmp_path):
    observed, _ = day(tmp_path / "observe", "--seed", 5, "--duration", 3600)
    simulated, records = day(tmp_path / "sim", "--seed", 5, "--duration", 3600, mode="SIM")
    assert simulated["orders"] == simulated["approvals"] > 0 == observed["orders"]
    assert simulated["pnl_hypothetical"] == observed["pnl_hypothetical"]
    assert of(records, events.OrderAcknowledged)
    assert not of(records, events.OrderSuppressed)


class TestLearning:
    FAST = "[learning]\nlook_every_trades = 5\nthrottle_n_min = 5\npseudo_trades = 5\nquarantine_n_min = 10\n"

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory):
        path = tmp_path_factory.mktemp("config") / "fast.toml"
        path.write_text("schema = 1\n" + cls.FAST)
        return ("--config", path, "--seed", 11)

    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls, tmp_path_factory, options):
        """A run that throttled templates: its folder, which nobody writes to, its summary and its records."""
        data = tmp_path_factory.mktemp("whole")
        return data, *day(data, *options, "--duration", 7200)

    @pytest.fixture
    def data(self, whole, tmp_path):
        """A data directory of one's own, in which that run was."""
        return shutil.copytree(whole[0], tmp_path / "data", ignore=shutil.ignore_patterns("*.sock"))

    def test_a_file_cut_in_half_is_refused_with_its_reason_and_rebuilt(self, data, options):
        file = data / "learning_state.json"
        whole, document = file.read_bytes(), load_learning(file)
        file.write_bytes(whole[: len(whole) // 2])
        later = ("--start", "2026-11-25T18:00:00Z", "--duration", 600)
        code, summary, said = sim(data, *options, *later)
        assert code == 0
        assert "LEARNING_REFUSED" in said
        assert "no complete JSON document" in said
        assert "rebuilt from the end of the newest log" in said
        assert load_learning(file) is not None, "the file is whole again"
        records = [record for _, record in messages(Path(summary["log_path"]))]
        carried = of(records, events.StateCarried)[0]
        assert b"learning" in carried.state
        assert summary["throttled"] == self.states(document)
        assert file.with_suffix(".refused").read_bytes() == whole[: len(whole) // 2], "nothing written is lost"

    def test_a_throttled_template_is_throttled_in_the_next_run(self, data, whole, options):
        _, first, _ = whole
        assert first["throttled"]
        later = ("--start", "2026-11-25T18:00:00Z", "--duration", 60)
        assert day(data, *options, *later)[0]["throttled"] == first["throttled"]
        # Evidence from the future is no evidence: a run that starts before it begins afresh.
        earlier = ("--start", "2026-11-24T14:20:00Z", "--duration", 60)
        assert day(data, *options, *earlier)[0]["throttled"] == {}

    # The process ends in the middle of the save that a transition asks for: half a temporary file is on the disk.
    KILLED = """
import os, pathlib, signal, sys
from trading_bot.core import learning_file
real_open, saves = pathlib.Path.open, []
class Half:
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *_): return False
    def write(self, content):
        self.file.write(content[: len(content) // 2]); self.file.flush(); os.kill(os.getpid(), signal.SIGKILL)
def opened(self, *rest, **named):
    file = real_open(self, *rest, **named)
    if self.name == ".learning_state.json.tmp":
        saves.append(1)
        return Half(file) if len(saves) == int(sys.argv[1]) else file
    return file
pathlib.Path.open = opened
from trading_bot.cli import main
sys.exit(main(sys.argv[2:]))
"""

    def test_killed_in_the_middle_of_a_save_it_goes_on_throttled(self, tmp_path, whole, options):
        """The same command goes on with the run; another one starts from what was saved, and is throttled too."""
        _, first, _ = whole
        data = tmp_path / "data"
        # An older run that ended in order, with nothing throttled: its end must not count for more.
        day(data, *options, "--start", "2026-11-24T14:20:00Z", "--duration", 60)
        run = ["--mode", "OBSERVE", "--adapter", "sim", "--data-dir", str(data), *map(str, options), "--json"]
        killed = subprocess.run(
            [sys.executable, "-c", self.KILLED, "4", *run, "--duration", "7200"], capture_output=True, check=False
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        saved = self.states(load_learning(data / "learning_state.json"))
        assert saved
        other = tmp_path / "other"
        shutil.copytree(data, other, ignore=shutil.ignore_patterns("*.sock"))
        assert day(data, *options, "--duration", 7200)[0]["throttled"] == first["throttled"], "the log knows better"
        later = ("--start", "2026-11-25T18:00:00Z", "--duration", 60)
        assert day(other, *options, *later)[0]["throttled"] == saved

    def test_learning_show_says_the_same_of_the_file_and_of_the_log(self, whole, options):
        """The state folded from the messages of the log is the one the run ended with, and saved."""
        data, first, records = whole
        config = ("--config", options[1])
        of_file = shown(data, *config)
        of_log = shown(data, first["log_path"], *config)
        assert of_file["templates"] == [self.without_seq(row) for row in of_log["templates"]]
        assert of_file["costs"] == of_log["costs"]
        trades = of(records, TradeClosed)
        assert sum(row["lifetime_trades"] for row in of_log["templates"]) == len(trades)
        net_usd = sum(trade.outcome.net_uusd for trade in trades) / 1e6
        assert sum(row["lifetime_net_usd"] for row in of_log["templates"]) == pytest.approx(net_usd, abs=1e-9)
        assert {row["template"]: row["state"] for row in of_log["templates"] if row["state"] != "ACTIVE"} == first[
            "throttled"
        ]

    @staticmethod
    def without_seq(row):
        return row | {"last_change": row["last_change"] and row["last_change"] | {"seq": None}}

    @staticmethod
    def states(document):
        return {row["template"]: row["state"] for row in document.state["rows"] if row["state"] != "ACTIVE"}


def test_losses_in_a_row_pause_for_twenty_minutes(tmp_path):
    """Specification 8.5: four losses, twenty minutes; counted from nothing but the closed trades."""
    _, records = day(tmp_path / "data", "--seed", 11, "--duration", 7200)
    trips = [one for one in of(records, BreakerChanged) if one.breaker == "LOSSES_IN_ROW" and one.tripped]
    assert trips
    for trip in trips:
        before = [t.outcome for t in of(records, TradeClosed) if t.ts_ns <= trip.ts_ns][-4:]
        assert [outcome.actual_pnl_usd <= 0 for outcome in before] == [True] * 4
        assert trip.resumes_at_ns == trip.ts_ns + 20 * 60 * NS_PER_S
        placed = [entry.ts_ns for entry in of(records, PlaceOrder) if entry.ts_ns > trip.ts_ns]
        assert all(ts_ns >= trip.resumes_at_ns for ts_ns in placed)
