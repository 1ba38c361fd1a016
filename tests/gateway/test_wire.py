"""Frames and fields against bytes written by hand."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trading_bot.adapters.gateway.wire import BadRequest, Fields, NoFrame, Splitter, encode


@pytest.mark.parametrize(
    ("values", "payload"),
    [
        ((4, 2, -1, 2104, "farm OK"), b"4\x002\x00-1\x002104\x00farm OK\x00"),
        ((None, True, False, ""), b"\x001\x000\x00\x00"),
        ((6750.25, 0.1, 0.0, -2.0), b"6750.25\x000.1\x000.0\x00-2.0\x00"),
        ((1e-7, 1e22), b"0.0000001\x0010000000000000000000000\x00"),
        (("Zürich €",), "Zürich €\0".encode()),
    ],
)
def test_a_frame_is_its_length_and_fields_ended_by_nul(values, payload):
    assert encode(*values) == len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a\0b"])
def test_what_has_no_text_is_refused(value):
    with pytest.raises(ValueError):
        encode(value)


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 300), max_size=8))
@example([b"", b"a\0", b""], [1, 2, 3, 4, 5])
def test_frames_come_out_however_the_bytes_are_cut(payloads, cuts):
    stream = b"".join(len(payload).to_bytes(4, "big") + payload for payload in payloads)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    splitter = Splitter()
    found = [payload for start, end in pairwise(places) for payload in splitter.feed(stream[start:end])]
    assert found == payloads
    assert splitter.held_bytes == 0


def test_a_length_that_no_message_has_is_no_frame():
    with pytest.raises(NoFrame, match="GET "):
        Splitter().feed(b"GET / HTTP/1.1\r\n")


def test_fields_are_read_in_order():
    fields = Fields(b"97\x0012\x00MES\x000.25\x00\x001\x00Infinite\x00a\x00\x00")
    assert (fields.int("id"), fields.req_id(), fields.text("symbol"), fields.float("tick")) == (97, 12, "MES", 0.25)
    assert fields.number_or_none("limit") is None
    assert fields.flag("ignore size") is True
    assert fields.float("auxiliary") == float("inf")
    assert fields.left == 2
    assert fields.rest() == ["a", ""]
    assert (fields.left, fields.subject) == (0, 12)


@pytest.mark.parametrize("text", [b"1.7976931348623157E308", b"2147483647", b""])
def test_what_other_clients_write_as_unset_is_none(text):
    assert Fields(text + b"\0").number_or_none("limit") is None


@pytest.mark.parametrize(
    ("read", "payload", "message"),
    [
        (lambda fields: fields.int("quantity"), b"one\0", "quantity is 'one'"),
        (lambda fields: fields.int("quantity"), b"\0", "quantity is missing"),
        (lambda fields: fields.float("price"), b"nan\0", "price is 'nan'"),
        (lambda fields: fields.flag("transmit"), b"2\0", "transmit is '2'"),
        (lambda fields: fields.text("symbol"), b"", "symbol is missing"),
    ],
)
def test_a_bad_field_is_named(read, payload, message):
    with pytest.raises(BadRequest, match=message):
        read(Fields(payload))


def test_bytes_that_are_no_text_are_kept_readable():
    assert Fields(b"\xff\xfe\0").text() == "\\xff\\xfe"
