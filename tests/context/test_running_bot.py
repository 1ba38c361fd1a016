"""SG10 with a running bot on the simulated market: spoken to through its socket, and through a file that grows.

The bot is another process; what it did is read from its log, and the log alone gives the same again.
"""

import json
import os
import socket
import stat
import subprocess
import sys
import time

import pytest

from tests.core.worlds import ROOT, messages
from trading_bot.build_digest import build_digest
from trading_bot.core.replay import replay
from trading_bot.domain.context import ContextChanged, ContextLinesRefused, ContextReceived
from trading_bot.domain.effects import Alert
from trading_bot.domain.events import OutcomeReached
from trading_bot.domain.units import NS_PER_S

CONFIG = """schema = 1
[context]
file = "context.jsonl"
socket = true
sources = ["desk"]
slot_1 = "sentiment"
levels = ["zero_gamma"]
lockouts = ["risk >= 0.5"]
rate_max = 5
"""
SPEED = 20.0
WAIT_S = 120.0  # of a busy machine; a quiet one needs a few seconds


class Bot:
    """A bot in another process; market time runs `SPEED` times as fast as ours."""

    def __init__(self, folder):
        self.data = folder / "data"
        config = folder / "context.toml"
        config.write_text(CONFIG)
        command = [sys.executable, "-m", "trading_bot.cli", "--mode", "SIM", "--adapter", "sim", "--seed", "7"]
        command += ["--speed", str(SPEED), "--config", str(config), "--data-dir", str(self.data), "--json"]
        command += ["--duration", "3600", "--start", "2026-11-25T14:40:00Z"]
        self.errors = (folder / "errors").open("wb")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, cwd=ROOT)

    def status(self):
        try:
            return json.loads((self.data / "status.json").read_bytes())
        except (OSError, json.JSONDecodeError):
            return None

    def until(self, holds, what):
        """The first status for which `holds` is true."""
        end_s = time.monotonic() + WAIT_S
        while time.monotonic() < end_s:
            status = self.status()
            if status is not None and holds(status):
                return status
            assert self.process.poll() is None, "the bot has ended"
            time.sleep(0.05)
        pytest.fail(f"after {WAIT_S} s still not: {what}; {self.status()}")

    def names(self):
        return {row["name"] for row in (self.status() or {}).get("context", ())}

    def end(self):
        """An orderly end; the run's folder."""
        self.process.terminate()
        assert self.process.wait(WAIT_S) == 0
        return next((self.data / "runs").iterdir())


