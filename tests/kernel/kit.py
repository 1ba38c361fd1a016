"""Small kernels and tapes whose numbers can be followed by hand."""

import random
import struct
from collections.abc import Iterable
from typing import Any

from trading_bot._fast import HotPath
from trading_bot.domain.kernel import Cadence, KernelConfig, TemplateRow, TriggerRow, WeightRow
from trading_bot.domain.records import TICK_RECORD, Aggressor, FrameKind
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME

MS = 1_000_000
S = 1_000_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
T0 = 1_705_276_800 * S  # 2024-01-15 00:00 UTC, a whole day
BAR, GRID, TICK = Cadence.BAR, Cadence.GRID, Cadence.TICK
BUY, SELL, UNKNOWN = Aggressor.BUY, Aggressor.SELL, Aggressor.UNKNOWN


def sessions(*rows: tuple[int, ...]) -> bytes:
    """Rows of (open, close, RTH open, RTH close, break start, break end)."""
    return b"".join(struct.pack("<7q", 0, *row) for row in rows)


# One day that is open all day, RTH from 10:00 to 16:00.
ONE_DAY = sessions((T0, T0 + 24 * HOUR, T0 + 10 * HOUR, T0 + 16 * HOUR, 0, 0))


def template(
    name: str, cadence: Cadence, weights: dict[str, float], *triggers: TriggerRow, **changes: Any
) -> TemplateRow:
    """T = 8, S = 6, no smoothing, z >= 1 to enter and 0.5 to hold."""
    fields: dict[str, Any] = {
        "name": name,
        "enabled": True,
        "cadence": cadence,
        "passive": False,
        "target_ticks": 8,
        "stop_ticks": 6,
        "target_rule": 0,
        "hold_ns": MINUTE,
        "smoothing_ns": 0,
        "a": 1.0,
        "b": 0.0,
        "z_enter": 1.0,
        "z_hold": 0.5,
        "applicability": 1.0,
        "sigma_p": 0.08,
        "rearm_ns": S,
        "weights": tuple(WeightRow(SIGNAL_BY_NAME[signal].id, weight) for signal, weight in weights.items()),
        "triggers": triggers,
    }
    return TemplateRow(**fields | changes)


def trigger(signal: str, low: float | None = None, high: float | None = None, *, delta: bool = False) -> TriggerRow:
    return TriggerRow(signal=SIGNAL_BY_NAME[signal].id, delta=delta, low=low, high=high)


def config(*templates: TemplateRow, **changes: Any) -> KernelConfig:
    fields: dict[str, Any] = {
        "instrument_id": 1,
        "resolution_ns": 0,
        "anchor_rth": False,
        "sessions": ONE_DAY,
        "vpin_bucket_qty": 10,
        "commission_ticks": 2.0,
        "min_euc_ticks": 0.5,
        "slippage_base_ticks": 0.5,
        "slippage_cap_ticks": 6.0,
        "first_hour_factor": 1.5,
        "last_hour_factor": 1.3,
        "dvs_entry_c": 80,
        "dvs_hold_c": 60,
        "dvs_kill_c": 30,
        "age_warn_ns": 2 * S,
        "age_stale_ns": 5 * S,
        "age_dead_ns": 10 * S,
        "age_outside_rth_factor": 4,
        "templates": templates,
    }
    return KernelConfig(**fields | changes)


def quote(ts: int, bid: int, ask: int, bid_qty: int = 10, ask_qty: int = 10, event: int = 0, flags: int = 0) -> bytes:
    kind = FrameKind.QUOTE
    return TICK_RECORD.pack(0, 64, 0, kind, 1, 1, flags, ts, event, bid, ask, bid_qty, ask_qty, 0, 0, 0, 0)


def trade(ts: int, price: int, qty: int, aggressor: int = UNKNOWN, event: int = 0, flags: int = 0) -> bytes:
    return TICK_RECORD.pack(0, 64, 0, FrameKind.TRADE, 1, 1, flags, ts, event, price, 0, qty, 0, aggressor, 0, 0, 0)


def plain(kind: FrameKind, ts: int) -> bytes:
    return TICK_RECORD.pack(0, 64, 0, kind, 1, 1, 0, ts, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def play(kernel: HotPath, records: Iterable[bytes]) -> list[tuple[int, int]]:
    """Run everything; (index, code) of each stop with an outcome."""
    tape = b"".join(records)
    found, at = [], 0
    while True:
        at, code = kernel.run(tape, at)
        if not code:
            assert at == len(tape) // 64
            return found
        found.append((at, code))


def market(seed: int, count: int, start: int = T0 + 11 * HOUR, gap_ms: float = 60.0) -> list[bytes]:
    """A random walk with sweeps, stamped quotes, pauses and the odd bad record."""
    rng = random.Random(seed)
    ts, bid, ask, found = start, 20_000, 20_001, []
    for _ in range(count):
        ts += int(rng.expovariate(1 / gap_ms) * MS) if rng.random() < 0.999 else 3 * S
        draw = rng.random()
        event = ts - rng.randrange(5 * MS)
        if draw < 0.2:
            side = rng.choice([BUY, SELL, UNKNOWN])
            price = ask if side == BUY else bid
            found.append(trade(ts, price + rng.choice([0, 0, 1, -1]), rng.randrange(0, 9), side, event))
        elif draw < 0.203:
            found.append(plain(FrameKind.REJECTED, ts))
        else:
            move = rng.choice([0] * 8 + [1, -1])
            bid, ask = bid + move, ask + move
            ask = max(bid + rng.choice([0] + [1] * 20 + [2, 3]), bid)
            found.append(quote(ts, bid, ask, rng.randrange(0, 60), rng.randrange(0, 60), event))
    return found


def busy_config(**changes: Any) -> KernelConfig:
    """Templates of every cadence over many signals."""
    return config(
        template(
            "bars", Cadence.BAR, {"real_body_impulse_n": 1.0, "close_location_value": 0.5, "ofi_30s": 0.5}, z_enter=0.1
        ),
        template(
            "grid", Cadence.GRID, {"rv_30s": 0.2, "mom_5s": 1.0, "kyle_lambda": 0.1}, z_enter=0.2, smoothing_ns=5 * S
        ),
        template(
            "flow",
            TICK,
            {"microprice_dev": 1.0, "ofi_1s": 1.0, "trade_imb_5s": 0.5, "spread_ticks": -0.1, "dvs": 0.2},
            trigger("ofi_5s", 0.2),
            z_enter=0.3,
            z_hold=0.1,
            smoothing_ns=S,
        ),
        template("queue", TICK, {"queue_imbalance": 1.0, "intensity_sum": 0.1}, trigger("dvs", 0.5), z_enter=0.4),
        **changes,
    )
