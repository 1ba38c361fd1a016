"""The definition of every signal: kernel, reference, documentation and templates are held to these rows.

Terms: `C, O, H, L, Vb` close, open, high, low and volume of the 60 s bar just closed; `X[i]` is X of the i-th bar before it; `N, V` notional
and volume since the anchor; `n` bars since the anchor (this one included); `S5, S14, S30` sums of TR over the last 5, 14, 30 bars;
`vz` is 3.0 * vol_z; "None if any is" means that a signal named in the formula without a value leaves this one without; sessions of bars,
`ts_open`, `rth_open`: docs/kernel.md, section 4; `w(dt, tau)`, `s(x)`, None and all rules of arithmetic: docs/kernel.md. Sums run from the oldest bar to the newest.
"""

from typing import Final, Literal

import msgspec

Cadence = Literal["bar", "tick", "grid", "second", "fed"]
Parity = Literal["odd", "even"]


class SignalSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One signal.

    `number` is its row in section 3.1 of the specification, 0 for others; `scale` is k of s(x/k), 0 where the value enters as it is.
    A `category` carries no weight: it may only be a trigger.
    """

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
    category: bool = False


_SPEC_31: Final = "specification 3.1"
_SPEC_32: Final = "specification 3.2"
_CONT: Final = "Cont, Kukanov, Stoikov (2014), The Price Impact of Order Book Events"
_INF: Final = None


def _bar(
    number: int,
    name: str,
    parity: Parity,
    low: float,
    high: float,
    warm_up: str,
    formula: str,
    *,
    signal_id: int | None = None,
    source: str = _SPEC_31,
    category: bool = False,
) -> SignalSpec:
    return SignalSpec(
        id=number - 1 if signal_id is None else signal_id,
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
        source=source,
        category=category,
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

_FAILED: Final = (
    "for k = 0..{back} (bars back), lo = lowest low and hi = highest high of the {window} bars before bar k: a failed break down if lo - L[k] >= {depth} and C > lo, "
    "a failed break up if H[k] - hi >= {depth} and C < hi. For each side the smallest such k counts. down = lo - L[k] or 0, up = H[k] - hi or 0; "
    "0.0 if both are above 0, else clamp((down - up) / 16.0, -1, 1)."
)


def _fed(signal_id: int, name: str, parity: Parity, formula: str, source: str) -> SignalSpec:
    return SignalSpec(
        id=signal_id,
        name=name,
        number=0,
        cadence="fed",
        parity=parity,
        unit="1",
        low=-1.0 if parity == "odd" else 0.0,
        high=1.0,
        scale=0.0,
        warm_up="once the core has given it",
        formula=formula,
        source=source,
    )


_CONTEXT: Final = "the value times the conviction of the newest message that the configuration maps to this slot, while it is not older than its time to live; None otherwise."

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
        9, "gap_from_prev_close_n", "odd", -1.0, 1.0, "a prior session and a bar of this one",
        "F the open of this session's first bar, P the close of the prior session's last, sd its deviation; None if there is none or sd == 0.0, "
        "and in bars outside the session; clamp((F - P) / sd, -2, 2)/2.",
    ),
    _bar(
        10, "distance_from_poc_proxy", "odd", -1.0, 1.0, "a prior session",
        "Np, Vp, sd of the prior session; None if there is none, Vp == 0 or sd == 0.0; clamp(((C*Vp - Np) / Vp) / sd, -3, 3)/3.",
    ),
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
        14, "vol_slope_20", "even", -1.0, 1.0, "n >= 20",
        "the last 20 bars, weights u = 2*j - 19, j = 0 oldest .. 19 newest; T = sum Vb, Q = sum u*Vb (integers); 0.0 if T == 0 else "
        "clamp((20.0 * (2.0*Q / 2660.0)) / (T / 20.0), -1, 1).",
    ),
    _bar(
        15, "effort_vs_result", "even", -1.0, 1.0, "n >= 101",
        "over the 100 bars before this one: mV, mB twice the median (sum of the two middle values) of Vb and of abs(C - O); None if mV == 0 or mB == 0; "
        "s(2*Vb / mV - 2*abs(C - O) / mB).",
    ),
    _bar(
        16, "range_expansion_on_volume", "even", 0.0, 1.0, "30 bars of TR and vol_z",
        "r = 0.0 if S30 == 0 else TR / (S30/30); None if vol_z is; (min(r, 2.0) * max(vz, 0.0)) / 6.0.",
    ),
    _bar(17, "climax_bar_flag", "even", 0.0, 1.0, "14 bars of TR and vol_z", "1.0 if 7*TR > S14 and vz > 2.0 else 0.0; None if vol_z is."),
    _bar(18, "quiet_bar_flag", "even", 0.0, 1.0, "14 bars of TR and vol_z", "1.0 if 28*TR < S14 and vz < -1.0 else 0.0; None if vol_z is."),
    _bar(
        19, "consecutive_high_vol_bars", "even", 0.0, 1.0, "vol_z",
        "the number of bars in a row up to this one with vz > 1.0; a bar with another vz or none, an anchor and a bar refused for vol_z end the run; None if vol_z is; min(run, 5)/5.0.",
    ),
    _bar(
        20, "participation_expansion_index", "even", 0.0, 1.0, "30 bars of TR, vol_z and effort_vs_result",
        "r = 0.0 if S30 == 0 else TR / (S30/30); None if any is; sigma(((vz + r) - 1.0) - effort_vs_result).",
    ),
    _bar(
        21, "session_phase", "even", 0.0, 6.0, "a session row with RTH",
        "d = ts_open - rth_open, m = rth_close - rth_open; 0.0 if d < 0; 1.0, 2.0, 3.0, 4.0, 5.0 for the first of 60, 120, 240, 330, 390 with d*390 < that*m; else 6.0. "
        "None without a row or RTH.", category=True,
    ),
    _bar(
        22, "opening_range_break", "odd", -1.0, 1.0, "15 min of the session, 10 bars of them, and 14 bars of TR",
        "A = rth_open if anchors are RTH's else the row's open; hi, lo over this row's bars with A <= ts_open < A + 15 min; None if they are fewer than 10, if ts_open < A + 15 min, "
        "and outside the session; d = C - hi if C > hi, C - lo if C < lo, else 0; 0.0 if S14 == 0 else clamp(d / (S14/14), -1, 1).",
    ),
    _bar(23, "lunch_void_gate", "even", 0.0, 1.0, "session_phase and quiet_bar_flag", "1.0 if session_phase == 3.0 and quiet_bar_flag == 1.0 else 0.0; None if any is."),
    _bar(
        24, "close_magnet_index", "even", 0.0, 1.0, "in the last hour vwap_z and vol_z, else 1 bar",
        "if rth_close - 1 h <= ts_open < rth_close: None if any is, sigma(-(3.0 * abs(vwap_z)) + vz); else 0.0.",
    ),
    _bar(
        25, "spread_tickiness", "even", 0.0, 1.0, "a quote during the bar",
        "t = (sum (ask - bid)*dt) / (sum dt) over the bar's minute; clamp((t - 1.0)/2.0, 0, 1); None when no time had a quote.",
    ),
    _bar(
        26, "slippage_risk", "even", 0.0, 1.0, "1 bar",
        "q = expected slippage (docs/kernel.md, section 8) at the bar's end, with atr_14_n of this bar and the quote then; min(q / 6.0, 1.0).",
    ),
    _bar(
        27, "friction_regime_index", "even", 0.0, 1.0, "14 bars of TR",
        "1.0 if S14 == 0 else clamp((c + q) / (S14/14), 0, 1), c the round-trip commission in ticks, q as in slippage_risk.",
    ),
    SignalSpec(
        id=27, name="dvs", number=28, cadence="tick", parity="even", unit="1", low=0.0, high=1.0, scale=0.0, warm_up="start",
        formula="data score in hundredths / 100.", source="specification 4",
    ),
    _bar(
        0, "noise", "even", 0.0, 1.0, "n >= 21",
        "P = sum of abs(C[i] - C[i+1]) for i = 0..19; 1.0 if P == 0 else 1.0 - abs(C - C[20]) / P.", signal_id=28, source="specification 3.1, below the table",
    ),
    _bar(
        0, "failed_break", "odd", -1.0, 1.0, "n >= 64",
        _FAILED.format(back=3, window=60, depth=4), signal_id=29, source="specification 6.4, K2",
    ),
    _bar(
        0, "sweep_reversal", "odd", -1.0, 1.0, "n >= 23",
        _FAILED.format(back=2, window=20, depth=6), signal_id=30, source="specification 6.4, K3",
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
    _fed(
        53, "level_bias", "odd",
        "docs/levels.md: weight of the nearest live level below the close minus that of the nearest above, each fading with its distance.",
        "features DG13",
    ),
    _fed(54, "context_1", "odd", _CONTEXT, "features SG10"),
    _fed(55, "context_2", "odd", _CONTEXT, "features SG10"),
    _fed(56, "context_3", "even", _CONTEXT, "features SG10"),
    _fed(57, "context_4", "even", _CONTEXT, "features SG10"),
)  # fmt: skip

SIGNAL_BY_NAME: Final[dict[str, SignalSpec]] = {spec.name: spec for spec in SIGNALS}
SIGNAL_BY_ID: Final[dict[int, SignalSpec]] = {spec.id: spec for spec in SIGNALS}
SIGNAL_SLOTS: Final = 64  # ids run below this; 0..27 follow the specification's numbering, ..31 are bar signals too, 32.. order flow, 53.. fed by the core

assert len(SIGNAL_BY_NAME) == len(SIGNAL_BY_ID) == len(SIGNALS)
assert max(SIGNAL_BY_ID) < SIGNAL_SLOTS
