"""MO10: collections, what waits, and the summary that tells them."""

import gc
import socket
from types import SimpleNamespace

import pytest

from trading_bot._fast.histogram import Histogram
from trading_bot.adapters.ibkr.latency_watch import LatencyWatch, unread_bytes
from trading_bot.adapters.ibkr.pauses import Pauses
from trading_bot.domain.latency_config import LatencyConfig
from trading_bot.domain.latency_events import LatencySummary

S = 1_000_000_000


class Watched:
    """A watch with a clock and an intake of the test's own."""

    def __init__(self):
        self.now_ns = 100 * S
        self.told = []
        self.waiting = 0
        counts = dict.fromkeys(("packets", "frames", "ticks", "declined", "held", "socket_ns", "tick_ts_ns"), 0)
        self.intake = SimpleNamespace(decode_hist=Histogram(), decide_hist=Histogram(), **counts)
        self.watch = LatencyWatch(
            self.intake,
            LatencyConfig(summary_s=30),
            self.told.append,
            client_id=1,
            transport=lambda: None,
            waiting=lambda: self.waiting,
            now_ns=lambda: self.now_ns,
        )
        self.watch.start()

    def wait(self, seconds, late_s=0.0):
        self.now_ns += round(seconds * S)
        self.watch.look(late_s)


@pytest.fixture
def watched():
    one = Watched()
    yield one
    one.watch.close()


def stages(summary):
    return {one.stage: one for one in summary.stages}


def test_a_summary_comes_after_ten_seconds_and_then_each_span(watched):
    for _ in range(100):
        watched.wait(1.0)
    spans = [one.span_ns / S for one in watched.told]
    assert spans == [10, 30, 30, 30]


def test_a_summary_has_what_happened_in_its_span_alone(watched):
    intake = watched.intake
    intake.packets, intake.frames, intake.ticks, intake.declined = 7, 20, 9, 1
    intake.decode_hist.add(5_000)
    watched.waiting = 3
    watched.wait(1, late_s=0.25)
    watched.waiting, intake.held = 0, 6
    watched.wait(9)
    intake.held, intake.packets = 0, 8
    watched.wait(30)
    first, second = watched.told
    assert (first.packets, first.frames, first.ticks, first.declined) == (7, 20, 9, 1)
    assert (first.waiting_inputs_max, first.waiting_ticks_max) == (3, 6)
    assert (stages(first)["decode"].count, stages(first)["loop_lag"].max_ns) == (1, S // 4)
    assert (second.packets, second.frames) == (1, 0)
    assert (second.waiting_inputs_max, second.waiting_ticks_max) == (0, 0)
    assert list(stages(second)) == ["loop_lag"]


def test_a_clock_that_is_set_is_summed_up_at_once(watched):
    ours_ns = 1_790_000_000 * S
    assert not watched.watch.gateway_time(ours_ns, ours_ns + 1_000, 1_790_000_000)
    assert not watched.told
    assert watched.watch.gateway_time(ours_ns + 10 * S, ours_ns + 10 * S + 1_000, 1_790_000_310)
    (summary,) = watched.told
    assert isinstance(summary, LatencySummary)
    assert summary.clock_steps == 1
    assert summary.clock_low_ns <= 300 * S <= summary.clock_high_ns


def test_collections_are_counted_and_the_longest_is_kept():
    pauses = Pauses()
    gc.collect()
    assert pauses.take() == (0, 0)
    pauses.start()
    pauses.start()
    try:
        gc.collect()
        gc.collect()
        count, longest_ns = pauses.take()
        assert count == 2
        assert 0 < longest_ns < 60 * S
        assert pauses.take() == (0, 0)
    finally:
        pauses.close()
        pauses.close()
    gc.collect()
    assert pauses.take() == (0, 0)


def test_bytes_that_nobody_has_read_are_counted():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = SimpleNamespace(get_extra_info=lambda _name: ours)
        assert unread_bytes(transport) == 0
        theirs.send(b"x" * 1234)
        assert unread_bytes(transport) == 1234
        ours.recv(1000)
        assert unread_bytes(transport) == 234
    assert unread_bytes(transport) == 0
    assert unread_bytes(None) == 0
