"""What belongs to an order, found in a log written by hand, and told: reject, doubt, restart, exit, what was learnt."""

from typing import get_args

import pytest

from tests.reports.day_log import OPEN_NS, SEGMENT_BYTES, at, breaker, closed, filled, learned, opened, placed, started
from trading_bot.core.event_log import EventLog
from trading_bot.domain import broker_events, effects, events, log_records, trade_events
from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.learning import LearningState
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.records import FrameClass
from trading_bot.reports.explain_story import find_story
from trading_bot.reports.explain_words import story_lines


def outcome(seconds, exit_mask=0):
    return events.OutcomeReached(
        ts_ns=at(seconds), code=4 if exit_mask else 1, at_grid=False, dvs_c=97, dvs_band=3, exit_mask=exit_mask
    )


def decided(seconds, action, template="S1", text="why"):
    return events.DecisionMade(
        ts_ns=at(seconds), action=action, reason=action, mask=0, template=template, side=1, episode=1, text=text
    )


def beat(seconds, order, worst, best):
    return trade_events.PositionHeartbeat(
        ts_ns=at(seconds), order_id=(order, 0), template="S1", side=Side.BUY, qty=1, known=True, age_ns=10**10,
        price_ticks=24_001, unrealised_uusd=1_250_000, mae_ticks=worst, mfe_ticks=best, stop_ticks=23_994,
        stop_distance_ticks=7, stop_resident=True, target_distance_ticks=9, belief_entry_e6=700_000, belief_e6=600_000,
        belief_exit_e6=450_000, thesis_low_ns=0, thesis_wait_ns=5 * 10**9, dvs_c=100, eqs_c=100, quality_low_ns=0,
        time_left_ns=10**10, session_left_ns=None, leaving="", hypothetical=False,
    )  # fmt: skip


def timer(seconds, name):
    return events.TimerFired(ts_ns=at(seconds), name=name, due_ns=at(seconds))


def alert(seconds, code):
    return effects.Alert(ts_ns=at(seconds), level="error", code=code, text="told")


DAY = (
    (0, started()),  # 1
    (1, outcome(1)),
    (2, events.SafetyVerdict(ts_ns=at(1), verdict="safety_gate_passed", order_id=(2, 0), failed=(), detail="")),
    (2, decided(1, "ENTER")),
    (2, placed(1, 2, 11)),  # 5: order 2-0
    (0, events.OrderRejected(ts_ns=at(2), order_id=(2, 0), code=201, text="margin")),
    (6, events.ExecutionPenalised(ts_ns=at(2), name="reject", since_ns=at(2))),
    (6, alert(2, "ORDER_REJECTED")),
    (1, outcome(3)),
    (9, decided(3, "ENTER")),  # 10
    (9, placed(3, 9, 13)),  # order 9-0
    (0, broker_events.OrderUncertain(ts_ns=at(4), order_id=(9, 0), leg=Leg.ENTRY, code=104, text="perhaps")),
    (0, events.ProcessStarted(
        ts_ns=at(5), recovery="full", config_hash=started().config_hash, kernel_build="test", last_seq=12, torn_bytes=0
    )),
    (0, filled(6, 9, Leg.ENTRY, Side.BUY, 24_000)),
    (14, opened(6, 9, 24_000, 23_994)),  # 15
    (0, timer(16, "exit_check")),
    (16, beat(16, 9, 2, 1)),
    (0, timer(26, "exit_check")),
    (18, beat(26, 9, 3, 5)),
    (1, outcome(30, exit_mask=2)),  # 20: the stop was touched
    (20, trade_events.ExitDecided(
        ts_ns=at(30), order_id=(9, 0), cause="STOP", urgency="LIMIT", qty=-1, mask=1 << 2 | 1 << 6
    )),
    (20, effects.PlaceExit(
        ts_ns=at(30), order_id=(9, 0), side=Side.SELL, qty=1, limit_ticks=23_986, cause="STOP"
    )),
    (0, filled(31, 9, Leg.EXIT, Side.SELL, 23_993)),
    (23, closed(9, "S1", Side.BUY, 1, (6, 31), (24_000, 23_993), "STOP", -8.75)),
    (23, learned(31, "S1", LearningState.ACTIVE, LearningState.THROTTLED_120)),  # 25
    (23, breaker(31, "LOSSES_IN_ROW", "PAUSE", tripped=True)),
    (0, broker_events.CommissionReported(
        ts_ns=at(33), order_id=(9, 0), leg=Leg.EXIT, exec_id="9-EXIT", commission_uusd=620_000, estimated_uusd=1_250_000
    )),
    (27, trade_events.CommissionCorrected(
        ts_ns=at(33), order_id=(9, 0), leg=Leg.EXIT, exec_id="9-EXIT", delta_uusd=-630_000, trade_closed=True,
        hypothetical=True, ledger=b"",
    )),
    (0, filled(40, 5_000, Leg.STOP, Side.SELL, 23_990)),  # of a process before
    (0, timer(50, "session")),  # 30
    (30, decided(50, "SKIP", template="", text="SKIP SESSION_EXIT: 5 minutes to the close")),
    (1, outcome(60)),
    (32, decided(60, "SKIP", template="K1")),
)  # fmt: skip


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("story") / "20261125"
    written = EventLog.create(folder, b"day", SEGMENT_BYTES)
    for cause, record in DAY:
        if isinstance(record, bytes):
            written.append_message(FrameClass.EFFECT, OPEN_NS, 1, cause, record)
            continue
        kind = FrameClass.INPUT if cause == 0 else log_records.frame_class(record)
        written.append_message(kind, record.ts_ns, 1, cause, log_records.encode(record))
    written.close()
    return folder


