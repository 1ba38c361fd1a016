"""Parity and honesty of runs at a gateway, and recording (DG09), over the fast path and over the library."""

import hashlib
import json
import os
from importlib.util import find_spec

import pytest
import structlog

from trading_bot import log_setup
from trading_bot.adapters.gateway.background import running_gateway
from trading_bot.adapters.gateway.streams import TickByTick
from trading_bot.cli import main
from trading_bot.core.honesty import honesty_of
from trading_bot.core.log_reader import LogReader
from trading_bot.core.log_walk import TickSpan
from trading_bot.core.replay import session_logs
from trading_bot.domain.honesty import MINUTE_NS
from trading_bot.domain.records import FRAME_ALIGN, FrameKind

OPEN_NS = 1_795_617_000_000_000_000  # 2026-11-25T14:30:00Z, the regular open
SPEED = 60.0
FAST = ("--account", "DUSIM1", "--clock", "feed", "--speed", "60")
KIND = 16


@pytest.fixture
def command(capfdbinary, monkeypatch, tmp_path):
    """Runs a command in an empty folder: its exit code and the document it printed."""
    for name in [name for name in os.environ if name.startswith("TRADING_BOT__")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfdbinary.readouterr()
        code = main([str(argument) for argument in (*arguments, "--json")])
        return code, json.loads(capfdbinary.readouterr().out)

    yield run
    if (lines := log_setup.current_lines()) is not None:
        lines.close()
    log_setup._started.clear()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def gateway():
    with running_gateway(seed=7, speed=SPEED, start_ns=OPEN_NS) as running:
        yield running


def market(log_path):
    """Market records as bytes, without what the log's writer gives them (crc and number), and without time marks."""
    rows = []
    for log in session_logs(log_path):
        with LogReader(log) as reader:
            for item in reader.spans():
                if isinstance(item, TickSpan):
                    whole = bytes(item.buffer)
                    cut = (whole[at : at + FRAME_ALIGN] for at in range(0, item.count * FRAME_ALIGN, FRAME_ALIGN))
                    rows += [row[16:] for row in cut if row[KIND] != FrameKind.TIME]
    return rows


def received_ns(row):
    return int.from_bytes(row[8:16], "little")


def exported_columns_say_so(command, log, folder, minutes):
    """Each tick has the score of its minute, null where there is none, and the files have their checksums."""
    from pyarrow import parquet

    code, told = command("log", "export", log, "--parquet", folder)
    assert code == 0, told
    assert told["logs"][0]["flagged"] == sum(row["flagged"] for row in minutes)
    ticks = parquet.read_table(folder / "ticks.parquet").to_pydict()
    scores = {row["begin_ns"]: row["score"] for row in minutes}
    for ts_ns, score, flagged in zip(ticks["ts_ns"], ticks["honesty"], ticks["flagged"], strict=True):
        assert score == scores.get(ts_ns - ts_ns % MINUTE_NS)
        assert flagged == (None if score is None else score < 90)
    assert parquet.read_table(folder / "minutes.parquet").to_pylist() == minutes
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert len(sums) == 4
    assert sums == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sums}


def test_a_days_report_says_identical_scores_the_gateways_fills_and_finds_honest_minutes(command, gateway, tmp_path):
    code, summary = command("--mode", "PAPER", "--port", gateway.port, *FAST, "--duration", "12")
    assert code == 0, summary
    code, report = command("parity", summary["log_path"], "--out", "report")
    assert code == 0, report
    assert json.loads((tmp_path / "report" / "parity.json").read_text()) == report
    assert (tmp_path / "report" / "parity.html").read_text().startswith("<!doctype html>")
    replay = report["replay"]
    assert replay["identical"] is True
    assert (replay["effects_digest"], replay["decisions"]) == (summary["effects_digest"], summary["decisions"])
    fills = report["fills"]
    assert fills["real_orders"] == summary["orders"]
    assert fills["real_executions"] == summary["fills"]
    assert [model["name"] for model in fills["models"]][:4] == ["configured", "optimistic", "model", "pessimistic"]
    assert all(set(row["models"]) == {model["name"] for model in fills["models"]} for row in fills["rows"])
    assert sum(row["qty"] for row in fills["rows"]) == summary["fills"]  # lots of one
    honesty = report["honesty"]
    assert honesty["minutes"] == honesty["ok"] >= 10, [row for row in honesty["rows"] if row["score"] != 100]
    assert honesty["score_min"] >= 90
    assert report["mode"] == "PAPER"


