"""Windows without entries (SE02): New York times, on every day of the table, on both sides of a clock change."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from trading_bot.domain.config import BotConfig
from trading_bot.domain.no_trade import windows_from
from trading_bot.engines.session import (
    MINUTE_NS,
    SECOND_NS,
    SessionPolicy,
    SessionState,
    boundaries,
    new_york_midnight_ns,
    parse_calendar,
    session_state,
)

PATH = Path(__file__).resolve().parents[2] / "data" / "calendars" / "us_index.csv"
TABLE = parse_calendar(PATH.read_text(encoding="ascii"), source=str(PATH))
EASTERN = ZoneInfo("America/New_York")


def et(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=EASTERN).timestamp()) * SECOND_NS


def policy(text, kind="rth"):
    return SessionPolicy(
        kind=kind, open_delay_ns=5 * MINUTE_NS, close_buffer_ns=15 * MINUTE_NS, no_trade=windows_from(text)
    )


def test_midnight_is_new_yorks_on_every_day_of_the_table():
    days = TABLE.days_from(0, len(TABLE))
    assert len(days) > 4_000
    for day in days:
        date = datetime.strptime(str(day.trade_date), "%Y%m%d").replace(tzinfo=EASTERN)
        assert new_york_midnight_ns(day) == int(date.timestamp()) * SECOND_NS, day


@pytest.mark.parametrize("date", ["2026-11-25", "2026-03-09", "2026-11-02", "2026-03-06", "2026-10-30"])
def test_lunch_is_at_noon_in_new_york_around_both_clock_changes(date):
    day = TABLE.day(int(date.replace("-", "")))
    lunch = policy("12:00-13:30")
    assert session_state(day, lunch, et(f"{date} 12:00") - 1) is SessionState.ENTRIES
    assert session_state(day, lunch, et(f"{date} 12:00")) is SessionState.NO_TRADE
    assert session_state(day, lunch, et(f"{date} 13:30") - 1) is SessionState.NO_TRADE
    assert session_state(day, lunch, et(f"{date} 13:30")) is SessionState.ENTRIES


@pytest.mark.parametrize(
    ("text", "kind", "starts"),
    [
        ("09:00-10:00", "rth", ["09:30 OPEN_DELAY", "09:35 NO_TRADE", "10:00 ENTRIES", "15:45 CLOSE_BUFFER"]),
        ("15:40-15:50", "rth", ["09:30 OPEN_DELAY", "09:35 ENTRIES", "15:40 NO_TRADE", "15:45 CLOSE_BUFFER"]),
        ("08:00-09:00, 16:00-17:00", "rth", ["09:30 OPEN_DELAY", "09:35 ENTRIES", "15:45 CLOSE_BUFFER"]),
        ("00:00-18:00", "rth", ["09:30 OPEN_DELAY", "09:35 NO_TRADE", "15:45 CLOSE_BUFFER"]),
        (
            "18:00-20:00, 23:30-00:30",
            "globex",
            ["18:00 OPEN_DELAY", "18:05 NO_TRADE", "20:00 ENTRIES", "23:30 NO_TRADE", "00:30 ENTRIES"],
        ),
    ],
)
def test_a_window_takes_the_place_of_entries_and_of_nothing_else(text, kind, starts):
    rows = boundaries(TABLE.day(20261125), policy(text, kind))
    shown = [f"{datetime.fromtimestamp(start_ns // SECOND_NS, EASTERN):%H:%M} {state.name}" for start_ns, state in rows]
    assert shown[: len(starts)] == starts
    assert rows[-2][1] is SessionState.FLATTEN
    assert [start_ns for start_ns, _ in rows] == sorted({start_ns for start_ns, _ in rows})


def test_a_break_inside_a_window_stays_a_break():
    day = TABLE.day(20131007)  # 15:15-15:30 US/Central
    noon = policy("16:00-16:35", "globex")
    assert session_state(day, noon, et("2013-10-07 16:10")) is SessionState.NO_TRADE
    assert session_state(day, noon, et("2013-10-07 16:20")) is SessionState.BREAK
    assert session_state(day, noon, et("2013-10-07 16:32")) is SessionState.NO_TRADE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("noon", "New York times"),
        ("12:00", "New York times"),
        ("9:30-10:00", "two digits"),
        ("12:60-13:00", "00:00 to 24:00"),
        ("24:30-25:00", "00:00 to 24:00"),
        ("13:00-12:00", "an end after its start"),
        ("12:00-12:00", "an end after its start"),
        ("17:00-19:00", "an end after its start"),  # over the end of the trade date
        ("12:00-13:00, 12:59-14:00", "overlaps"),
    ],
)
def test_what_is_no_window_is_refused_with_what_was_found(text, words):
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert({"session": {"no_trade": text}}, BotConfig)


def test_none_is_the_default():
    assert BotConfig().session.no_trade == ""
    assert windows_from(" ") == ()
    assert timedelta(minutes=windows_from("24:00-00:30")[0][0]) == timedelta(0)
