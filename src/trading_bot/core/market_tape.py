"""The feed as the runner reads it: batches of records, a place in the batch, and how it ended."""

from collections.abc import Callable
from typing import cast

from trading_bot._fast import HotPath
from trading_bot.domain.errors import BotError
from trading_bot.domain.ports import Feed, LiveFeed
from trading_bot.domain.records import FRAME_ALIGN, FRAME_HEADER
from trading_bot.domain.units import TS_NEVER_NS


class MarketTape:
    """Records in receive order. What is wrong with the source is kept, and told after everything before it."""

    def __init__(self, feed: Feed) -> None:
        """Nothing is read yet."""
        self.feed = feed
        self.done = False
        self.error: BotError | None = None
        self.taken = 0
        self._batch = memoryview(b"")
        self._position = 0
        self._count = 0
        self._live = cast("LiveFeed", feed) if hasattr(feed, "arm") else None
        self._on_outcome: Callable[[int], int] = _nobody
        self._failure: BaseException | None = None

    @property
    def held(self) -> bool:
        """Whether a record waits."""
        return self._position < self._count

    @property
    def next_ns(self) -> int:
        """Receive time of the record that waits, TS_NEVER_NS when none does."""
        return FRAME_HEADER.unpack_from(self._batch, self._position * FRAME_ALIGN)[7] if self.held else TS_NEVER_NS

    def read(self, *, tell: bool = False) -> None:
        """The next batch, or the end of the source.

        Raises:
            BotError: `tell` asks for it: before a log is open nothing else can tell.
        """
        if self.done:
            return
        try:
            batch = self.feed.read()
        except BotError as error:
            if tell:
                raise
            self.error, batch = error, None
        if batch is None:
            self.done = True
            batch = memoryview(b"")
        self._batch, self._position = batch, 0
        self._count = len(batch) // FRAME_ALIGN

    def read_live(self, kernel: HotPath, deadline_ns: int, on_outcome: Callable[[int], int]) -> None:
        """As `read`; where the source can, the kernel takes records below the deadline while it waits.

        `on_outcome` decides at once and answers the next deadline, 0 for none. What it raises is raised from here.
        """
        if self._live is None:
            self.read()
            return
        self._on_outcome = on_outcome
        self._live.arm(kernel, deadline_ns, self._outcome)
        self.read()
        self.taken += self._live.take_stepped()
        if self._failure is not None:
            raise self._failure

    def _outcome(self, code: int) -> int:
        """The source is in the middle of something, and would take what is raised for its own trouble."""
        try:
            return self._on_outcome(code)
        except BaseException as error:  # noqa: BLE001 (raised when the source has returned)
            self._failure = error
            return 0

    def skip(self, count: int) -> None:
        """Pass over the records that a log already holds."""
        self.taken = count
        self.feed.skip_records(count)

    def discard(self) -> int:
        """Drop what waits and the next batch, for a log that takes none; receive time of the newest one, 0 for none."""
        newest_ns = 0
        for _ in range(2):
            if self._position < self._count:
                newest_ns = FRAME_HEADER.unpack_from(self._batch, (self._count - 1) * FRAME_ALIGN)[7]
                self._position = self._count
            else:
                self.read()
        return newest_ns

    def run(self, kernel: HotPath, deadline_ns: int) -> int:
        """Let the kernel take records up to an outcome, the deadline or the end of the batch; outcome bits."""
        before = self._position
        self._position, code = kernel.run(self._batch, before, deadline_ns)
        self.taken += self._position - before
        return code


def _nobody(_code: int) -> int:
    """Nothing is armed yet."""
    return 0
