"""What the broker's servers do with orders they have: hold, route, trigger, reduce, end (docs/gateway.md).

Every step brings an order's state in line with what is true now (`review`) and tells the client what changed. The state
at the exchange is the floor's; a fill comes back through `filled`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway import oca
from trading_bot.adapters.gateway.account import Account
from trading_bot.adapters.gateway.executions import ExecutionBook
from trading_bot.adapters.gateway.faults import Faults
from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.adapters.gateway.order_encode import time_text
from trading_bot.adapters.gateway.order_telling import Teller
from trading_bot.adapters.gateway.orders import STOP_TYPES, Order, Status
from trading_bot.domain.units import NS_PER_MS

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.floor import Floor
    from trading_bot.adapters.gateway.hours import Hours

CANCELLED_TEXT: Final = (202, "Order Canceled - reason:")
SERVER_NS: Final = 5 * NS_PER_MS  # from an execution to what the broker's servers make of it: children, OCA type 3


class Flow:
    """Orders that the broker has accepted."""

    def __init__(
        self,
        *,
        account: Account,
        executions: ExecutionBook,
        hours: "Hours",
        teller: Teller,
        floor_of: "Callable[[Order], Floor]",
        now: Callable[[], int],
        at: Callable[[int, Callable[[], None]], None],
        on_position: Callable[[int], None],
        faults: Faults,
    ) -> None:
        """`now()` is market time in ns, `at(ns from now, work)` works later, `on_position(con_id)` hears of fills."""
        self._account = account
        self._executions = executions
        self._hours = hours
        self._teller = teller
        self._floor_of = floor_of
        self._now = now
        self._at = at
        self._on_position = on_position
        self._faults = faults
        self._groups: dict[str, list[Order]] = {}
        self._spent: set[str] = set()  # groups that an execution has ended
        self.live: dict[int, Order] = {}  # by permId, accepted and not ended
        self.completed: list[Order] = []

    # Into the books

    def accept(self, order: Order) -> None:
        """The broker has it: from now on it can trade."""
        order.accepted = True
        self.live[order.perm_id] = order
        request = order.request
        if request.oca_group:
            order.group, order.oca_type = request.oca_group, request.oca_type or oca.REDUCE_WITHOUT_BLOCK
        elif order.parent is not None:
            order.group, order.oca_type = str(order.parent.perm_id), oca.REDUCE_WITHOUT_BLOCK
        if order.group:
            self._groups.setdefault(order.group, []).append(order)
        if order.parent is None:
            order.released = order.asked
            if self._faults.lots_at_once:
                order.withheld = max(order.asked - self._faults.lots_at_once, 0)
        else:
            self._release_child(order.parent, order)
        order.status = self._state(order)
        self._teller.order(order)

    def group_is_spent(self, name: str) -> bool:
        """Has the group traded all it had? What joins it then would open a position."""
        return name in self._spent

    # What is true now

    def _state(self, order: Order) -> Status:
        """Where a live order is, cancels aside."""
        if (order.parent is not None and order.released == 0) or order.is_stop or not self.may_trade(order):
            return Status.PRE_SUBMITTED
        return Status.SUBMITTED

    def may_trade(self, order: Order) -> bool:
        """Is the exchange open for it?"""
        now_ns = self._now()
        if self._faults.halt:
            return False
        return self._hours.is_open(now_ns) and (order.request.outside_rth or self._hours.is_regular(now_ns))

    def _members(self, order: Order) -> list[Order]:
        return self._groups.get(order.group, [order]) if order.group else [order]

    def _ready(self, order: Order) -> bool:
        return not order.ended and order.open > 0 and self._state(order) is Status.SUBMITTED

    def review(self, order: Order) -> None:
        """Put to the exchange, or take back, what should be there now: the order and its OCA group."""
        members = self._members(order)
        for member in members:
            self._reaches(member, on_trade=False)
            self._refresh(member)
        wanted = oca.at_once(member for member in members if self._ready(member))
        now_ns = self._now()
        for member in list(members):
            if member.handle and member not in wanted:
                self._floor_of(member).withdraw(member, now_ns)
        for member in wanted:
            # A fill on the way may have changed the group: then a deeper review has done the rest.
            if (
                not member.handle
                and self._ready(member)
                and member in oca.at_once(other for other in members if self._ready(other))
            ):
                self._floor_of(member).route(member, now_ns)

    def _refresh(self, order: Order) -> None:
        if order.ended or order.cancel_asked:
            return
        status = self._state(order)
        if status is not order.status:
            order.status = status
            self._teller.order(order)

    def meet(self, floor: "Floor", *, on_trade: bool) -> None:
        """A record has come to the floor: stops that it triggers become orders, trailing ones follow it."""
        here = [order for order in self.live.values() if order.is_stop and order.listed.con_id == floor.listed.con_id]
        for order in here:
            if self._reaches(order, on_trade=on_trade):
                self.review(order)
            elif on_trade and order.request.order_type == "TRAIL" and order.is_stop and self.may_trade(order):
                floor.trail(order)

    def _reaches(self, order: Order, *, on_trade: bool) -> bool:
        """Is it a stop in force whose price the market has reached? Then it has triggered."""
        if order.ended or not order.is_stop or order.open <= 0:
            return False
        # The price first: few records reach it, and the session table is asked for those alone.
        order.triggered = self._floor_of(order).triggers(order, on_trade=on_trade) and self.may_trade(order)
        return order.triggered

    # Fills

    def filled(self, order: Order, ts_ns: int, qty: int, price_ticks: int, maker: bool) -> None:  # noqa: FBT001
        """The exchange has executed lots of the order."""
        wanted_before = order.wanted
        order.filled += qty
        order.value_ticks += qty * price_ticks
        order.last_fill_ticks = price_ticks
        execution = self._executions.book(order, ts_ns, qty, price_ticks, maker=maker)
        self._teller.execution(execution, order.listed)
        if order.spent:
            self._end(order, Status.FILLED)
        else:
            self._teller.order(order)
        self._teller.commission(execution)
        self._on_position(order.listed.con_id)
        if order.children:
            self._at(SERVER_NS, lambda: self._release(order))
        # Nobody of the group goes to the exchange before all have given up what was filled.
        self._rebalance(order, qty, wanted_before)
        self.review(order)

    def _rebalance(self, order: Order, qty: int, wanted_before: int) -> None:
        """What the fill takes from the others of its group."""
        if self._faults.oca_lost:
            return
        others = [member for member in self._members(order) if member is not order and not member.ended]
        if order.oca_type == oca.REDUCE_WITHOUT_BLOCK:
            self._at(SERVER_NS, lambda: self._reduce(order, others, qty, wanted_before))
        elif order.oca_type == oca.REDUCE:
            self._reduce(order, others, qty, wanted_before)
        elif order.oca_type == oca.CANCEL:
            for other in others:
                self._take_away(other)
        self._close_group(order)

    def _close_group(self, order: Order) -> None:
        if order.group and all(member.ended for member in self._members(order)):
            self._spent.add(order.group)

    def _reduce(self, order: Order, others: list[Order], qty: int, wanted_before: int) -> None:
        touched = [other for other in others if not other.ended]
        for other in touched:
            other.reduced += oca.reduction(other, qty, wanted_before)
        for other in touched:
            if other.ended:
                continue
            if other.spent:
                self._take_away(other)
            else:
                self._floor_of(other).resize(other, self._now())
                if not other.ended:
                    self._teller.order(other)
        self._close_group(order)

    # Brackets

    def _release_child(self, parent: Order, child: Order) -> None:
        asked = max(parent.asked, 1)
        child.released = max(child.released, child.asked * min(parent.filled, asked) // asked)

    def _release(self, parent: Order) -> None:
        """Children follow the parent's fills: as many lots as it has, in proportion."""
        for child in list(parent.children):
            if child.ended or not child.accepted:
                continue
            before = child.released
            self._release_child(parent, child)
            if child.released > before:
                self._grow(child)
            elif child.spent:
                self._take_away(child)
                self.review(child)

    def let_go(self) -> None:
        """Lots that were withheld may trade."""
        for order in [one for one in self.live.values() if one.withheld]:
            order.withheld = 0
            self._grow(order)

    def _grow(self, child: Order) -> None:
        """More lots of an order are in force."""
        self._floor_of(child).resize(child, self._now())
        if child.ended:
            return
        if child.status is self._state(child):
            self._teller.order(child)
        self.review(child)

    # Ends

    def _take_away(self, order: Order) -> None:
        """An order whose lots its group has taken, or its parent will not have. The caller reviews the group."""
        self._floor_of(order).withdraw(order, self._now())
        if order.ended:
            return
        if order.filled and order.filled == order.total:
            self._end(order, Status.FILLED)
        else:
            self._end(order, Status.CANCELLED)
            self._teller.error(order, *CANCELLED_TEXT)

    def cancel(self, order: Order, reason: str = "") -> None:
        """The order ends with what it has filled."""
        if order.ended:
            return
        self._floor_of(order).withdraw(order, self._now())
        self._end(order, Status.CANCELLED)
        self._teller.error(order, CANCELLED_TEXT[0], CANCELLED_TEXT[1] + reason)
        self.review(order)

    def drop(self, order: Order) -> None:
        """An order that never left the gateway, and its children, are withdrawn."""
        self._end(order, Status.CANCELLED)
        self._teller.error(order, *CANCELLED_TEXT)

    def change(self, order: Order, request: OrderRequest) -> None:
        """New prices, terms and lots. A quantity that is not changed leaves what fills of its group made of it."""
        was, was_limit = order.request, order.limit_ticks
        floor, now_ns = self._floor_of(order), self._now()
        order.take(request)
        if request.order_type != was.order_type or request.tif != was.tif:
            floor.withdraw(order, now_ns)
            order.triggered = order.triggered and request.order_type in STOP_TYPES
        if request.qty != was.qty:
            order.asked, order.reduced = int(request.qty), 0
            parent = order.parent
            order.released = order.asked if parent is None else order.asked * parent.filled // max(parent.asked, 1)
        if order.spent:
            self.cancel(order, "its quantity is filled")
            return
        if order.limit_ticks != was_limit:
            floor.reprice(order, now_ns)
        if request.qty != was.qty and not order.ended:
            floor.resize(order, now_ns)
        if order.ended:
            return
        if not order.cancel_asked:
            order.status = self._state(order)
        self._teller.order(order)
        self.review(order)

    def reject(self, order: Order, code: int, text: str) -> None:
        """The broker refuses an order it was sent; its children go with it."""
        self._teller.error(order, code, text)
        self._end(order, Status.INACTIVE)

    def _end(self, order: Order, status: Status) -> None:
        order.status = status
        order.ended_ns = self._now()
        verb = {Status.FILLED: "Filled Size: ", Status.INACTIVE: "Rejected", Status.CANCELLED: "Cancelled"}[status]
        order.ended_text = f"{verb}{order.filled}" if status is Status.FILLED else verb
        self.live.pop(order.perm_id, None)
        self.completed.append(order)
        self._teller.order(order)
        for child in list(order.children):
            if child.ended:
                continue
            if order.filled == 0:
                self._drop_child(child)
            elif status is not Status.FILLED:
                self._at(SERVER_NS, lambda: self._release(order))

    def _drop_child(self, child: Order) -> None:
        """Its parent has ended without a fill."""
        if child.accepted:
            self.cancel(child)
        else:
            self.drop(child)

    def held_text(self, order: Order) -> str:
        """The message about an order that waits for the exchange to open for it."""
        now_ns = self._now()
        at_ns = self._hours.next_open_ns(now_ns)
        when = time_text(at_ns) if at_ns != now_ns else "regular trading hours"
        what = f"{order.request.action} {order.asked} {order.listed.local_symbol}"
        return f"Order Message:\n{what}\nWarning: your order will not be placed at the exchange until {when}."
