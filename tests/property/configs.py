"""Kernel configurations for the property tests: plain ones, and random ones from a seed."""

import random
import struct
from typing import Any

from tests.reference.arith import MINUTE_NS, NS_PER_MS, NS_PER_S
from trading_bot.domain.kernel import Cadence, KernelConfig, MapKnot, TargetRule, TemplateRow, TriggerRow, WeightRow
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME, SIGNALS

T0_NS = 1_705_329_000 * NS_PER_S  # 2024-01-15 14:30 UTC, a whole minute
DAY_NS = 24 * 60 * MINUTE_NS
HOUR_NS = 60 * MINUTE_NS

# Signals that are warm within seconds, so that random templates decide something.
QUICK = ("spread_ticks", "microprice_dev", "queue_imbalance", "mom_1s", "mom_5s", "sweep_ticks", "absorption", "dvs")


def table(*rows: tuple[int, ...]) -> bytes:
    """Session rows: open, close, RTH open, RTH close, break start, break end; the trade date is the row's number."""
    return b"".join(struct.pack("<7q", 20_240_101 + i, *row) for i, row in enumerate(rows))


ALL_DAY = table((T0_NS - 4 * HOUR_NS, T0_NS + 18 * HOUR_NS, T0_NS - HOUR_NS, T0_NS + 6 * HOUR_NS, 0, 0))

LONGER_THAN_A_DAY = table((T0_NS - 24 * HOUR_NS + 3 * MINUTE_NS, T0_NS + 18 * HOUR_NS, 0, 0, 0, 0))


def daily_sessions(before: int, after: int) -> bytes:
    """Sessions of 23 h with RTH from T0 - 50 min for 2 h 30 min: the tape crosses the end of RTH's first hour."""
    rows = []
    for day in range(-before, after + 1):
        base = T0_NS + day * DAY_NS
        rows.append((base - 15 * HOUR_NS, base + 8 * HOUR_NS, base - 50 * MINUTE_NS, base + 100 * MINUTE_NS, 0, 0))
    return table(*rows)


def short_sessions(rng: random.Random, count: int) -> bytes:
    """Sessions of minutes, so that a short tape sees opens, breaks, RTH, closes and day rolls."""
    rows = []
    start = T0_NS - rng.choice([0, 3, 9]) * MINUTE_NS + rng.choice([0, 30]) * NS_PER_S
    for _ in range(count):
        close = start + rng.choice([2, 4, 6]) * MINUTE_NS
        rth = (start + MINUTE_NS, close - 30 * NS_PER_S) if rng.random() < 0.7 else (0, 0)
        pause = (start + 70 * NS_PER_S, start + 85 * NS_PER_S) if rng.random() < 0.5 else (0, 0)
        rows.append((start, close, *rth, *pause))
        start = close + rng.choice([0, 20, 60]) * NS_PER_S
    return table(*rows)


def kernel_config(**changes: Any) -> KernelConfig:
    """The specification's constants over one long open day, without templates."""
    fields: dict[str, Any] = {
        "instrument_id": 1,
        "resolution_ns": 1_000,
        "anchor_rth": False,
        "sessions": ALL_DAY,
        "vpin_bucket_qty": 50,
        "commission_ticks": 1.0,
        "min_euc_ticks": 0.25,
        "slippage_base_ticks": 0.5,
        "slippage_cap_ticks": 6.0,
        "first_hour_factor": 1.5,
        "last_hour_factor": 1.3,
        "dvs_entry_c": 80,
        "dvs_hold_c": 60,
        "dvs_kill_c": 30,
        "age_warn_ns": 2 * NS_PER_S,
        "age_stale_ns": 5 * NS_PER_S,
        "age_dead_ns": 10 * NS_PER_S,
        "age_outside_rth_factor": 4,
        "templates": (),
    }
    return KernelConfig(**fields | changes)


def template(**changes: Any) -> TemplateRow:
    """A template that follows the lean of the book at each tick."""
    fields: dict[str, Any] = {
        "name": "T",
        "enabled": True,
        "cadence": Cadence.TICK,
        "passive": False,
        "target_ticks": 10,
        "stop_ticks": 6,
        "target_rule": TargetRule.FIXED,
        "hold_ns": 60 * NS_PER_S,
        "smoothing_ns": NS_PER_S,
        "a": 1.0,
        "b": 0.0,
        "z_enter": 0.1,
        "z_hold": 0.0,
        "applicability": 1.0,
        "sigma_p": 0.08,
        "rearm_ns": 5 * NS_PER_S,
        "weights": (WeightRow(SIGNAL_BY_NAME["queue_imbalance"].id, 1.0),),
        "triggers": (),
    }
    return TemplateRow(**fields | changes)


