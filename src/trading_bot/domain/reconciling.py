"""What a comparison with the broker found, and what was done about it (specification 12).

The rows and what each of them asks for are in `engines.reconciliation`; here are their names and the record.
"""

from enum import StrEnum

import msgspec

from trading_bot.domain.events import Derived
from trading_bot.domain.orders import ClientOrderId, Leg


class Row(StrEnum):
    """Rows of the truth table, in the order of their authority."""

    NO_ANSWER = "NO_ANSWER"
    SETTLING = "SETTLING"
    ORPHAN_POSITION = "ORPHAN_POSITION"
    POSITION_DRIFT = "POSITION_DRIFT"
    PHANTOM_POSITION = "PHANTOM_POSITION"
    MISSING_STOP = "MISSING_STOP"
    SHORT_STOP = "SHORT_STOP"
    MISSING_TARGET = "MISSING_TARGET"
    MISSING_EXIT = "MISSING_EXIT"
    MISSING_ENTRY = "MISSING_ENTRY"
    FOUND_ENTRY = "FOUND_ENTRY"
    FOUND_CHILD = "FOUND_CHILD"
    PROTECTING_STOP = "PROTECTING_STOP"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    FOREIGN_ORDER = "FOREIGN_ORDER"
    SIBLINGS = "SIBLINGS"
    PRICE_DRIFT = "PRICE_DRIFT"
    QUANTITY_DRIFT = "QUANTITY_DRIFT"
    AGREES = "AGREES"


class Deed(StrEnum):
    """What a row asks for. None of them opens anything."""

    WAIT = "WAIT"
    ASK_AGAIN = "ASK_AGAIN"
    FLATTEN_HALT = "FLATTEN_HALT"
    LEAVE = "LEAVE"  # the position, at the market
    CORRECT = "CORRECT"  # what is known here
    FORGET = "FORGET"  # an order that does not work
    CONFIRM = "CONFIRM"  # an order that works after all
    KEEP = "KEEP"  # what protects
    WITHDRAW = "WITHDRAW"
    TELL = "TELL"
    NOTHING = "NOTHING"


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One difference. `ours` and `theirs` are for people; price and remaining lots are the broker's order's."""

    row: Row
    deed: Deed
    order_id: ClientOrderId | None = None
    leg: Leg | None = None
    order_ref: str = ""
    ours: str = ""
    theirs: str = ""
    price_ticks: int | None = None
    remaining: int | None = None
    perm_ids: tuple[int, ...] = ()


class ReconciliationDone(Derived, frozen=True, gc=False, kw_only=True, tag="RECONCILIATION_DONE"):
    """One comparison with the broker: its occasion, what both sides have, and what was found, as it was acted on.

    `settling`: there were differences, but orders had moved a moment ago; the broker is asked again instead.
    `position_qty` is what stands after it, None where nothing is known.
    """

    reason: str
    ok: bool
    settling: bool
    ours_qty: int
    theirs_qty: int
    ours_working: int
    theirs_working: int
    position_qty: int | None
    findings: tuple[Finding, ...] = ()
