"""The feed as the runner reads it: batches of records, a place in the batch, and how it ended."""

from trading_bot._fast import HotPath
from trading_bot.domain.errors import BotError
from trading_bot.domain.ports import Feed
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

    def skip(self, count: int) -> None:
        """Pass over the records that a log already holds."""
        self.taken = count
        self.feed.skip_records(count)

    def run(self, kernel: HotPath, deadline_ns: int) -> int:
        """Let the kernel take records up to an outcome, the deadline or the end of the batch; outcome bits."""
        before = self._position
        self._position, code = kernel.run(self._batch, before, deadline_ns)
        self.taken += self._position - before
        return code
