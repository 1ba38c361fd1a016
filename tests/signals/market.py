"""A market in which every signal is warm: six earlier sessions and this morning as bars, then half an hour live."""

import random
import struct

from tests.property.tapes import Call
from trading_bot.domain.kernel import KernelConfig
from trading_bot.domain.signal_registry import SIGNALS

S = 1_000_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DAY0 = 1_705_276_800 * S  # 2024-01-15 00:00 UTC
RTH_OPEN, RTH_CLOSE = 10 * HOUR, 16 * HOUR  # after midnight
EARLIER = 6
P0 = 20_000
LIVE_FROM = DAY0 + 15 * HOUR  # the last hour of RTH, so that close_magnet_index looks at its parts
LIVE_MINUTES = 30


def sessions() -> bytes:
    """Days open all day, RTH from 10:00 to 16:00."""
    days = [DAY0 + day * DAY for day in range(-EARLIER, 2)]
    return b"".join(struct.pack("<7q", 0, t, t + DAY, t + RTH_OPEN, t + RTH_CLOSE, 0, 0) for t in days)


def kernel_config(**changes: object) -> KernelConfig:
    """RTH anchors, commission 1, slippage .5 to 6 ticks."""
    fields: dict[str, object] = {
        "instrument_id": 1, "resolution_ns": 1_000, "anchor_rth": True, "sessions": sessions(), "vpin_bucket_qty": 20,
        "commission_ticks": 1.0, "min_euc_ticks": 0.25, "slippage_base_ticks": 0.5, "slippage_cap_ticks": 6.0,
        "first_hour_factor": 1.5, "last_hour_factor": 1.3, "dvs_entry_c": 80, "dvs_hold_c": 60, "dvs_kill_c": 30,
        "age_warn_ns": 2 * S, "age_stale_ns": 5 * S, "age_dead_ns": 10 * S, "age_outside_rth_factor": 4,
        "templates": (),
    }  # fmt: skip
    return KernelConfig(**fields | changes)  # type: ignore[arg-type]


def bars(until_ns: int, seed: int = 5) -> list[tuple[int, int, int, int, int, int, int]]:
    """Bars of RTH of each earlier day and of this one up to `until_ns`: (ts_open, O, H, L, C, volume, notional)."""
    rng, price, found = random.Random(seed), P0, []
    for day in range(-EARLIER, 1):
        base = DAY0 + day * DAY
        for ts in range(base + RTH_OPEN, min(base + RTH_CLOSE, until_ns), MINUTE):
            o = price + rng.randint(-1, 1)
            c = o + rng.randint(-6, 6) + (1 if price < P0 else -1)
            h, low = max(o, c) + rng.randint(0, 4), min(o, c) - rng.randint(0, 4)
            volume = rng.randint(20, 400)
            found.append((ts, o, h, low, c, volume, volume * ((h + low + c) // 3)))
            price = c
    return found


def history(until_ns: int = LIVE_FROM) -> list[Call]:
    """The bars as calls, and a value for each signal that is fed."""
    fed: list[Call] = [("set_fed", (spec.id, 0.25)) for spec in SIGNALS if spec.cadence == "fed"]
    return fed + [("on_bar", bar) for bar in bars(until_ns)]


def live(seed: int = 9, start_ns: int = LIVE_FROM, minutes: int = LIVE_MINUTES) -> list[Call]:
    """Quotes and trades, two a second, with sweeps and wide moments; the last minute ends."""
    rng, bid, width = random.Random(seed), P0, 1
    calls: list[Call] = []
    ts, end = start_ns + 130_000_000, start_ns + minutes * MINUTE
    while ts < end:
        bid += rng.choice([-1, 0, 0, 0, 1]) + (1 if bid < P0 - 20 else -1 if bid > P0 + 20 else 0)
        width = 1 if rng.random() < 0.8 else rng.choice([2, 3])
        calls.append(("on_quote", (ts, bid, rng.randint(1, 60), bid + width, rng.randint(1, 60), ts - 1_000_000, 0)))
        for step in range(rng.choice([0, 1, 1, 2])):
            side = rng.choice([1, 2])
            price = bid + width + step if side == 1 else bid - step
            calls.append(("on_trade", (ts + step * 1_000_000, price, rng.randint(1, 9), side, ts, 0)))
        ts += rng.randrange(100, 900) * 1_000_000
    calls.append(("on_time", (end,)))
    return calls
