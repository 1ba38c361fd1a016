"""Where one contract's orders trade: an ExchangeSim without delays of its own, and what of each order is there.

The desk holds everything the broker's servers do (stops, brackets, OCA groups, latencies); the exchange sees single
limit and market orders, and stops once they have triggered.
"""

from collections.abc import Callable
from typing import Final

from trading_bot._fast.exchange import ExchangeSim
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.orders import STOP_TYPES, Order
from trading_bot.domain.exchange import AnswerKind, ExchangeConfig, Leg, OrderKind
from trading_bot.domain.units import TS_NEVER_NS

ORDERS_MAX: Final = 60  # at the exchange at once, below the simulator's table
# Trigger methods by what they look at; 1 and 3 ask for two in a row at a real broker, one is taken here.
LAST_METHODS: Final = frozenset({0, 2, 3, 7})
TOUCH_METHODS: Final = frozenset({1, 4, 7})
MIDPOINT_METHOD: Final = 8

OnFill = Callable[[Order, int, int, int, bool], None]


class Floor:
    """One contract's market as the desk knows it."""

    def __init__(
        self, listed: Listed, seed: int, fee_per_side_uusd: int, stop_latency_ns: int, on_fill: OnFill
    ) -> None:
        """`on_fill(order, ts_ns, qty, price_ticks, maker)` hears each execution in order."""
        self.listed = listed
        self.last_ticks = 0
        self.quote = (0, 0, 0, 0)  # bid, its lots, ask, its lots
        self._on_fill = on_fill
        self._orders: dict[int, Order] = {}  # by handle
        self._handles = 0
        self._exchange = ExchangeSim(
            ExchangeConfig(
                entry_latency_ns=0,
                response_latency_ns=0,
                child_latency_ns=0,
                stop_latency_ns=stop_latency_ns,
                fee_per_side_uusd=fee_per_side_uusd,
                seed=seed,
            )
        )

    @property
    def next_due_ns(self) -> int:
        """When something of ours happens at the exchange by itself; TS_NEVER_NS: nothing will."""
        return self._exchange.next_due_ns if self._orders else TS_NEVER_NS

    @property
    def full(self) -> bool:
        """Is there no room for another order?"""
        return len(self._orders) >= ORDERS_MAX

    # Market

    def on_quote(self, ts_ns: int, bid_ticks: int, bid_qty: int, ask_ticks: int, ask_qty: int) -> None:
        """A new touch."""
        self.quote = (bid_ticks, bid_qty, ask_ticks, ask_qty)
        self._exchange.on_quote(ts_ns, bid_ticks, bid_qty, ask_ticks, ask_qty)
        self.settle(ts_ns)

    def on_trade(self, ts_ns: int, price_ticks: int, qty: int, aggressor: int) -> None:
        """A print."""
        self.last_ticks = price_ticks
        self._exchange.on_trade(ts_ns, price_ticks, qty, aggressor)
        self.settle(ts_ns)

    def settle(self, ts_ns: int) -> None:
        """Let everything due at the exchange by `ts_ns` happen, and hear of it."""
        while (answer := self._exchange.take(ts_ns)) is not None:
            order = self._orders.get(answer.handle)
            if order is None or answer.kind not in {AnswerKind.PARTIAL, AnswerKind.FILL}:
                continue
            if answer.kind is AnswerKind.FILL:
                self._gone(order)
            maker = order.request.order_type == "LMT" and self._rested(order, answer.price_ticks)
            self._on_fill(order, answer.ts_ns, answer.qty, answer.price_ticks, maker)

    def _rested(self, order: Order, price_ticks: int) -> bool:
        """Did it add liquidity? At its own limit, and not at the touch it would have taken from."""
        opposite = self.quote[2] if order.side > 0 else self.quote[0]
        return price_ticks == order.limit_ticks and price_ticks != opposite

    def _gone(self, order: Order) -> None:
        self._orders.pop(order.handle, None)
        order.handle = 0

    # Orders

    def route(self, order: Order, ts_ns: int) -> None:
        """Put the open lots of an order to the exchange."""
        self._handles += 1
        order.handle, order.filled_before = self._handles, order.filled
        self._orders[order.handle] = order
        order.was_routed = True
        kind = order.request.order_type
        # The exchange's own stops look at the last price: one that was triggered by the touch is an order by now.
        by_last = kind in STOP_TYPES and order.request.trigger_method in LAST_METHODS
        limited = kind in {"LMT", "STP LMT"}
        if by_last:
            what = OrderKind.STOP_LIMIT if limited else OrderKind.STOP
        else:
            what = OrderKind.LIMIT if limited else OrderKind.MARKET
        trigger = order.stop_ticks if by_last else 0
        self._exchange.place(order.handle, ts_ns, order.side, what, order.open, order.limit_ticks, trigger)
        self.settle(ts_ns)

    def withdraw(self, order: Order, ts_ns: int) -> None:
        """Take an order back from the exchange."""
        if order.handle:
            handle = order.handle
            self._gone(order)
            self._exchange.cancel(handle, ts_ns)
            self.settle(ts_ns)

    def resize(self, order: Order, ts_ns: int) -> None:
        """Bring the lots at the exchange in line with the order's open ones; fewer keep the place in the queue."""
        if not order.handle:
            return
        if order.open <= 0 or order.request.order_type in STOP_TYPES or order.request.order_type == "MKT":
            self.withdraw(order, ts_ns)
            if order.open > 0:
                self.route(order, ts_ns)
            return
        total = order.filled - order.filled_before + order.open
        self._exchange.modify(order.handle, ts_ns, Leg.ENTRY, qty=total)
        self.settle(ts_ns)

    def reprice(self, order: Order, ts_ns: int) -> None:
        """Follow a changed limit: to the end of the queue."""
        if order.handle and order.request.order_type == "LMT":
            self._exchange.modify(order.handle, ts_ns, Leg.ENTRY, price_ticks=order.limit_ticks)
            self.settle(ts_ns)

    # Stops

    def triggers(self, order: Order, *, on_trade: bool) -> bool:
        """Has the market reached the stop's price, by its own method?"""
        method = order.request.trigger_method
        bid, bid_qty, ask, ask_qty = self.quote
        reached = order.side * order.stop_ticks
        if not order.stop_ticks:
            return False
        if on_trade or method in LAST_METHODS:
            if method in LAST_METHODS and self.last_ticks and order.side * self.last_ticks >= reached:
                return True
            if on_trade:
                return False
        price, qty = (ask, ask_qty) if order.side > 0 else (bid, bid_qty)
        if method in TOUCH_METHODS:
            return qty > 0 and order.side * price >= reached
        middle = method == MIDPOINT_METHOD and bid_qty > 0 and ask_qty > 0
        return middle and order.side * (bid + ask) >= 2 * reached

    def trail(self, order: Order) -> None:
        """Move a trailing stop behind the last price, never back."""
        behind = self.last_ticks + order.side * order.aux_ticks
        if not order.stop_ticks or order.side * behind < order.side * order.stop_ticks:
            order.stop_ticks = behind
