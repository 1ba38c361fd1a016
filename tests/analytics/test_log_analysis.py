"""Conversion, histograms, fees and SQL over logs written by hand (features AN04, AN06, AN08)."""

import csv
import io

import pytest

from tests.reports import day_log as day
from tests.reports.fact_log import FEE_UUSD, Tape, candidate, started
from trading_bot.analytics.analysis import analyse
from trading_bot.analytics.exit_touches import exit_touches
from trading_bot.analytics.fees import fee_ledger, fees_csv
from trading_bot.analytics.query import query
from trading_bot.domain import effects, events
from trading_bot.domain.errors import UsageError
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.reconciling import Deed, Finding, ReconciliationDone, Row
from trading_bot.reports.trade_facts import read_facts


@pytest.fixture(scope="module")
def tape():
    """Five candidates of B and one of A. B: one filled and closed, one ordered and not filled, one refused by the
    safety gate, two skipped of which one twice under another reason; A: skipped.
    """
    tape = Tape()
    first = tape.outcome(candidate(1, 1, 1_000_000, episode=1))
    tape.decision(first, "B", 1, episode=1)
    tape.place(first, 0, "B", Side.BUY, 24_001)
    tape.fill((first, 0), Leg.ENTRY, Side.BUY, 24_001, exec_id="in", commission_estimated=True)
    tape.exit_sent(first, (first, 0), Side.SELL, "THESIS")
    out = tape.fill((first, 0), Leg.EXIT, Side.SELL, 24_005, exec_id="out", commission_estimated=True)
    tape.closed(
        out, (first, 0), "B", Side.BUY, 1, pnl_usd=5.0, commission_round_trip=1.24, exit_reason="THESIS",
        entry_ts_ns=day.at(4), exit_ts_ns=day.at(6),
    )  # fmt: skip
    tape.corrected((first, 0), "in", 100_000, closed=True)
    second = tape.outcome(candidate(1, 1, 1_000_000, episode=2))
    tape.decision(second, "B", 1, episode=2)
    tape.place(second, 0, "B", Side.BUY, 24_001)
    tape.add(events.OrderCancelled(ts_ns=tape.now_ns, order_id=(second, 0)))
    third = tape.outcome(candidate(1, -1, 1_000_000, episode=1), candidate(0, 1, 1, episode=1))
    tape.add(
        events.SafetyVerdict(
            ts_ns=tape.now_ns, verdict="safety_gate_blocked", order_id=(third, 0), failed=(1,), detail=""
        ),
        third,
    )
    tape.decision(third, "B", -1, "SKIP", reason="SAFETY_GATE_KILL_SWITCH", episode=1)
    tape.decision(third, "A", 1, "SKIP", reason="EUC_LOW", episode=1)
    for reason, episode in (("EUC_LOW", 3), ("BREAKER", 3), ("EUC_LOW", 4)):
        tape.decision(tape.outcome(candidate(1, 1, 1, episode=episode)), "B", 1, "SKIP", reason=reason, episode=episode)
    tape.add(effects.LatchKillSwitch(ts_ns=tape.now_ns, reason="smoke", source="cli"), 1)
    finding = Finding(row=Row.MISSING_STOP, deed=Deed.LEAVE)
    tape.add(
        ReconciliationDone(
            ts_ns=tape.now_ns, reason="TIMER", ok=True, settling=False, ours_qty=0, theirs_qty=0, ours_working=0,
            theirs_working=0, position_qty=0, findings=(finding, finding),
        ),
        1,
    )  # fmt: skip
    tape.fill((999, 0), Leg.STOP, Side.SELL, 24_000, exec_id="stray", commission_uusd=700_000)
    return tape


@pytest.fixture(scope="module")
def facts(tape, tmp_path_factory):
    return read_facts(tape.write(tmp_path_factory.mktemp("facts") / "log"))


def test_conversion_counts_episodes_orders_and_fills(facts):
    rows = {row.template: row for row in analyse(facts).funnels}
    found = rows["B"]
    assert (found.candidates, found.decided, found.refused, found.orders, found.filled, found.trades) == (
        5,
        3,
        1,
        2,
        1,
        1,
    )
    assert (found.order_rate, found.fill_rate, found.candidate_to_fill) == (0.4, 0.5, 0.2)
    assert (rows["A"].candidates, rows["A"].orders, rows["A"].fill_rate) == (1, 0, None)
    assert (rows["ALL"].candidates, rows["ALL"].filled) == (6, 1)


def test_what_stopped_entries_is_counted_with_its_records(facts):
    found = analyse(facts).histograms
    assert [(bar.key, bar.count) for bar in found.skips] == [
        ("EUC_LOW", 3), ("BREAKER", 1), ("SAFETY_GATE_KILL_SWITCH", 1),
    ]  # fmt: skip
    assert {name: sum(bar.count for bar in bars) for name, bars in found.skips_by_template.items()} == {"A": 1, "B": 4}
    assert [(bar.key, bar.count) for bar in found.kills] == [("smoke", 1)]
    assert [(bar.key, bar.count) for bar in found.reconciliations] == [("MISSING_STOP", 2)]
    assert [(bar.key, bar.count) for bar in found.exits] == [("THESIS", 1)]
    assert sum(bar.count for bar in found.refusals) == 1
    skipped = {row.seq for row in facts.decisions if row.reason == "EUC_LOW"}
    assert {ref.seq for ref in found.skips[0].refs} == skipped


