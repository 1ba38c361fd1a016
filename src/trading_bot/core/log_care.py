"""What trouble with the log's disk means for a run: no room, a refusal, a disk that does not answer (PR06).

Entries stop at the first sign of it. When the log takes no more market data, or the disk has refused what was written,
the run ends with what the log still holds room for: messages, exits among them. Where the clock stands still nothing is
late, so the process just ends, and the same command goes on once there is room.
"""

import contextlib
from typing import Final

from trading_bot.core.run_logs import FolderLogs, MemoryLogs
from trading_bot.core.session_book import SessionBook
from trading_bot.domain import events
from trading_bot.domain.errors import BotError, Halted
from trading_bot.domain.events import Input

LOG_FULL: Final = "LOG_FULL"
LOG_FAILED: Final = "LOG_FAILED"
REASONS: Final = (LOG_FULL, LOG_FAILED)
EXIT_CODE: Final = Halted.exit_code
_ROOM: Final = "free disk space and give the same command again: it goes on with this run"


class LogCare:
    """Looks after the log of a run. `message` is for the operator, empty without trouble.

    `deaf`: the log takes no market data any more; answers and timers still come, until the run is at rest.
    """

    def __init__(self, book: SessionBook, logs: FolderLogs | MemoryLogs, *, clock_stands: bool) -> None:
        """`clock_stands`: the market waits while nobody looks."""
        self.message = ""
        self.deaf = False
        self._book = book
        self._logs = logs
        self._clock_stands = clock_stands
        self._stall_s = book.documents.config.log.stall_s
        self._failure: BaseException | None = None

    def look(self) -> list[Input]:
        """Between batches: segments are sealed and prepared, and what has changed is told.

        Raises:
            BotError: the disk refused the log of a run whose clock stands still: it ends as it is.
        """
        before, failure = self._failure, self._failing()
        trouble = "" if failure is None else str(failure)
        if not trouble and not self._book.writing.space_ok:
            trouble = "the disk is full"
        elif not trouble and not self._clock_stands and self._logs.waits_s() > self._stall_s:
            trouble = f"the disk has not answered for {self._stall_s:g} s"
        told: list[Input] = []
        if (not trouble) != self._book.live.state.log_space_ok:
            told.append(events.LogSpaceChanged(ts_ns=self._book.now_ns, ok=not trouble, detail=trouble))
        if failure is not None and before is None:
            self.message = f"the log could not be written to disk: {failure}"
            if self._clock_stands:
                raise BotError(self.message) from failure
            told.append(self._stop(LOG_FAILED))
        return told

    def refused(self) -> list[Input] | None:
        """The log has refused a market record. None when there is room after all, or when all was told before.

        Where the clock stands nothing is to be told: the log is let go as it is, and the run is over.
        """
        if self.deaf or (self._failing() is None and self._book.writing.writer.has_prepared):
            return None
        self.deaf = True
        self.message = f"the log has no room for market data: {_ROOM}"
        if self._clock_stands:
            self.leave()
            return []
        full = events.LogSpaceChanged(ts_ns=self._book.now_ns, ok=False, detail="market data wait")
        return [full] if self._book.live.state.stopping else [full, self._stop(LOG_FULL)]

    def end(self, reason: str, exit_code: int) -> str:
        """The last record and the seal, or an open log where a position is left; what the operator must know of it.

        Raises:
            BotError: the disk does not take the end of a run that was in order.
        """
        try:
            return self._book.end(reason) or self.message
        except BotError as error:
            if not exit_code:
                raise
            with contextlib.suppress(BotError):  # no room for the end, or no answer: the next start goes on from here
                self.leave()
            return f"{self.message or error}; the log has no end, and the next start goes on with it"

    def leave(self) -> None:
        """Let go of the log as it is: the next start goes on with it."""
        self._book.live.state.kernel.set_writer(None)
        if self._book.log is not None:
            self._book.release()

    def _failing(self, *, full: bool = False) -> BaseException | None:
        """What the disk refused for good; room that is missing is not that. `full`: it is wanted now."""
        self._failure = self._failure or self._logs.failure()
        if self._failure is None and (full or self._book.writing.is_short):
            try:
                self._book.writing.maintain()
            except OSError as error:
                self._failure = error
        return self._failure

    def _stop(self, reason: str) -> Input:
        return events.StopRequested(ts_ns=self._book.now_ns, reason=reason, exit_code=EXIT_CODE)
