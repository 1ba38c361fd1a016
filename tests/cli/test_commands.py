"""The command line as a user meets it: real processes, exit codes, one JSON document (specification 13)."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture
def command(tmp_path):
    """Runs `python -m trading_bot.cli` in an empty folder, without any TRADING_BOT__ variable of the tester's."""

    def run(*arguments, **environment):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRADING_BOT__")}
        return subprocess.run(
            [sys.executable, "-m", "trading_bot.cli", *map(str, arguments)],
            cwd=tmp_path,
            env={**clean, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture
def free_port():
    """A port nobody listens on: bound, and released when the test runs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def error_of(result):
    """The error of a `--json` command: stdout is one document and nothing else."""
    document = json.loads(result.stdout)
    assert set(document) == {"error"}
    assert document["error"]["code"] == result.returncode
    return document["error"]


def test_a_misspelt_key_ends_with_2_and_the_nearest(command, tmp_path):
    (tmp_path / "bot.toml").write_text("[safety]\nspread_tick_max = 3\n")
    result = command("--config", "bot.toml")
    assert result.returncode == 2
    assert "bot.toml: unknown key safety.spread_tick_max; did you mean safety.spread_ticks_max?" in result.stderr
    assert result.stdout == ""
    error = error_of(command("--config", "bot.toml", "--json"))
    assert error["type"] == "ConfigError"


def test_a_misspelt_variable_ends_with_2_and_the_nearest(command):
    result = command(TRADING_BOT__SAFTY__SPREAD_TICKS_MAX="3")
    assert result.returncode == 2
    assert "did you mean TRADING_BOT__SAFETY__SPREAD_TICKS_MAX?" in result.stderr


def test_no_gateway_ends_with_3_and_says_what_to_start(command, free_port):
    """OBSERVE over ibkr is the default of `trading-bot` with no argument."""
    error = error_of(command("--port", free_port, "--json"))
    assert error["code"] == 3
    assert error["type"] == "SourceUnreachable"
    for part in (f"nothing listens at 127.0.0.1:{free_port}", "Start IB Gateway", "4002 paper", "4001 live", "API"):
        assert part in error["message"]
    result = command("--mode", "OBSERVE", "--adapter", "ibkr", "--port", free_port)
    assert result.returncode == 3
    assert "Start IB Gateway" in result.stderr
    assert result.stdout == ""


def test_the_failed_run_is_in_the_log_file_with_its_run_id(command, free_port, tmp_path):
    command("--port", free_port, "--data-dir", "here")
    (file,) = (tmp_path / "here" / "logs").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["run_asked", "run_failed"]
    assert len({line["run_id"] for line in lines}) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replya", "x"], "No such command 'replya'. Did you mean 'replay'"),
        (["config", "explian", "x"], "Did you mean 'explain'?"),
        (["--instrment", "MES"], "did you mean --instrument?"),
        (["--mode", "OBSERV"], "did you mean OBSERVE?"),
        (["--adapter", "file"], "did you mean files?"),
        (["--profile", "scalpel"], "did you mean scalper?"),
        (["--instrument", "MSE", "--adapter", "files", "--input", "x"], "did you mean MES?"),
        (["--port", "many"], "--port"),
        (["replay"], "Missing argument 'LOG'"),
        (["--mode", "LIVE"], "must be armed: add --arm"),
        (["--mode", "LIVE", "--arm"], "needs --account"),
        (["--mode", "LIVE", "--arm", "--account", "DU1"], "that is a paper account"),
        (["--mode", "PAPER", "--account", "U1"], "paper account ids start with D"),
        (["--mode", "PAPER", "--adapter", "files", "--input", "x"], "--adapter files has no broker"),
        (["--mode", "LIVE", "--adapter", "files", "--input", "x", "--arm"], "--adapter files has no broker"),
        (["--mode", "PAPER", "--instrument", "SPY"], "SPY is for research only"),
        (["--arm"], "--arm lets real orders leave"),
        (["--adapter", "files"], "give at least one"),
        (["--adapter", "sim", "--start", "noon"], "--start 'noon' is no time"),
        (["--adapter", "sim", "--seed", "-1"], "--seed is -1"),
        (["--adapter", "sim", "--history", "."], "brings its own history"),
        (["--mode", "BACKTEST", "--adapter", "sim"], "--mode BACKTEST does not run on --adapter sim"),
        (["--mode", "SIM", "--adapter", "files", "--input", "."], "--mode SIM does not run on --adapter files"),
        (["--input", "x"], "belong to --adapter files"),
        (["--start", "2026-11-25T14:20:00Z"], "--start sets the time of a simulated market"),
        (["--duration", "0"], "--duration is 0"),
        (["--clock", "feeed"], "--clock is 'feeed'"),
        (["--speed", "2"], "--speed goes with --clock feed"),
        (["--mode", "PAPER", "replay", "x"], "--mode belongs to a run"),
        (["replay", "nowhere"], "LOG nowhere does not exist"),
        (["log", "verify", "nowhere"], "LOG nowhere does not exist"),
        (["config", "check", "nowhere.toml"], "nowhere.toml not found"),
        (["config", "explain", "safety.spread"], "safety.spread_ticks_max?"),
        (["config", "explain", "signal.vwap"], "did you mean vwap_z?"),
        (["config", "explain", "template.K9"], "no template K9"),
    ],
)
def test_what_cannot_be_run_as_asked_ends_with_2(run_main, arguments, said):
    code, out, err = run_main(*arguments)
    assert code == 2
    assert said in err
    assert out == ""
    code, out, _ = run_main(*arguments, "--json")
    assert code == 2
    assert said in json.loads(out)["error"]["message"]


def test_a_missing_input_ends_with_3(run_main):
    code, _, err = run_main("--adapter", "files", "--input", "gone.dbn.zst")
    assert code == 3
    assert "--input gone.dbn.zst: there is no such file or folder" in err


@pytest.mark.parametrize(
    "command_name",
    [
        "replay",
        "log verify",
        "log show",
        "log export",
        "config show",
        "config explain",
        "gateway-sim",
        "watch",
        "monitor",
        "rules show",
        "rules odds",
        "stats",
        "fees",
        "query",
        "learning attribution",
        "learning propose",
        "learning adopt",
        "learning rollback",
        "learning params",
        "learning challenge",
    ],
)
def test_every_command_takes_the_data_directory_and_the_configuration(run_main, command_name):
    code, out, _ = run_main(*command_name.split(), "--help")
    assert code == 0
    for option in ("--data-dir", "--config", "--json"):
        assert option in out


def test_later_commands_are_not_there_yet(run_main):
    """A name that does nothing would promise something: the table of specification 13 is filled issue by issue."""
    _, out, _ = run_main("--help")
    for name in ("backtest", "calibrate"):
        assert f" {name} " not in out


def test_a_bug_of_ours_ends_with_1_and_its_traceback_is_in_the_file(run_main, monkeypatch, tmp_path):
    def broken(*_, **__):
        raise ZeroDivisionError("made by the test")

    monkeypatch.setattr("trading_bot.config_files.load_config", broken)
    code, out, err = run_main("config", "show", "--data-dir", tmp_path / "d")
    assert (code, out) == (1, "")
    assert "a bug of ours: ZeroDivisionError: made by the test" in err
    assert "Traceback" not in err
    (file,) = (tmp_path / "d" / "logs").glob("*.jsonl")
    line = json.loads(file.read_text())
    assert line["event"] == "bug"
    assert "Traceback" in line["exception"]
    code, out, _ = run_main("config", "show", "--data-dir", tmp_path / "d", "--json")
    assert json.loads(out)["error"]["code"] == code == 1


def test_a_reader_that_leaves_early_is_no_error():
    pipe = subprocess.run(
        f"{sys.executable} -m trading_bot.cli config show --json | head -c 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert pipe.stderr == ""
    assert pipe.stdout == "{"


# --- config ------------------------------------------------------------------------------------------------------


def test_config_show_gives_every_value_with_its_origin_unit_and_bounds(run_main):
    code, out, _ = run_main("config", "show", "--profile", "conservative", "--json")
    keys = json.loads(out)["keys"]
    assert code == 0
    assert keys["safety.entries_per_day_max"]["value"] == 2
    assert keys["safety.entries_per_day_max"]["origin"] == "profile conservative"
    assert keys["sizing.stop_ticks_max"]["unit"] == "ticks"
    assert (keys["sizing.stop_ticks_max"]["low"], keys["sizing.stop_ticks_max"]["high"]) == (1, 12)
    assert keys["sizing.stop_ticks_max"]["fixed_by_user"]
    assert keys["signals.vpin_bucket_qty"]["assumed"]
    assert not keys["sizing.stop_ticks_max"]["assumed"]


def test_config_show_for_people_marks_assumptions(run_main):
    code, out, _ = run_main("config", "show")
    assert code == 0
    row = next(line for line in out.splitlines() if "signals.vpin_bucket_qty" in line)
    assert "250 *" in row
    assert "VWAP reversion" in out


def test_config_explain_shows_every_layer(run_main, tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text("[safety]\nentries_per_hour_max = 7\n")
    _, out, _ = run_main("config", "explain", "safety.entries_per_hour_max", "--config", file, "--json")
    explained = json.loads(out)
    assert explained["layers"] == ["default: 15", "profile scalper: 15", f"file {file}: 7"]
    assert explained["environment"] == "TRADING_BOT__SAFETY__ENTRIES_PER_HOUR_MAX"
    assert explained["meaning"] == "per rolling hour"


def test_config_explain_knows_signals_and_templates(run_main):
    assert (
        "stdev" in run_main("config", "explain", "signal.vwap_z")[1]
        or "sd = sqrt" in run_main("config", "explain", "signal.vwap_z")[1]
    )
    _, out, _ = run_main("config", "explain", "template.S2", "--json")
    assert json.loads(out)["tiers"]["B"]["commission_ticks"] == 2.0


def test_config_check_tells_the_two_kinds_of_file_apart(run_main):
    _, out, _ = run_main("config", "check", ROOT / "configs" / "globex_research.toml", "--json")
    document = json.loads(out)
    assert document["kind"] == "configuration"
    assert {"session.kind"} <= {row["key"] for row in document["sets"]}
    _, out, _ = run_main("config", "check", ROOT / "configs" / "strategies.toml", "--json")
    assert json.loads(out)["kind"] == "strategies"
