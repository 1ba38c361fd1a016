"""Our orders at the broker, as the broker tells of them (docs/ibkr.md): messages in, events for the core out.

An order is a leg of a bracket, named by its reference; each incarnation of it has a phase of `order_phases`. No clock
and no connection here: times are seconds of wall time given by the caller.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from trading_bot.adapters.ibkr.broker_rows import Completed, Execution, OpenOrder, Status
from trading_bot.adapters.ibkr.child_sizes import Excess, excess
from trading_bot.adapters.ibkr.codes import Kind, code_row
from trading_bot.adapters.ibkr.fill_ledger import FillLedger
from trading_bot.adapters.ibkr.order_index import Incarnation, LegState, OrderIndex
from trading_bot.adapters.ibkr.order_phases import TABLE, Phase, Signal, Tell
from trading_bot.adapters.ibkr.references import Reference
from trading_bot.domain import events, trade_events
from trading_bot.domain.broker_events import BrokerNotice, OrderUncertain
from trading_bot.domain.events import Input
from trading_bot.domain.orders import ClientOrderId, Leg

PATIENCE_S: Final = 0.5  # what the broker owes to a status, a code or an execution comes within this, or is asked for
_CHILDREN: Final = (Leg.STOP, Leg.TARGET)
_CLOSING: Final = (Leg.STOP, Leg.TARGET, Leg.EXIT)
_CANCELLED: Final = frozenset({"Cancelled", "ApiCancelled"})
_PENDING: Final = "PendingCancel"  # a cancel that is asked for twice is refused with it, and goes on
_ORDER_CODES: Final[dict[Kind, Signal]] = {
    Kind.ORDER_REJECTED: Signal.REFUSE,
    Kind.ORDER_UNCERTAIN: Signal.DOUBT,
    Kind.ORDER_CANCELLED: Signal.CANCEL_CODE,
    Kind.CANCEL_REFUSED: Signal.NOT_CANCELLED,
}
_Early = tuple[float, LegState, Execution]  # until when an execution of a child waits


class OrderBook:
    """What is known of every order of ours, from everything the broker has said."""

    def __init__(
        self, index: OrderIndex, ledger: FillLedger, ack_s: float, logged: Collection[str] = frozenset()
    ) -> None:
        """An order that is not answered for `ack_s` is doubtful. `logged`: ids of executions that the log has."""
        self.index = index
        self.changes = 0  # grows whenever something moves
        self._ledger = ledger
        self._ack_s = ack_s
        self._logged = logged
        self._owed: dict[int, tuple[LegState, Incarnation]] = {}  # orders with a `due_s`, by the id of the object
        self._early: list[_Early] = []
        self._partly: dict[ClientOrderId, float] = {}  # brackets whose entry ended partly filled, and when to look
        self._listing = self._listed = False

    # --- what we ask -----------------------------------------------------------------------------------------------

    def sent(self, reference: Reference, order: Incarnation, now_s: float) -> None:
        """An order was written to the socket."""
        state = self.index.add(reference, order)
        self._owe(state, order, now_s + self._ack_s)
        state.told, state.adopted = None, False
        self.changes += 1

    def cancel_asked(self, state: LegState) -> list[Incarnation]:
        """The incarnations that a cancel has to reach: all that live."""
        for order in state.live:
            order.cancel_asked = True
        self.changes += 1
        return state.live

    # --- what the broker says --------------------------------------------------------------------------------------

    def open_order(self, row: OpenOrder, now_s: float) -> list[Input]:
        """An openOrder message."""
        found = self.index.of_open_order(row)
        if found is None:
            return []
        state, order = found
        order.total, order.price_ticks = row.total, row.price_ticks
        order.oca_group, order.oca_type, order.parent_id = row.oca_group, row.oca_type, row.parent_id
        if order.change_ticks == row.price_ticks:
            order.change_ticks = None
        # It does not say why an order is held; its status does. A stop that is in force stays so.
        held = row.status == "PreSubmitted"
        signal = Signal.HOLD if held else self._signal(state, order, row.status, "")
        if held and order.phase is Phase.WORKING:
            signal = Signal.WORK
        return [] if signal is None else self._apply(state, order, signal, now_s)

    def status(self, row: Status, now_s: float) -> list[Input]:
        """An orderStatus message."""
        found = self.index.of_status(row)
        if found is None:
            return []
        state, order = found
        if row.status not in _CANCELLED and row.filled + row.remaining > 0:
            order.total = row.filled + row.remaining
        signal = self._signal(state, order, row.status, row.why_held)
        if signal is None:
            return []
        results: list[Input] = []
        if state.leg is Leg.STOP and signal is Signal.WORK:
            if order.rested and row.status == "Submitted":
                results.append(trade_events.StopTriggered(ts_ns=0, order_id=state.order_id))
            order.rested = row.status == "PreSubmitted"
        return [*results, *self._apply(state, order, signal, now_s)]

    def execution(self, row: Execution, now_s: float) -> list[Input]:
        """An execDetails message, live or from a list."""
        state = self.index.of_execution(row)
        if state is None:
            return []
        if not row.live and state.is_remnant:
            self._ledger.know(row)  # of an earlier log, which has it
            return []
        if state.leg in _CHILDREN and self._entry_awaited(state):
            # Its entry's execution is still on the way: told first, or the core sees a position nobody opened.
            if all(early.exec_id != row.exec_id for _due_s, _state, early in self._early):
                self._early.append((now_s + PATIENCE_S, state, row))
            return []
        results = self._executed(state, row, now_s)
        if state.leg is Leg.ENTRY:
            results += self._children(state.order_id, now_s)
        return results

    def commission(self, exec_id: str, commission: float, currency: str) -> list[Input]:
        """A commissionReport message."""
        return self._ledger.report(exec_id, commission, currency)

    def error(self, order_id: int, code: int, text: str, now_s: float) -> list[Input]:
        """A message about an order of this client; nothing for an id that is not one."""
        found = self.index.by_address(order_id)
        if found is None:
            return []
        state, order = found
        row = code_row(code)
        notice = BrokerNotice(ts_ns=0, code=code, text=f"{state.reference}: {text}", error=row.error)
        signal = _ORDER_CODES.get(row.kind)
        if signal is None or (signal is Signal.NOT_CANCELLED and _PENDING in text):
            return [notice]
        if order.change_ticks is not None and order.live and signal in (Signal.REFUSE, Signal.DOUBT):
            order.change_ticks = None  # what was refused is the change; the order lives as it was
            return [trade_events.RequestRefused(ts_ns=0, order_id=state.order_id, leg=state.leg), notice]
        order.code, order.text = code, text
        return self._apply(state, order, signal, now_s)

    # --- time ------------------------------------------------------------------------------------------------------

    @property
    def due_s(self) -> float | None:
        """When `due` has something to do."""
        waits = [order.due_s for _state, order in self._owed.values() if order.due_s is not None]
        return min([*waits, *(due_s for due_s, _state, _row in self._early), *self._partly.values()], default=None)

    def due(self, now_s: float) -> list[Input]:
        """What was owed and did not come."""
        results: list[Input] = []
        for state, order in tuple(self._owed.values()):
            if order.due_s is None or order.due_s > now_s:
                continue
            self._owe(state, order, None)
            late = order.phase is Phase.SENT
            if late:
                order.code, order.text = 0, f"no answer within {self._ack_s:g} s"
            results += self._apply(state, order, Signal.LATE if late else Signal.PATIENCE, now_s)
        # What they wait for is in the answer to come, also when a start has not asked yet.
        self._early = [(self._until(due_s, state, now_s), state, row) for due_s, state, row in self._early]
        return results + self._released(lambda early: early[0] <= now_s, now_s)

    def _until(self, due_s: float, state: LegState, now_s: float) -> float:
        unasked = not self._listed and self.index.leg(state.order_id, Leg.ENTRY) is None
        return max(due_s, now_s + PATIENCE_S) if self._listing or unasked else due_s

    def _released(self, which: Callable[[_Early], bool], now_s: float) -> list[Input]:
        """Executions of children that have waited for their entry's."""
        found = [early for early in self._early if which(early)]
        self._early = [early for early in self._early if not which(early)]
        return [told for _due_s, state, row in found for told in self._executed(state, row, now_s)]

    def holds_back(self, order_id: ClientOrderId) -> bool:
        """Whether an execution that closes its position is known and not told yet."""
        return any(state.order_id == order_id for _due_s, state, _row in self._early)

    def too_large(self, now_s: float) -> list[Excess]:
        """Children that the broker had time to size after their entry ended, and that are still too large."""
        due = [order_id for order_id, due_s in self._partly.items() if due_s <= now_s]
        for order_id in due:
            del self._partly[order_id]
        return [found for order_id in due for found in excess(self.index, order_id)]

    # --- a complete list -------------------------------------------------------------------------------------------

    def list_begins(self) -> frozenset[int]:
        """A question about everything begins; the orders it can tell of, as ids of the objects."""
        self._listing = True
        return frozenset(id(order) for state in self.index.legs.values() for order in state.live)

    def list_ended(
        self, asked: frozenset[int], listed: Iterable[int], completed: Iterable[Completed], now_s: float
    ) -> list[Input]:
        """The answer is complete: `listed` are the permIds that work, `completed` the orders that have ended."""
        there, rows = set(listed), list(completed)
        by_perm, by_reference = {row.perm_id: row for row in rows}, {row.order_ref: row for row in rows}
        results: list[Input] = []
        for state in tuple(self.index.legs.values()):
            for order in tuple(state.orders):
                if order.perm_id in there:
                    results += self._apply(state, order, Signal.LISTED, now_s)
                elif id(order) in asked and order.live:
                    row = by_perm.get(order.perm_id) or by_reference.get(str(state.reference))
                    results += self._absent(state, order, row, now_s)
        self._listing, self._listed = False, True
        self._early = [(min(due_s, now_s), state, row) for due_s, state, row in self._early]
        return self._released(lambda early: early[0] <= now_s, now_s) + results

    def list_failed(self) -> None:
        """It did not come, or not completely: nothing is concluded."""
        self._listing, self._listed = False, True

    def _absent(self, state: LegState, order: Incarnation, row: Completed | None, now_s: float) -> list[Input]:
        signal = Signal.ABSENT
        if row is not None:
            self.index.identify(state, order, row.perm_id)
            if row.status in _CANCELLED:
                signal = Signal.WITHDRAWN
            elif row.status == "Filled":
                signal = Signal.FILLED
        return self._apply(state, order, signal, now_s)

    # --- what it means ---------------------------------------------------------------------------------------------

    def _signal(self, state: LegState, order: Incarnation, status: str, why_held: str) -> Signal | None:
        """A status as a signal; None for one that says nothing."""
        match status:
            case "Submitted":
                return Signal.WORK
            case "PreSubmitted":  # a stop rests with the broker; anything else is not in the market
                return Signal.WORK if state.leg is Leg.STOP and "child" not in why_held else Signal.HOLD
            case "Filled":
                return Signal.FULL if order.filled >= order.total > 0 else Signal.FILLED
            case "Cancelled" | "ApiCancelled":
                return Signal.WITHDRAWN if order.cancel_asked or self._over(state, order) else Signal.STOPPED
            case "Inactive":
                return Signal.INACTIVE
            case _:
                return None

    def _over(self, state: LegState, order: Incarnation) -> bool:
        """Whether the end of an order follows from what its bracket did."""
        if state.leg is Leg.ENTRY:
            return False
        if order is not state.orders[-1] or any(self._executed_qty(state.order_id, leg) for leg in _CLOSING):
            return True
        entry = self.index.leg(state.order_id, Leg.ENTRY)
        if entry is None or not entry.orders or entry.executed:
            return False
        return not entry.live or entry.orders[-1].cancel_asked

    def _executed_qty(self, order_id: ClientOrderId, leg: Leg) -> int:
        state = self.index.leg(order_id, leg)
        return 0 if state is None else state.executed

    def _entry_unfilled(self, state: LegState) -> bool:
        entry = self.index.leg(state.order_id, Leg.ENTRY)
        return entry is not None and entry.executed == 0

    def _entry_awaited(self, state: LegState) -> bool:
        """Whether its entry's execution is still to be told: it comes, or is in the first answer after a start."""
        entry = self.index.leg(state.order_id, Leg.ENTRY)
        return not (self._listed or state.is_remnant) if entry is None else entry.executed == 0

    def _children(self, order_id: ClientOrderId, now_s: float) -> list[Input]:
        """An entry has filled: what its children did before that was told."""
        results: list[Input] = []
        for leg in _CHILDREN:
            state = self.index.leg(order_id, leg)
            if state is not None:
                results += [
                    told for order in state.live if order.phase is Phase.WORKING for told in self._working(state, order)
                ]
        return results + self._released(lambda early: early[1].order_id == order_id, now_s)

    def _executed(self, state: LegState, row: Execution, now_s: float) -> list[Input]:
        news, added = self._ledger.take(row)
        if not news:
            return []
        order = self.index.incarnation(state, row)
        state.executed += added
        self.changes += 1
        remaining = 0
        if order is not None:
            order.filled += added
            remaining = max(order.total - order.filled, 0)
        entry = self.index.leg(state.order_id, Leg.ENTRY) if state.leg in _CHILDREN else None
        others = any(other is not order for other in state.live)
        full = remaining == 0 and not (entry is not None and entry.live)  # a child may grow with its entry
        commission_uusd, estimated = self._ledger.commission(state.order_id, state.leg, row)
        filled = trade_events.OrderFilled(
            ts_ns=0,
            order_id=state.order_id,
            leg=state.leg,
            side=row.side,
            qty=row.qty,
            price_ticks=row.price_ticks,
            remaining=remaining,
            final=full and not others,
            commission_uusd=commission_uusd,
            exec_id=row.exec_id,
            hypothetical=False,
            commission_estimated=estimated,
            perm_id=row.perm_id,
        )
        told: list[Input] = [] if row.exec_id in self._logged else [filled]
        if order is None:
            return told
        return [*told, *self._apply(state, order, Signal.FULL if full else Signal.PART, now_s)]

    def _apply(self, state: LegState, order: Incarnation, signal: Signal, now_s: float) -> list[Input]:
        phase, tells = TABLE[order.phase][signal]
        if phase is not order.phase:
            order.phase = phase
            self._owe(state, order, None)
            self.changes += 1
            if phase is Phase.GONE:
                state.told, state.acknowledged = None, False
        results: list[Input] = []
        for tell in tells:
            if tell is Tell.WAIT:
                self._owe(state, order, now_s + PATIENCE_S)
            elif tell is Tell.SURPRISE:
                self.index.surprised = self.index.surprised or not self._listing
            else:
                results += self._told(state, order, tell)
        if state.leg is Leg.ENTRY and not state.live:
            self._settle_children(state.order_id, now_s)
            if 0 < state.executed < order.asked:
                self._partly.setdefault(state.order_id, now_s + PATIENCE_S)
        return results

    def _owe(self, state: LegState, order: Incarnation, due_s: float | None) -> None:
        """Something is owed to an order until `due_s`, or nothing any more."""
        order.due_s = due_s
        if due_s is None:
            self._owed.pop(id(order), None)
        else:
            self._owed[id(order)] = (state, order)

    def _settle_children(self, order_id: ClientOrderId, now_s: float) -> None:
        """Its entry has ended: a child that is filled will not grow any more."""
        for leg in _CHILDREN:
            state = self.index.leg(order_id, leg)
            if state is None:
                continue
            for order in state.live:
                if order.filled >= order.total > 0:
                    self._apply(state, order, Signal.FULL, now_s)

    def _told(self, state: LegState, order: Incarnation, tell: Tell) -> list[Input]:
        order_id, leg = state.order_id, state.leg
        match tell:
            case Tell.ACK:
                if leg is not Leg.ENTRY or state.acknowledged or (self._listing and state.adopted):
                    return []
                state.acknowledged = True
                return [events.OrderAcknowledged(ts_ns=0, order_id=order_id, perm_id=order.perm_id)]
            case Tell.WORK:
                return self._working(state, order)
            case Tell.CANCELLED:
                state.told = None
                # One that was replaced, or has a twin: the leg goes on.
                return [] if state.live else [events.OrderCancelled(ts_ns=0, order_id=order_id, leg=leg)]
            case Tell.REJECTED:
                state.told = None
                if self._over(state, order):  # the bracket was done before: no refusal of its own
                    if leg is Leg.EXIT:
                        return [trade_events.RequestRefused(ts_ns=0, order_id=order_id, leg=leg)]
                    return [events.OrderCancelled(ts_ns=0, order_id=order_id, leg=leg)]
                text = order.text or "the broker made it inactive without a reason"
                return [events.OrderRejected(ts_ns=0, order_id=order_id, code=order.code, text=text, leg=leg)]
            case Tell.DOUBT:
                text = order.text or f"{order.phase.value.lower()} without the execution or code that belongs to it"
                return [OrderUncertain(ts_ns=0, order_id=order_id, leg=leg, code=order.code, text=text)]
            case _:
                text = f"{state.reference}: {order.text}"
                return [BrokerNotice(ts_ns=0, code=order.code, text=text, error=False)]

    def _working(self, state: LegState, order: Incarnation) -> list[Input]:
        """In force: told when it is news, of the newest incarnation, of a child once its entry has filled."""
        if order is not state.orders[-1] or (state.leg in _CHILDREN and self._entry_unfilled(state)):
            return []
        lots = max(order.total - order.filled, 0)
        news = (order.price_ticks, lots)
        if state.told == news or lots == 0:
            return []
        state.told = news
        if self._listing and state.adopted:
            return []  # the list that found it is told as a whole
        return [
            trade_events.OrderWorking(
                ts_ns=0, order_id=state.order_id, leg=state.leg, price_ticks=order.price_ticks, remaining=lots
            )
        ]
