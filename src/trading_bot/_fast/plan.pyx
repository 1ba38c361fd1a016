# cython: language_level=3
"""Turns a KernelConfig into the C tables of plan.pxd; refuses what the kernel could not divide, index or convert."""
from hashlib import sha256
from math import inf, isfinite

from libc.stdint cimport INT64_MIN, int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

import msgspec

from trading_bot._fast.config cimport CalibrationMap, Config, Knot, SessionRow, Template, Trigger, Weights
from trading_bot._fast.quality cimport penalty_of_bits
from trading_bot._fast.state cimport (
    BAR_SIGNALS, DVS, KNOTS, LEVEL_BIAS, SIGNALS, TEMPLATES, TRIGGERS, VOLATILITIES, WEIGHTS, Control,
)
from trading_bot.domain.kernel import SESSION_COLUMNS, TargetRule
from trading_bot.domain.signal_registry import SIGNAL_BY_ID

# Beyond this a number of the configuration is a mistake, and millionths of a product of three would leave 64 bits.
_LARGEST = 1_000_000.0


cdef object _number(object value, str where, object low=-_LARGEST, object high=_LARGEST):
    if not isfinite(value) or value < low or value > high:
        raise ValueError(f"{where} is {value}: expected a number from {low} to {high}; correct the configuration")
    return value


cdef class Plan:
    """The checked tables of one KernelConfig. Raises ValueError naming the field."""

    def __cinit__(self, source):
        self.source = source
        self.digest = sha256(msgspec.msgpack.encode(source)).digest()
        self._fill_numbers(source)
        self._fill_sessions(source.sessions)
        self._fill_signals()
        if len(source.templates) > TEMPLATES:
            raise ValueError(f"{len(source.templates)} templates: the kernel holds {TEMPLATES}; remove some")
        self.config.templates = len(source.templates)
        for index, row in enumerate(source.templates):
            _fill_template(&self.config.template_row[index], row)

    def __dealloc__(self):
        free(self.config.row)

    def _fill_numbers(self, source):
        cdef Config* to = &self.config
        to.instrument_id = _number(source.instrument_id, "instrument_id", 0, 65535)
        to.resolution_ns = _number(source.resolution_ns, "resolution_ns", 0, 10**12)
        to.anchor_rth = source.anchor_rth
        to.vpin_bucket_qty = _number(source.vpin_bucket_qty, "vpin_bucket_qty", 1, 10**9)
        to.slippage_base_ticks = _number(source.slippage_base_ticks, "slippage_base_ticks", 0.0)
        to.slippage_cap_ticks = _number(source.slippage_cap_ticks, "slippage_cap_ticks", 0.0)
        to.first_hour_factor = _number(source.first_hour_factor, "first_hour_factor", 0.0)
        to.last_hour_factor = _number(source.last_hour_factor, "last_hour_factor", 0.0)
        to.stability_max_e6 = _number(source.stability_max_e6, "stability_max_e6", 0, 10**12)
        to.cost_share_max_e6 = _number(source.cost_share_max_e6, "cost_share_max_e6", 0, 10**12)
        to.dvs_kill_c = _number(source.dvs_kill_c, "dvs_kill_c", 0, 100)
        to.dvs_hold_c = _number(source.dvs_hold_c, "dvs_hold_c", to.dvs_kill_c, 100)
        to.dvs_entry_c = _number(source.dvs_entry_c, "dvs_entry_c", to.dvs_hold_c, 100)
        for index, value in enumerate((source.age_warn_ns, source.age_stale_ns, source.age_dead_ns)):
            to.age_ns[index] = _number(value, ("age_warn_ns", "age_stale_ns", "age_dead_ns")[index], 0, 10**15)
        to.age_least_ns = min(to.age_ns[0], to.age_ns[1], to.age_ns[2])
        to.age_outside_rth_factor = _number(source.age_outside_rth_factor, "age_outside_rth_factor", 1, 1000)
        _number(source.commission_ticks, "commission_ticks", 0.0)
        _number(source.min_euc_ticks, "min_euc_ticks")
        for index in range(256):
            to.penalty_c[index] = penalty_of_bits(index)

    def _fill_sessions(self, bytes table):
        cdef int64_t row_size = sizeof(SessionRow)
        assert row_size == 8 * SESSION_COLUMNS
        if len(table) % row_size:
            raise ValueError(f"sessions has {len(table)} bytes: expected rows of {row_size}; build it again")
        cdef int64_t rows = len(table) // row_size
        self.config.rows = rows
        self.config.row = <SessionRow*>calloc(rows + 1, row_size)
        if self.config.row == NULL:
            raise MemoryError
        memcpy(self.config.row, <const char*>table, rows * row_size)
        cdef int64_t index
        cdef int64_t previous_close = INT64_MIN
        for index in range(rows):
            if not previous_close <= self.config.row[index].open_ns < self.config.row[index].close_ns:
                raise ValueError(f"session row {index} does not open after the one before closed and before it closes")
            previous_close = self.config.row[index].close_ns

    def _fill_signals(self):
        for number, spec in SIGNAL_BY_ID.items():
            if number >= SIGNALS:
                raise ValueError(f"signal {spec.name} has id {number}: the kernel holds ids below {SIGNALS}")
            self.config.scale[number] = spec.scale
            self.config.odd[number] = spec.parity == "odd"


cdef int first_control(Control* to, object source) except -1:
    to.commission_ticks = source.commission_ticks
    to.min_euc_ticks = source.min_euc_ticks
    to.entry_factor = 1.0
    to.stop_factor = 1.0
    to.eqs_c = 100
    for index, row in enumerate(source.templates):
        to.throttle[index] = 1.0
        to.sigma_p[index] = row.sigma_p
        to.belief_factor[index] = 1.0
        if row.enabled:
            to.on_mask |= <uint64_t>1 << <int>index
    return 0


