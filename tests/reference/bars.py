"""Bars of 1 s, 5 s and 60 s, time-of-day histories and bar signals (docs/kernel.md, section 4; the registry)."""

import math
from dataclasses import dataclass

from tests.reference.arith import NS_PER_S, clamp, ratio
from tests.reference.session import Session

PERIODS_S = (1, 5, 60)
RING = 128
SLOTS_KEPT = 20  # earlier sessions; the current one comes on top
SESSIONS_NEEDED = 5
POOL_NEEDED = 30

BAR_SIGNALS = (
    "vwap_z",
    "vwap_slope",
    "atr_14_n",
    "range_compression",
    "hhll_trend_strength",
    "breakout_distance_n",
    "rejection_wick_n",
    "close_location_value",
    "micro_trend_5",
    "real_body_impulse_n",
    "vol_z",
    "spread_tickiness",
)


@dataclass
class OpenBar:
    """Prices in ticks, notional in ticks × contracts."""

    ts_open: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    notional: int
    trades: int

    def add(self, price: int, qty: int) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += qty
        self.notional += price * qty
        self.trades += 1

    def row(self) -> tuple[int, int, int, int, int, int, int, int]:
        return (self.ts_open, self.open, self.high, self.low, self.close, self.volume, self.notional, self.trades)


@dataclass(frozen=True)
class Minute:
    """A closed 60 s bar in the ring, with its true range and the anchored sums as of its close."""

    bar: OpenBar
    tr: int
    anchored_notional: int
    anchored_volume: int


class Slot:
    """One session of the two histories."""

    def __init__(self) -> None:
        self.s14_by_bucket: dict[int, list[int]] = {}
        self.volume_by_minute: dict[int, int] = {}


