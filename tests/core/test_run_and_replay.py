"""One run gives one log, and the log gives the run again, whatever the batches were."""

import itertools

import msgspec
import pytest

from tests.core import worlds
from tests.core.worlds import BUILD, OPEN_NS, ListFeed, documents, eager_template, messages, new_run
from trading_bot.core import runner as runner_module
from trading_bot.core.event_log import LogReader, MessageFrame
from trading_bot.core.player import Player
from trading_bot.core.replay import replay, session_logs
from trading_bot.core.runner import BotRunner
from trading_bot.core.summarize import summarize
from trading_bot.domain import effects, events
from trading_bot.domain.errors import CoreBug, DataCorrupt, LogCorrupt
from trading_bot.domain.records import TICK_RECORD, FrameKind
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session import parse_calendar

TAPE = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 600)


@pytest.fixture
def finished(tmp_path):
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents())
    runner.run()
    return runner


def test_replay_finds_every_effect_again(finished, tmp_path):
    report = replay(tmp_path / "run", build=BUILD)
    assert report.ok, report.reason
    assert report.ticks == len(TAPE)
    assert (report.effects_digest, report.state_digest) == worlds.digests(finished)
    placed = [record for _, record in messages(tmp_path / "run") if isinstance(record, effects.PlaceOrder)]
    assert len(placed) > 3, "a tape on which nothing is decided proves nothing"


@pytest.mark.parametrize("batch_records", [1, 7, 4096])
def test_batches_do_not_matter(finished, tmp_path, batch_records):
    other = new_run(tmp_path / "other", ListFeed(TAPE, batch_records), documents())
    other.run()
    assert worlds.digests(other) == worlds.digests(finished)
    assert messages(tmp_path / "other") == messages(tmp_path / "run")


@pytest.mark.usefixtures("finished")
def test_replay_notices_a_tampered_decision(tmp_path, monkeypatch):
    """The replayed core decides something else than the recorded one: the first difference is named."""
    from trading_bot.engines import decision_v2

    first_skip = next(
        seq for seq, record in messages(tmp_path / "run") if getattr(record, "reason", "") == "WORKING_ENTRY"
    )
    gates = [row for row in decision_v2._GATES if row[0].name != "WORKING_ENTRY"]
    monkeypatch.setattr(decision_v2, "_GATES", tuple(gates))
    report = replay(tmp_path / "run", build=BUILD)
    assert not report.ok
    assert report.first_difference_seq is not None
    assert report.first_difference_seq <= first_skip


def test_a_log_of_another_build_is_read_but_not_compared(finished, tmp_path):
    report = replay(tmp_path / "run", build="another")
    assert report.ok
    assert "not compared" in report.reason
    assert report.effects_digest == worlds.digests(finished)[0]


@pytest.mark.usefixtures("finished")
def test_entries_end_by_their_time_to_live(tmp_path):
    records = [record for _, record in messages(tmp_path / "run")]
    placed = {record.order.order_id: record for record in records if isinstance(record, effects.PlaceOrder)}
    cancels = {record.order_id: record for record in records if isinstance(record, effects.CancelOrder)}
    assert set(placed) == set(cancels)
    for order_id, cancel in cancels.items():
        if cancel.reason == "TIME_TO_LIVE":
            assert cancel.ts_ns == placed[order_id].ts_ns + 10 * NS_PER_S == placed[order_id].order.expires_ns


@pytest.mark.usefixtures("finished")
def test_every_order_passed_the_safety_gate_and_nothing_left(tmp_path):
    records = [record for _, record in messages(tmp_path / "run")]
    passed = {r.order_id for r in records if isinstance(r, events.SafetyVerdict) and r.verdict == "safety_gate_passed"}
    placed = {r.order.order_id for r in records if isinstance(r, effects.PlaceOrder)}
    suppressed = {r.order_id for r in records if isinstance(r, events.OrderSuppressed)}
    assert placed == passed == suppressed


