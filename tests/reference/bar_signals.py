"""The bar signals at the close of a 60 s bar, each from its registry row."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.reference.arith import clamp, ratio, sigma, squash
from tests.reference.bar_sessions import BarSessions
from tests.reference.history import POOL_NEEDED, SESSIONS_NEEDED, Minute, Slot
from tests.reference.session import HOUR_NS, Row
from trading_bot.domain.signal_registry import SIGNALS

BAR_SIGNALS = tuple(spec.name for spec in SIGNALS if spec.cadence == "bar")
PHASES = (60, 120, 240, 330, 390)


@dataclass
class Closing:
    """What the signals of a bar may see: the ring (this bar the newest), its session, the costs at its end."""

    ring: list[Minute]
    n: int
    row: Row | None
    slots: list[Slot]
    sessions: BarSessions
    run: int  # bars in a row before this one with 3 vol_z > 1
    spread_sum: int
    spread_dt: int
    commission: float
    slippage: Callable[[float | None], float]  # expected at the bar's end, given this bar's atr_14_n
    values: dict[str, float | None] = field(default_factory=dict)
    flagged: set[str] = field(default_factory=set)

    def tr_sum(self, length: int) -> int | None:
        return sum(m.tr for m in self.ring[-length:]) if len(self.ring) >= length else None

    def last(self, count: int) -> list[Minute]:
        """The last `count` bars, oldest first; only called when there are that many."""
        return self.ring[-count:]

    @property
    def minute(self) -> Minute:
        return self.ring[-1]

    def vz(self) -> float | None:
        vol_z = self.values["vol_z"]
        return None if vol_z is None else 3.0 * vol_z

    def evaluate(self) -> None:
        """All bar signals; those that read others come after them."""
        for name, row in ROWS.items():
            self.values[name] = row(self)


def _vwap_z(x: Closing) -> float | None:
    if x.n < 60:
        return None
    deviations = []
    for m in x.last(60):
        v = m.anchored_volume
        deviations.append(0.0 if v == 0 else ratio(m.bar.close * v - m.anchored_notional, v))
    total = 0.0
    for value in deviations:
        total += value
    mean = total / 60.0
    total = 0.0
    for value in deviations:
        total += (value - mean) * (value - mean)
    sd = math.sqrt(total / 60.0)
    return None if sd == 0.0 else clamp(deviations[-1] / sd, -3.0, 3.0) / 3.0


def _vwap_slope(x: Closing) -> float | None:
    s30 = x.tr_sum(30)
    if x.n < 30 or s30 is None:
        return None
    if s30 == 0:
        return 0.0
    close = x.ring[-1].bar.close
    total = 0.0
    for j, m in enumerate(x.last(30)):
        v = m.anchored_volume
        y = 0.0 if v == 0 else ratio(m.anchored_notional - close * v, v)
        total += float(2 * j - 29) * y
    slope = 2.0 * total / 8990.0
    return clamp(slope * math.sqrt(30.0) / ratio(s30, 30), -1.0, 1.0)


def _atr_14_n(x: Closing) -> float | None:
    s14 = x.tr_sum(14)
    if s14 is None:
        return None
    values: list[int] = []
    bucket = None if x.row is None else x.row.bucket(x.minute.bar.ts_open)
    if bucket is not None:
        lists = [slot.s14_by_bucket.get(bucket, []) for slot in x.slots[:-1]]
        if sum(1 for found in lists if found) >= SESSIONS_NEEDED:
            values = [value for found in lists for value in found]
    if not values:
        values = [value for slot in x.slots for found in slot.s14_by_bucket.values() for value in found]
        if len(values) < POOL_NEEDED:
            return None
        x.flagged.add("atr_14_n")
    values.sort()
    half = len(values) // 2
    m2 = 2 * values[half] if len(values) % 2 else values[half - 1] + values[half]
    return None if m2 == 0 else clamp(ratio(2 * s14, m2), 0.0, 3.0) / 3.0


def _range_compression(x: Closing) -> float | None:
    s5, s30 = x.tr_sum(5), x.tr_sum(30)
    if s5 is None or s30 is None:
        return None
    r = 0.0 if s30 == 0 else ratio(s5, 5) / ratio(s30, 30)
    return clamp(1.5 - r, 0.0, 1.0)


def _hhll(x: Closing) -> float | None:
    if x.n < 31:
        return None
    bars = [m.bar for m in x.last(31)]
    pairs = list(zip(bars[1:], bars[:-1], strict=True))
    up = sum(1 for b, p in pairs if b.high > p.high and b.low > p.low)
    down = sum(1 for b, p in pairs if b.low < p.low and b.high < p.high)
    return ratio(up - down, 30)


def _breakout(x: Closing) -> float | None:
    s14 = x.tr_sum(14)
    if x.n < 61 or s14 is None:
        return None
    if s14 == 0:
        return 0.0
    close = x.ring[-1].bar.close
    prior = [m.bar for m in x.last(61)[:-1]]
    high, low = max(b.high for b in prior), min(b.low for b in prior)
    d = close - high if close > high else close - low if close < low else 0
    return clamp(float(d) / ratio(s14, 14), -2.0, 2.0) / 2.0


def _wick(x: Closing) -> float | None:
    m = x.ring[-1]
    b = m.bar
    if m.tr == 0:
        return 0.0
    return ratio((min(b.open, b.close) - b.low) - (b.high - max(b.open, b.close)), m.tr)


def _clv(x: Closing) -> float | None:
    b = x.ring[-1].bar
    return 0.0 if b.high == b.low else ratio((b.close - b.low) - (b.high - b.close), b.high - b.low)


def _micro_trend(x: Closing) -> float | None:
    s14 = x.tr_sum(14)
    if x.n < 6 or s14 is None:
        return None
    if s14 == 0:
        return 0.0
    change = x.ring[-1].bar.close - x.ring[-6].bar.close
    return clamp(float(change) / (ratio(s14, 14) * math.sqrt(5.0)), -1.0, 1.0)


def _body(x: Closing) -> float | None:
    s14 = x.tr_sum(14)
    if s14 is None:
        return None
    b = x.ring[-1].bar
    return 0.0 if s14 == 0 else clamp(float(b.close - b.open) / ratio(s14, 14), -2.0, 2.0) / 2.0


def _vol_z(x: Closing) -> float | None:
    bar = x.minute.bar
    minute = None if x.row is None else x.row.minute(bar.ts_open)
    volumes: list[int] = []
    if minute is not None:
        volumes = [slot.volume_by_minute[minute] for slot in x.slots[:-1] if minute in slot.volume_by_minute]
    if len(volumes) < SESSIONS_NEEDED:
        if x.n < 61:
            return None
        x.flagged.add("vol_z")
        volumes = [m.bar.volume for m in x.last(61)[:-1]]
    k = len(volumes)
    num = float(k * bar.volume - sum(volumes))
    den = math.sqrt(float(k * sum(v * v for v in volumes) - sum(volumes) * sum(volumes)))
    return None if den == 0.0 else clamp(num / den, -3.0, 3.0) / 3.0


def _tickiness(x: Closing) -> float | None:
    return None if x.spread_dt == 0 else clamp((ratio(x.spread_sum, x.spread_dt) - 1.0) / 2.0, 0.0, 1.0)


def _gap(x: Closing) -> float | None:
    prior, bar = x.sessions.prior, x.minute.bar
    if prior is None or prior.sd == 0.0 or not x.sessions.contains(x.row, bar.ts_open):
        return None
    first = x.sessions.bars[0] if x.sessions.bars else bar
    return clamp(float(first.open - prior.close) / prior.sd, -2.0, 2.0) / 2.0


def _poc(x: Closing) -> float | None:
    prior = x.sessions.prior
    if prior is None or prior.volume == 0 or prior.sd == 0.0:
        return None
    distance = ratio(x.minute.bar.close * prior.volume - prior.notional, prior.volume)
    return clamp(distance / prior.sd, -3.0, 3.0) / 3.0


def _vol_slope(x: Closing) -> float | None:
    if x.n < 20:
        return None
    volumes = [m.bar.volume for m in x.last(20)]
    total = sum(volumes)
    q = sum((2 * j - 19) * volume for j, volume in enumerate(volumes))
    if total == 0:
        return 0.0
    return clamp((20.0 * (2.0 * float(q) / 2660.0)) / (float(total) / 20.0), -1.0, 1.0)


def _effort(x: Closing) -> float | None:
    if x.n < 101:
        return None
    before = [m.bar for m in x.last(101)[:-1]]
    volumes = sorted(bar.volume for bar in before)
    bodies = sorted(abs(bar.close - bar.open) for bar in before)
    m_volume, m_body = volumes[49] + volumes[50], bodies[49] + bodies[50]
    if m_volume == 0 or m_body == 0:
        return None
    bar = x.minute.bar
    return squash(ratio(2 * bar.volume, m_volume) - ratio(2 * abs(bar.close - bar.open), m_body))


def _range_ratio(x: Closing, s30: int) -> float:
    return 0.0 if s30 == 0 else float(x.minute.tr) / ratio(s30, 30)


def _expansion(x: Closing) -> float | None:
    s30, vz = x.tr_sum(30), x.vz()
    if s30 is None or vz is None:
        return None
    return (min(_range_ratio(x, s30), 2.0) * max(vz, 0.0)) / 6.0


def _climax(x: Closing) -> float | None:
    s14, vz = x.tr_sum(14), x.vz()
    if s14 is None or vz is None:
        return None
    return 1.0 if 7 * x.minute.tr > s14 and vz > 2.0 else 0.0


def _quiet(x: Closing) -> float | None:
    s14, vz = x.tr_sum(14), x.vz()
    if s14 is None or vz is None:
        return None
    return 1.0 if 28 * x.minute.tr < s14 and vz < -1.0 else 0.0


def _consecutive(x: Closing) -> float | None:
    vz = x.vz()
    if vz is None:
        return None
    run = x.run + 1 if vz > 1.0 else 0
    return float(min(run, 5)) / 5.0


def _participation(x: Closing) -> float | None:
    s30, vz, effort = x.tr_sum(30), x.vz(), x.values["effort_vs_result"]
    if s30 is None or vz is None or effort is None:
        return None
    return sigma(((vz + _range_ratio(x, s30)) - 1.0) - effort)


def _phase(x: Closing) -> float | None:
    if x.row is None or x.row.rth_open_ns == 0:
        return None
    d = x.minute.bar.ts_open - x.row.rth_open_ns
    m = x.row.rth_close_ns - x.row.rth_open_ns
    if d < 0:
        return 0.0
    for phase, end in enumerate(PHASES, start=1):
        if d * 390 < end * m:
            return float(phase)
    return 6.0


def _opening_break(x: Closing) -> float | None:
    s14 = x.tr_sum(14)
    found = x.sessions.opening_range(x.row, x.minute.bar.ts_open)
    if s14 is None or found is None:
        return None
    if s14 == 0:
        return 0.0
    high, low = found
    close = x.minute.bar.close
    d = close - high if close > high else close - low if close < low else 0
    return clamp(float(d) / ratio(s14, 14), -1.0, 1.0)


def _lunch(x: Closing) -> float | None:
    phase, quiet = x.values["session_phase"], x.values["quiet_bar_flag"]
    if phase is None or quiet is None:
        return None
    return 1.0 if phase == 3.0 and quiet == 1.0 else 0.0


def _magnet(x: Closing) -> float | None:
    row, ts_open = x.row, x.minute.bar.ts_open
    if row is None or not row.rth_close_ns - HOUR_NS <= ts_open < row.rth_close_ns:
        return 0.0
    vwap_z, vz = x.values["vwap_z"], x.vz()
    if vwap_z is None or vz is None:
        return None
    return sigma(-(3.0 * abs(vwap_z)) + vz)


def _slippage_risk(x: Closing) -> float | None:
    return min(x.slippage(x.values["atr_14_n"]) / 6.0, 1.0)


def _friction(x: Closing) -> float | None:
    s14 = x.tr_sum(14)
    if s14 is None:
        return None
    if s14 == 0:
        return 1.0
    return clamp((x.commission + x.slippage(x.values["atr_14_n"])) / ratio(s14, 14), 0.0, 1.0)


def _noise(x: Closing) -> float | None:
    if x.n < 21:
        return None
    closes = [m.bar.close for m in x.last(21)]
    path = sum(abs(b - a) for a, b in itertools.pairwise(closes))
    return 1.0 if path == 0 else 1.0 - ratio(abs(closes[-1] - closes[0]), path)


def _failed(x: Closing, *, back: int, window: int, depth: int) -> float | None:
    if x.n < back + window + 1:
        return None
    bars = [m.bar for m in x.last(back + window + 1)]
    close = bars[-1].close
    down = up = 0
    for k in range(back, -1, -1):  # the smallest k is seen last and counts
        at = len(bars) - 1 - k
        before = bars[at - window : at]
        low, high = min(b.low for b in before), max(b.high for b in before)
        if low - bars[at].low >= depth and close > low:
            down = low - bars[at].low
        if bars[at].high - high >= depth and close < high:
            up = bars[at].high - high
    if down > 0 and up > 0:
        return 0.0
    return clamp(float(down - up) / 16.0, -1.0, 1.0)


ROWS: dict[str, Callable[[Closing], float | None]] = {
    "vwap_z": _vwap_z,
    "vwap_slope": _vwap_slope,
    "atr_14_n": _atr_14_n,
    "range_compression": _range_compression,
    "hhll_trend_strength": _hhll,
    "breakout_distance_n": _breakout,
    "rejection_wick_n": _wick,
    "close_location_value": _clv,
    "gap_from_prev_close_n": _gap,
    "distance_from_poc_proxy": _poc,
    "micro_trend_5": _micro_trend,
    "real_body_impulse_n": _body,
    "vol_z": _vol_z,
    "vol_slope_20": _vol_slope,
    "effort_vs_result": _effort,
    "range_expansion_on_volume": _expansion,
    "climax_bar_flag": _climax,
    "quiet_bar_flag": _quiet,
    "consecutive_high_vol_bars": _consecutive,
    "participation_expansion_index": _participation,
    "session_phase": _phase,
    "opening_range_break": _opening_break,
    "lunch_void_gate": _lunch,
    "close_magnet_index": _magnet,
    "spread_tickiness": _tickiness,
    "slippage_risk": _slippage_risk,
    "friction_regime_index": _friction,
    "noise": _noise,
    "failed_break": lambda x: _failed(x, back=3, window=60, depth=4),
    "sweep_reversal": lambda x: _failed(x, back=2, window=20, depth=6),
}
