"""Whole runs that begin with a history: what they decide, what their logs hold, and what a restart makes of it."""

import shutil
from pathlib import Path

import pytest

from tests.core.test_restart import cut, last_segment, record_ends
from tests.core.worlds import messages, wavy_tape
from tests.files.history_kit import MINUTE, S, bars_of, history, ns, records_of, trade
from trading_bot import wiring
from trading_bot.config_files import RunOptions, load_config
from trading_bot.core.replay import session_logs
from trading_bot.domain.bars import unpack_bars
from trading_bot.domain.effects import Alert
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import DecisionMade, HistoryLoaded, ProcessStarted
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import TICK_RECORD, FrameKind

BEGIN = ns(2013, 10, 10, 13, 45)  # a quarter of an hour after the open
# Asked by the queue from the first second on, and in need of ranges of bars: 14 of them, by the registry 30 sums of 14
# for the median; a run without a history has neither.
STRATEGIES = """
schema = 1

[template.K9]
on = true
title = "needs ranges"
cadence = "grid"
entry = "passive"
target_ticks = 12
stop_ticks = 8
hold_s = 120
gain = 6.0
belief_enter = 0.62
belief_hold = 0.55
rearm_s = 5.0
weights = { queue_imbalance = 1.0, real_body_impulse_n = 0.2, range_compression = 0.1 }
triggers = [{ signal = "queue_imbalance", min = 0.3 }]

[template.K9.assumed]
weights = "a test"
triggers = "a test"
gain = "a test"
belief_enter = "a test"
rearm_s = "a test"
"""


def write_csv(path, records, symbol, start_ns=0, end_ns=2**62):
    """Records as the plainest tape."""
    tick = INSTRUMENTS[symbol].tick_size_e9

    def point(ticks):
        return f"{ticks * tick // 10**9}.{ticks * tick % 10**9 // 10**7:02d}"

    lines = ["ts_ns,bid,bid_qty,ask,ask_qty,price,qty,aggressor"]
    for record in TICK_RECORD.iter_unpack(records):
        kind, ts_ns, bid, ask, bid_qty, ask_qty, aggressor = record[3], record[7], *record[9:14]
        if not start_ns <= ts_ns < end_ns:
            continue
        if kind == FrameKind.QUOTE:
            lines.append(f"{ts_ns},{point(bid)},{bid_qty},{point(ask)},{ask_qty},,,")
        elif kind == FrameKind.TRADE:
            lines.append(f"{ts_ns},,,,,{point(bid)},{bid_qty},{' BS'[aggressor]}")
    path.write_text("\n".join(lines) + "\n")
    return path


def run(data_dir, tape, *before, symbol="SPY", strategies=None, **overrides):
    settings = {"run.mode": "OBSERVE", "run.adapter": "files", "run.instrument": symbol, "log.segment_mib": 1}
    loaded = load_config(strategies=strategies, overrides=settings | overrides)
    return wiring.run(RunOptions(loaded=loaded, data_dir=data_dir, run_id="earlier", inputs=(tape,), history=before))


def of_kind(summary, kind):
    return [record for _, record in messages(Path(summary.log_path)) if isinstance(record, kind)]


def loaded_bars(found):
    return [tuple(bar) for event in found for bar in unpack_bars(event.bars)]


@pytest.fixture(scope="module")
def tapes(shared_data, tmp_path_factory):
    """40 minutes of one recorded SPY day and 30 of the next, as files."""
    folder = tmp_path_factory.mktemp("tapes")
    first, second = (records_of([shared_data / "spy_sessions"], "SPY", date=date) for date in ("20131007", "20131010"))
    return (
        write_csv(folder / "first.csv", first, "SPY", ns(2013, 10, 7, 14), ns(2013, 10, 7, 14, 50)),
        write_csv(folder / "second.csv", second, "SPY", BEGIN, BEGIN + 30 * MINUTE),
    )


@pytest.fixture(scope="module")
def strategies(tmp_path_factory):
    path = tmp_path_factory.mktemp("strategies") / "strategies.toml"
    path.write_text(STRATEGIES)
    return path


@pytest.fixture(scope="module")
def warm(tapes, strategies, tmp_path_factory):
    return run(tmp_path_factory.mktemp("warm"), tapes[1], tapes[0], strategies=strategies)


def test_a_day_with_the_one_before_decides_earlier(tapes, strategies, warm, tmp_path):
    """The same records and the same questions: one run cannot answer for half an hour, the other can at once."""
    cold = run(tmp_path, tapes[1], strategies=strategies)
    refused = [record.reason == "MISSING_REQUIRED_SIGNAL" for record in of_kind(cold, DecisionMade)]
    assert len(refused) > 300
    assert all(refused)
    assert "MISSING_REQUIRED_SIGNAL" not in warm.skips_by_reason
    entered = [record.ts_ns for record in of_kind(warm, DecisionMade) if record.action == "ENTER"]
    assert min(entered) < BEGIN + MINUTE


