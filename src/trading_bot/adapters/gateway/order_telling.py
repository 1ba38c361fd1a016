"""Who is told what about orders, and when: answers take their time to the client, and faults bend them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import structs

from trading_bot.adapters.gateway import order_encode
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.adapters.gateway.orders import Execution, Order, OrderView, Status
from trading_bot.domain.units import NS_PER_MS

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

LATE_ACK_NS: Final = 500 * NS_PER_MS  # how late acknowledgements are under the fault fill_before_ack

At = Callable[[int, Callable[[], None]], None]
# Hears what happens at the desk before any client is told: "placed" with the request that came in, "cancel" with the
# order a client asks to withdraw, "order" with one that changes, "execution" with the execution.
Watcher = Callable[[str, OrderRequest | Order | Execution], None]


class Teller:
    """Sends to the client that owns an order and to the master, if they are connected when the message is due."""

    def __init__(self, gateway: "Gateway", at: At) -> None:
        """`at(ns from now, work)` does the work when that much market time has passed."""
        self._gateway = gateway
        self._at = at
        self.watchers: list[Watcher] = []
        self._answer_ns = int(gateway.config.answer_latency_ms * NS_PER_MS)

    def saw(self, what: str, thing: OrderRequest | Order | Execution) -> None:
        """Let those know who watch from inside."""
        for watcher in list(self.watchers):
            watcher(what, thing)

    def order(self, order: Order, status: Status | None = None) -> None:
        """The order as it stands now: openOrder and orderStatus."""
        self.saw("order", order)
        faults = self._gateway.faults
        if faults.acks_lost:
            return
        view = order.view(self._gateway.config.account, status)
        late_ns = LATE_ACK_NS if faults.fill_before_ack else 0
        repeat = faults.status_duplicated
        self._at(self._answer_ns + late_ns, lambda: self._send_order(view, repeat=repeat))

    def _hearers(self, client_id: int) -> Iterator[Client]:
        """The owner and the master client, as far as they are connected."""
        for one in dict.fromkeys((client_id, self._gateway.config.master_client_id)):
            client = None if one is None else self._gateway.clients.get(one)
            if client is not None:
                yield client

    def _send_order(self, view: OrderView, *, repeat: bool) -> None:
        for client in self._hearers(view.client_id):
            send_order(client, view)
            if repeat:
                client.send(*order_encode.order_status(view))

    def execution(self, execution: Execution, listed: Listed) -> None:
        """One fill: execDetails."""
        self.saw("execution", execution)
        faults = self._gateway.faults
        if faults.executions_lost:
            return
        told = structs.replace(execution, order_id=0, order_ref="") if faults.executions_nameless else execution
        times = 2 if faults.executions_duplicated else 1

        def send() -> None:
            for client in self._hearers(execution.client_id):
                for _ in range(times):
                    client.send(*order_encode.exec_details(told, listed, -1, client.server_version))

        self._at(self._answer_ns, send)

    def commission(self, execution: Execution) -> None:
        """What the fill cost: commissionReport."""
        faults = self._gateway.faults
        if faults.commissions_lost or faults.executions_lost:
            return
        times = 2 if faults.executions_duplicated else 1

        def send(value: str) -> None:
            for client in self._hearers(execution.client_id):
                for _ in range(times):
                    client.send(*order_encode.commission_report(execution, value))

        at_ns = self._answer_ns + faults.commission_delay_ms * NS_PER_MS
        self._at(at_ns, partial(send, faults.commission_value))
        if faults.commission_value and faults.commission_true_ms:
            self._at(at_ns + faults.commission_true_ms * NS_PER_MS, partial(send, ""))

    def error(self, order: Order, code: int, text: str) -> None:
        """A message about an order, by its id."""

        def send() -> None:
            client = self._gateway.clients.get(order.client_id)
            if client is not None:
                client.error(order.order_id, code, text)

        self._at(self._answer_ns + self._gateway.faults.reasons_delay_ms * NS_PER_MS, send)

    def what_if(self, client: Client, order: Order, margins: order_encode.Margins) -> None:
        """The one answer to a what-if."""
        view = order.view(self._gateway.config.account, Status.PRE_SUBMITTED)
        self._at(self._answer_ns, lambda: client.send(*order_encode.open_order(view, client.server_version, margins)))


def send_order(client: Client, view: OrderView) -> None:
    """OpenOrder and orderStatus to one client."""
    client.send(*order_encode.open_order(view, client.server_version))
    client.send(*order_encode.order_status(view))
