"""A run that was cut goes on where its log ends.

Same digests when nothing decided was lost, EFFECTS_ABANDONED when it was.
"""

import shutil
import struct
from pathlib import Path

import msgspec
import pytest

from tests.core import worlds
from tests.core.worlds import BUILD, OPEN_NS, ListFeed, documents, messages, new_run, resumed_run
from trading_bot.core.event_log import LogReader
from trading_bot.core.log_segments import RECORDS_START_BYTES
from trading_bot.core.player import Player
from trading_bot.core.recovery import recover_run, unfinished
from trading_bot.core.replay import replay, session_logs
from trading_bot.core.shadow_broker import ShadowBroker
from trading_bot.core.summarize import summarize
from trading_bot.domain import effects, events
from trading_bot.domain.errors import LogCorrupt, ReplayDiverged
from trading_bot.domain.records import FrameKind
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines.session import parse_calendar

TAPE = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 160)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run and its digests."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    runner = new_run(folder, ListFeed(TAPE), documents())
    runner.run()
    return folder, worlds.digests(runner)


def record_ends(segment: bytes) -> list[int]:
    """Byte offsets after each record of a segment, by walking the lengths."""
    ends, offset = [], RECORDS_START_BYTES
    while offset + 64 <= len(segment):
        length = struct.unpack_from("<I", segment, offset + 4)[0]
        if length == 0 or segment[offset + 16] == 32:
            break
        offset += length
        ends.append(offset)
    return ends


def last_segment(log: Path) -> Path:
    return max(log.glob("seg-*.tbl"))


def cut(folder: Path, target: Path, keep_bytes: int) -> None:
    """A copy of a run as a killed process would leave it: the last segment cut after `keep_bytes`."""
    shutil.copytree(folder, target)
    log = session_logs(target)[-1]
    segment = last_segment(log)
    segment.write_bytes(segment.read_bytes()[:keep_bytes])


def test_a_run_cut_after_any_record_goes_on(whole, tmp_path):
    """Cuts in a stretch with orders, timers and cancels; complete ones give the digests of the uninterrupted run."""
    folder, expected = whole
    log = session_logs(folder)[-1]
    segment = last_segment(log).read_bytes()
    ends = record_ends(segment)
    complete = abandoned = 0
    # From the second record (the run's own documents) through the first orders to where the next ones are.
    for index in [*range(1, 75), *range(75, len(ends) - 1, 17)]:
        target = tmp_path / f"cut-{index}"
        cut(folder, target, ends[index])
        assert unfinished(target)
        runner = resumed_run(target, ListFeed(TAPE), documents())
        runner.run()
        report = replay(target, build=BUILD)
        assert report.ok, (index, report.reason)
        kinds = [type(record).__name__ for _, record in messages(target)]
        assert kinds.count("ProcessStarted") == 1
        if "EffectsAbandoned" in kinds:
            abandoned += 1
        else:
            complete += 1
            assert worlds.digests(runner) == expected, index
        shutil.rmtree(target)
    assert complete > 40
    assert abandoned > 10


def test_abandoned_effects_are_never_sent_late(whole, tmp_path):
    """Cut between a decision and its order: the order is not in the broker afterwards, and never appears."""
    folder, _ = whole
    seq = next(seq for seq, record in messages(folder) if isinstance(record, effects.PlaceOrder))
    order_id = next(record.order.order_id for _, record in messages(folder) if isinstance(record, effects.PlaceOrder))
    segment = last_segment(session_logs(folder)[-1]).read_bytes()
    target = tmp_path / "cut"
    cut(folder, target, record_ends(segment)[seq - 2])
    runner = resumed_run(target, ListFeed(TAPE), documents())
    runner.run()
    records = [record for _, record in messages(target)]
    note = next(record for record in records if isinstance(record, events.EffectsAbandoned))
    assert note.cause_seq == order_id[0]
    assert order_id not in [r.order.order_id for r in records if isinstance(r, effects.PlaceOrder)]
    assert order_id not in [r.order_id for r in records if isinstance(r, events.OrderSuppressed)]
    later = [r for r in records if isinstance(r, effects.PlaceOrder)]
    assert later, "the run goes on and decides anew"
    assert replay(target, build=BUILD).ok


def test_a_torn_record_is_dropped_and_said(whole, tmp_path):
    folder, expected = whole
    segment = last_segment(session_logs(folder)[-1]).read_bytes()
    ends = record_ends(segment)
    target = tmp_path / "cut"
    cut(folder, target, ends[100] + 40)
    report = replay(target, build=BUILD)
    assert (report.last_seq, report.torn_bytes) == (101, 40)
    runner = resumed_run(target, ListFeed(TAPE), documents())
    runner.run()
    started = next(record for _, record in messages(target) if isinstance(record, events.ProcessStarted))
    assert (started.last_seq, started.torn_bytes, started.recovery) == (101, 40, "full")
    assert worlds.digests(runner) == expected


