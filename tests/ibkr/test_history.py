"""The warm-up's bars through the real library, against the market they are of; the broker's hours against the table."""

import asyncio
from datetime import date
from pathlib import Path

import msgspec
import pytest

from tests.ibkr.rig import connected
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.contracts import resolve
from trading_bot.adapters.ibkr.history import load_history
from trading_bot.adapters.ibkr.trading_hours import hours_of, later_differences, parse_hours
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.domain.bars import unpack_bars
from trading_bot.domain.broker_events import BrokerNotice
from trading_bot.domain.config import BotConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.units import NS_PER_S, iso_from_ns
from trading_bot.engines.quorum import difference

START_NS = 1_795_616_400_000_000_000  # 2026-11-25T14:20:00Z
SEED = 9
MES = INSTRUMENTS["MES"]
TABLE = load_calendar("us_index.csv", Path("data"))
CONFIG = BotConfig()


@pytest.fixture(scope="module")
def place():
    with running_gateway(seed=SEED, messages_per_s=0) as gateway, connected(gateway, speed=1.0) as session:
        yield session, resolve(session, MES, "", date(2026, 11, 25))


@pytest.fixture(scope="module")
def loaded(place):
    return load_history(*place, MES, CONFIG, TABLE)


def bars_of(events):
    return [bar for event in events for bar in unpack_bars(event.bars)]


def test_the_bars_are_those_of_the_market(loaded):
    feed = SimFeed(MES, TABLE, seed=SEED, start_ns=START_NS, duration_ns=60 * NS_PER_S, resolution_ns=10**9)
    expected = {bar.ts_open_ns: bar for bar in feed.history_bars(21)}  # the gateway has as many sessions
    found = bars_of(loaded)
    assert len(found) > 20_000
    for bar in found:
        wanted = expected[bar.ts_open_ns]
        assert bar[:6] == wanted[:6]  # time, open, high, low, close, volume
        # The broker tells a mean price with a few decimals, not the sum that it is of.
        assert abs(bar.notional - wanted.notional) <= 1 + bar.volume * 0.001


def test_twenty_sessions_and_the_one_under_way_oldest_first(loaded):
    dates = [TABLE.trading_day(next(unpack_bars(event.bars)).ts_open_ns).trade_date for event in loaded]
    wanted = [day.trade_date for day in TABLE.days_before(20261125, 20)]
    assert dates == [*wanted, 20261125]
    assert all("MESZ6 at the broker" in event.source for event in loaded)
    assert [event.count for event in loaded] == [len(list(unpack_bars(event.bars))) for event in loaded]


def test_the_minute_under_way_is_no_bar():
    with running_gateway(seed=SEED, speed=10.0) as gateway, connected(gateway, speed=10.0) as session:
        bound = resolve(session, MES, "", date(2026, 11, 25))
        session.run(asyncio.sleep(1.0))  # ten seconds of 14:20 with trades, of which the broker gives a bar
        opens = [bar.ts_open_ns for bar in bars_of(load_history(session, bound, MES, CONFIG, TABLE))]
        assert session.stamp() < START_NS + 60 * NS_PER_S
    assert opens == sorted(set(opens))
    assert opens[-1] == START_NS - 60 * NS_PER_S


def test_fewer_sessions_or_none_when_so_configured(place):
    def with_sessions(count):
        config = msgspec.structs.replace(CONFIG, ibkr=msgspec.structs.replace(CONFIG.ibkr, history_sessions=count))
        return load_history(*place, MES, config, TABLE)

    assert len(with_sessions(3)) == 4
    assert with_sessions(0) == []


def test_a_broker_that_gives_no_history_leaves_the_signals_cold_and_is_told():
    with running_gateway(seed=SEED) as gateway, connected(gateway, speed=1.0) as session:
        bound = resolve(session, MES, "", date(2026, 11, 25))
        quick = msgspec.structs.replace(CONFIG, ibkr=msgspec.structs.replace(CONFIG.ibkr, history_timeout_s=1.0))
        gateway.call(lambda real: real.scenario.do("stall"))
        assert load_history(session, bound, MES, quick, TABLE) == []
        notice = next(event for event in session.inputs if isinstance(event, BrokerNotice))
    assert notice.error
    assert notice.text == ("the broker gives no history of MESZ6 (no answer within 1 s): 0 bars warm the signals up")