def test_fees_are_tied_to_what_the_broker_reported(facts):
    """In: .62 estimated, .72 reported. Out: .62, no report yet. A stray: .70 with the execution."""
    ledger = fee_ledger(facts, hypothetical=False)
    assert [(row.exec_id, row.basis, row.commission_uusd) for row in ledger.rows] == [
        ("in", "reported", 720_000),
        ("out", "estimated", FEE_UUSD),
        ("stray", "told", 700_000),
    ]
    assert (ledger.total_uusd, ledger.of_trades_uusd, ledger.of_strays_uusd) == (2_040_000, 1_340_000, 700_000)
    assert ledger.of_trades_uusd == sum(row.commission_uusd for row in facts.trades)
    assert ledger.by_basis_uusd == {"estimated": 620_000, "reported": 720_000, "told": 700_000}
    assert ledger.by_day_uusd == {"20261125": 2_040_000}
    assert fee_ledger(facts, hypothetical=True).rows == ()


def test_fees_as_csv_are_exact(facts):
    rows = list(csv.DictReader(io.StringIO(fees_csv(fee_ledger(facts, hypothetical=False)))))
    assert [row["commission_usd"] for row in rows] == ["0.720000", "0.620000", "0.700000"]
    assert rows[0]["time_utc"].startswith("2026-11-25T14:30:")
    assert [row["basis"] for row in rows] == ["reported", "estimated", "told"]


def test_a_question_in_sql_is_answered_over_the_facts(facts):
    answer = query(
        facts, "SELECT reason, count(*) AS n FROM decisions WHERE action = 'SKIP' GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    assert (answer.columns, answer.rows[0]) == (("reason", "n"), ("EUC_LOW", 3))
    assert query(facts, "SELECT sum(net_uusd), sum(len(fill_seqs)) FROM trades").rows == ((5_000_000 - 1_340_000, 2),)


@pytest.mark.parametrize(
    "sql", ["SELEC 1", "SELECT * FROM nowhere", "SELECT * FROM read_csv('/etc/passwd')", "COPY trades TO 'x.csv'"]
)
def test_a_question_that_cannot_be_answered_says_what_there_is(facts, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="decisions, fills, orders"):
        query(facts, sql)
    assert list(tmp_path.iterdir()) == []


def test_the_quote_of_an_exit_is_found_in_the_recorded_market(tmp_path):
    """Sent at second 3 with the book at 24 003/24 005; what comes later does not count."""
    sent = effects.PlaceExit(ts_ns=day.at(3), order_id=(1, 0), side=Side.SELL, qty=1, limit_ticks=None, cause="TIME")
    quotes = [day.quote(day.at(2), 24_003, 24_005), day.quote(day.at(4), 24_000, 24_001)]
    log = day.write(tmp_path / "log", [day.started(), quotes[0], sent, quotes[1]])
    facts = read_facts(log)
    (order,) = facts.orders
    assert exit_touches(facts) == {(str(log), order.seq): (24_003, 24_005)}


def test_a_fee_that_is_reported_in_the_next_log_is_the_executions_and_no_later_one(tmp_path):
    """Two logs of one run: .62 estimated yesterday, .72 reported today. Today's log alone holds no execution: .10."""
    first = Tape(started(trade_date=20261124))
    out = first.outcome(candidate(1, 1, 1_000_000))
    first.place(out, 0, "B", Side.BUY, 24_001)
    first.fill((out, 0), Leg.ENTRY, Side.BUY, 24_001, exec_id="in", commission_estimated=True)
    left = first.fill((out, 0), Leg.TARGET, Side.SELL, 24_011, exec_id="out")
    first.closed(
        left, (out, 0), "B", Side.BUY, 1, pnl_usd=12.5, commission_round_trip=1.24, entry_ts_ns=1, exit_ts_ns=2
    )
    second = Tape(started(ts_ns=day.at(86_400)))
    seq = second.corrected((out, 0), "in", 100_000, closed=True)
    run = tmp_path / "run"
    first.write(run / "20261124")
    today = str(second.write(run / "20261125"))
    book = analyse(read_facts(run)).book(hypothetical=False)
    assert (book.fees.total_uusd, book.fees.later_uusd, book.later_fees_uusd) == (1_340_000, 0, 0)
    assert book.fees.total_uusd == book.metrics.commission_uusd
    assert (book.fees.rows[0].reported_log, book.fees.rows[0].reported_seq) == (today, seq)
    assert fee_ledger(read_facts(today), hypothetical=False).later_uusd == 100_000
