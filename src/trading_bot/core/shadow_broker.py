"""The sink that `BotRunner()` starts with, where no market is simulated: nothing leaves, and nothing fills.

It acknowledges every entry; entries end by their time to live.
"""

from collections import deque

from trading_bot.domain.effects import AskBroker, BrokerEffect, CancelOrder, PlaceOrder
from trading_bot.domain.events import Input, OrderCancelled, OrderSuppressed, Reconciled
from trading_bot.domain.units import TS_NEVER_NS


class ShadowBroker:
    """Answers at the time of the effect, in the order of the effects."""

    def __init__(self) -> None:
        """Nothing is open."""
        self._answers: deque[Input] = deque()

    @property
    def next_due_ns(self) -> int:
        """Time of the next answer, `TS_NEVER_NS` when none waits."""
        return self._answers[0].ts_ns if self._answers else TS_NEVER_NS

    def dispatch(self, effect: BrokerEffect) -> None:
        """Take note of an effect. There is never a position, so nothing is ever left."""
        if isinstance(effect, PlaceOrder):
            self._answers.append(OrderSuppressed(ts_ns=effect.ts_ns, order_id=effect.order.order_id))
        elif isinstance(effect, CancelOrder):
            self._answers.append(OrderCancelled(ts_ns=effect.ts_ns, order_id=effect.order_id))

        elif isinstance(effect, AskBroker):
            nothing = Reconciled(
                ts_ns=effect.ts_ns, ok=True, position_qty=0, working_orders=0, modelled=True, asked=True
            )
            self._answers.append(nothing)

    def take(self, ts_ns: int) -> Input | None:
        """The next answer due by `ts_ns`."""
        return self._answers.popleft() if self._answers and self._answers[0].ts_ns <= ts_ns else None