@pytest.mark.usefixtures("finished")
def test_an_episode_is_skipped_once_per_reason(tmp_path):
    skips = [
        (record.template, record.side, record.episode, record.reason)
        for _, record in messages(tmp_path / "run")
        if isinstance(record, events.DecisionMade) and record.action == "SKIP"
    ]
    assert skips
    assert all(first != second for first, second in itertools.pairwise(skips))


def test_without_arguments_it_observes_and_decides_nothing():
    runner = BotRunner()
    assert runner.run_once()["action"] == "IDLE"
    runner.run()
    assert runner.exit_reason == "FEED_ENDED"
    assert runner.exit_code == 0


def test_from_flatten_to_close_the_answer_is_session_exit():
    """Flatten five minutes before the close, by a timer: the tape has no tick near it."""
    close_ns = OPEN_NS + int(6.5 * 3600) * NS_PER_S
    late = [
        worlds.quote(close_ns - 600 * NS_PER_S, 24_000, 24_001),
        worlds.quote(close_ns + 5 * NS_PER_S, 24_000, 24_001),
    ]
    runner = BotRunner(documents(), feed=ListFeed(late))
    answers = []
    while not runner.ended:
        answers.append(runner.run_once())
    exits = [answer for answer in answers if answer["reason"] == "SESSION_EXIT"]
    assert len(exits) == 1
    assert exits[0]["action"] == "SKIP"
    assert exits[0]["ts_ns"] == close_ns - 300 * NS_PER_S


def test_candidates_after_the_flatten_are_skipped_for_it(tmp_path):
    close_ns = OPEN_NS + int(6.5 * 3600) * NS_PER_S
    tape = worlds.wavy_tape(close_ns - 360 * NS_PER_S, 1600)
    runner = new_run(tmp_path / "run", ListFeed(tape), documents())
    runner.run()
    records = [record for _, record in messages(tmp_path / "run")]
    flatten = next(record for record in records if isinstance(record, events.SessionExitFlatten))
    assert flatten.reason == "MINUTES_TO_RTH_CLOSE"
    assert flatten.minutes_remaining == 5.0
    after = [
        record.reason
        for record in records
        if isinstance(record, events.DecisionMade) and flatten.ts_ns <= record.ts_ns < close_ns
    ]
    assert set(after) == {"SESSION_EXIT"}
    assert not [r for r in records if isinstance(r, effects.PlaceOrder) and r.ts_ns > close_ns - 900 * NS_PER_S]


def test_the_kill_switch_cancels_halts_and_is_in_the_log(tmp_path):
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents())
    while not (runner.machine and runner.machine.state.entries):
        runner.run_once()
    assert runner.machine is not None
    now_ns = runner.machine.state.ts_ns
    runner.submit(events.KillRequested(ts_ns=now_ns, reason="test", source="test"))
    runner.run()
    assert (runner.exit_reason, runner.exit_code) == ("KILL_SWITCH", 5)
    assert runner.machine.state.kill_reason == "test"
    assert not runner.machine.state.entries
    assert replay(tmp_path / "run", build=BUILD).ok


def test_a_damaged_source_ends_after_everything_before_it(tmp_path):
    error = DataCorrupt("file.dbn: the stream ends early")
    runner = new_run(tmp_path / "run", ListFeed(TAPE, error=error), documents())
    runner.run()
    assert (runner.exit_code, runner.message) == (6, str(error))
    report = replay(tmp_path / "run", build=BUILD)
    assert report.ok
    assert report.ticks == len(TAPE)


def test_duration_ends_the_run_in_market_time(tmp_path):
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents(), duration_s=30.0)
    runner.run()
    assert runner.exit_reason == "DURATION"
    assert runner.machine is not None
    assert runner.machine.state.ts_ns == OPEN_NS + 90 * NS_PER_S
    assert replay(tmp_path / "run", build=BUILD).ok


