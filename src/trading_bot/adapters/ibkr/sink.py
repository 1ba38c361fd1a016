"""One stream of inputs from a connection and from what stands behind it for orders, in the order of time."""

from collections.abc import Callable

from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.effects import AskBroker, BrokerEffect
from trading_bot.domain.events import Input
from trading_bot.domain.ports import Broker
from trading_bot.domain.units import TS_NEVER_NS


class SessionBroker:
    """A broker port over a connection's inputs and another broker: the exchange simulator, or the one that sends."""

    def __init__(self, session: IbkrSession, orders: Broker, on_question: Callable[[], None]) -> None:
        """`orders` takes the effects. One that answers through the connection never has anything due itself.

        `on_question` tells, whenever the core asks what is, what is known without asking: a new log begins so.
        """
        self._session = session
        self._orders = orders
        self._on_question = on_question

    @property
    def next_due_ns(self) -> int:
        """When `take` has to be called; `TS_NEVER_NS` when nothing is under way."""
        return min(self._told_ns, self._orders.next_due_ns)

    @property
    def _told_ns(self) -> int:
        inputs = self._session.inputs
        return inputs[0].ts_ns if inputs else TS_NEVER_NS

    def dispatch(self, effect: BrokerEffect) -> None:
        """Carry an effect out."""
        self._session.stages.gated(effect.ts_ns)
        if isinstance(effect, AskBroker):
            self._on_question()
        self._orders.dispatch(effect)

    def take(self, ts_ns: int) -> Input | None:
        """The next input due by `ts_ns`; what the connection told comes first at equal times."""
        told_ns = self._told_ns
        if told_ns <= ts_ns and told_ns <= self._orders.next_due_ns:
            return self._session.inputs.popleft()
        return self._orders.take(ts_ns)
