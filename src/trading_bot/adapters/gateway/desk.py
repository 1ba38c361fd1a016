"""The desk: what clients ask about orders, in market time; the broker's servers behind it are `order_flow`.

A request is checked by the gateway at once and takes effect at the exchange `order_latency_ms` later; what comes of it
is told `answer_latency_ms` after it happened. Everything due is done at its own time, before the record that follows.
"""

import heapq
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway import order_checks
from trading_bot.adapters.gateway.account import Account
from trading_bot.adapters.gateway.account_watch import AccountWatch
from trading_bot.adapters.gateway.by_hand import ByHand
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.executions import ExecutionBook
from trading_bot.adapters.gateway.floors import Floors
from trading_bot.adapters.gateway.hours import Hours
from trading_bot.adapters.gateway.order_bends import Bends
from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.adapters.gateway.order_flow import Flow
from trading_bot.adapters.gateway.order_telling import Teller
from trading_bot.adapters.gateway.orders import Order, Status
from trading_bot.domain.units import NS_PER_MS, TS_NEVER_NS

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway
    from trading_bot.adapters.gateway.record import Record

PERM_ID_FIRST: Final = 1_400_000_000
UUSD: Final = 1_000_000


class Desk:
    """Orders, executions and the account of one gateway. Nothing of it is lost when a client leaves."""

    def __init__(self, gateway: "Gateway") -> None:
        """Books begin empty, with the configured equity."""
        config = gateway.config
        self._gateway = gateway
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._steps = 0
        self._waiting: list[Callable[[], None]] = []  # while the link to the broker is down
        self._perm_id = PERM_ID_FIRST
        self._orders: dict[tuple[int, int], Order] = {}  # by client and order id
        self._last_ids: dict[int, int] = {}
        self._order_ns = int(config.order_latency_ms * NS_PER_MS)
        self.now_ns = config.start_ns
        self.hours = Hours(gateway.contracts.calendar)
        self.account = Account(config.account, round(config.equity_usd * UUSD))
        self.executions = ExecutionBook(self.account, config.seed, self._fee_uusd)
        self.watch: AccountWatch = AccountWatch(gateway, self)
        self.teller = Teller(gateway, self.over_the_link)
        self.flow = Flow(
            account=self.account,
            executions=self.executions,
            hours=self.hours,
            teller=self.teller,
            faults=gateway.faults,
            floor_of=lambda order: self.floors.of(order.listed),
            now=lambda: self.now_ns,
            at=self.at,
            on_position=self.watch.position_changed,
        )
        self.floors = Floors(
            gateway,
            self.account,
            fee_per_side_uusd=lambda: self._fee_uusd,
            now=lambda: self.now_ns,
            on_fill=self.flow.filled,
        )
        self.by_hand = ByHand(gateway, self)
        self.bends = Bends(gateway, self)
        self._arm_boundary()

    # Time

    def at(self, after_ns: int, work: Callable[[], None]) -> None:
        """Do `work` so many ns of market time after now; at one time in the order it was asked for."""
        self._steps += 1
        heapq.heappush(self._due, (self.now_ns + after_ns, self._steps, work))

    def over_the_link(self, after_ns: int, work: Callable[[], None]) -> None:
        """As `at`, for what passes between gateway and broker: it waits while that link is down."""

        def pass_on() -> None:
            if self._gateway.faults.broker_down:
                self._waiting.append(work)
            else:
                work()

        self.at(after_ns, pass_on)

    def advance(self, now_ns: int) -> None:
        """Do everything due up to `now_ns`, each thing at its own time."""
        if self._waiting and not self._gateway.faults.broker_down:
            waiting, self._waiting = self._waiting, []
            for work in waiting:
                self.at(0, work)
        while True:
            floor = self.floors.first()
            floor_ns = TS_NEVER_NS if floor is None else floor.next_due_ns
            due_ns = self._due[0][0] if self._due else TS_NEVER_NS
            if min(floor_ns, due_ns) > now_ns:
                break
            self.now_ns = max(self.now_ns, min(floor_ns, due_ns))
            if floor is not None and floor_ns <= due_ns:
                floor.settle(self.now_ns)
            else:
                heapq.heappop(self._due)[2]()
        self.now_ns = max(self.now_ns, now_ns)

    def catch_up(self) -> None:
        """Something comes now, between two steps of the pump."""
        self.now_ns = max(self.now_ns, self._gateway.clock.now_ns())

    def _arm_boundary(self) -> None:
        at_ns = self.hours.next_change_ns(self.now_ns)
        if at_ns < TS_NEVER_NS:
            self.at(at_ns - self.now_ns, self._boundary)

    def _boundary(self) -> None:
        """The exchange opens, closes or pauses: orders wait, work, or end with their session."""
        for order in list(self.flow.live.values()):
            if order.tif == "DAY" and self.now_ns >= order.day_end_ns:
                self.flow.cancel(order, "the session of a DAY order has ended")
            elif not order.ended:
                self.flow.review(order)
        self._arm_boundary()

    def review_all(self) -> None:
        """The exchange has halted, or trades again."""
        self.catch_up()
        for order in list(self.flow.live.values()):
            if not order.ended:
                self.flow.review(order)

    # Market

    def on_record(self, underlying: str, record: "Record") -> None:
        """One record of the market, before anybody else sees it: it may trigger stops and fill orders."""
        self.advance(record.ts_ns)
        self.floors.on_record(underlying, record, self.flow.meet)

    @property
    def _fee_uusd(self) -> int:
        asked = self._gateway.config.commission_usd
        return 1_250_000 if asked is None else round(asked * UUSD)

    # Placing

    def next_order_id(self, client_id: int) -> int:
        """The least order id this client may use: above every one it has used."""
        return self._last_ids.get(client_id, 0) + 1

    def lowest_order_id(self) -> int:
        """Of all clients, 0 at most: ids of orders by hand that client 0 has bound are below."""
        return min([0, *(order_id for _, order_id in self._orders)])

    def new_perm_id(self) -> int:
        """The account's next identity of an order."""
        self._perm_id += 1
        return self._perm_id

    def register(self, order: Order) -> None:
        """From now on a client's order id means this order."""
        self._orders[order.client_id, order.order_id] = order
        if order.order_id > self._last_ids.get(order.client_id, 0):
            self._last_ids[order.client_id] = order.order_id

    def forget_id(self, order: Order) -> None:
        """A client's order id means no order any more, if it meant this one."""
        if self._orders.get((order.client_id, order.order_id)) is order:
            del self._orders[order.client_id, order.order_id]

    def reset_order_ids(self) -> None:
        """Numbers begin at 1 again; ids of orders that have ended mean nothing any more."""
        self._last_ids.clear()
        for order in list(self._orders.values()):
            if order.ended:
                self.forget_id(order)

    def place(self, client: Client, request: OrderRequest) -> None:
        """A placement or a change, as the client sent it."""
        self.catch_up()
        self.teller.saw("placed", request)
        faults = self._gateway.faults
        if faults.orders_muted:
            return
        listed = self._gateway.contracts.one(request.contract, continuous=True)
        order = self._orders.get((client.client_id, request.order_id))
        if order is not None and not request.what_if:
            self._change(client, order, request, listed)
            return
        refusal = order_checks.before_leaving(request, listed, self.account.name)
        if refusal is None and not request.what_if and request.order_id < self.next_order_id(client.client_id):
            refusal = order_checks.DUPLICATE_ID
        parent = self._orders.get((client.client_id, request.parent_id)) if request.parent_id else None
        if refusal is None and request.parent_id and (parent is None or parent.ended):
            refusal = order_checks.MISSING_PARENT
        refusal = self.bends.at_the_gateway(request, listed, refusal)
        if not request.what_if:
            self._last_ids[client.client_id] = max(request.order_id, self._last_ids.get(client.client_id, 0))
        if refusal is not None or listed is None:
            client.error(request.order_id, *(refusal or order_checks.NO_CONTRACT))
            return
        self._take(client, request, listed, parent)

    def _take(self, client: Client, request: OrderRequest, listed: Listed, parent: Order | None) -> None:
        if request.what_if:
            asked = Order(request, client.client_id, listed, 0)
            margins = self.account.what_if(asked, list(self.flow.live.values()), self._fee_uusd * asked.asked)
            self.teller.what_if(client, asked, margins)
            return
        order = Order(request, client.client_id, listed, self.new_perm_id())
        order.parent = parent
        if parent is not None:
            parent.children.append(order)
        self.register(order)
        self.floors.of(listed)
        if not request.tif:
            self.teller.error(order, *order_checks.TIF_PRESET)
        faults = self._gateway.faults
        if faults.inform_code:
            self.teller.error(order, faults.inform_code, faults.inform_text)
        if request.transmit:
            self.transmit(order)
        else:
            client.on_closed.append(partial(self._forget, order))

    def _forget(self, order: Order) -> None:
        """Its client has left: what was never transmitted is gone."""
        if not order.sent and not order.ended:
            self.flow.drop(order)

    def transmit(self, order: Order) -> None:
        """The order leaves, with everything of its bracket that was held back."""
        root = order.parent or order
        family = [one for one in (root, *root.children) if not one.sent and not one.ended]
        for one in family:
            one.sent = True
        self._later(lambda: self._arrive(family))

    def _later(self, work: Callable[[], None]) -> None:
        self.over_the_link(self._order_ns + self._gateway.faults.order_delay_ms * NS_PER_MS, work)

    def _arrive(self, family: list[Order]) -> None:
        """Orders reach the broker's servers together."""
        accepted = []
        for order in family:
            if order.ended or self.bends.loses(order):
                continue
            refusal = self.bends.at_the_broker(order) or self._refused(order)
            if refusal is not None:
                self.flow.reject(order, *refusal)
                continue
            order.day_end_ns = self.hours.session_close_ns(self.now_ns)
            self.flow.accept(order)
            if not self.flow.may_trade(order):
                self.teller.error(order, 399, self.flow.held_text(order))
            accepted.append(order)
        for order in accepted:
            if order.ended:
                continue
            self.flow.review(order)
            if order.tif == "IOC" and not order.ended:
                self.flow.cancel(order, "what was not filled at once")

    def _refused(self, order: Order) -> order_checks.Refusal | None:
        if order.request.oca_group and self.flow.group_is_spent(order.request.oca_group):
            return order_checks.rejected("The OCA group is already filled")
        if self.floors.of(order.listed).full:
            return order_checks.rejected("too many working orders of this contract")
        is_open = self.hours.is_open(self.now_ns)
        return order_checks.by_the_broker(order, self.flow.live.values(), self.account, is_open=is_open)

    # Changing and cancelling

    def _change(self, client: Client, order: Order, request: OrderRequest, listed: Listed | None) -> None:
        refusal = order_checks.before_leaving(request, listed, self.account.name)
        if order.ended:
            filled = order.status is Status.FILLED
            refusal = order_checks.MODIFY_FILLED if filled else order_checks.DUPLICATE_ID
        elif refusal is None:
            refusal = order_checks.of_change(order, request, listed)
        if refusal is None and order.cancel_asked:
            refusal = (201, "Order rejected - reason:a cancel of the order is pending")
        if self._gateway.faults.changes_muted and order.sent:
            return
        refusal = self.bends.change_at_the_gateway(request, listed, refusal)
        if refusal is not None:
            client.error(request.order_id, *refusal)
            return
        if order.sent:
            self._later(lambda: self._apply(order, request))
            return
        order.take(request)
        order.asked = int(request.qty)
        if request.transmit:
            self.transmit(order)

    def _apply(self, order: Order, request: OrderRequest) -> None:
        """A change reaches the broker."""
        if order.ended:
            filled = order.status is Status.FILLED
            self.teller.error(order, *(order_checks.MODIFY_FILLED if filled else order_checks.DUPLICATE_ID))
            return
        if not self.bends.change(order, request):
            self.flow.change(order, request)

    def cancel(self, client: Client, order_id: int) -> None:
        """Withdraw an order of this client."""
        self.catch_up()
        order = self._orders.get((client.client_id, order_id))
        if order is not None:
            self.teller.saw("cancel", order)
        if self.bends.takes_cancel(client, order_id):
            return
        while order is not None and order.older is not None and (order.ended or order.cancel_asked):
            order = order.older
        if order is None:
            client.error(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
            return
        if order.ended or order.cancel_asked:
            text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            client.error(order_id, 10148, text)
            return
        self._ask_cancel(order)

    def cancel_all(self) -> None:
        """Global cancel: every order of the account, whoever placed it."""
        self.catch_up()
        for order in dict.fromkeys([*self._orders.values(), *self.by_hand.orders]):
            if not order.ended and not order.cancel_asked:
                self._ask_cancel(order)

    def _ask_cancel(self, order: Order) -> None:
        order.cancel_asked = True
        self.teller.saw("order", order)
        if not order.sent:
            self.flow.drop(order)
            return
        order.status = Status.PENDING_CANCEL
        if order.accepted:
            self.teller.order(order)
        self._later(partial(self._cancelled, order))

    def _cancelled(self, order: Order) -> None:
        """A cancel reaches the broker, which has to ask the exchange about what works there."""
        if order.ended:
            text = f"OrderId {order.order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            self.teller.error(order, 10148, text)
            return
        open_ns = self.hours.next_open_ns(self.now_ns)
        if order.was_routed and self.now_ns < open_ns < TS_NEVER_NS:
            self.at(open_ns - self.now_ns, partial(self._cancelled, order))
            return
        self.flow.cancel(order)

    def correct(self, exec_id: str, price_ticks: int) -> None:
        """The exchange corrects the price of an execution: it is told again, under its id with a higher ending.

        Raises KeyError for an execution that never was.
        """
        self.catch_up()
        self.correct_when_due(exec_id, price_ticks)

    def correct_when_due(self, exec_id: str, price_ticks: int) -> None:
        """As `correct`, at the time of the step that does it."""
        execution = self.executions.correct(exec_id, price_ticks)
        listed = self._gateway.contracts.find(execution.con_id)
        assert listed is not None, f"execution of contract {execution.con_id}, which was never listed"
        self.teller.execution(execution, listed)
        self.teller.commission(execution)
        self.watch.position_changed(execution.con_id)

    # Questions

    def open_orders(self, client_id: int | None = None) -> Iterator[Order]:
        """Living orders, of one client or of all."""
        for order in self.flow.live.values():
            if client_id is None or order.client_id == client_id:
                yield order