def test_a_failing_core_halts_and_says_where(tmp_path, monkeypatch):
    from trading_bot.core import apply as apply_module

    def broken(_state, _event, _seq):
        raise RuntimeError("boom")

    monkeypatch.setitem(apply_module._HANDLERS, events.OrderSuppressed, broken)
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents())
    with pytest.raises(CoreBug, match="boom"):
        runner.run()
    last = messages(tmp_path / "run")[-1][1]
    assert isinstance(last, events.CoreFailed)
    assert "boom" in last.error
    monkeypatch.undo()
    report = replay(tmp_path / "run", build=BUILD)
    assert report.ok
    assert "core failed" in report.reason


def test_two_sessions_are_two_logs_and_each_replays_alone(tmp_path):
    second_open_ns = OPEN_NS + 24 * 3600 * NS_PER_S
    tape = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 200) + worlds.wavy_tape(second_open_ns + 60 * NS_PER_S, 200)
    runner = new_run(tmp_path / "run", ListFeed(tape), documents({"session": {"kind": "globex", "open_delay_min": 0}}))
    runner.run()
    logs = sorted(path.name for path in (tmp_path / "run").iterdir())
    # 2026-11-26 is Thanksgiving: its short Globex session belongs to its own trade date.
    assert logs == ["20261125", "20261126"]
    for name in logs:
        assert replay(tmp_path / "run" / name, build=BUILD).ok
    whole = replay(tmp_path / "run", build=BUILD)
    assert whole.ok
    assert (whole.effects_digest, whole.state_digest) == worlds.digests(runner)


def test_the_summary_counts_every_record_of_the_log_once(finished, tmp_path):
    summary = summarize(finished, log_path=tmp_path / "run", wall_s=1.0)
    assert summary.events == replay(tmp_path / "run", build=BUILD).last_seq


def test_templates_keep_their_order_through_the_log(tmp_path):
    templates = {"Z9": eager_template(), "A1": eager_template(target_ticks=13)}
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents(templates=templates))
    runner.run()
    assert replay(tmp_path / "run", build=BUILD).ok


def test_documents_survive_the_log():
    docs = documents(templates={"Z9": eager_template(), "A1": eager_template()})
    again = type(docs).unpack(docs.pack(), where="test")
    assert again == docs
    assert list(again.templates) == ["Z9", "A1"]
    assert again.config_hash == docs.config_hash
    swapped = msgspec.structs.replace(docs, templates=dict(reversed(docs.templates.items())))
    assert swapped.config_hash != docs.config_hash, "the order breaks ties, so it counts"


def test_every_message_carries_the_configuration(finished, tmp_path):
    """PR03: the first four bytes of the configuration's hash stand in each frame; a foreign record is refused."""
    log = tmp_path / "run" / "20261125"
    tag = int(finished.documents.config_hash[:8], 16)
    with LogReader(log) as reader:
        tags = {item.config_tag for item in reader.spans() if isinstance(item, MessageFrame)}
    assert tags == {tag}
    with LogReader(log) as reader:
        foreign = [
            msgspec.structs.replace(item, config_tag=1) if isinstance(item, MessageFrame) and item.seq == 9 else item
            for item in reader.spans()
        ]
    with pytest.raises(LogCorrupt, match="carries configuration 00000001"):
        Player(build=BUILD).play(foreign)


def test_a_signal_that_is_not_warm_is_a_skip_and_never_a_zero(tmp_path):
    """DG11: ofi_30s needs 150 s; until then a candidate on the warm trigger is skipped for the missing weight."""
    template = eager_template(weights={"queue_imbalance": 1.0, "ofi_30s": 0.1})
    runner = new_run(
        tmp_path / "run", ListFeed(worlds.wavy_tape(OPEN_NS, 1_000)), documents(templates={"E1": template})
    )
    runner.run()
    decisions = [record for _, record in messages(tmp_path / "run") if isinstance(record, events.DecisionMade)]
    cold = {decision.reason for decision in decisions if decision.ts_ns < OPEN_NS + 150 * NS_PER_S}
    warm = {decision.reason for decision in decisions if decision.ts_ns >= OPEN_NS + 152 * NS_PER_S}
    assert cold == {"MISSING_REQUIRED_SIGNAL"}
    assert "MISSING_REQUIRED_SIGNAL" not in warm
    assert warm


