"""Top of book and order flow: every signal of specification 3.2, from its registry row."""

import math
from dataclasses import dataclass

from tests.reference.arith import GRID_NS, NS_PER_MS, NS_PER_S, ratio, weight
from trading_bot.domain.records import Aggressor

OFI_TAU_S = (1, 5, 30)
TRADE_IMB_TAU_S = (1, 5, 30)
MOM_W_S = (1, 5, 30)
RV_TAU_S = (30, 300)
INTENSITY_TAU_NS = 5 * NS_PER_S
SWEEP_NS = 250 * NS_PER_MS
KYLE_TAU_NS = 60 * NS_PER_S
VPIN_BUCKETS = 50
RING_KEPT_NS = 60 * NS_PER_S  # longer than any momentum window


@dataclass(frozen=True)
class Quote:
    """Top of book, prices in ticks."""

    bid: int
    bid_qty: int
    ask: int
    ask_qty: int

    @property
    def mid2(self) -> int:
        return self.bid + self.ask


class OrderFlowImbalance:
    """ofi: F decayed order flow, D and M decayed depth and count of quotes."""

    def __init__(self, tau_s: int) -> None:
        self.tau_ns = tau_s * NS_PER_S
        self.f = self.d = self.m = 0.0

    def update(self, dt_ns: int, e: int, q: Quote) -> None:
        wt = weight(dt_ns, self.tau_ns)
        self.f = self.f * wt + float(e)
        self.d = self.d * wt + 0.5 * float(q.bid_qty + q.ask_qty)
        self.m = self.m * wt + 1.0

    def value(self, since_first_ns: int, since_last_ns: int) -> float | None:
        if since_first_ns < 5 * self.tau_ns or self.m == 0.0:
            return None
        mean = self.d / self.m
        if mean == 0.0:
            return 0.0
        return (self.f * weight(since_last_ns, self.tau_ns)) / mean


class TradeImbalance:
    """trade_imb: decayed signed volume over decayed volume."""

    def __init__(self, tau_s: int) -> None:
        self.tau_ns = tau_s * NS_PER_S
        self.f = self.d = 0.0

    def update(self, dt_ns: int, sign: int, qty: int) -> None:
        wt = weight(dt_ns, self.tau_ns)
        self.f = self.f * wt + float(sign * qty)
        self.d = self.d * wt + float(qty)

    def value(self, since_first_ns: int) -> float | None:
        if since_first_ns < 5 * self.tau_ns:
            return None
        return self.f / self.d


class RealisedVolatility:
    """rv: S, the decayed sum of squared changes of mid2; cached at grid points."""

    def __init__(self, tau_s: int) -> None:
        self.tau_s = tau_s
        self.tau_ns = tau_s * NS_PER_S
        self.s = 0.0
        self.cached: float | None = None

    def update(self, dt_ns: int, dm: int) -> None:
        self.s = self.s * weight(dt_ns, self.tau_ns) + float(dm * dm)

    def evaluate(self, since_first_ns: int, since_change_ns: int) -> None:
        if since_first_ns < 5 * self.tau_ns:
            self.cached = None
            return
        per_second = float(self.tau_s)
        self.cached = math.sqrt(self.s * weight(since_change_ns, self.tau_ns) / 4.0 / per_second)


