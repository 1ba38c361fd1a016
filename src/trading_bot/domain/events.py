"""What happened, in the past tense.

Inputs enter the core; derived records say what it found and are recomputed by replay.

New fields are only appended, with defaults. `ts_ns` is the receive time (architecture law 3). The tag stands in the
field `kind`.
"""

import msgspec

from trading_bot.domain.kernel import Candidate
from trading_bot.domain.orders import BrokerOrder, ClientOrderId, Leg

SCHEMA_VERSION = 1


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind"):
    """Base of every input and derived record."""

    ts_ns: int


class Input(Event, frozen=True, gc=False, kw_only=True):
    """Something from outside. Logged before it is applied."""


class Derived(Event, frozen=True, gc=False, kw_only=True):
    """Something the core concluded. Recomputed and compared by replay."""


# --- life of a run -------------------------------------------------------------------------------------------------


class RunStarted(Input, frozen=True, gc=False, kw_only=True, tag="RUN_STARTED"):
    """First record of every log.

    `documents` is zlib-compressed msgpack of all the run depends on; `digests` indexes it (SHA-256 hex).
    """

    schema: int
    run_id: str
    mode: str
    adapter: str
    instrument: str
    trade_date: int
    config_hash: str
    kernel_build: str
    documents: bytes
    digests: dict[str, str]
    hypothetical: bool = True  # fills are the simulator's, and live under their own learning keys


class StateCarried(Input, frozen=True, gc=False, kw_only=True, tag="STATE_CARRIED"):
    """Second record of every log: what earlier sessions leave.

    `state` is canonical msgpack; `kernel` the kernel's snapshot (zlib) when it is carried warm.
    """

    state: bytes
    kernel: bytes = b""


class ProcessStarted(Input, frozen=True, gc=False, kw_only=True, tag="PROCESS_STARTED"):
    """A restart continues this log.

    `recovery` is `full` (replayed, effects compared) or `facts` (other configuration or kernel: cold).
    """

    recovery: str
    config_hash: str
    kernel_build: str
    last_seq: int
    torn_bytes: int
    documents: bytes = b""
    digests: dict[str, str] = {}


class EffectsAbandoned(Input, frozen=True, gc=False, kw_only=True, tag="EFFECTS_ABANDONED"):
    """The process ended between the input `cause_seq` and its effects: they are never sent late.

    `kept` of them are in the log.
    """

    cause_seq: int
    kept: int


class StopRequested(Input, frozen=True, gc=False, kw_only=True, tag="STOP_REQUESTED"):
    """An orderly end was asked for: entries stop, working entries are cancelled, the position is flattened.

    `protect`: the position is left with its resident stop instead (`run.stop`), for the next start to go on with.
    """

    reason: str
    exit_code: int = 0
    protect: bool = False


class FeedEnded(Input, frozen=True, gc=False, kw_only=True, tag="FEED_ENDED"):
    """The source has no more; `reason` is `END` or what went wrong, `exit_code` what the process will answer."""

    reason: str
    exit_code: int = 0


class RunEnded(Input, frozen=True, gc=False, kw_only=True, tag="RUN_ENDED"):
    """The last record of an orderly run or session."""

    exit_reason: str
    effects_digest: str
    state_digest: str
    carried: bytes = b""  # what the next session starts from, canonical msgpack


class CoreFailed(Input, frozen=True, gc=False, kw_only=True, tag="CORE_FAILED"):
    """The core raised while applying `failed_seq`. State is suspect from there; replay ends here."""

    failed_seq: int
    error: str


class LogSpaceChanged(Input, frozen=True, gc=False, kw_only=True, tag="LOG_SPACE_CHANGED"):
    """The next log segment could not be prepared (`ok` false), or could again."""

    ok: bool
    detail: str = ""


# --- inputs of the gates -------------------------------------------------------------------------------------------


class InstrumentBound(Input, frozen=True, gc=False, kw_only=True, tag="INSTRUMENT_BOUND"):
    """The instrument id now means this contract. `con_id` 0: a file or simulator."""

    instrument_id: int
    symbol: str
    con_id: int
    tick_value_uusd: int
    multiplier: int
    expiry: int


