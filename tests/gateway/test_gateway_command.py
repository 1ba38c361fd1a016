"""`trading-bot gateway-sim` as a person uses it."""

import json
import signal
import socket
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "trading_bot.cli", "gateway-sim"]


def run(*arguments, tmp_path):
    command = [*COMMAND, "--data-dir", str(tmp_path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.fixture
def started(tmp_path):
    """Starts a gateway and gives the process and its first line."""
    processes = []

    def start(*arguments):
        command = [*COMMAND, "--data-dir", str(tmp_path), "--port", "0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process, process.stdout.readline()

    yield start
    for process in processes:
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_ends_on_a_signal(started, number):
    process, line = started("--speed", "60")
    assert line.startswith("gateway-sim listens on 127.0.0.1:")
    assert "account DUSIM1, seed 7, market time 2026-11-25T14:20:00Z at 60 x" in line
    port = int(line.split("127.0.0.1:")[1].split(":")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=3) as client:
        process.send_signal(number)
        out, error = process.communicate(timeout=10)
        assert client.recv(10) == b""
    assert (process.returncode, out, error) == (0, "", "")


def test_as_json_it_prints_one_document(started):
    process, line = started("--json", "--account", "DUSIM2", "--seed", "11", "--clock-from", "launch")
    place = json.loads(line)
    assert place.pop("port") > 0
    assert place == {
        "host": "127.0.0.1",
        "account": "DUSIM2",
        "seed": 11,
        "start": "2026-11-25T14:20:00Z",
        "speed": 1.0,
        "clock_from": "launch",
    }
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_a_taken_port_is_one_sentence_and_exit_3(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--port", str(port), tmp_path=tmp_path)
        assert ended.returncode == 3
        assert ended.stderr == (
            f"error: gateway-sim cannot listen on 127.0.0.1:{port}: address already in use; end what uses the port, or "
            "choose another with --port (0 takes a free one)\n"
        )
        document = json.loads(run("--port", str(port), "--json", tmp_path=tmp_path).stdout)
        assert document["error"]["code"] == 3


def test_a_file_that_is_not_there_is_exit_3(tmp_path):
    ended = run("--port", "0", "--input", "nowhere.csv", tmp_path=tmp_path)
    assert (ended.returncode, ended.stderr) == (3, "error: no such file: nowhere.csv: check --input\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--prot", "4002"), "did you mean --port?"),
        (("--host", "0.0.0.0"), "listens on loopback addresses only"),
        (("--account", "U1234567"), "a simulated account is DUSIM and letters or digits"),
        (("--speed", "0"), "market seconds a second"),
        (("--start", "tomorrow"), "expected ISO 8601"),
        (("--start", "2099-01-01"), "MES does not trade"),
        (("--seed", "-4"), "--seed -4: expected 0 to"),
        (("--equity", "nan"), "expected dollars above 0"),
        (("--clock-from", "boot"), "expected connect or launch"),
        (("--scenario", "nowhere.toml"), "--scenario nowhere.toml: cannot be read: No such file"),
        (("--equity", "-1"), "expected dollars above 0"),
        (("--port", "70000"), "70000"),
    ],
)
def test_what_cannot_be_served_is_one_sentence_and_exit_2(tmp_path, arguments, message):
    ended = run(*arguments, tmp_path=tmp_path)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""
