"""Diagnostic log lines: JSON with ids on every line, no secrets, nothing lost to its content (MO01)."""

import json
import shutil
import subprocess
import sys

import pytest
import structlog

from trading_bot import log_setup


@pytest.fixture
def lines(tmp_path):
    """Logging started below a temporary folder, undone afterwards."""
    started = log_setup.start_logging(tmp_path, run_id="20261120T143000Z-ab12")
    yield started
    started.close()
    log_setup._started.clear()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def read(lines):
    return [json.loads(line) for line in lines.path.read_text().splitlines()]


def test_every_line_is_json_with_time_level_event_and_run_id(lines, tmp_path):
    log = log_setup.get_logger()
    log.info("run_started", mode="OBSERVE")
    log.warning("quality_red", dvs_c=55)
    log_setup.bind_ids(decision_seq=812, order_ref="812-0")
    log.error("order_rejected")
    log_setup.unbind_ids("decision_seq", "order_ref")
    log.info("run_ended")
    held = read(lines)
    assert lines.path.parent == tmp_path / "logs"
    assert lines.path.name == f"{held[0]['ts'][:10]}.jsonl"
    for line in held:
        assert {"ts", "level", "event", "run_id"} <= set(line)
        assert line["run_id"] == "20261120T143000Z-ab12"
        assert line["ts"].endswith("Z")
        assert len(line["ts"]) == len("2026-11-20T14:30:00.000000001Z")
    assert [line["level"] for line in held] == ["info", "warning", "error", "info"]
    assert [line.get("decision_seq") for line in held] == [None, None, 812, None]
    assert held[2]["order_ref"] == "812-0"
    if shutil.which("jq"):
        found = subprocess.run(
            ["jq", "-r", "select(.decision_seq == 812) | .event", str(lines.path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout == "order_rejected\n"


def test_secrets_never_reach_a_line(lines, capfd):
    log_setup.get_logger().info(
        "telegram_ready",
        bot_token="hidden-1",
        settings={"password": "hidden-2", "deep": [{"client_secret": "hidden-3"}]},
        Authorization="hidden-4",
        chat=7,
    )
    text = lines.path.read_text() + capfd.readouterr().err
    assert "hidden" not in text
    (line,) = read(lines)
    assert line["settings"] == {"password": "[redacted]", "deep": [{"client_secret": "[redacted]"}]}
    assert line["chat"] == 7


def test_no_content_costs_a_line(lines):
    log = log_setup.get_logger()
    log.info("odd", big=2**80, raw=b"\xff", path=lines.path, ts="mine", keys={1: 2}, nan=float("nan"), text="\ud800")
    (line,) = read(lines)
    assert line["event"] == "odd"
    assert line["ts"] != "mine"


def test_a_traceback_stands_in_the_file_and_not_on_the_console(lines, capfd):
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        log_setup.get_logger().exception("core_failed", seq=3)
    (line,) = read(lines)
    assert "ZeroDivisionError" in line["exception"]
    console = capfd.readouterr().err
    assert "core_failed" in console
    assert "Traceback" not in console
    assert str(lines.path) in console


def test_the_console_has_no_colour_where_nobody_watches(lines, capfd):
    log_setup.get_logger().info("run_started")
    assert "\x1b" not in capfd.readouterr().err
    assert lines.lost == 0


def test_quiet_lines_are_in_neither(lines):
    log_setup.get_logger().debug("tick")
    log_setup.get_logger().info("shown")
    assert [line["event"] for line in read(lines)] == ["shown"]


def test_a_full_disk_stops_no_run(lines, monkeypatch, capfd):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    log_setup.get_logger().info("one")
    log_setup.get_logger().info("two")
    monkeypatch.undo()
    assert lines.lost == 2
    assert capfd.readouterr().err.count("log lines are lost") == 1


def test_starting_up_loads_no_table_library_and_no_numbers_library():
    """Start-up budget: rich comes with the first table, numpy and pandas never."""
    code = (
        "import sys; from trading_bot import cli, cli_run, wiring;"
        "print([name for name in ('rich', 'numpy', 'pandas', 'pyarrow', 'pydantic', 'ib_insync') "
        "if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
