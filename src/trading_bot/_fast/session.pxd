# cython: language_level=3
"""The session table (docs/kernel.md, section 3): which row a time belongs to, whether it is open, when the day rolls."""
from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memset

from trading_bot._fast.decay cimport HALF_HOUR_NS, floor_div
from trading_bot._fast.config cimport Config, SessionRow
from trading_bot._fast.state cimport BUCKETS, MINUTES, SLOTS, Bars, BarSession, History, Session, State
from trading_bot._fast.usualgap cimport roll_gaps

cdef inline bint row_holds(const Config* config, int64_t row, int64_t t) noexcept nogil:
    if row < config.rows and config.row[row].close_ns <= t:
        return False
    return row == 0 or config.row[row - 1].close_ns <= t

cdef inline int64_t row_of(const Config* config, int64_t t, int64_t hint) noexcept nogil:
    """Index of the row t belongs to, `rows` when there is none; near the hint without a search."""
    if row_holds(config, hint, t):
        return hint
    if hint < config.rows and row_holds(config, hint + 1, t):
        return hint + 1
    cdef int64_t low = 0
    cdef int64_t high = config.rows
    cdef int64_t middle
    while low < high:
        middle = (low + high) >> 1
        if config.row[middle].close_ns <= t:
            low = middle + 1
        else:
            high = middle
    return low

cdef inline const SessionRow* row_at(State* st, const Config* config, int64_t t) noexcept nogil:
    """Row of t or NULL; remembers where it was found."""
    st.session.row = row_of(config, t, st.session.row)
    return NULL if st.session.row == config.rows else &config.row[st.session.row]

cdef inline bint is_open(const SessionRow* row, int64_t t) noexcept nogil:
    return row != NULL and row.open_ns <= t < row.close_ns and not (row.break_start_ns <= t < row.break_end_ns)

cdef inline bint is_rth(const SessionRow* row, int64_t t) noexcept nogil:
    return row != NULL and row.rth_open_ns <= t < row.rth_close_ns

cdef inline int64_t bucket_of(const SessionRow* row, int64_t t) noexcept nogil:
    """Half hour of the session, -1 when it has no number."""
    cdef int64_t bucket = floor_div(t - row.open_ns, HALF_HOUR_NS) if row != NULL else -1
    return bucket if 0 <= bucket < BUCKETS else -1

cdef inline bint anchor_between(const Config* config, int64_t row, int64_t last_row, int64_t after, int64_t t) noexcept nogil:
    """Whether an anchor of rows row..last_row lies in (after, t]."""
    while row <= last_row and row < config.rows:
        if after < config.row[row].open_ns <= t:
            return True
        if config.anchor_rth and config.row[row].rth_open_ns != 0 and after < config.row[row].rth_open_ns <= t:
            return True
        row += 1
    return False

cdef inline int64_t next_change(const Config* config, int64_t row, int64_t t) noexcept nogil:
    if row == config.rows:
        return INT64_MAX
    cdef int64_t next_ns = config.row[row].close_ns
    if t < config.row[row].open_ns < next_ns:
        next_ns = config.row[row].open_ns
    if config.anchor_rth and t < config.row[row].rth_open_ns < next_ns:
        next_ns = config.row[row].rth_open_ns
    return next_ns

cdef inline void roll_day(History* history) noexcept nogil:
    history.slot = history.slot + 1 if history.slot + 1 < SLOTS else 0
    memset(&history.atr_count[history.slot], 0, sizeof(int64_t) * BUCKETS)
    memset(&history.volume[history.slot], 0, sizeof(int64_t) * MINUTES)
    roll_gaps(history)

cdef inline void roll_bar_session(Bars* bars) noexcept nogil:
    """A row without bars of a session leaves the prior one."""
    if bars.session.bars > 0:
        bars.prior = bars.session
    memset(&bars.session, 0, sizeof(BarSession))
    bars.range_bars = 0
    bars.range_high_ticks = 0
    bars.range_low_ticks = 0

cdef inline void advance_session(State* st, const Config* config, int64_t t) noexcept nogil:
    cdef Session* session = &st.session
    if session.called and session.last_ns <= t < session.next_ns:
        session.last_ns = t
        return
    cdef int64_t row = row_of(config, t, session.last_row)
    if session.called:
        if row != session.last_row:
            roll_day(&st.history)
            roll_bar_session(&st.bars)
        if anchor_between(config, session.last_row, row, session.last_ns, t):
            st.bars.anchored_notional = 0
            st.bars.anchored_volume = 0
            st.bars.since_anchor = 0
    session.called = 1
    session.last_ns = t
    session.last_row = row
    session.next_ns = next_change(config, row, t)
