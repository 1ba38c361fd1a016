# cython: language_level=3
"""The face of the kernel. docs/kernel.md says what it computes; this file says how Python reaches it."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from trading_bot._fast.bars cimport Scratch, take_history
from trading_bot._fast.beside cimport begin_beside, quote_of, take_beside
from trading_bot._fast.blank cimport blank_record
from trading_bot._fast.config cimport Config
from trading_bot._fast.decay cimport GRID_NS
from trading_bot._fast.exchange_match cimport EXCHANGE_OVERFLOW
from trading_bot._fast.plan cimport feed, first_control
from trading_bot._fast.records cimport KIND_PRICE_GAP, KIND_QUOTE, KIND_REJECTED, KIND_TIME, KIND_TRADE
from trading_bot._fast.refusals cimport finite, hundredths, not_negative, raise_answers_lost, raise_bad_record, share, template_index
from trading_bot._fast.state cimport BUCKETS, Bar, Control, Flow, Report
from trading_bot._fast.step cimport OUTCOME_LOG_FULL, OUTCOME_PENDING, reset_state, run_grid, start_at, take_record
from trading_bot._fast.arrange cimport arrange
from trading_bot._fast.sane cimport is_sane
from trading_bot._fast.templates cimport sum_bar_parts
from trading_bot._fast.views cimport (
    bars_of, beliefs_of, candidates_of, changes_of, flags_of, layout_digest, penalties_of, signal_of, signals_of, terms_of,
)

cdef enum:                    # what ends a call besides outcomes
    BAD_RECORD = -1
    ANSWERS_LOST = -2

cdef bytes _LAYOUT = layout_digest()
cdef int64_t STATE_BYTES = sizeof(State) - sizeof(Report)       # the report stands last


cdef class HotPath:
    """Signals, data score, beliefs, candidates and exit conditions of one instrument.

    Calls that take a record return outcome bits (`domain.kernel.Outcome`), 0 for nothing. Times are ns since the epoch,
    prices ticks. Raises ValueError for a configuration the kernel cannot hold, naming the field.
    """

    def __cinit__(self, config, LogWriter writer=None):
        self.plan = Plan(config)
        self.st = <State*>calloc(1, sizeof(State))
        self.kernel.scratch = <Scratch*>calloc(1, sizeof(Scratch))
        if self.st == NULL or self.kernel.scratch == NULL:
            raise MemoryError
        self.kernel.st = self.st
        self.kernel.config = &self.plan.config
        self.kernel.groups = &self.groups
        self.set_writer(writer)
        reset_state(&self.kernel)
        first_control(&self.st.control, config)
        arrange(&self.groups, self.kernel.config, self.st)

    def __dealloc__(self):
        free(self.st)
        free(self.kernel.scratch)

    def set_writer(self, LogWriter writer):
        """Where records go from now on; None: nowhere."""
        self.writer = writer
        self.logs = writer is not None

    def set_exchange(self, ExchangeSim exchange):
        """Which exchange meets every record from now on, before the kernel does; None: none. It is in no snapshot."""
        self.exchange = exchange
        self.matches = exchange is not None

    def set_beside(self, int instrument_id):
        """Whose records are logged among the others and not stepped: the traded market's where another one is seen; 0: none."""
        begin_beside(&self.besides, instrument_id, self.kernel.config.instrument_id)

    # Records

    cdef int step(self, const TickRecord* rec) noexcept nogil:
        cdef int code
        self.st.report.candidates = 0
        if not self.st.started:
            start_at(self.st, rec.ts_ns)
        code = run_grid(&self.kernel, rec.ts_ns)
        if code:
            return code | OUTCOME_PENDING
        if self.logs and self.writer.append_tick(rec) != 0:
            return OUTCOME_LOG_FULL
        if rec.instrument != self.kernel.config.instrument_id:
            take_beside(self.st, &self.besides, rec)
            return 0
        if self.matches and self.exchange.match(rec) == EXCHANGE_OVERFLOW:
            return ANSWERS_LOST
        return take_record(&self.kernel, rec)

    cdef int run_records(self, const TickRecord* records, int64_t n, int64_t deadline_ns, int64_t* at) noexcept nogil:
        cdef State* st = self.st
        cdef const TickRecord* rec
        cdef int64_t i = at[0]
        cdef int code = 0
        cdef int news
        cdef bint beside
        st.report.candidates = 0
        while i < n and code == 0:
            rec = &records[i]
            if rec.ts_ns >= deadline_ns:
                if st.started and deadline_ns > st.grid_ns:
                    code = run_grid(&self.kernel, deadline_ns - 1)
                break
            beside = rec.instrument != self.kernel.config.instrument_id
            if (beside and rec.instrument != self.besides.id) or rec.kind < KIND_QUOTE or rec.kind > KIND_TIME:
                code = BAD_RECORD
                break
            if not st.started:
                start_at(st, rec.ts_ns)
            if rec.ts_ns >= st.grid_ns + GRID_NS:
                code = run_grid(&self.kernel, rec.ts_ns)
                if code:
                    break
            if self.logs and self.writer.append_tick(rec) != 0:
                code = OUTCOME_LOG_FULL
                break
            i += 1
            if beside:
                take_beside(st, &self.besides, rec)
                continue
            if self.matches:
                news = self.exchange.match(rec)
                if news == EXCHANGE_OVERFLOW:
                    code = ANSWERS_LOST
                    i -= 1            # it was not stepped
                    break
                if news:
                    deadline_ns = min(deadline_ns, self.exchange.due_ns())
            code = take_record(&self.kernel, rec)
        at[0] = i
        return code

    cdef int _single(self, const TickRecord* rec) except -1:
        """`step` for Python."""
        cdef int code = self.step(rec)
        if code == ANSWERS_LOST:
            raise_answers_lost(rec.ts_ns)
        return code

    def on_quote(
        self,
        int64_t ts_ns,
        int32_t bid_ticks,
        int32_t bid_qty,
        int32_t ask_ticks,
        int32_t ask_qty,
        int64_t ts_event_ns=0,
        uint32_t flags=0,
    ):
        """Advance by one quote. PENDING in the answer: a grid point had an outcome, the quote was not taken, call again."""
        cdef TickRecord rec = blank_record(self.kernel.config, KIND_QUOTE, ts_ns)
        rec.bid_ticks, rec.bid_qty, rec.ask_ticks, rec.ask_qty = bid_ticks, bid_qty, ask_ticks, ask_qty
        rec.ts_event_ns, rec.flags = ts_event_ns, flags
        return self._single(&rec)

    def on_trade(
        self, int64_t ts_ns, int32_t price_ticks, int32_t qty, uint8_t aggressor, int64_t ts_event_ns=0, uint32_t flags=0
    ):
        """Advance by one trade; `aggressor` as `domain.records.Aggressor`."""
        cdef TickRecord rec = blank_record(self.kernel.config, KIND_TRADE, ts_ns)
        rec.bid_ticks, rec.bid_qty, rec.aggressor = price_ticks, qty, aggressor
        rec.ts_event_ns, rec.flags = ts_event_ns, flags
        return self._single(&rec)

    def on_rejected(self, int64_t ts_ns):
        """A record was refused at the door; a writer gets a frame without raw values."""
        cdef TickRecord rec = blank_record(self.kernel.config, KIND_REJECTED, ts_ns)
        return self._single(&rec)

    def on_gap(self, int64_t ts_ns, int32_t old_ticks, int32_t new_ticks):
        """The price band was re-anchored: everything computed from prices starts afresh."""
        cdef TickRecord rec = blank_record(self.kernel.config, KIND_PRICE_GAP, ts_ns)
        rec.bid_ticks = old_ticks
        rec.ask_ticks = new_ticks
        return self._single(&rec)

    def on_time(self, int64_t ts_ns):
        """Run grid points up to ts_ns, stopping at the first outcome: call until it returns 0. Writes no record."""
        cdef int code = 0
        self.st.report.candidates = 0
        if self.st.started:
            with nogil:
                code = run_grid(&self.kernel, ts_ns)
        return code

    def on_bar(
        self,
        int64_t ts_open_ns,
        int32_t open_ticks,
        int32_t high_ticks,
        int32_t low_ticks,
        int32_t close_ticks,
        int64_t volume,
        int64_t notional,
    ):
        """Take a closed historical 60 s bar, before the first record; 0, or -1 for a bar that is refused."""
        cdef Bar bar
        memset(&bar, 0, sizeof(Bar))
        bar.ts_open_ns, bar.volume, bar.notional = ts_open_ns, volume, notional
        bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks = open_ticks, high_ticks, low_ticks, close_ticks
        if not take_history(self.st, self.kernel.config, self.kernel.scratch, &bar):
            return -1
        sum_bar_parts(self.st, self.kernel.config)
        return 0

    def run(self, ticks, int64_t start=0, int64_t deadline_ns=2**63 - 1):
        """Step 64-byte tick records from index `start`; returns (next index, outcome bits).

        Stops after a record with an outcome, before a record whose grid points have one, and before the first record
        with `ts_ns >= deadline_ns`, or not before the exchange's next due time once it has news. Raises ValueError for
        a buffer that is not made of records and for a record of another instrument or kind, ExchangeFull when answers
        of the exchange were lost: the records before it have been taken.
        """
        cdef Py_buffer view
        cdef int64_t at = start
        cdef int64_t n
        cdef int code
        PyObject_GetBuffer(ticks, &view, PyBUF_SIMPLE)
        try:
            n = view.len // <int64_t>sizeof(TickRecord)
            if view.len % <int64_t>sizeof(TickRecord):
                raise ValueError(f"{view.len} bytes are no array of {sizeof(TickRecord)}-byte records: bytes are left after index {n - 1}")
            if start < 0 or start > n:
                raise ValueError(f"start is {start}: the buffer holds records 0 to {n - 1}")
            with nogil:
                code = self.run_records(<const TickRecord*>view.buf, n, deadline_ns, &at)
            if code == ANSWERS_LOST:
                raise_answers_lost((<const TickRecord*>view.buf + at).ts_ns)
            if code == BAD_RECORD:
                raise_bad_record(self.kernel.config, <const TickRecord*>view.buf + at, at)
            return at, code
        finally:
            PyBuffer_Release(&view)

    # Control block

    def set_entry_mask(self, uint64_t mask):
        """Bit i set: template i is open for entries and fires again whenever its re-arm time has passed."""
        self.st.control.entry_mask = mask

    def set_template_on(self, int64_t index, bint on):
        """Switch one template on or off; off, it is not evaluated and keeps its state."""
        cdef uint64_t bit = <uint64_t>1 << template_index(self.kernel.config, index)
        cdef Control* control = &self.st.control
        control.on_mask = control.on_mask | bit if on else control.on_mask & ~bit
        arrange(&self.groups, self.kernel.config, self.st)

    def set_throttle(self, int64_t index, double factor):
        """Factor on the utility template `index` has to reach."""
        self.st.control.throttle[template_index(self.kernel.config, index)] = finite(factor, "throttle")

    def set_sigma_p(self, int64_t index, double sigma_p):
        """Uncertainty of the win probability of template `index`, 0..1."""
        self.st.control.sigma_p[template_index(self.kernel.config, index)] = finite(sigma_p, "sigma_p")

    def set_belief_factor(self, int64_t index, double factor):
        """Share 0..1 of what the belief of template `index` promises net of cost; 1.0 until trades say less."""
        self.st.control.belief_factor[template_index(self.kernel.config, index)] = share(factor, "belief factor")

    def set_costs(self, double commission_ticks, double min_euc_ticks):
        """Round-trip commission and least utility, in ticks per contract."""
        self.st.control.commission_ticks = finite(commission_ticks, "commission_ticks")
        self.st.control.min_euc_ticks = finite(min_euc_ticks, "min_euc_ticks")

    def set_slippage_factors(self, double entry, double stop):
        """Fitted factors on the expected slippage of entries and stops; 1.0 until there are any."""
        self.st.control.entry_factor = not_negative(entry, "entry")
        self.st.control.stop_factor = not_negative(stop, "stop")

    def set_eqs(self, int64_t eqs_c):
        """Execution quality in hundredths, 0..100."""
        self.st.control.eqs_c = hundredths(eqs_c, "eqs_c")

    def set_fed(self, signal, value):
        """Value of a signal of cadence `fed`, within its range; None: it has none."""
        feed(&self.st.control, signal, value)

    def set_position(self, int64_t qty_signed, int64_t target_ticks, int64_t stop_ticks, int64_t time_stop_ns):
        """The position whose exits are watched; 0 for a level or time that does not exist. Forgets reported exits."""
        cdef Control* control = &self.st.control
        control.position = qty_signed
        control.target_ticks = target_ticks
        control.stop_ticks = stop_ticks
        control.time_stop_ns = time_stop_ns
        control.exit_mask = 0

    def clear_position(self):
        """No position: no exits."""
        self.set_position(0, 0, 0, 0)

    # Reads: none of them changes the state

    @property
    def now_ns(self):
        """Time of the latest input or grid point; 0 before the first."""
        return self.st.now_ns

    @property
    def last_outcome_ts_ns(self):
        """When the last outcome happened: its grid point or the record's time."""
        return self.st.last_outcome_ns

    @property
    def last_outcome_at_grid(self):
        """Whether the last outcome happened at a grid point, before a record."""
        return self.st.last_outcome_at_grid != 0

    @property
    def dvs_c(self):
        """Data score in hundredths."""
        return self.st.quality.dvs_c

    @property
    def dvs_min_c(self):
        """Lowest data score since construction, in hundredths."""
        return self.st.quality.dvs_min_c

    @property
    def dvs_band(self):
        """3 entry, 2 hold, 1 kill, 0 below."""
        return self.st.quality.band

    @property
    def exit_mask(self):
        """ExitReason bits reported since `set_position`."""
        return self.st.control.exit_mask

    @property
    def last_exit_mask(self):
        """ExitReason bits of the last outcome."""
        return self.st.last_exit_mask

    def counters(self):
        """Records taken: quotes, trades, rejected."""
        return {"quotes": self.st.quotes, "trades": self.st.trades, "rejected": self.st.rejected}

    def candidates(self):
        """Candidates of the latest call, by template index."""
        return candidates_of(self.st)

    def terms(self, int64_t index, int64_t side, double belief, int64_t ts_ns):
        """The candidate a side (+1, -1) of template `index` would be with this belief (0..1, neither end)."""
        return terms_of(self.st, self.kernel.config, template_index(self.kernel.config, index), side, belief, ts_ns)

    def book(self):
        """(bid_ticks, bid_qty, ask_ticks, ask_qty), None before the first quote."""
        cdef const Flow* flow = &self.st.flow
        return (flow.bid_ticks, flow.bid_qty, flow.ask_ticks, flow.ask_qty) if flow.has_quote else None

    def beside(self):
        """(bid_ticks, bid_qty, ask_ticks, ask_qty, ts_ns) of the market beside, None while it has no quote."""
        return quote_of(&self.besides)

    def signal(self, int64_t signal_id):
        """Value of one signal now, None while it has none; ValueError for an id the registry does not have."""
        return signal_of(self.st, signal_id)

    def signals(self):
        """Every signal now, by name."""
        return signals_of(self.st)

    def signal_flags(self):
        """Bar signals by name: whether the value comes from its fallback (pooled over the day, last 60 bars)."""
        return flags_of(self.st)

    def signal_changes(self):
        """By name, each bar signal less what it was at the bar before; None where either had no value."""
        return changes_of(self.st)

    def bars(self, int64_t period_s):
        """The last 128 closed bars of 1, 5 or 60 s: (ts_open_ns, open, high, low, close, volume, notional, trades)."""
        return bars_of(self.st, period_s)

    def beliefs(self):
        """Per template (os, es, D, z_long, z_short, holds_long, holds_short, missing); floats None before the first value."""
        return beliefs_of(self.st, self.kernel.config)

    def penalties(self):
        """Penalty of each data-score component now, hundredths."""
        return penalties_of(self.st)

    def snapshot(self):
        """The whole state as bytes, for `restore` on a HotPath of the same configuration and build."""
        return _LAYOUT + self.plan.digest + PyBytes_FromStringAndSize(<const char*>self.st, STATE_BYTES)

    def restore(self, bytes data):
        """Continue from a snapshot bit for bit; ValueError for one of another layout or configuration."""
        cdef const char* at = PyBytes_AS_STRING(data) + 64    # behind the digests of layout and configuration
        if data[:32] != _LAYOUT or len(data) != 64 + STATE_BYTES:
            raise ValueError("the snapshot was made by another build of the kernel: start cold, or use the build it came from")
        if data[32:64] != self.plan.digest:
            raise ValueError("the snapshot belongs to another kernel configuration: build the HotPath from the one it was made with")
        if not is_sane(<const State*>at, self.kernel.config):
            raise ValueError("the snapshot points outside its own tables: no kernel made it, or memory or disk changed it")
        memcpy(self.st, at, STATE_BYTES)
        self.st.report.candidates = 0
        arrange(&self.groups, self.kernel.config, self.st)
