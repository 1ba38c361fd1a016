"""The checked-in session table against the library, against hand-checked dates and against recorded trading."""

import gzip
import hashlib
import tomllib
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from trading_bot.engines.session import SECOND_NS, SessionDay, SessionTable, overrides_from, parse_calendar

CALENDARS = Path(__file__).resolve().parents[2] / "data" / "calendars"
PATH = CALENDARS / "us_index.csv"
OVERRIDES = CALENDARS / "us_index_overrides.toml"


@pytest.fixture(scope="module")
def library_table() -> SessionTable:
    return parse_calendar(PATH.read_text(encoding="ascii"), source=str(PATH))


@pytest.fixture(scope="module")
def table(library_table) -> SessionTable:
    document = tomllib.loads(OVERRIDES.read_text(encoding="utf-8"))
    return library_table.with_overrides(overrides_from(document, source=str(OVERRIDES)))


def ns(text: str) -> int:
    """2026-11-27T18:15Z to ns, by the standard library."""
    return int(datetime.fromisoformat(text).timestamp()) * SECOND_NS


def utc(at_ns: int | None) -> str | None:
    return None if at_ns is None else datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%m-%dT%H:%MZ")


def shown(day: SessionDay) -> tuple[str | None, ...]:
    return tuple(map(utc, (day.globex_open_ns, day.globex_close_ns, day.rth_open_ns, day.rth_close_ns)))


@pytest.mark.filterwarnings("ignore:Series.dt.weekday is deprecated")  # the library's own call, with pandas 3.1
def test_every_row_is_what_the_library_says(library_table):
    calendars = pytest.importorskip("pandas_market_calendars")
    globex = calendars.get_calendar("CME Globex Equity").schedule("2013-01-01", "2029-12-31")
    nyse = calendars.get_calendar("NYSE").schedule("2013-01-01", "2029-12-31")
    days = library_table.days_from(20130101, 10_000)

    assert [day.trade_date for day in days] == [int(stamp.strftime("%Y%m%d")) for stamp in globex.index]
    # No NYSE session without a Globex one, so no row was left out of the list above.
    assert set(nyse.index) <= set(globex.index)
    for day, (stamp, row) in zip(days, globex.iterrows(), strict=True):
        opening, closing = row.market_open.timestamp(), row.market_close.timestamp()
        assert (day.globex_open_ns, day.globex_close_ns) == (opening * SECOND_NS, closing * SECOND_NS), stamp
        if stamp in nyse.index:
            rth = nyse.loc[stamp]
            start, end = max(opening, rth.market_open.timestamp()), min(closing, rth.market_close.timestamp())
            assert (day.rth_open_ns, day.rth_close_ns) == (start * SECOND_NS, end * SECOND_NS), stamp
        else:
            assert (day.rth_open_ns, day.rth_close_ns) == (None, None), stamp


def test_the_header_says_how_it_was_made_and_holds_the_hash_of_the_rows():
    header, _, body = PATH.read_bytes().split(b"\n", 2)
    words = dict(word.split("=") for word in header.decode().split() if "=" in word)
    assert words["sha256"] == hashlib.sha256(body).hexdigest()
    assert int(words["rows"]) == body.count(b"\n")
    assert words["pandas_market_calendars"]
    assert words["pandas"]
    # Specification 10: from 2013-01 to at least two years ahead; the year is the one this version was made in.
    assert words["from"] == "2013-01-01"
    assert words["to"] >= "2028-12-31"


