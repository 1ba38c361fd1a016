"""The end of a day and of a week, of logs written by hand, whose sums are in the tests."""

from datetime import date

import msgspec
import pytest

from tests.reports import day_log as day
from trading_bot.core.carried import Carried
from trading_bot.core.documents import RunDocuments
from trading_bot.domain import events
from trading_bot.domain.config import BotConfig, canonical
from trading_bot.domain.effects import Alert, LatchKillSwitch
from trading_bot.domain.errors import LogCorrupt, UsageError
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.learning import LearningState
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.scheduled import EventCalendar, EventKind, ScheduledEvent
from trading_bot.domain.trade_events import CommissionCorrected
from trading_bot.domain.units import iso_from_ns
from trading_bot.reports.day_end import read_day_end
from trading_bot.reports.trade_facts import read_facts
from trading_bot.reports.week import Week, read_week, week_of

S = 1_000_000_000
DAY_NS = 86_400 * S
# Thanksgiving week of 2026, as docs/calendar.md has it: New York is shut on the 26th and closes early on the 27th.
CALENDAR = (
    "# calendar=test schema=1\n"
    "date,globex_open_utc,globex_close_utc,rth_open_utc,rth_close_utc,breaks\n"
    "2026-11-25,2026-11-24T23:00:00Z,2026-11-25T22:00:00Z,2026-11-25T14:30:00Z,2026-11-25T21:00:00Z,\n"
    "2026-11-26,2026-11-25T23:00:00Z,2026-11-26T18:00:00Z,,,\n"
    "2026-11-27,2026-11-26T23:00:00Z,2026-11-27T18:15:00Z,2026-11-27T14:30:00Z,2026-11-27T18:00:00Z,\n"
)


def ended(seconds, **held):
    return events.RunEnded(
        ts_ns=day.at(seconds), exit_reason="DURATION", effects_digest="", state_digest="",
        carried=canonical(Carried(**held)),
    )  # fmt: skip


def started(**changes):
    at_ten = ScheduledEvent(name="ISM", kind=EventKind.RELEASE, ts_ns=day.OPEN_NS + 2 * DAY_NS + 1_800 * S)
    other = ScheduledEvent(name="GDP", kind=EventKind.RELEASE, ts_ns=day.OPEN_NS + 1_800 * S)
    documents = RunDocuments(
        config=BotConfig(),
        templates={},
        instrument=INSTRUMENTS["MES"],
        calendar=CALENDAR,
        events=EventCalendar(
            source="test", checked=20261120, covers_from=20261101, covers_to=20261231, events=(other, at_ten)
        ),
    )
    return day.started(documents=documents.pack(), **changes)


@pytest.fixture
def log(tmp_path):
    def write(records, run="run-1", name="20261125", **how):
        return day.write(tmp_path / "data" / "runs" / run / name, records, **how)

    return write


def test_money_by_template_and_exit_sums_to_the_account(log, tmp_path):
    """`day.three_trades`: net +10.00 and −1.25 of S1, −20.00 of K1; gross −1.25, commission 10.00 dollars."""
    log([started(), day.carried(), *day.three_trades(), ended(2_000)])
    found = read_day_end(tmp_path / "data")
    (book,) = found.books
    assert (found.trade_date, book.mode, book.instrument, book.hypothetical) == (20261125, "OBSERVE", "MES", True)
    assert (book.total.trades, book.total.wins, book.net_uusd, book.net_usd) == (3, 1, -11_250_000, -11.25)
    assert (book.total.gross_uusd, book.total.commission_uusd) == (-1_250_000, 10_000_000)
    assert {row.name: (row.trades, row.net_uusd) for row in book.by_template} == {
        "K1": (1, -20_000_000),
        "S1": (2, 8_750_000),
    }
    assert {row.name: row.net_uusd for row in book.by_exit} == {
        "STOP": -20_000_000,
        "TARGET": 10_000_000,
        "TIME": -1_250_000,
    }
    assert (book.best.trade_id, book.worst.trade_id) == ("1-0", "2-0")
    assert list(book.total.records.values()) == [(3, 4, 5)], "TRADE_CLOSED are records 3 to 5"


