"""What is added up over a log's records, beside the plainest way to do it."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.parity import tape
from trading_bot._fast.prints import PrintTally
from trading_bot._fast.spans import market_only

NONE = array("q")


@st.composite
def records(draw):
    """Records of two instruments with receive times that never go back and event times that do."""
    made, now_ns = [], tape.BEGIN
    for _ in range(draw(st.integers(0, 60))):
        now_ns += draw(st.integers(0, 3 * tape.S))
        kind = draw(st.sampled_from("tqrRgm"))
        instrument = draw(st.sampled_from([tape.MES.id, 9]))
        price, qty = draw(st.integers(1, 50)), draw(st.integers(0, 9))
        event_ns = now_ns - draw(st.integers(0, 8)) * tape.S
        event_ns -= event_ns % tape.S
        made.append((kind, now_ns, event_ns, price, qty, instrument))
    return made


def packed(kind, now_ns, event_ns, price, qty, instrument):
    if kind == "t":
        return tape.trade(now_ns, price, qty, event_ns=event_ns, instrument=instrument)
    if kind in "rR":
        return tape.refused(now_ns, float(price), qty, kind=2 if kind == "r" else 1, instrument=instrument)
    if kind == "q":
        return tape.quote(now_ns, price, qty, price + 1, qty, instrument=instrument)
    return (tape.gap if kind == "g" else tape.time_mark)(now_ns, instrument=instrument)


@given(records(), st.integers(0, 60))
def test_spans_of_event_time_hold_what_was_printed_in_them(made, cut):
    tally = PrintTally(tape.MES.id, 5 * tape.S)
    rows = [packed(*one) for one in made]
    tally.take(b"".join(rows[:cut]))
    tally.take(b"".join(rows[cut:]))
    expected = {}
    for kind, now_ns, event_ns, price, qty, instrument in made:
        if instrument != tape.MES.id or kind not in "tr":
            continue
        at_ns = event_ns if kind == "t" else now_ns - now_ns % tape.S
        row = expected.setdefault(at_ns - at_ns % (5 * tape.S), [0, 0, [], 0])
        if kind == "t":
            row[0], row[1] = row[0] + qty, row[1] + 1
            row[2].append(price)
        else:
            row[3] += qty
    assert tally.rows() == {
        at: (lots, prints, min(prices, default=0), max(prices, default=0), lost)
        for at, (lots, prints, prices, lost) in expected.items()
    }
    assert tally.rows() == tally.rows(), "reading changes nothing"


@given(records(), st.integers(-2, 200))
def test_lots_until_a_time_are_those_received_by_then(made, after_s):
    tally = PrintTally(tape.MES.id, tape.S)
    tally.take(b"".join(packed(*one) for one in made))
    at_ns = tape.BEGIN + after_s * tape.S
    mine = [(now_ns, qty) for kind, now_ns, _, _, qty, instrument in made if kind == "t" and instrument == tape.MES.id]
    assert tally.lots_until(at_ns) == sum(qty for now_ns, qty in mine if now_ns <= at_ns)


@given(records(), st.lists(st.integers(0, 120), max_size=6, unique=True))
def test_market_records_without_spans_of_time(made, bounds):
    bounds = sorted(bounds)[: len(bounds) // 2 * 2]
    spans = [tape.BEGIN + bound * tape.S for bound in bounds]
    kept = []
    for one in made:
        kind, now_ns, *_, instrument = one
        inside = any(begin <= now_ns < end for begin, end in zip(spans[::2], spans[1::2], strict=True))
        if kind != "m" and instrument == tape.MES.id and (kind == "g" or not inside):
            kept.append(packed(*one))
    whole = b"".join(packed(*one) for one in made)
    assert market_only(whole, tape.MES.id, array("q", spans)) == b"".join(kept)


def test_a_label_is_written_into_the_copies_alone():
    whole = tape.trade(tape.BEGIN, 7, 3, instrument=2)
    assert market_only(whole, 2, NONE, 1) == tape.trade(tape.BEGIN, 7, 3, instrument=1)
    assert whole == tape.trade(tape.BEGIN, 7, 3, instrument=2)


def test_what_is_no_whole_number_of_records_is_refused():
    with pytest.raises(ValueError, match="63 bytes"):
        PrintTally(1, 1).take(bytes(63))
    with pytest.raises(ValueError, match="63 bytes"):
        market_only(bytes(63), 1, NONE)
    with pytest.raises(ValueError, match="pairs"):
        market_only(bytes(64), 1, array("q", [1]))
    with pytest.raises(ValueError, match="1 or more"):
        PrintTally(1, 0)