def told(log, wanted):
    story = find_story(log, wanted)
    return story_lines((story.outcome, story.decision, *story.chain), INSTRUMENTS["MES"])


def test_a_rejected_order_ends_with_what_the_reject_cost(log):
    lines = told(log, "2-0")
    assert [line.seqs for line in lines] == [(2,), (4,), (3,), (5,), (6,), (7,), (8,)]
    assert lines[4].text == "ENTRY REJECTED, code 201: margin"
    assert lines[5].text == "execution score loses reject"
    assert lines[3].text.startswith("BUY 1 at 6,000.00 or better, stop 5,998.50, target 6,002.50")


def test_a_trade_from_its_doubt_over_a_restart_to_what_was_learnt(log):
    lines = told(log, "9-0")
    assert [line.seqs for line in lines] == [
        (9,), (10,), (11,), (12,), (13,), (14,), (15,), (17, 19), (20,), (21,), (22,), (23,), (24,), (25,), (26,),
        (27,), (28,),
    ]  # fmt: skip
    words = {line.seqs[0]: line.text for line in lines}
    assert words[12] == "whether ENTRY lives is not known, code 104: perhaps"
    assert words[13] == "another process goes on with the run (recovery full)"
    assert "worst -3, best +5 ticks" in words[17], "of heartbeats in a row the last one"
    assert words[20] == "the kernel saw STOP reached, at this tick"
    assert words[21] == "leave, because of STOP; also THESIS: limit order for -1"
    assert words[22] == "exit SELL 1 at 5,996.50 (STOP)"
    assert "HYPOTHETICAL -11.25 USD net (-8.75 less 2.50 commission)" in words[24]
    assert words[25] == "S1 goes from ACTIVE to THROTTLED_120"
    assert words[27] == "the broker's commission of EXIT execution 9-EXIT: 0.62 USD, estimated 1.25 USD"
    assert words[28] == "booked, -0.6300 USD against the estimate"
    assert all(line.text for line in lines)


@pytest.mark.parametrize("wanted", ["10", "11", "14", "21", "24", "28"])
def test_the_number_of_any_record_of_an_order_leads_to_it(log, wanted):
    assert [line.seqs for line in told(log, wanted)] == [line.seqs for line in told(log, "9-0")]


def test_a_skip_has_no_order(log):
    assert [line.seqs for line in told(log, "33")] == [(32,), (33,)]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("3000-0", "no order 3000-0 in {}: the nearest are 2-0, 9-0"),
        (
            "5000-0",
            "was not sent in {}, but by an earlier process or session; it has these records here: 29 ORDER_FILLED",
        ),
        ("30", "record 30 of {} is no decision and about no order; the nearest decision is 31"),
        ("31", "record 31 is about the session and no candidate: SKIP SESSION_EXIT: 5 minutes to the close"),
        ("x", "expected the number of a decision"),
    ],
)
def test_a_wrong_id_names_what_exists(log, wanted, said):
    with pytest.raises(UsageError) as error:
        find_story(log, wanted)
    assert said.format(log) in str(error.value)


def test_every_kind_that_names_an_order_has_its_words():
    """A record somebody adds has to be told too."""
    from trading_bot.reports.explain_words import _BOOKKEEPING, _TOLD

    kinds = {kind for kind in get_args(log_records.LogRecord) if "order_id" in kind.__struct_fields__}
    kinds -= set(_BOOKKEEPING)
    assert {kind.__name__ for kind in kinds - set(_TOLD)} == set()
