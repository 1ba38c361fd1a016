"""Keeps a journal up to date beside a bot: a rebuild every so often, a backup once a day."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from trading_bot.domain.errors import SourceUnreachable
from trading_bot.journal.backup import BackedUp, back_up
from trading_bot.journal.database import Database
from trading_bot.journal.rebuild import Rebuilt, rebuild


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round: what was rebuilt, and the backup of today."""

    rebuilt: Rebuilt
    backup: BackedUp


def one_round(database: Database, data_dir: Path, folder: Path, *, keep_days: int) -> Round:
    """Rebuild the journal of a data directory and see that today has its backup.

    Raises:
        UsageError: no runs there, or a database or folder that cannot be used.
        SourceUnreachable: the server does not answer.
    """
    rebuilt = rebuild(database, [data_dir])
    made = back_up(database, data_dir, folder, now_ns=time.time_ns(), keep_days=keep_days, daily=True)
    return Round(rebuilt=rebuilt, backup=made)


def keep(
    database: Database,
    data_dir: Path,
    folder: Path,
    *,
    every_s: float,
    keep_days: int,
    stop: threading.Event,
    told: Callable[[Round | SourceUnreachable], None],
) -> None:
    """Rounds until `stop`, `every_s` seconds after the end of the one before; `told` hears of each.

    A server that does not answer is told and tried again; whatever a person has to mend ends it.

    Raises:
        UsageError: as `one_round`.
    """
    while not stop.is_set():
        try:
            told(one_round(database, data_dir, folder, keep_days=keep_days))
        except SourceUnreachable as error:
            told(error)
        stop.wait(every_s)
