"""What the core wants done, in the imperative. Logged before it is carried out; the only way back is another event."""

import msgspec

from trading_bot.domain.orders import ApprovedOrder, ClientOrderId


class Effect(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind"):
    """Base of every effect. `ts_ns` is the time of its cause."""

    ts_ns: int


class PlaceOrder(Effect, frozen=True, gc=False, kw_only=True, tag="PLACE_ORDER"):
    """Send an approved entry with its bracket."""

    order: ApprovedOrder


class CancelOrder(Effect, frozen=True, gc=False, kw_only=True, tag="CANCEL_ORDER"):
    """Withdraw a working entry."""

    order_id: ClientOrderId
    reason: str


class FlattenPosition(Effect, frozen=True, gc=False, kw_only=True, tag="FLATTEN_POSITION"):
    """Bring the position to zero; passes no entry gate."""

    instrument_id: int
    qty: int
    reason: str


class ArmTimer(Effect, frozen=True, gc=False, kw_only=True, tag="ARM_TIMER"):
    """Answer with `TimerFired` at `due_ns`. A timer of the same name and order is replaced."""

    name: str
    due_ns: int
    order_id: ClientOrderId | None = None


class DisarmTimer(Effect, frozen=True, gc=False, kw_only=True, tag="DISARM_TIMER"):
    """Forget a timer."""

    name: str
    order_id: ClientOrderId | None = None


class Alert(Effect, frozen=True, gc=False, kw_only=True, tag="ALERT"):
    """Tell the operator."""

    level: str
    code: str
    text: str


class EndRun(Effect, frozen=True, gc=False, kw_only=True, tag="END_RUN"):
    """Nothing is left to do: the shell ends the run with this exit code."""

    reason: str
    exit_code: int
