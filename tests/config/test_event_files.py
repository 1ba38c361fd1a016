"""Files of scheduled events and vetoes: what is shipped, and what is refused with its reason."""

import tomllib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import ROOT
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.config_files import load_config
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.gate_config import EventsConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.scheduled import EventKind
from trading_bot.engines.scheduled_events import stale
from trading_bot.event_files import read_events
from trading_bot.strategy_files import read_strategies, read_vetoes

SHIPPED = ROOT / "configs" / "strategies.toml"
# The calendar that the Federal Reserve published for 2026: second days, 14:00 New York time, in UTC.
FOMC_2026 = ["01-28T19", "03-18T18", "04-29T18", "06-17T18", "07-29T18", "09-16T18", "10-28T18", "12-09T19"]
GOOD = """
checked = 2026-11-21
covers_from = 2026-01-01
covers_to = 2026-12-31

[[event]]
name = "CPI"
kind = "premarket"
ts = 2026-12-10T08:30:00-05:00
"""
VETO = '[veto.V1]\ntitle = "v"\nsignal = "noise"\nmax = 0.70\nblocks = ["T1"]\n'


def events(text):
    return read_events("mine.toml", tomllib.loads(text))


def test_the_shipped_file_holds_the_meetings_of_2026_and_nothing_else():
    calendar = load_config().events
    times = [datetime.fromtimestamp(event.ts_ns // 10**9, UTC) for event in calendar.events]
    assert [f"{time:%m-%dT%H}" for time in times] == FOMC_2026
    assert {(time.year, time.minute, time.second) for time in times} == {(2026, 0, 0)}
    assert {(event.kind, event.tier, event.press_conference) for event in calendar.events} == {
        (EventKind.FOMC, 1, True)
    }
    assert (calendar.checked, calendar.covers_from, calendar.covers_to) == (20_261_121, 20_260_101, 20_261_231)


def test_the_example_marks_every_date_that_nobody_verified_and_is_stale_until_somebody_did():
    path = ROOT / "data" / "events" / "us_events.example.toml"
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    assert document.pop("schema") == 1
    calendar = read_events(path.name, document)
    assert set(EventKind) == {event.kind for event in calendar.events}
    # The Federal Reserve's calendar is the one source that was looked at.
    assert [event.name for event in calendar.events if not event.unverified] == ["FOMC decision, December 2026"]
    table = load_calendar("us_index.csv", ROOT / "data")
    hours = {"premarket": {"08:30"}, "release": {"10:00", "09:45"}, "auction": {"13:00"}, "minutes": {"14:00"}}
    for event in calendar.events:
        moment = datetime.fromtimestamp(event.ts_ns // 10**9, ZoneInfo("America/New_York"))
        assert f"{moment:%H:%M}" in hours.get(event.kind.value, {"14:00"}), event
        day = table.day(int(f"{moment:%Y%m%d}"))
        assert day is not None, event
        assert day.rth_open_ns is not None, event
    now_ns = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()) * 10**9
    assert "22 days ago" in stale(calendar, EventsConfig(), "ibkr", now_ns)


def test_a_row_is_read_with_its_zone_and_its_defaults():
    (event,) = events(GOOD).events
    assert datetime.fromtimestamp(event.ts_ns // 10**9, UTC) == datetime(2026, 12, 10, 13, 30, tzinfo=UTC)
    assert (event.tier, event.press_conference) == (2, False)


def test_rows_are_in_the_order_of_time():
    second = GOOD[GOOD.index("[[event]]") :].replace("12-10", "12-02").replace("CPI", "PMI")
    assert [event.name for event in events(GOOD + second).events] == ["PMI", "CPI"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (GOOD[-90:], GOOD[-90:] + GOOD[GOOD.index("[[event]]") :] + "unverified = true\n", ["CPI stands there twice"]),
        ("ts =", 'unverified = "yes"\nts =', ["unverified"]),
        ("-05:00", "", ["event 1 (CPI)", "no zone", "2026-12-10T08:30:00-05:00"]),
        ("2026-12-10T", "2027-12-10T", ["event 1 (CPI)", "outside covers_from 2026-01-01"]),
        ('"premarket"', '"cpi"', ["cpi", "docs/events.md"]),
        ("ts =", "tz =", ["tz"]),
        ('name = "CPI"', 'name = ""', ["name"]),
        ("checked = 2026-11-21", "", ["checked"]),
        ("checked = 2026-11-21", "checkd = 2026-11-21", ["checkd"]),
        ("covers_to = 2026-12-31", "covers_to = 2025-12-31", ["covers_from 2026-01-01 is after covers_to 2025-12-31"]),
        ("ts =", "tier = 4\nts =", ["tier"]),
        ("ts =", "press_conference = true\nts =", ["press_conference belongs to kind fomc", "premarket"]),
        (GOOD[-90:], GOOD[-90:] + GOOD[GOOD.index("[[event]]") :], ["CPI stands there twice"]),
    ],
)
def test_what_a_file_of_events_gets_wrong_is_named(old, new, said):
    assert old in GOOD
    with pytest.raises(ConfigError) as refused:
        events(GOOD.replace(old, new, 1))
    assert not [part for part in ["mine.toml", *said] if part not in str(refused.value)], str(refused.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"event file .*nowhere.toml not found"):
        load_config(overrides={"events.file": "nowhere.toml"})


def test_another_calendar_is_another_configuration(tmp_path):
    """A row that is added counts from the next start on, within the same run."""
    shipped = (ROOT / "data" / "events" / "us_events.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(shipped.replace("tier = 1", "tier = 2", 1), encoding="utf-8")
    (tmp_path / "bot.toml").write_text('[events]\nfile = "mine.toml"\n', encoding="utf-8")
    (tmp_path / "same.toml").write_text('[events]\nfile = "us_events.toml"\n', encoding="utf-8")
    mine, plain = load_config(tmp_path / "bot.toml"), load_config(tmp_path / "same.toml")
    assert mine.config_hash != load_config().config_hash
    assert plain.config_hash == load_config().config_hash


class TestVetoes:
    TEMPLATE = """
[template.T1]
on = true
title = "test"
cadence = "tick"
entry = "passive"
target_ticks = 10
stop_ticks = 6
hold_s = 90
weights = { queue_imbalance = 1.0 }
"""

    def read(self, text):
        document = tomllib.loads(self.TEMPLATE + text)
        templates = read_strategies(SHIPPED, document, instrument=INSTRUMENTS["MES"], config=BotConfig())
        return read_vetoes(SHIPPED, document, templates)

    def test_the_shipped_one_is_the_specifications(self):
        """Specification 6.4: noise above .70 blocks K1 to K4."""
        (veto,) = load_config().vetoes.values()
        assert (veto.signal, veto.min, veto.max, veto.blocks) == ("noise", None, 0.70, ("K1", "K2", "K3", "K4"))

    def test_a_file_may_have_none(self):
        assert self.read("") == {}

    def test_the_good_one_is_good(self):
        assert self.read(VETO)["V1"].max == 0.70

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ('"noise"', '"noice"', ["veto.V1", "unknown signal noice", "noise?"]),
            ('"noise"', '"ofi_1s"', ["veto.V1", "ofi_1s has a side"]),
            ("max = 0.70\n", "", ["needs min, max or both"]),
            ("max = 0.70", "max = 0.1\nmin = 0.2", ["blocks for ever"]),
            ("max = 0.70", "min = 1.5", ["noise lies between 0 and 1"]),
            ("max = 0.70", "maximum = 0.70", ["unknown key maximum"]),
            ('["T1"]', '["T2"]', ["veto.V1.blocks names T2", "T1?"]),
            ('["T1"]', "[]", ["blocks is empty"]),
            ("veto.V1", "veto.v1", ["veto.v1", "capital letter"]),
        ],
    )
    def test_what_one_gets_wrong_is_named(self, old, new, said):
        assert old in VETO
        with pytest.raises(ConfigError) as refused:
            self.read(VETO.replace(old, new, 1))
        assert not [part for part in [str(SHIPPED), *said] if part not in str(refused.value)], str(refused.value)
