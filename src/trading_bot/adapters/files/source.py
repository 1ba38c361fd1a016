"""What the feed asks of every file source."""

from typing import Protocol

from trading_bot._fast.raw_batch import RawBatch


class Source(Protocol):
    """One input file, read from its start to its end."""

    @property
    def resolution_ns(self) -> int:
        """Step of the event stamps in ns."""
        ...

    @property
    def skipped(self) -> dict[str, int]:
        """Rows that are no market record, counted by a name for why."""
        ...

    def fill(self, batch: RawBatch) -> bool:
        """Add some values in file order; False at the end. Raises DataCorrupt after adding what came before."""
        ...
