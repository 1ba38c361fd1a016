"""Results of the core on their way: into the log first, then to whom they are for, then counted.

What a broker is to get leaves as soon as it and everything told before it is in the log, before the core has settled:
timers, control and counts wait. Nothing can come back before they are done, for that takes a turn of the loop.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from trading_bot.core.apply import Results
from trading_bot.core.carrier import BROKER_EFFECTS, Desk, carry_out
from trading_bot.core.run_logs import FolderLogs, MemoryLogs
from trading_bot.core.session_book import SessionBook
from trading_bot.domain import events
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event, Input
from trading_bot.domain.ports import Broker
from trading_bot.domain.reasons import Action

_ANSWER: Final = ("action", "reason", "template", "side", "ts_ns", "text")
IDLE: Final = {"action": Action.IDLE.value, "reason": "NO_DECISION"}


class Outgoing:
    """One runner's way out. `decided` is the last decision that went it, `failed` get what could not be carried out."""

    def __init__(
        self,
        broker: Broker,
        desk: Desk,
        logs: FolderLogs | MemoryLogs,
        failed: deque[Input],
        on_record: Callable[[int, Event | Effect], None] | None,
    ) -> None:
        """`on_record` is told each result and its number, for diagnostic lines."""
        self.decided: dict[str, Any] = IDLE
        self._broker = broker
        self._desk = desk
        self._logs = logs
        self._failed = failed
        self._on_record = on_record
        self._logged: list[int] = []  # numbers of the results of now that are in the log

    def begin(self) -> None:
        """The next event's results are not out yet."""
        self._logged.clear()

    def leave(self, book: SessionBook, seq: int, results: Results) -> None:
        """Up to the last that a broker is to get."""
        for count in range(len(results), 0, -1):
            if type(results[count - 1]) in BROKER_EFFECTS:
                self._out(book, results[:count], seq)
                return

    def finish(self, book: SessionBook, results: Results, seq: int) -> None:
        """What has not left yet; then all of it counts."""
        self._out(book, results[len(self._logged) :], seq)
        for number, result in zip(self._logged, results, strict=True):
            book.live.recorded(result)
            if self._on_record is not None:
                self._on_record(number, result)
            if isinstance(result, events.DecisionMade):
                self.decided = {name: getattr(result, name) for name in _ANSWER}

    def _out(self, book: SessionBook, results: Results, seq: int) -> None:
        self._logged += book.append_results(results, seq)
        log = str(self._logs.path or "")
        self._failed.extend(carry_out(results, book.live.state, self._broker, self._desk, log=log, seq=seq))