class LinkStatus(Input, frozen=True, gc=False, kw_only=True, tag="LINK_STATUS"):
    """State of the link; `data_type` 1 is live (recorded data count as live), 2 frozen, 3 delayed, 4 delayed frozen.

    `up` is the four states together: the socket to the gateway, the gateway's link to the broker, the broker's data
    farm, and data that really flow on every stream. `reason` says what changed.
    """

    up: bool
    data_type: int = 1
    modelled: bool = False
    socket: bool = True
    broker: bool = True
    farm: bool = True
    flowing: bool = True
    reason: str = ""


class AccountSnapshot(Input, frozen=True, gc=False, kw_only=True, tag="ACCOUNT_SNAPSHOT"):
    """Money on the account, in micro-dollars. `assumed`: no account exists, the configuration's equity stands in.

    `margin_per_contract_uusd` is what the broker's what-if answer asks for one contract, 0 while it has not answered.
    `armed_until_ns` is when the arming of LIVE for this account ends, 0 where nobody armed it.
    """

    account: str
    equity_uusd: int
    margin_free_uusd: int
    assumed: bool = False
    margin_per_contract_uusd: int = 0
    armed_until_ns: int = 0


class Reconciled(Input, frozen=True, gc=False, kw_only=True, tag="RECONCILED"):
    """Position and orders were compared with the broker's. `ok` false: the broker did not answer, nothing is known.

    `orders` are all that work at the broker when `listed`; `reason` says what the question was, or why it failed.
    """

    ok: bool
    position_qty: int
    working_orders: int
    modelled: bool = False
    asked: bool = False  # the answer to an `AskBroker`
    listed: bool = False
    orders: tuple[BrokerOrder, ...] = ()
    reason: str = ""


class LatencySampled(Input, frozen=True, gc=False, kw_only=True, tag="LATENCY_SAMPLED"):
    """Tick to decision and loop lag over the last second, in microseconds."""

    decision_us_p99: float
    loop_lag_us_max: float
    modelled: bool = False


class KillRequested(Input, frozen=True, gc=False, kw_only=True, tag="KILL_REQUESTED"):
    """Someone pulled the kill switch; it stays pulled until a person clears it with a reason."""

    reason: str
    source: str


class FlattenRequested(Input, frozen=True, gc=False, kw_only=True, tag="FLATTEN_REQUESTED"):
    """A person wants the position closed and entries withdrawn; the run goes on afterwards."""

    reason: str
    source: str


class KillCleared(Input, frozen=True, gc=False, kw_only=True, tag="KILL_CLEARED"):
    """A person cleared the kill switch."""

    reason: str
    source: str


class TimerFired(Input, frozen=True, gc=False, kw_only=True, tag="TIMER_FIRED"):
    """A timer armed by an `ArmTimer` effect is due."""

    name: str
    due_ns: int
    order_id: ClientOrderId | None = None


class HistoryLoaded(Input, frozen=True, gc=False, kw_only=True, tag="HISTORY_LOADED"):
    """Closed 60 s bars from before the start, for the warm-up (specification 3); `bars` as `domain.bars` packs them."""

    source: str
    count: int
    bars: bytes


class LearningSaveFailed(Input, frozen=True, gc=False, kw_only=True, tag="LEARNING_SAVE_FAILED"):
    """The learning state could not be written; the log still has it."""

    reason: str


class LearningRefused(Input, frozen=True, gc=False, kw_only=True, tag="LEARNING_REFUSED"):
    """The file of the learning state was not used; `rebuilt_from` names what the state was rebuilt from."""

    reason: str
    rebuilt_from: str


# --- answers of a broker or of the sink that stands for it ---------------------------------------------------------


class OrderSuppressed(Input, frozen=True, gc=False, kw_only=True, tag="ORDER_SUPPRESSED"):
    """OBSERVE: the order was not sent; this stands where the broker's acknowledgement would."""

    order_id: ClientOrderId


