"""`report` as a user meets it: each form, each file, and what is said about wrong input."""

import json
from pathlib import Path

import pytest

from tests.reports import day_log as day
from trading_bot.build_digest import build_digest
from trading_bot.pages.day_inputs import read_inputs
from trading_bot.pages.day_report import day_page


@pytest.fixture
def log(tmp_path):
    """Three trades that net −11.25 dollars after 10.00 of commission (`day_log.three_trades`)."""
    records = [day.started(), day.carried(), *day.waves(0, 1_500), *day.three_trades()]
    return day.write(tmp_path / "data" / "runs" / "run-1" / "20261125", records)


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("day.html", "<!doctype html>"),
        ("day.md", "## Trading day"),
        ("day.txt", "TRADING DAY"),
        ("day.json", '{"schema"'),
    ],
)
def test_the_form_is_as_the_file_ends(run_main, log, tmp_path, name, begins):
    code, out, err = run_main("report", log, "--quick", "--out", name)
    assert (code, out) == (0, "")
    assert name in err
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
    assert [
        path.name for path in tmp_path.iterdir() if path.name.endswith((".tmp", ".html", ".md", ".txt", ".json"))
    ] == [name]


def test_text_on_the_terminal(run_main, log):
    code, out, _ = run_main("report", log, "--quick")
    assert code == 0
    assert "−11.25" in out
    assert "HYPOTHETICAL" in out


def test_json_is_one_document_and_nothing_else(run_main, log):
    code, out, err = run_main("report", log, "--quick", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["hypothetical"]["net_usd"] == -11.25
    assert found["hypothetical"]["fees_usd"] == 10.0
    assert found["gates"] is None
    assert any("--quick" in text for text in found["left_out"])


def test_a_run_is_found_below_the_data_directory(run_main, log):
    code, out, _ = run_main("report", "run-1", "--quick", "--data-dir", log.parents[2], "--json")
    assert code == 0
    assert json.loads(out)["run_ids"] == ["run-1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothere",), "LOG nothere does not exist"),
        (("run-1", "--format", "pdf"), "expected one of html, text, markdown, json"),
        (("run-1", "--format", "html"), "name it with --out"),
        (("run-1", "--date", "tomorrow"), "expected a day such as 2026-11-25"),
        (("run-1", "--date", "2026-11-24"), "20261125"),
    ],
)
def test_wrong_input_says_what_to_do(run_main, log, arguments, said):
    code, out, err = run_main("report", *arguments, "--data-dir", log.parents[2])
    assert (code, out) == (2, "")
    assert said in err


def test_a_simulated_day_is_as_its_run_says(run_main):
    """What needs the log to be played is there, and the money is that of the run's own summary, to the micro-dollar."""
    run = ("--mode", "SIM", "--adapter", "sim", "--seed", "11", "--duration", "4000", "--data-dir", "out", "--json")
    code, out, _ = run_main(*run)
    assert code == 0
    summary = json.loads(out)
    assert summary["trades_closed"] > 0
    code, out, _ = run_main("report", summary["log_path"], "--json")
    assert code == 0
    found = json.loads(out)
    assert found["hypothetical"]["net_uusd"] == round(summary["pnl_hypothetical"] * 1_000_000)
    assert found["hypothetical"]["trades"] == summary["trades_closed"]
    assert found["decisions"] == summary["decisions"]
    assert sum(found["skips"].values()) == sum(summary["skips_by_reason"].values())
    assert found["left_out"] == []
    assert sum(row["first"]["candidates"] for row in found["gates"]["rows"]) > 0
    page = day_page(read_inputs([Path(summary["log_path"])], trade_date=None, build=build_digest()))
    chart = page.sections[0].blocks[0]
    assert "trend" in chart.layout["yaxis2"]["ticktext"]
    of_another = read_inputs([Path(summary["log_path"])], trade_date=None, build="another")
    assert of_another.regimes == ()
    assert of_another.left_out == ("Regimes are left out: another build wrote the log, or no minute of it was closed.",)
