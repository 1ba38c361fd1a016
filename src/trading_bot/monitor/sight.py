"""What can be seen of a bot from outside at one moment: its files, its log, its disk."""

import os
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.core import operator_files as files
from trading_bot.core.deadman_files import LOCK_FILE, deadman_runs, read_state
from trading_bot.core.heartbeat import read_pulse
from trading_bot.core.operator_files import BotStatus, Latch
from trading_bot.domain.units import NS_PER_S
from trading_bot.monitor.locks import held
from trading_bot.monitor.story import Decision, Stop, Story, Told
from trading_bot.monitor.tail import LogTail

LAST_DECISIONS: Final = 12
LAST_ALERTS: Final = 6


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """One look. Ages in seconds, None where there is nothing to be of that age.

    `tick_age_s` and `log_age_s` are times of this machine's clock since more market data, more records were seen, so
    that they hold for a market that runs at any speed. `heartbeat_age_s` is of `status.json`, `loop_age_s` since the
    bot's loop last touched its heartbeat (docs/deadman.md). `running` and `dead_man` None are not known.
    """

    ts_wall_ns: int
    data_dir: str
    running: bool | None
    latch: Latch | None
    status: BotStatus | None
    status_problem: str
    heartbeat_age_s: float | None
    loop_age_s: float | None
    dead_man: bool | None
    tick_age_s: float | None
    log_age_s: float | None
    disk_free_bytes: int | None
    log_problem: str
    run_id: str
    log: str
    last_seq: int
    ticks: int
    decisions: tuple[Decision, ...]
    alerts: tuple[Told, ...]
    stops: tuple[Stop, ...]

    def document(self) -> dict[str, Any]:
        """As `--json` shows it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


class Watcher:
    """Looks again and again; what has grown since the look before is what the ages are of."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is read yet."""
        self.data_dir = data_dir
        self._tail = LogTail(data_dir)
        self._ticks = self._records = ("", -1)
        self._ticks_s = self._records_s = 0.0

    @property
    def story(self) -> Story:
        """The run so far."""
        return self._tail.story

    def look(self) -> Sight:
        """Read what is new and say what is seen."""
        status, problem = files.read_status(self.data_dir)
        story, now_s, now_ns = self._tail.poll(status), time.monotonic(), time.time_ns()
        # What is there at the first look is as old as its file; from then on ages are of this clock.
        known_s = now_s if self._records[1] >= 0 else now_s - max(now_ns - self._tail.written_ns, 0) / NS_PER_S
        if (mark := (story.run_id, story.ticks)) != self._ticks:
            self._ticks, self._ticks_s = mark, known_s
        if (mark := (story.run_id + story.log, story.last_seq)) != self._records:
            self._records, self._records_s = mark, known_s
        return Sight(
            ts_wall_ns=now_ns,
            data_dir=str(self.data_dir),
            running=_running(self.data_dir),
            latch=files.latched(self.data_dir),
            status=status,
            status_problem=problem,
            heartbeat_age_s=None if status is None else round((now_ns - status.ts_wall_ns) / NS_PER_S, 3),
            loop_age_s=_loop_age_s(self.data_dir, now_s),
            dead_man=_dead_man(self.data_dir),
            tick_age_s=round(now_s - self._ticks_s, 3) if story.ticks else None,
            log_age_s=round(now_s - self._records_s, 3) if story.last_seq else None,
            disk_free_bytes=_free_bytes(self.data_dir),
            log_problem=self._tail.problem,
            run_id=story.run_id,
            log=story.log,
            last_seq=story.last_seq,
            ticks=story.ticks,
            decisions=tuple(story.decisions)[-LAST_DECISIONS:],
            alerts=tuple(story.alerts)[-LAST_ALERTS:],
            stops=tuple(story.stops.values()),
        )


def _running(data_dir: Path) -> bool | None:
    return held(data_dir / files.LOCK_FILE, files.bot_pid(data_dir), lambda: files.bot_runs(data_dir))


def _loop_age_s(data_dir: Path, now_s: float) -> float | None:
    pulse = read_pulse(data_dir)
    if pulse is None or pulse.beat_ns == 0:
        return None
    return round(now_s - pulse.beat_ns / NS_PER_S, 3)


def _dead_man(data_dir: Path) -> bool | None:
    state = read_state(data_dir)
    return held(data_dir / LOCK_FILE, None if state is None else state.pid, lambda: deadman_runs(data_dir))


def _free_bytes(data_dir: Path) -> int | None:
    try:
        found = os.statvfs(data_dir)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