def test_a_long_silence_is_walked_in_parts_and_a_stop_is_heard_within_it(tmp_path, monkeypatch):
    """A stamp years ahead must not hold the process for minutes; the parts are not in the log."""
    day_ns = 86_400 * NS_PER_S
    tape = [worlds.quote(OPEN_NS + 60 * day_ns, 24_000, 24_001), worlds.quote(OPEN_NS + 90 * day_ns, 24_000, 24_001)]
    stopped = new_run(tmp_path / "stopped", ListFeed(tape), documents())
    stopped.run_once()
    stopped.run_once()
    stopped.stop_asked = "SIGINT"
    stopped.run()
    assert (stopped.exit_reason, stopped.exit_code) == ("SIGINT", 0)
    assert stopped.records == 1
    assert replay(tmp_path / "stopped", build=BUILD).ok

    parts = new_run(tmp_path / "parts", ListFeed(tape), documents())
    parts.run()
    monkeypatch.setattr(runner_module, "_WALK_NS", 1000 * day_ns)
    whole = new_run(tmp_path / "whole", ListFeed(tape), documents())
    whole.run()
    assert parts.records == whole.records == 2
    assert worlds.digests(parts) == worlds.digests(whole)
    assert messages(tmp_path / "parts") == messages(tmp_path / "whole")


def test_a_session_without_its_end_is_noticed_when_another_follows(tmp_path):
    two = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 40) + worlds.wavy_tape(OPEN_NS + 86_400 * NS_PER_S, 40)
    new_run(tmp_path / "run", ListFeed(two), documents()).run()
    assert replay(tmp_path / "run", build=BUILD).ok
    first = session_logs(tmp_path / "run")[0] / "seg-000001.tbl"
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    with pytest.raises(LogCorrupt, match="without its end"):
        replay(tmp_path / "run", build=BUILD)


def test_dates_the_calendar_does_not_know_are_told_and_left_when_it_begins(tmp_path):
    """Nothing is entered before the table begins, and the first session it knows is traded."""
    known = documents({"session": {"kind": "globex", "open_delay_min": 0}})
    table = parse_calendar(known.calendar, source="test")
    late = msgspec.structs.replace(known, calendar=table.extract(20261125, 3))
    early_ns = OPEN_NS - 2 * 86_400 * NS_PER_S
    tape = worlds.wavy_tape(early_ns, 100) + worlds.wavy_tape(OPEN_NS, 400)
    runner = new_run(tmp_path / "run", ListFeed(tape), late)
    runner.run()
    records = [record for _, record in messages(tmp_path / "run")]
    told = [
        record.ts_ns for record in records if isinstance(record, effects.Alert) and record.code == "CALENDAR_UNKNOWN"
    ]
    assert told == [early_ns]
    early = {r.reason for r in records if isinstance(r, events.DecisionMade) and r.ts_ns < early_ns + 60 * NS_PER_S}
    assert early == {"SESSION_UNKNOWN_DATE"}
    assert [r for r in records if isinstance(r, effects.PlaceOrder) and r.ts_ns > OPEN_NS]
    assert runner.machine is not None
    assert runner.machine.state.day is not None
    assert replay(tmp_path / "run", build=BUILD).ok


def test_an_input_of_which_nothing_is_usable_ends_with_6(tmp_path):
    class Refusing(ListFeed):
        @property
        def rejected_by_reason(self):
            return {"OFF_GRID": 3}

    refused = TICK_RECORD.pack(0, 64, 0, FrameKind.REJECTED, 1, 1, 0, OPEN_NS, OPEN_NS, 0, 0, 0, 0, 0, 0, 0, 0)
    runner = new_run(tmp_path / "run", Refusing([refused] * 3), documents())
    runner.run()
    assert runner.exit_code == 6
    assert "OFF_GRID" in runner.message
    assert replay(tmp_path / "run", build=BUILD).ok