def test_why_not_is_counted_with_its_records(log, tmp_path):
    skips = [day.skip(1, "EUC_LOW"), day.skip(2, "BREAKER", "K1"), day.skip(3, "EUC_LOW", "K1")]
    log([started(), day.carried(), *skips, ended(10)])
    (book,) = read_day_end(tmp_path / "data").books
    assert [(row.name, row.count, list(row.records.values())) for row in book.skips] == [
        ("EUC_LOW", 2, [(3, 5)]),
        ("BREAKER", 1, [(4,)]),
    ]
    assert book.skips[1].meaning == "a breaker stands after losses or trouble"
    assert book.skips_by_template == {"K1": {"BREAKER": 1, "EUC_LOW": 1}, "S1": {"EUC_LOW": 1}}
    assert book.decisions == 3


def test_what_happened_and_what_stands(log, tmp_path):
    told = [
        day.resident(400, 7_000_000),
        events.QualityStateChanged(ts_ns=day.at(720), data_down=True, dvs_c=20),
        events.QualityStateChanged(ts_ns=day.at(960), data_down=False, dvs_c=90),
        Alert(ts_ns=day.at(970), level="warning", code="A", text="no"),
        Alert(ts_ns=day.at(970), level="critical", code="B", text="no"),
        day.breaker(980, "LOSSES_IN_ROW", "PAUSE", tripped=True),
        day.learned(990, "S1", LearningState.ACTIVE, LearningState.THROTTLED_120),
        LatchKillSwitch(ts_ns=day.at(991), reason="enough", source="cli"),
    ]
    log([started(), day.carried(), *told, ended(1_000, kill_reason="enough")])
    (book,) = read_day_end(tmp_path / "data").books
    assert (book.data_down_ns, book.naked_ns_max) == (240 * S, 7_000_000)
    assert [(row.meaning, row.name) for row in book.alerts] == [("critical", "B"), ("warning", "A")]
    assert [(row.what, row.tone) for row in book.breakers] == [("LOSSES_IN_ROW", "bad")]
    assert [(row.what, row.tone) for row in book.learning] == [("S1", "warn")]
    assert "ACTIVE → THROTTLED_120" in book.learning[0].text
    assert [row.what for row in book.trouble] == ["data down", "data back", "kill switch"]
    assert book.kill_reason == "enough"


def test_tomorrow_is_the_next_day_on_which_new_york_is_open(log, tmp_path):
    """The 26th is Thanksgiving; on the 27th the close is 13:00 in New York, the flatten five minutes before it."""
    log([started(), day.carried(), ended(10)])
    ahead = read_day_end(tmp_path / "data").books[0].next_session
    assert ahead.trade_date == 20261127
    assert iso_from_ns(ahead.open_ns)[:16] == "2026-11-27T14:30"
    assert iso_from_ns(ahead.close_ns)[:16] == "2026-11-27T18:00"
    assert iso_from_ns(ahead.flatten_ns)[:16] == "2026-11-27T17:55"
    assert (iso_from_ns(ahead.entries_from_ns)[11:16], iso_from_ns(ahead.entries_to_ns)[11:16]) == ("14:35", "17:45")
    assert [one.name for one in ahead.events] == ["ISM"]
    assert ahead.events_known


def test_a_simulated_run_that_was_cut_in_a_position_is_not_flat_whatever_came_after(log, tmp_path):
    log([started(), day.carried(), day.filled(11, 50, Leg.ENTRY, Side.BUY, 24_000)], close=False)
    log([started(run_id="run-2"), day.carried(), ended(10)], run="run-2")
    found = read_day_end(tmp_path / "data")
    assert not found.flat
    (reason,) = found.books[0].open_reasons
    assert reason == "run-1/20261125: position +1 (record 3)"
    assert [run.exit_reason for run in found.books[0].runs] == ["", "DURATION"]


def test_at_a_broker_its_newest_word_counts(log, tmp_path):
    documents = RunDocuments(config=BotConfig(), templates={}, instrument=INSTRUMENTS["MES"], gates_real=True).pack()
    paper = {"mode": "PAPER", "adapter": "ibkr", "hypothetical": False, "documents": documents}
    log([day.started(**paper), day.carried(), day.filled(11, 50, Leg.ENTRY, Side.BUY, 24_000)], close=False)
    assert not read_day_end(tmp_path / "data").flat
    # The next run begins flat: what an earlier one left, the broker tells.
    log([day.started(**paper, ts_ns=day.at(60), run_id="run-2"), day.carried(60), ended(70)], run="run-2")
    assert read_day_end(tmp_path / "data").flat


