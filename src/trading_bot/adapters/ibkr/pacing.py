"""How many messages go to the gateway, and whose go first.

The gateway counts the messages of each second and breaks the connection of a client that repeats more than 50 (TWS API,
message 100). So we count any second as it does: a bucket that refills by and by would let nearly twice its size through
in one. A part of each second is kept for what protects a position.
"""

from collections import deque
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Final

_WINDOW_S: Final = 1.0


class Lane(IntEnum):
    """What a message is for."""

    PROTECT = 0  # cancels, stops, exits: may use every message of the second, and goes before everything that waits
    ENTRY = 1  # refused when there is no room: a late entry is worse than none
    DATA = 2  # questions and subscriptions: waits


class Pacing:
    """At most `per_s` messages in any second of wall time, `reserved` of them for Lane.PROTECT alone."""

    def __init__(
        self,
        per_s: int,
        reserved: int,
        *,
        now_s: Callable[[], float],
        transmit: Callable[[bytes, int], None],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """`transmit` writes so many messages to the socket; `later` calls something after so many seconds."""
        self.lane = Lane.DATA  # of what the library sends next
        self._most = (per_s, per_s - reserved, per_s - reserved)  # by lane
        self._now_s = now_s
        self._transmit = transmit
        self._later = later
        self._sent_s: deque[float] = deque()
        self._waiting: tuple[deque[bytes], ...] = tuple(deque() for _ in Lane)
        self._alarm_set = False

    @property
    def waiting(self) -> int:
        """Messages that wait for their second."""
        return sum(map(len, self._waiting))

    def waits(self, lane: Lane) -> bool:
        """Whether messages of this lane wait for their second."""
        return bool(self._waiting[lane])

    def room(self, lane: Lane) -> int:
        """Messages that this lane may send at once."""
        sent_s, oldest_s = self._sent_s, self._now_s() - _WINDOW_S
        while sent_s and sent_s[0] <= oldest_s:
            sent_s.popleft()
        return max(self._most[lane] - len(sent_s), 0)

    def send(self, lane: Lane, frames: bytes, messages: int = 1, *, or_not: bool = False) -> bool:
        """Send so many messages, each with its length before it.

        Those without room wait for their turn, or with `or_not` are not sent at all: then the answer is False.
        """
        waiting, sent_s, now_s = self._waiting[lane], self._sent_s, self._now_s()
        while sent_s and sent_s[0] <= now_s - _WINDOW_S:
            sent_s.popleft()
        if waiting or self._most[lane] - len(sent_s) < messages:
            if or_not:
                return False
            waiting.extend(_cut(frames))
            self._drain()
            return True
        for _ in range(messages):
            sent_s.append(now_s)
        self._transmit(frames, messages)
        return True

    def clear(self) -> None:
        """What waits is for a connection that has ended, and so is what was counted."""
        self._sent_s.clear()
        for messages in self._waiting:
            messages.clear()

    def _drain(self) -> None:
        for lane, messages in zip(Lane, self._waiting, strict=True):
            while messages and self.room(lane):
                self._sent_s.append(self._now_s())
                self._transmit(messages.popleft(), 1)
        if self.waiting and not self._alarm_set:
            self._alarm_set = True
            self._later(self._wait_s(), self._on_alarm)

    def _wait_s(self) -> float:
        """Until the first lane that waits may send."""
        lane = next(lane for lane, messages in zip(Lane, self._waiting, strict=True) if messages)
        blocking = len(self._sent_s) - self._most[lane]  # this one has to leave the window
        return max(self._sent_s[blocking] + _WINDOW_S - self._now_s(), 0.0)

    def _on_alarm(self) -> None:
        self._alarm_set = False
        self._drain()


def _cut(frames: bytes) -> Iterator[bytes]:
    """Whole messages, each with its four bytes of length."""
    while frames:
        end = 4 + int.from_bytes(frames[:4], "big")
        yield frames[:end]
        frames = frames[end:]
