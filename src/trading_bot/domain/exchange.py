"""The exchange simulator's vocabulary: its configuration, its names and what it answers (docs/simulator.md)."""

from enum import IntEnum
from typing import Final, Literal, get_args

import msgspec

from trading_bot.domain.errors import BotError
from trading_bot.domain.latency_model import LATENCY_NS_MAX, LatencyModel
from trading_bot.domain.units import NS_PER_MS

GROUPS: Final = 64  # orders with their brackets that can live at once
SHADOWS: Final = 64  # hypothetical trades that can live at once
LOTS_MAX: Final = 1_000  # of one order
PRICE_TICKS_MAX: Final = 2**31 - 1

QueueModelName = Literal["pessimistic", "probabilistic", "optimistic"]
StopTriggerName = Literal["last", "touch"]

_HIGHEST: Final = {
    "entry_latency_ns": LATENCY_NS_MAX,
    "response_latency_ns": LATENCY_NS_MAX,
    "child_latency_ns": LATENCY_NS_MAX,
    "stop_latency_ns": LATENCY_NS_MAX,
    "beyond_touch_lots": PRICE_TICKS_MAX,
    "fee_per_side_uusd": 1_000_000_000,
    "oca_type": 2,
    "reject_every": PRICE_TICKS_MAX,
    "reject_per_mille": 1_000,
    "reject_exit_every": PRICE_TICKS_MAX,
    "seed": 2**63 - 1,
}
_NAMES: Final = {"queue_model": get_args(QueueModelName), "stop_trigger": get_args(StopTriggerName)}


class OrderKind(IntEnum):
    """How an order meets the market."""

    LIMIT = 1
    MARKET = 2
    STOP = 3
    STOP_LIMIT = 4


class Leg(IntEnum):
    """Which order of a bracket; ALL addresses every one that lives."""

    ENTRY = 0
    TARGET = 1
    STOP = 2
    EXIT = 3
    ALL = 4


class AnswerKind(IntEnum):
    """What happened to a leg. FILL, CANCELLED and REJECTED end it; each leg has exactly one of them."""

    ACK = 1  # taken by the broker; a child waits for its parent
    WORKING = 2  # in force at this price with `remaining`; also after a change
    PARTIAL = 3
    FILL = 4  # the last execution: nothing can follow
    CANCELLED = 5
    REJECTED = 6
    STOP_TRIGGERED = 7
    REFUSED = 8  # a cancel, change or exit that found nothing to act on; the order is as it was


class ExchangeFull(BotError):
    """A fixed table of the exchange simulator has no free row. Nothing was done."""


class ExchangeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the exchange simulator depends on besides its input; docs/simulator.md gives the reasons.

    `latency` is drawn from in the place of `entry_latency_ns` and `response_latency_ns`.

    Raises:
        ValueError: a value outside its range, by name.
    """

    entry_latency_ns: int = 25_000_000
    response_latency_ns: int = 25_000_000
    child_latency_ns: int = 5_000_000
    stop_latency_ns: int = 5_000_000
    queue_model: QueueModelName = "pessimistic"
    stop_trigger: StopTriggerName = "last"
    partial_fills: bool = True
    beyond_touch_lots: int = 0  # on each tick beyond the touch; 0: as many as the touch displays
    fee_per_side_uusd: int = 1_250_000  # a lot
    oca_type: Literal[0, 1, 2] = 0  # 0: type 1 for one lot, type 2 for more
    reject_every: int = 0
    reject_per_mille: int = 0
    reject_exit_every: int = 0
    seed: int = 0
    latency: LatencyModel | None = None

    def __post_init__(self) -> None:
        for name, high in _HIGHEST.items():
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise ValueError(
                    f"exchange simulator: {name} is {value}, expected 0 to {high}; correct the configuration"
                )
        for name, known in _NAMES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"exchange simulator: {name} is {getattr(self, name)!r}, expected one of {known}")

    @property
    def entry_latency_max_ns(self) -> int:
        """The longest a message takes to the exchange, also one that waits behind an earlier one."""
        return self.entry_latency_ns if self.latency is None else self.latency.entry_ns_max

    @property
    def response_latency_max_ns(self) -> int:
        """The longest an answer takes to us."""
        return self.response_latency_ns if self.latency is None else self.latency.response_ns_max


def _preset(queue_model: QueueModelName, way_ms: int, broker_ms: int, beyond_touch_lots: int) -> ExchangeConfig:
    return ExchangeConfig(
        entry_latency_ns=way_ms * NS_PER_MS,
        response_latency_ns=way_ms * NS_PER_MS,
        child_latency_ns=broker_ms * NS_PER_MS,
        stop_latency_ns=broker_ms * NS_PER_MS,
        queue_model=queue_model,
        beyond_touch_lots=beyond_touch_lots,
    )


PRESETS: Final = {
    "optimistic": _preset("optimistic", 10, 0, 0),
    "model": _preset("probabilistic", 25, 5, 0),
    "pessimistic": _preset("pessimistic", 60, 20, 1),
}


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the broker tells about one leg, delivered at `ts_ns`.

    `qty`: lots of an execution, lots withdrawn or refused, else the lots of the leg. `price_ticks`: execution price,
    else the leg's limit or, of a stop, its trigger (0: a market order). `remaining`: lots in force afterwards.
    `commission_uusd` is of this execution. `exec_id` counts executions from 1; 0 for everything else and for a shadow.
    """

    ts_ns: int
    handle: int
    leg: Leg
    kind: AnswerKind
    side: int
    qty: int
    price_ticks: int
    remaining: int
    commission_uusd: int
    exec_id: int
    shadow: bool
