"""Messages a second: the gateway's limit, the reserve, and what goes first (field notes C; TWS API, message 100)."""

import heapq
import socket
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot._fast.pacing import Pacing, write_now
from trading_bot.adapters.ibkr.pacing import Lane


def framed(text):
    return len(text).to_bytes(4, "big") + text.encode()


def texts_of(frames):
    while frames:
        end = 4 + int.from_bytes(frames[:4], "big")
        yield frames[4:end].decode()
        frames = frames[end:]


class World:
    """A clock that is turned by hand, its alarms, and what was transmitted when."""

    def __init__(self, per_s=45, reserved=15):
        self.now_s = 1000.0
        self.sent = []
        self._alarms = []
        self.pacing = Pacing(per_s, reserved, now_s=lambda: self.now_s, transmit=self._transmit, later=self._later)

    def _transmit(self, frames, messages):
        found = list(texts_of(frames))
        assert len(found) == messages
        self.sent += [(self.now_s, text) for text in found]

    def _later(self, delay_s, call):
        heapq.heappush(self._alarms, (self.now_s + delay_s, len(self._alarms), call))

    def send(self, lane, message):
        self.pacing.send(lane, framed(message))

    def until(self, time_s):
        while self._alarms and self._alarms[0][0] <= time_s:
            self.now_s = max(self._alarms[0][0], self.now_s)
            heapq.heappop(self._alarms)[2]()
        self.now_s = time_s

    @property
    def texts(self):
        return [message for _, message in self.sent]


def test_data_leave_the_reserve_alone_and_what_protects_uses_it():
    world = World()
    for number in range(40):
        world.send(Lane.DATA, f"d{number}")
    assert len(world.sent) == 30
    assert world.pacing.room(Lane.ENTRY) == 0
    for number in range(15):
        world.send(Lane.PROTECT, f"p{number}")
    assert len(world.sent) == 45
    assert world.pacing.room(Lane.PROTECT) == 0


def test_what_protects_overtakes_what_waits():
    world = World()
    for number in range(40):
        world.send(Lane.DATA, f"d{number}")
    for number in range(20):
        world.send(Lane.PROTECT, f"p{number}")
    world.until(1000.9)
    assert len(world.sent) == 45
    world.until(1002.5)
    assert len(world.sent) == 60
    waited = world.texts[45:]
    assert waited[:5] == ["p15", "p16", "p17", "p18", "p19"]
    assert waited[5:] == [f"d{number}" for number in range(30, 40)]


def test_a_protecting_message_waits_only_as_long_as_the_limit_forces():
    world = World(per_s=10, reserved=4)
    for number in range(10):
        world.until(1000.0 + number / 100)
        world.send(Lane.PROTECT, f"p{number}")
    world.until(1000.5)
    world.send(Lane.PROTECT, "late")
    world.until(1002.0)
    assert world.sent[-1] == (1001.0, "late")  # one second after the first of the ten


def test_nothing_waits_when_there_is_room():
    world = World()
    world.send(Lane.ENTRY, "e")
    assert world.sent == [(1000.0, "e")]
    assert world.pacing.waiting == 0


def test_an_ended_connection_takes_along_what_waited():
    world = World(per_s=5, reserved=2)
    for number in range(9):
        world.send(Lane.DATA, f"d{number}")
    world.pacing.clear()
    world.until(1010.0)
    assert world.texts == ["d0", "d1", "d2"]
    assert world.pacing.room(Lane.PROTECT) == 5


LANES = st.sampled_from([Lane.PROTECT, Lane.DATA])


@given(
    per_s=st.integers(3, 12),
    reserved=st.integers(1, 2),
    steps=st.lists(st.tuples(LANES, st.integers(0, 400)), max_size=60),
)
def test_no_second_ever_holds_more_than_the_limit_and_each_lane_keeps_its_order(per_s, reserved, steps):
    world = World(per_s, reserved)
    asked = {lane: deque() for lane in Lane}
    time_ms = 0
    for number, (lane, gap_ms) in enumerate(steps):
        time_ms += gap_ms
        world.until(1000 + time_ms / 1000)
        world.send(lane, f"{lane.name}{number}")
        asked[lane].append(f"{lane.name}{number}")
    world.until(1000 + time_ms / 1000 + 61)
    times = [when for when, _ in world.sent]
    assert len(times) == len(steps)  # nothing is lost
    for first, when in enumerate(times):
        # The gateway's rule: count what came in any second.
        assert sum(when <= other < when + 0.999999 for other in times[first:]) <= per_s
    for lane in (Lane.PROTECT, Lane.DATA):
        assert [message for message in world.texts if message.startswith(lane.name)] == list(asked[lane])
    for number, (when, message) in enumerate(world.sent):
        if message.startswith("DATA"):
            before = sum(when - 0.999999 < other for other in times[:number])
            assert before < per_s - reserved


@pytest.mark.parametrize(("per_s", "reserved"), [(0, 0), (5, 5), (5, -1)])
def test_a_reserve_that_leaves_nothing_is_refused(per_s, reserved):
    with pytest.raises(ValueError, match=f"{reserved} of {per_s} messages a second are reserved"):
        World(per_s, reserved)


def test_what_a_full_socket_does_not_take_is_told():
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        while write_now(near.fileno(), b"x" * 65536):
            pass
        assert write_now(near.fileno(), b"y") == 0
        far.recv(1 << 20)
    assert write_now(near.fileno(), b"z") == 0  # a socket that is closed
