"""The ledger of a day against logs written by hand, whose sums are in the tests."""

import itertools
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.reports import day_log as day
from trading_bot.core.log_segments import segment_name
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, LatchKillSwitch
from trading_bot.domain.errors import LogCorrupt, UsageError
from trading_bot.domain.learning import LearningState
from trading_bot.domain.orders import Leg, Side
from trading_bot.reports.day_ledger import read_day
from trading_bot.reports.day_records import Point

ROOT = Path(__file__).resolve().parents[2]


def test_money_is_gross_less_commission_of_each_trade_and_of_all(tmp_path):
    ledger = read_day(day.write(tmp_path / "log", [day.started(), day.carried(), *day.three_trades()]))
    assert [trade.net_usd for trade in ledger.trades] == [10.0, -20.0, -1.25]
    assert (ledger.gross_uusd, ledger.commission_uusd, ledger.net_uusd) == (-1_250_000, 10_000_000, -11_250_000)
    assert ledger.exits_by_reason == {"TARGET": 1, "STOP": 1, "TIME": 1}
    assert ledger.equity(hypothetical=True) == (
        Point(day.at(630), 10.0),
        Point(day.at(960), -10.0),
        Point(day.at(1_290), -11.25),
    )
    assert ledger.equity(hypothetical=False) == ()


def test_a_trade_is_told_as_its_outcome_has_it(tmp_path):
    ledger = read_day(day.write(tmp_path / "log", [day.started(), day.carried(), *day.three_trades()]))
    trade = ledger.trades[1]
    assert (trade.template, trade.side, trade.qty, trade.exit_reason) == ("K1", Side.SELL, 2, "STOP")
    assert (trade.entry_ts_ns, trade.exit_ts_ns) == (day.at(900), day.at(960))
    assert (trade.entry_ticks, trade.exit_ticks, trade.mae_ticks, trade.mfe_ticks) == (24_020, 24_026, 3.0, 11.0)
    assert (trade.slippage_ticks, trade.slippage_expected_ticks, trade.hypothetical) == (1.0, 0.5, True)


def test_real_and_hypothetical_trades_have_an_equity_each(tmp_path):
    trades = day.three_trades()
    real = msgspec.structs.replace(trades[2], outcome=msgspec.structs.replace(trades[2].outcome, hypothetical=False))
    ledger = read_day(day.write(tmp_path / "log", [day.started(), *trades[:2], real]))
    assert [point.value for point in ledger.equity(hypothetical=True)] == [10.0, -10.0]
    assert [point.value for point in ledger.equity(hypothetical=False)] == [-1.25]


def test_skips_are_counted_by_reason_and_template_and_entries_are_not_among_them(tmp_path):
    entered = msgspec.structs.replace(day.skip(5, ""), action="ENTER")
    skips = [day.skip(1, "EUC_LOW"), day.skip(2, "BREAKER", "K1"), day.skip(3, "EUC_LOW"), day.skip(4, "EUC_LOW", "K1")]
    ledger = read_day(day.write(tmp_path / "log", [day.started(), *skips, entered, day.placed(5, 50, 60)]))
    assert (ledger.decisions, ledger.entries) == (5, 1)
    assert ledger.skips == {"EUC_LOW": 3, "BREAKER": 1}
    assert ledger.skips_by_template == {"K1": {"BREAKER": 1, "EUC_LOW": 1}, "S1": {"EUC_LOW": 2}}


