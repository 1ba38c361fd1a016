"""How long messages take, conditional on the burst they leave in: fitted from logs, drawn by the exchange simulator.

A quantile table per burst (ticks of the traded market in the second before); docs/latency-model.md and
docs/simulator.md, section 2.
"""

from itertools import pairwise
from typing import Annotated, Final

import msgspec
from msgspec import Meta

BURST_WINDOW_NS: Final = 1_000_000_000
BURST_TICKS_MAX: Final = 4_096  # what the simulator remembers of the market; more is one burst like another
BUCKETS_MAX: Final = 8
POINTS_MAX: Final = 32
MILLION: Final = 1_000_000
LATENCY_NS_MAX: Final = 3_600_000_000_000


class LatencyBucket(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One burst: `burst_min` ticks or more, up to the next bucket's.

    `entry_ns` is from the tick that decided to the order at the exchange, `response_ns` from there back to us: at each
    of the model's points, ascending. `samples` are the orders behind it.
    """

    burst_min: Annotated[int, Meta(ge=0, le=BURST_TICKS_MAX)]
    samples: Annotated[int, Meta(ge=1)]
    entry_ns: tuple[int, ...]
    response_ns: tuple[int, ...]


class LatencySource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A log of the fit: `orders` sent in it, `samples` of them used, `trade_date` as YYYYMMDD."""

    run_id: str
    trade_date: int
    mode: str
    orders: int
    samples: int
    wall_speed_e3: int = 1_000


class LatencyModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fitted model. `points` are chances in millionths, from 0 to a million; every table has one value for each.

    `measured` of the samples come with the bot's own part measured; `simulated`: a simulator answered some of them.
    Orders that were `rejected`, never answered, or `interrupted` by a lost link are counted and not used.
    `fitted_at` is UTC as ISO 8601.

    Raises:
        ValueError: tables that cannot be drawn from, by name.
    """

    instrument: str
    fitted_at: str
    points: tuple[int, ...]
    buckets: tuple[LatencyBucket, ...]
    samples: Annotated[int, Meta(ge=1)]
    measured: Annotated[int, Meta(ge=0)] = 0
    unanswered: Annotated[int, Meta(ge=0)] = 0
    rejected: Annotated[int, Meta(ge=0)] = 0
    interrupted: Annotated[int, Meta(ge=0)] = 0
    simulated: bool = False
    logs: tuple[LatencySource, ...] = ()

    def __post_init__(self) -> None:
        points = self.points
        if not 2 <= len(points) <= POINTS_MAX:
            raise ValueError(f"points: {len(points)} of them, expected 2 to {POINTS_MAX}")
        if points[0] != 0 or points[-1] != MILLION or not _ascending(points):
            raise ValueError(f"points are {list(points)}: expected ascending numbers from 0 to {MILLION}")
        if not 1 <= len(self.buckets) <= BUCKETS_MAX:
            raise ValueError(f"buckets: {len(self.buckets)} of them, expected 1 to {BUCKETS_MAX}")
        bursts = [bucket.burst_min for bucket in self.buckets]
        if bursts[0] != 0 or not _ascending(bursts):
            raise ValueError(f"burst_min of the buckets are {bursts}: expected ascending numbers from 0")
        for index, bucket in enumerate(self.buckets):
            for name in ("entry_ns", "response_ns"):
                _check_table(f"buckets[{index}].{name}", getattr(bucket, name), len(points))

    @property
    def entry_ns_max(self) -> int:
        """The longest way out that can be drawn."""
        return max(bucket.entry_ns[-1] for bucket in self.buckets)

    @property
    def response_ns_max(self) -> int:
        """The longest way back that can be drawn."""
        return max(bucket.response_ns[-1] for bucket in self.buckets)

    def scaled(self, factor: float) -> "LatencyModel":
        """The same draws, each `factor` (0 or more) as long and at most an hour."""

        def longer(table: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(min(round(value * factor), LATENCY_NS_MAX) for value in table)

        buckets = tuple(
            msgspec.structs.replace(bucket, entry_ns=longer(bucket.entry_ns), response_ns=longer(bucket.response_ns))
            for bucket in self.buckets
        )
        return msgspec.structs.replace(self, buckets=buckets)


def _ascending(values: tuple[int, ...] | list[int]) -> bool:
    return all(one < two for one, two in pairwise(values))


def _check_table(where: str, table: tuple[int, ...], points: int) -> None:
    if len(table) != points:
        raise ValueError(f"{where} has {len(table)} values, expected {points}, one for each point")
    if list(table) != sorted(table):
        raise ValueError(f"{where} is {list(table)}: quantiles do not fall")
    if not 0 <= table[0] <= table[-1] <= LATENCY_NS_MAX:
        raise ValueError(f"{where} runs from {table[0]} to {table[-1]} ns, expected 0 to {LATENCY_NS_MAX}")
