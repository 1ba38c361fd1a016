"""What faults make of orders on their way: who loses or refuses them, what a change or a fill becomes."""

from functools import partial
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway import order_checks
from trading_bot.adapters.gateway.client import Client
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.order_checks import Refusal
from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.adapters.gateway.orders import Execution, Order, Status
from trading_bot.domain.units import NS_PER_MS

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.desk import Desk
    from trading_bot.adapters.gateway.gateway import Gateway

# Limits of the gateway's own precautions; a band of the exchange is refused with 201 by the broker.
PRECAUTIONS: Final = frozenset({109, 163, 382})
BAND_TEXT: Final = "The limit price is outside the range of {} ticks around the last price {:g}"


class Bends:
    """Faults of `Faults` where they touch orders."""

    def __init__(self, gateway: "Gateway", desk: "Desk") -> None:
        self._faults = gateway.faults
        self._desk = desk
        self._cancels: list[tuple[Client, int]] = []  # asked for while cancels are held
        desk.executions.on_booked = self._correct_later

    # Placements

    def at_the_gateway(self, request: OrderRequest, listed: Listed | None, refusal: Refusal | None) -> Refusal | None:
        """Why the gateway refuses a placement, faults included."""
        faults = self._faults
        if faults.reject_code and not request.what_if:
            return faults.reject_code, faults.reject_text
        if refusal is None and faults.band_code in PRECAUTIONS:
            return self._band(request, listed)
        return refusal

    def at_the_broker(self, order: Order) -> Refusal | None:
        """Why the broker refuses an order that has arrived."""
        faults = self._faults
        if faults.leg_rejected == order.leg:
            return faults.leg_code, faults.leg_text
        if faults.band_code and faults.band_code not in PRECAUTIONS:
            return self._band(order.request, order.listed)
        return None

    def _band(self, request: OrderRequest, listed: Listed | None) -> Refusal | None:
        if listed is None or request.order_type not in {"LMT", "STP LMT"} or request.limit_points is None:
            return None
        last_ticks = self._desk.floors.of(listed).last_ticks
        away_ticks = abs(request.limit_points * 1_000_000_000 / listed.instrument.tick_size_e9 - last_ticks)
        if away_ticks <= self._faults.band_ticks:
            return None
        text = BAND_TEXT.format(self._faults.band_ticks, listed.instrument.points(last_ticks))
        code = self._faults.band_code
        return code, self._faults.band_text or (text if code in PRECAUTIONS else order_checks.rejected(text)[1])

    def loses(self, order: Order) -> bool:
        """An order that vanishes on its way, with its children: nobody says so, and its id means nothing."""
        if self._faults.leg_dropped != order.leg:
            return False
        if order.parent is not None:
            order.parent.children.remove(order)
        for lost in (order, *order.children):
            lost.status = Status.INACTIVE
            self._desk.forget_id(lost)
            self._desk.teller.saw("order", lost)
        return True

    # Changes

    def change_at_the_gateway(
        self, request: OrderRequest, listed: Listed | None, refusal: Refusal | None
    ) -> Refusal | None:
        """Why the gateway refuses a change, faults included."""
        faults = self._faults
        if faults.change_code:
            return faults.change_code, faults.change_text
        if refusal is None and faults.band_code in PRECAUTIONS:
            return self._band(request, listed)
        return refusal

    def change(self, order: Order, request: OrderRequest) -> bool:
        """Whether a change that has reached the broker became something else."""
        if self._faults.twins:
            self._twin(order, request)
            return True
        refusal = self._band(request, order.listed) if self._faults.band_code else None
        if refusal is not None:
            self._desk.teller.error(order, *refusal)
        return refusal is not None

    def _twin(self, order: Order, request: OrderRequest) -> None:
        """A second order beside the first, under the same ids and reference: the id means the newer one from now on."""
        desk = self._desk
        twin = Order(request, order.client_id, order.listed, desk.new_perm_id())
        twin.parent, twin.sent, twin.day_end_ns = order.parent, True, order.day_end_ns
        if twin.parent is not None:
            twin.parent.children.append(twin)
        twin.older = order
        desk.register(twin)
        desk.flow.accept(twin)
        desk.flow.review(twin)

    # Cancels

    def takes_cancel(self, client: Client, order_id: int) -> bool:
        """Whether a cancel is lost, held or refused."""
        faults = self._faults
        if faults.cancels_muted:
            return True
        if faults.cancels_held:
            self._cancels.append((client, order_id))
            return True
        if faults.cancel_code:
            client.error(order_id, faults.cancel_code, faults.cancel_text)
            return True
        return False

    def pass_cancels(self) -> None:
        """Cancels that were held are carried out, in the order they came."""
        waiting, self._cancels = self._cancels, []
        for client, order_id in waiting:
            self._desk.cancel(client, order_id)

    def withdraw_leg(self, leg: str) -> None:
        """The broker ends every working order of this leg, unasked."""
        self._desk.catch_up()
        for order in [one for one in self._desk.flow.live.values() if one.leg == leg]:
            self._desk.flow.cancel(order)

    # Fills

    def fill_groups(self) -> None:
        """Every order of an OCA group that may trade is filled at its own price, before the group can take from it."""
        desk = self._desk
        desk.catch_up()
        now_ns = desk.now_ns
        for order in [one for one in desk.flow.live.values() if one.group and one.open > 0]:
            floor = desk.floors.of(order.listed)
            floor.withdraw(order, now_ns)
            if order.ended or order.open <= 0:
                continue
            order.triggered = True
            price_ticks = order.stop_ticks or order.limit_ticks or floor.last_ticks
            desk.flow.filled(order, now_ns, order.open, price_ticks, False)

    def _correct_later(self, execution: Execution) -> None:
        """Under the fault `correct_executions` each execution gets another price after a while."""
        if self._faults.corrected_ticks:
            desk = self._desk
            price_ticks = execution.price_ticks + self._faults.corrected_ticks
            desk.at(
                self._faults.correction_ms * NS_PER_MS, partial(desk.correct_when_due, execution.exec_id, price_ticks)
            )