def test_the_log_of_an_earlier_run_is_as_good_as_the_file_it_read(tapes, strategies, warm, tmp_path):
    earlier = run(tmp_path / "day", tapes[0], strategies=strategies)
    again = run(tmp_path / "next", tapes[1], Path(earlier.log_path), strategies=strategies)
    (from_file,), (from_log,) = of_kind(warm, HistoryLoaded), of_kind(again, HistoryLoaded)
    assert from_log.bars == from_file.bars
    assert (from_log.count, from_log.ts_ns) == (from_file.count, from_file.ts_ns)
    assert from_file.source.startswith("first.csv [the history ends with 20131007")
    assert from_log.source.startswith("log 20131007 of earlier (files) [")
    assert again.effects_digest == warm.effects_digest


def test_replay_needs_nothing_but_the_log(warm):
    report = wiring.replay(Path(warm.log_path))
    assert report.ok, report.reason
    assert (report.effects_digest, report.state_digest) == (warm.effects_digest, warm.state_digest)


def test_a_history_of_later_days_ends_the_start(tapes, tmp_path):
    with pytest.raises(UsageError, match=r"second\.csv: no bar from before the run, which begins at 2013-10-07T14:00"):
        run(tmp_path, tapes[0], tapes[1])


@pytest.fixture(scope="module")
def evening(tmp_path_factory):
    """Ten minutes before a session's end and ten of the next one, with a quarter of an hour of the day before."""
    folder = tmp_path_factory.mktemp("evening")
    close, following = ns(2026, 11, 24, 22), ns(2026, 11, 24, 23)
    before = [trade(ns(2026, 11, 23, 18) + k * 20 * S, 24_000 + k % 9, 1) for k in range(45)]
    tape = wavy_tape(close - 10 * MINUTE, 2_000) + wavy_tape(following, 2_000)
    history_file = write_csv(folder / "before.csv", b"".join(before), "MES")
    tape_file = write_csv(folder / "tape.csv", b"".join(tape), "MES")
    run(folder / "whole", tape_file, history_file, symbol="MES")
    return folder / "whole", tape_file, history_file


OTHER = {"decision.stability_max": 8.0}  # another configuration: no kernel is taken over


def restarted(evening, data_dir, records, **overrides):
    """The run of `evening` cut after this many records of its last log, gone on with; (restart time, events, alerts).

    No records: cut between its two sessions.
    """
    whole, tape, before = evening
    (folder,) = (whole / "runs").iterdir()
    target = data_dir / "runs" / folder.name
    cut(folder, target, record_ends(last_segment(session_logs(folder)[-1]).read_bytes())[records])
    if not records:
        shutil.rmtree(session_logs(target)[-1])
    summary = run(data_dir, tape, before, symbol="MES", **overrides)
    assert summary.log_path.endswith(folder.name)
    report = wiring.replay(target)
    assert report.ok, report.reason
    found = [record for _, record in messages(target)]
    alerts = [alert for alert in found if isinstance(alert, Alert) and alert.code == "HISTORY_REFUSED"]
    return found, [record for record in found if isinstance(record, HistoryLoaded)], alerts


@pytest.mark.parametrize("records", [900, 1_700])
def test_a_cold_restart_has_the_bars_the_run_has_seen(evening, tmp_path, records):
    found, loaded, alerts = restarted(evening, tmp_path, records, **OTHER)
    (process,) = (record for record in found if isinstance(record, ProcessStarted))
    assert process.recovery == "facts"
    assert not alerts
    first, *again = loaded
    assert [event.source.split(" [")[0] for event in loaded] == [
        "before.csv",
        "before.csv",
        "log 20261124 of earlier (files)",
        "log 20261125 of earlier (files)",
    ]
    assert again[0].bars == first.bars
    assert {event.ts_ns for event in again} == {process.ts_ns}
    seen = bars_of(history(evening[1], before=process.ts_ns))
    assert loaded_bars(again[1:]) == seen
    assert len(seen) >= 11  # ten of the session before, and some of this one


def test_a_cold_start_between_two_sessions_has_them_too(evening, tmp_path):
    _, loaded, alerts = restarted(evening, tmp_path, 0, **OTHER)
    assert not alerts
    assert loaded_bars(loaded[2:]) == bars_of(history(evening[1], before=ns(2026, 11, 24, 22)))
    assert loaded[1].bars == loaded[0].bars
    assert len(loaded) == 3


@pytest.mark.parametrize("records", [0, 3, 900])
def test_a_warm_restart_loads_nothing_again(evening, tmp_path, records):
    _, loaded, alerts = restarted(evening, tmp_path, records)
    assert not alerts
    assert [event.source.split(" [")[0] for event in loaded] == ["before.csv"]