def test_what_else_happened_is_kept_with_its_time(tmp_path):
    told = [
        day.started(),
        day.session(0, "SESSION_OPEN_DELAY"),
        day.session(300, "SESSION_ENTRIES"),
        day.resident(400, 4_000_000),
        day.resident(500, 7_250_000),
        day.resident(600, 5_000_000),
        day.outcome(700, 100),
        day.outcome(710, 100),
        day.outcome(720, 20),
        events.QualityStateChanged(ts_ns=day.at(720), data_down=True, dvs_c=20),
        day.outcome(900, 90),
        events.QualityStateChanged(ts_ns=day.at(960), data_down=False, dvs_c=90),
        Alert(ts_ns=day.at(970), level="error", code="ORDER_REJECTED", text="no"),
        day.breaker(980, "LOSSES_IN_ROW", "PAUSE", tripped=True),
        day.learned(990, "S1", LearningState.ACTIVE, LearningState.THROTTLED_120),
        events.SessionExitFlatten(ts_ns=day.at(23_100), reason="RTH_CLOSE", minutes_remaining=5.0, position_qty=1),
    ]
    ledger = read_day(day.write(tmp_path / "log", told))
    assert [(change.ts_ns, change.state) for change in ledger.sessions] == [
        (day.at(0), "SESSION_OPEN_DELAY"),
        (day.at(300), "SESSION_ENTRIES"),
    ]
    assert ledger.naked_ms_max == 7.25
    assert ledger.data_score == (Point(day.at(700), 100), Point(day.at(720), 20), Point(day.at(900), 90))
    assert [change.data_down for change in ledger.data_state] == [True, False]
    assert [alert.code for alert in ledger.alerts] == ["ORDER_REJECTED"]
    assert [change.breaker for change in ledger.breakers] == ["LOSSES_IN_ROW"]
    assert ledger.throttled == {"S1": "THROTTLED_120"}
    assert ledger.ts_flatten_ns == day.at(23_100)
    assert (ledger.ts_first_ns, ledger.ts_last_ns) == (day.OPEN_NS, day.at(23_100))


def test_the_gates_are_those_of_the_run(tmp_path):
    gates = read_day(day.write(tmp_path / "log", [day.started()])).gates
    assert (gates.dvs_entry_c, gates.dvs_hold_c, gates.dvs_kill_c) == (85, 55, 25)
    assert (gates.eqs_entry_c, gates.eqs_hold_c, gates.eqs_kill_c) == (75, 60, 30)


def test_several_logs_are_one_day_in_their_order(tmp_path):
    first, second, third = day.three_trades()
    run = tmp_path / "run-1"
    latch = LatchKillSwitch(ts_ns=day.at(1_000), reason="odd", source="cli")
    day.write(run / "20261125", [day.started(), day.carried(), *day.waves(0, 900), first, second, latch])
    learning = {"rows": [{"template": "K1", "hypothetical": True, "state": "THROTTLED_150"}]}
    opening = [day.started(day.at(1_100)), day.carried(day.at(1_100), kill_reason="odd", learning=learning)]
    cleared = events.KillCleared(ts_ns=day.at(1_150), reason="looked", source="cli")
    day.write(run / "20261125-02", [*opening, cleared, third, *day.waves(1_300, 1_600)])
    ledger = read_day(run)
    assert [trade.trade_id for trade in ledger.trades] == ["1-0", "2-0", "3-0"]
    assert ledger.net_uusd == -11_250_000
    assert [(kill.ts_ns, kill.reason, kill.cleared_ts_ns, kill.cleared_reason) for kill in ledger.kills] == [
        (day.at(1_000), "odd", day.at(1_150), "looked")
    ]
    assert [(restart.ts_ns, restart.recovery) for restart in ledger.restarts] == [(day.at(1_100), "new log")]
    assert ledger.learning_before == {}  # what was learned during the day is not from before it
    assert ledger.ticks == 30 + 10
    assert ledger.run_ids == ("run-1",)
    assert [Path(log).name for log in ledger.logs] == ["20261125", "20261125-02"]


def test_runs_given_as_a_list_are_one_day(tmp_path):
    first, second, third = day.three_trades()
    one = day.write(tmp_path / "a" / "20261125", [day.started(), first, second]).parent
    two = day.write(tmp_path / "b" / "20261125", [day.started(day.at(1_100), run_id="run-2"), third]).parent
    ledger = read_day([one, two])
    assert (ledger.run_ids, len(ledger.trades), ledger.net_uusd) == (("run-1", "run-2"), 3, -11_250_000)


