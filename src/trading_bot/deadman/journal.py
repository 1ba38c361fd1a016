"""What the dead man did, in `logs/deadman.jsonl`: a line a step, with the milliseconds since he noticed."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import orjson

from trading_bot import log_setup
from trading_bot.core.deadman_files import JOURNAL_FILE
from trading_bot.core.operator_files import wall


class Journal:
    """Appends lines. A disk that takes none stops nothing: the lines are on the console and in `lines` all the same."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is written yet."""
        self.path = data_dir / "logs" / JOURNAL_FILE
        self.lines: list[dict[str, Any]] = []  # of the newest case
        self._noticed_ns: int | None = None

    def noticed(self) -> None:
        """From now on milliseconds are counted."""
        self._noticed_ns = time.monotonic_ns()
        self.lines = []

    def write(self, event: str, *, level: str = "warning", **values: Any) -> None:
        """One line; `level` is that of the diagnostic log."""
        since = {} if self._noticed_ns is None else {"ms": round((time.monotonic_ns() - self._noticed_ns) / 1e6, 1)}
        line = {"ts": wall(), "event": event, "pid": os.getpid(), **since, **values}
        self.lines.append(line)
        del self.lines[:-1000]
        text = orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(file, text)
            finally:
                os.close(file)
        logger = log_setup.get_logger()
        {"info": logger.info, "warning": logger.warning, "critical": logger.critical}[level](
            f"deadman_{event}", **since, **values
        )
