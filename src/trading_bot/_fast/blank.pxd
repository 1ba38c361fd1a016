# cython: language_level=3
"""A record with nothing but its kind, instrument and time: what the single calls of a hot path fill in."""
from libc.stdint cimport int64_t, uint8_t, uint16_t
from libc.string cimport memset

from trading_bot._fast.config cimport Config
from trading_bot._fast.records cimport TickRecord


cdef inline TickRecord blank_record(const Config* config, uint8_t kind, int64_t ts_ns) noexcept nogil:
    cdef TickRecord rec
    memset(&rec, 0, sizeof(TickRecord))
    rec.kind = kind
    rec.instrument = <uint16_t>config.instrument_id
    rec.ts_ns = ts_ns
    return rec