def test_what_was_latched_and_throttled_before_the_day_stands_from_its_start(tmp_path):
    rows = [
        {"template": "S1", "hypothetical": True, "state": "QUARANTINED"},
        {"template": "S1", "hypothetical": False, "state": "THROTTLED_120"},
        {"template": "K1", "hypothetical": True, "state": "ACTIVE"},
    ]
    records = [
        day.started(),
        day.carried(kill_reason="yesterday", learning={"rows": rows}),
        day.skip(60, "KILL_SWITCH"),
    ]
    ledger = read_day(day.write(tmp_path / "log", records))
    assert ledger.learning_before == {"S1": LearningState.QUARANTINED}
    assert ledger.throttled == {"S1": "QUARANTINED"}
    assert [(kill.ts_ns, kill.reason, kill.cleared_ts_ns) for kill in ledger.kills] == [(day.OPEN_NS, "yesterday", 0)]


def test_a_restart_within_a_log_is_told(tmp_path):
    again = events.ProcessStarted(
        ts_ns=day.at(50), recovery="full", config_hash="", kernel_build="", last_seq=3, torn_bytes=64
    )
    ledger = read_day(day.write(tmp_path / "log", [day.started(), day.skip(1, "BREAKER"), again]))
    assert [(restart.ts_ns, restart.recovery) for restart in ledger.restarts] == [(day.at(50), "full")]


def test_a_torn_tail_is_read_up_to_its_last_good_record(tmp_path):
    folder = day.write(tmp_path / "log", [day.started(), *day.three_trades(), day.skip(2_000, "EUC_LOW")], close=False)
    segment = folder / segment_name(1)
    data = bytearray(segment.read_bytes())
    last = data.rindex(b"EUC_LOW")
    data[last : last + 4] = b"\0\0\0\0"
    segment.write_bytes(data)
    ledger = read_day(folder)
    assert (len(ledger.trades), ledger.skips, ledger.net_uusd) == (3, {}, -11_250_000)
    assert ledger.torn_bytes > 0
    assert ledger.ts_last_ns == day.at(1_290)


def test_damage_in_the_middle_is_refused(tmp_path):
    folder = day.write(tmp_path / "log", [day.started(), *day.three_trades()])
    segment = folder / segment_name(1)
    data = bytearray(segment.read_bytes())
    data[data.index(b"TARGET")] ^= 1
    segment.write_bytes(data)
    with pytest.raises(LogCorrupt):
        read_day(folder)


def test_a_record_of_a_newer_version_is_refused_by_its_number(tmp_path):
    folder = day.write(tmp_path / "log", [day.started(), msgspec.msgpack.encode({"kind": "FROM_LATER", "ts_ns": 1})])
    with pytest.raises(LogCorrupt, match=r"record 2 does not decode.*newer version"):
        read_day(folder)


def test_a_trade_whose_end_the_process_did_not_live_to_write_is_noted(tmp_path):
    entry = day.filled(10, 7, Leg.ENTRY, Side.BUY, 24_000)
    stop = day.filled(20, 7, Leg.STOP, Side.SELL, 23_994)
    ledger = read_day(day.write(tmp_path / "flat", [day.started(), entry, stop], close=False))
    assert ledger.trades == ()  # without its order nobody knows whose it is
    assert "7-0" in ledger.notes[0]
    assert "replay" in ledger.notes[0]
    ledger = read_day(day.write(tmp_path / "open", [day.started(), entry], close=False))
    assert "7-0 open, +1" in ledger.notes[0]
    told = day.closed(7, "S1", Side.BUY, 1, (10, 20), (24_000, 23_994), "STOP", -7.5)
    assert read_day(day.write(tmp_path / "told", [day.started(), entry, stop, told])).notes == ()


