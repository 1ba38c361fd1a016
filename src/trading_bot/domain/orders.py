"""Orders as values: identity, intent, the approved order that only the safety gate builds, and the states."""

from enum import StrEnum
from typing import Final

import msgspec

ClientOrderId = tuple[int, int]  # (seq of the record that caused it, index within that cause)


# No entry has such a number within its cause: (seq, 1000) is an exit that belongs to no bracket.
STRAY_NUMBER: Final = 1_000


class OrderStatus(StrEnum):
    """Where an order stands, as far as we know."""

    CREATED = "CREATED"
    SENT = "SENT"
    ACKED = "ACKED"
    WORKING = "WORKING"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"


class Side(StrEnum):
    """Direction of an order."""

    BUY = "BUY"
    SELL = "SELL"


class Leg(StrEnum):
    """Which order of a bracket. All of them are named by the entry's id."""

    ENTRY = "ENTRY"
    STOP = "STOP"
    TARGET = "TARGET"
    EXIT = "EXIT"


class EntryIntent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the decision wants: an entry with the distances of its protection. Not yet approved."""

    order_id: ClientOrderId
    instrument_id: int
    template: str
    side: Side
    qty: int
    limit_ticks: int
    stop_ticks: int
    target_ticks: int
    time_to_live_ns: int


class ApprovedOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry the safety gate has let pass. Built in `engines/safety_gate.py` and nowhere else (a test holds this).

    `limit_ticks`, `stop_price_ticks` and `target_price_ticks` are prices in ticks; `expires_ns` ends the order's time
    to live.
    """

    order_id: ClientOrderId
    instrument_id: int
    template: str
    side: Side
    qty: int
    limit_ticks: int
    stop_price_ticks: int
    target_price_ticks: int
    expires_ns: int
    risk_uusd: int
    checks_passed: int


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order that works at the broker, as a reconciliation saw it.

    `order_id` and `leg` are None for an order that is not ours: another client's, or a person's. One of ours of a run
    that this log does not continue has a name that no order here has, so that it can be withdrawn. `price_ticks` is the
    limit, of a stop its trigger, 0 of a market order; `perm_ids` are all its identities at the broker; `held`: in the
    broker's hands, waiting for its parent.
    """

    order_id: ClientOrderId | None
    leg: Leg | None
    side: Side
    remaining: int
    price_ticks: int
    perm_ids: tuple[int, ...]
    order_ref: str
    held: bool = False
