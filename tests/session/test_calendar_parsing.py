"""A table or an override that cannot be trusted is refused, naming the line, what was found and what was expected."""

import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.domain.errors import ConfigError
from trading_bot.engines.session import SECOND_NS, DayOverride, overrides_from, parse_calendar
from trading_bot.engines.session_table import COLUMNS, _utc_ns

PATH = Path(__file__).resolve().parents[2] / "data" / "calendars" / "us_index.csv"

FRIDAY = "2026-11-20,2026-11-19T23:00:00Z,2026-11-20T22:00:00Z,2026-11-20T14:30:00Z,2026-11-20T21:00:00Z,"
MONDAY = "2026-11-23,2026-11-22T23:00:00Z,2026-11-23T22:00:00Z,2026-11-23T14:30:00Z,2026-11-23T21:00:00Z,"


def text(*rows: str, header: str = "# hand-made", columns: str = COLUMNS) -> str:
    return "\n".join([header, columns, *rows]) + "\n"


@pytest.mark.parametrize(
    ("table", "line", "says"),
    [
        pytest.param(text(FRIDAY, header="date,x"), 1, "comment line", id="no comment"),
        pytest.param(text(FRIDAY, columns="date,open"), 2, "date,open", id="other columns"),
        pytest.param(text(FRIDAY, FRIDAY), 4, "increase", id="a date twice"),
        pytest.param(text(MONDAY, FRIDAY), 4, "2026-11-20", id="dates out of order"),
        pytest.param(text(FRIDAY, MONDAY + ",x"), 4, "7 fields", id="a field too many"),
        pytest.param(text(FRIDAY, MONDAY.replace("T22", "T25")), 4, "2026-11-23T25:00:00Z", id="hour 25"),
        pytest.param(text(FRIDAY.replace("-20T14", "-31T14")), 3, "2026-11-31T14:30:00Z", id="31 November"),
        pytest.param(text(FRIDAY.replace("T22:00:00Z", "T22:00:00")), 3, "globex_close_utc", id="no Z"),
        pytest.param(text(FRIDAY.replace("2026-11-20T22", "2026-11-19T22")), 3, "open < close", id="closes first"),
        pytest.param(text(FRIDAY.replace("T21:00", "T22:30")), 3, "RTH", id="RTH beyond Globex"),
        pytest.param(text(FRIDAY.replace("2026-11-20T21:00:00Z", "")), 3, "rth_close_utc", id="half an RTH"),
        pytest.param(text(FRIDAY + "2026-11-20T21:15:00Z"), 3, "start/end", id="half a break"),
        pytest.param(
            text(FRIDAY + "2026-11-20T22:15:00Z/2026-11-20T22:30:00Z"), 3, "breaks", id="a break outside the session"
        ),
        pytest.param(
            text(FRIDAY, MONDAY.replace("2026-11-22T23", "2026-11-20T20")), 4, "after the close", id="overlap"
        ),
        pytest.param(text(FRIDAY, MONDAY.replace("11-2", "12-2")), 4, "after the close", id="a month is missing"),
        pytest.param(
            text("2026-11-20,,,2026-11-20T14:30:00Z,2026-11-20T21:00:00Z,", MONDAY), 3, "shut", id="RTH alone"
        ),
    ],
)
def test_a_malformed_table_is_refused_with_its_line(table, line, says):
    with pytest.raises(ConfigError) as raised:
        parse_calendar(table, source="calendar.csv")
    assert f"calendar.csv:{line}:" in str(raised.value)
    assert says in str(raised.value)
    assert "expected" in str(raised.value)


def test_an_empty_table_is_refused():
    with pytest.raises(ConfigError, match="no row with a Globex session"):
        parse_calendar(text("2026-11-20,,,,,"), source="calendar.csv")


def test_one_changed_character_in_a_hashed_table_is_refused():
    table = PATH.read_text(encoding="ascii")
    place = random.Random(7).randrange(1_000, len(table))
    changed = table[:place] + ("0" if table[place] != "0" else "1") + table[place + 1 :]
    with pytest.raises(ConfigError, match="edited or cut"):
        parse_calendar(changed, source="calendar.csv")
    with pytest.raises(ConfigError, match="edited or cut"):
        parse_calendar(table[: len(table) // 2], source="calendar.csv")


def test_the_whole_checked_in_table_passes_the_checks_of_an_unhashed_one():
    _, _, body = PATH.read_text(encoding="ascii").partition("\n")
    assert len(parse_calendar("# without a hash\n" + body, source=str(PATH))) == 4395


@given(st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31, 23, 59, 59)))  # noqa: DTZ001
def test_times_are_decoded_as_the_standard_library_does(at):
    at = at.replace(microsecond=0, tzinfo=UTC)
    assert _utc_ns(at.strftime("%Y-%m-%dT%H:%M:%SZ"), "here", "date") == int(at.timestamp()) * SECOND_NS


