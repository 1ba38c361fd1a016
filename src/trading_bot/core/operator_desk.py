"""The bot's side of the operator's files: what it is told, and what it leaves for later (`operator_files.py`).

Shell code: it reads the monotonic clock for its own pace, and wall time for people. The loop owns it; a signal's
handler and the thread of the control socket call only `ask_to_kill`, `look_soon`, `watch` and `shown`, which hand over
whole values.
"""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson

from trading_bot.core import learning_file
from trading_bot.core import operator_files as files
from trading_bot.core.breaker_requests import take_clear
from trading_bot.core.flattening import DONE
from trading_bot.core.heartbeat import Heartbeat
from trading_bot.core.kill_timeline import HALTED, KillTimeline
from trading_bot.core.learning_requests import take_order
from trading_bot.core.operator_files import BotStatus, Cleared, Latch, note, plain, wall
from trading_bot.domain.effects import Alert, Effect
from trading_bot.domain.errors import TakenOver, UsageError
from trading_bot.domain.events import Event, FlattenRequested, Input, KillRequested
from trading_bot.domain.trade_events import FlattenAdvanced
from trading_bot.domain.units import NS_PER_MS, NS_PER_S
from trading_bot.engines.costs import Costs
from trading_bot.engines.flatten import Command

__all__ = ["BotStatus", "Cleared", "Latch", "NoDesk", "OperatorDesk"]

POLL_NS: Final = 20 * NS_PER_MS
STATUS_NS: Final = NS_PER_S
RETRY_NS: Final = NS_PER_S  # of a latch that the disk did not take
DEAF_NS: Final = 250 * NS_PER_MS  # a loop that has not asked for so long does not persist a kill itself
_HELP: Final = f"FLATTEN_{Command.DEAD_MAN.value}"
_ASKED_MAX: Final = 8  # kills that wait for the loop; the first decides
STOOD_STILL_NS: Final = NS_PER_S  # fifty looks: a loop that was away for so long looks at the switch before it decides


