"""Hanging or killing what watches changes nothing in the trading process: same effects, same state, to the bit."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time

import pytest

CLI = (sys.executable, "-m", "trading_bot.cli")


@pytest.fixture
def watchers(tmp_path):
    """A monitor that serves and a watch on a terminal, both looking at an empty data directory."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    monitor = subprocess.Popen(
        [*CLI, "monitor", "--port", "0", "--json", "--data-dir", str(data_dir)], stdout=subprocess.PIPE
    )
    master, slave = pty.openpty()
    watch = subprocess.Popen(
        [*CLI, "watch", "--interval", "0.2", "--data-dir", str(data_dir)], stdout=slave, stderr=slave, stdin=slave
    )
    os.close(slave)
    port = json.loads(monitor.stdout.readline())["port"]
    yield data_dir, monitor, watch, master, port
    for process in (monitor, watch):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
    monitor.stdout.close()
    os.close(master)


def test_a_bot_is_the_same_beside_hung_and_killed_watchers(run, watchers):
    data_dir, monitor, watch, terminal, port = watchers
    bot = subprocess.Popen(
        [
            *CLI, "--adapter", "sim", "--mode", "SIM", "--seed", "3", "--duration", "1500",
            "--rules", "evaluation_50k_intraday", "--data-dir", str(data_dir), "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", port)) as half_asked:
        half_asked.sendall(b"GET /health HTTP/1.1\r\n")
        while not (data_dir / "status.json").exists() and bot.poll() is None:
            time.sleep(0.02)
        drawn = os.read(terminal, 65536)
        # Hung with the log mapped and a question open; killed in the middle of a picture.
        monitor.send_signal(signal.SIGSTOP)
        watch.kill()
        out, err = bot.communicate(timeout=60)
    found, undisturbed = json.loads(out), run[1]
    assert bot.returncode == undisturbed["exit_code"], err
    assert found["effects_digest"] == undisturbed["effects_digest"]
    assert found["state_digest"] == undisturbed["state_digest"]
    assert found["decisions"] == undisturbed["decisions"]
    assert b"\x1b[" in drawn, "the watch had drawn nothing: it did not look while the bot ran"
    assert monitor.poll() is None, "the monitor was to hang, not to end"


def test_the_monitor_ends_at_a_signal_and_leaves_only_its_token(watchers):
    data_dir, monitor, _, _, _ = watchers
    monitor.terminate()
    assert monitor.wait(10) == 0
    assert [path.name for path in data_dir.iterdir()] == ["monitor.token"]
