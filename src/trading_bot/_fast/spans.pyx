# cython: language_level=3
"""Counting and choosing in runs of market records."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t
from libc.string cimport memcpy
from trading_bot._fast.records cimport KIND_PRICE_GAP, KIND_TIME, TickRecord


def count_kind(const uint8_t[::1] records not None, int kind, int instrument_id=0) -> int:
    """How many of the 64-byte records are of `kind` (FrameKind), and of one instrument unless that is 0.

    Raises:
        ValueError: the buffer is not a whole number of records.
    """
    cdef Py_ssize_t size = records.shape[0], offset = 0
    cdef Py_ssize_t found = 0
    if size % sizeof(TickRecord) != 0:
        raise ValueError(f"{size} bytes are not a whole number of {sizeof(TickRecord)}-byte records")
    if size == 0:
        return 0
    cdef const uint8_t* start = &records[0]
    cdef const TickRecord* rec
    with nogil:
        while offset < size:
            rec = <const TickRecord*>(start + offset)
            found += rec.kind == kind and (instrument_id == 0 or rec.instrument == instrument_id)
            offset += <Py_ssize_t>sizeof(TickRecord)
    return found


def market_only(
    const uint8_t[::1] records not None, int instrument, const int64_t[::1] without not None, int label=-1
) -> bytes:
    """The market records of one instrument, without those that only tell the time.

    `without` are receive times in pairs, begin and end, ascending: what was received from a begin up to before its end is
    left out. A price gap stays: what follows stands on its other side. `label`: the instrument written into the copies.

    Raises:
        ValueError: the buffer is not a whole number of records, or a begin has no end.
    """
    cdef Py_ssize_t size = records.shape[0], offset = 0, kept = 0, at = 0, ends = without.shape[0]
    if size % sizeof(TickRecord) != 0:
        raise ValueError(f"{size} bytes are not a whole number of {sizeof(TickRecord)}-byte records")
    if ends % 2 != 0:
        raise ValueError(f"{ends} times: expected pairs of begin and end")
    chosen = PyBytes_FromStringAndSize(NULL, size)
    cdef char* target = PyBytes_AS_STRING(chosen)
    cdef const TickRecord* rec
    if size == 0:
        return b""
    with nogil:
        while offset < size:
            rec = <const TickRecord*>(&records[offset])
            offset += <Py_ssize_t>sizeof(TickRecord)
            while at < ends and without[at + 1] <= rec.ts_ns:
                at += 2
            if rec.kind == KIND_TIME or rec.instrument != instrument:
                continue
            if at < ends and without[at] <= rec.ts_ns and rec.kind != KIND_PRICE_GAP:
                continue
            memcpy(target + kept, rec, sizeof(TickRecord))
            if label >= 0:
                (<TickRecord*>(target + kept)).instrument = <uint16_t>label
            kept += <Py_ssize_t>sizeof(TickRecord)
    return chosen[:kept]