class OperatorDesk:
    """Commands that come as files, and files that outlive the run. One per process and data directory."""

    def __init__(self, data_dir: Path, heartbeat: Heartbeat | None = None) -> None:
        """Nothing is read or written yet. `heartbeat` is touched at every look for commands."""
        self.data_dir = data_dir
        self._heartbeat = heartbeat
        self.failure: str | None = None  # what the disk last refused; trading goes on
        self.stopped_by = ""  # a kill that was asked for: no entry leaves from here on, whatever the loop is at
        self.polled_ns = time.monotonic_ns()  # when the loop asked last
        self.timeline = KillTimeline()
        self.shown: dict[str, Any] = {}  # the status as it was published last
        self._asked: deque[Latch] = deque(maxlen=_ASKED_MAX)
        self._soon = False
        self._kill_told = False
        self._flatten_told: tuple[int, int] | None = None
        self._clearing_used = False
        self._unwritten: Latch | None = None
        self._next_poll_ns = 0
        self._next_retry_ns = 0
        self._next_status_ns = 0

    def poll(self, now_ns: int) -> Input | None:
        """A kill or flatten request that has come since, stamped `now_ns` (market time).

        To be called as often as is convenient: the files are looked at every 20 ms at most, one `lstat` each.

        Raises:
            TakenOver: the dead man has taken the position over.
        """
        clock_ns = self.polled_ns = time.monotonic_ns()
        if clock_ns < self._next_poll_ns and not self._soon:
            return None
        self._next_poll_ns, self._soon = clock_ns + POLL_NS, False
        if self._heartbeat is not None and now_ns:  # 0: a start, which has a limit of its own
            self._heed()
            self._heartbeat.beat(clock_ns)
        if not self._clearing_used and now_ns:
            # The run has begun and its log has the clearing: it must not clear a later latch as well.
            self._clearing_used = True
            with contextlib.suppress(OSError):
                (self.data_dir / files.CLEARED_FILE).unlink()
        if self._unwritten is not None and clock_ns >= self._next_retry_ns:
            self.latch(self._unwritten.reason, self._unwritten.source)
        if not self._kill_told and (kill := self._kill()) is not None:
            self._kill_told, self.stopped_by = True, kill.reason
            self.timeline.taken(kill.when, time.time_ns())
            note(self.data_dir, "kill_taken", kill.reason, kill.source)
            return KillRequested(ts_ns=now_ns, reason=kill.reason, source=kill.source)
        return self._poll_flatten(now_ns) or (self._poll_words(now_ns) if now_ns else None)

    def _poll_words(self, now_ns: int) -> Input | None:
        cleared, failure = take_clear(self.data_dir, now_ns)
        ordered, refused = (None, None) if cleared is not None else take_order(self.data_dir, now_ns)
        self.failure = failure or refused or self.failure
        return cleared or ordered

    def _kill(self) -> Latch | None:
        asked = self._asked.popleft() if self._asked else None
        return files.read_request(self.data_dir / files.KILL_FILE) or asked

    def ask_to_kill(self, reason: str, source: str) -> None:
        """A kill that comes into this very process: by a signal, or over the control socket. It never waits."""
        said = plain(reason) or files.NO_REASON
        self._asked.append(Latch(reason=said, source=plain(source), when=wall()))
        self.stopped_by = self.stopped_by or said
        self._soon = True

    def look_soon(self) -> None:
        """There is something for the loop's next `poll`, which need not wait for its pace."""
        self._soon = True

    def watch(self) -> None:
        """What the loop would do if it were not busy; to be called from another thread, a few times a second.

        A latch that was pulled is known from here on: no entry leaves. One that was asked for is persisted where the
        loop does not come to it.
        """
        if not self.stopped_by and (kill := files.read_request(self.data_dir / files.KILL_FILE)) is not None:
            self.ask_to_kill(kill.reason, kill.source)
        elif self._asked and time.monotonic_ns() - self.polled_ns > DEAF_NS:
            with contextlib.suppress(IndexError, OSError):  # the loop came to it after all, or the disk is full
                files.pull(self.data_dir, self._asked[0].reason, self._asked[0].source, once=True)

    def told(self, record: Event | Effect) -> None:
        """A result of the core: stages of a kill are stamped, and the whole of it ends in the journal."""
        if self._heartbeat is not None:
            if isinstance(record, Alert) and record.code == _HELP:
                self._heartbeat.ask(time.monotonic_ns())
            elif isinstance(record, FlattenAdvanced) and record.step == DONE:
                self._heartbeat.ask(0)
        before = HALTED in self.timeline.ms
        self.timeline.told(record, time.time_ns())
        if HALTED in self.timeline.ms and not before:
            note(self.data_dir, "halted", self.stopped_by, "core", timeline_ms=self.timeline.ms)

    def check(self) -> None:
        """Before anything is decided: was this loop away for so long that the dead man may have taken over?

        Raises:
            TakenOver: he has. Nothing may leave: what was open is not, or it is his to close.
        """
        beat_ns = 0 if self._heartbeat is None else self._heartbeat.beat_ns
        if beat_ns and time.monotonic_ns() - beat_ns > STOOD_STILL_NS:
            self._heed()

    def _heed(self) -> None:
        taken = files.read_request(self.data_dir / files.TAKEN_OVER_FILE)
        if taken is None:
            return
        note(self.data_dir, "deadman_heeded", taken.reason, taken.source)
        raise TakenOver(
            f"the dead man has taken over ({taken.reason}): this process ends without sending anything. He closes what "
            "is open: look at logs/deadman.jsonl and at the broker, then `trading-bot unkill --reason TEXT`"
        )

    def _poll_flatten(self, now_ns: int) -> Input | None:
        path = self.data_dir / files.FLATTEN_FILE
        try:
            found = path.lstat()
        except OSError:
            return None
        identity = (found.st_ino, found.st_mtime_ns)
        if identity == self._flatten_told:
            return None
        request = files.read_request(path)
        try:
            path.unlink()
        except FileNotFoundError:
            return None  # whoever asked took it back
        except OSError as error:
            # It stays where it is: once is enough.
            self._flatten_told = identity
            self.failure = f"{path}: cannot be removed: {error.strerror}"
        if request is None:
            return None
        note(self.data_dir, "flatten_taken", request.reason, request.source)
        return FlattenRequested(ts_ns=now_ns, reason=request.reason, source=request.source)

    def latched(self) -> Latch | None:
        """The kill switch as it stands, also when its file is empty, damaged or unreadable, or could not be written."""
        return files.latched(self.data_dir) or self._unwritten

    def latch(self, reason: str, source: str) -> None:
        """Persist the bot's own kill; a latch that stands already is kept as it is.

        Where the disk does not take it, it is tried again while the bot runs (`poll`), and `failure` says so: what the
        kill does to orders must not wait for a disk.
        """
        self._kill_told, self.stopped_by = True, self.stopped_by or plain(reason) or files.NO_REASON
        try:
            files.pull(self.data_dir, reason, source, once=True)
        except OSError as error:
            self._unwritten = Latch(reason=plain(reason) or files.NO_REASON, source=plain(source), when=wall())
            self._next_retry_ns = time.monotonic_ns() + RETRY_NS
            self.failure = f"{self.data_dir / files.KILL_FILE}: cannot be written: {error.strerror}"
        else:
            self._unwritten = None

    def clear(self, reason: str, source: str) -> Cleared | None:
        """Clear the latch, for a person; None when nothing is latched.

        Raises:
            UsageError: no reason.
            OSError: the disk does not take it; the latch stands.
        """
        found = files.clear(self.data_dir, reason, source)
        self._unwritten, self._kill_told, self.stopped_by = None, False, ""
        self._asked.clear()
        return found

    def cleared(self) -> Cleared | None:
        """Who cleared the latch since the last run began; None also for a file that does not say why."""
        return files.cleared(self.data_dir)

    def save_learning(self, state: dict[str, Any], *, costs: Costs, log: str, seq: int) -> str | None:
        """Write `learning_state.json` (specification 9); what the disk refused, or None."""
        path = self.data_dir / learning_file.FILE_NAME
        try:
            learning_file.save_learning(path, state, costs=costs, log=log, seq=seq)
        except OSError as error:
            return f"{path}: {error.strerror or error}"
        return None

    def publish(self, status: Callable[[], dict[str, Any]], *, final: bool = False) -> None:
        """Show what `status` answers (fields of `BotStatus`) in `status.json`, at most once a second unless `final`.

        It is asked only then: putting it together takes longer than most of what happens between two batches.
        """
        clock_ns = time.monotonic_ns()
        if clock_ns < self._next_status_ns and not final:
            return
        self._next_status_ns = clock_ns + STATUS_NS
        told = {"pid": os.getpid(), "ts_wall_ns": time.time_ns(), "kill_timeline_ms": dict(self.timeline.ms)}
        self.shown = document = {**status(), **told}
        try:
            files.replace(self.data_dir / files.STATUS_FILE, orjson.dumps(document, default=str), sync=False)
        except OSError as error:
            self.failure = f"{self.data_dir / files.STATUS_FILE}: cannot be written: {error.strerror}"