class OrderAcknowledged(Input, frozen=True, gc=False, kw_only=True, tag="ORDER_ACKNOWLEDGED"):
    """The broker accepted the order; `perm_id` is its identity there (0: a simulator's)."""

    order_id: ClientOrderId
    perm_id: int = 0


class OrderCancelled(Input, frozen=True, gc=False, kw_only=True, tag="ORDER_CANCELLED"):
    """The order no longer works."""

    order_id: ClientOrderId
    leg: Leg = Leg.ENTRY


class OrderRejected(Input, frozen=True, gc=False, kw_only=True, tag="ORDER_REJECTED"):
    """The broker refused the order."""

    order_id: ClientOrderId
    code: int
    text: str
    leg: Leg = Leg.ENTRY


# --- derived -------------------------------------------------------------------------------------------------------


class OutcomeReached(Derived, frozen=True, gc=False, kw_only=True, tag="OUTCOME_REACHED"):
    """The kernel stopped.

    `code`: bits of docs/kernel.md section 9; scores in hundredths; `at_grid`: found at a grid point, not at a tick.
    """

    code: int
    at_grid: bool
    dvs_c: int
    dvs_band: int
    exit_mask: int
    candidates: tuple[Candidate, ...] = ()


class DecisionMade(Derived, frozen=True, gc=False, kw_only=True, tag="DECISION_MADE"):
    """One decision about one candidate episode, under one reason. `mask` has a bit per failing gate (`GateReason`).

    `modifiers` are the active additions to the required utility, such as `LUNCH +0.50`. `live` is the reason with which
    LIVE would have refused what enters here (specification 8.5).
    """

    action: str
    reason: str
    mask: int
    template: str
    side: int
    episode: int
    text: str
    modifiers: tuple[str, ...] = ()
    live: str = ""


class LockoutChanged(Derived, frozen=True, gc=False, kw_only=True, tag="LOCKOUT_CHANGED"):
    """A lockout was tripped, prolonged or ended (specification 8.4).

    `until_ns` is when it ends by itself, 0 once it has ended.
    """

    lockout: str
    until_ns: int
    reason: str


class StrategyProposed(Derived, frozen=True, gc=False, kw_only=True, tag="STRATEGY_PROPOSED"):
    """A strategy in Python proposed a side at the close of a minute; `candidate` has its terms."""

    template: str
    reason: str
    candidate: Candidate


class StrategyFailed(Derived, frozen=True, gc=False, kw_only=True, tag="STRATEGY_FAILED"):
    """A strategy in Python raised; it is off for the rest of the session."""

    template: str
    error: str


class SafetyVerdict(Derived, frozen=True, gc=False, kw_only=True, tag="SAFETY_VERDICT"):
    """`verdict` is `safety_gate_passed` or `safety_gate_blocked`; `failed` numbers the checks that said no."""

    verdict: str
    order_id: ClientOrderId
    failed: tuple[int, ...]
    detail: str


class SessionChanged(Derived, frozen=True, gc=False, kw_only=True, tag="SESSION_CHANGED"):
    """The session state for entries changed."""

    state: str
    trade_date: int


class SessionExitFlatten(Derived, frozen=True, gc=False, kw_only=True, tag="SESSION_EXIT_FLATTEN"):
    """From here to the close the bot is flat and answers SKIP, SESSION_EXIT."""

    reason: str
    minutes_remaining: float
    position_qty: int


class QualityStateChanged(Derived, frozen=True, gc=False, kw_only=True, tag="QUALITY_STATE_CHANGED"):
    """DATA_DOWN was entered or left."""

    data_down: bool
    dvs_c: int


class ExecutionPenalised(Derived, frozen=True, gc=False, kw_only=True, tag="EXECUTION_PENALISED"):
    """The execution score lost something that no other event tells: `name` as in `engines.quality.EQS_PENALTIES`.

    `replaces` names the penalty of the same time whose place it takes, empty for a new one.
    """

    name: str
    since_ns: int
    quarter: bool = False
    replaces: str = ""


class ExitDetected(Derived, frozen=True, gc=False, kw_only=True, tag="EXIT_DETECTED"):
    """An exit condition of the open position was met (`ExitReason` bits)."""

    exit_mask: int
    position_qty: int
