"""A full disk stops entries, then the run; what was written is kept and nothing is dropped (architecture 6)."""

import errno

import pytest

from tests.core import worlds
from tests.core.worlds import BUILD, OPEN_NS, ListFeed, documents, messages, new_run
from trading_bot.core.event_log import EventLog
from trading_bot.core.replay import replay
from trading_bot.domain import effects, events
from trading_bot.domain.units import NS_PER_S

TAPE = worlds.wavy_tape(OPEN_NS + 60 * NS_PER_S, 12_000, step_ms=50)


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """Room for three segments of 256 KiB; logs that other tests have left running are on another disk."""
    allocate = EventLog._allocate
    left = [3]

    def limited(log, index, **how):
        if tmp_path in log.path.parents:
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            left[0] -= 1
        return allocate(log, index, **how)

    monkeypatch.setattr(EventLog, "_allocate", limited)
    return left


def test_the_run_ends_orderly_with_everything_before_in_the_log(tmp_path, small_disk):
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents())
    runner.run()
    assert (runner.exit_reason, runner.exit_code) == ("LOG_FULL", 5)
    assert "free disk space" in runner.message
    report = replay(tmp_path / "run", build=BUILD)
    assert report.ok, report.reason
    assert report.ticks == runner.records < len(TAPE)
    # Three segments of 256 KiB, each less 64 KiB of reserve, are 9216 records; a decision's messages take several each.
    assert report.ticks > 5_000
    assert small_disk == [0]


def test_entries_stop_before_the_room_ends(tmp_path, small_disk):
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents())
    runner.run()
    records = messages(tmp_path / "run")
    low = next(seq for seq, record in records if isinstance(record, events.LogSpaceChanged))
    assert not [seq for seq, record in records if isinstance(record, effects.PlaceOrder) and seq > low]
    reasons = {r.reason for seq, r in records if isinstance(r, events.DecisionMade) and seq > low}
    assert reasons == {"LOG_SPACE_LOW"}
    assert small_disk == [0]


def test_room_that_comes_back_is_taken(tmp_path, small_disk):
    runner = new_run(tmp_path / "run", ListFeed(TAPE), documents())
    while runner.machine is None or runner.machine.state.log_space_ok:
        runner.run_once()
    small_disk[0] = 10
    runner.run()
    assert runner.exit_reason == "FEED_ENDED"
    changes = [record.ok for _, record in messages(tmp_path / "run") if isinstance(record, events.LogSpaceChanged)]
    assert changes == [False, True]
    assert replay(tmp_path / "run", build=BUILD).ticks == len(TAPE)
