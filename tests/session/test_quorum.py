"""The three witnesses of a session (NV09): what each says, and what follows where two of them disagree."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.quorum_config import QuorumConfig
from trading_bot.domain.session_events import ToldHours
from trading_bot.engines.quorum import (
    Counts,
    Dispute,
    Quorum,
    Tape,
    difference,
    disputes,
    expected_open,
    look,
    narrowed,
    told_of,
    verdict,
)
from trading_bot.engines.session import (
    MINUTE_NS,
    SECOND_NS,
    SessionPolicy,
    SessionState,
    boundaries,
    parse_calendar,
    session_window,
)

PATH = Path(__file__).resolve().parents[2] / "data" / "calendars" / "us_index.csv"
TABLE = parse_calendar(PATH.read_text(encoding="ascii"), source=str(PATH))
EASTERN = ZoneInfo("America/New_York")
RTH = SessionPolicy(kind="rth", open_delay_ns=5 * MINUTE_NS, close_buffer_ns=15 * MINUTE_NS)
GLOBEX = SessionPolicy(kind="globex", open_delay_ns=5 * MINUTE_NS, close_buffer_ns=15 * MINUTE_NS)
CONFIG = QuorumConfig()
LOOK_NS = CONFIG.look_s * SECOND_NS
NORMAL, HALF, WITH_BREAK = TABLE.day(20261125), TABLE.day(20261127), TABLE.day(20131007)


def et(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=EASTERN).timestamp()) * SECOND_NS


def told(day, *, close=None, shut=False):
    """The broker's hours of a day as the table has them, or with another close."""
    edges = [day.globex_open_ns, *(at for pair in day.breaks for at in pair), close or day.globex_close_ns]
    return ToldHours(trade_date=day.trade_date, spans=() if shut else tuple(zip(edges[::2], edges[1::2], strict=True)))


class TestHours:
    @pytest.mark.parametrize("day", [NORMAL, HALF, WITH_BREAK])
    def test_equal_hours_are_no_difference_breaks_included(self, day):
        assert difference(day, told(day)) == ""
        assert narrowed(day, told(day)) == day

    def test_nothing_told_is_no_difference(self):
        assert difference(NORMAL, None) == ""
        assert narrowed(NORMAL, None) == NORMAL

    def test_an_earlier_close_at_the_broker_moves_the_flatten_of_both_kinds(self):
        early = told(NORMAL, close=et("2026-11-25 13:15"))
        assert "20261125" in difference(NORMAL, early)
        day = narrowed(NORMAL, early)
        assert session_window(day, RTH).flatten_ns == et("2026-11-25 13:10")
        assert session_window(day, GLOBEX).flatten_ns == et("2026-11-25 13:10")

    def test_a_close_between_new_yorks_and_ours_leaves_regular_hours_as_they_are(self):
        day = narrowed(NORMAL, told(NORMAL, close=et("2026-11-25 16:30")))
        assert session_window(day, RTH).flatten_ns == et("2026-11-25 15:55")
        assert session_window(day, GLOBEX).flatten_ns == et("2026-11-25 16:25")

    def test_a_later_close_moves_nothing_and_is_a_difference(self):
        late = told(HALF, close=et("2026-11-27 17:00"))
        assert difference(HALF, late)
        assert narrowed(HALF, late) == HALF

    def test_a_date_the_broker_calls_shut_is_a_difference_and_keeps_the_tables_flatten(self):
        assert "shut" in difference(NORMAL, told(NORMAL, shut=True))
        assert narrowed(NORMAL, told(NORMAL, shut=True)) == NORMAL

    def test_a_close_before_new_yorks_open_leaves_no_regular_hours(self):
        day = narrowed(NORMAL, told(NORMAL, close=et("2026-11-25 09:30")))
        assert boundaries(day, RTH) == ()
        assert session_window(day, GLOBEX).close_ns == et("2026-11-25 09:30")

    @given(st.integers(-24 * 60, 48 * 60))
    def test_whatever_is_told_the_way_to_flat_never_begins_later(self, minutes):
        other = told(NORMAL, close=NORMAL.globex_open_ns + minutes * MINUTE_NS)
        day = narrowed(NORMAL, other)
        for policy in (RTH, GLOBEX):
            window = session_window(day, policy)
            if window is not None:
                assert window.flatten_ns <= session_window(NORMAL, policy).flatten_ns
                assert window.close_ns - window.flatten_ns >= 0

    def test_the_contracts_last_day_is_not_compared(self):
        last = told(NORMAL, close=et("2026-11-25 09:30"))
        assert told_of(Quorum(told=(last,)), 20261125) == last
        assert told_of(Quorum(told=(last,), expiry=20261125), 20261125) is None
        assert told_of(Quorum(told=(last,), expiry=20261126), 20261125) == last

    def test_of_a_moment_the_two_say_open_shut_or_not_the_same(self):
        early = told(NORMAL, close=et("2026-11-25 13:15"))
        assert expected_open(NORMAL, early, et("2026-11-25 12:00")) is True
        assert expected_open(NORMAL, early, et("2026-11-25 14:00")) is None
        assert expected_open(NORMAL, early, et("2026-11-25 17:30")) is False
        assert expected_open(NORMAL, None, et("2026-11-25 14:00")) is True


