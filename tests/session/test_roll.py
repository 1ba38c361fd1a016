"""SE06: the contract that the roll rule picks can always be entered, so that nothing is ever held into an expiry.

Third Fridays of March, June, September and December, from the Monday before one the next contract, no entries with
fewer than five days left (specification 10). Worked out here with the standard library over the dates of the table.
"""

import calendar
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from trading_bot.adapters.ibkr import contracts
from trading_bot.domain.config import BotConfig
from trading_bot.engines.breaker_table import days_of
from trading_bot.engines.session import parse_calendar

PATH = Path(__file__).resolve().parents[2] / "data" / "calendars" / "us_index.csv"
TABLE = parse_calendar(PATH.read_text(encoding="ascii"), source=str(PATH))
DAYS_MIN = 5


def third_friday(year, month):
    fridays = [week[calendar.FRIDAY] for week in calendar.monthcalendar(year, month) if week[calendar.FRIDAY]]
    return date(year, month, fridays[2])


EXPIRIES = [third_friday(year, month) for year in range(2026, 2031) for month in (3, 6, 9, 12)]


def listed(today):
    rows = [expiry for expiry in EXPIRIES if expiry >= today]
    return [
        SimpleNamespace(contract=SimpleNamespace(lastTradeDateOrContractMonth=f"{expiry:%Y%m%d}")) for expiry in rows
    ]


@pytest.mark.parametrize("leader", ["front", "next"])
def test_on_every_trade_date_the_traded_contract_has_five_days_left_or_more(monkeypatch, leader):
    monkeypatch.setattr(contracts, "_last_volume", lambda _session, row: int(row.lastTradeDateOrContractMonth))
    if leader == "front":
        monkeypatch.setattr(contracts, "_last_volume", lambda _session, _row: None)
    assert BotConfig().safety.expiry_days_min == DAYS_MIN
    least = {}
    for day in TABLE.days_from(20260101, 10_000):
        if day.trade_date > 20291231:
            break
        today = date.fromisoformat(str(day.trade_date))
        chosen = contracts._volume_leader(None, listed(today), today)
        expiry = chosen.contract.lastTradeDateOrContractMonth
        left = days_of(int(expiry)) - days_of(day.trade_date)
        assert left == (date.fromisoformat(expiry) - today).days
        assert left >= DAYS_MIN, (day.trade_date, expiry)
        least[expiry] = min(left, least.get(expiry, 999))
    # The last day of a front contract is the Friday of the week before; two expiries are 12 weeks apart or more.
    assert min(least.values()) == (7 if leader == "front" else 12 * 7)
