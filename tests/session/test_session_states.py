"""Session states, boundaries, flatten times and phases at every boundary, in both kinds of session and over DST."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.errors import ConfigError
from trading_bot.engines.session import (
    MINUTE_NS,
    SECOND_NS,
    FlattenStep,
    SessionDay,
    SessionPolicy,
    SessionState,
    SessionTable,
    boundaries,
    continuous_trading,
    flatten_times,
    minutes_remaining,
    next_boundary_ns,
    parse_calendar,
    phase_starts_ns,
    session_phase,
    session_state,
    session_window,
)

PATH = Path(__file__).resolve().parents[2] / "data" / "calendars" / "us_index.csv"
EASTERN = ZoneInfo("America/New_York")
TABLE: SessionTable = parse_calendar(PATH.read_text(encoding="ascii"), source=str(PATH))
HOUR_NS = 60 * MINUTE_NS

# Specification 8.5: scalper 5 and 15 minutes, conservative 15 and 15.
SCALPER = SessionPolicy(kind="rth", open_delay_ns=5 * MINUTE_NS, close_buffer_ns=15 * MINUTE_NS)
CONSERVATIVE = SessionPolicy(kind="rth", open_delay_ns=15 * MINUTE_NS, close_buffer_ns=15 * MINUTE_NS)
GLOBEX = SessionPolicy(kind="globex", open_delay_ns=5 * MINUTE_NS, close_buffer_ns=15 * MINUTE_NS)


def et(text: str) -> int:
    """2026-11-27 12:55 in New York, to ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=EASTERN).timestamp()) * SECOND_NS


def day(trade_date: int) -> SessionDay:
    found = TABLE.day(trade_date)
    assert found is not None
    return found


NORMAL, HALF, THANKSGIVING, WITH_HALT = 20261125, 20261127, 20261126, 20131007

STATE_STARTS = [
    pytest.param(NORMAL, SCALPER, "2026-11-25 09:30", "SESSION_OPEN_DELAY", "SESSION_PRE_OPEN", id="rth open"),
    pytest.param(NORMAL, SCALPER, "2026-11-25 09:35", "SESSION_ENTRIES", "SESSION_OPEN_DELAY", id="scalper entries"),
    pytest.param(NORMAL, CONSERVATIVE, "2026-11-25 09:45", "SESSION_ENTRIES", "SESSION_OPEN_DELAY", id="conservative"),
    pytest.param(NORMAL, SCALPER, "2026-11-25 15:45", "SESSION_CLOSE_BUFFER", "SESSION_ENTRIES", id="entry cut-off"),
    pytest.param(NORMAL, SCALPER, "2026-11-25 15:55", "SESSION_EXIT", "SESSION_CLOSE_BUFFER", id="flatten"),
    pytest.param(NORMAL, SCALPER, "2026-11-25 16:00", "SESSION_CLOSED", "SESSION_EXIT", id="close"),
    pytest.param(HALF, SCALPER, "2026-11-27 12:45", "SESSION_CLOSE_BUFFER", "SESSION_ENTRIES", id="half-day cut-off"),
    pytest.param(HALF, SCALPER, "2026-11-27 12:55", "SESSION_EXIT", "SESSION_CLOSE_BUFFER", id="half-day flatten"),
    pytest.param(HALF, SCALPER, "2026-11-27 13:00", "SESSION_CLOSED", "SESSION_EXIT", id="half-day close"),
    pytest.param(
        HALF, GLOBEX, "2026-11-27 13:10", "SESSION_EXIT", "SESSION_CLOSE_BUFFER", id="half-day Globex flatten"
    ),
    pytest.param(NORMAL, GLOBEX, "2026-11-24 18:00", "SESSION_OPEN_DELAY", "SESSION_PRE_OPEN", id="Globex open"),
    pytest.param(NORMAL, GLOBEX, "2026-11-24 18:05", "SESSION_ENTRIES", "SESSION_OPEN_DELAY", id="Globex entries"),
    pytest.param(NORMAL, GLOBEX, "2026-11-25 16:45", "SESSION_CLOSE_BUFFER", "SESSION_ENTRIES", id="Globex cut-off"),
    pytest.param(NORMAL, GLOBEX, "2026-11-25 16:55", "SESSION_EXIT", "SESSION_CLOSE_BUFFER", id="Globex flatten"),
    pytest.param(NORMAL, GLOBEX, "2026-11-25 17:00", "SESSION_CLOSED", "SESSION_EXIT", id="Globex close"),
    pytest.param(THANKSGIVING, GLOBEX, "2026-11-26 12:55", "SESSION_EXIT", "SESSION_CLOSE_BUFFER", id="holiday Globex"),
    pytest.param(WITH_HALT, GLOBEX, "2013-10-07 16:15", "SESSION_BREAK", "SESSION_ENTRIES", id="halt starts"),
    pytest.param(WITH_HALT, GLOBEX, "2013-10-07 16:30", "SESSION_ENTRIES", "SESSION_BREAK", id="halt ends"),
    pytest.param(20260309, SCALPER, "2026-03-09 09:35", "SESSION_ENTRIES", "SESSION_OPEN_DELAY", id="clocks forward"),
    pytest.param(20260309, GLOBEX, "2026-03-08 18:00", "SESSION_OPEN_DELAY", "SESSION_PRE_OPEN", id="forward, Sunday"),
    pytest.param(20261102, SCALPER, "2026-11-02 15:55", "SESSION_EXIT", "SESSION_CLOSE_BUFFER", id="clocks back"),
    pytest.param(20261102, GLOBEX, "2026-11-01 18:00", "SESSION_OPEN_DELAY", "SESSION_PRE_OPEN", id="back, Sunday"),
]


