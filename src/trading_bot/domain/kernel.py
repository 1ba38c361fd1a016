"""What a HotPath is built from: plain numbers only, compiled from the configuration by `engines/kernel_config.py`."""

from enum import IntEnum, IntFlag
from typing import Final

import msgspec

TEMPLATES_MAX: Final = 32
WEIGHTS_MAX: Final = 24
TRIGGERS_MAX: Final = 8
SESSION_COLUMNS: Final = (
    7  # trade_date, open, close, rth_open, rth_close, break_start, break_end (ns; 0 = none), int64 each
)


class Cadence(IntEnum):
    """When a template is evaluated."""

    TICK = 0
    GRID = 1
    BAR = 2


class TargetRule(IntEnum):
    """How a candidate's target distance is found."""

    FIXED = 0
    VWAP = 1


class Outcome(IntFlag):
    """Bits a kernel call returns (docs/kernel.md, section 9)."""

    NONE = 0
    CANDIDATE = 1
    QUALITY = 2
    EXIT = 4
    GAP = 8
    LOG_FULL = 16
    BAR = 32
    PENDING = 256


class ExitReason(IntFlag):
    """Exit conditions the kernel detects."""

    TARGET = 1
    STOP = 2
    TIME = 4
    QUALITY = 8


class WeightRow(msgspec.Struct, frozen=True):
    """`weight` of one signal in a belief."""

    signal: int
    weight: float


class TriggerRow(msgspec.Struct, frozen=True, kw_only=True):
    """Long-side condition on a signal's own value, or on its change since the previous bar."""

    signal: int
    delta: bool = False
    low: float | None = None
    high: float | None = None


class MapKnot(msgspec.Struct, frozen=True):
    """What a belief has meant: one point of a calibration map. `p_target + p_stop <= 1`, mark at the time stop."""

    belief: float
    p_target: float
    p_stop: float
    mark_ticks: float


class TemplateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy template, compiled. Ticks, nanoseconds, z-values."""

    name: str
    enabled: bool
    cadence: int
    passive: bool
    target_ticks: int
    stop_ticks: int
    target_rule: int
    hold_ns: int
    smoothing_ns: int
    a: float
    b: float
    z_enter: float
    z_hold: float
    applicability: float
    sigma_p: float
    rearm_ns: int
    weights: tuple[WeightRow, ...]
    triggers: tuple[TriggerRow, ...]
    rv_reference: float = 0.0  # ticks/sqrt(s) at which target and stop are as given; 0: they never scale
    maps: tuple[tuple[MapKnot, ...], ...] = ((), (), ())  # by volatility bucket: low, normal, high; empty: uncalibrated


class KernelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a HotPath depends on besides its input."""

    instrument_id: int
    resolution_ns: int  # resolution of the feed's event stamps
    anchor_rth: bool
    sessions: bytes  # rows of SESSION_COLUMNS little-endian int64, ascending
    vpin_bucket_qty: int
    commission_ticks: float
    min_euc_ticks: float
    slippage_base_ticks: float
    slippage_cap_ticks: float
    first_hour_factor: float
    last_hour_factor: float
    dvs_entry_c: int
    dvs_hold_c: int
    dvs_kill_c: int
    age_warn_ns: int
    age_stale_ns: int
    age_dead_ns: int
    age_outside_rth_factor: int
    templates: tuple[TemplateRow, ...]
    stability_max_e6: int = 300_000
    cost_share_max_e6: int = 350_000


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A (template, side) that fired, with its terms; `_e6` values are millionths (of ticks where a length)."""

    template: int
    side: int  # +1 long, -1 short
    missing: bool
    episode: int  # number of this side's unbroken run of holding, from 1; a re-fire keeps it
    z_e6: int
    belief_e6: int
    p_e6: int
    p_be_e6: int
    stability_e6: int
    edge_e6: int
    uncertainty_e6: int
    cost_e6: int
    euc_e6: int
    required_e6: int
    cost_share_e6: int
    slippage_e6: int  # of a stop
    target_ticks: int
    stop_ticks: int
    p_stop_e6: int = 0
    p_time_e6: int = 0
    mark_e6: int = 0
    entry_slippage_e6: int = 0
    scale_e6: int = 0
    volatility: int = 0  # bucket: 0 low, 1 normal, 2 high
    fitted: bool = False  # from a calibration map; else UNCALIBRATED
    verdict: int = 0  # docs/kernel.md, section 8


class Verdict(IntFlag):
    """What a candidate's own terms say against it (docs/kernel.md, section 8)."""

    MISSING = 1
    UNSTABLE = 2
    COST_SHARE = 4
    EUC_LOW = 8