class Looks:
    """A tape that is looked at every so many seconds."""

    def __init__(self, *, expected=True, regular=True, seeing=True):
        self.counts, self.ts_ns, self.tape = Counts(), et("2026-11-25 12:00"), None
        self.world = {"expected": expected, "regular": regular, "seeing": seeing}
        self.go()

    def go(self, looks=1, *, trades=0, quotes=0, refused=0, **changes):
        self.world |= changes
        for _ in range(looks):
            before = self.counts
            self.counts = Counts(before.quotes + quotes, before.trades + trades, before.refused + refused)
            self.tape = look(self.tape, self.counts, CONFIG, ts_ns=self.ts_ns, **self.world)
            self.ts_ns += LOOK_NS
        return self.tape


class TestTape:
    def test_two_minutes_without_a_trade_in_regular_hours_are_silence(self):
        looks = Looks()
        assert not looks.go(7, quotes=9).silent  # 105 s after the first look
        assert looks.go(quotes=9).silent

    def test_at_night_it_takes_half_an_hour(self):
        looks = Looks(regular=False)
        assert not looks.go(119).silent
        assert looks.go().silent

    def test_trades_in_two_looks_end_it(self):
        looks = Looks()
        looks.go(8)
        assert looks.go(trades=1).silent
        assert looks.go().silent  # one look with a trade, one without: not back yet
        assert looks.go(trades=1).silent
        assert not looks.go(trades=1).silent

    def test_silence_proves_nothing_while_the_link_is_down(self):
        looks = Looks(seeing=False)
        assert not looks.go(40).silent
        assert not looks.go(7, seeing=True).silent  # and counts from when it is up
        assert looks.go(2).silent

    def test_silence_is_expected_while_the_market_is_shut_and_not_judged_where_hours_differ(self):
        assert not Looks(expected=False).go(40).silent
        assert not Looks(expected=None).go(40).silent

    def test_an_open_is_given_its_time(self):
        looks = Looks(expected=False)
        looks.go(40)
        assert not looks.go(8, expected=True).silent
        assert looks.go().silent

    def test_trades_while_both_say_shut_are_a_dispute_until_it_is_open_and_trades(self):
        looks = Looks(expected=False)
        assert not looks.go(3, trades=50).while_shut  # within a minute of the close
        assert not looks.go(trades=2).while_shut  # late reports
        assert looks.go(trades=3).while_shut
        assert looks.go(100).while_shut
        assert looks.go(5, expected=True).while_shut  # open, and nothing trades
        assert looks.go(trades=1).while_shut
        assert not looks.go(trades=1).while_shut

    def test_quotes_without_a_side_are_a_market_at_its_limit_until_whole_ones_come(self):
        looks = Looks()
        assert not looks.go(refused=2).one_sided
        assert not looks.go(refused=50, quotes=1).one_sided
        assert looks.go(refused=3, trades=9).one_sided
        assert looks.go(trades=9).one_sided
        assert not looks.go(quotes=4).one_sided

    def test_counters_that_begin_anew_count_as_nothing(self):
        looks = Looks(expected=False)
        looks.go(10, trades=100)
        looks.counts = Counts()
        looks.tape = Tape(counts=Counts(trades=1_000), expected_ns=looks.tape.expected_ns)
        assert not looks.go(trades=50).while_shut


class TestVerdict:
    TOLD = (told(NORMAL),)

    @pytest.mark.parametrize(
        ("quorum", "found", "state"),
        [
            (Quorum(told=TOLD), (), SessionState.ENTRIES),
            (Quorum(told=TOLD, tape=Tape()), (), SessionState.ENTRIES),
            (Quorum(told=(told(NORMAL, shut=True),)), (Dispute.HOURS_DIFFER,), SessionState.DISPUTED),
            (Quorum(told=TOLD, tape=Tape(silent=True)), (Dispute.TAPE_SILENT,), SessionState.DISPUTED),
            (Quorum(told=TOLD, tape=Tape(while_shut=True)), (Dispute.TAPE_WHILE_SHUT,), SessionState.DISPUTED),
            (Quorum(told=TOLD, halt=1), (Dispute.HALTED,), SessionState.HALTED),
            (Quorum(told=TOLD, halt=2, tape=Tape(busy_looks=1)), (Dispute.HALTED,), SessionState.HALTED),
            (Quorum(told=TOLD, halt=2, tape=Tape(busy_looks=2)), (), SessionState.ENTRIES),  # it trades
            (Quorum(told=TOLD, tape=Tape(one_sided=True)), (Dispute.ONE_SIDED,), SessionState.HALTED),
        ],
    )
    def test_each_witness_alone_can_stop_entries(self, quorum, found, state):
        assert disputes(quorum, NORMAL) == found
        assert verdict(SessionState.ENTRIES, found) is state

    @pytest.mark.parametrize("state", [one for one in SessionState if one is not SessionState.ENTRIES])
    def test_a_dispute_takes_the_place_of_no_other_state(self, state):
        assert verdict(state, (Dispute.HALTED,)) is state
