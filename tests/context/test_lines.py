"""SG10 at the door: what a line says, lines out of chunks, the rate, and files that begin, grow, shrink and return."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.adapters.context import ContextInlet
from trading_bot.adapters.context_lines import LINE_BYTES_MAX, LineSplitter, RateGate, parse
from trading_bot.domain.context import ContextLinesRefused, ContextReceived
from trading_bot.domain.context_config import ContextConfig
from trading_bot.domain.units import NS_PER_S, TS_NEVER_NS

T0 = 1_795_617_000 * NS_PER_S  # 2026-11-25T14:30:00Z
PLAIN = {"source": "news", "name": "risk", "value": 0.7, "conviction": 0.5, "ts": T0, "ttl_s": 90}


def line(**changes):
    return json.dumps({key: value for key, value in (PLAIN | changes).items() if value is not ...}).encode()


class TestParse:
    @pytest.mark.parametrize(
        "stamp", [T0, "2026-11-25T14:30:00Z", "2026-11-25T09:30:00-05:00", "2026-11-25T14:30:00.000Z"]
    )
    def test_a_line_is_a_message(self, stamp):
        found = parse(line(ts=stamp), "here", 5)
        assert isinstance(found, ContextReceived)
        assert (found.source, found.name, found.value, found.conviction) == ("news", "risk", 0.7, 0.5)
        assert (found.stamped_ns, found.time_to_live_ns, found.where) == (T0, 90 * NS_PER_S, "here")

    def test_without_stamp_and_conviction_it_is_of_now_and_certain(self):
        found = parse(line(ts=..., conviction=...), "here", 5)
        assert (found.stamped_ns, found.conviction) == (5, 1.0)

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"risk 0.7",
            b"\xff\xfe",
            b"[" * 4000,
            b'{"source": "news"}',
            line(value="high"),
            line(value=True),
            line(value=None),
            line(ts="yesterday"),
            line(ts="2026-11-25T14:30:00"),  # of which time zone?
            line(ts=-1),
            line(ts=1e30),
            line(ttl_s=0),
            line(ttl_s=-5),
            line(ttl_s=1e12),
            line(name=""),
            line(name="x" * 65),
            line(color="red"),
        ],
    )
    def test_what_is_no_message_says_what_was_found_and_expected(self, text):
        found = parse(text, "file line 7", 5)
        assert isinstance(found, ContextLinesRefused)
        assert (found.where, found.count) == ("file line 7", 1)
        assert '"ttl_s"' in found.expected

    @given(st.binary(max_size=200))
    def test_no_bytes_are_too_odd(self, text):
        parse(text, "here", 5)


@given(
    st.lists(st.binary(min_size=1, max_size=20).map(lambda text: text.replace(b"\n", b" ")), max_size=8),
    st.integers(1, 7),
)
def test_chunks_do_not_matter(texts, size):
    whole = b"".join(text + b"\n" for text in texts)
    splitter = LineSplitter()
    found = [one for at in range(0, len(whole), size) for one in splitter.feed(whole[at : at + size])]
    expected = [(number, text) for number, text in enumerate(texts, 1) if text.strip()]
    assert [(one.number, one.text) for one in found] == expected
    assert [whole[one.start : one.start + len(one.text)] for one in found] == [one.text for one in found]


@pytest.mark.parametrize("size", [1_000, 5_000, 20_000])
def test_a_line_without_end_is_not_kept_and_the_next_one_is_read(size):
    whole = b"x" * 12_000 + b"\n" + b"good\n"
    splitter = LineSplitter()
    found = [one for at in range(0, len(whole), size) for one in splitter.feed(whole[at : at + size])]
    assert [(one.number, one.start, one.text) for one in found] == [(1, found[0].start, None), (2, 12_001, b"good")]
    assert LINE_BYTES_MAX < 12_000


def test_the_rate_is_of_each_second_and_what_is_over_is_told_once():
    gate = RateGate(3)
    assert [gate.admit(7, f"line {k}") for k in range(5)] == [True, True, True, False, False]
    assert gate.told(7, 0) is None, "it may not be over yet"
    told = gate.told(8, 0)
    assert (told.count, told.where) == (2, "line 3")
    assert gate.told(8, 0) is None
    assert gate.admit(8, "line 5")


class World:
    """A file of context messages and an inlet over it; every poll looks, however soon."""

    def __init__(self, folder, *, recorded=False, known=None, **config):
        self.path = folder / "context.jsonl"
        chosen = {"file": "context.jsonl", "sources": ("news",)} | config
        self.inlet = ContextInlet(ContextConfig(**chosen), folder, recorded=recorded, known=known)

    def write(self, *lines, mode="ab"):
        with self.path.open(mode) as file:
            file.writelines(lines)

    def polled(self, now_ns=T0):
        found = []
        self.inlet._next_poll_ns = 0
        while (message := self.inlet.poll(now_ns)) is not None:
            found.append(message)
        return found


def values(found):
    return [message.value for message in found if isinstance(message, ContextReceived)]


class TestFile:
    def test_it_is_waited_for_and_followed(self, tmp_path):
        world = World(tmp_path)
        assert world.polled() == []
        world.write(line(value=1) + b"\n", line(value=2) + b"\n" + line(value=3)[:20])
        assert values(world.polled()) == [1, 2]
        world.write(line(value=3)[20:])
        assert world.polled() == [], "a line counts when its end has come"
        world.write(b"\n")
        found = world.polled(T0 + 5)
        assert (values(found), found[0].ts_ns, found[0].where) == ([3], T0 + 5, "context.jsonl line 3")

    def test_one_that_was_cut_or_replaced_begins_anew(self, tmp_path):
        world = World(tmp_path)
        world.write(line(value=1) + b"\n", line(value=2) + b"\n")
        world.polled()
        world.write(line(value=3) + b"\n", mode="wb")
        assert values(world.polled()) == [3]
        world.path.rename(tmp_path / "old.jsonl")
        world.write(line(value=4) + b"\n")
        assert values(world.polled()) == [4]

    def test_bad_lines_are_told_with_their_number_and_do_not_stop_the_others(self, tmp_path):
        world = World(tmp_path)
        world.write(line(value=1) + b"\n\n", b"nonsense\n", b"x" * 50_000 + b"\n", line(value=2) + b"\n")
        found = world.polled()
        assert values(found) == [1, 2]
        refused = [message.where for message in found if isinstance(message, ContextLinesRefused)]
        assert refused == ["context.jsonl line 3", "context.jsonl line 4"]

    def test_what_ended_before_the_start_is_counted_and_what_the_log_has_is_passed_over(self, tmp_path):
        rows = [line(ts=T0 - 200 * NS_PER_S), line(ts=T0 - 100 * NS_PER_S), line(ts=T0 - 20 * NS_PER_S, value=5)]
        rows.append(line(ts=T0 - 10 * NS_PER_S, value=6))
        world = World(tmp_path, known={"risk": T0 - 20 * NS_PER_S})
        world.write(*(row + b"\n" for row in rows))
        assert values(world.polled()) == [6]
        fresh = World(tmp_path)
        found = fresh.polled()
        assert values(found) == [5, 6]
        assert [message.count for message in found if isinstance(message, ContextLinesRefused)] == [2]

    def test_recorded_messages_wait_for_the_time_of_the_market(self, tmp_path):
        world = World(tmp_path, recorded=True)
        world.write(*(line(ts=T0 + k * NS_PER_S, value=k) + b"\n" for k in (3, 1, 2)))
        assert world.inlet.next_due_ns == TS_NEVER_NS
        assert world.polled() == []
        assert world.inlet.next_due_ns == T0 + NS_PER_S
        assert values(world.polled(T0 + 2 * NS_PER_S)) == [1, 2]
        assert world.inlet.next_due_ns == T0 + 3 * NS_PER_S

    def test_a_long_recording_is_read_on_as_it_is_taken(self, tmp_path):
        world = World(tmp_path, recorded=True)
        world.write(*(line(ts=T0 + k * NS_PER_S, value=k) + b"\n" for k in range(5_000)))
        taken = []
        for second in range(5_000):
            taken += values(world.polled(T0 + second * NS_PER_S))
            assert len(world.inlet._waiting) <= 1_000
        assert taken[-1] == 4_999

    def test_a_flood_in_one_second_is_cut_and_counted(self, tmp_path):
        world = World(tmp_path, rate_max=10)
        world.write(*(line(ts=T0 + k, value=k) + b"\n" for k in range(500)))
        found = world.polled()
        assert values(found) == list(range(10))
        assert [message.count for message in found if isinstance(message, ContextLinesRefused)] == [490]

    def test_what_is_no_file_is_told_once(self, tmp_path):
        world = World(tmp_path)
        world.path.mkdir()
        assert [message.found for message in world.polled()] == ["no regular file"]
        assert world.polled() == []
        world.path.rmdir()
        world.write(line() + b"\n")
        assert len(values(world.polled())) == 1
