"""Orders at Interactive Brokers: the core's effects carried out, and what the broker does told as events (EX01).

Effects are written to the socket; nothing is sent twice, whatever became of it. Answers go through the session's queue,
so `take` has nothing of its own but what becomes of shadow trades, which a simulator follows. What cannot be sent while
the socket is down is dropped: the core asks what works when it is back, and decides anew.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any, Final

from trading_bot.adapters.ibkr import broker_rows
from trading_bot.adapters.ibkr.answers import Known, Unknown
from trading_bot.adapters.ibkr.bracket import LegTerms, OrderForm, bracket, changed, closes, leaving
from trading_bot.adapters.ibkr.child_sizes import Excess
from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.adapters.ibkr.fill_ledger import FillLedger
from trading_bot.adapters.ibkr.listed_orders import listed
from trading_bot.adapters.ibkr.order_book import OrderBook
from trading_bot.adapters.ibkr.order_index import Incarnation, LegState, OrderIndex
from trading_bot.adapters.ibkr.order_sender import OrderSender
from trading_bot.adapters.ibkr.pacing import Lane
from trading_bot.adapters.ibkr.questions import Listing, Questions
from trading_bot.adapters.ibkr.references import Reference, bracket_name
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.effects import BrokerEffect
from trading_bot.domain.events import Input
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.orders import ApprovedOrder, ClientOrderId, Leg, Side
from trading_bot.domain.ports import Broker

NOT_CONNECTED: Final = 504  # the API's code
PACED: Final = 100  # the API's code for too many messages, which this prevents
_LISTINGS_MAX: Final = 3  # while orders move, the list is asked for again
_GROUP: Final = (Leg.STOP, Leg.TARGET)
_SENT: Final = (Leg.ENTRY, Leg.TARGET, Leg.STOP)  # the legs of a bracket in the order they leave


class IbkrBroker:
    """The broker port on a connection, for one contract of one account."""

    def __init__(
        self,
        session: IbkrSession,
        bound: BoundContract,
        instrument: Instrument,
        *,
        tag_of: Callable[[int], str],
        shadows: Broker,
        why_not: Callable[[int], str] | None = None,
        logged: Collection[str] = frozenset(),
    ) -> None:
        """`tag_of(ts_ns)` begins every reference of the log open then; `shadows` follows trades that are never sent.

        `logged` are the ids of executions that a continued log has already: they are not told again.
        `why_not(ts_ns)` says why no entry may leave (LIVE is not armed), empty when one may; None: nobody is asked.
        """
        self._session = session
        self._bound = bound
        self._instrument = instrument
        self._tag_of = tag_of
        self._shadows = shadows
        self._why_not = why_not
        self._closed_ns: dict[ClientOrderId, int] = {}  # when the last fill of a stop, target or exit was told
        self._form = OrderForm(session.lib, session.account, instrument)
        self._sender = OrderSender(session, bound.contract, self._form)
        self._index = OrderIndex(session.settings.client_id, lambda: tag_of(session.stamp()))
        ledger = FillLedger(instrument.commission_round_trip_uusd // 2)
        self.book = OrderBook(self._index, ledger, session.settings.request_timeout_s, logged)
        self.questions = Questions(session, bound, instrument)
        self._asking: list[str] = []  # reasons of the questions that wait
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0  # when it comes
        for callback, listener in (
            ("openOrder", self._on_open_order),
            ("orderStatus", self._on_status),
            ("execDetails", self._on_execution),
            ("commissionReport", self._on_commission),
            ("error", self._on_error),
        ):
            session.listen(callback, listener)

    @property
    def next_due_ns(self) -> int:
        """When `take` has to be called: of shadow trades alone."""
        return self._shadows.next_due_ns

    def take(self, ts_ns: int) -> Input | None:
        """The next of what became of shadow trades."""
        return self._shadows.take(ts_ns)

    def dispatch(self, effect: BrokerEffect) -> None:
        """Carry an effect out."""
        match effect:
            case effects.PlaceOrder():
                self._place(effect)
            case effects.PlaceShadow():
                self._shadows.dispatch(effect)
            case effects.AskBroker():
                self._ask(effect.reason)
            case effects.CancelOrder():
                self._cancel(effect)
            case effects.PlaceExit():
                self._exit(effect)
            case effects.ModifyStop():
                self._move_stop(effect)

    # --- effects ---------------------------------------------------------------------------------------------------

    def _place(self, effect: effects.PlaceOrder) -> None:
        """Parent and target are held back until the stop is there: the broker has all three or none."""
        order = effect.order
        tag = self._tag_of(effect.ts_ns)
        group = bracket_name(tag, order.order_id)
        refusal = self._hindrance(order, group) or (self._why_not(effect.ts_ns) if self._why_not is not None else "")
        if refusal:
            rejected = events.OrderRejected(ts_ns=0, order_id=order.order_id, code=NOT_CONNECTED, text=refusal)
            self._tell([rejected])
            return
        entry_id = self._next_ids(3)
        if not self._sender.place_bracket(order, group, entry_id):
            text = "no room for three messages this second beside those that protect; nothing was sent"
            self._tell([events.OrderRejected(ts_ns=0, order_id=order.order_id, code=PACED, text=text)])
            return
        for number, terms in enumerate(bracket(order, group, entry_id)):
            self._note(Reference(tag, order.order_id, _SENT[number]), entry_id + number, terms)
        self._arm()

    def _hindrance(self, order: ApprovedOrder, group: str) -> str:
        """Why an entry is not sent; empty when it is."""
        if order.instrument_id != self._instrument.id:
            return f"order {order.order_id} is of instrument {order.instrument_id}: this is {self._instrument.symbol}"
        if f"{group}-E" in self._index.legs:
            return f"order {order.order_id} was sent before; an order is never sent twice"
        link = self._session.link
        if not (link.socket and link.broker and self._session.ib.client.isReady()):
            return "the connection to the broker is down; nothing was sent"
        return ""

    def _cancel(self, effect: effects.CancelOrder) -> None:
        state = self._index.leg(effect.order_id, effect.leg)
        if state is None or not state.live:
            self._refused(effect.order_id, effect.leg)
            return
        if self._session.connected:
            self._write_cancel(state)

    def _write_cancel(self, state: LegState) -> None:
        """To every incarnation: the leg is gone when all of them are."""
        for order_id in sorted({order.order_id for order in self.book.cancel_asked(state)}):
            if order_id > 0:
                self._sender.cancel(order_id)
            else:
                self._session.notice(0, f"{state.reference} belongs to another client: it has to cancel it", error=True)

    def _exit(self, effect: effects.PlaceExit) -> None:
        """In the group of what protects; one that works is withdrawn, and the group lets only one of them fill."""
        if not self._session.connected:
            return
        reference = self._reference(effect.order_id, Leg.EXIT, effect.ts_ns)
        working = self._index.legs.get(str(reference))
        member = self._member(effect.order_id, effect.side)
        closed = (
            self._closed_ns.get(effect.order_id, 0) > effect.ts_ns
            or closes(self._session.inputs, effect.order_id)
            or self.book.holds_back(effect.order_id)
        )
        if member is None and closed:
            # What would close the position has closed it, and the core decided before it heard so: alone, outside the
            # group that has ended, this exit would open one.
            self._refused(effect.order_id, Leg.EXIT)
            return
        if working is not None:
            self._write_cancel(working)
        order_id, terms = self._next_ids(1), leaving(effect, reference, member)
        self._sender.place(Lane.PROTECT, ((order_id, terms),))
        self._note(reference, order_id, terms)
        self._arm()

    def _member(self, order_id: ClientOrderId, side: Side) -> Incarnation | None:
        """A living order of the bracket that closes to this side: its group is the one an exit joins."""
        for leg in _GROUP:
            state = self._index.leg(order_id, leg)
            for order in reversed(state.live if state is not None else ()):
                if order.side is side and order.oca_group:
                    return order
        return None

    def _move_stop(self, effect: effects.ModifyStop) -> None:
        state = self._index.leg(effect.order_id, Leg.STOP)
        order = state.live[-1] if state is not None and state.live else None
        link = self._session.link
        # A change while the broker is away can leave two orders of one reference: none is sent then.
        if state is None or order is None or order.order_id <= 0 or not (self._session.connected and link.broker):
            self._refused(effect.order_id, Leg.STOP)
            return
        order.change_ticks = effect.price_ticks
        self._change(state, order, price_ticks=effect.price_ticks, qty=order.asked)

    def _change(self, state: LegState, order: Incarnation, *, price_ticks: int, qty: int) -> None:
        terms = changed(order, state.reference, price_ticks=price_ticks, qty=qty)
        self._sender.place(Lane.PROTECT, ((order.order_id, terms),))

    def _reference(self, order_id: ClientOrderId, leg: Leg, ts_ns: int) -> Reference:
        """As its bracket's other legs; of the open log for a bracket of an earlier one, whose name here is its own."""
        for sibling in Leg:
            state = self._index.leg(order_id, sibling)
            if state is not None and not state.is_remnant:
                return Reference(state.reference.tag, order_id, leg)
        return Reference(self._tag_of(ts_ns), order_id, leg)

    def _note(self, reference: Reference, order_id: int, terms: LegTerms) -> None:
        """What was sent, after it was and before anything can come back: that takes a turn of the loop."""
        order = Incarnation(
            order_id=order_id,
            side=terms.side,
            asked=terms.qty,
            total=terms.qty,
            price_ticks=terms.price_ticks,
            parent_id=terms.parent_id,
            oca_group=terms.oca_group,
            oca_type=terms.oca_type,
        )
        self.book.sent(reference, order, self._session.clock.wall_s())
        self._session.stages.sent(order_id, reference.order_id, reference.leg)

    def _next_ids(self, count: int) -> int:
        """The first of so many order ids in a row, above every one that the broker has ever shown."""
        client, highest = self._session.ib.client, self._index.highest_order_id
        first: int = client.getReqId()
        if first <= highest:
            client.updateReqId(highest + 1)
            first = client.getReqId()
        client.updateReqId(first + count)
        return first

    def _refused(self, order_id: ClientOrderId, leg: Leg) -> None:
        self._tell([trade_events.RequestRefused(ts_ns=0, order_id=order_id, leg=leg)])

    # --- what the broker says --------------------------------------------------------------------------------------

    def _on_open_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        if order.whatIf or contract.conId != self._bound.con_id:
            return
        row = broker_rows.open_order(order_id, contract, order, state, self._instrument)
        self._tell(self.book.open_order(row, self._session.clock.wall_s()))

    def _on_status(self, *arguments: Any) -> None:
        self._tell(self.book.status(broker_rows.status_row(*arguments), self._session.clock.wall_s()))

    def _on_execution(self, request_id: int, contract: Any, row: Any) -> None:
        if contract.conId != self._bound.con_id or row.acctNumber != self._session.account:
            return
        execution = broker_rows.execution(request_id, row, self._instrument)
        if request_id == -1:
            self._tell(self.book.execution(execution, self._session.clock.wall_s()))

    def _on_commission(self, report: Any) -> None:
        self._tell(self.book.commission(report.execId, float(report.commission), report.currency))

    def _on_error(self, request_id: int, code: int, text: str, *_more: Any) -> None:
        self._tell(self.book.error(request_id, code, text, self._session.clock.wall_s()))

    def _tell(self, inputs: Iterable[Input]) -> None:
        for event in inputs:
            self._session.tell(event)
            if isinstance(event, trade_events.OrderFilled) and event.leg is not Leg.ENTRY:
                self._closed_ns[event.order_id] = self._session.inputs[-1].ts_ns
        self._arm()
        if self._index.surprised:
            self._index.surprised = False
            self._ask("SURPRISE")

    def _arm(self) -> None:
        """A timer for what the broker owes."""
        due_s = self.book.due_s
        if due_s is None or (self._timer is not None and self._timer_s <= due_s):
            return  # one that comes early looks, finds nothing and sets the next
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = due_s
        wait_s = max(due_s - self._session.clock.wall_s(), 0.0)
        self._timer = self._session.loop.call_later(wait_s, self.overdue)

    def overdue(self) -> None:
        """Look at what the broker owes; called by the timer."""
        self._timer = None
        now_s = self._session.clock.wall_s()
        self._tell(self.book.due(now_s))
        for found in self.book.too_large(now_s):
            self._resize(found)

    def _resize(self, found: Excess) -> None:
        """A child for more lots than there are: for as many as there are, or gone."""
        state, order = found.state, found.order
        open_lots = order.total - order.filled
        self._session.notice(
            0, f"{state.reference} is open for {open_lots} lots and should be {found.qty} in all: it is changed"
        )
        if found.qty == 0:
            self._write_cancel(state)
        else:
            order.asked = found.qty
            self._change(state, order, price_ticks=order.price_ticks, qty=found.qty)

    # --- margin ----------------------------------------------------------------------------------------------------

    def ask_margin(self) -> Known[int] | Unknown:
        """What the broker asks for one contract, micro-dollars; waits for the answer. Nothing is placed."""
        return self._session.run(self.questions.margin_per_contract(self._form.what_if()))

    # --- questions -------------------------------------------------------------------------------------------------

    def _ask(self, reason: str) -> None:
        """Ask for everything; a question while one is under way is asked after it."""
        if reason not in self._asking:
            self._asking.append(reason)
        if not self._tasks:
            self._spawn(self._answer_all())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._session.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._session.fail(error)

    async def _answer_all(self) -> None:
        while self._asking:
            reasons, self._asking = self._asking, []
            await self._answer(" ".join(reasons))

    async def _answer(self, reason: str) -> None:
        """Ask until nothing has moved meanwhile, or often enough: the core asks again where it differs."""
        left = _LISTINGS_MAX
        while left:
            asked, before = self.book.list_begins(), self.book.changes
            answer = await self.questions.everything()
            if isinstance(answer, Unknown):
                self.book.list_failed()
                self._tell([self._unanswered(f"{reason}: {answer.reason}")])
                return
            listing, now_s = answer.data, self._session.clock.wall_s()
            for row in sorted(listing.executions, key=lambda row: row.order_id):  # entries before their children
                self._tell(self.book.execution(row, now_s))
            self._tell(self.book.list_ended(asked, listing.orders, listing.completed, now_s))
            left = left - 1 if self.book.changes != before else 0
            if not left:
                self._tell([self._reconciled(listing, reason)])

    def _unanswered(self, reason: str) -> Input:
        return events.Reconciled(ts_ns=0, ok=False, position_qty=0, working_orders=0, asked=True, reason=reason)

    def _reconciled(self, listing: Listing, reason: str) -> Input:
        orders = tuple(listed(self._index, listing))
        return events.Reconciled(
            ts_ns=0,
            ok=True,
            position_qty=listing.position_qty,
            working_orders=len(orders),
            asked=True,
            listed=True,
            orders=orders,
            reason=reason,
        )
