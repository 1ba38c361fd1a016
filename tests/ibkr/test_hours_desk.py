"""NV09 at a gateway: the broker's hours and its word about halts reach the core through the real library."""

import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from tests.ibkr.rig import Rig, connected
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.ibkr.contracts import resolve
from trading_bot.adapters.ibkr.trading_hours import HoursDesk
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.session_events import HaltTold, HoursTold
from trading_bot.domain.units import NS_PER_HOUR

START_NS = 1_795_616_400_000_000_000  # 2026-11-25T14:20:00Z
CLOSE_NS = START_NS + 7 * NS_PER_HOUR + 40 * 60 * 1_000_000_000  # 22:00Z, 16:00 in Chicago
TABLE = load_calendar("us_index.csv", Path("data"))
MES = INSTRUMENTS["MES"]


def told(session, kind):
    found = [event for event in session.inputs if isinstance(event, kind)]
    session.inputs.clear()
    return found


def until_told(session, within_s=5.0):
    """The hours that are told before the time is over."""
    end_s = time.monotonic() + within_s
    while not any(isinstance(event, HoursTold) for event in session.inputs) and time.monotonic() < end_s:
        session.pump(0.05)
    return told(session, HoursTold)


def today(event):
    return next(row.spans[-1][1] for row in event.hours if row.trade_date == 20261125)


@contextmanager
def desk_at(gateway):
    with connected(gateway, speed=1.0) as session:
        bound = resolve(session, MES, "", date(2026, 11, 25))
        session.inputs.clear()
        yield session, HoursDesk(session, bound, TABLE)


@pytest.fixture
def gateway():
    with running_gateway(seed=7, start_ns=START_NS, tick_by_tick_gap_s=0.25) as running:
        yield running


def test_hours_are_told_once_a_trade_date_and_again_when_the_broker_changes_them(gateway):
    with desk_at(gateway) as (session, desk):
        desk.repeat()
        (event,) = told(session, HoursTold)
        assert (event.contract, event.expiry, event.refused, today(event)) == ("MESZ6", 20261218, "", CLOSE_NS)
        desk.repeat()  # every 30 s
        assert told(session, HoursTold) == []
        desk.ask()
        assert until_told(session, 0.5) == []  # the same
        gateway.call(lambda real: real.scenario.do("other_hours", ms=3_600_000))
        desk.ask()
        (event,) = until_told(session)
        assert today(event) == CLOSE_NS - NS_PER_HOUR


def test_a_broker_that_does_not_answer_leaves_the_hours_of_before(gateway):
    with desk_at(gateway) as (session, desk):
        desk.repeat()
        told(session, HoursTold)
        gateway.call(lambda real: real.scenario.do("ignore_requests", requests=[9]))
        desk.ask()
        desk.ask()  # one question at a time
        session.pump(0.2)
        assert told(session, HoursTold) == []


def test_a_halt_is_told_when_it_begins_and_when_it_ends(gateway):
    rig = Rig(gateway)
    try:
        bound = resolve(rig.session, MES, "", date(2026, 11, 25))
        desk = HoursDesk(rig.session, bound, TABLE)
        desk.watch(rig.subscriptions)
        rig.start()
        rig.do("halt", qty=2)
        rig.until(lambda: any(isinstance(event, HaltTold) for event in rig.told))
        rig.do("halt", on=False)
        rig.until(lambda: len([event for event in rig.told if isinstance(event, HaltTold)]) == 2)
        assert [event.halt for event in rig.told if isinstance(event, HaltTold)] == [2, 0]
    finally:
        rig.close()