@pytest.mark.parametrize(("trade_date", "policy", "at", "state", "before"), STATE_STARTS)
def test_each_state_starts_at_its_minute_and_not_a_nanosecond_earlier(trade_date, policy, at, state, before):
    at_ns = et(at)
    assert session_state(day(trade_date), policy, at_ns) == state
    assert session_state(day(trade_date), policy, at_ns - 1) == before
    assert next_boundary_ns(day(trade_date), policy, at_ns - 1) == at_ns
    after_ns = next_boundary_ns(day(trade_date), policy, at_ns)
    assert after_ns is None or after_ns > at_ns


def test_without_an_nyse_session_there_are_no_entries_all_day():
    holiday = day(THANKSGIVING)
    assert session_state(holiday, SCALPER, et("2026-11-26 10:00")) is SessionState.NYSE_SHUT
    assert session_window(holiday, SCALPER) is None
    assert boundaries(holiday, SCALPER) == ()
    assert next_boundary_ns(holiday, SCALPER, et("2026-11-26 10:00")) is None
    assert session_state(holiday, GLOBEX, et("2026-11-26 10:00")) is SessionState.ENTRIES


def test_an_unknown_date_has_no_entries():
    assert (
        session_state(TABLE.trading_day(et("2031-01-02 10:00")), SCALPER, et("2031-01-02 10:00"))
        == "SESSION_UNKNOWN_DATE"
    )


def test_after_the_close_there_is_no_further_boundary():
    assert next_boundary_ns(day(NORMAL), SCALPER, et("2026-11-25 16:00")) is None


def test_a_session_shorter_than_delay_and_buffer_has_no_entries_but_still_flattens():
    short = SessionDay(20300101, 0, 24 * HOUR_NS, HOUR_NS, HOUR_NS + 18 * MINUTE_NS)
    assert session_state(short, SCALPER, HOUR_NS) is SessionState.TOO_SHORT
    assert session_state(short, SCALPER, HOUR_NS + 13 * MINUTE_NS) is SessionState.FLATTEN
    assert session_window(short, SCALPER).too_short
    assert SessionState.ENTRIES not in [state for _, state in boundaries(short, SCALPER)]


def test_a_session_shorter_than_the_flatten_is_flattened_from_its_open():
    short = SessionDay(20300101, 0, 24 * HOUR_NS, HOUR_NS, HOUR_NS + 3 * MINUTE_NS)
    assert boundaries(short, SCALPER) == (
        (HOUR_NS, SessionState.FLATTEN),
        (HOUR_NS + 3 * MINUTE_NS, SessionState.CLOSED),
    )
    # Verify and market order were due before the open: at once. Kill stays a minute before the close.
    due = dict(flatten_times(session_window(short, SCALPER)))
    assert due[FlattenStep.MARKET] == HOUR_NS
    assert due[FlattenStep.KILL] == HOUR_NS + 2 * MINUTE_NS


def test_without_delay_the_delay_state_does_not_appear():
    prompt = SessionPolicy(kind="rth", open_delay_ns=0, close_buffer_ns=5 * MINUTE_NS)
    assert [state for _, state in boundaries(day(NORMAL), prompt)] == [
        "SESSION_ENTRIES",
        "SESSION_EXIT",
        "SESSION_CLOSED",
    ]


