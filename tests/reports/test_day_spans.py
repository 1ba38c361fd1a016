"""Stretches in which something stood in the way of entries."""

import msgspec

from tests.reports import day_log as day
from trading_bot.domain import events
from trading_bot.domain.effects import LatchKillSwitch
from trading_bot.domain.learning import LearningState
from trading_bot.reports import day_spans
from trading_bot.reports.day_ledger import read_day

END_S = 5_000


def read(tmp_path, *records):
    ordered = sorted(records, key=lambda record: record.ts_ns)
    return read_day(day.write(tmp_path / "log", [day.started(), *ordered, day.skip(END_S, "EUC_LOW")]))


def spans(stretches):
    return [((row.start_ns - day.OPEN_NS) / 1e9, (row.end_ns - day.OPEN_NS) / 1e9) for row in stretches]


def test_quality_is_low_below_the_entry_gate_of_the_run_and_while_data_are_down(tmp_path):
    ledger = read(
        tmp_path,
        day.outcome(10, 85),  # the gate of the run is 85
        day.outcome(100, 84),
        day.outcome(130, 85),
        day.outcome(200, 20),
        events.QualityStateChanged(ts_ns=day.at(200), data_down=True, dvs_c=20),
        day.outcome(260, 90),
        events.QualityStateChanged(ts_ns=day.at(320), data_down=False, dvs_c=90),
        day.outcome(4_900, 0),
    )
    assert spans(day_spans.low_quality_stretches(ledger)) == [(100, 130), (200, 320), (4_900, END_S)]


def test_two_rejects_hold_entries_up_until_enough_is_forgiven(tmp_path):
    rejects = [events.OrderRejected(ts_ns=day.at(s), order_id=(s, 0), code=1, text="") for s in (100, 101)]
    (found,) = day_spans.low_quality_stretches(read(tmp_path, *rejects))
    # .15 * 2 has to fall to .25: (2 - r) / 2 = .25 / .3, so r is a third of 1200 s
    assert day.at(101) == found.start_ns
    assert day.at(500) <= found.end_ns <= day.at(525)


def test_the_kill_switch_stands_from_its_latching_to_its_clearing_or_the_end(tmp_path):
    ledger = read(
        tmp_path,
        LatchKillSwitch(ts_ns=day.at(100), reason="one", source="cli"),
        LatchKillSwitch(ts_ns=day.at(110), reason="again", source="cli"),
        events.KillCleared(ts_ns=day.at(400), reason="", source="cli"),
        LatchKillSwitch(ts_ns=day.at(900), reason="two", source="quality"),
    )
    found = day_spans.kill_stretches(ledger)
    assert spans(found) == [(100, 400), (900, END_S)]
    assert [row.label for row in found] == ["one", "two"]


def test_breakers_that_pause_are_strong_and_those_that_warn_are_not(tmp_path):
    ledger = read(
        tmp_path,
        day.breaker(100, "LOSSES_IN_ROW", "PAUSE", tripped=True),
        day.breaker(150, "DAILY_ALERT", "ALERT", tripped=True),
        day.breaker(700, "LOSSES_IN_ROW", "PAUSE", tripped=False),
        day.breaker(900, "LOSSES_IN_ROW", "PAUSE", tripped=True),
    )
    found = sorted(day_spans.breaker_stretches(ledger))
    assert spans(found) == [(100, 700), (150, END_S), (900, END_S)]
    assert [row.strong for row in found] == [True, False, True]


def test_a_template_is_throttled_from_state_to_state(tmp_path):
    active, light, heavy = LearningState.ACTIVE, LearningState.THROTTLED_120, LearningState.THROTTLED_150
    ledger = read(
        tmp_path,
        day.learned(100, "S1", active, light),
        day.learned(300, "S1", light, heavy),
        day.learned(400, "S1", heavy, active),
        day.learned(450, "K1", active, heavy),
    )
    found = day_spans.throttle_stretches(ledger)
    assert {name: spans(rows) for name, rows in found.items()} == {"S1": [(100, 300), (300, 400)], "K1": [(450, END_S)]}
    before = msgspec.structs.replace(ledger, learning=(), learning_before={"S2": LearningState.QUARANTINED})
    assert {name: spans(rows) for name, rows in day_spans.throttle_stretches(before).items()} == {"S2": [(0, END_S)]}


def test_the_session_holds_entries_up_outside_of_its_entry_time(tmp_path):
    states = ["PRE_OPEN", "OPEN_DELAY", "ENTRIES", "CLOSE_BUFFER", "EXIT", "CLOSED"]
    names = [("SESSION_" + state) for state in states]
    found = day_spans.session_stretches(read(tmp_path, *(day.session(k * 100, name) for k, name in enumerate(names))))
    assert spans(found) == [(0, 100), (100, 200), (300, 400), (400, 500), (500, END_S)]
    assert [row.label for row in found if row.strong] == ["close buffer", "flatten"]


def test_stretches_that_touch_are_one():
    rows = [day_spans.Stretch(5, 9, ""), day_spans.Stretch(1, 3, ""), day_spans.Stretch(3, 4, "")]
    assert [(row.start_ns, row.end_ns) for row in day_spans.merged(rows)] == [(1, 4), (5, 9)]
