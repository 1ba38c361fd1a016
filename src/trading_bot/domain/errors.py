"""The error tree. Each class has one owner and one exit code (specification, section 13).

BotError
  UsageError          the operator fixes a command, a file or a key      exit 2
    ConfigError       ... in a configuration or strategy file
  SourceUnreachable   a broker or data source does not answer            exit 3
  ReplayDiverged      a replay produced something else than the log      exit 4
  Halted              kill switch or breaker                             exit 5
    TakenOver         the dead man closes what is open: nothing is sent
  DataCorrupt         a log or data file is damaged                      exit 6
    LogCorrupt
  CoreBug             ours: the core raised                              exit 1
"""

from typing import ClassVar


class BotError(Exception):
    """Base of every error that is raised on purpose.

    The message names what was found, where, what was expected and what to do next.
    """

    exit_code: ClassVar[int] = 1


class UsageError(BotError):
    """A command, mode or account that cannot be run as asked."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration, strategy or calendar file the bot refuses."""


class SourceUnreachable(BotError):
    """A broker or data source that does not answer, or is not there."""

    exit_code = 3


class ReplayDiverged(BotError):
    """A replay produced something else than the log holds; `seq` is the first difference."""

    exit_code = 4

    def __init__(self, seq: int, message: str) -> None:
        super().__init__(message)
        self.seq = seq


class Halted(BotError):
    """The kill switch or a breaker ended the run."""

    exit_code = 5


class TakenOver(Halted):
    """The dead man has taken the position over: whatever this process believes is open is not, or is his to close."""


class DataCorrupt(BotError):
    """A data file is damaged; everything before the damage was processed."""

    exit_code = 6


class LogCorrupt(DataCorrupt):
    """A log holds a bad record that is not a torn tail.

    `seq` is the number the bad record should have had, `offset` its byte offset in `segment`.
    """

    def __init__(self, message: str, *, segment: str, offset: int, seq: int | None) -> None:
        super().__init__(message)
        self.segment = segment
        self.offset = offset
        self.seq = seq


class CoreBug(BotError):
    """The core raised: state is suspect, the kill switch latches, replay ends here."""

    exit_code = 1
