"""The bar signals of three bars in the words of statistics: numpy and pandas over the whole day.

Each case is the morning's bars of `market.bars`, then one live minute with the trades and the spread given.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tests.property.tapes import Call
from tests.signals.market import DAY0, EARLIER, HOUR, MINUTE, RTH_OPEN, S, bars


@dataclass(frozen=True)
class Case:
    """A minute: when it opens, (price above the close before, size) of its trades, its spread and the hour's factor."""

    ts_open: int
    trades: tuple[tuple[int, int], ...]
    spread: int
    hour_factor: float


CASES = {
    "a quiet bar at lunch": Case(DAY0 + 12 * HOUR + 30 * MINUTE, ((0, 1),), 2, 1.0),
    "a poke above the range, heavily traded, in the last hour": Case(
        DAY0 + 15 * HOUR + 30 * MINUTE, ((-2, 400), (15, 500), (-4, 300), (-3, 200)), 3, 1.3
    ),
    "a break of the range": Case(DAY0 + 11 * HOUR + 45 * MINUTE, ((0, 90), (25, 200), (-1, 20), (24, 100)), 1, 1.0),
}


def day_of(case: Case) -> pd.DataFrame:
    """All bars, the case's last."""
    rows = bars(case.ts_open)
    before = rows[-1][4]
    prices = [before + away for away, _ in case.trades]
    volume = sum(qty for _, qty in case.trades)
    notional = sum(price * qty for price, (_, qty) in zip(prices, case.trades, strict=True))
    rows.append((case.ts_open, prices[0], max(prices), min(prices), prices[-1], volume, notional))
    frame = pd.DataFrame(rows, columns=["ts", "o", "h", "l", "c", "v", "notional"])
    prev = frame.c.shift().fillna(frame.c)
    frame["tr"] = np.maximum(frame.h, prev) - np.minimum(frame.l, prev)
    frame.loc[0, "tr"] = frame.h[0] - frame.l[0]
    frame["s14"] = frame.tr.rolling(14).sum()
    frame["day"] = (frame.ts - DAY0) // (24 * HOUR)
    frame["minute"] = (frame.ts - DAY0) % (24 * HOUR) // MINUTE
    return frame


def calls_of(case: Case) -> list[Call]:
    """The bars, and the minute live: a spread of one tick for 20 s, then the case's."""
    rows = bars(case.ts_open)
    price, ts = rows[-1][4], case.ts_open
    calls: list[Call] = [("on_bar", row) for row in rows]
    calls.append(("on_quote", (ts, price, 5, price + 1, 5, 0, 0)))
    calls.append(("on_quote", (ts + 20 * S, price, 5, price + case.spread, 5, 0, 0)))
    for i, (away, qty) in enumerate(case.trades):
        calls.append(("on_trade", (ts + (30 + i) * S, price + away, qty, 1, 0, 0)))
    return [*calls, ("on_time", (ts + MINUTE,))]


def squash(x: float) -> float:
    return x / np.sqrt(1 + x * x)


def volume_z(frame: pd.DataFrame, at: int) -> float:
    """3 vol_z of one bar of today: against its minute in the earlier sessions."""
    x = frame.v[(frame.minute == frame.minute[at]) & (frame.day < 0)]
    assert len(x) == EARLIER
    return float(np.clip((frame.v[at] - x.mean()) / x.std(ddof=0), -3, 3))


def failed(today: pd.DataFrame, back: int, window: int, depth: int) -> float:
    """The newest of the last bars that pierced the range before it by `depth`, when the close is back inside."""
    found = {"down": 0, "up": 0}
    close = today.c.iloc[-1]
    for at in range(len(today) - 1 - back, len(today)):
        before = today.iloc[at - window : at]
        below, above = before.l.min() - today.l.iloc[at], today.h.iloc[at] - before.h.max()
        if below >= depth and close > before.l.min():
            found["down"] = below
        if above >= depth and close < before.h.max():
            found["up"] = above
    return 0.0 if all(found.values()) else float(np.clip((found["down"] - found["up"]) / 16, -1, 1))


