# cython: language_level=3
"""A two-sided market around a hidden fair price, event by event (docs/market-generator.md gives the model in words).

The fair price is a random walk with the volatility of the segment. The quotes follow it with the hysteresis of the
uncertainty-zones model (Robert and Rosenbaum 2011), sizes at the touch and the sides of trades lean towards it, and
trades excite further trades. Draws come from `simdice`; arithmetic is + − × ÷ √ floor.
"""
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.math cimport floor, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from trading_bot._fast.door cimport Door
from trading_bot._fast.marketfaults cimport FaultStage
from trading_bot._fast.marketbars cimport BAR_NUMBERS, add_to_bar
from trading_bot._fast.raw_batch cimport RawTick
from trading_bot._fast.records cimport AGGRESSOR_BUY, AGGRESSOR_SELL, KIND_QUOTE, KIND_TRADE
from trading_bot._fast.simdice cimport Dice, below, chance, decayed, draw, exponential, normal, size_change, trade_lots, uniform

cdef enum:
    SEGMENT_NUMBERS = 12
    QUEUE_ROOM = 512
    LAG_MAX = 4
    FOLLOW_MAX = 4               # levels the quotes move at once when the fair price has run away
    SWEEP_MAX = 12

cdef int64_t STEP_NS = 250_000_000           # at least this often the fair price moves and rates are taken anew
cdef int64_t LATENCY_NS = 250_000            # the least between event and receipt
cdef double LATENCY_TAIL_NS = 300_000.0      # and the mean of what comes on top

# Quotes move when the fair price is this far beyond the middle between two levels. As it is looked at from event to
# event only, tapes show 0.15 (night) to 0.3 (RTH); ESH4 on 2023-12-25 showed 0.18.
cdef double ETA = 0.05
cdef double REACH = 0.55                     # 0.5 + ETA: where the lean of sizes ends
cdef double LEAN = 0.8                       # how much of the depth leans towards the fair price
cdef int64_t HOLD_PPM = 300_000              # chance that the quotes do not follow at an event
cdef double BRANCHING = 0.65                 # share of trades that other trades caused
cdef double EXCITED_TAU_S = 2.0
cdef double EXCITED_MAX = 14.0
cdef double SWEPT_TAU_S = 5.0
cdef double NEWS_TAU_S = 0.3
cdef double MEAN_TAU_S = 900.0
cdef double IMPACT = 0.12                    # of an unexpected one-lot trade, in ticks at a volatility of 1 tick per √s
cdef int64_t CLUSTER_PPM = 500_000           # events followed at once by another
cdef double CLUSTER_RATE = 2500.0            # per second, inside a cluster
cdef double SPARSE = 0.5                     # rate outside clusters, so that the mean rate stays
cdef double FILL_RATE = 6.0                  # per second: a tick missing from the spread is filled


