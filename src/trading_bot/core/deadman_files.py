"""What the dead man leaves for others in the data directory: that he is there, and what he does (docs/deadman.md).

| file | means |
|---|---|
| `deadman.lock` | held by him while he lives |
| `deadman.json` | what he does, once a second (`DeadmanState`) |
| `DEADMAN` | he has taken a position over; a bot that thaws ends (`operator_files.TAKEN_OVER_FILE`) |
| `logs/deadman.jsonl` | every step he took |

Shell code.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from trading_bot.core import operator_files as files

LOCK_FILE: Final = "deadman.lock"
STATE_FILE: Final = "deadman.json"
JOURNAL_FILE: Final = "deadman.jsonl"

Doing = Literal["waiting", "watching", "closing", "ended"]


class DeadmanState(msgspec.Struct, frozen=True, kw_only=True):
    """What a dead man does: `waiting` for a bot that sends orders, `watching` one, `closing` what one has left.

    `connected` is his own link to the gateway; `bot_age_s` the age of the newest heartbeat, None without one;
    `problem` what keeps him from watching. `ts_wall_ns` is when he wrote it.
    """

    pid: int
    doing: Doing
    connected: bool
    account: str = ""
    client_id: int = 0
    bot_pid: int = 0
    bot_age_s: float | None = None
    problem: str = ""
    ts_wall_ns: int = 0


def deadman_runs(data_dir: Path) -> bool:
    """Whether a dead man watches this directory.

    Raises:
        OSError: the lock cannot be looked at.
    """
    return files.is_locked(data_dir / LOCK_FILE)


def read_state(data_dir: Path) -> DeadmanState | None:
    """What the dead man wrote last; None when there is nothing that can be read."""
    try:
        return msgspec.json.decode(files.content_of(data_dir / STATE_FILE), type=DeadmanState)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