def test_an_override_changes_adds_and_removes_a_date():
    table = parse_calendar(text(FRIDAY, MONDAY), source="calendar.csv")
    changed = table.with_overrides(
        [
            DayOverride(
                date="2026-11-23",
                reason="halt",
                globex_close_utc="2026-11-23T14:30:00Z",
                rth_open_utc="",
                rth_close_utc="",
            ),
            DayOverride(
                date="2026-11-20",
                reason="shut",
                globex_open_utc="",
                globex_close_utc="",
                rth_open_utc="",
                rth_close_utc="",
            ),
            DayOverride(
                date="2026-11-24",
                reason="added",
                globex_open_utc="2026-11-23T23:00:00Z",
                globex_close_utc="2026-11-24T22:00:00Z",
            ),
        ]
    )
    assert [day.trade_date for day in changed.days_from(20261101, 9)] == [20261123, 20261124]
    monday = changed.day(20261123)
    assert (monday.globex_close_ns, monday.rth_open_ns) == (1_795_444_200 * SECOND_NS, None)
    assert len(table) == 2
    assert table.day(20261120) is not None


@pytest.mark.parametrize(
    ("override", "says"),
    [
        pytest.param({"date": "2026-11-23", "globex_close_utc": "2026-11-23T14:40:00Z"}, "RTH", id="RTH left outside"),
        pytest.param({"date": "2026-11-23", "globex_open_utc": "2026-11-20T21:00:00Z"}, "close of", id="overlap"),
        pytest.param({"date": "2026-11-23", "globex_open_utc": "", "globex_close_utc": ""}, "no RTH", id="RTH alone"),
        pytest.param({"date": "soon", "globex_open_utc": "", "globex_close_utc": ""}, "UTC time", id="not a date"),
        pytest.param({"date": "2026-11-23", "globex_close_utc": "22:00"}, "22:00", id="not a time"),
    ],
)
def test_an_override_that_does_not_fit_is_refused(override, says):
    table = parse_calendar(text(FRIDAY, MONDAY), source="calendar.csv")
    with pytest.raises(ConfigError, match=says) as raised:
        table.with_overrides([DayOverride(reason="test", **override)])
    assert "override of" in str(raised.value)


def test_two_overrides_of_one_date_are_refused():
    shut = DayOverride(
        date="2026-11-20", reason="shut", globex_open_utc="", globex_close_utc="", rth_open_utc="", rth_close_utc=""
    )
    with pytest.raises(ConfigError, match="twice"):
        parse_calendar(text(FRIDAY, MONDAY), source="calendar.csv").with_overrides([shut, shut])


@pytest.mark.parametrize(
    ("document", "says"),
    [
        pytest.param({"days": []}, "'days'", id="misspelt table"),
        pytest.param({"day": [{"date": "2026-11-20"}]}, "reason", id="no reason"),
        pytest.param({"day": [{"date": "2026-11-20", "reason": "", "close": ""}]}, "close", id="unknown key"),
        pytest.param({"day": [{"date": 20261120, "reason": ""}]}, "str", id="a number for a date"),
    ],
)
def test_an_overrides_file_with_a_wrong_key_is_refused(document, says):
    with pytest.raises(ConfigError, match=says) as raised:
        overrides_from(document, source="overrides.toml")
    assert "overrides.toml" in str(raised.value)


def test_an_extract_reads_back_as_the_same_days_with_overrides_applied():
    halt = DayOverride(date="2026-11-23", reason="halt", breaks="2026-11-23T15:00:00Z/2026-11-23T15:15:00Z")
    table = parse_calendar(PATH.read_text(encoding="ascii"), source=str(PATH)).with_overrides([halt])
    again = parse_calendar(table.extract(20261118, 5), source="embedded")
    assert again.days_from(20130101, 99) == table.days_from(20261118, 5)
    assert again.day(20261123).breaks == ((1_795_446_000 * SECOND_NS, 1_795_446_900 * SECOND_NS),)


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer makes timing meaningless")
def test_reading_the_table_is_a_small_part_of_the_start():
    """The live path starts in 250 ms in all; this takes 3 ms on two shared cores, the bound leaves room for noise."""
    table = PATH.read_text(encoding="ascii")
    times_s = []
    for _ in range(5):
        start_s = time.perf_counter()
        parse_calendar(table, source=str(PATH)).trading_day(1_795_444_200 * SECOND_NS)
        times_s.append(time.perf_counter() - start_s)
    assert min(times_s) < 0.025
