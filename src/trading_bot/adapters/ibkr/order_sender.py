"""Orders on their way out: as bytes of templates, or by the library where there are none (docs/adr/0018)."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from trading_bot.adapters.ibkr.bracket import LegTerms, OrderForm, bracket
from trading_bot.adapters.ibkr.order_templates import OrderTemplates, TemplateMismatchError, cut_templates
from trading_bot.adapters.ibkr.pacing import Lane
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.orders import ApprovedOrder

_ENTRY: Final = Lane.ENTRY


class OrderSender:
    """What leaves of one contract's orders. Several orders of one call leave in one write, in their order."""

    def __init__(self, session: IbkrSession, contract: Any, form: OrderForm) -> None:
        """`contract` is the library's, qualified."""
        self._session = session
        self._contract = contract
        self._form = form
        self._templates: OrderTemplates | None = None
        session.on_ready.append(self.prepare)
        self.prepare()

    @property
    def by_templates(self) -> bool:
        """Whether orders leave without the library."""
        return self._templates is not None

    def prepare(self) -> None:
        """Templates of the connection that is there now: another one may speak another version."""
        self._templates = None
        if not self._session.connected:
            return
        try:
            self._templates = cut_templates(self._session.ib.client, self._contract, self._form)
        except TemplateMismatchError as error:
            self._session.notice_once(
                0, f"orders are written by {self._session.lib.__name__}, which is slower and as safe: {error}"
            )

    def place(self, lane: Lane, orders: Sequence[tuple[int, LegTerms]]) -> bool:
        """Place orders by their order ids, or change those that have them; False when nothing was sent."""
        templates = self._templates
        session = self._session
        if templates is None:
            sent = session.send(lane, partial(self._by_library, orders), messages=len(orders))
        else:
            frames = b"".join([templates.order(order_id, terms) for order_id, terms in orders])
            sent = session.send_frames(lane, frames, messages=len(orders))
        return self._written(lane, sent=sent)

    def place_bracket(self, order: ApprovedOrder, group: str, entry_id: int) -> bool:
        """Entry, target and stop with order ids in a row; False when nothing was sent."""
        templates = self._templates
        if templates is None:
            return self.place(Lane.ENTRY, tuple(enumerate(bracket(order, group, entry_id), entry_id)))
        target_ticks, stop_ticks = order.target_price_ticks, order.stop_price_ticks
        frames = templates.bracket(order.side, order.qty, order.limit_ticks, target_ticks, stop_ticks, group, entry_id)
        sent = self._session.outbox.send_frames(_ENTRY, frames, 3)  # which never lets an entry wait
        self._session.stages.written(waits=not sent)
        return sent

    def _written(self, lane: Lane, *, sent: bool) -> bool:
        self._session.stages.written(waits=not sent or self._session.outbox.waits(lane))
        return sent

    def cancel(self, order_id: int) -> bool:
        """Withdraw an order; False when nothing was sent."""
        if self._templates is None:
            return self._session.send(Lane.PROTECT, partial(self._session.ib.client.cancelOrder, order_id))
        return self._session.send_frames(Lane.PROTECT, self._templates.cancel(order_id))

    def _by_library(self, orders: Sequence[tuple[int, LegTerms]]) -> None:
        for order_id, terms in orders:
            self._session.ib.client.placeOrder(order_id, self._contract, self._form.order(terms))
