"""Bars of 1 s, 5 s and 60 s and what their closing brings about (docs/kernel.md, sections 3 and 4)."""

from tests.reference.arith import MINUTE_NS, NS_PER_S
from tests.reference.bar_sessions import BarSessions
from tests.reference.bar_signals import BAR_SIGNALS, Closing
from tests.reference.costs import expected_slippage
from tests.reference.history import Minute, OpenBar, Slot
from tests.reference.session import Session
from trading_bot.domain.kernel import KernelConfig

PERIODS_S = (1, 5, 60)
RING = 128
SLOTS_KEPT = 20  # earlier sessions; the current one comes on top


class Bars:
    """Bars, histories and bar signals; `forget` is what a price gap does."""

    def __init__(self, config: KernelConfig, session: Session) -> None:
        self.config = config
        self.session = session
        self.commission = config.commission_ticks
        self.slots = [Slot()]  # oldest first; the last is the current session
        self.forget()

    def forget(self) -> None:
        """Start afresh, except for the time-of-day histories."""
        self.open: dict[int, OpenBar | None] = dict.fromkeys(PERIODS_S)
        self.closed: dict[int, list[tuple[int, ...]]] = {period: [] for period in PERIODS_S}
        self.ring: list[Minute] = []
        self.anchored_notional = self.anchored_volume = self.n = 0
        self.sessions = BarSessions(anchor_rth=self.config.anchor_rth)
        self.high_volume_run = 0
        self.spread_sum = self.spread_dt = 0
        self.spread: int | None = None
        self.spread_from = 0
        self.values: dict[str, float | None] = dict.fromkeys(BAR_SIGNALS)
        self.flagged: set[str] = set()  # signals whose last value came from the fallback of their row
        self.previous: dict[str, float | None] = dict.fromkeys(BAR_SIGNALS)

    def advance_session(self, t: int) -> bool:
        """Move the session to `t`; True when the day rolled."""
        rolled, anchored = self.session.advance(t)
        if rolled:
            self.slots = [*self.slots, Slot()][-(SLOTS_KEPT + 1) :]
            self.sessions.roll()
        if anchored:
            self.anchored_notional = self.anchored_volume = self.n = 0
            self.high_volume_run = 0
        return rolled

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

    def on_grid(self, g: int) -> tuple[OpenBar | None, int, int]:
        """Close the bars that end at `g`; the 60 s bar that did, and its minute's spread sum and time."""
        closed: OpenBar | None = None
        spread_sum = spread_dt = 0
        for period in PERIODS_S:
            if g % (period * NS_PER_S) != 0:
                continue
            bar, self.open[period] = self.open[period], None
            if bar is not None:
                self.closed[period].append(bar.row())
            if period == 60:
                self.accrue_spread(g)
                spread_sum, spread_dt = self.spread_sum, self.spread_dt
                if bar is not None:
                    self.close_minute(bar, spread_sum, spread_dt, self.spread)
                    closed = bar
                self.spread_sum = self.spread_dt = 0
        return closed, spread_sum, spread_dt

    def refuses(self, bar: OpenBar) -> bool:
        if bar.low > min(bar.open, bar.close) or bar.high < max(bar.open, bar.close):
            return True
        return bar.low <= 0 or bar.volume < 0 or bool(self.ring and bar.ts_open <= self.ring[-1].bar.ts_open)

    def on_history(self, bar: OpenBar) -> None:
        """A closed historical 60 s bar, after `advance_session`."""
        self.closed[60].append(bar.row())
        self.close_minute(bar, 0, 0, None)

    def close_minute(self, bar: OpenBar, spread_sum: int, spread_dt: int, spread: int | None) -> None:
        tr = bar.high - bar.low
        if self.ring:
            prev_close = self.ring[-1].bar.close
            tr = max(bar.high, prev_close) - min(bar.low, prev_close)
        self.anchored_notional += bar.notional
        self.anchored_volume += bar.volume
        self.n += 1
        self.ring = [*self.ring, Minute(bar, tr, self.anchored_notional, self.anchored_volume)][-RING:]
        row, ts_open = self.session.current, bar.ts_open
        self.sessions.take(row, bar)

        def slippage(atr_14_n: float | None) -> float:
            cfg, end = self.config, ts_open + MINUTE_NS
            factor = self.session.slippage_factor(end, cfg.first_hour_factor, cfg.last_hour_factor)
            return min(expected_slippage(cfg.slippage_base_ticks, factor, atr_14_n, spread), cfg.slippage_cap_ticks)

        closing = Closing(
            self.ring, self.n, row, self.slots, self.sessions, self.high_volume_run, spread_sum, spread_dt,
            self.commission, slippage,
        )  # fmt: skip
        closing.evaluate()
        self.previous, self.values, self.flagged = self.values, closing.values, closing.flagged
        vz = closing.vz()
        self.high_volume_run = self.high_volume_run + 1 if vz is not None and vz > 1.0 else 0
        bucket = None if row is None else row.bucket(ts_open)
        minute = None if row is None else row.minute(ts_open)
        s14 = closing.tr_sum(14)
        if bucket is not None and s14 is not None:
            self.slots[-1].keep_s14(bucket, s14)
        if minute is not None:
            self.slots[-1].volume_by_minute[minute] = bar.volume