@pytest.mark.parametrize(
    ("start_min", "end_min", "states"),
    [
        pytest.param(30, 40, ["OPEN_DELAY", "ENTRIES", "CLOSE_BUFFER", "FLATTEN", "CLOSED"], id="before the open"),
        pytest.param(
            58, 62, ["BREAK", "OPEN_DELAY", "ENTRIES", "CLOSE_BUFFER", "FLATTEN", "CLOSED"], id="over the open"
        ),
        pytest.param(
            62, 70, ["OPEN_DELAY", "BREAK", "ENTRIES", "CLOSE_BUFFER", "FLATTEN", "CLOSED"], id="over the delay's end"
        ),
        pytest.param(60, 65, ["BREAK", "ENTRIES", "CLOSE_BUFFER", "FLATTEN", "CLOSED"], id="exactly the delay"),
        pytest.param(
            150, 178, ["OPEN_DELAY", "ENTRIES", "BREAK", "FLATTEN", "CLOSED"], id="into the flatten, which stays"
        ),
        pytest.param(
            176,
            178,
            ["OPEN_DELAY", "ENTRIES", "CLOSE_BUFFER", "FLATTEN", "CLOSED"],
            id="inside the flatten, which stays",
        ),
    ],
)
def test_a_break_replaces_the_states_with_entries_and_never_the_flatten(start_min, end_min, states):
    """Session from minute 60 to 180; 5 minutes of delay, 15 of buffer, 5 of flatten."""
    halted = SessionDay(
        20300101, 0, 24 * HOUR_NS, 60 * MINUTE_NS, 180 * MINUTE_NS, ((start_min * MINUTE_NS, end_min * MINUTE_NS),)
    )
    assert [state.name for _, state in boundaries(halted, SCALPER)] == states
    starts = [start_ns for start_ns, _ in boundaries(halted, SCALPER)]
    assert starts == sorted(set(starts))


def test_the_flatten_ladder_of_the_specification():
    """T-5:00 exit, -4:45 verify, -4:00 market, -3:00 alert, -1:00 kill; 2026-11-27 closes 13:00 ET."""
    assert flatten_times(session_window(day(HALF), SCALPER)) == (
        (FlattenStep.EXIT, et("2026-11-27 12:55:00")),
        (FlattenStep.VERIFY, et("2026-11-27 12:55:15")),
        (FlattenStep.MARKET, et("2026-11-27 12:56:00")),
        (FlattenStep.ALERT, et("2026-11-27 12:57:00")),
        (FlattenStep.KILL, et("2026-11-27 12:59:00")),
    )


def test_an_earlier_flatten_moves_the_whole_ladder():
    early = SessionPolicy(
        kind="rth", open_delay_ns=0, close_buffer_ns=15 * MINUTE_NS, flatten_before_close_ns=10 * MINUTE_NS
    )
    due = dict(flatten_times(session_window(day(NORMAL), early)))
    assert due[FlattenStep.EXIT] == et("2026-11-25 15:50")
    assert due[FlattenStep.VERIFY] == et("2026-11-25 15:50:15")
    assert due[FlattenStep.KILL] == et("2026-11-25 15:54")


@pytest.mark.parametrize(
    ("at", "minutes"),
    [("2026-11-25 15:55", 5), ("2026-11-25 15:55:01", 4), ("2026-11-25 15:59:30", 0), ("2026-11-25 16:10", 0)],
)
def test_whole_minutes_remain_until_the_close(at, minutes):
    assert minutes_remaining(session_window(day(NORMAL), SCALPER), et(at)) == minutes


@pytest.mark.parametrize(
    ("trade_date", "at", "futures", "spy"),
    [
        pytest.param(NORMAL, "2026-11-24 17:59:59", False, False, id="before the Globex open"),
        pytest.param(NORMAL, "2026-11-24 18:00", True, False, id="Globex open"),
        pytest.param(NORMAL, "2026-11-25 09:30", True, True, id="RTH open"),
        pytest.param(NORMAL, "2026-11-25 16:00", True, False, id="RTH close"),
        pytest.param(NORMAL, "2026-11-25 17:00", False, False, id="Globex close"),
        pytest.param(WITH_HALT, "2013-10-07 16:15", False, False, id="afternoon halt"),
        pytest.param(WITH_HALT, "2013-10-07 16:30", True, False, id="after the halt"),
        pytest.param(THANKSGIVING, "2026-11-26 10:00", True, False, id="NYSE shut"),
    ],
)
def test_continuous_trading(trade_date, at, futures, spy):
    assert continuous_trading(day(trade_date), et(at)) is futures
    assert continuous_trading(day(trade_date), et(at), market="rth") is spy


def test_an_unknown_date_is_not_continuous_trading():
    assert continuous_trading(None, 0) is False


@pytest.mark.parametrize("date", ["2026-03-06", "2026-03-09", "2026-10-30", "2026-11-02", "2026-07-15"])
def test_phases_start_at_the_same_time_in_new_york_all_year(date):
    """0 pre, 1 09:30-10:30, 2 -11:30, 3 -13:30, 4 -15:00, 5 -16:00, 6 post."""
    session = day(int(date.replace("-", "")))
    for phase, at in enumerate(["09:30", "10:30", "11:30", "13:30", "15:00", "16:00"], 1):
        assert session_phase(session, et(f"{date} {at}")) == phase
        assert session_phase(session, et(f"{date} {at}") - 1) == phase - 1
    assert session_phase(session, session.globex_open_ns) == 0
    assert session_phase(session, session.globex_close_ns - 1) == 6