def test_modes_are_books_of_their_own_and_real_money_stands_first(log, tmp_path):
    real = [
        msgspec.structs.replace(one, outcome=msgspec.structs.replace(one.outcome, hypothetical=False))
        for one in day.three_trades()
    ]
    log([started(), day.carried(), *day.three_trades(), ended(2_000)])
    log([started(run_id="run-2", mode="PAPER", adapter="ibkr", hypothetical=False), day.carried(), *real[:1]], run="r2")
    found = read_day_end(tmp_path / "data")
    assert [(book.mode, book.net_usd) for book in found.books] == [("PAPER", 10.0), ("OBSERVE", -11.25)]
    assert [book.mode for book in read_day_end(tmp_path / "data", mode="OBSERVE").books] == ["OBSERVE"]
    with pytest.raises(UsageError, match="in mode LIVE"):
        read_day_end(tmp_path / "data", mode="LIVE")


def test_a_damaged_log_is_no_day_that_ends(log, tmp_path):
    folder = log([started(), day.carried(), *day.three_trades(), ended(2_000)])
    segment = folder / "seg-000001.tbl"
    content = bytearray(segment.read_bytes())
    content[3_000] ^= 1
    segment.write_bytes(content)
    with pytest.raises(LogCorrupt):
        read_day_end(tmp_path / "data")


# --- the week --------------------------------------------------------------------------------------------------------


def later(record, days):
    """The same record on another day."""
    moved = msgspec.structs.replace(record, ts_ns=record.ts_ns + days * DAY_NS)
    if hasattr(record, "outcome"):
        outcome = msgspec.structs.replace(
            record.outcome,
            entry_ts_ns=record.outcome.entry_ts_ns + days * DAY_NS,
            exit_ts_ns=record.outcome.exit_ts_ns + days * DAY_NS,
        )
        moved = msgspec.structs.replace(moved, outcome=outcome)
    return moved


def test_a_week_is_its_days_and_the_week_before_stands_beside_it(log, tmp_path):
    """Wednesday +10.00 −20.00 −1.25, Friday −1.25; the Wednesday before +10.00: 4 trades, net −12.50."""
    three = day.three_trades()
    log([started(), day.carried(), *three, day.skip(1_500, "EUC_LOW"), ended(2_000)])
    friday = [started(run_id="run-2", trade_date=20261127), day.carried(), three[2], ended(2_000)]
    log([later(one, 2) for one in friday], run="run-2", name="20261127")
    before = [started(run_id="run-0", trade_date=20261118), day.carried(), three[0], ended(2_000)]
    log([later(one, -7) for one in before], run="run-0", name="20261118")
    found = read_week(tmp_path / "data")
    (book,) = found.books
    assert (found.week, found.first_date, found.last_date) == ("2026-W48", 20261123, 20261129)
    assert book.dates == (20261125, 20261127)
    assert (book.total.trades, book.net_uusd) == (4, -12_500_000)
    assert [one.net_uusd for one in book.days] == [-11_250_000, -1_250_000]
    assert (book.best_day, book.worst_day) == (20261127, 20261125)
    assert (book.previous_net_uusd, book.previous.trades) == (10_000_000, 1)
    assert (book.drawdown.amount_uusd, book.drawdown.peak_trade, book.drawdown.trough_trade) == (
        22_500_000,
        "1-0",
        "3-0",
    )
    assert {row.name: (row.trades, row.net_uusd) for row in book.by_template} == {
        "K1": (1, -20_000_000),
        "S1": (3, 7_500_000),
    }
    assert [(row.name, row.count) for row in book.skips] == [("EUC_LOW", 1)]
    assert (found.trades, found.unread) == (4, ())
    assert read_week(tmp_path / "data", week=Week(2026, 47)).books[0].previous is None


def test_a_week_without_trades_is_no_error_and_a_damaged_day_is_named(log, tmp_path):
    (tmp_path / "data").mkdir()
    empty = read_week(tmp_path / "data", week=Week(2026, 10))
    assert (empty.books, empty.trades, empty.week) == ((), 0, "2026-W10")
    with pytest.raises(UsageError):
        read_week(tmp_path / "data")
    log([started(), day.carried(), *day.three_trades(), ended(2_000)])
    folder = log([later(one, 2) for one in [started(trade_date=20261127), *day.three_trades()]], name="20261127")
    segment = folder / "seg-000001.tbl"
    content = bytearray(segment.read_bytes())
    content[3_000] ^= 1
    segment.write_bytes(content)
    found = read_week(tmp_path / "data", week=Week(2026, 48))
    assert found.books[0].dates == (20261125,)
    assert len(found.unread) == 1
    assert "20261127" in found.unread[0]


