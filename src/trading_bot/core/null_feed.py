"""What `BotRunner()` starts with: no market data and no messages, never."""

from typing import Any

from trading_bot.domain.events import Input
from trading_bot.domain.units import TS_NEVER_NS


class NullFeed:
    """Ends at once."""

    @property
    def resolution_ns(self) -> int:
        """There are no stamps."""
        return 1

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Nothing was refused."""
        return {}

    @property
    def description(self) -> dict[str, Any]:
        """What the log says of it."""
        return {"kind": "none"}

    def read(self) -> memoryview | None:
        """No batch."""
        return None

    def skip_records(self, count: int) -> None:
        """There is nothing to pass over; a log with ticks cannot have come from here.

        Raises:
            ValueError: the log holds records.
        """
        if count:
            raise ValueError(f"the log holds {count} market records, but there is no feed to continue from")


class NoInlet:
    """Nobody sends anything."""

    next_due_ns = TS_NEVER_NS

    def poll(self, now_ns: int) -> Input | None:  # noqa: ARG002 (the port)
        """Nothing has come."""
        return None
