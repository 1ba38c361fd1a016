"""No garbage is collected while a session's log is open; between two sessions and afterwards it is."""

import gc

import pytest

from tests.log import tape
from trading_bot.collector import QuietLogs, collector_restored
from trading_bot.core.event_log import verify


@pytest.fixture
def collections():
    """Generations collected so far, and a way to make garbage that asks for collections."""
    seen = []

    def note(phase, info):
        if phase == "start":
            seen.append(info["generation"])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def make_garbage():
    for _ in range(5_000):
        ring = []
        ring.append(ring)


@pytest.mark.parametrize("enabled", [True, False])
def test_none_in_session_one_between_sessions_and_the_setting_comes_back(tmp_path, collections, enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with collector_restored():
            logs = QuietLogs(tmp_path, run_id="x", segment_bytes=tape.SEGMENT, sync_s=0.05)
            for date in (20261123, 20261124):
                log = logs.create(date)
                collections.clear()
                make_garbage()
                assert collections == []
                logs.release(log)
                assert collections == [2]
                assert verify(tmp_path / str(date)).closed
        assert gc.isenabled() is enabled
        assert gc.get_freeze_count() == 0
    finally:
        gc.enable()


def test_a_run_that_ends_with_an_error_leaves_the_collector_as_it_was(tmp_path):
    with pytest.raises(RuntimeError), collector_restored():
        QuietLogs(tmp_path, run_id="x", segment_bytes=tape.SEGMENT, sync_s=0.05).create(20261123)
        raise RuntimeError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