class Bars:
    """Everything of section 4; `forget` is what a price gap does."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.slots = [Slot()]  # oldest first; the last is the current session
        self.forget()

    def forget(self) -> None:
        """Start afresh, except for the time-of-day histories."""
        self.open: dict[int, OpenBar | None] = dict.fromkeys(PERIODS_S)
        self.closed: dict[int, list[tuple[int, ...]]] = {period: [] for period in PERIODS_S}
        self.ring: list[Minute] = []
        self.anchored_notional = self.anchored_volume = self.n = 0
        self.spread_sum = self.spread_dt = 0
        self.spread: int | None = None
        self.spread_from = 0
        self.values: dict[str, float | None] = dict.fromkeys(BAR_SIGNALS)
        self.flagged: set[str] = set()  # signals whose last value came from the fallback of their row
        self.previous: dict[str, float | None] = dict.fromkeys(BAR_SIGNALS)

    def advance_session(self, t: int) -> None:
        rolled, anchored = self.session.advance(t)
        if rolled:
            self.slots = [*self.slots, Slot()][-(SLOTS_KEPT + 1) :]
        if anchored:
            self.anchored_notional = self.anchored_volume = self.n = 0

    def accrue_spread(self, now: int) -> None:
        if self.spread is not None:
            self.spread_sum += self.spread * (now - self.spread_from)
            self.spread_dt += now - self.spread_from
            self.spread_from = now

    def on_quote(self, now: int, spread: int) -> None:
        self.accrue_spread(now)
        self.spread, self.spread_from = spread, now

    def on_trade(self, now: int, price: int, qty: int) -> None:
        for period in PERIODS_S:
            bar = self.open[period]
            if bar is None:
                ts_open = now // (period * NS_PER_S) * (period * NS_PER_S)
                bar = self.open[period] = OpenBar(ts_open, price, price, price, price, 0, 0, 0)
            bar.add(price, qty)

    def on_grid(self, g: int) -> bool:
        """Close the bars that end at `g`; True when a 60 s bar did."""
        minute_closed = False
        for period in PERIODS_S:
            if g % (period * NS_PER_S) != 0:
                continue
            bar, self.open[period] = self.open[period], None
            if period == 60:
                self.accrue_spread(g)
            if bar is not None:
                self.closed[period].append(bar.row())
                if period == 60:
                    self.close_minute(bar, self.spread_sum, self.spread_dt)
                    minute_closed = True
            if period == 60:
                self.spread_sum = self.spread_dt = 0
        return minute_closed

    def on_history(self, bar: OpenBar) -> int:
        """A closed historical 60 s bar; -1 when it is refused."""
        if bar.low > min(bar.open, bar.close) or bar.high < max(bar.open, bar.close):
            return -1
        if bar.low <= 0 or bar.volume < 0 or (self.ring and bar.ts_open <= self.ring[-1].bar.ts_open):
            return -1
        self.advance_session(bar.ts_open)
        self.closed[60].append(bar.row())
        self.close_minute(bar, 0, 0)
        return 0

    def close_minute(self, bar: OpenBar, spread_sum: int, spread_dt: int) -> None:
        if self.ring:
            prev_close = self.ring[-1].bar.close
            tr = max(bar.high, prev_close) - min(bar.low, prev_close)
        else:
            tr = bar.high - bar.low
        self.anchored_notional += bar.notional
        self.anchored_volume += bar.volume
        self.n += 1
        self.ring = [*self.ring, Minute(bar, tr, self.anchored_notional, self.anchored_volume)][-RING:]
        row = self.session.current
        bucket = None if row is None else row.bucket(bar.ts_open)
        minute = None if row is None else row.minute(bar.ts_open)
        self.previous = self.values
        self.flagged = set()
        self.values = {
            "vwap_z": self._vwap_z(),
            "vwap_slope": self._vwap_slope(),
            "atr_14_n": self._atr_14_n(bucket),
            "range_compression": self._range_compression(),
            "hhll_trend_strength": self._hhll(),
            "breakout_distance_n": self._breakout(),
            "rejection_wick_n": self._wick(),
            "close_location_value": self._clv(),
            "micro_trend_5": self._micro_trend(),
            "real_body_impulse_n": self._body(),
            "vol_z": self._vol_z(minute),
            "spread_tickiness": self._tickiness(spread_sum, spread_dt),
        }
        s14 = self._tr_sum(14)
        if bucket is not None and s14 is not None:
            self.slots[-1].s14_by_bucket.setdefault(bucket, []).append(s14)
        if minute is not None:
            self.slots[-1].volume_by_minute[minute] = bar.volume

    def _tr_sum(self, length: int) -> int | None:
        return sum(m.tr for m in self.ring[-length:]) if len(self.ring) >= length else None

    def _last(self, count: int) -> list[Minute]:
        """The last `count` bars, oldest first; only called when there are that many."""
        return self.ring[-count:]

    def _vwap_z(self) -> float | None:
        if self.n < 60:
            return None
        x = []
        for m in self._last(60):
            v = m.anchored_volume
            x.append(0.0 if v == 0 else ratio(m.bar.close * v - m.anchored_notional, v))
        total = 0.0
        for value in x:
            total += value
        mean = total / 60.0
        total = 0.0
        for value in x:
            total += (value - mean) * (value - mean)
        sd = math.sqrt(total / 60.0)
        return None if sd == 0.0 else clamp(x[-1] / sd, -3.0, 3.0) / 3.0

    def _vwap_slope(self) -> float | None:
        s30 = self._tr_sum(30)
        if self.n < 30 or s30 is None:
            return None
        if s30 == 0:
            return 0.0
        close = self.ring[-1].bar.close
        total = 0.0
        for j, m in enumerate(self._last(30)):
            v = m.anchored_volume
            y = 0.0 if v == 0 else ratio(m.anchored_notional - close * v, v)
            total += float(2 * j - 29) * y
        slope = 2.0 * total / 8990.0
        return clamp(slope * math.sqrt(30.0) / ratio(s30, 30), -1.0, 1.0)

    def _atr_14_n(self, bucket: int | None) -> float | None:
        s14 = self._tr_sum(14)
        if s14 is None:
            return None
        values: list[int] = []
        if bucket is not None:
            lists = [slot.s14_by_bucket.get(bucket, []) for slot in self.slots[:-1]]
            if sum(1 for found in lists if found) >= SESSIONS_NEEDED:
                values = [value for found in lists for value in found]
        if not values:
            values = [value for slot in self.slots for found in slot.s14_by_bucket.values() for value in found]
            if len(values) < POOL_NEEDED:
                return None
            self.flagged.add("atr_14_n")
        values.sort()
        half = len(values) // 2
        m2 = 2 * values[half] if len(values) % 2 else values[half - 1] + values[half]
        return None if m2 == 0 else clamp(ratio(2 * s14, m2), 0.0, 3.0) / 3.0

    def _range_compression(self) -> float | None:
        s5, s30 = self._tr_sum(5), self._tr_sum(30)
        if s5 is None or s30 is None:
            return None
        r = 0.0 if s30 == 0 else ratio(s5, 5) / ratio(s30, 30)
        return clamp(1.5 - r, 0.0, 1.0)

    def _hhll(self) -> float | None:
        if self.n < 31:
            return None
        bars = [m.bar for m in self._last(31)]
        pairs = list(zip(bars[1:], bars[:-1], strict=True))
        up = sum(1 for b, p in pairs if b.high > p.high and b.low > p.low)
        down = sum(1 for b, p in pairs if b.low < p.low and b.high < p.high)
        return ratio(up - down, 30)

    def _breakout(self) -> float | None:
        s14 = self._tr_sum(14)
        if self.n < 61 or s14 is None:
            return None
        if s14 == 0:
            return 0.0
        close = self.ring[-1].bar.close
        prior = [m.bar for m in self._last(61)[:-1]]
        high, low = max(b.high for b in prior), min(b.low for b in prior)
        d = close - high if close > high else close - low if close < low else 0
        return clamp(float(d) / ratio(s14, 14), -2.0, 2.0) / 2.0

    def _wick(self) -> float | None:
        m = self.ring[-1]
        b = m.bar
        if m.tr == 0:
            return 0.0
        return ratio((min(b.open, b.close) - b.low) - (b.high - max(b.open, b.close)), m.tr)

    def _clv(self) -> float | None:
        b = self.ring[-1].bar
        return 0.0 if b.high == b.low else ratio((b.close - b.low) - (b.high - b.close), b.high - b.low)

    def _micro_trend(self) -> float | None:
        s14 = self._tr_sum(14)
        if self.n < 6 or s14 is None:
            return None
        if s14 == 0:
            return 0.0
        change = self.ring[-1].bar.close - self.ring[-6].bar.close
        return clamp(float(change) / (ratio(s14, 14) * math.sqrt(5.0)), -1.0, 1.0)

    def _body(self) -> float | None:
        s14 = self._tr_sum(14)
        if s14 is None:
            return None
        b = self.ring[-1].bar
        return 0.0 if s14 == 0 else clamp(float(b.close - b.open) / ratio(s14, 14), -2.0, 2.0) / 2.0

    def _vol_z(self, minute: int | None) -> float | None:
        x: list[int] = []
        if minute is not None:
            x = [slot.volume_by_minute[minute] for slot in self.slots[:-1] if minute in slot.volume_by_minute]
        if len(x) < SESSIONS_NEEDED:
            if self.n < 61:
                return None
            self.flagged.add("vol_z")
            x = [m.bar.volume for m in self._last(61)[:-1]]
        k = len(x)
        num = float(k * self.ring[-1].bar.volume - sum(x))
        den = math.sqrt(float(k * sum(v * v for v in x) - sum(x) * sum(x)))
        return None if den == 0.0 else clamp(num / den, -3.0, 3.0) / 3.0

    @staticmethod
    def _tickiness(spread_sum: int, spread_dt: int) -> float | None:
        return None if spread_dt == 0 else clamp((ratio(spread_sum, spread_dt) - 1.0) / 2.0, 0.0, 1.0)


def history_bar(ts_open: int, o: int, h: int, l: int, c: int, volume: int, notional: int) -> OpenBar:  # noqa: E741
    """A historical bar as `on_bar` receives it; its number of trades is unknown and 0."""
    return OpenBar(ts_open, o, h, l, c, volume, notional, 0)