cdef class MarketGen:
    """Runs a market through segments; `key` selects the draws, `price_ticks` is the first bid.

    `information_milli`: how much sizes and trades know of the fair price, in thousandths. Without a door: bars only.
    """

    FULL = 1
    WANTING = 2

    def __cinit__(self, int64_t tick_e9, uint64_t key, int64_t price_ticks, int64_t floor_ticks,
                  int64_t information_milli, int64_t resolution_ns, Door door, FaultStage faults):
        if resolution_ns < 1:
            raise ValueError(f"resolution {resolution_ns} ns: expected at least 1")
        self._tick_e9 = tick_e9
        self._dice.key, self._line.key = key, draw(key, 0)
        self._door, self._faults = door, faults
        self._resolution_ns = resolution_ns
        self._information = min(<double>information_milli / 1000.0, 1.25)
        self._hold_ppm = min(information_milli * HOLD_PPM // 1000, 900_000)
        self._fair = self._mean = <double>price_ticks + 0.5
        self._floor = <double>floor_ticks
        self._level = price_ticks
        self._parent = 1

    def __dealloc__(self):
        PyMem_Free(self._segments)

    @property
    def bid_ticks(self) -> int:
        """The best bid."""
        return self._level - self._lag_bid

    def load(self, const int64_t[::1] plan):
        """The segments to come, twelve numbers each (`SegmentRow`), in order of time; those before are used up."""
        cdef Py_ssize_t k, n = plan.shape[0] // SEGMENT_NUMBERS
        cdef SegmentRow* rows
        if plan.shape[0] % SEGMENT_NUMBERS or n == 0:
            raise ValueError(f"a plan of {plan.shape[0]} numbers: expected a multiple of {SEGMENT_NUMBERS}, not none")
        if self._at < self._count:
            raise ValueError(f"{self._count - self._at} segments are still to come: run() first")
        if n > self._room:
            rows = <SegmentRow*>PyMem_Realloc(self._segments, n * sizeof(SegmentRow))
            if rows == NULL:
                raise MemoryError(f"no memory for {n} segments")
            self._segments, self._room = rows, n
        rows = self._segments
        memcpy(rows, &plan[0], n * sizeof(SegmentRow))
        for k in range(n):
            if rows[k].start_ns >= rows[k].end_ns or (k and rows[k].start_ns < rows[k - 1].end_ns):
                raise ValueError(f"segment {k} does not follow the one before it in time, or is empty")
            if min(rows[k].quotes_milli, rows[k].trades_milli) < 1:
                raise ValueError(f"segment {k} has no quotes or no trades: expected at least 1 in 1000 s")
        self._at, self._count = 0, n
        self._open_ns, self._close_ns = rows[0].start_ns, rows[n - 1].end_ns
        self._enter()

    def run(self) -> int:
        """Fill the door: FULL, or WANTING when the segments are used up."""
        cdef Door door = self._door
        if door is None:
            raise ValueError("a market without a door gives bars only")
        with nogil:
            while True:
                while self._taken < self._queued and door._held < door.capacity:
                    door.admit(&self._queue[self._taken])
                    self._taken += 1
                if self._taken < self._queued or self._at >= self._count:
                    break
                self._queued = self._taken = 0
                self._step()
        return MarketGen.FULL if self._taken < self._queued else MarketGen.WANTING

    def run_bars(self, int64_t[:, ::1] out) -> int:
        """Closed 60 s bars of trades, one a row: ts_open_ns, open, high, low, close, volume, notional (ticks × lots).

        Returns their number; fewer than rows means that the segments are used up.
        """
        cdef Py_ssize_t n = 0, rows = out.shape[0]
        if out.shape[1] != BAR_NUMBERS:
            raise ValueError(f"rows of {out.shape[1]} numbers: expected {BAR_NUMBERS}")
        with nogil:
            while n < rows:
                if self._taken < self._queued:
                    n += add_to_bar(&self._bar, &self._queue[self._taken], self._tick_e9, &out[n, 0])
                    self._taken += 1
                    continue
                self._queued = self._taken = 0
                if self._at >= self._count:
                    break
                self._step()
        return n

    def close_bar(self):
        """The bar still open as a tuple of the same numbers, None when there is none; its minute is over."""
        if not self._bar.open:
            return None
        self._bar.open = False
        return tuple([self._bar.numbers[k] for k in range(BAR_NUMBERS)])

    # ---- time

    cdef void _enter(self) noexcept nogil:
        """Take the next segment up."""
        cdef SegmentRow* row = &self._segments[self._at]
        cdef double jump = <double>row.jump_milli / 1000.0
        self._t = max(self._t, row.start_ns)
        self._rates.quotes = <double>row.quotes_milli / 1000.0
        self._rates.trades = <double>row.trades_milli / 1000.0
        self._rates.vol = <double>row.vol_e6 / 1e6
        self._rates.drift = <double>row.drift_e6 / 1e6
        self._rates.pull = <double>row.pull_e9 / 1e9
        self._rates.depth = <double>row.depth_milli / 1000.0
        if row.flags & SEGMENT_OPEN or not self._started:
            if self._started:
                self._fair = max(self._fair + jump, self._floor)
            self._started = True
            self._swept = self._news = self._excited = 0.0
            self._mean = self._fair
            self._level = <int64_t>floor(self._fair)
            self._lag_bid = self._lag_ask = 0
            self._bid_qty = self._fresh(1, 0.5, 1.0)
            self._ask_qty = self._fresh(-1, 0.5, 1.0)
            self._emit_quote()
        elif row.flags & SEGMENT_NEWS:
            self._fair += jump
            self._news -= jump
            self._excited = min(self._excited + 8.0, EXCITED_MAX)
        elif row.flags & SEGMENT_GAP:
            self._fair += jump
            while self._follow():
                pass

    cdef void _step(self) noexcept nogil:
        """To the next event, or to the next time at which rates change."""
        cdef SegmentRow* row = &self._segments[self._at]
        cdef double m, quotes, trades, fills, total, gap_ns
        cdef int64_t limit_ns
        if self._t >= row.end_ns:
            self._at += 1
            if self._at < self._count:
                self._enter()
            return
        limit_ns = min(row.end_ns - self._t, STEP_NS)
        m = 1.0 - BRANCHING + self._excited
        trades = self._rates.trades * m
        quotes = self._rates.quotes * (0.6 + 0.4 * m)
        fills = FILL_RATE + 0.3 * quotes if self._lag_bid + self._lag_ask else 0.0
        total = trades + quotes + fills
        gap_ns = exponential(&self._dice) / (CLUSTER_RATE if self._close_by else total * SPARSE) * 1e9
        if gap_ns >= <double>limit_ns:
            # An exponential waiting time has no memory: stop here and draw anew with the rates of then.
            self._close_by = False
            self._pass(limit_ns)
            self._follow()
            return
        self._pass(<int64_t>gap_ns + 1)
        self._close_by = chance(&self._dice, CLUSTER_PPM)
        # The more is known of the next move, the longer the quotes wait for it.
        if chance(&self._dice, self._hold_ppm) or not self._follow():
            self._events(uniform(&self._dice) * total, fills, trades)

    cdef void _pass(self, int64_t dt_ns) noexcept nogil:
        """Let time pass for everything that changes by itself."""
        cdef double s = <double>dt_ns * 1e-9
        self._t += dt_ns
        self._fair += self._rates.vol * sqrt(s) * normal(&self._dice) + self._rates.drift * s
        self._fair -= self._rates.pull * (self._fair - self._mean) * s
        if self._fair < self._floor:
            self._fair = 2.0 * self._floor - self._fair
        self._mean += (self._fair - self._mean) * s / (MEAN_TAU_S + s)
        self._excited *= decayed(s, EXCITED_TAU_S)
        if self._swept != 0.0:
            self._swept *= decayed(s, SWEPT_TAU_S)
        if self._news != 0.0:
            self._news *= decayed(s, NEWS_TAU_S)

    cdef void _events(self, double u, double fills, double trades) noexcept nogil:
        if u < fills:
            # The better half of a wide spread is quoted again, from the side that is further behind.
            if self._lag_bid >= self._lag_ask:
                self._lag_bid -= 1
                self._bid_qty = self._fresh(1, 0.2, 0.4)
            else:
                self._lag_ask -= 1
                self._ask_qty = self._fresh(-1, 0.2, 0.4)
            self._emit_quote()
        elif u < fills + trades:
            self._trade_event()
        else:
            self._quote_event()

    # ---- prices

    cdef bint _follow(self) noexcept nogil:
        """Move the quotes when the fair price has left the zone of the present ones."""
        cdef double price = self._fair + self._swept + self._news
        cdef double over = price - (<double>self._level + 1.0 + ETA), under = <double>self._level - ETA - price
        cdef bint traded = not self._segments[self._at].flags & SEGMENT_GAP and chance(&self._dice, 500_000)
        if over > 0.0:
            self._walk(1, min(1 + <int64_t>over, FOLLOW_MAX), traded)
            return True
        if under > 0.0:
            self._walk(-1, min(1 + <int64_t>under, FOLLOW_MAX), traded)
            return True
        return False

    cdef void _walk(self, int64_t side, int64_t levels, bint traded) noexcept nogil:
        """Move the book by whole levels; `traded`: by trades through them, else by cancellation."""
        cdef int64_t k, prints, qty, left, behind, ahead
        for k in range(levels):
            # Where the quote ahead is missing already, there is nothing to trade through.
            ahead = max((self._lag_ask if side > 0 else self._lag_bid) - 1, 0)
            if traded and (self._lag_ask if side > 0 else self._lag_bid) == 0:
                left = self._ask_qty if side > 0 else self._bid_qty
                prints = 1 + (below(&self._dice, 3) == 0)
                while prints and left:
                    qty = min(trade_lots(&self._dice), left)
                    self._emit_trade(side, qty)
                    left, prints = left - qty, prints - 1
                    self._t += 20_000 + below(&self._dice, 180_000)
            self._level += side
            # The side that is left behind follows at once or a little later; it starts with a short queue.
            behind = (below(&self._dice, 5) < 2) if k + 1 == levels else 1
            if side > 0:
                self._lag_bid, self._lag_ask = behind, ahead
                self._ask_qty, self._bid_qty = self._fresh(-1, 0.5, 0.8), self._fresh(1, 0.2, 0.5)
            else:
                self._lag_bid, self._lag_ask = ahead, behind
                self._bid_qty, self._ask_qty = self._fresh(1, 0.5, 0.8), self._fresh(-1, 0.2, 0.5)
            if traded or k + 1 == levels:
                self._emit_quote()

    # ---- sizes and trades

    cdef double _lean(self) noexcept nogil:
        """Where the fair price lies in the zone of the book, −1 .. 1."""
        cdef double x = (self._fair + self._swept + self._news - (<double>self._level + 0.5)) / REACH
        return max(-1.0, min(1.0, x))

    cdef int64_t _target(self, int64_t side) noexcept nogil:
        """The size the queue of a side (+1 bid, −1 ask) tends to."""
        cdef double x = self._rates.depth * (1.0 + self._information * LEAN * <double>side * self._lean())
        return max(2, <int64_t>x)

    cdef int64_t _fresh(self, int64_t side, double low, double width) noexcept nogil:
        """A new queue: its target times low .. low + width."""
        return max(1, <int64_t>(<double>self._target(side) * (low + width * uniform(&self._dice))))

    cdef void _quote_event(self) noexcept nogil:
        cdef int64_t side = 1 if below(&self._dice, 2) else -1
        cdef int64_t target, before = self._bid_qty if side > 0 else self._ask_qty, qty = before
        cdef double pull
        if self._lag_bid + self._lag_ask < LAG_MAX and chance(&self._dice, self._segments[self._at].wide_ppm):
            if side > 0:
                self._lag_bid += 1
            else:
                self._lag_ask += 1
            qty = self._fresh(side, 0.5, 0.8)
        elif chance(&self._dice, 300_000):
            qty = self._fresh(side, 0.5, 1.0)
        else:
            target = self._target(side)
            pull = max(-1.0, min(1.0, <double>(target - qty) / <double>target))
            qty += size_change(&self._dice) * (1 if uniform(&self._dice) < 0.5 + 0.45 * pull else -1)
            if qty < 1:
                qty = self._fresh(side, 0.1, 0.4)
        if qty == before:
            qty += 1
        if side > 0:
            self._bid_qty = qty
        else:
            self._ask_qty = qty
        self._emit_quote()

    cdef void _trade_event(self) noexcept nogil:
        """A market order: part of a larger one that is being worked, and a little wiser than a coin."""
        cdef double bias = 0.3 * <double>self._parent + 0.15 * self._information * self._lean()
        cdef int64_t side = 1 if uniform(&self._dice) < 0.5 + bias else -1
        cdef int64_t qty, levels, touch = self._ask_qty if side > 0 else self._bid_qty
        cdef double kept
        # Each market order causes BRANCHING others in the mean, at whatever rate they come.
        self._excited = min(self._excited + BRANCHING / (EXCITED_TAU_S * self._rates.trades), EXCITED_MAX)
        if chance(&self._dice, 100_000):
            self._parent = 1 if below(&self._dice, 2) else -1
        if chance(&self._dice, self._segments[self._at].sweep_ppm):
            levels = 3
            while levels < SWEEP_MAX and below(&self._dice, 100) < 70:
                levels += 1
            kept = <double>(side * levels) * uniform(&self._dice)
            self._fair += kept
            self._swept += <double>(side * levels) - kept
            self._walk(side, levels, True)
            return
        qty = min(trade_lots(&self._dice), touch)
        self._emit_trade(side, qty)
        # Only what the bias did not foresee moves the price: order flow is persistent, prices are not.
        self._fair += IMPACT * self._rates.vol * sqrt(<double>qty) * (<double>side - 2.0 * bias)
        # A queue that is used up is filled again, by more than was taken, so that it is seen.
        touch = touch - qty if touch > qty else self._fresh(-side, 0.1, 0.4) + qty
        if side > 0:
            self._ask_qty = touch
        else:
            self._bid_qty = touch
        self._emit_quote()

    # ---- records

    cdef void _emit_trade(self, int64_t side, int64_t qty) noexcept nogil:
        cdef RawTick raw
        cdef int64_t price = self._level + 1 + self._lag_ask if side > 0 else self._level - self._lag_bid
        memset(&raw, 0, sizeof(raw))
        raw.kind = KIND_TRADE
        raw.a_e9, raw.a_qty = price * self._tick_e9, qty
        raw.aggressor = AGGRESSOR_BUY if side > 0 else AGGRESSOR_SELL
        self._push(&raw)

    cdef void _emit_quote(self) noexcept nogil:
        cdef RawTick raw
        memset(&raw, 0, sizeof(raw))
        raw.kind = KIND_QUOTE
        raw.a_e9, raw.a_qty = (self._level - self._lag_bid) * self._tick_e9, self._bid_qty
        raw.b_e9, raw.b_qty = (self._level + 1 + self._lag_ask) * self._tick_e9, self._ask_qty
        if memcmp(&raw, &self._quote, sizeof(raw)):
            memcpy(&self._quote, &raw, sizeof(raw))
            self._push(&raw)

    cdef void _push(self, RawTick* raw) noexcept nogil:
        """Stamp a raw tick, let the faults have it, and queue what is left."""
        cdef int copies = 1
        cdef int64_t event_ns
        raw.ts_ns = min(self._t, self._close_ns - 1)
        if self._door is None:
            # Bars know no latency, and its draws are a stream of their own: the market stays the same.
            self._queue[self._queued] = raw[0]
            self._queued += self._queued < QUEUE_ROOM - 1
            return
        event_ns = raw.ts_ns - LATENCY_NS - <int64_t>(exponential(&self._line) * LATENCY_TAIL_NS)
        event_ns = max(event_ns, self._open_ns, self._event_ns)
        self._event_ns = event_ns
        raw.ts_event_ns = event_ns - event_ns % self._resolution_ns
        if self._faults is not None:
            copies = self._faults.apply(raw)
        while copies and self._queued < QUEUE_ROOM:
            self._queue[self._queued] = raw[0]
            self._queued += 1
            copies -= 1


def draw_u64(uint64_t key, uint64_t n) -> int:
    """Draw n (from 1) of stream `key`, 64 bits."""
    return draw(key, n)