def test_a_half_day_scales_the_phases():
    """210 of 390 minutes: 60 become 60 x 210 / 390 = 32.307... minutes, and so on; by hand, up to the next ns."""
    offsets_ns = (0, 1_938_461_538_462, 3_876_923_076_924, 7_753_846_153_847, 10_661_538_461_539, 12_600_000_000_000)
    assert phase_starts_ns(day(HALF)) == tuple(et("2026-11-27 09:30") + offset for offset in offsets_ns)
    assert session_phase(day(HALF), et("2026-11-27 12:59:59")) == 5
    assert session_phase(day(HALF), et("2026-11-27 13:00")) == 6


def test_without_an_nyse_session_the_phase_is_0():
    assert session_phase(day(THANKSGIVING), et("2026-11-26 10:00")) == 0
    assert phase_starts_ns(day(THANKSGIVING)) == ()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "eth"}, "session.kind"),
        ({"open_delay_ns": -1}, "open_delay"),
        ({"flatten_before_close_ns": 299 * SECOND_NS}, "flatten_before_close"),
        ({"close_buffer_ns": 4 * MINUTE_NS}, "close_buffer"),
    ],
)
def test_a_policy_that_could_carry_an_entry_into_the_close_is_refused(values, says):
    with pytest.raises(ConfigError, match=says):
        SessionPolicy(**{"kind": "rth", "open_delay_ns": 0, "close_buffer_ns": 15 * MINUTE_NS, **values})


@given(
    minute=st.integers(0, 17 * 365 * 24 * 60),
    delay=st.integers(0, 60),
    buffer=st.integers(10, 60),
    flatten=st.integers(5, 10),
    kind=st.sampled_from(["rth", "globex"]),
)
def test_entries_are_only_open_between_delay_and_buffer_and_walking_the_boundaries_reaches_the_close(
    minute, delay, buffer, flatten, kind
):
    ts_ns = et("2013-01-02 00:00") + minute * MINUTE_NS
    session = TABLE.trading_day(ts_ns)
    policy = SessionPolicy(
        kind=kind,
        open_delay_ns=delay * MINUTE_NS,
        close_buffer_ns=buffer * MINUTE_NS,
        flatten_before_close_ns=flatten * MINUTE_NS,
    )
    state = session_state(session, policy, ts_ns)
    if session is None:
        assert state is SessionState.UNKNOWN_DATE
        return
    opening = session.globex_open_ns if kind == "globex" else session.rth_open_ns
    closing = session.globex_close_ns if kind == "globex" else session.rth_close_ns
    if opening is None:
        assert state is SessionState.NYSE_SHUT
        return
    inside = opening + policy.open_delay_ns <= ts_ns < closing - policy.close_buffer_ns
    halted = any(start <= ts_ns < end for start, end in session.breaks)
    assert (state is SessionState.ENTRIES) == (inside and not halted)
    assert (state is SessionState.FLATTEN) == (closing - policy.flatten_before_close_ns <= ts_ns < closing)
    assert (state is SessionState.CLOSED) == (ts_ns >= closing)
    steps = 0
    while (following := next_boundary_ns(session, policy, ts_ns)) is not None:
        assert session_state(session, policy, following) != session_state(session, policy, following - 1)
        ts_ns, steps = following, steps + 1
    assert ts_ns >= closing
    assert steps <= 7


@given(st.integers(0, 17 * 365 * 24 * 60))
def test_every_minute_up_to_2029_belongs_to_the_session_that_closes_next(minute):
    """The date is found again by the wall clock of New York: from 17:00 on it is the next day, and never a weekend."""
    at = datetime(2013, 1, 2, tzinfo=EASTERN) + timedelta(minutes=minute)
    if at.year > 2029:
        return
    session = TABLE.trading_day(int(at.timestamp()) * SECOND_NS)
    if session is None:
        assert at >= datetime(2029, 12, 31, 17, tzinfo=EASTERN)
        return
    wanted = (at + timedelta(hours=7)).date()
    while TABLE.day(int(wanted.strftime("%Y%m%d"))) is None:
        wanted += timedelta(days=1)
    early_close = TABLE.day(int(wanted.strftime("%Y%m%d"))).globex_close_ns <= int(at.timestamp()) * SECOND_NS
    if not early_close:
        assert session.trade_date == int(wanted.strftime("%Y%m%d"))
    else:
        assert session == TABLE.days_from(int((wanted + timedelta(days=1)).strftime("%Y%m%d")), 1)[0]
