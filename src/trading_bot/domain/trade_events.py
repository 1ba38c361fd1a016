"""Events of orders at work, positions and trades; the others are in `domain.events`."""

from trading_bot.domain.events import Derived, Input
from trading_bot.domain.learning import TradeOutcome
from trading_bot.domain.orders import ClientOrderId, Leg, Side

# --- answers of a broker or of the sink that stands for it ---------------------------------------------------------


class OrderWorking(Input, frozen=True, gc=False, kw_only=True, tag="ORDER_WORKING"):
    """A leg is in force: at `price_ticks` (a stop: its trigger; 0: a market order) for `remaining` lots."""

    order_id: ClientOrderId
    leg: Leg
    price_ticks: int
    remaining: int


class OrderFilled(Input, frozen=True, gc=False, kw_only=True, tag="ORDER_FILLED"):
    """One execution of a leg. `remaining` lots are left; `final`: no other execution of this leg can follow.

    `commission_uusd` is of this execution alone, `commission_estimated` until the broker reports it
    (`CommissionReported`). `hypothetical`: a simulator filled it. `perm_id` is the order's identity at the broker.
    """

    order_id: ClientOrderId
    leg: Leg
    side: Side
    qty: int
    price_ticks: int
    remaining: int
    final: bool
    commission_uusd: int
    exec_id: str
    hypothetical: bool
    commission_estimated: bool = False
    perm_id: int = 0


class StopTriggered(Input, frozen=True, gc=False, kw_only=True, tag="STOP_TRIGGERED"):
    """The resident stop was triggered and is on its way to the exchange."""

    order_id: ClientOrderId


class RequestRefused(Input, frozen=True, gc=False, kw_only=True, tag="REQUEST_REFUSED"):
    """A cancel, change or exit found nothing to act on: the order is as it was, and what filled it stands."""

    order_id: ClientOrderId
    leg: Leg


class ShadowFilled(Input, frozen=True, gc=False, kw_only=True, tag="SHADOW_FILLED"):
    """A leg of a shadow trade would have filled."""

    order_id: ClientOrderId
    leg: Leg
    side: Side
    price_ticks: int
    commission_uusd: int


class ShadowEnded(Input, frozen=True, gc=False, kw_only=True, tag="SHADOW_ENDED"):
    """A shadow trade ended without an entry."""

    order_id: ClientOrderId


# --- derived -------------------------------------------------------------------------------------------------------


class TradeOpened(Derived, frozen=True, gc=False, kw_only=True, tag="TRADE_OPENED"):
    """The first fill of an entry. Prices in ticks; `slippage_ticks` against the touch at the decision."""

    order_id: ClientOrderId
    template: str
    side: Side
    qty: int
    price_ticks: int
    stop_price_ticks: int
    target_price_ticks: int
    time_stop_ns: int
    slippage_ticks: int
    slippage_expected_e6: int
    hypothetical: bool


class FillMeasured(Derived, frozen=True, gc=False, kw_only=True, tag="FILL_MEASURED"):
    """What an execution cost. `fill_kind` as `engines.costs.FillKind`; slippage in ticks, positive is worse.

    `slippage_ticks` is against the touch at the decision (entry), the trigger (stop) or the limit (target); None where
    nothing was fixed before. `expected_e6` is what the decision expected of it, with the factor in force.
    """

    order_id: ClientOrderId
    leg: Leg
    fill_kind: str
    qty: int
    slippage_ticks: int | None
    expected_e6: int
    commission_uusd: int
    hypothetical: bool


class CommissionCorrected(Derived, frozen=True, gc=False, kw_only=True, tag="COMMISSION_CORRECTED"):
    """The broker's commission of an execution is not what was estimated: `delta_uusd` more, everywhere it was counted.

    `trade_closed`: the trade had been closed with the estimate. `ledger` as in `TradeClosed`.
    """

    order_id: ClientOrderId
    leg: Leg
    exec_id: str
    delta_uusd: int
    trade_closed: bool
    hypothetical: bool
    ledger: bytes


