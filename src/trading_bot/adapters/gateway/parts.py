"""What the gateway's core asks of its market and its desk."""

from typing import Any, Protocol

from trading_bot.adapters.gateway.client import Client


class Market(Protocol):
    """Contracts' prices: quotes, trades, bars, history, and who listens to them."""

    def advance(self, now_ns: int) -> None:
        """Take the market's records up to `now_ns`: the desk sees each first, then subscribers."""
        ...

    def forget(self, client: Client) -> None:
        """Drop every stream of the client, without a word to it."""
        ...

    def touch(self, con_id: int) -> tuple[int, int, int, int]:
        """Best bid and ask as (bid_ticks, bid_qty, ask_ticks, ask_qty); 0 where there is none."""
        ...

    def last(self, con_id: int) -> int:
        """Price of the last trade in ticks; 0 before the first."""
        ...


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
