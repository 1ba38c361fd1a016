"""A run from files, its replay and its log, through the command line (issue 1, seen when done)."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

# Specification 13: the run summary.
SUMMARY = {
    "run_id",
    "mode",
    "adapter",
    "instrument",
    "config_hash",
    "events",
    "quotes",
    "trades",
    "rejected_inputs",
    "decisions",
    "skips_by_reason",
    "approvals",
    "refusals_by_reason",
    "orders",
    "fills",
    "position_qty",
    "pnl_net_usd",
    "pnl_hypothetical",
    "naked_ms_max",
    "dvs_min",
    "dvs_last",
    "eqs_min",
    "eqs_last",
    "ts_first_ns",
    "ts_last_ns",
    "effects_digest",
    "state_digest",
    "log_path",
    "wall_s",
    "events_per_s",
    "exit_reason",
}
COLUMNS = """
time = "ts"
time_format = "ms"
bid = "bid"
bid_size = "bid_size"
ask = "ask"
ask_size = "ask_size"
price = "price"
size = "size"
aggressor = "side"
"""
QUOTES, TRADES = 600, 150


def write_tape(folder):
    """Ten minutes of a Globex evening: a quote a second that walks and leans, a trade every fourth second."""
    start_ms = int(datetime(2026, 11, 24, 0, 30, tzinfo=UTC).timestamp() * 1000)
    lines = ["ts,bid,bid_size,ask,ask_size,price,size,side"]
    for second in range(QUOTES):
        bid = 6700.0 + 0.25 * ((second // 20) % 9 - 4)
        lines.append(f"{start_ms + 1000 * second},{bid},{10 + second % 40},{bid + 0.25},{50 - second % 40},,,")
        if second % 4 == 3:
            price, side = (bid + 0.25, "B") if second % 8 == 3 else (bid, "A")
            lines.append(f"{start_ms + 1000 * second + 100},,,,,{price},{1 + second % 5},{side}")
    tape = folder / "tape.csv"
    tape.write_text("\n".join(lines) + "\n")
    columns = folder / "columns.toml"
    columns.write_text(COLUMNS)
    return tape, columns


@pytest.fixture
def run_tape(run_main, tmp_path):
    """Runs the tape into a data directory and gives the summary."""
    tape, columns = write_tape(tmp_path)

    def run(data_dir, *more):
        code, out, _ = run_main(
            "--adapter", "files", "--input", tape, "--columns", columns, "--config", "globex_research",
            "--data-dir", tmp_path / data_dir, "--json", *more,
        )  # fmt: skip
        assert code == 0, out
        return json.loads(out)

    return run


def flip_a_byte(log_path):
    """In the middle of the first segment of the first log."""
    segment = min(log_path.rglob("seg-*"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0x40
    segment.write_bytes(data)


def test_a_run_from_a_file_prints_its_summary(run_tape, tmp_path):
    summary = run_tape("one")
    assert set(summary) >= SUMMARY
    assert (summary["quotes"], summary["trades"]) == (QUOTES, TRADES)
    assert (summary["mode"], summary["adapter"], summary["orders"]) == ("OBSERVE", "files", 0)
    assert summary["decisions"] > 0
    assert (tmp_path / "one").resolve() in Path(summary["log_path"]).resolve().parents


def test_the_same_input_gives_the_same_digests(run_tape):
    one, other = run_tape("one"), run_tape("other")
    for name in ("effects_digest", "state_digest", "config_hash", "decisions", "skips_by_reason"):
        assert one[name] == other[name]
    assert one["run_id"] != other["run_id"]


def test_replay_finds_what_the_run_recorded(run_tape, run_main, tmp_path):
    summary = run_tape("one")
    code, out, _ = run_main("replay", summary["log_path"], "--json")
    report = json.loads(out)
    assert code == 0
    assert report["ok"]
    assert report["ticks"] == QUOTES + TRADES
    assert report["effects_digest"] == summary["effects_digest"]
    assert report["state_digest"] == summary["state_digest"]
    code, out, _ = run_main("replay", summary["run_id"], "--data-dir", tmp_path / "one", "--until", "50", "--json")
    assert (code, json.loads(out)["last_seq"]) == (0, 50)
    code, out, _ = run_main("--data-dir", tmp_path / "one", "replay", summary["run_id"])
    assert code == 0
    assert "Replay: identical" in out


def test_the_lines_of_the_run_carry_its_id(run_tape, tmp_path):
    summary = run_tape("one")
    (file,) = (tmp_path / "one" / "logs").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line["run_id"] for line in lines} == {summary["run_id"]}
    assert (lines[0]["event"], lines[-1]["event"]) == ("run_asked", "run_ended")
    decisions = [line for line in lines if line["event"] == "decision"]
    passed = [line for line in lines if line["event"] == "safety_gate_passed"]
    assert len(decisions) == len(passed) == summary["approvals"] > 0
    assert all(isinstance(line["decision_id"], int) for line in decisions)
    assert all(line["order_id"].count("-") == 1 for line in passed)


def test_log_verify_names_the_flipped_byte(run_tape, run_main):
    log_path = Path(run_tape("one")["log_path"])
    code, out, _ = run_main("log", "verify", log_path, "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    assert run_main("log", "verify", log_path)[0] == 0
    flip_a_byte(log_path)
    code, out, _ = run_main("log", "verify", log_path, "--json")
    verdict = json.loads(out)
    assert (code, verdict["ok"]) == (6, False)
    assert verdict["first_bad_seq"] > 1
    assert verdict["first_bad_offset"] > 0
    assert verdict["reason"]
    code, _, err = run_main("log", "verify", log_path)
    assert code == 6
    assert str(verdict["first_bad_seq"]) in err
    code, out, _ = run_main("log", "show", log_path, "--json")
    shown = json.loads(out)
    assert (code, shown["error"]["code"]) == (6, 6)
    assert shown["rows"][-1]["seq"] == verdict["first_bad_seq"] - 1
    code, out, _ = run_main("replay", log_path, "--json")
    assert code == 6
    assert json.loads(out)["error"]["type"] == "LogCorrupt"


def test_log_show_prints_records(run_tape, run_main):
    log_path = run_tape("one")["log_path"]
    _, out, _ = run_main("log", "show", log_path, "--kind", "trade", "--json")
    rows = json.loads(out)["rows"]
    assert len(rows) == TRADES
    assert {row["kind"] for row in rows} == {"TRADE"}
    code, out, err = run_main("log", "show", log_path, "--from", "2", "--to", "9", "--limit", "3")
    assert code == 0
    assert len(out.splitlines()) == 4, "the log's name and three records"
    assert "3 rows shown" in err
    code, _, err = run_main("log", "show", log_path, "--kind", "trades")
    assert code == 2
    assert "did you mean TRADE?" in err


def test_log_export_writes_columns(run_tape, run_main, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet export needs the research extra")
    log_path = run_tape("one")["log_path"]
    code, out, _ = run_main("log", "export", log_path, "--parquet", tmp_path / "columns", "--json")
    assert code == 0
    assert json.loads(out)["logs"][0]["ticks"] == QUOTES + TRADES
    assert parquet.read_table(tmp_path / "columns" / "ticks.parquet").num_rows == QUOTES + TRADES
    code, out, _ = run_main(
        "log", "export", log_path, "--csv", tmp_path / "csv", "--jsonl", tmp_path / "lines", "--json"
    )
    assert code == 0
    assert [row["format"] for row in json.loads(out)["logs"]] == ["csv", "jsonl"]
    assert (tmp_path / "lines" / "records.jsonl").read_text().count('"kind":"QUOTE"') == QUOTES
    assert (tmp_path / "csv" / "ticks.csv").read_text().count("\n") == QUOTES + TRADES + 1
    code, _, err = run_main("log", "export", log_path)
    assert code == 2
    assert "--jsonl" in err


def test_the_summary_for_people_says_why_not(run_main, tmp_path):
    tape, columns = write_tape(tmp_path)
    code, out, err = run_main(
        "--adapter", "files", "--input", tape, "--columns", columns, "--data-dir", tmp_path / "rth"
    )  # fmt: skip
    assert code == 0
    assert "skips by reason" in out
    assert "2026-11-24T00:30:00.000000000Z" in out
    assert "\x1b" not in out + err, "no colour where nobody watches"


def test_the_users_instruction_on_real_data(run_main, shared_data, tmp_path):
    """The command of the issue: the counts are those of the data's README, decoded independently."""
    tape = shared_data / "es_l3_holiday" / "esh4_glbx_mdp3_20231225.mbo.dbn.zst"
    code, out, _ = run_main(
        "--mode", "OBSERVE", "--adapter", "files", "--input", tape, "--instrument", "MES", "--data-dir", tmp_path / "d",
        "--json",
    )  # fmt: skip
    summary = json.loads(out)
    assert code == 0
    assert (summary["quotes"], summary["trades"]) == (25439, 2973)
    assert run_main("replay", summary["log_path"], "--json")[0] == 0


def test_a_file_cut_in_half_is_processed_to_the_cut_and_ends_with_6(run_main, shared_data, tmp_path):
    whole = (shared_data / "es_l3_holiday" / "esh4_glbx_mdp3_20231225.mbo.dbn.zst").read_bytes()
    cut = tmp_path / "cut.mbo.dbn.zst"
    cut.write_bytes(whole[: len(whole) // 2])
    code, out, _ = run_main("--adapter", "files", "--input", cut, "--data-dir", tmp_path / "d", "--json")
    assert code == 6
    assert json.loads(out)
    (log_path,) = (tmp_path / "d" / "runs").iterdir()
    _, out, _ = run_main("log", "show", log_path, "--kind", "QUOTE", "--json")
    assert len(json.loads(out)["rows"]) > 1000
