"""What the core needs from outside, as shapes. Adapters fit them; nothing inherits from them."""

from collections.abc import Callable
from typing import Any, Protocol

from trading_bot.domain.effects import BrokerEffect
from trading_bot.domain.events import Input


class Feed(Protocol):
    """A source of market data: batches of whole 64-byte tick records in receive order."""

    @property
    def resolution_ns(self) -> int:
        """Step of the event stamps."""

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Records refused at the door, by reason."""

    @property
    def description(self) -> dict[str, Any]:
        """What the feed reads, for the log."""

    def read(self) -> memoryview | None:
        """The next batch, None at the end. The memory may be used again by the next call.

        Raises:
            DataCorrupt: the source is damaged from here on; everything before was delivered.
        """

    def skip_records(self, count: int) -> None:
        """Pass over the first `count` records, which a log already holds.

        Raises:
            DataCorrupt: the source has fewer records than the log.
        """


class LiveFeed(Feed, Protocol):
    """A source whose records the kernel can take while `read` waits, at the moment they come."""

    def arm(self, kernel: Any, deadline_ns: int, on_outcome: Callable[[int], int]) -> None:
        """Until the next `read` returns, `kernel` (a HotPath) takes records below `deadline_ns`.

        `on_outcome` is called with the bits of an outcome and answers the next deadline, 0 to stop. It raises nothing.
        """

    def take_stepped(self) -> int:
        """Records that the kernel took so, since this was asked last."""


class Inlet(Protocol):
    """What other programs send (feature SG10), as inputs."""

    @property
    def next_due_ns(self) -> int:
        """Market time of the first recorded message that waits for it; `TS_NEVER_NS` without one."""

    def poll(self, now_ns: int) -> Input | None:
        """What has come by `now_ns` (market time), one at a time, stamped with it; cheap enough between batches."""


class Broker(Protocol):
    """Where orders go. Answers come back as events, never as return values."""

    @property
    def next_due_ns(self) -> int:
        """When `take` has to be called; `TS_NEVER_NS` when nothing is under way."""

    def dispatch(self, effect: BrokerEffect) -> None:
        """Carry an effect out. It is in the log already."""

    def take(self, ts_ns: int) -> Input | None:
        """The next answer due by `ts_ns`; None when nothing has to be told, although time had to pass."""
