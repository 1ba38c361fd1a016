"""Life of an order as a table (specification 11). A pair that is not in it raises."""

from enum import StrEnum
from typing import Final

from trading_bot.domain.errors import CoreBug
from trading_bot.domain.orders import OrderStatus

S = OrderStatus


class OrderSignal(StrEnum):
    """What happens to an order."""

    SEND = "SEND"
    ACK = "ACK"
    WORK = "WORK"
    PARTIAL_FILL = "PARTIAL_FILL"
    FILL = "FILL"
    CANCEL_ASKED = "CANCEL_ASKED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    LOST = "LOST"
    ABANDONED = "ABANDONED"


T = OrderSignal

TRANSITIONS: Final[dict[tuple[OrderStatus, OrderSignal], OrderStatus]] = {
    (S.CREATED, T.SEND): S.SENT,
    (S.SENT, T.ACK): S.ACKED,
    (S.SENT, T.WORK): S.WORKING,  # the broker may skip the acknowledgement
    (S.SENT, T.PARTIAL_FILL): S.PARTIAL,  # fills may overtake the acknowledgement
    (S.SENT, T.FILL): S.FILLED,
    (S.SENT, T.CANCEL_ASKED): S.CANCELLING,
    (S.SENT, T.CANCELLED): S.CANCELLED,
    (S.SENT, T.REJECTED): S.REJECTED,
    (S.SENT, T.LOST): S.UNKNOWN,
    (S.SENT, T.ABANDONED): S.CANCELLED,  # it was never handed to the broker
    (S.ACKED, T.ACK): S.ACKED,  # the broker repeats itself after a reconnect
    (S.ACKED, T.WORK): S.WORKING,
    (S.ACKED, T.PARTIAL_FILL): S.PARTIAL,
    (S.ACKED, T.FILL): S.FILLED,
    (S.ACKED, T.CANCEL_ASKED): S.CANCELLING,
    (S.ACKED, T.CANCELLED): S.CANCELLED,
    (S.ACKED, T.REJECTED): S.REJECTED,
    (S.ACKED, T.EXPIRED): S.EXPIRED,
    (S.ACKED, T.LOST): S.UNKNOWN,
    (S.WORKING, T.ACK): S.WORKING,
    (S.WORKING, T.WORK): S.WORKING,
    (S.WORKING, T.PARTIAL_FILL): S.PARTIAL,
    (S.WORKING, T.FILL): S.FILLED,
    (S.WORKING, T.CANCEL_ASKED): S.CANCELLING,
    (S.WORKING, T.CANCELLED): S.CANCELLED,
    (S.WORKING, T.REJECTED): S.REJECTED,
    (S.WORKING, T.EXPIRED): S.EXPIRED,
    (S.WORKING, T.LOST): S.UNKNOWN,
    (S.PARTIAL, T.ACK): S.PARTIAL,
    (S.PARTIAL, T.WORK): S.PARTIAL,
    (S.PARTIAL, T.PARTIAL_FILL): S.PARTIAL,
    (S.PARTIAL, T.FILL): S.FILLED,
    (S.PARTIAL, T.CANCEL_ASKED): S.CANCELLING,
    (S.PARTIAL, T.CANCELLED): S.CANCELLED,
    (S.PARTIAL, T.EXPIRED): S.EXPIRED,
    (S.PARTIAL, T.LOST): S.UNKNOWN,
    (S.CANCELLING, T.ACK): S.CANCELLING,
    (S.CANCELLING, T.WORK): S.CANCELLING,
    (S.CANCELLING, T.PARTIAL_FILL): S.CANCELLING,
    (S.CANCELLING, T.FILL): S.FILLED,  # the fill won the race
    (S.CANCELLING, T.CANCEL_ASKED): S.CANCELLING,
    (S.CANCELLING, T.CANCELLED): S.CANCELLED,
    (S.CANCELLING, T.REJECTED): S.REJECTED,
    (S.CANCELLING, T.EXPIRED): S.EXPIRED,
    (S.CANCELLING, T.LOST): S.UNKNOWN,
    (S.CANCELLED, T.PARTIAL_FILL): S.CANCELLED,  # late fill: position first, the order stays closed
    (S.CANCELLED, T.FILL): S.FILLED,
    (S.CANCELLED, T.CANCELLED): S.CANCELLED,
    (S.EXPIRED, T.PARTIAL_FILL): S.EXPIRED,
    (S.EXPIRED, T.FILL): S.FILLED,
    (S.EXPIRED, T.CANCELLED): S.EXPIRED,
    (S.REJECTED, T.PARTIAL_FILL): S.REJECTED,
    (S.REJECTED, T.FILL): S.FILLED,  # an error code can lie; an execution cannot
    (S.REJECTED, T.REJECTED): S.REJECTED,
    (S.FILLED, T.CANCELLED): S.FILLED,  # notice of the race the cancel lost
    (S.FILLED, T.ACK): S.FILLED,
    (S.UNKNOWN, T.ACK): S.ACKED,
    (S.UNKNOWN, T.WORK): S.WORKING,
    (S.UNKNOWN, T.PARTIAL_FILL): S.PARTIAL,
    (S.UNKNOWN, T.FILL): S.FILLED,
    (S.UNKNOWN, T.CANCEL_ASKED): S.CANCELLING,
    (S.UNKNOWN, T.CANCELLED): S.CANCELLED,
    (S.UNKNOWN, T.REJECTED): S.REJECTED,
    (S.UNKNOWN, T.EXPIRED): S.EXPIRED,
    (S.UNKNOWN, T.LOST): S.UNKNOWN,
}

FINAL: Final = frozenset({S.FILLED, S.CANCELLED, S.REJECTED, S.EXPIRED})


def next_status(status: OrderStatus, signal: OrderSignal) -> OrderStatus:
    """Where an order stands after a signal.

    Raises:
        CoreBug: the pair is not in the table.
    """
    found = TRANSITIONS.get((status, signal))
    if found is None:
        raise CoreBug(f"an order in {status} cannot take {signal}")
    return found
