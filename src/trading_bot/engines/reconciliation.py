"""Ours against the broker's, as a truth table (specification 12; features RC01 to RC05, NV08).

Pure: what is known here and what the broker listed go in, findings come out, one per difference. A finding names the
row of `TABLE` it fell under, and the row says what is done about it. No row places an order that opens anything: the
strongest are a withdrawal, and leaving a position. Docs: docs/reconciliation.md.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from trading_bot.domain.orders import BrokerOrder, ClientOrderId, Leg, Side
from trading_bot.domain.reconciling import Deed, Finding, Row


class Severity(StrEnum):
    """Level of the alert a row raises."""

    NONE = ""
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Rule(msgspec.Struct, frozen=True, gc=False):
    """One row of the table: what it looks like, what is done, how loudly, and why."""

    row: Row
    deed: Deed
    severity: Severity
    when: str
    why: str


TABLE: Final[tuple[Rule, ...]] = (
    Rule(
        Row.NO_ANSWER,
        Deed.WAIT,
        Severity.WARNING,
        "the broker did not answer in time",
        "unknown is not flat: entries stop until it has answered; past its deadline the kill switch decides",
    ),
    Rule(
        Row.SETTLING,
        Deed.ASK_AGAIN,
        Severity.NONE,
        "a difference while orders moved a moment ago",
        "what is under way may not be listed yet: the broker is asked again before anything is done",
    ),
    Rule(
        Row.ORPHAN_POSITION,
        Deed.FLATTEN_HALT,
        Severity.CRITICAL,
        "a position at the broker that nobody here has entered",
        "never adopted: left under the protection of a stop that works, else at once; then the bot halts",
    ),
    Rule(
        Row.POSITION_DRIFT,
        Deed.FLATTEN_HALT,
        Severity.CRITICAL,
        "a position on both sides, not the same",
        "ours was wrong: the broker's is left, then the bot halts",
    ),
    Rule(
        Row.PHANTOM_POSITION,
        Deed.CORRECT,
        Severity.CRITICAL,
        "a position here, none at the broker",
        "ours was wrong: corrected to flat, and what is left of its bracket is withdrawn",
    ),
    Rule(
        Row.MISSING_STOP,
        Deed.LEAVE,
        Severity.CRITICAL,
        "an open position whose stop does not work at the broker",
        "a stop placed anew could fill beside the lost one: the position is left at the market",
    ),
    Rule(
        Row.SHORT_STOP,
        Deed.LEAVE,
        Severity.CRITICAL,
        "a stop for fewer contracts than the position has",
        "a part of the position is naked: it is left at the market",
    ),
    Rule(
        Row.MISSING_TARGET,
        Deed.FORGET,
        Severity.WARNING,
        "a target that does not work at the broker",
        "the stop protects; the bot leaves by itself when the target is touched",
    ),
    Rule(
        Row.MISSING_EXIT,
        Deed.FORGET,
        Severity.ERROR,
        "an exit that was sent and does not work at the broker",
        "the broker was asked, so it is no blind retry: the exit is decided anew",
    ),
    Rule(
        Row.MISSING_ENTRY,
        Deed.FORGET,
        Severity.ERROR,
        "an entry that was sent, does not work at the broker and did not fill",
        "it is over, and never sent again; a fill that comes later is booked as what it is",
    ),
    Rule(
        Row.FOUND_ENTRY,
        Deed.CONFIRM,
        Severity.INFO,
        "an entry whose state was unknown works at the broker",
        "its state is known again; a withdrawal that was asked for is asked for again",
    ),
    Rule(
        Row.FOUND_CHILD,
        Deed.CONFIRM,
        Severity.INFO,
        "a child of the open position works, and nobody had told",
        "the position is protected: what the broker lists counts",
    ),
    Rule(
        Row.PROTECTING_STOP,
        Deed.KEEP,
        Severity.WARNING,
        "a stop of ours that protects a position nobody here owns",
        "it stays until the exit has filled: the exit joins its group",
    ),
    Rule(
        Row.UNKNOWN_ORDER,
        Deed.WITHDRAW,
        Severity.ERROR,
        "an order that is ours by its reference and works, but is not open here",
        "a remnant of another day or process could open a position: withdrawn",
    ),
    Rule(
        Row.FOREIGN_ORDER,
        Deed.TELL,
        Severity.WARNING,
        "an order of somebody else on the account",
        "never touched; its fills would be no position of ours",
    ),
    Rule(
        Row.SIBLINGS,
        Deed.TELL,
        Severity.ERROR,
        "an order of ours that lives more than once at the broker",
        "a change during an outage can leave two: both can fill, so both are named",
    ),
    Rule(
        Row.PRICE_DRIFT,
        Deed.CORRECT,
        Severity.WARNING,
        "an order at another price than here",
        "a change that was lost: the broker's price counts",
    ),
    Rule(
        Row.QUANTITY_DRIFT,
        Deed.TELL,
        Severity.WARNING,
        "an order for another quantity than here",
        "told; executions are the position, whatever an order says",
    ),
    Rule(Row.AGREES, Deed.NOTHING, Severity.NONE, "position and orders are the same", "nothing to do"),
)
RULES: Final[dict[Row, Rule]] = {rule.row: rule for rule in TABLE}
_MISSING: Final = {
    Leg.ENTRY: Row.MISSING_ENTRY,
    Leg.STOP: Row.MISSING_STOP,
    Leg.TARGET: Row.MISSING_TARGET,
    Leg.EXIT: Row.MISSING_EXIT,
}


class OurLeg(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A leg that should work at the broker.

    `price_ticks` None is not compared (an exit follows the market), `doubtful`: nobody knows whether it lives. `told`
    false: the broker has not said that it works. An entry may still be on its way, and a target need not be there.
    """

    order_id: ClientOrderId
    leg: Leg
    remaining: int
    price_ticks: int | None
    told: bool = True
    doubtful: bool = False