# Globex open, Globex close, RTH open, RTH close, by hand: 18:00 and 17:00 ET, 09:30 and 16:00 ET; ET is UTC-5 in
# winter and UTC-4 in summer.
@pytest.mark.parametrize(
    ("trade_date", "expected"),
    [
        pytest.param(20260306, ("03-05T23:00Z", "03-06T22:00Z", "03-06T14:30Z", "03-06T21:00Z"), id="last winter day"),
        pytest.param(
            20260309,
            ("03-08T22:00Z", "03-09T21:00Z", "03-09T13:30Z", "03-09T20:00Z"),
            id="clocks went forward that Sunday before the open",
        ),
        pytest.param(20261030, ("10-29T22:00Z", "10-30T21:00Z", "10-30T13:30Z", "10-30T20:00Z"), id="last summer day"),
        pytest.param(
            20261102,
            ("11-01T23:00Z", "11-02T22:00Z", "11-02T14:30Z", "11-02T21:00Z"),
            id="clocks went back that Sunday before the open",
        ),
        pytest.param(
            20261126, ("11-25T23:00Z", "11-26T18:00Z", None, None), id="Thanksgiving: NYSE shut, Globex until 12:00 CT"
        ),
        pytest.param(
            20261127,
            ("11-26T23:00Z", "11-27T18:15Z", "11-27T14:30Z", "11-27T18:00Z"),
            id="day after: NYSE 13:00 ET, Globex 12:15 CT",
        ),
        pytest.param(
            20261224, ("12-23T23:00Z", "12-24T18:15Z", "12-24T14:30Z", "12-24T18:00Z"), id="Christmas Eve, a half day"
        ),
        pytest.param(
            20231226,
            ("12-25T23:00Z", "12-26T22:00Z", "12-26T14:30Z", "12-26T21:00Z"),
            id="opens in the evening of Christmas Day",
        ),
        pytest.param(
            20130703,
            ("07-02T22:00Z", "07-03T17:15Z", "07-03T13:30Z", "07-03T17:00Z"),
            id="2013: the day before Independence Day",
        ),
        pytest.param(20130704, ("07-03T22:00Z", "07-04T15:30Z", None, None), id="2013: holidays ended at 10:30 CT"),
        pytest.param(
            20230407, ("04-06T22:00Z", "04-07T13:15Z", None, None), id="Good Friday with an employment report: 08:15 CT"
        ),
        pytest.param(
            20181205, ("12-04T23:00Z", "12-05T14:30Z", None, None), id="day of mourning: shut at 08:30 CT (override)"
        ),
        pytest.param(
            20250109, ("01-08T23:00Z", "01-09T14:30Z", None, None), id="day of mourning: shut at 08:30 CT (override)"
        ),
        pytest.param(
            20131007, ("10-06T22:00Z", "10-07T21:00Z", "10-07T13:30Z", "10-07T20:00Z"), id="first of the SPY days"
        ),
    ],
)
def test_days_checked_by_hand(table, trade_date, expected):
    assert shown(table.day(trade_date)) == expected


@pytest.mark.parametrize(
    "trade_date",
    [
        pytest.param(20231225, id="Christmas"),
        pytest.param(20130101, id="New Year"),
        pytest.param(20220415, id="Good Friday"),
        pytest.param(20240329, id="Good Friday the library has open (override)"),
        pytest.param(20261128, id="Saturday"),
        pytest.param(20300102, id="beyond the table"),
    ],
)
def test_a_shut_or_unknown_date_has_no_session(table, trade_date):
    assert table.day(trade_date) is None


def test_2012_is_before_the_table(table):
    assert table.first_trade_date == 20130102
    assert table.trading_day(ns("2012-12-31T15:00Z")) is None
    assert table.trading_day(ns("2013-01-01T23:00Z") - 1) is None
    assert table.trading_day(ns("2013-01-01T23:00Z")).trade_date == 20130102


def test_the_end_of_the_table_is_unknown(table):
    last_close_ns = ns("2029-12-31T22:00Z")
    assert table.last_trade_date == 20291231
    assert table.trading_day(last_close_ns - 1).trade_date == 20291231
    assert table.trading_day(last_close_ns) is None


@pytest.mark.parametrize(
    ("at", "trade_date"),
    [
        pytest.param("2023-12-22T21:59:59Z", 20231222, id="last second of Friday"),
        pytest.param("2023-12-22T22:00Z", 20231226, id="from Friday's close on it is the next session"),
        pytest.param("2023-12-25T22:00Z", 20231226, id="pre-open in the evening of Christmas Day"),
        pytest.param("2023-12-25T23:00Z", 20231226, id="open in the evening of Christmas Day"),
        pytest.param("2026-11-26T18:00Z", 20261127, id="Thanksgiving noon close"),
        pytest.param("2026-11-26T17:59:59Z", 20261126, id="Thanksgiving before the close"),
        pytest.param("2022-01-24T13:30Z", 20220124, id="the recorded tape"),
        pytest.param("2024-07-01T23:58Z", 20240702, id="the recorded mbp-1 minutes"),
        pytest.param("2024-03-28T21:00Z", 20240401, id="over a Good Friday that is shut"),
    ],
)
def test_a_time_belongs_to_the_session_that_closes_next(table, at, trade_date):
    assert table.trading_day(ns(at)).trade_date == trade_date


