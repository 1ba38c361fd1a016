"""What a real broker tells besides acknowledgements, executions and the state of its link."""

from trading_bot.domain.events import Input
from trading_bot.domain.orders import ClientOrderId, Leg


class OrderUncertain(Input, frozen=True, gc=False, kw_only=True, tag="ORDER_UNCERTAIN"):
    """The broker said something about a leg that does not tell whether it lives: it may be live until proven otherwise.

    Never a reason to send again; the broker is to be asked.
    """

    order_id: ClientOrderId
    leg: Leg
    code: int
    text: str


class CommissionReported(Input, frozen=True, gc=False, kw_only=True, tag="COMMISSION_REPORTED"):
    """The broker's commission of an execution that was told with an estimate; `commission_uusd` replaces it."""

    order_id: ClientOrderId
    leg: Leg
    exec_id: str
    commission_uusd: int
    estimated_uusd: int


class BrokerNotice(Input, frozen=True, gc=False, kw_only=True, tag="BROKER_NOTICE"):
    """A message of the broker that changes no order and no state of the link. `error`: one that breakers count."""

    code: int
    text: str
    error: bool
