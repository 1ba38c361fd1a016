"""What the gateway's core asks of its desk."""

from typing import Any, Protocol


class Desk(Protocol):
    """Orders, positions, executions and accounts."""

    def advance(self, now_ns: int) -> None:
        """Let timed things happen: latencies that end, delayed commissions, the end of a session."""
        ...

    def on_record(self, underlying: str, record: Any) -> None:
        """One record of the market, before anybody else sees it: it may fill orders."""
        ...

    def next_order_id(self, client_id: int) -> int:
        """The least order id this client may use: above every one it has used."""
        ...