class NoDesk:
    """No operator and no disk: the latch lives as long as this object. What a bot without a data directory has."""

    def __init__(self) -> None:
        """Nothing is latched."""
        self._latch: Latch | None = None
        self._cleared: Cleared | None = None

    def poll(self, now_ns: int) -> Input | None:  # noqa: ARG002 (the port)
        """Nobody asks for anything."""
        return None

    def check(self) -> None:
        """Nobody watches."""

    def latched(self) -> Latch | None:
        """What `latch` was told."""
        return self._latch

    def latch(self, reason: str, source: str) -> None:
        """Keep the first reason."""
        self._latch = self._latch or Latch(reason=plain(reason) or files.NO_REASON, source=source, when="")
        self._cleared = None

    def clear(self, reason: str, source: str) -> Cleared | None:
        """As `OperatorDesk.clear`.

        Raises:
            UsageError: no reason.
        """
        if not (said := plain(reason)):
            raise UsageError("clearing the kill switch needs a reason")
        if self._latch is None:
            return None
        self._cleared = Cleared(reason=said, source=source, when="", latch=self._latch)
        self._latch = None
        return self._cleared

    def cleared(self) -> Cleared | None:
        """What `clear` was told."""
        return self._cleared

    def save_learning(self, state: dict[str, Any], *, costs: Costs, log: str, seq: int) -> str | None:  # noqa: ARG002 (the port)
        """There is nowhere to save to, which is no failure."""
        return None

    def publish(self, status: Callable[[], dict[str, Any]], *, final: bool = False) -> None:
        """Nobody looks."""
