"""`RefHotPath`: the kernel in plain Python, written from docs/kernel.md and the signal registry alone.

It is the oracle of the property tests, bit for bit, and is never shipped. It favours the words of the page over speed.
"""

import math
from collections.abc import Sequence

from tests.reference.arith import GRID_NS, MINUTE_NS, NS_PER_MS, NS_PER_S, ratio
from tests.reference.bar_signals import BAR_SIGNALS
from tests.reference.bars import Bars
from tests.reference.flow import READERS, Flow, Quote
from tests.reference.history import history_bar
from tests.reference.quality import Quality
from tests.reference.session import Session
from tests.reference.templates import Template, Terms, View
from trading_bot.domain.kernel import Cadence, Candidate, ExitReason, KernelConfig, Outcome
from trading_bot.domain.records import TICK_RECORD, FrameClass, FrameKind
from trading_bot.domain.signal_registry import SIGNAL_BY_ID, SIGNALS

TICK_BYTES = TICK_RECORD.size
COUNTERS = {FrameKind.QUOTE: "quotes", FrameKind.TRADE: "trades", FrameKind.REJECTED: "rejected"}


class RefHotPath:
    """The call interface of `HotPath` without a log writer."""

    def __init__(self, config: KernelConfig) -> None:
        self.config = config
        self.session = Session(config.sessions, anchor_rth=config.anchor_rth)
        self.bar_part = Bars(config, self.session)
        self.flow = Flow(config.vpin_bucket_qty)
        self.quality = Quality(config, self.session)
        self.templates = [Template(i, row) for i, row in enumerate(config.templates)]
        self.now_ns = 0
        self.started = False
        self.last_grid_ns = 0
        self.on = [row.enabled for row in config.templates]
        self.entry_mask = 0
        self.throttle = [1.0] * len(self.templates)
        self.sigma_p = [row.sigma_p for row in config.templates]
        self.belief_factor = [1.0] * len(self.templates)
        self.min_euc = config.min_euc_ticks
        self.entry_factor = self.stop_factor = 1.0
        self.fed: dict[str, float | None] = {spec.name: None for spec in SIGNALS if spec.cadence == "fed"}
        self.eqs_c = 100
        self.position: tuple[int, int, int, int] | None = None
        self.exit_mask = self.last_exit_mask = 0
        self.last_outcome_at_grid = False
        self.last_outcome_ts_ns = 0
        self._counts = dict.fromkeys(COUNTERS.values(), 0)
        self._candidates: list[Candidate] = []

    # --- inputs -------------------------------------------------------------------------------------------------

    def on_quote(
        self,
        ts_ns: int,
        bid_ticks: int,
        bid_qty: int,
        ask_ticks: int,
        ask_qty: int,
        ts_event_ns: int = 0,
        flags: int = 0,
    ) -> int:
        record = (FrameKind.QUOTE, flags, ts_ns, ts_event_ns, bid_ticks, ask_ticks, bid_qty, ask_qty, 0)
        return self._single(record)

    def on_trade(
        self, ts_ns: int, price_ticks: int, qty: int, aggressor: int, ts_event_ns: int = 0, flags: int = 0
    ) -> int:
        return self._single((FrameKind.TRADE, flags, ts_ns, ts_event_ns, price_ticks, 0, qty, 0, aggressor))

    def on_rejected(self, ts_ns: int) -> int:
        return self._single((FrameKind.REJECTED, 0, ts_ns, 0, 0, 0, 0, 0, 0))

    def on_gap(self, ts_ns: int, old: int, new: int) -> int:
        return self._single((FrameKind.PRICE_GAP, 0, ts_ns, 0, old, new, 0, 0, 0))

    def on_time(self, ts_ns: int) -> int:
        self._candidates = []
        return self._grid_until(ts_ns) if self.started else 0

    def on_bar(self, ts_open_ns: int, o: int, h: int, l: int, c: int, volume: int, notional: int) -> int:  # noqa: E741
        if self.started:
            return -1
        bar = history_bar(ts_open_ns, o, h, l, c, volume, notional)
        if self.bar_part.refuses(bar):
            return -1
        self._advance_session(ts_open_ns)
        self.bar_part.on_history(bar)
        return 0

    def run(self, ticks: bytes | Sequence[tuple[int, ...]], start: int, deadline_ns: int) -> tuple[int, int]:
        """`ticks`: a buffer of 64-byte records, or tuples as the single calls make them."""
        records = unpack(ticks) if isinstance(ticks, bytes | bytearray | memoryview) else ticks
        self._candidates = []
        for index in range(start, len(records)):
            ts_ns = records[index][2]
            if ts_ns >= deadline_ns:
                return index, self._grid_until(deadline_ns - 1) if self.started else 0
            code = self._grid_until(ts_ns) if self.started else 0
            if code:
                return index, code
            code = self._step(records[index])
            if code:
                return index + 1, code
        return len(records), 0

    def _single(self, record: tuple[int, ...]) -> int:
        self._candidates = []
        if self.started:
            code = self._grid_until(record[2])
            if code:
                return code | Outcome.PENDING
        return self._step(record)

    # --- grid points --------------------------------------------------------------------------------------------

    def _grid_until(self, ts_ns: int) -> int:
        """Run the grid points up to `ts_ns`, until the first outcome."""
        while self.last_grid_ns + GRID_NS <= ts_ns:
            code = self._grid_point(self.last_grid_ns + GRID_NS)
            if code:
                self._remember(code, at_grid=True)
                return code
        return 0

    def _grid_point(self, g: int) -> int:
        self.last_grid_ns = g
        self.now_ns = max(self.now_ns, g)
        closed, spread_sum, spread_dt = self.bar_part.on_grid(g)
        if g % MINUTE_NS == 0:
            self.quality.bar_part.on_minute(g, closed, spread_sum, spread_dt, self.bar_part)
        self._advance_session(g)
        if g % NS_PER_S == 0:
            self.flow.on_second(g)
            self.quality.roll_second(g)
        self.quality.judge_age(g)
        self.quality.judge_book(g, self.flow.quote)
        code = int(Outcome.QUALITY) if self.quality.update_band() else 0
        self.flow.on_grid(g)
        code |= self._exits_at_grid(g)
        code |= self._templates(Cadence.GRID)
        if closed is not None:
            code |= self._templates(Cadence.BAR) | Outcome.BAR
            self._candidates.sort(key=lambda candidate: candidate.template)
        return code

    def _advance_session(self, t: int) -> None:
        if self.bar_part.advance_session(t):
            self.quality.usual_gap.roll()

    # --- records ------------------------------------------------------------------------------------------------

    def _step(self, record: tuple[int, ...]) -> int:
        code = self._apply(record)
        if code:
            self._remember(code, at_grid=False)
        return code

    def _remember(self, code: int, *, at_grid: bool) -> None:
        """What the control side asks about the latest outcome."""
        self.last_outcome_at_grid = at_grid
        self.last_outcome_ts_ns = self.now_ns
        if not code & Outcome.EXIT:
            self.last_exit_mask = 0

    def _apply(self, record: tuple[int, ...]) -> int:
        kind, flags, ts_ns, event_ns, price_a, price_b, qty_a, qty_b, aggressor = record
        if not self.started:
            self.started = True
            self.last_grid_ns = ts_ns // GRID_NS * GRID_NS
        self.now_ns = max(self.now_ns, ts_ns)
        if kind in COUNTERS:
            self._counts[COUNTERS[FrameKind(kind)]] += 1
        match kind:
            case FrameKind.QUOTE:
                return self._step_quote(Quote(price_a, qty_a, price_b, qty_b), event_ns, flags)
            case FrameKind.TRADE:
                return self._step_trade(price_a, qty_a, aggressor, event_ns, flags)
            case FrameKind.REJECTED:
                self.quality.frame(self.now_ns)
                self.quality.penalise("rejected", 20)
                return Outcome.QUALITY if self.quality.update_band() else 0
            case FrameKind.PRICE_GAP:
                self.flow = Flow(self.config.vpin_bucket_qty)
                self.bar_part.forget()
                self.quality.locked_since = None
                self.quality.bar_part.forget()
                for template in self.templates:
                    template.forget()
                return Outcome.GAP
            case FrameKind.TIME:
                return 0
            case _:
                raise ValueError(f"the reference steps tick records only, not kind {kind}")

    def _step_quote(self, quote: Quote, event_ns: int, flags: int) -> int:
        now = self.now_ns
        self.quality.frame(now)
        self.quality.stamps("quote", now, event_ns, flags)
        self.bar_part.on_quote(now, quote.ask - quote.bid)
        self.flow.on_quote(now, quote)
        self.quality.bar_part.quote(now, quote)
        self.quality.lock(now, quote)
        self.quality.judge_book(now, quote)
        code = int(Outcome.QUALITY) if self.quality.update_band() else 0
        if self.position is not None:
            code |= self._exits_at_price(quote.bid if self.position[0] > 0 else quote.ask)
        return code | self._templates(Cadence.TICK)

    def _step_trade(self, price: int, qty: int, aggressor: int, event_ns: int, flags: int) -> int:
        now = self.now_ns
        self.quality.frame(now)
        self.quality.stamps("trade", now, event_ns, flags)
        self.quality.trade(self.flow.quote, price)
        if qty > 0:
            self.flow.on_trade(now, price, qty, aggressor)
            self.bar_part.on_trade(now, price, qty)
            self.quality.bar_part.trade(now, event_ns)
        code = int(Outcome.QUALITY) if self.quality.update_band() else 0
        if qty > 0:
            code |= self._exits_at_price(price)
        return code | self._templates(Cadence.TICK)

    # --- exits --------------------------------------------------------------------------------------------------

    def _exits_at_price(self, price: int) -> int:
        if self.position is None:
            return 0
        qty, target, stop, _ = self.position
        direction = 1 if qty > 0 else -1
        met = 0
        if target != 0 and direction * price >= direction * target:
            met |= ExitReason.TARGET
        if stop != 0 and direction * price <= direction * stop:
            met |= ExitReason.STOP
        return self._report_exits(met)

    def _exits_at_grid(self, g: int) -> int:
        if self.position is None:
            return 0
        time_stop = self.position[3]
        met = 0
        if time_stop != 0 and g >= time_stop:
            met |= ExitReason.TIME
        if self.quality.dvs_c < self.config.dvs_hold_c:
            met |= ExitReason.QUALITY
        return self._report_exits(met)

    def _report_exits(self, met: int) -> int:
        fresh = met & ~self.exit_mask
        if not fresh:
            return 0
        self.exit_mask |= fresh
        self.last_exit_mask = fresh
        return Outcome.EXIT

    # --- templates ----------------------------------------------------------------------------------------------

    def _templates(self, cadence: Cadence) -> int:
        read: dict[str, float | None] = {}  # a signal has one value at one evaluation point

        def value(name: str) -> float | None:
            if name not in read:
                read[name] = self.signal(name)
            return read[name]

        view = View(self.now_ns, value, self.bar_part.previous.__getitem__)
        code = 0
        for template in self.templates:
            i = template.index
            if template.row.cadence != cadence or not self.on[i] or not template.row.weights:
                continue
            terms = self._terms(i, self.now_ns)
            fired = template.evaluate(view, terms, masked=not (self.entry_mask >> i) & 1)
            self._candidates += fired
            if fired:
                code = int(Outcome.CANDIDATE)
        return code

    def terms(self, index: int, side: int, belief: float, ts_ns: int) -> Candidate:
        """The candidate a side would be with this belief, at the state as it is."""
        z = (2.0 * belief - 1.0) / (2.0 * math.sqrt(belief * (1.0 - belief)))
        return self.templates[index].candidate(
            side, self._terms(index, ts_ns), belief=belief, z=z, stability=0.0, episode=0
        )

    def _terms(self, i: int, t: int) -> Terms:
        cfg = self.config
        last = self.bar_part.ring[-1] if self.bar_part.ring else None
        quote = self.flow.quote
        return Terms(
            commission=self.bar_part.commission,
            min_euc=self.min_euc,
            throttle=self.throttle[i],
            sigma_p=self.sigma_p[i],
            belief_factor=self.belief_factor[i],
            eqs_c=self.eqs_c,
            dvs_c=self.quality.dvs_c,
            slippage_base=cfg.slippage_base_ticks,
            slippage_cap=cfg.slippage_cap_ticks,
            entry_factor=self.entry_factor,
            stop_factor=self.stop_factor,
            stability_max_e6=cfg.stability_max_e6,
            cost_share_max_e6=cfg.cost_share_max_e6,
            rv_300s=self.signal("rv_300s"),
            hour_factor=self.session.slippage_factor(t, cfg.first_hour_factor, cfg.last_hour_factor),
            atr_14_n=self.bar_part.values["atr_14_n"],
            spread=None if quote is None else quote.ask - quote.bid,
            vwap=None if last is None else (last.bar.close, last.anchored_volume, last.anchored_notional),
        )

    # --- the control block --------------------------------------------------------------------------------------

    def set_entry_mask(self, mask: int) -> None:
        self.entry_mask = mask

    def set_template_on(self, i: int, on: bool) -> None:
        self.on[i] = on

    def set_throttle(self, i: int, x: float) -> None:
        self.throttle[i] = x

    def set_sigma_p(self, i: int, x: float) -> None:
        self.sigma_p[i] = x

    def set_belief_factor(self, i: int, x: float) -> None:
        self.belief_factor[i] = x

    def set_costs(self, commission_ticks: float, min_euc_ticks: float) -> None:
        self.bar_part.commission, self.min_euc = commission_ticks, min_euc_ticks

    def set_slippage_factors(self, entry: float, stop: float) -> None:
        self.entry_factor, self.stop_factor = entry, stop

    def set_fed(self, signal: int, value: float | None) -> None:
        self.fed[SIGNAL_BY_ID[signal].name] = value

    def set_eqs(self, eqs_c: int) -> None:
        self.eqs_c = eqs_c

    def set_position(self, qty_signed: int, target_ticks: int, stop_ticks: int, time_stop_ns: int) -> None:
        self.position = (qty_signed, target_ticks, stop_ticks, time_stop_ns) if qty_signed != 0 else None
        self.exit_mask = 0

    def clear_position(self) -> None:
        self.position = None
        self.exit_mask = 0

    # --- reads --------------------------------------------------------------------------------------------------

    @property
    def dvs_c(self) -> int:
        return self.quality.dvs_c

    @property
    def dvs_min_c(self) -> int:
        """The lowest score since construction."""
        return self.quality.dvs_min_c

    @property
    def dvs_band(self) -> int:
        return self.quality.band

    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(self._candidates)

    def book(self) -> tuple[int, int, int, int] | None:
        """(bid_ticks, bid_qty, ask_ticks, ask_qty), or None without a quote."""
        q = self.flow.quote
        return None if q is None else (q.bid, q.bid_qty, q.ask, q.ask_qty)

    def signal(self, name: str) -> float | None:
        """One signal's value at `now`."""
        if name in BAR_SIGNALS:
            return self.bar_part.values[name]
        if name in self.fed:
            return self.fed[name]
        if name == "dvs":
            return ratio(self.quality.dvs_c, 100)
        if name == "stream_age_ms":
            last = self.quality.last_frame_ns
            return None if last is None else float(self.now_ns - last) / float(NS_PER_MS)
        return READERS[name](self.flow, self.now_ns)

    def signals(self) -> dict[str, float | None]:
        return {spec.name: self.signal(spec.name) for spec in SIGNALS}

    def signal_flags(self) -> dict[str, bool]:
        """Bar signals whose value came from the fallback of their row (the pool, the 60 bars before)."""
        values, flagged = self.bar_part.values, self.bar_part.flagged
        return {name: name in flagged and values[name] is not None for name in BAR_SIGNALS}

    def signal_changes(self) -> dict[str, float | None]:
        """Each bar signal's value minus the one at the previous bar."""
        found: dict[str, float | None] = {}
        for name in BAR_SIGNALS:
            now, before = self.bar_part.values[name], self.bar_part.previous[name]
            found[name] = None if now is None or before is None else now - before
        return found

    def bars(self, period_s: int) -> list[tuple[int, ...]]:
        """Closed bars, oldest first: (ts_open_ns, open, high, low, close, volume, notional, trades)."""
        return list(self.bar_part.closed[period_s])

    def beliefs(self) -> tuple[tuple[object, ...], ...]:
        return tuple(template.belief() for template in self.templates)

    def counters(self) -> dict[str, int]:
        """Stepped market records by kind."""
        return dict(self._counts)

    def penalties(self) -> dict[str, int]:
        return self.quality.penalties()


def unpack(buffer: bytes) -> list[tuple[int, ...]]:
    """Tick records as tuples: kind, flags, ts, ts_event, bid (price), ask, bid size (qty), ask size, aggressor."""
    return [(f[3], f[6], f[7], f[8], f[9], f[10], f[11], f[12], f[13]) for f in TICK_RECORD.iter_unpack(buffer)]


def pack(record: tuple[int, ...], instrument: int = 1, seq: int = 0) -> bytes:
    """The 64-byte record of such a tuple. A REJECTED record carries its raw prices where the others have integers."""
    kind, flags, ts_ns, event_ns, price_a, price_b, qty_a, qty_b, aggressor = record
    header = (0, TICK_BYTES, seq, kind, FrameClass.INPUT, instrument, flags, ts_ns)
    return TICK_RECORD.pack(*header, event_ns, price_a, price_b, qty_a, qty_b, aggressor, 0, 0, 0)
