"""When a session is over for good, as the log tells it: five minutes of market time after its close, or its end."""

from typing import Final

from trading_bot.domain.units import NS_PER_MIN
from trading_bot.monitor.story import Story

CLOSED: Final = "SESSION_CLOSED"
AFTER_CLOSE_NS: Final = 5 * NS_PER_MIN  # 16:05 in New York on an ordinary day


class ClosingBell:
    """Asked now and then; rings once for each session's log."""

    def __init__(self) -> None:
        """No session is known."""
        self._log = ("", "")
        self._closed_ns = 0
        self._rang = False

    def rings(self, story: Story) -> bool:
        """Whether the session that the story tells of has closed, and this was not said before."""
        log = (story.run_id, story.log)
        if log != self._log:
            self._log, self._closed_ns, self._rang = log, 0, False
        if story.session_state != CLOSED:
            self._closed_ns = 0
            return False
        if not self._closed_ns:
            self._closed_ns = story.ts_ns
        over = bool(story.ended) or story.ts_ns - self._closed_ns >= AFTER_CLOSE_NS
        rings, self._rang = over and not self._rang, self._rang or over
        return rings