class Ours(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known here. `position_qty` is signed; `legs` are those that should work.

    `owned` false: nobody here has entered the position, and nobody is leaving it.
    """

    position_qty: int
    owned: bool = True
    legs: tuple[OurLeg, ...] = ()


class Theirs(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The broker's answer. `orders` None: it told the position and listed nothing, so orders are not compared."""

    position_qty: int
    orders: tuple[BrokerOrder, ...] | None = None


def compare(ours: Ours, theirs: Theirs) -> tuple[Finding, ...]:
    """Every difference: the position's, then of our legs in their order, then of the broker's; AGREES when none."""
    position = position_row(ours.position_qty, theirs.position_qty, owned=ours.owned)
    findings: list[Finding] = []
    if position is not Row.AGREES:
        findings.append(
            Finding(
                row=position, deed=RULES[position].deed, ours=str(ours.position_qty), theirs=str(theirs.position_qty)
            )
        )
    if theirs.orders is not None:
        listed = {(order.order_id, order.leg): order for order in theirs.orders if order.order_id is not None}
        for leg in ours.legs:
            findings += _ours(leg, listed.get((leg.order_id, leg.leg)), theirs.position_qty)
        wanted = {(leg.order_id, leg.leg) for leg in ours.legs}
        entries = {leg.order_id for leg in ours.legs if leg.leg is Leg.ENTRY}
        for order in theirs.orders:
            findings += _theirs(order, wanted, entries, theirs.position_qty, position)
    return tuple(findings) or (Finding(row=Row.AGREES, deed=Deed.NOTHING),)


def position_row(ours_qty: int, theirs_qty: int, *, owned: bool = True) -> Row:
    """The row of the two positions alone."""
    if theirs_qty != 0 and (ours_qty == 0 or not owned):
        return Row.ORPHAN_POSITION
    if ours_qty == theirs_qty:
        return Row.AGREES
    return Row.PHANTOM_POSITION if theirs_qty == 0 else Row.POSITION_DRIFT


def protects(order: BrokerOrder, position_qty: int) -> bool:
    """Whether an order is a stop that would close this position: it works, and on the other side."""
    if order.leg is not Leg.STOP or order.held or position_qty == 0:
        return False
    return order.side is (Side.SELL if position_qty > 0 else Side.BUY)


def protecting(orders: Iterable[BrokerOrder], position_qty: int) -> ClientOrderId | None:
    """The bracket whose stop protects a position; None when no stop of ours does."""
    found = [order.order_id for order in orders if order.order_id is not None and protects(order, position_qty)]
    return found[0] if found else None


def _ours(leg: OurLeg, listed: BrokerOrder | None, position_qty: int) -> list[Finding]:
    """One leg of ours against its order at the broker, if there is one."""
    if listed is None or (listed.held and leg.leg is not Leg.ENTRY):  # a child that waits protects nothing
        if leg.leg is not Leg.ENTRY and position_qty == 0:
            return []  # gone with the position, which is told by its own row
        never_told = leg.leg in (Leg.ENTRY, Leg.TARGET) and not leg.told and not leg.doubtful
        return [] if never_told else [_about(_MISSING[leg.leg], leg, listed)]
    rows: list[Row] = []
    if len(listed.perm_ids) > 1:
        rows.append(Row.SIBLINGS)
    if leg.leg is Leg.ENTRY:
        rows += [Row.FOUND_ENTRY] if leg.doubtful else []
    elif not leg.told:
        rows.append(Row.FOUND_CHILD)
    if leg.leg is Leg.STOP and listed.remaining < abs(position_qty):
        rows.append(Row.SHORT_STOP)
    elif listed.remaining != leg.remaining:
        rows.append(Row.QUANTITY_DRIFT)
    if leg.price_ticks is not None and listed.price_ticks != leg.price_ticks:
        rows.append(Row.PRICE_DRIFT)
    return [_about(row, leg, listed) for row in rows]


def _about(row: Row, leg: OurLeg, listed: BrokerOrder | None) -> Finding:
    price = "" if leg.price_ticks is None else f" at {leg.price_ticks}"
    return Finding(
        row=row,
        deed=RULES[row].deed,
        order_id=leg.order_id,
        leg=leg.leg,
        order_ref="" if listed is None else listed.order_ref,
        ours=f"{leg.remaining}{price}",
        theirs="not listed" if listed is None else _told(listed),
        price_ticks=None if listed is None else listed.price_ticks,
        remaining=None if listed is None else listed.remaining,
        perm_ids=() if listed is None else listed.perm_ids,
    )


def _theirs(
    order: BrokerOrder,
    wanted: set[tuple[ClientOrderId, Leg]],
    entries: set[ClientOrderId],
    position_qty: int,
    position: Row,
) -> list[Finding]:
    """One listed order that nothing of ours stands for."""
    if order.order_id is None or order.leg is None:
        return [_listed(Row.FOREIGN_ORDER, order)]
    if (order.order_id, order.leg) in wanted:
        return []
    if order.leg is not Leg.ENTRY and order.order_id in entries and position_qty == 0:
        return []  # children wait for their parent, which is open here
    owned = any(order_id == order.order_id and leg is Leg.STOP for order_id, leg in wanted)
    if not owned and position in (Row.ORPHAN_POSITION, Row.POSITION_DRIFT) and protects(order, position_qty):
        return [_listed(Row.PROTECTING_STOP, order)]
    return [_listed(Row.UNKNOWN_ORDER, order)]


def _listed(row: Row, order: BrokerOrder) -> Finding:
    return Finding(
        row=row,
        deed=RULES[row].deed,
        order_id=order.order_id,
        leg=order.leg,
        order_ref=order.order_ref,
        ours="nothing",
        theirs=_told(order),
        price_ticks=order.price_ticks,
        remaining=order.remaining,
        perm_ids=order.perm_ids,
    )


def _told(order: BrokerOrder) -> str:
    price = f" at {order.price_ticks}" if order.price_ticks else ""
    waits = ", waiting for its parent" if order.held else ""
    names = f", {len(order.perm_ids)} identities" if len(order.perm_ids) > 1 else ""
    return f"{order.side.value} {order.remaining}{price}{waits}{names}"