class Vpin:
    """Volume buckets of `size`; twice the buy and sell volume, so that unknown volume counts half for each side."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.filled = self.buy2 = self.sell2 = 0
        self.ring: list[int] = []
        self.cached: float | None = None

    def trade(self, qty: int, sign: int) -> None:
        left = min(qty, 52 * self.size)
        while left > 0:
            part = min(left, self.size - self.filled)
            self.filled += part
            self.buy2 += part * (1 + sign)
            self.sell2 += part * (1 - sign)
            left -= part
            if self.filled == self.size:
                self.ring = [*self.ring, abs(self.buy2 - self.sell2)][-VPIN_BUCKETS:]
                self.filled = self.buy2 = self.sell2 = 0

    def evaluate(self) -> None:
        full = len(self.ring) == VPIN_BUCKETS
        self.cached = ratio(sum(self.ring), 2 * VPIN_BUCKETS * self.size) if full else None


class Flow:
    """The current quote and everything the order-flow signals remember; rebuilt after a price gap."""

    def __init__(self, vpin_bucket_qty: int) -> None:
        self.quote: Quote | None = None
        self.first_quote_ns = self.last_quote_ns = self.last_change_ns = 0
        self.ofi = [OrderFlowImbalance(tau) for tau in OFI_TAU_S]
        self.rv = [RealisedVolatility(tau) for tau in RV_TAU_S]
        self.mids: dict[int, int] = {}
        self.first_trade_ns: int | None = None
        self.last_trade_ns = 0
        self.trade_imb = [TradeImbalance(tau) for tau in TRADE_IMB_TAU_S]
        self.count = self.buys = self.sells = 0.0
        self.run_sign = self.run_first = self.run_extreme = self.run_first_ns = self.run_last_ns = 0
        self.absorbed_buy = self.absorbed_sell = 0
        self.kyle_p = self.kyle_q = 0.0
        self.kyle_mid2: int | None = None
        self.kyle_x = 0
        self.kyle_cached: float | None = None
        self.vpin = Vpin(vpin_bucket_qty)

    def on_quote(self, now: int, new: Quote) -> None:
        old = self.quote
        if old is None:
            self.first_quote_ns = self.last_change_ns = now
        else:
            e = (new.bid_qty if new.bid >= old.bid else 0) - (old.bid_qty if new.bid <= old.bid else 0)
            e += (old.ask_qty if new.ask >= old.ask else 0) - (new.ask_qty if new.ask <= old.ask else 0)
            for ofi in self.ofi:
                ofi.update(now - self.last_quote_ns, e, new)
            dm = new.mid2 - old.mid2
            if dm != 0:
                for rv in self.rv:
                    rv.update(now - self.last_change_ns, dm)
                self.last_change_ns = now
            if new.ask != old.ask:
                self.absorbed_buy = 0
            if new.bid != old.bid:
                self.absorbed_sell = 0
        self.last_quote_ns = now
        self.quote = new

    def on_trade(self, now: int, price: int, qty: int, aggressor: int) -> None:
        """A trade with a positive size."""
        sign = {Aggressor.BUY: 1, Aggressor.SELL: -1}.get(Aggressor(aggressor), 0)
        first = self.first_trade_ns is None
        dt = 0 if first else now - self.last_trade_ns
        if first:
            self.first_trade_ns = now
        for imb in self.trade_imb:
            imb.update(dt, sign, qty)
        wt = weight(dt, INTENSITY_TAU_NS)
        self.count = self.count * wt + 1.0
        self.buys = self.buys * wt + (1.0 if sign > 0 else 0.0)
        self.sells = self.sells * wt + (1.0 if sign < 0 else 0.0)
        self.last_trade_ns = now
        if sign != 0:
            self._sweep(now, price, sign)
        if self.quote is not None:
            if sign > 0 and price == self.quote.ask:
                self.absorbed_buy += qty
            if sign < 0 and price == self.quote.bid:
                self.absorbed_sell += qty
        self.vpin.trade(qty, sign)
        self.kyle_x += sign * qty

    def _sweep(self, now: int, price: int, sign: int) -> None:
        if sign == self.run_sign and now - self.run_first_ns <= SWEEP_NS:
            self.run_extreme = max(self.run_extreme, price) if sign > 0 else min(self.run_extreme, price)
        else:
            self.run_sign = sign
            self.run_first = self.run_extreme = price
            self.run_first_ns = now
        self.run_last_ns = now

    def on_second(self, g: int) -> None:
        """A whole second: kyle_lambda and vpin."""
        mid2 = None if self.quote is None else self.quote.mid2
        if mid2 is not None and self.kyle_mid2 is not None:
            w1 = weight(NS_PER_S, KYLE_TAU_NS)
            x, dm = float(self.kyle_x), float(mid2 - self.kyle_mid2)
            self.kyle_p = self.kyle_p * w1 + x * dm
            self.kyle_q = self.kyle_q * w1 + x * x
        self.kyle_x = 0
        self.kyle_mid2 = mid2
        warm = self.first_trade_ns is not None and g - self.first_trade_ns >= 5 * KYLE_TAU_NS
        self.kyle_cached = self.kyle_p / self.kyle_q / 2.0 if warm and self.kyle_q != 0.0 else None
        self.vpin.evaluate()

    def on_grid(self, g: int) -> None:
        """A grid point: realised volatility, then the mid enters the grid ring."""
        if self.quote is None:
            return
        for rv in self.rv:
            rv.evaluate(g - self.first_quote_ns, g - self.last_change_ns)
        self.mids[g] = self.quote.mid2
        self.mids.pop(g - RING_KEPT_NS, None)

    def read(self, name: str, t: int) -> float | None:
        """A signal's value at time `t` (at or after the last input)."""
        return READERS[name](self, t)


