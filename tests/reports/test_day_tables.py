"""The tables of a day."""

import msgspec
import pytest

from tests.reports import day_log as day
from trading_bot.domain.reasons import GateReason
from trading_bot.engines.session import SessionState
from trading_bot.reports.day_ledger import read_day, tables
from trading_bot.reports.day_tables import MEANINGS, clock, signed_usd


@pytest.fixture
def ledger(tmp_path):
    skips = [day.skip(1, "EUC_LOW")] * 3 + [day.skip(2, "BREAKER", "K1")]
    return read_day(day.write(tmp_path / "log", [day.started(), *skips, *day.three_trades()]))


def column(table, name):
    return [row[table.columns.index(name)].strip() for row in table.rows]


def test_the_ledger_shows_each_trade_and_the_sum(ledger):
    table, _ = tables(ledger)
    assert "HYPOTHETICAL" in table.title
    assert column(table, "template") == ["S1", "K1", "S1", "total"]
    assert column(table, "side") == ["long", "short", "long", ""]
    assert column(table, "qty") == ["1", "2", "1", "4"]
    assert column(table, "in ET") == ["09:40:00", "09:45:00", "09:50:00", ""]
    assert column(table, "held") == ["30.0 s", "60.0 s", "90.0 s", ""]
    # a tick of MES is a quarter of a point
    assert column(table, "entry") == ["6,000.00", "6,005.00", "6,002.50", ""]
    assert column(table, "exit") == ["6,002.50", "6,006.50", "6,002.75", ""]
    assert column(table, "gross $") == ["+12.50", "−15.00", "+1.25", "−1.25"]
    assert column(table, "fees $") == ["−2.50", "−5.00", "−2.50", "−10.00"]
    assert column(table, "net $") == ["+10.00", "−20.00", "−1.25", "−11.25"]


def test_entries_that_live_would_have_refused_are_counted(tmp_path):
    """RK14: the second verdict, beside what the run did."""
    enters = [
        msgspec.structs.replace(day.skip(at, "ENTER"), action="ENTER", live=live)
        for at, live in ((1, "UNCALIBRATED"), (2, "EUC_LOW"), (3, "UNCALIBRATED"), (4, ""))
    ]
    ledger = read_day(day.write(tmp_path / "log", [day.started(), *enters]))
    assert ledger.live_would_block == {"UNCALIBRATED": 2, "EUC_LOW": 1}
    _, skips = tables(ledger)
    assert skips.title.endswith("LIVE would have refused 3 (UNCALIBRATED 2, EUC_LOW 1)")


def test_numbers_line_up(ledger):
    table, _ = tables(ledger)
    for name in ("net $", "entry", "qty"):
        widths = {len(row[table.columns.index(name)]) for row in table.rows}
        assert len(widths) == 1


def test_the_skips_come_most_frequent_first_with_their_meaning(ledger):
    _, table = tables(ledger)
    assert "4 skips of 4 decisions" in table.title
    assert column(table, "reason") == ["EUC_LOW", "BREAKER"]
    assert column(table, "skips") == ["3", "1"]
    assert column(table, "share") == ["75.0 %", "25.0 %"]
    assert column(table, "most by") == ["S1", "K1"]
    assert all(column(table, "meaning"))
    assert column(table, "") == ["█" * 24, "█" * 8]


def test_a_day_without_anything_has_empty_tables(tmp_path):
    trades, skips = tables(read_day(day.write(tmp_path / "log", [day.started()])))
    assert trades.rows == skips.rows == ()


def test_hypothetical_trades_among_real_ones_are_marked(ledger):
    real = msgspec.structs.replace(ledger.trades[0], hypothetical=False)
    table, _ = tables(msgspec.structs.replace(ledger, trades=(real, *ledger.trades[1:])))
    assert column(table, "#") == ["1", "2~", "3~", ""]
    assert "~ HYPOTHETICAL" in table.title


def test_every_reason_has_words():
    reasons = {reason.name for reason in GateReason} | {state.value for state in SessionState} - {"SESSION_ENTRIES"}
    assert set(MEANINGS) == reasons


def test_times_are_new_yorks_on_both_sides_of_the_clock_change():
    assert clock(1_772_811_000_000_000_000) == "10:30:00"  # 2026-03-06T15:30Z, winter time
    assert clock(1_773_070_200_000_000_000) == "11:30:00"  # 2026-03-09T15:30Z, summer time


def test_dollars_carry_their_sign():
    assert [signed_usd(amount) for amount in (0, 1_234_560_000, -250_000)] == ["0.00", "+1,234.56", "−0.25"]
