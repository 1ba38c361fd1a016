"""Text stamps to ns, against datetime's own arithmetic."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.adapters.files.stamps import local_midnight_offsets, stamp_reader, zone
from trading_bot.domain.errors import ConfigError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Microseconds from 1991 to 2090.
MOMENTS = st.integers(662_688_000_000_000, 3_786_912_000_000_000).map(lambda us: EPOCH + timedelta(microseconds=us))


def exact_ns(moment):
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


@given(MOMENTS, st.sampled_from(["T", " "]), st.sampled_from(["", "Z", "+00:00"]))
def test_iso_stamps_of_utc(moment, separator, end):
    text = moment.replace(tzinfo=None).isoformat(separator) + end
    assert stamp_reader("iso", UTC)(text) == exact_ns(moment)


@given(MOMENTS, st.sampled_from(["America/New_York", "America/Chicago", "Asia/Kolkata", "Europe/Berlin"]))
def test_naive_stamps_of_a_zone_and_stamps_with_an_offset(moment, name):
    local = moment.astimezone(ZoneInfo(name)).replace(fold=0)
    assert stamp_reader("iso", ZoneInfo(name))(local.replace(tzinfo=None).isoformat()) == exact_ns(local)
    assert stamp_reader("iso", UTC)(local.isoformat()) == exact_ns(local)


@pytest.mark.parametrize(
    ("text", "time_format", "expected"),
    [
        ("2022-01-24 13:30:00.5001", "iso", 1_643_031_000_500_100_000),
        ("2022/01/24 13:30:00", "iso", 1_643_031_000_000_000_000),
        ("2022-01-24T13:30:00.123456789", "iso", 1_643_031_000_123_456_789),
        ("2022-01-24T13:30:00.1234567899", "iso", 1_643_031_000_123_456_789),
        ("1643031000", "s", 1_643_031_000_000_000_000),
        ("1643031000.000000001", "s", 1_643_031_000_000_000_001),
        ("1643031000123", "ms", 1_643_031_000_123_000_000),
        ("1643031000123456", "us", 1_643_031_000_123_456_000),
        ("1643031000123456789", "ns", 1_643_031_000_123_456_789),
    ],
)
def test_examples(text, time_format, expected):
    assert stamp_reader(time_format, UTC)(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2022-01-24", "2022-13-24 13:30:00", "2022-01-24 25:30:00", "2022-01-24 13:61:00", "1e9",
     "2022-01-24 13:30:60", "2022-01-24 13.30.00", "2022-01-24 13:30:00,5", "2022-01-24 13:30:00+0a:00",
     "2022-01-24 13:30:00.5.5"],
)  # fmt: skip
def test_what_cannot_be_read_is_zero(text):
    assert stamp_reader("iso", UTC)(text) == 0


@pytest.mark.parametrize("text", ["", "-5", "12a", "1.2.3", "9" * 30])
def test_a_number_that_cannot_be_read_is_zero(text):
    assert stamp_reader("ns", UTC)(text) == 0


def test_milliseconds_since_midnight_are_local_wall_time():
    # 09:30 in New York: 13:30 UTC in October, 14:30 in January.
    nine_thirty = 34_200_000
    new_york = ZoneInfo("America/New_York")
    assert local_midnight_offsets("20131007", new_york)(nine_thirty) == exact_ns(
        datetime(2013, 10, 7, 13, 30, tzinfo=UTC)
    )
    assert local_midnight_offsets("20200106", new_york)(nine_thirty) == exact_ns(
        datetime(2020, 1, 6, 14, 30, tzinfo=UTC)
    )
    assert local_midnight_offsets("20200106", UTC)(86_400_000) == exact_ns(datetime(2020, 1, 7, tzinfo=UTC))


def test_an_unknown_zone_is_named():
    with pytest.raises(ConfigError, match=r"tape\.toml: unknown timezone 'Mars'"):
        zone("Mars", "tape.toml")
