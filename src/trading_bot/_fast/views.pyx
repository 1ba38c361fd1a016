# cython: language_level=3
"""What HotPath answers when Python asks: built when asked for, never on a quiet tick."""
from hashlib import sha256

from libc.stdint cimport int64_t, uint64_t

from trading_bot._fast.candidates cimport draft_given
from trading_bot._fast.barquality cimport (
    BAR_DUPLICATE, BAR_GAP, BAR_LATE, BAR_RANGE, BAR_STUCK, BAR_WIDE, BAR_ZERO, bits_of_minutes, penalty_of_minutes,
)
from trading_bot._fast.quality cimport (
    CROSSED, DELAY_LONG, DELAY_SHORT, DELAYED, LOCKED, OUTSIDE, REGRESSION, REJECTED, penalty_of_bits,
)
from trading_bot._fast.signals cimport signal_value
from trading_bot._fast.state cimport (
    BAR_RING, BAR_SIGNALS, DVS, LAYOUT_VERSION, Bar, Bars, CandidateRow, Control, Flow, History, Quality, Session,
    TemplateState,
)
from trading_bot._fast.templates cimport z_value

from trading_bot.domain.kernel import Candidate
from trading_bot.domain.signal_registry import SIGNAL_BY_ID
from trading_bot.domain.signal_registry import SIGNALS as REGISTRY

_PERIODS = {1: 0, 5: 1, 60: 2}
_COMPONENTS = {
    "crossed": CROSSED,
    "locked": LOCKED,
    "regression": REGRESSION,
    "delay": DELAY_SHORT | DELAY_LONG,
    "outside": OUTSIDE,
    "rejected": REJECTED,
    "delayed": DELAYED,
}


_BAR_COMPONENTS = {
    "gap": BAR_GAP,
    "duplicate": BAR_DUPLICATE,
    "stuck": BAR_STUCK,
    "zero": BAR_ZERO,
    "range": BAR_RANGE,
    "late": BAR_LATE,
    "wide": BAR_WIDE,
}


cdef tuple candidates_of(const State* st):
    cdef int64_t i
    return tuple([_candidate(&st.report.candidate[i]) for i in range(st.report.candidates)])


cdef object _candidate(const CandidateRow* row):
    return Candidate(
        template=row.template_index,
        side=row.side,
        missing=row.missing != 0,
        episode=row.episode,
        z_e6=row.z_e6,
        belief_e6=row.belief_e6,
        p_e6=row.p_e6,
        p_be_e6=row.p_be_e6,
        stability_e6=row.stability_e6,
        edge_e6=row.edge_e6,
        uncertainty_e6=row.uncertainty_e6,
        cost_e6=row.cost_e6,
        euc_e6=row.euc_e6,
        required_e6=row.required_e6,
        cost_share_e6=row.cost_share_e6,
        slippage_e6=row.slippage_e6,
        target_ticks=row.target_ticks,
        stop_ticks=row.stop_ticks,
        p_stop_e6=row.p_stop_e6,
        p_time_e6=row.p_time_e6,
        mark_e6=row.mark_e6,
        entry_slippage_e6=row.entry_slippage_e6,
        scale_e6=row.scale_e6,
        volatility=row.volatility,
        fitted=row.fitted != 0,
        verdict=row.verdict,
    )


cdef object terms_of(const State* st, const Config* config, int index, int64_t side, double belief, int64_t ts_ns):
    cdef CandidateRow row
    if side != 1 and side != -1:
        raise ValueError(f"side is {side}: expected 1 for long or -1 for short")
    if not 0.0 < belief < 1.0:
        raise ValueError(f"belief is {belief}: expected a number between 0 and 1, neither of them")
    draft_given(&row, st, config, index, <int>side, belief, ts_ns)
    return _candidate(&row)


cdef object signal_of(const State* st, int64_t signal_id):
    cdef double value
    if signal_id not in SIGNAL_BY_ID:
        raise ValueError(f"no signal has id {signal_id}: domain/signal_registry.py lists them")
    return value if signal_value(st, st.now_ns, <int>signal_id, &value) else None


cdef dict signals_of(const State* st):
    return {spec.name: signal_of(st, spec.id) for spec in REGISTRY}


cdef dict flags_of(const State* st):
    cdef uint64_t pooled = st.bars.pooled
    return {
        spec.name: bool(pooled >> <int>spec.id & 1) for spec in REGISTRY if spec.id < BAR_SIGNALS and spec.id != DVS
    }


cdef dict changes_of(const State* st):
    """Bar signals less what they were at the bar before; None where either has no value."""
    cdef uint64_t known = st.bars.known & st.bars.prev_known
    return {
        spec.name: st.bars.value[<int>spec.id] - st.bars.prev_value[<int>spec.id] if known >> <int>spec.id & 1 else None
        for spec in REGISTRY
        if spec.id < BAR_SIGNALS and spec.id != DVS
    }


cdef list bars_of(const State* st, int64_t period_s):
    if period_s not in _PERIODS:
        raise ValueError(f"no bars of {period_s} s: there are 1, 5 and 60")
    cdef int period = _PERIODS[period_s]
    cdef int64_t closed = st.bars.closed[period]
    cdef int64_t i
    cdef const Bar* bar
    found = []
    for i in range(max(0, closed - BAR_RING), closed):
        bar = &st.bars.ring[period][i % BAR_RING]
        found.append((
            bar.ts_open_ns, bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks,
            bar.volume, bar.notional, bar.trades,
        ))
    return found


cdef list beliefs_of(const State* st, const Config* config):
    cdef const TemplateState* ts
    cdef int i
    found = []
    for i in range(config.templates):
        ts = &st.template_state[i]
        numbers = (None,) * 5
        if ts.evaluated:
            numbers = (ts.smoothed[0], ts.smoothed[1], ts.d, z_value(st, config, i, 1), z_value(st, config, i, -1))
        found.append((*numbers, ts.side > 0, ts.side < 0, ts.missing != 0))
    return found


cdef dict penalties_of(const State* st):
    cdef int64_t bits = st.quality.current | st.quality.closed
    found = {name: penalty_of_bits(bits & mask) for name, mask in _COMPONENTS.items()}
    found["age"] = st.quality.age_penalty
    bits = bits_of_minutes(&st.quality)
    for name, mask in _BAR_COMPONENTS.items():
        found[name] = penalty_of_minutes(bits & mask)
    return found


cdef bytes layout_digest():
    return sha256(
        repr((
            LAYOUT_VERSION, sizeof(State), sizeof(Quality), sizeof(Session), sizeof(Control), sizeof(Flow),
            sizeof(TemplateState), sizeof(CandidateRow), sizeof(Bars), sizeof(Bar), sizeof(History),
        )).encode()
    ).digest()
