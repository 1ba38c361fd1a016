"""A frozen bot must not come back while its position is being closed: it is killed, and known to be that process."""

import os
import signal
import time
from pathlib import Path
from typing import Final

from trading_bot.core import operator_files as files
from trading_bot.core.heartbeat import Pulse, process_started

_WAIT_S: Final = 2.0
_TURN_S: Final = 0.02


def fence(data_dir: Path, pulse: Pulse) -> str:
    """Kill the process of the heartbeat. Once the signal is accepted it never runs again, whatever it waits for.

    Returns:
        `gone`: no process holds the lock. `killed`; `dying`: killed, and it hangs in the kernel. Else why it was not
        killed: `other_process` (the process id is somebody else's by now), `not_permitted`.
    """
    if not held(data_dir):
        return "gone"
    if pulse.pid <= 0 or process_started(pulse.pid) != pulse.process_started:
        return "other_process"
    try:
        os.kill(pulse.pid, signal.SIGKILL)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        return "not_permitted"
    end_s = time.monotonic() + _WAIT_S
    while held(data_dir):
        if time.monotonic() > end_s:
            return "dying"
        time.sleep(_TURN_S)
    return "killed"


def held(data_dir: Path) -> bool:
    """Whether a process holds `bot.lock`; one that cannot be looked at counts as held."""
    try:
        return files.bot_runs(data_dir)
    except OSError:
        return True
