"""Follows the log of a run while the bot writes it: each record once, from the newest session's beginning on."""

from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core import log_segments as layout
from trading_bot.core.log_reader import LogReader, segment_paths
from trading_bot.core.log_walk import MessageFrame
from trading_bot.core.operator_files import BotStatus
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.errors import BotError
from trading_bot.domain.records import FRAME_ALIGN
from trading_bot.monitor.story import Story

RUNS: Final = "runs"


class LogTail:
    """Reads what is new; `problem` says why there is nothing to read, or why reading ended. It never raises."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is opened yet."""
        self.data_dir = data_dir
        self.story = Story()
        self.problem = "no log was looked at yet"
        self.written_ns = 0  # when the newest segment was last written, wall time

    def poll(self, status: BotStatus | None) -> Story:
        """Read on, in the run that `status` names, or the newest one."""
        try:
            self._read(status)
        except (BotError, OSError, msgspec.MsgspecError) as error:
            self.problem = f"{type(error).__name__}: {error}"
        return self.story

    def _read(self, status: BotStatus | None) -> None:
        folder = self._run(status)
        if folder is None:
            self.problem = f"no run in {self.data_dir / RUNS} yet"
            return
        if folder.name != self.story.run_id:
            self.story = Story()
            self.story.run_id = folder.name
        logs = session_logs(folder)
        names = [log.name for log in logs]
        # What was not read to its end is read on first; the watcher begins with the newest log.
        start = names.index(self.story.log) if self.story.log in names else len(logs) - 1
        for log in logs[start:]:
            if log.name != self.story.log:
                self.story.begin_log(log.name)
            self._read_log(log)
        self.problem = ""

    def _read_log(self, log: Path) -> None:
        story = self.story
        self.written_ns = max(path.stat().st_mtime_ns for _, path in segment_paths(log))
        with LogReader(log, live=True) as reader:
            for item in reader.spans(story.last_seq + 1):
                if isinstance(item, MessageFrame):
                    story.take(item.seq, log_records.decode(item.payload))
                    continue
                newest = item.buffer[(item.count - 1) * FRAME_ALIGN : item.count * FRAME_ALIGN]
                story.ticks_seen(item.first_seq, item.count, layout.frame_head(newest).ts_ns)

    def _run(self, status: BotStatus | None) -> Path | None:
        runs = self.data_dir / RUNS
        if status is not None and (runs / status.run_id).is_dir():
            return runs / status.run_id
        found = sorted(entry for entry in runs.iterdir() if entry.is_dir()) if runs.is_dir() else []
        return found[-1] if found else None
