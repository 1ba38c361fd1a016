"""Digests that two runs of the same input share: SHA-256 over canonical msgpack, without run id, wall time and paths.

A restart writes records of its own into the log (`ProcessStarted`, `EffectsAbandoned`), so later numbers shift.
Digests count
without them: a client order id enters as (seq minus the life-cycle records before it, n).
"""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from trading_bot.domain.effects import Alert, Effect, PlaceOrder
from trading_bot.domain.log_records import encode
from trading_bot.domain.orders import ClientOrderId


def canonical_order_id(order_id: ClientOrderId, lifecycle_seqs: Sequence[int]) -> ClientOrderId:
    """The id as it would be had the process never been restarted."""
    return order_id[0] - bisect_left(lifecycle_seqs, order_id[0]), order_id[1]


def canonical_effect(effect: Effect, lifecycle_seqs: Sequence[int]) -> Effect:
    """The effect with canonical order ids, and without the words of an alert: they may name a path."""
    if isinstance(effect, Alert):
        return msgspec.structs.replace(effect, text="")
    if not lifecycle_seqs:
        return effect
    if isinstance(effect, PlaceOrder):
        entry_id = canonical_order_id(effect.order.order_id, lifecycle_seqs)
        return msgspec.structs.replace(effect, order=msgspec.structs.replace(effect.order, order_id=entry_id))
    order_id: ClientOrderId | None = getattr(effect, "order_id", None)
    if order_id is None:
        return effect
    return msgspec.structs.replace(effect, order_id=canonical_order_id(order_id, lifecycle_seqs))


def canonical_payload(effect: Effect, lifecycle_seqs: Sequence[int]) -> bytes:
    """What digests are taken over."""
    return encode(canonical_effect(effect, lifecycle_seqs))


class EffectsDigest:
    """Running SHA-256 over effects in seq order."""

    __slots__ = ("_hash", "count")

    def __init__(self) -> None:
        """Starts empty."""
        self._hash = hashlib.sha256()
        self.count = 0

    def add(self, payload: bytes) -> None:
        """Take in the next effect, as `canonical_payload` has it."""
        self._hash.update(payload)
        self.count += 1

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._hash.hexdigest()