def test_lost_prints_are_found_marked_and_left_out(command, gateway, tmp_path, monkeypatch):
    """From the fifth to the seventh minute every third trade never comes; bars and volume are as they were."""
    lossy = range(OPEN_NS + 5 * MINUTE_NS, OPEN_NS + 8 * MINUTE_NS)
    sent, count = TickByTick._last, iter(range(1 << 30))
    monkeypatch.setattr(
        TickByTick,
        "_last",
        lambda self, record: (
            None
            if record.kind is FrameKind.TRADE and record.ts_ns in lossy and next(count) % 3 == 0
            else sent(self, record)
        ),
    )
    code, summary = command("record", "--port", gateway.port, *FAST, "--duration", "12")
    assert code == 0, summary
    log = tmp_path / summary["log_path"]
    code, report = command("parity", log)
    assert code == 0, "flagged minutes are no divergence"
    rows = {(row["begin_ns"] - OPEN_NS) // MINUTE_NS: row for row in report["honesty"]["rows"]}
    assert [n for n, row in rows.items() if row["flagged"]] == [5, 6, 7]
    for n in (5, 6, 7):
        assert 20 <= 100 * rows[n]["lots_missing"] / rows[n]["lots_told"] <= 47  # a third of the prints
    assert report["fills"]["models"] == []

    if find_spec("pyarrow"):  # an environment of the other library may lack it
        exported_columns_say_so(command, log, tmp_path / "columns", report["honesty"]["rows"])
    code, marked = command("--mode", "OBSERVE", "--adapter", "files", "--input", log, "--data-dir", "marked")
    assert code == 0, marked
    assert market(tmp_path / marked["log_path"]) == market(log)
    code, without = command(
        *("--mode", "OBSERVE", "--adapter", "files", "--input", log, "--data-dir", "without", "--exclude-flagged")
    )
    assert code == 0, without
    kept = [row for row in market(log) if received_ns(row) not in lossy]
    assert market(tmp_path / without["log_path"]) == kept
    code, again = command("parity", without["log_path"], "--data-dir", "without")
    assert (code, again["replay"]["identical"], again["honesty"]["ok"]) == (0, True, 0), "a backtest has no witness"


@pytest.mark.parametrize("fast_path", [True, False])
def test_a_recorded_day_is_one_checked_file_that_replays_and_feeds_alike(command, gateway, tmp_path, fast_path):
    (tmp_path / "bot.toml").write_text(f"[machine]\nfast_path = {str(fast_path).lower()}\n")
    code, summary = command("record", "--port", gateway.port, *FAST, "--duration", "5", "--config", "bot.toml")
    assert code == 0, summary
    assert summary["trades"] > 100
    (day,) = session_logs(tmp_path / summary["log_path"])
    assert day.name == "20261125"
    code, verified = command("log", "verify", day)
    assert (code, verified["ok"], verified["logs"][0]["closed"]) == (0, True, True)
    assert verified["logs"][0]["sealed"] == verified["logs"][0]["segments"]
    code, replayed = command("replay", day)
    assert (code, replayed["ok"], replayed["effects_digest"]) == (0, True, summary["effects_digest"])
    assert replayed["state_digest"] == summary["state_digest"]
    code, fed = command("--mode", "OBSERVE", "--adapter", "files", "--input", day, "--data-dir", "fed")
    assert code == 0, fed
    assert market(tmp_path / fed["log_path"]) == market(day)
    # Every trade of the broker's market is in it: bars and volume say so.
    with LogReader(day) as reader:
        minutes = honesty_of(reader.spans())
    assert sum(minute.bars for minute in minutes) > 30
    assert {minute.lots_missing - minute.volume_missing for minute in minutes} == {0}, (
        "bars say that every lot is there"
    )
    assert [minute for minute in minutes if minute.flagged] == []
    segment = next(day.glob("seg-*.tbl"))
    whole = bytearray(segment.read_bytes())
    whole[len(whole) // 2] ^= 1
    segment.write_bytes(whole)
    assert command("log", "verify", day)[0] == 6, "a flipped bit is found"
    assert command("parity", day)[0] == 6