def _spread(flow: Flow, _t: int) -> float | None:
    return None if flow.quote is None else float(flow.quote.ask - flow.quote.bid)


def _microprice(flow: Flow, _t: int) -> float | None:
    q = flow.quote
    if q is None or q.bid_qty + q.ask_qty == 0:
        return None
    return ratio((q.ask - q.bid) * (q.bid_qty - q.ask_qty), 2 * (q.bid_qty + q.ask_qty))


def _queue(flow: Flow, _t: int) -> float | None:
    q = flow.quote
    if q is None or q.bid_qty + q.ask_qty == 0:
        return None
    return ratio(q.bid_qty - q.ask_qty, q.bid_qty + q.ask_qty)


def _ofi(flow: Flow, t: int, i: int) -> float | None:
    if flow.quote is None:
        return None
    return flow.ofi[i].value(t - flow.first_quote_ns, t - flow.last_quote_ns)


def _imbalance(flow: Flow, t: int, i: int) -> float | None:
    return None if flow.first_trade_ns is None else flow.trade_imb[i].value(t - flow.first_trade_ns)


def _mom(flow: Flow, t: int, i: int) -> float | None:
    g = (t - MOM_W_S[i] * NS_PER_S) // GRID_NS * GRID_NS
    if flow.quote is None or g not in flow.mids:
        return None
    return float(flow.quote.mid2 - flow.mids[g]) / 2.0


def _counting(flow: Flow, t: int) -> bool:
    return flow.first_trade_ns is not None and t - flow.first_trade_ns >= 5 * INTENSITY_TAU_NS


def _intensity_sum(flow: Flow, t: int) -> float | None:
    if not _counting(flow, t):
        return None
    return (flow.count * weight(t - flow.last_trade_ns, INTENSITY_TAU_NS)) / 5.0


def _intensity_imb(flow: Flow, t: int) -> float | None:
    return (flow.buys - flow.sells) / flow.count if _counting(flow, t) else None


def _sweep(flow: Flow, t: int) -> float | None:
    if flow.run_sign == 0:
        return None
    return 0.0 if t - flow.run_last_ns > SWEEP_NS else float(flow.run_extreme - flow.run_first)


def _absorption(flow: Flow, _t: int) -> float | None:
    return None if flow.quote is None else float(flow.absorbed_buy - flow.absorbed_sell)


READERS = {
    "spread_ticks": _spread,
    "microprice_dev": _microprice,
    "queue_imbalance": _queue,
    "ofi_1s": lambda flow, t: _ofi(flow, t, 0),
    "ofi_5s": lambda flow, t: _ofi(flow, t, 1),
    "ofi_30s": lambda flow, t: _ofi(flow, t, 2),
    "trade_imb_1s": lambda flow, t: _imbalance(flow, t, 0),
    "trade_imb_5s": lambda flow, t: _imbalance(flow, t, 1),
    "trade_imb_30s": lambda flow, t: _imbalance(flow, t, 2),
    "mom_1s": lambda flow, t: _mom(flow, t, 0),
    "mom_5s": lambda flow, t: _mom(flow, t, 1),
    "mom_30s": lambda flow, t: _mom(flow, t, 2),
    "rv_30s": lambda flow, _t: flow.rv[0].cached,
    "rv_300s": lambda flow, _t: flow.rv[1].cached,
    "intensity_sum": _intensity_sum,
    "intensity_imb": _intensity_imb,
    "sweep_ticks": _sweep,
    "absorption": _absorption,
    "kyle_lambda": lambda flow, _t: flow.kyle_cached,
    "vpin": lambda flow, _t: flow.vpin.cached,
}
