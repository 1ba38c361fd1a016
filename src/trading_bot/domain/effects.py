"""What the core wants done, in the imperative. Logged before it is carried out; the only way back is another event."""

import msgspec

from trading_bot.domain.orders import ApprovedOrder, ClientOrderId, Leg, Side


class Effect(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind"):
    """Base of every effect. `ts_ns` is the time of its cause."""

    ts_ns: int


class PlaceOrder(Effect, frozen=True, gc=False, kw_only=True, tag="PLACE_ORDER"):
    """Send an approved entry with its bracket."""

    order: ApprovedOrder


class CancelOrder(Effect, frozen=True, gc=False, kw_only=True, tag="CANCEL_ORDER"):
    """Withdraw a working leg of a bracket; `order_id` is the entry's, as everywhere."""

    order_id: ClientOrderId
    reason: str
    leg: Leg = Leg.ENTRY


class PlaceExit(Effect, frozen=True, gc=False, kw_only=True, tag="PLACE_EXIT"):
    """Leave a position by an order in the OCA group of its bracket's children; it replaces an exit that works there.

    `side` and `qty` are the order's own; `limit_ticks` None is a market order. Passes no entry gate.
    """

    order_id: ClientOrderId
    side: Side
    qty: int
    limit_ticks: int | None
    cause: str


class ModifyStop(Effect, frozen=True, gc=False, kw_only=True, tag="MODIFY_STOP"):
    """Move the resident stop of a bracket to another trigger price."""

    order_id: ClientOrderId
    price_ticks: int


class PlaceShadow(Effect, frozen=True, gc=False, kw_only=True, tag="PLACE_SHADOW"):
    """Follow a trade of one lot that is never sent, as evidence about a template in quarantine.

    Distances in ticks from the fill; `limit_ticks` None enters at the market; without a fill within `life_ns` it ends.
    """

    order_id: ClientOrderId
    template: str
    side: Side
    limit_ticks: int | None
    target_ticks: int
    stop_ticks: int
    hold_ns: int
    life_ns: int


class AskBroker(Effect, frozen=True, gc=False, kw_only=True, tag="ASK_BROKER"):
    """Ask for position and working orders; answered by `Reconciled`."""

    reason: str


class SaveLearningState(Effect, frozen=True, gc=False, kw_only=True, tag="SAVE_LEARNING_STATE"):
    """Write the learning state to its file, whole or not at all."""

    reason: str


class LatchKillSwitch(Effect, frozen=True, gc=False, kw_only=True, tag="LATCH_KILL_SWITCH"):
    """Persist the latch, so that the next start stays halted until a person clears it."""

    reason: str
    source: str


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


BrokerEffect = PlaceOrder | CancelOrder | PlaceExit | ModifyStop | PlaceShadow | AskBroker