def test_ten_restarts_give_the_state_of_one(tmp_path):
    tape = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 700)
    uninterrupted = new_run(tmp_path / "whole", ListFeed(tape), documents())
    uninterrupted.run()
    target = tmp_path / "run"
    runner = new_run(target, ListFeed(tape), documents())
    for restart in range(11):
        if restart:
            worlds.vanish(runner)
            runner = resumed_run(target, ListFeed(tape, batch_records=5 + restart), documents())
        for _ in range(7):
            runner.run_once()
        assert not runner.ended
    runner.run()
    assert worlds.digests(runner) == worlds.digests(uninterrupted)
    assert [type(r).__name__ for _, r in messages(target)].count("ProcessStarted") == 10
    assert replay(target, build=BUILD).ok


def test_another_configuration_continues_with_facts_only(whole, tmp_path):
    folder, _ = whole
    segment = last_segment(session_logs(folder)[-1]).read_bytes()
    target = tmp_path / "cut"
    cut(folder, target, record_ends(segment)[90])
    changed = documents({"decision": {"stability_max": 8.0}})
    runner = resumed_run(target, ListFeed(TAPE), changed)
    runner.run()
    records = [record for _, record in messages(target)]
    started = next(record for record in records if isinstance(record, events.ProcessStarted))
    assert started.recovery == "facts"
    placed = [record for record in records if isinstance(record, effects.PlaceOrder)]
    assert runner.machine is not None
    assert runner.machine.state.budgets.attempts_day == len(placed) > 1, "a restart does not refill a budget"
    report = replay(target, build=BUILD)
    assert report.ok, report.reason
    assert (report.effects_digest, report.state_digest) == worlds.digests(runner)
    summary = summarize(runner, log_path=None, wall_s=1.0)
    kinds = [record[16] for record in TAPE]
    assert (summary.quotes, summary.trades) == (kinds.count(FrameKind.QUOTE), kinds.count(FrameKind.TRADE))


def test_another_build_continues_with_facts_only(whole, tmp_path):
    folder, _ = whole
    segment = last_segment(session_logs(folder)[-1]).read_bytes()
    target = tmp_path / "cut"
    cut(folder, target, record_ends(segment)[90])
    runner = resumed_run(target, ListFeed(TAPE), documents(), build="newer")
    runner.run()
    report = replay(target, build="newer")
    assert report.ok, report.reason
    assert (report.effects_digest, report.state_digest) == worlds.digests(runner)


def test_the_kill_latch_survives_a_cold_restart(tmp_path):
    target = tmp_path / "run"
    runner = new_run(target, ListFeed(TAPE), documents())
    for _ in range(12):
        runner.run_once()
    assert runner.machine is not None
    runner.submit(events.KillRequested(ts_ns=runner.machine.state.ts_ns, reason="by hand", source="test"))
    runner.run_once()
    worlds.vanish(runner)
    resumed = resumed_run(target, ListFeed(TAPE), documents({"decision": {"stability_max": 8.0}}))
    resumed.run()
    assert resumed.machine is not None
    assert resumed.machine.state.kill_reason == "by hand"
    placed = [seq for seq, record in messages(target) if isinstance(record, effects.PlaceOrder)]
    started = next(seq for seq, record in messages(target) if isinstance(record, events.ProcessStarted))
    assert all(seq < started for seq in placed)


def test_a_damaged_log_is_not_continued(whole, tmp_path):
    folder, _ = whole
    target = tmp_path / "run"
    shutil.copytree(folder, target)
    segment = last_segment(session_logs(target)[-1])
    data = bytearray(segment.read_bytes())
    data[record_ends(bytes(data))[20] + 24] ^= 1
    segment.write_bytes(data)
    with pytest.raises(LogCorrupt):
        unfinished(target)


def test_a_log_whose_effects_do_not_follow_is_not_continued(whole, tmp_path, monkeypatch):
    from trading_bot.engines import decision_v2

    folder, _ = whole
    segment = last_segment(session_logs(folder)[-1]).read_bytes()
    target = tmp_path / "cut"
    cut(folder, target, record_ends(segment)[90])
    gates = [row for row in decision_v2._GATES if row[0].name != "MISSING_REQUIRED_SIGNAL"]
    monkeypatch.setattr(decision_v2, "_GATES", (*gates, (decision_v2.GateReason.EUC_LOW, lambda *_: True)))
    with pytest.raises(ReplayDiverged):
        recover_run(target, build=BUILD, config_hash=documents().config_hash, sink=lambda: (ShadowBroker(), None))


def test_until_stops_a_player(whole):
    folder, _ = whole
    player = Player(build=BUILD)
    with LogReader(session_logs(folder)[-1]) as reader:
        player.play(reader.spans(), until_seq=50)
    assert player.last_seq == 50
    assert player.machine is not None
    assert player.machine.state.ts_ns > 0