@pytest.fixture
def bot(tmp_path):
    started = Bot(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()
    started.process.stdout.close()
    started.errors.close()


def line(name, value, **changes):
    fields = {"source": "desk", "name": name, "value": value, "conviction": 1.0, "ttl_s": 600}
    return json.dumps(fields | changes).encode() + b"\n"


def records(run, kind):
    return [row for _, row in messages(run) if isinstance(row, kind)]


def test_a_bot_hears_its_socket_and_its_file(bot):
    bot.until(lambda status: status["ts_market_ns"] > 0 and status["pid"] == bot.process.pid, "a running bot")
    path = bot.data / "context.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    with socket.socket(socket.AF_UNIX) as channel, channel.makefile("rb") as answers:
        channel.settimeout(WAIT_S)
        channel.connect(os.fspath(path))
        channel.sendall(line("sentiment", 0.4) + b"not json\n")
        assert json.loads(answers.readline()) == {"line": 1, "received": True}
        assert "not json" in json.loads(answers.readline())["error"]
        bot.until(lambda status: any(row["name"] == "sentiment" for row in status["context"]), "a weight")

        # Through the file, half a line first.
        whole = line("zero_gamma", 4_999.0, conviction=0.9)
        with (bot.data / "context.jsonl").open("ab") as file:
            file.write(whole[:30])
            file.flush()
            time.sleep(0.2)
            file.write(whole[30:] + b"{\n")
        bot.until(lambda status: any("zero_gamma" in row["name"] for row in status["context"]), "a level")

        # Twenty seconds of the market are one of ours; the status is written about once a second.
        now_ns = bot.until(lambda _: True, "a status")["ts_market_ns"]
        channel.sendall(line("risk", 0.9, ttl_s=100))
        channel.sendall(line("risk", 0.9, ts=now_ns - 3_600 * NS_PER_S, ttl_s=60))
        bot.until(lambda status: any(row["name"] == "risk" for row in status["context"]), "a lockout")
        bot.until(lambda status: all(row["name"] != "risk" for row in status["context"]), "its end")

        channel.sendall(b"".join(line("sentiment", k / 1_000) for k in range(400)))
        bot.until(lambda status: any(row["value"] < 0.4 for row in status["context"]), "the first of a flood")
        time.sleep(1.2)
    run = bot.end()
    assert not path.exists()

    received = records(run, ContextReceived)
    changes = records(run, ContextChanged)
    assert ("risk", "EXPIRED") in {(change.name, change.change) for change in changes}
    taken = [change for change in changes if change.name == "risk" and change.change == "TAKEN"]
    assert [change.locks for change in taken] == [("risk >= 0.5",)]
    assert any(change.change == "REFUSED" and "before it came" in change.text for change in changes)
    assert {"context.sock connection 1 line 1", "context.jsonl line 1"} <= {message.where for message in received}
    refused = records(run, ContextLinesRefused)
    told = {message.where: message for message in refused}
    assert "not json" in told["context.sock connection 1 line 2"].found
    assert "context.jsonl line 2" in told
    flood = sum(message.count for message in refused if "rate" in message.found)
    of_flood = [message for message in received if message.name == "sentiment" and message.conviction == 1.0][1:]
    assert flood + len(of_flood) == 400
    assert len(of_flood) <= 3 * 5
    assert any(alert.code == "CONTEXT_REFUSED" for alert in records(run, Alert))
    assert records(run, OutcomeReached)

    # The log is enough: no file, no socket.
    (bot.data / "context.jsonl").unlink()
    report = replay(run, build=build_digest())
    assert report.ok


def test_a_message_of_recorded_data_comes_at_its_time_twice_the_same(tmp_path):
    """A file written before: each line is taken when the market reaches its stamp; two runs end the same."""
    digests, taken = [], []
    for turn in ("first", "second"):
        data = tmp_path / turn
        data.mkdir()
        rows = [
            line("risk", 1.0, ts="2026-11-25T14:45:00.5Z", ttl_s=120),
            line("sentiment", -0.5, ts="2026-11-25T14:42:00Z"),
        ]
        (data / "context.jsonl").write_bytes(b"".join(rows))
        config = tmp_path / "context.toml"
        config.write_text(CONFIG.replace("socket = true", "socket = false"))
        command = [sys.executable, "-m", "trading_bot.cli", "--mode", "SIM", "--adapter", "sim", "--seed", "7"]
        command += ["--config", str(config), "--data-dir", str(data), "--json"]
        command += ["--duration", "600", "--start", "2026-11-25T14:40:00Z"]
        done = subprocess.run(command, capture_output=True, cwd=ROOT, check=True)
        digests.append(json.loads(done.stdout)["effects_digest"])
        run = next((data / "runs").iterdir())
        taken.append([(row.name, row.ts_ns) for row in records(run, ContextReceived)])
        ended = [row.ts_ns for row in records(run, ContextChanged) if row.change == "EXPIRED"]
        assert ended[0] == taken[-1][1][1] + 120 * NS_PER_S
    at_ns = 1_795_617_000 * NS_PER_S + 12 * 60 * NS_PER_S
    assert taken[0] == [("sentiment", at_ns), ("risk", at_ns + 180 * NS_PER_S + NS_PER_S // 2)]
    assert taken[0] == taken[1]
    assert digests[0] == digests[1]