def test_the_fills_alone_come_to_the_same_money(tmp_path):
    """One lot bought at 24000 and sold at 24010: ten ticks of 1.25 dollars less two commissions of 1.25."""
    fills = [day.filled(10, 7, Leg.ENTRY, Side.BUY, 24_000), day.filled(20, 7, Leg.TARGET, Side.SELL, 24_010)]
    told = day.closed(7, "S1", Side.BUY, 1, (10, 20), (24_000, 24_010), "TARGET", 12.5)
    ledger = read_day(day.write(tmp_path / "log", [day.started(), *fills, told]))
    assert (ledger.fills, ledger.cash_uusd, ledger.net_uusd) == (2, 10_000_000, 10_000_000)


def test_bars_of_the_warm_up_are_counted_over_all_their_records(tmp_path):
    bars = [events.HistoryLoaded(ts_ns=day.OPEN_NS, source="sim", count=count, bars=b"") for count in (1_378, 2)]
    assert read_day(day.write(tmp_path / "log", [day.started(), *bars])).history_bars == 1_380


def test_logs_of_several_days_need_a_date(tmp_path):
    run = tmp_path / "run"
    for date, count in ((20261125, 1), (20261127, 2)):
        day.write(run / str(date), [day.started(trade_date=date), *day.three_trades()[:count]])
    with pytest.raises(UsageError, match=r"\[20261125, 20261127\], expected one day"):
        read_day(run)
    assert len(read_day(run, trade_date=20261127).trades) == 2
    with pytest.raises(UsageError, match="20261130"):
        read_day(run, trade_date=20261130)


def test_logs_of_several_instruments_are_refused(tmp_path):
    day.write(tmp_path / "a", [day.started()])
    day.write(tmp_path / "b", [day.started(instrument="MNQ")])
    with pytest.raises(UsageError, match=r"\['MES', 'MNQ'\]"):
        read_day([tmp_path / "a", tmp_path / "b"])


def test_a_folder_without_a_log_is_refused(tmp_path):
    with pytest.raises(UsageError):
        read_day(tmp_path)
    with pytest.raises(UsageError):
        read_day(tmp_path / "nowhere")


CONFIG = """
[simulator]
history_sessions = 2
reject_every = 3
faults = ["STALL 2026-11-25T14:50:00Z 60"]
[lockouts] # a wide spread in the first minutes must not end an hour that is to have trades
spread_ticks = 100
slippage_ticks = 100.0
"""


def test_a_real_run_is_told_as_its_own_summary_tells_it(tmp_path):
    """The summary is counted by the core while it runs; the ledger reads the log afterwards."""
    (tmp_path / "bot.toml").write_text(CONFIG)
    options = ["--mode", "OBSERVE", "--adapter", "sim", "--seed", "3", "--duration", "3600", "--json"]
    folders = ["--config", str(tmp_path / "bot.toml"), "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-m", "trading_bot.cli", *options, *folders], cwd=ROOT, capture_output=True, check=True
    )
    summary = msgspec.json.decode(done.stdout)
    ledger = read_day(summary["log_path"])
    assert summary["trades_closed"] > 0
    assert len(ledger.trades) == summary["trades_closed"]
    assert ledger.exits_by_reason == summary["exits_by_cause"]
    assert ledger.net_uusd == ledger.cash_uusd == round(summary["pnl_hypothetical"] * 1_000_000)
    assert ledger.fills == summary["fills"]
    assert ledger.skips == summary["skips_by_reason"]
    assert ledger.skips_by_template == summary["skips_by_template"]
    assert (ledger.decisions, ledger.entries) == (summary["decisions"], summary["approvals"])
    assert ledger.naked_ms_max == summary["naked_ms_max"]
    assert ledger.throttled == summary["throttled"]
    assert ledger.ts_last_ns == summary["ts_last_ns"]
    assert ledger.notes == ()
    # Both scores are rebuilt from what the log holds of them. The stall ends one, the rejects cost the other.
    assert min(point.value for point in ledger.data_score) == round(summary["dvs_min"] * 100) < 30
    assert ledger.execution_score[-1].value == round(summary["eqs_last"] * 100) < 100
    assert min(point.value for point in ledger.execution_score) == round(summary["eqs_min"] * 100) < 100
    assert all(left.ts_ns < right.ts_ns for left, right in itertools.pairwise(ledger.execution_score))