def expected(case: Case) -> dict[str, float]:
    """Every bar signal of the case's last bar."""
    frame = day_of(case)
    today = frame[frame.day == 0].reset_index(drop=True)
    prior = frame[frame.day == -1]
    bar, last = today.iloc[-1], today.index[-1]
    at = frame.index[-1]
    atr, mean30 = bar.s14 / 14, today.tr[-30:].mean()
    vwap = today.notional.cumsum() / today.v.cumsum()
    away = (today.c - vwap)[-60:]
    in_bucket = (frame.day < 0) & (frame.minute // 30 == frame.minute[at] // 30)
    high60, low60 = today.h[-61:-1].max(), today.l[-61:-1].min()
    pairs = today[-31:].diff().iloc[1:]
    vz = volume_z(frame, at)
    runs = [volume_z(frame, at - i) > 1 for i in range(8)]
    before = today[-101:-1]
    effort = squash(bar.v / before.v.median() - abs(bar.c - bar.o) / (before.c - before.o).abs().median())
    expansion = bar.tr / mean30
    opening = today[today.minute < RTH_OPEN // MINUTE + 15]
    phase = int(np.digitize((bar.minute - RTH_OPEN // MINUTE) / 360 * 390, [0, 60, 120, 240, 330, 390]))
    atr_n = float(np.clip(bar.s14 / frame.s14[in_bucket].median(), 0, 3))
    spread = (1 * 20 + case.spread * 40) / 60
    by_range = 2 if atr_n > 2.55 else 1 if atr_n > 2.1 else 0
    slippage = min((0.5 + by_range + {1: 0, 2: 1, 3: 2}[case.spread]) * case.hour_factor, 6)
    vwap_z = float(np.clip(away.iloc[-1] / away.std(ddof=0), -3, 3))
    body_low, body_high = min(bar.o, bar.c), max(bar.o, bar.c)
    quiet = float(bar.tr < atr / 2 and vz < -1)
    return {
        "vwap_z": vwap_z / 3,
        "vwap_slope": np.clip(np.polyfit(range(30), vwap[-30:] - bar.c, 1)[0] * np.sqrt(30) / mean30, -1, 1),
        "atr_14_n": atr_n / 3,
        "range_compression": np.clip(1.5 - today.tr[-5:].mean() / mean30, 0, 1),
        "hhll_trend_strength": (((pairs.h > 0) & (pairs.l > 0)).sum() - ((pairs.h < 0) & (pairs.l < 0)).sum()) / 30,
        "breakout_distance_n": np.clip((bar.c - np.clip(bar.c, low60, high60)) / atr, -2, 2) / 2,
        "rejection_wick_n": ((body_low - bar.l) - (bar.h - body_high)) / bar.tr if bar.tr else 0,
        "close_location_value": (2 * bar.c - bar.l - bar.h) / (bar.h - bar.l) if bar.h > bar.l else 0,
        "gap_from_prev_close_n": np.clip((today.o[0] - prior.c.iloc[-1]) / prior.c.std(ddof=0), -2, 2) / 2,
        "distance_from_poc_proxy": np.clip(
            (bar.c - prior.notional.sum() / prior.v.sum()) / prior.c.std(ddof=0), -3, 3
        ) / 3,
        "micro_trend_5": np.clip((bar.c - today.c[last - 5]) / (atr * np.sqrt(5)), -1, 1),
        "real_body_impulse_n": np.clip((bar.c - bar.o) / atr, -2, 2) / 2,
        "vol_z": vz / 3,
        "vol_slope_20": np.clip(20 * np.polyfit(range(20), today.v[-20:], 1)[0] / today.v[-20:].mean(), -1, 1),
        "effort_vs_result": effort,
        "range_expansion_on_volume": min(expansion, 2) * max(vz, 0) / 6,
        "climax_bar_flag": float(bar.tr > 2 * atr and vz > 2),
        "quiet_bar_flag": quiet,
        "consecutive_high_vol_bars": min(runs.index(False), 5) / 5,
        "participation_expansion_index": 0.5 * (1 + squash(vz + expansion - 1 - effort)),
        "session_phase": phase,
        "opening_range_break": np.clip((bar.c - np.clip(bar.c, opening.l.min(), opening.h.max())) / atr, -1, 1),
        "lunch_void_gate": float(phase == 3 and quiet == 1),
        "close_magnet_index": 0.5 * (1 + squash(vz - abs(vwap_z))) if bar.ts >= DAY0 + 15 * HOUR else 0,
        "spread_tickiness": np.clip((spread - 1) / 2, 0, 1),
        "slippage_risk": min(slippage / 6, 1),
        "friction_regime_index": np.clip((1 + slippage) / atr, 0, 1),
        "noise": 1 - abs(bar.c - today.c[last - 20]) / today.c[-21:].diff().abs().sum(),
        "failed_break": failed(today, 3, 60, 4),
        "sweep_reversal": failed(today, 2, 20, 6),
    }  # fmt: skip
