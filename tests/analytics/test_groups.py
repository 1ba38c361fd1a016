"""Whatever the trades: groups sum to the account, and the account is what the fills say (feature AN02)."""

import json

import msgspec
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analytics.ten_trades import facts_of, session, ten_trades, trade
from trading_bot.analytics.analysis import analyse
from trading_bot.analytics.frames import frame, hour_of, tables
from trading_bot.analytics.groups import DIMENSIONS, grouped
from trading_bot.domain.events import SessionChanged
from trading_bot.domain.orders import Side
from trading_bot.reports.fact_records import CorrectionFact, Told

changes = st.fixed_dictionaries(
    {
        "template": st.sampled_from(["S1", "K1", "K4"]),
        "regime": st.sampled_from(["", "calm", "TREND-HIGH"]),
        "bucket": st.sampled_from(["", "1", "2"]),
        "side": st.sampled_from(list(Side)),
        "exit_reason": st.sampled_from(["TARGET", "STOP", "TIME", ""]),
        "trade_date": st.sampled_from([20261124, 20261125]),
        "commission_uusd": st.integers(0, 9_999_999),
        "qty": st.integers(1, 3),
    }
)
trade_lists = st.lists(st.tuples(st.integers(-20, 20), changes), max_size=25).map(
    lambda rows: tuple(trade(number, ticks, **fields) for number, (ticks, fields) in enumerate(rows))
)


@settings(max_examples=100, deadline=None)
@given(trade_lists)
def test_groups_of_every_dimension_sum_to_the_whole_exactly(trades):
    for dimension in DIMENSIONS:
        groups = grouped(trades, dimension)
        for name in ("net_uusd", "gross_uusd", "commission_uusd"):
            assert sum(getattr(group, name) for group in groups) == sum(getattr(row, name) for row in trades)
        assert sorted(at for group in groups for at in group.members) == list(range(len(trades)))
        assert sum(group.wins for group in groups) == sum(row.net_uusd > 0 for row in trades)
        for group in groups:
            assert group.net_uusd == sum(trades[at].net_uusd for at in group.members)
            assert {DIMENSIONS[dimension](trades[at]) for at in group.members} == {group.key}


@settings(max_examples=10, deadline=None)
@given(trade_lists, st.integers(-500_000, 500_000))
def test_a_book_is_the_account_and_its_json_comes_back(trades, later_uusd):
    later = CorrectionFact(
        log="log", seq=9, ts_ns=1, order_id="0-0", exec_id="x", delta_uusd=later_uusd, after_close=True,
        trade_closed_seq=0, hypothetical=False,
    )  # fmt: skip
    facts = facts_of(trades, corrections=(later,))
    book = analyse(facts).book(hypothetical=False)
    assert book.net_uusd == facts.net_uusd(hypothetical=False)
    assert book.metrics.net_uusd - book.later_fees_uusd == book.net_uusd
    assert book.later_fees_uusd == later_uusd
    assert sum(day.net_uusd for day in book.days) == book.metrics.net_uusd
    assert sum(found.net_uusd for found in book.by_template.values()) == book.metrics.net_uusd
    assert not book.equity or book.equity[-1].equity_uusd == book.metrics.net_uusd
    assert json.loads(msgspec.json.encode(book))["metrics"]["net_uusd"] == book.metrics.net_uusd


def test_real_simulated_and_shadow_trades_are_never_in_one_sum():
    trades = (trade(1, 10), trade(2, 20, hypothetical=True), trade(3, -8, hypothetical=True, shadow=True))
    found = analyse(facts_of(trades))
    sums = {book.hypothetical: book.metrics.net_uusd for book in found.books}
    assert sums == {False: 10_000_000, True: 22_500_000}
    assert [row.trade_id for row in found.shadows] == ["3-0"]
    assert found.shadow_metrics["S1"].net_uusd == -12_500_000


def test_a_day_counts_when_entries_were_open_and_not_because_a_log_began():
    """Three logs: entries open without a trade, a trade, and one that only saw the session before its open."""
    told = tuple(
        Told(log=log, seq=2, cause_seq=1, record=SessionChanged(ts_ns=1, state=state, trade_date=date))
        for log, date, state in (
            ("a", 20261123, "SESSION_PRE_OPEN"),
            ("a", 20261123, "SESSION_ENTRIES"),
            ("c", 20261126, "SESSION_PRE_OPEN"),
        )
    )
    sessions = (
        session(log="a", trade_date=20261123),
        session(log="log", trade_date=20261125),
        session(log="c", trade_date=20261126),
    )
    facts = facts_of((trade(1, 10),), sessions=sessions, rest={"SESSION_CHANGED": told})
    book = analyse(facts).book(hypothetical=False)
    assert [(day.trade_date, day.net_uusd) for day in book.days] == [(20261123, 0), (20261125, 10_000_000)]


def test_nothing_traded_is_no_book():
    found = analyse(facts_of(()))
    assert (found.books, found.funnels[-1].orders) == ((), 0)
    assert found.book(hypothetical=True) is None


def test_hours_are_new_yorks_summer_and_winter():
    assert hour_of(1_795_617_000_000_000_000) == 9  # 2026-11-25 14:30 UTC
    assert hour_of(1_782_826_200_000_000_000) == 9  # 2026-06-30 13:30 UTC


def test_the_frame_has_a_row_per_trade_and_types_when_empty():
    rows = frame(facts_of(ten_trades()))
    assert rows["net_uusd"].sum() == 10_000_000
    assert rows.group_by("win").len().sort("win")["len"].to_list() == [4, 6]
    assert rows["hour"].to_list()[0] == 9
    empty = tables(facts_of(()))
    assert empty["trades"].schema == rows.schema
    assert empty["decisions"].schema["belief_e6"] == pl.Int64
    assert all(table.height == 0 for name, table in empty.items() if name != "sessions")
