"""The definition of every signal: kernel, reference, documentation and templates are held to these rows.

Terms: `C, O, H, L, Vb` close, open, high, low and volume of the 60 s bar just closed; `X[i]` is X of the i-th bar before it; `N, V` notional
and volume since the anchor; `n` bars since the anchor (this one included); `S5, S14, S30` sums of TR over the last 5, 14, 30 bars;
`w(dt, tau)`, `s(x)`, None and all rules of arithmetic: docs/kernel.md. Sums run from the oldest bar to the newest.
"""

from typing import Final, Literal

import msgspec

Cadence = Literal["bar", "tick", "grid", "second"]
Parity = Literal["odd", "even"]


class SignalSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One signal. `number` is its row in section 3.1 of the specification, 0 for order flow; `scale` is k of s(x/k), 0 where the value enters as it is."""

    id: int
    name: str
    number: int
    cadence: Cadence
    parity: Parity
    unit: str
    low: float | None
    high: float | None
    scale: float
    warm_up: str
    formula: str
    source: str


_SPEC_31: Final = "specification 3.1"
_SPEC_32: Final = "specification 3.2"
_CONT: Final = "Cont, Kukanov, Stoikov (2014), The Price Impact of Order Book Events"
_INF: Final = None


def _bar(number: int, name: str, parity: Parity, low: float, high: float, warm_up: str, formula: str) -> SignalSpec:
    return SignalSpec(
        id=number - 1,
        name=name,
        number=number,
        cadence="bar",
        parity=parity,
        unit="1",
        low=low,
        high=high,
        scale=0.0,
        warm_up=warm_up,
        formula=formula,
        source=_SPEC_31,
    )


def _flow(
    signal_id: int,
    name: str,
    parity: Parity,
    unit: str,
    scale: float,
    warm_up: str,
    formula: str,
    *,
    low: float | None = None,
    high: float | None = None,
    cadence: Cadence = "tick",
    source: str = _SPEC_32,
) -> SignalSpec:
    return SignalSpec(
        id=signal_id,
        name=name,
        number=0,
        cadence=cadence,
        parity=parity,
        unit=unit,
        low=low,
        high=high,
        scale=scale,
        warm_up=warm_up,
        formula=formula,
        source=source,
    )


_OFI: Final = (
    "At each quote that has a predecessor (b', qb', a', qa' the old one): e = (qb if b >= b' else 0) - (qb' if b <= b' else 0) - (qa if a <= a' else 0) "
    "+ (qa' if a >= a' else 0), an integer; wt = w(ts - last quote ts, tau); F = F*wt + e; D = D*wt + 0.5*(qb + qa); M = M*wt + 1.0. "
    "Value at t: mean = D/M; 0.0 if mean == 0.0 else (F * w(t - last quote ts, tau)) / mean. tau = {tau} s."
)
_TIMB: Final = (
    "At each trade with qty > 0 (sign +1 buy, -1 sell, 0 unknown): wt = w(ts - last trade ts, tau) (0 sums before the first); F = F*wt + sign*qty; "
    "D = D*wt + qty. Value: F / D (the common decay cancels). tau = {tau} s."
)
_MOM: Final = (
    "(mid2 - ring[g]) / 2.0 with mid2 = bid + ask now and g = floor((t - W)/100 ms)*100 ms, ring[g] the mid2 written at grid point g. "
    "None when there is no quote or ring[g] was not written. W = {tau} s."
)
_RV: Final = (
    "At each quote whose mid2 differs from the previous mid2 by dm: S = S*w(ts - last change ts, tau) + dm*dm (S = 0 and last change ts = its ts at the first quote). "
    "At each grid point g: sqrt(S * w(g - last change ts, tau) / 4.0 / tau_s). tau = {tau} s."
)

SIGNALS: Final[tuple[SignalSpec, ...]] = (
    _bar(
        1, "vwap_z", "odd", -1.0, 1.0, "n >= 60",
        "x[i] = (C[i]*V[i] - N[i]) / V[i] for the last 60 bars; mean = (sum x)/60; var = (sum (x - mean)*(x - mean))/60; sd = sqrt(var); "
        "None if sd == 0 else clamp(x[0]/sd, -3, 3)/3. (V[i], N[i]: anchored sums as of that bar's close; V[i] = 0 makes x[i] = 0.0.)",
    ),
    _bar(
        2, "vwap_slope", "odd", -1.0, 1.0, "n >= 30 and 30 bars of TR",
        "y[i] = (N[i] - C*V[i]) / V[i] (0.0 if V[i] = 0) for the last 30 bars, C the newest close; weights u = 2*j - 29, j = 0 oldest .. 29 newest; "
        "slope = 2.0 * (sum u*y) / 8990.0; atr = S30/30; 0.0 if S30 == 0 else clamp(slope * sqrt(30.0) / atr, -1, 1).",
    ),
    _bar(
        3, "atr_14_n", "even", 0.0, 1.0, "14 bars of TR and a median",
        "m2 = (a + b), twice the median of S14 values (odd count: a = b = the middle one; even: the two middle ones). Values: those of this bar's bucket in the "
        "earlier sessions kept, when >= 5 of those sessions have one; else pooled: all values of all kept slots incl. earlier bars of this session, flagged, None when fewer than 30. "
        "An unknown bucket uses the pool. m2 == 0: None; else clamp(2*S14 / m2, 0, 3)/3.",
    ),
    _bar(
        4, "range_compression", "even", 0.0, 1.0, "30 bars of TR",
        "r = (S5/5) / (S30/30), 0.0 if S30 == 0; clamp(1.5 - r, 0, 1).",
    ),
    _bar(
        5, "hhll_trend_strength", "odd", -1.0, 1.0, "n >= 31",
        "over the last 30 pairs (bar, bar before): (count of H > H' and L > L') - (count of L < L' and H < H'), / 30.",
    ),
    _bar(
        6, "breakout_distance_n", "odd", -1.0, 1.0, "n >= 61 and 14 bars of TR",
        "hi, lo of the 60 bars before this one; d = C - hi if C > hi, C - lo if C < lo, else 0; 0.0 if S14 == 0 else clamp(d / (S14/14), -2, 2)/2.",
    ),
    _bar(
        7, "rejection_wick_n", "odd", -1.0, 1.0, "1 bar",
        "((min(O,C) - L) - (H - max(O,C))) / TR, 0.0 when TR == 0.",
    ),
    _bar(8, "close_location_value", "odd", -1.0, 1.0, "1 bar", "((C - L) - (H - C)) / (H - L), 0.0 when H == L."),
    _bar(
        11, "micro_trend_5", "odd", -1.0, 1.0, "n >= 6 and 14 bars of TR",
        "0.0 if S14 == 0 else clamp((C - C[5]) / ((S14/14) * sqrt(5.0)), -1, 1).",
    ),
    _bar(
        12, "real_body_impulse_n", "odd", -1.0, 1.0, "14 bars of TR",
        "0.0 if S14 == 0 else clamp((C - O) / (S14/14), -2, 2)/2.",
    ),
    _bar(
        13, "vol_z", "even", -1.0, 1.0, "5 sessions of this minute, else n >= 61 (flagged)",
        "over the volumes x of this minute in the earlier sessions kept that have one, when there are k >= 5 of them, else the 60 bars before this one (k = 60): "
        "num = k*Vb - sum x; den = sqrt(k*(sum x*x) - (sum x)*(sum x)) (integers to the end, 128 bits, then double); None if den == 0.0 else clamp(num/den, -3, 3)/3.",
    ),
    _bar(
        25, "spread_tickiness", "even", 0.0, 1.0, "a quote during the bar",
        "t = (sum (ask - bid)*dt) / (sum dt) over the bar's minute; clamp((t - 1.0)/2.0, 0, 1); None when no time had a quote.",
    ),
    SignalSpec(
        id=27, name="dvs", number=28, cadence="tick", parity="even", unit="1", low=0.0, high=1.0, scale=0.0, warm_up="start",
        formula="data score in hundredths / 100.", source="specification 4",
    ),
    _flow(32, "spread_ticks", "even", "ticks", 2.0, "first quote", "ask - bid."),
    _flow(
        33, "microprice_dev", "odd", "ticks", 0.25, "first quote",
        "((ask - bid) * (qb - qa)) / (2*(qb + qa)), None when qb + qa == 0.",
    ),
    _flow(
        34, "queue_imbalance", "odd", "1", 0.5, "first quote",
        "(qb - qa) / (qb + qa), None when qb + qa == 0.", low=-1.0, high=1.0,
    ),
    _flow(35, "ofi_1s", "odd", "1", 2.0, "5 s after the first quote", _OFI.format(tau=1), source=_CONT),
    _flow(36, "ofi_5s", "odd", "1", 4.0, "25 s after the first quote", _OFI.format(tau=5), source=_CONT),
    _flow(37, "ofi_30s", "odd", "1", 8.0, "150 s after the first quote", _OFI.format(tau=30), source=_CONT),
    _flow(38, "trade_imb_1s", "odd", "1", 0.5, "5 s after the first trade", _TIMB.format(tau=1), low=-1.0, high=1.0),
    _flow(39, "trade_imb_5s", "odd", "1", 0.5, "25 s after the first trade", _TIMB.format(tau=5), low=-1.0, high=1.0),
    _flow(40, "trade_imb_30s", "odd", "1", 0.5, "150 s after the first trade", _TIMB.format(tau=30), low=-1.0, high=1.0),
    _flow(41, "mom_1s", "odd", "ticks", 2.0, "ring[g] written", _MOM.format(tau=1)),
    _flow(42, "mom_5s", "odd", "ticks", 4.0, "ring[g] written", _MOM.format(tau=5)),
    _flow(43, "mom_30s", "odd", "ticks", 8.0, "ring[g] written", _MOM.format(tau=30)),
    _flow(44, "rv_30s", "even", "ticks/sqrt(s)", 1.0, "150 s after the first quote", _RV.format(tau=30), low=0.0, cadence="grid"),
    _flow(45, "rv_300s", "even", "ticks/sqrt(s)", 1.0, "1500 s after the first quote", _RV.format(tau=300), low=0.0, cadence="grid"),
    _flow(
        46, "intensity_sum", "even", "trades/s", 10.0, "25 s after the first trade",
        "At each trade with qty > 0: wt = w(ts - last trade ts, 5 s); A = A*wt + 1.0; B = B*wt + (1.0 if buy else 0.0); G = G*wt + (1.0 if sell else 0.0). "
        "Value at t: (A * w(t - last trade ts, 5 s)) / 5.0.", low=0.0,
    ),
    _flow(
        47, "intensity_imb", "odd", "1", 0.5, "25 s after the first trade",
        "(B - G) / A of intensity_sum.", low=-1.0, high=1.0,
    ),
    _flow(
        48, "sweep_ticks", "odd", "ticks", 3.0, "first trade with a known aggressor",
        "A run of trades (qty > 0) with one known aggressor: continues while ts - ts of its first trade <= 250 ms, else (or on the other side) a new run begins with this trade; "
        "first = its first price, ext = its highest (buy) or lowest (sell) price. Value at t: 0.0 if t - ts of its last trade > 250 ms else ext - first. Trades of unknown aggressor are passed over.",
    ),
    _flow(
        49, "absorption", "odd", "contracts", 100.0, "first quote",
        "B += qty of each buy at exactly the ask, G += qty of each sell at exactly the bid (a quote exists); a quote with another ask price sets B = 0, with another bid price G = 0. Value: B - G.",
    ),
    _flow(
        50, "kyle_lambda", "even", "ticks/contract", 0.01, "300 s after the first trade and a nonzero denominator",
        "At each whole second: dm = mid2 - mid2 at the previous whole second, x = signed volume of trades since then; when both mids exist: "
        "P = P*w1 + x*dm, Q = Q*w1 + x*x (x and dm as doubles, w1 = w(1 s, 60 s)); x then restarts at 0. Value: None if Q == 0.0 else P / Q / 2.0.", cadence="second",
    ),
    _flow(
        51, "vpin", "even", "1", 0.5, "50 buckets",
        "Volume buckets of size Z (configuration). Each trade's qty (at most 52*Z of it) fills the open bucket, twice its buy, sell (unknown: once each) volume counted; a full bucket puts "
        "abs(buy2 - sell2) into a ring of 50. At each whole second: (sum of the ring) / (2*50*Z).", low=0.0, high=1.0, cadence="second",
        source="Easley, Lopez de Prado, O'Hara (2012), Flow Toxicity and Liquidity in a High-Frequency World",
    ),
    _flow(
        52, "stream_age_ms", "even", "ms", 1000.0, "first frame",
        "(t - ts of the last quote, trade or rejected record) / 1000000.0.", low=0.0,
    ),
)  # fmt: skip

SIGNAL_BY_NAME: Final[dict[str, SignalSpec]] = {spec.name: spec for spec in SIGNALS}
SIGNAL_BY_ID: Final[dict[int, SignalSpec]] = {spec.id: spec for spec in SIGNALS}
SIGNAL_SLOTS: Final = 56  # ids run below this; 0..27 follow the specification's numbering, 32.. are order flow

assert len(SIGNAL_BY_NAME) == len(SIGNAL_BY_ID) == len(SIGNALS)
assert max(SIGNAL_BY_ID) < SIGNAL_SLOTS