def test_canonical_facts_do_not_see_a_restart():
    """Order ids in the digest count without the records a restart writes."""
    from trading_bot.core.digest import canonical_effect, canonical_order_id

    assert canonical_order_id((40, 1), [10, 20, 50]) == (38, 1)
    cancel = effects.CancelOrder(ts_ns=1, order_id=(40, 1), reason="x")
    assert canonical_effect(cancel, [10]) == msgspec.structs.replace(cancel, order_id=(39, 1))


def test_a_run_cut_between_two_sessions_goes_on(tmp_path):
    """The first session's log is closed, the second one does not exist yet, or has no record yet."""
    tape = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 80) + worlds.wavy_tape(OPEN_NS + 86_460 * NS_PER_S, 80)
    globex = documents({"session": {"kind": "globex", "open_delay_min": 0}})
    runner = new_run(tmp_path / "whole", ListFeed(tape), globex)
    runner.run()
    expected = worlds.digests(runner)
    first, second = session_logs(tmp_path / "whole")
    segment = (first / "seg-000001.tbl").read_bytes()
    for index, end in enumerate(record_ends(segment)[-6:-1]):
        target = tmp_path / f"rolling-{index}"
        shutil.copytree(tmp_path / "whole", target)
        shutil.rmtree(target / second.name)
        (target / first.name / "seg-000001.tbl").write_bytes(segment[:end])
        again = resumed_run(target, ListFeed(tape), globex)
        again.run()
        assert again.exit_reason == "FEED_ENDED"
        assert [log.name for log in session_logs(target)] == [first.name, second.name]
        assert replay(target, build=BUILD).ok
        if not any(isinstance(record, events.EffectsAbandoned) for _, record in messages(target)):
            assert worlds.digests(again) == expected
    opening = (second / "seg-000001.tbl").read_bytes()
    for index, end in enumerate(record_ends(opening)[:9]):
        # Also between RUN_STARTED and STATE_CARRIED: what the first session left must not be lost.
        target = tmp_path / f"opening-{index}"
        shutil.copytree(tmp_path / "whole", target)
        (target / second.name / "seg-000001.tbl").write_bytes(opening[:end])
        again = resumed_run(target, ListFeed(tape), globex)
        again.run()
        assert replay(target, build=BUILD).ok
        if not any(isinstance(record, events.EffectsAbandoned) for _, record in messages(target)):
            assert worlds.digests(again) == expected, index
    for name in ("absent", "empty"):
        target = tmp_path / name
        shutil.copytree(tmp_path / "whole", target)
        if name == "absent":
            shutil.rmtree(target / second.name)
        else:
            segment = target / second.name / "seg-000001.tbl"
            segment.write_bytes(segment.read_bytes()[:RECORDS_START_BYTES])
        assert unfinished(target)
        again = resumed_run(target, ListFeed(tape), globex)
        again.run()
        assert worlds.digests(again) == expected
        assert replay(target, build=BUILD).ok
    assert not unfinished(tmp_path / "whole")


def test_a_run_cut_behind_the_last_session_of_its_calendar_goes_on(tmp_path):
    """The log of the unknown dates comes after those of the known ones, whatever it is called."""
    docs = documents()
    last = parse_calendar(docs.calendar, source="test").days_from(0, 100)[-1]
    start_ns = last.globex_close_ns - 60 * NS_PER_S
    tape = worlds.wavy_tape(start_ns, 20) + worlds.wavy_tape(start_ns + 48 * 3600 * NS_PER_S, 300)
    uninterrupted = new_run(tmp_path / "whole", ListFeed(tape), docs)
    uninterrupted.run()
    logs = session_logs(tmp_path / "whole")
    assert len(logs) == 2
    report = replay(tmp_path / "whole", build=BUILD)
    assert (report.effects_digest, report.state_digest) == worlds.digests(uninterrupted)
    target = tmp_path / "cut"
    cut(tmp_path / "whole", target, record_ends(last_segment(logs[-1]).read_bytes())[250])
    assert unfinished(target)
    runner = resumed_run(target, ListFeed(tape), docs)
    runner.run()
    assert worlds.digests(runner) == worlds.digests(uninterrupted)


@pytest.mark.parametrize(("config", "build"), [({"session": {"kind": "globex"}}, BUILD), (None, "newer")])
def test_a_run_cut_between_two_sessions_goes_on_with_facts_under_another_kernel(tmp_path, config, build):
    tape = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 80) + worlds.wavy_tape(OPEN_NS + 86_460 * NS_PER_S, 80)
    target = tmp_path / "run"
    new_run(target, ListFeed(tape), documents()).run()
    shutil.rmtree(session_logs(target)[1])
    again = resumed_run(target, ListFeed(tape), documents(config), build=build)
    again.run()
    assert (again.exit_reason, again.records) == ("FEED_ENDED", len(tape))
    summary = summarize(again, log_path=None, wall_s=1.0)
    kinds = [record[16] for record in tape]
    assert (summary.quotes, summary.trades) == (kinds.count(FrameKind.QUOTE), kinds.count(FrameKind.TRADE))
    assert replay(target, build=build).ok
