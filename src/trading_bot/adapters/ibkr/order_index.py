"""Which order of ours a message of the broker speaks of: by permId, by order id of this client, or by reference.

A leg may live more than once at the broker: an exit that replaces another, or a twin that a change during an outage
left; each is an `Incarnation`, and every one of them counts until it has ended.
"""

from collections.abc import Callable

import msgspec

from trading_bot.adapters.ibkr.broker_rows import Execution, OpenOrder, Status
from trading_bot.adapters.ibkr.order_phases import LIVE, Phase
from trading_bot.adapters.ibkr.references import Reference, parse_reference, remnant_id
from trading_bot.domain.orders import ClientOrderId, Leg, Side


class Incarnation(msgspec.Struct, kw_only=True):
    """One order at the broker. `order_id` addresses it, `perm_id` (0: not told yet) is its identity there.

    `asked` are the lots it was sent for, `total` those the broker gives it now (a child's follow its parent's fills).
    `change_ticks` is the price of a change under way; `due_s` when what is owed to it is given up; `here`: sent by this
    process. `rested`: a stop that the broker held ready, so that "Submitted" means it was triggered.
    """

    order_id: int
    side: Side
    asked: int
    total: int
    price_ticks: int
    parent_id: int = 0
    oca_group: str = ""
    oca_type: int = 0
    perm_id: int = 0
    filled: int = 0
    phase: Phase = Phase.SENT
    cancel_asked: bool = False
    change_ticks: int | None = None
    due_s: float | None = None
    code: int = 0
    text: str = ""
    here: bool = True
    rested: bool = False

    @property
    def live(self) -> bool:
        """Whether it may still execute."""
        return self.phase in LIVE


class LegState(msgspec.Struct, kw_only=True):
    """A leg with its incarnations, the last one sent at the end. `told` is the last (price, lots) told as working."""

    reference: Reference
    order_id: ClientOrderId
    leg: Leg
    orders: list[Incarnation] = []
    executed: int = 0
    acknowledged: bool = False
    told: tuple[int, int] | None = None
    adopted: bool = False

    @property
    def is_remnant(self) -> bool:
        """Whether it belongs to a log that this one does not continue."""
        return self.order_id != self.reference.order_id

    @property
    def live(self) -> list[Incarnation]:
        """The incarnations that may still execute."""
        return [order for order in self.orders if order.live]


Found = tuple[LegState, Incarnation]


class OrderIndex:
    """Legs by reference, and the ways to them."""

    def __init__(self, client_id: int, tag: Callable[[], str]) -> None:
        """`tag` is what references of the open log begin with."""
        self.legs: dict[str, LegState] = {}
        self.highest_order_id = 0
        self.surprised = False  # an identity appeared that nobody sent; whoever asks the broker clears it
        self._client_id = client_id
        self._tag = tag
        self._by_perm: dict[int, Found] = {}
        self._by_address: dict[int, Found] = {}
        self._by_id: dict[tuple[ClientOrderId, Leg], LegState] = {}

    def leg(self, order_id: ClientOrderId, leg: Leg) -> LegState | None:
        """A leg by the core's name."""
        return self._by_id.get((order_id, leg))

    def add(self, reference: Reference, order: Incarnation) -> LegState:
        """An order that is being sent."""
        state = self.legs.get(str(reference)) or self._new_leg(reference, reference.order_id)
        state.orders.append(order)
        self._by_address[order.order_id] = (state, order)
        self.highest_order_id = max(self.highest_order_id, order.order_id)
        return state

    def by_perm(self, perm_id: int) -> Found | None:
        """The order with an identity at the broker."""
        return self._by_perm.get(perm_id)

    def by_address(self, order_id: int) -> Found | None:
        """The order of this client with an order id."""
        return self._by_address.get(order_id)

    def of_open_order(self, row: OpenOrder) -> Found | None:
        """The incarnation an openOrder speaks of, a new one for a new identity; None for somebody else's."""
        self.highest_order_id = max(self.highest_order_id, row.order_id)
        found = self._by_perm.get(row.perm_id) if row.perm_id else None
        if found is not None:
            return found
        mine = row.client_id == self._client_id
        state = self.legs.get(row.order_ref)
        if state is not None:
            for order in state.orders:
                if order.perm_id == 0 and order.order_id == row.order_id and mine:
                    self.identify(state, order, row.perm_id)
                    return state, order
            self.surprised = True  # one reference, another identity
        else:
            state = self._adopt(row.order_ref, row.perm_id, row.client_id)
        if state is None:
            return None
        order = Incarnation(
            order_id=row.order_id if mine else 0,
            side=row.side,
            asked=row.total,
            total=row.total,
            price_ticks=row.price_ticks,
            here=False,
        )
        state.orders.insert(0, order)
        self.identify(state, order, row.perm_id)
        if mine:
            self._by_address.setdefault(row.order_id, (state, order))
        return state, order

    def of_status(self, row: Status) -> Found | None:
        """The incarnation an orderStatus speaks of."""
        found = self._by_perm.get(row.perm_id) if row.perm_id else None
        if found is not None or row.client_id != self._client_id:
            return found
        found = self._by_address.get(row.order_id)
        if found is not None and row.perm_id and found[1].perm_id not in (0, row.perm_id):
            self.surprised = True  # the same address, another identity: a twin that has not shown its reference
            return None
        if found is not None:
            self.identify(*found, row.perm_id)
        return found

    def of_execution(self, row: Execution) -> LegState | None:
        """The leg that was executed."""
        found = self._by_perm.get(row.perm_id)
        if found is not None:
            return found[0]
        state = self.legs.get(row.order_ref) or self._adopt(row.order_ref, row.perm_id, row.client_id)
        if state is not None:
            for order in state.orders:
                if order.perm_id == 0 and order.order_id == row.order_id:
                    self.identify(state, order, row.perm_id)
        return state

    def incarnation(self, state: LegState, row: Execution) -> Incarnation | None:
        """The one of a leg that was executed; None when only its execution is known."""
        found = self._by_perm.get(row.perm_id)
        if found is not None and found[0] is state:
            return found[1]
        return next((order for order in state.orders if order.order_id == row.order_id), None)

    def identify(self, state: LegState, order: Incarnation, perm_id: int) -> None:
        """The broker's identity of an order is known."""
        if perm_id and order.perm_id == 0:
            order.perm_id = perm_id
            self._by_perm[perm_id] = (state, order)

    def _adopt(self, order_ref: str, perm_id: int, client_id: int) -> LegState | None:
        """A leg of ours that this process did not send; None for an order of somebody else."""
        reference = parse_reference(order_ref)
        if reference is None or client_id != self._client_id:
            return None
        known = reference.tag == self._tag()
        state = self._new_leg(reference, reference.order_id if known else remnant_id(perm_id))
        state.adopted = True
        return state

    def _new_leg(self, reference: Reference, order_id: ClientOrderId) -> LegState:
        state = LegState(reference=reference, order_id=order_id, leg=reference.leg)
        self.legs[str(reference)] = state
        self._by_id[(order_id, reference.leg)] = state
        return state
