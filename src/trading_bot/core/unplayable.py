"""A record that cannot be applied again: the core failed on it, as the next record says, or no run of ours wrote it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from trading_bot.core.log_reader import MessageFrame
from trading_bot.domain import events, log_records
from trading_bot.domain.errors import BotError, CoreBug, LogCorrupt


class Unplayable:
    """Around the application of each message; nothing but errors with an exit code of their own leaves it."""

    def __init__(self) -> None:
        """Nothing has failed."""
        self._seq = 0
        self._error: Exception | None = None

    def take(self, frame: MessageFrame, apply: Callable[[MessageFrame], None]) -> events.CoreFailed | None:
        """Apply one message; the record that tells of the failure, when the one before it failed.

        Raises:
            LogCorrupt: the message before it failed, and this one does not say so.
        """
        if self._error is not None:
            record = _decoded(frame)
            if isinstance(record, events.CoreFailed) and record.failed_seq == self._seq:
                self._error = None
                return record
            self.refuse()
        try:
            apply(frame)
        except BotError as error:
            if not isinstance(error, CoreBug):
                raise
            self._seq, self._error = frame.seq, error
        except Exception as error:  # noqa: BLE001 (told as what it is: by the next record, or by `refuse`)
            self._seq, self._error = frame.seq, error
        return None

    def refuse(self) -> None:
        """Raise what failed and was not told.

        Raises:
            LogCorrupt: naming the record.
        """
        if self._error is None:
            return
        said = f"{type(self._error).__name__}: {str(self._error)[:200]}"
        raise LogCorrupt(
            f"record {self._seq} cannot be applied ({said}) and the log does not say that the core failed on it: "
            "no run of this build wrote it, or the disk or memory changed it",
            segment="",
            offset=0,
            seq=self._seq,
        ) from self._error


@contextmanager
def telling_of_ticks(first_seq: int) -> Iterator[None]:
    """Ticks from record `first_seq` on, which the kernel may refuse: a door lets none of such in.

    Raises:
        LogCorrupt: it refused one.
    """
    try:
        yield
    except ValueError as error:
        raise LogCorrupt(
            f"among the ticks from record {first_seq} on: {error}", segment="", offset=0, seq=first_seq
        ) from error


def _decoded(frame: MessageFrame) -> object:
    try:
        return log_records.decode(frame.payload)
    except msgspec.DecodeError:
        return None