# --- trading hours ---------------------------------------------------------------------------------------------------

# US Central is UTC-6 in November. Thanksgiving 2026: closes at noon on the 26th and at 12:15 on the 27th.
WEEK = (
    "20261124:1700-20261125:1600;20261125:1700-20261126:1200;20261126:1700-20261127:1215;20261128:CLOSED;"
    "20261129:1700-20261130:1600"
)


def spans(row):
    return [f"{iso_from_ns(open_ns)[:16]} to {iso_from_ns(close_ns)[:16]}" for open_ns, close_ns in row.spans]


def test_the_brokers_text_is_read_as_hours_of_trade_dates():
    found = parse_hours(WEEK, "US/Central")
    assert [(row.trade_date, spans(row)) for row in found] == [
        (20261125, ["2026-11-24T23:00 to 2026-11-25T22:00"]),
        (20261126, ["2026-11-25T23:00 to 2026-11-26T18:00"]),
        (20261127, ["2026-11-26T23:00 to 2026-11-27T18:15"]),
        (20261128, []),
        (20261130, ["2026-11-29T23:00 to 2026-11-30T22:00"]),
    ]


def test_a_break_cuts_a_session_in_two_spans_of_one_date():
    text = "20210623:1700-20210624:1515,20210624:1530-20210624:1600"
    (found,) = parse_hours(text, "US/Central")
    assert spans(found) == ["2021-06-23T22:00 to 2021-06-24T20:15", "2021-06-24T20:30 to 2021-06-24T21:00"]


def test_the_gateways_hours_agree_with_the_table_on_every_day_they_name(place):
    session, bound = place
    told = hours_of(bound)
    assert told.refused == ""
    assert len(told.hours) == 7
    for row in told.hours:
        day = TABLE.day(row.trade_date)
        assert (difference(day, row) if day else row.spans) in ("", ())
    assert later_differences(told, TABLE, session.stamp()) == []


def test_other_hours_on_a_later_day_are_told_a_person_with_what_to_do(place):
    session, bound = place
    other = msgspec.structs.replace(bound, trading_hours=WEEK.replace("20261127:1215", "20261127:1600"))
    (sentence,) = later_differences(hours_of(other), TABLE, session.stamp())
    assert "20261127" in sentence
    assert "before that day" in sentence
    shut = msgspec.structs.replace(bound, trading_hours=WEEK.replace("20261125:1700-20261126:1200", "20261126:CLOSED"))
    (sentence,) = later_differences(hours_of(shut), TABLE, session.stamp())
    assert "the broker's hours are shut" in sentence
    today = msgspec.structs.replace(bound, trading_hours=WEEK.replace("20261125:1600", "20261125:1215"))
    assert later_differences(hours_of(today), TABLE, session.stamp()) == []  # the core's business


def test_the_last_day_of_a_contract_is_not_compared(place):
    session, bound = place
    last = msgspec.structs.replace(bound, expiry=20261127, trading_hours=WEEK.replace("20261127:1215", "20261127:0830"))
    assert later_differences(hours_of(last), TABLE, session.stamp()) == []


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("tomorrow", "US/Central"),
        ("20261125:1700", "US/Central"),
        (WEEK, "CST (somewhere)"),
        (WEEK, "../../etc/passwd"),
        ("20261125:1600-20261124:1700", "US/Central"),
        ("2026112\u0665:CLOSED", "US/Central"),
        ("20261125:CLOSED;" * 1000, "US/Central"),
    ],
)
def test_hours_that_cannot_be_read_are_told_as_refused(place, text, zone):
    _, bound = place
    told = hours_of(msgspec.structs.replace(bound, trading_hours=text, time_zone=zone))
    assert told.hours == ()
    assert told.refused
