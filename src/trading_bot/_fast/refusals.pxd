# cython: language_level=3
"""What the hot path refuses, in words; apart from it, where no record passes."""
from libc.math cimport isfinite
from libc.stdint cimport int64_t

from trading_bot._fast.config cimport Config
from trading_bot._fast.exchange_state cimport REPLIES
from trading_bot._fast.records cimport KIND_QUOTE, KIND_TIME, TickRecord


cdef inline double finite(double value, str name) except? -1.0:
    if not isfinite(value) or abs(value) > 1_000_000.0:
        raise ValueError(f"{name} is {value}: expected a number between -1000000 and 1000000")
    return value


cdef inline double not_negative(double value, str name) except? -1.0:
    if value < 0.0:
        raise ValueError(f"{name} is {value}: expected a number from 0 to 1000000")
    return finite(value, name)


cdef inline double share(double value, str name) except? -1.0:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value}: expected 0 to 1")
    return value


cdef inline int64_t hundredths(int64_t value, str name) except? -1:
    if not 0 <= value <= 100:
        raise ValueError(f"{name} is {value}: expected hundredths from 0 to 100")
    return value


cdef inline int template_index(const Config* config, int64_t index) except -1:
    if index < 0 or index >= config.templates:
        raise ValueError(f"no template {index}: this kernel has {config.templates}")
    return <int>index


cdef inline int raise_bad_record(const Config* config, const TickRecord* rec, int64_t index) except -1:
    raise ValueError(
        f"record {index} has kind {rec.kind} and instrument {rec.instrument}: expected a tick kind"
        f" ({KIND_QUOTE} to {KIND_TIME}) of instrument {config.instrument_id}; records before it were taken"
    )


cdef inline int raise_answers_lost(int64_t ts_ns) except -1:
    from trading_bot.domain.exchange import ExchangeFull
    raise ExchangeFull(
        f"answers of the exchange simulator were lost at {ts_ns}: more than {REPLIES} were waiting; take() them when"
        f" next_due_ns has come. Records before it were taken"
    )
