"""Tick records as named values, read with the layout of domain/records.py."""

from typing import NamedTuple

from trading_bot.domain.errors import DataCorrupt
from trading_bot.domain.records import REJECTED_RECORD, TICK_RECORD, FrameClass, FrameKind


class Tick(NamedTuple):
    kind: int
    flags: int
    ts_ns: int
    ts_event_ns: int
    a_ticks: int
    b_ticks: int
    a_qty: int
    b_qty: int
    aggressor: int


class Rejected(NamedTuple):
    kind: int
    ts_ns: int
    ts_event_ns: int
    raw_a: float
    raw_b: float
    reason: int
    original_kind: int
    raw_qty: int


def decode(batch, instrument=None):
    """Records of a batch; checks on the way what the log writer relies on."""
    assert len(batch) % TICK_RECORD.size == 0
    result = []
    for offset in range(0, len(batch), TICK_RECORD.size):
        crc, length, seq, kind, cls, number, flags, ts_ns, ts_event, *rest = TICK_RECORD.unpack_from(batch, offset)
        assert (crc, length, seq, cls) == (0, 64, 0, FrameClass.INPUT)
        assert instrument is None or number == instrument
        if kind == FrameKind.REJECTED:
            *_, raw_a, raw_b, reason, original, _pad, qty = REJECTED_RECORD.unpack_from(batch, offset)
            result.append(Rejected(kind, ts_ns, ts_event, raw_a, raw_b, reason, original, qty))
        else:
            result.append(Tick(kind, flags, ts_ns, ts_event, *rest[:5]))
    return result


def read_all(feed):
    result = []
    while (batch := feed.read()) is not None:
        result += decode(batch)
    return result


def read_to_the_damage(feed):
    """Everything handed out before the error, and the error."""
    result = []
    try:
        while (batch := feed.read()) is not None:
            result += decode(batch)
    except DataCorrupt as error:
        return result, error
    raise AssertionError("the feed ended as if it were whole")