def test_a_damaged_log_leaves_the_other_logs_of_its_day_in_the_week(log, tmp_path):
    log([started(), day.carried(), *day.three_trades(), ended(2_000)])
    whole = read_week(tmp_path / "data", week=Week(2026, 48))
    folder = log([started(run_id="run-2"), *day.three_trades()], run="run-2")
    segment = folder / "seg-000001.tbl"
    content = bytearray(segment.read_bytes())
    content[3_000] ^= 1
    segment.write_bytes(content)
    found = read_week(tmp_path / "data", week=Week(2026, 48))
    assert found.books == whole.books
    assert len(found.unread) == 1
    assert str(folder) in found.unread[0]
    with pytest.raises(LogCorrupt, match=f"{folder}: seg-000001.tbl, byte"):  # of several logs it says which
        read_facts(tmp_path / "data")


def test_weeks_are_those_of_iso_8601():
    """The standard's own cases: 2027-01-01 is a Friday of week 53 of 2026."""
    assert week_of(date(2027, 1, 1)) == Week(2026, 53)
    assert week_of(date(2026, 11, 23)) == Week(2026, 48)
    assert Week(2027, 1).before == Week(2026, 53)
    assert Week(2026, 48).name == "2026-W48"


def test_executions_of_no_trade_are_told_with_what_they_come_to(log, tmp_path):
    """A long of one lot from 24 000 to 23 994 ticks at 1.25 dollars, 1.25 dollars commission each: −7.50 − 2.50."""
    cold = events.ProcessStarted(
        ts_ns=day.at(15), recovery="facts", config_hash="x", kernel_build="x", last_seq=3, torn_bytes=0
    )
    fills = [
        day.filled(11, 50, Leg.ENTRY, Side.BUY, 24_000),
        cold,
        day.filled(20, 50, Leg.EXIT, Side.SELL, 23_994),
    ]
    log([started(), day.carried(), *fills, *day.three_trades()[:1], ended(2_000)])
    (book,) = read_day_end(tmp_path / "data").books
    assert (book.stray.fills, book.stray.net_uusd) == (2, -10_000_000)
    assert list(book.stray.records.values()) == [(3, 5)]
    assert book.net_uusd == 10_000_000, "the trade alone"
    assert book.flat


def test_an_open_position_is_worth_nothing_yet(log, tmp_path):
    log([started(), day.carried(), day.filled(11, 50, Leg.ENTRY, Side.BUY, 24_000)], close=False)
    assert read_day_end(tmp_path / "data").books[0].stray.net_uusd is None


def test_a_commission_that_is_reported_on_another_day_counts_on_that_day(log, tmp_path):
    """Wednesday's trade is +12.50 less 2.50; on Friday the broker says 0.35 dollars more: week +9.65, fees 2.85."""
    more = CommissionCorrected(
        ts_ns=day.at(20), order_id=(1, 0), leg=Leg.EXIT, exec_id="1-EXIT", delta_uusd=350_000, trade_closed=True,
        hypothetical=True, ledger=b"",
    )  # fmt: skip
    log([started(), day.carried(), day.three_trades()[0], ended(2_000)])
    friday = [started(run_id="run-2", trade_date=20261127), day.carried(), more, ended(30)]
    log([later(one, 2) for one in friday], run="run-2", name="20261127")
    wednesday, (book,) = read_day_end(tmp_path / "data", trade_date=20261125), read_day_end(tmp_path / "data").books
    assert wednesday.books[0].net_uusd == 10_000_000
    assert (book.total.trades, book.late_commission_uusd, book.net_uusd) == (0, 350_000, -350_000)
    (week,) = read_week(tmp_path / "data").books
    assert (week.net_uusd, week.total.commission_uusd + week.late_commission_uusd) == (9_650_000, 2_850_000)


def test_the_newest_day_is_one_with_something_to_do(log, tmp_path):
    """The run went on over the close, and its log of the next session has begun: nothing was open in it yet."""
    log([started(), day.carried(), day.session(300, "SESSION_ENTRIES"), *day.three_trades(), ended(2_000)])
    evening = [started(trade_date=20261127), day.carried(), day.session(1, "SESSION_PRE_OPEN"), ended(30)]
    log([later(one, 1) for one in evening], name="20261127")
    assert read_day_end(tmp_path / "data").trade_date == 20261125
    assert read_day_end(tmp_path / "data", trade_date=20261127).books[0].total.trades == 0
    opened = [started(run_id="b", trade_date=20261127), day.carried(), day.session(1, "SESSION_ENTRIES"), ended(30)]
    log([later(one, 2) for one in opened], run="run-2", name="20261127")
    assert read_day_end(tmp_path / "data").trade_date == 20261127