def test_the_afternoon_halt_is_in_every_full_session_until_2021_06_25(table):
    def halts(trade_date: int) -> list[tuple[str | None, str | None]]:
        return [(utc(start), utc(end)) for start, end in table.day(trade_date).breaks]

    assert halts(20131007) == [("10-07T20:15Z", "10-07T20:30Z")]  # 15:15-15:30 US/Central in summer
    assert halts(20140106) == [("01-06T21:15Z", "01-06T21:30Z")]  # and in winter
    assert halts(20210625) == [("06-25T20:15Z", "06-25T20:30Z")]
    assert halts(20210628) == []
    assert halts(20181224) == []  # closes at 12:15, before the halt


def test_sessions_before_and_from_a_date(table):
    assert [day.trade_date for day in table.days_from(20231223, 3)] == [20231226, 20231227, 20231228]
    assert [day.trade_date for day in table.days_before(20231226, 3)] == [20231220, 20231221, 20231222]
    assert [day.trade_date for day in table.days_from(20291228, 9)] == [20291228, 20291231]
    assert table.days_before(20130102, 5) == ()


def test_a_gap_is_counted_in_session_time(table):
    hour_ns = 3600 * SECOND_NS
    # Friday 16:00 ET to Sunday 18:30 ET: one hour of Friday and half an hour of the next session.
    assert table.open_ns_between(ns("2026-11-20T21:00Z"), ns("2026-11-22T23:30Z")) == 3 * hour_ns // 2
    # 2013-10-07 15:00-16:00 US/Central holds the halt.
    assert table.open_ns_between(ns("2013-10-07T20:00Z"), ns("2013-10-07T21:00Z")) == 3 * hour_ns // 4
    assert table.open_ns_between(ns("2026-11-21T12:00Z"), ns("2026-11-22T12:00Z")) == 0


# The bars of a contract end at 08:30 CT of its expiry day (the third Friday) and the next contract's file begins hours
# into the following session, so the ends of those sessions are not in the recording.
EXPIRY_DAYS = range(15, 25)


@pytest.mark.slow
def test_recorded_trading_agrees_with_every_session_from_2015_09_21_to_2024(table, shared_data):
    """Each ES bar lies inside the session of its date, and each session has bars close to its end.

    Before 2015-09-21 Globex closed at 16:15 US/Central, which the library does not know (docs/calendar.md).
    """
    stamps: dict[date, list[datetime]] = defaultdict(list)
    for path in sorted((shared_data / "es_5min").glob("*.gz")):
        with gzip.open(path, "rt") as lines:
            next(lines)
            for line in lines:
                at = datetime.strptime(line[: line.index(",", 12)], "%Y/%m/%d, %H:%M:%S")  # noqa: DTZ007
                stamps[(at + timedelta(hours=7)).date()].append(at)  # the session of a date opens 17:00 the day before
    zone = ZoneInfo("America/Chicago")
    checked = 0
    for trade_date in sorted(stamps):
        if not date(2015, 9, 21) < trade_date < date(2024, 12, 20):
            continue
        expiry = trade_date.day in EXPIRY_DAYS and trade_date.month % 3 == 0
        bars = [int(at.replace(tzinfo=zone).timestamp()) * SECOND_NS for at in sorted(stamps[trade_date])]
        day = table.day(int(trade_date.strftime("%Y%m%d")))
        assert day is not None, trade_date
        # A trade printed in the second of the close makes a bar that starts at it; ten days have one.
        assert day.globex_open_ns <= bars[0], trade_date
        assert bars[-1] <= day.globex_close_ns, trade_date
        if not expiry:
            assert bars[-1] >= day.globex_close_ns - 15 * 60 * SECOND_NS, trade_date
        # 2018-08 and others: a single late print may fall into the halt, trading does not.
        assert sum(start <= bar < end for bar in bars for start, end in day.breaks) <= 1, trade_date
        checked += 1
    assert checked > 2_200
    recorded = {int(at.strftime("%Y%m%d")) for at in stamps}
    covered = {day.trade_date for day in table.days_from(20150922, 2_330) if day.trade_date < 20241220}
    assert covered <= recorded