def random_trigger(rng: random.Random) -> TriggerRow:
    spec = rng.choice([s for s in SIGNALS if s.name in QUICK] if rng.random() < 0.6 else SIGNALS)
    size = (spec.scale or 1.0) * rng.choice([0.1, 0.5, 1.0])
    low = rng.uniform(-2.0 * size, size) if rng.random() < 0.8 else None
    high = rng.uniform(0.0, 3.0 * size) if rng.random() < 0.3 or low is None else None
    return TriggerRow(signal=spec.id, delta=spec.cadence == "bar" and rng.random() < 0.5, low=low, high=high)


def random_map(rng: random.Random) -> tuple[MapKnot, ...]:
    """A calibration map of 2 to 8 knots, or none."""
    if rng.random() < 0.5:
        return ()
    beliefs = sorted(rng.sample(range(1, 100), rng.randint(2, 8)))
    knots = []
    for belief in beliefs:
        p_target = rng.choice([0.0, 1.0, rng.random()])
        knots.append(MapKnot(belief / 100, p_target, rng.random() * (1.0 - p_target), rng.uniform(-5.0, 5.0)))
    return tuple(knots)


def random_template(rng: random.Random, index: int) -> TemplateRow:
    quick = [s for s in SIGNALS if s.name in QUICK]
    pool = quick if rng.random() < 0.5 else [s for s in SIGNALS if not s.category]
    chosen = rng.sample(pool, rng.randint(1, min(len(pool), rng.choice([2, 4, 8, 24]))))
    z_enter = rng.choice([-0.5, 0.0, 0.1, 0.3])
    return TemplateRow(
        name=f"R{index}",
        enabled=rng.random() < 0.95,
        cadence=rng.choice(list(Cadence)),
        passive=rng.random() < 0.5,
        target_ticks=rng.randint(4, 30),
        stop_ticks=rng.randint(4, 20),
        target_rule=rng.choice(list(TargetRule)),
        hold_ns=60 * NS_PER_S,
        smoothing_ns=rng.choice([0, 100 * NS_PER_MS, NS_PER_S, 30 * NS_PER_S]),
        a=rng.choice([1.0, 2.5, -1.0]),
        b=rng.choice([0.0, -0.2, 0.1]),
        z_enter=z_enter,
        z_hold=z_enter - rng.choice([0.0, 0.2]),
        applicability=rng.choice([1.0, 0.8]),
        sigma_p=rng.choice([0.08, 0.05]),
        rearm_ns=0 if rng.random() < 0.05 else rng.choice([500 * NS_PER_MS, 5 * NS_PER_S, 30 * NS_PER_S]),
        weights=tuple(WeightRow(s.id, rng.choice([1.0, -0.5, 0.3, rng.uniform(-1.0, 1.0) or 0.7])) for s in chosen),
        triggers=tuple(random_trigger(rng) for _ in range(rng.choice([0, 0, 1, 2, 8]))),
        rv_reference=rng.choice([0.0, 0.0, 0.5, 3.0]),
        maps=tuple(random_map(rng) for _ in range(3)),
    )


def random_config(rng: random.Random, templates: int | None = None) -> KernelConfig:
    kind = rng.random()
    if kind < 0.5:
        sessions = short_sessions(rng, 40)
    elif kind < 0.9:
        sessions = daily_sessions(24, 1)
    else:
        # No table; a known day; past the table's end; a session in which T0 is just before its 24th hour ends.
        sessions = rng.choice([b"", ALL_DAY, daily_sessions(24, -1), LONGER_THAN_A_DAY])
    count = rng.choice([0, 1, 2, 3, 4, 6, 8]) if templates is None else templates
    return kernel_config(
        sessions=sessions,
        anchor_rth=rng.random() < 0.5,
        resolution_ns=rng.choice([1, 1_000, NS_PER_MS, NS_PER_S]),
        vpin_bucket_qty=rng.choice([1, 7, 50, 1000]),
        commission_ticks=rng.choice([1.0, 0.8325]),
        slippage_cap_ticks=rng.choice([6.0, 1.0]),
        age_outside_rth_factor=rng.choice([1, 4]),
        stability_max_e6=rng.choice([300_000, 20_000]),
        cost_share_max_e6=rng.choice([350_000, 900_000]),
        templates=tuple(random_template(rng, i) for i in range(count)),
    )