class ParamsAdopted(Derived, frozen=True, gc=False, kw_only=True, tag="PARAMS_ADOPTED"):
    """A learned value changed, as it may only where a session begins.

    `old` and `new` in the unit the parameter's name ends with; `fills` are those behind it, `actual` and `expected`
    their sums (millionths of a tick, micro-dollars for a commission). `belief_factor_e6/TEMPLATE` counts trades, with
    what they brought and what was promised in micro-dollars.

    With a `set_number` a person adopted it, or went back: `parameter` is a strategy's (docs/attribution.md), `old` and
    `new` are millionths, `fills` the attributable trades behind it, `actual` and `expected` their net results in
    micro-dollars. `proposal` is the SHA-256 of what was adopted, `evidence` its reason in words.
    """

    parameter: str
    old: int
    new: int
    fills: int
    actual: int
    expected: int
    hypothetical: bool
    set_number: int = 0
    shadow_trades: int = 0
    proposal: str = ""
    evidence: str = ""


class StopResident(Derived, frozen=True, gc=False, kw_only=True, tag="STOP_RESIDENT"):
    """The position has its stop at the broker; `naked_ns` is how long it had none."""

    order_id: ClientOrderId
    price_ticks: int
    naked_ns: int


class PositionHeartbeat(Derived, frozen=True, gc=False, kw_only=True, tag="POSITION_HEARTBEAT"):
    """How an open position stands, every `orders.position_heartbeat_s` (feature MO05). None: not known now.

    `qty` is signed; `known` false: the broker has not said yet what there is. `price_ticks` is what leaving would get
    (the bid for a long) and `unrealised_uusd` what that would come to, before commission. `mae_ticks` and `mfe_ticks`
    are the worst and best so far, from the first fill. Distances are from the price, positive while it is not reached;
    `stop_ticks` is where the stop should stand, `stop_resident` whether one is at the broker. Beliefs are the entering
    template's of its side, in millionths: at the decision, now, and below which, for `thesis_wait_ns`, the trade ends;
    the `_low_ns` are for how long that, or a score below its hold gate, has lasted. `time_left_ns` is to the time stop,
    `session_left_ns` to the flatten before the close. `leaving` is the cause of an exit that was sent, else empty.
    """

    order_id: ClientOrderId
    template: str
    side: Side
    qty: int
    known: bool
    age_ns: int
    price_ticks: int | None
    unrealised_uusd: int | None
    mae_ticks: int
    mfe_ticks: int
    stop_ticks: int
    stop_distance_ticks: int | None
    stop_resident: bool
    target_distance_ticks: int | None
    belief_entry_e6: int
    belief_e6: int | None
    belief_exit_e6: int
    thesis_low_ns: int
    thesis_wait_ns: int
    dvs_c: int
    eqs_c: int
    quality_low_ns: int
    time_left_ns: int
    session_left_ns: int | None
    leaving: str
    hypothetical: bool


class ExitDecided(Derived, frozen=True, gc=False, kw_only=True, tag="EXIT_DECIDED"):
    """The one authority over exits decided; `mask` has a bit per active cause (`engines.exits.ExitCause`)."""

    order_id: ClientOrderId
    cause: str
    urgency: str
    qty: int
    mask: int


class TradeClosed(Derived, frozen=True, gc=False, kw_only=True, tag="TRADE_CLOSED"):
    """A round trip is over. `ledger` is the account, the breakers and the budgets after it, canonical msgpack."""

    order_id: ClientOrderId
    outcome: TradeOutcome
    ledger: bytes


class BreakerClearRequested(Input, frozen=True, gc=False, kw_only=True, tag="BREAKER_CLEAR_REQUESTED"):
    """A person says that a breaker which waits for one has done its work; `reason` says why trading may go on."""

    breaker: str
    reason: str
    source: str


class BreakerChanged(Derived, frozen=True, gc=False, kw_only=True, tag="BREAKER_CHANGED"):
    """A breaker tripped or was reset; `ledger` as in `TradeClosed`."""

    breaker: str
    response: str
    tripped: bool
    resumes_at_ns: int
    reason: str
    ledger: bytes


class FlattenAdvanced(Derived, frozen=True, gc=False, kw_only=True, tag="FLATTEN_ADVANCED"):
    """A step of the way to flat was taken (specification 8.3, 10); `step` DONE when the broker has confirmed it."""

    plan: str
    step: str
    command: str
    qty: int
    reason: str
