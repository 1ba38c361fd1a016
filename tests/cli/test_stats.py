"""`stats`, `fees` and `query` as a person calls them: tables, one JSON document, errors that say what to do."""

import csv
import io
import json

import pytest

from tests.reports import day_log as day
from tests.reports.fact_log import Tape, candidate
from trading_bot import cli_stats
from trading_bot.cli import main
from trading_bot.domain.orders import Leg, Side


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One trade: long one lot from 24 001 to 24 005, 5.00 dollars gross, 1.24 of fees."""
    tape = Tape()
    outcome = tape.outcome(candidate(1, 1, 1_000_000))
    tape.decision(outcome, "B", 1)
    tape.place(outcome, 0, "B", Side.BUY, 24_001)
    tape.fill((outcome, 0), Leg.ENTRY, Side.BUY, 24_001)
    out = tape.fill((outcome, 0), Leg.TARGET, Side.SELL, 24_005)
    tape.closed(
        out, (outcome, 0), "B", Side.BUY, 1, pnl_usd=5.0, commission_round_trip=1.24, exit_reason="TARGET",
        entry_ts_ns=day.at(5), exit_ts_ns=day.at(6),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("data")
    tape.write(folder / "runs" / "run-1" / "20261125")
    return folder


def test_stats_are_one_document_and_tables(data, capfdbinary):
    assert main(["stats", "--data-dir", str(data), "--json"]) == 0
    (book,) = json.loads(capfdbinary.readouterr().out)["books"]
    assert (book["hypothetical"], book["net_uusd"], book["metrics"]["wins"]) == (False, 3_760_000, 1)
    assert book["groups"]["exit"][0]["key"] == "TARGET"
    assert main(["stats", str(data / "runs" / "run-1"), "--quick", "--data-dir", str(data)]) == 0
    shown = capfdbinary.readouterr().out.decode()
    assert "PAPER: the broker's fills, net of commission" in shown
    assert "+3.76 (gross +5.00, fees 1.24)" in shown
    assert "1 of 30 days with entries open: too few" in shown


def test_fees_are_a_table_a_document_and_csv(data, capfdbinary):
    assert main(["fees", "--data-dir", str(data), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode())))
    assert [row["commission_usd"] for row in rows] == ["0.620000", "0.620000"]
    assert main(["fees", "--data-dir", str(data), "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["total_uusd"] == 1_240_000
    assert main(["fees", "--data-dir", str(data), "--hypothetical"]) == 0
    assert "2 executions are real" in capfdbinary.readouterr().out.decode()


def test_a_question_is_answered_or_said_to_be_wrong(data, capfdbinary):
    assert main(["query", "SELECT template, net_uusd FROM trades", "--data-dir", str(data), "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out) == {"columns": ["template", "net_uusd"], "rows": [["B", 3_760_000]]}
    assert main(["query", "SELECT nothing FROM trades", "--data-dir", str(data)]) == 2
    assert "DESCRIBE" in capfdbinary.readouterr().err.decode()


def test_a_day_without_logs_and_a_missing_package_end_with_2(data, capfdbinary, monkeypatch):
    assert main(["stats", "--data-dir", str(data), "--date", "2026-11-30"]) == 2
    assert "expected one with the trade date 20261130" in capfdbinary.readouterr().err.decode()
    assert main(["stats", "--data-dir", str(data / "nowhere")]) == 2
    monkeypatch.setattr(cli_stats, "find_spec", lambda name: None if name == "polars" else name)
    assert main(["stats", "--data-dir", str(data)]) == 2
    assert "pip install 'trading-bot[analytics]'" in capfdbinary.readouterr().err.decode()