cdef int feed(Control* to, object signal, object value) except -1:
    spec = SIGNAL_BY_ID.get(signal)
    if spec is None or spec.cadence != "fed":
        names = ", ".join(row.name for row in SIGNAL_BY_ID.values() if row.cadence == "fed")
        raise ValueError(f"signal {signal} is not fed from outside: expected the id of one of {names}")
    if value is None:
        to.fed_known &= ~(<uint64_t>1 << <int>spec.id)
        return 0
    to.fed[spec.id - LEVEL_BIAS] = _number(value, spec.name, spec.low, spec.high)
    to.fed_known |= <uint64_t>1 << <int>spec.id
    return 0


cdef int _fill_template(Template* to, object row) except -1:
    name = row.name
    to.cadence = _number(row.cadence, f"cadence of template {name}", 0, 2)
    to.passive = row.passive
    to.target_is_vwap = row.target_rule == TargetRule.VWAP
    to.target_ticks = _number(row.target_ticks, f"target_ticks of template {name}", 1)
    to.stop_ticks = _number(row.stop_ticks, f"stop_ticks of template {name}", 1)
    to.rearm_ns = _number(row.rearm_ns, f"rearm_ns of template {name}", 0, 10**18)
    to.smoothing8_ns = 8.0 * <double>_number(row.smoothing_ns, f"smoothing_ns of template {name}", 0, 10**18)
    to.a = _number(row.a, f"a of template {name}")
    to.b = _number(row.b, f"b of template {name}")
    to.z_enter = _number(row.z_enter, f"z_enter of template {name}")
    to.z_hold = _number(row.z_hold, f"z_hold of template {name}")
    to.applicability = _number(row.applicability, f"applicability of template {name}")
    _number(row.sigma_p, f"sigma_p of template {name}")
    if len(row.weights) > WEIGHTS or len(row.triggers) > TRIGGERS:
        raise ValueError(f"template {name} has more than {WEIGHTS} weights or {TRIGGERS} triggers; split it")
    to.rv_reference = _number(row.rv_reference, f"rv_reference of template {name}", 0.0)
    if len(row.maps) != VOLATILITIES:
        raise ValueError(f"template {name} has {len(row.maps)} maps: expected one per volatility bucket, {VOLATILITIES}")
    for index, knots in enumerate(row.maps):
        _fill_map(&to.map[index], knots, f"map {index} of template {name}")
    total = 0.0
    for weight in row.weights:
        _add_weight(to, weight, name)
        total += abs(weight.weight)
    if total == 0.0 and row.weights:
        raise ValueError(f"template {name} has no weight other than 0: leave the weights out, or give one that counts")
    to.total_weight = total
    for trigger in row.triggers:
        _add_trigger(&to.trigger[to.triggers], trigger, name)
        to.triggers += 1
    return 0


cdef int _fill_map(CalibrationMap* to, object knots, str where) except -1:
    if knots and not 2 <= len(knots) <= KNOTS:
        raise ValueError(f"{where} has {len(knots)} knots: expected none, or 2 to {KNOTS}")
    before = 0.0
    for index, knot in enumerate(knots):
        to.knot[index].belief = _number(knot.belief, f"belief of knot {index} of {where}", 0.0, 1.0)
        to.knot[index].p_target = _number(knot.p_target, f"p_target of knot {index} of {where}", 0.0, 1.0)
        to.knot[index].p_stop = _number(knot.p_stop, f"p_stop of knot {index} of {where}", 0.0, 1.0)
        to.knot[index].mark_ticks = _number(knot.mark_ticks, f"mark_ticks of knot {index} of {where}")
        if index and knot.belief <= before:
            raise ValueError(f"knot {index} of {where} has belief {knot.belief} after {before}: beliefs must ascend")
        before = knot.belief
    to.knots = len(knots)
    return 0


cdef int _add_weight(Template* to, object weight, str name) except -1:
    spec = SIGNAL_BY_ID.get(weight.signal)
    if spec is None:
        raise ValueError(f"template {name} weighs signal {weight.signal}, which the registry does not have")
    if spec.category:
        raise ValueError(f"template {name} weighs {spec.name}, which is a category: use it in a trigger")
    cdef Weights* terms
    if spec.id < BAR_SIGNALS and spec.id != DVS:
        terms = &to.bar_odd if spec.parity == "odd" else &to.bar_even
    else:
        terms = &to.flow_odd if spec.parity == "odd" else &to.flow_even
    terms.signal[terms.n] = spec.id
    terms.weight[terms.n] = _number(weight.weight, f"weight of {spec.name} in template {name}")
    terms.n += 1
    return 0


cdef int _add_trigger(Trigger* to, object trigger, str name) except -1:
    spec = SIGNAL_BY_ID.get(trigger.signal)
    if spec is None:
        raise ValueError(f"template {name} is triggered by signal {trigger.signal}, which the registry does not have")
    if trigger.delta and not (spec.id < BAR_SIGNALS and spec.id != DVS):
        raise ValueError(f"template {name} asks for the change of {spec.name} since the last bar: only bar signals have one")
    to.signal = spec.id
    to.delta = trigger.delta
    to.odd = spec.parity == "odd"
    to.low = -inf if trigger.low is None else _number(trigger.low, f"low of {spec.name} in template {name}")
    to.high = inf if trigger.high is None else _number(trigger.high, f"high of {spec.name} in template {name}")
    return 0
