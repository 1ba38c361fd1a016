"""The bot under test: a process of its own, started as a user starts it, on paper, through the real client library."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from trading_bot.config_keys import ENV_PREFIX
from trading_bot.core.deadman_files import deadman_runs, read_state

# Trades whenever it may, at once and without an opinion: an incident needs a position now, not a good one. No edge is
# claimed, and nothing but this lab uses it.
_TEMPLATE: Final = """schema = 1
[template.C1]
on = true
title = "Chaos: enters whenever it may"
cadence = "grid"
entry = "{entry}"
target_ticks = {target}
stop_ticks = {stop}
hold_s = {hold}
smoothing_s = 1
gain = 20.0
belief_enter = 0.60
belief_hold = 0.01
rearm_s = 0.1
weights = {{ queue_imbalance = 1.0 }}
triggers = [{{ signal = "spread_ticks", min = 1.0, max = 2.0 }}]
"""
STYLES: Final[Mapping[str, str]] = {
    # A position that stands until its stop or a distant target is reached.
    "stand": _TEMPLATE.format(entry="marketable", target=60, stop=12, hold=3600),
    # As the first, entered within the last minutes before the entry cut-off and held until the session's flatten.
    "late": _TEMPLATE.format(entry="marketable", target=60, stop=12, hold=1200),
    # Round trips of seconds.
    "quick": _TEMPLATE.format(entry="marketable", target=30, stop=6, hold=15),
    # Entries that rest at the touch, so that they fill late, in part, or not at all.
    "rest": _TEMPLATE.format(entry="passive", target=60, stop=12, hold=600),
}
# What of the shipped configuration would keep a bot from trading again and again within minutes, or from keeping a
# position: an incident is to meet a bot that trades. Scores, latencies and ages of data count a busy machine's pauses,
# some thirty times over in market time: they are measured, and stop no entry unless an incident asks for it. How faults
# of the broker are handled stays as it is shipped.
_CONFIG: Final[Mapping[str, Any]] = {
    "session.open_delay_min": 0,
    "decision.stability_max": 10.0,
    "quality.data_down_clear_s": 2,
    "quality.dvs_kill_c": 0,
    "quality.dvs_hold_c": 1,
    "quality.dvs_entry_c": 2,
    "quality.eqs_kill_c": 0,
    "quality.eqs_hold_c": 1,
    "quality.eqs_entry_c": 2,
    "quality.age_dead_ms": 600_000,
    "breakers.stale_data_s": 600,
    "breakers.broker_errors_max": 100,
    "safety.loop_lag_ms_max": 60_000,
    "safety.decision_p99_ms_max": 10_000,
    "latency.tick_to_write_p99_ms_max": 10_000,
    "latency.ack_p99_ms_max": 60_000,
    "latency.clock_offset_ms_max": 60_000,
    "reentry.cooldown_s": 1,
    "reentry.cooldown_loss_s": 1,
    "safety.entries_per_minute_max": 60,
    "safety.entries_per_hour_max": 600,
    "breakers.losses_in_row_max": 100,
    "breakers.rapid_loss_pct": 3.0,
    "breakers.rapid_loss_stops": 100,
    "exits.trail": False,
    "exits.break_even_from_r": 100,
    "exits.lock_from_r": 100,
    "exits.thesis_belief": 0.0,
    "exits.volatility_exit": False,
}
_MAIN: Final = (sys.executable, "-m", "trading_bot.cli")
COMMAND_S: Final = 60.0


def environment(config: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a bot: this process's without its settings of the bot, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    for key, value in {**_CONFIG, **config}.items():
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        kept[ENV_PREFIX + key.upper().replace(".", "__")] = text
    return kept


class Process(Protocol):
    """What a `subprocess.Popen` offers of itself."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; raises subprocess.TimeoutExpired after `timeout` seconds."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal."""

    def kill(self) -> None:
        """Kill -9."""


# Arguments of the command line, the folder it runs in, its environment, files for what it prints and tells.
Launch = Callable[[Sequence[str], Path, Mapping[str, str], Path, Path], Process]


def launch(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str], out_path: Path, err_path: Path
) -> subprocess.Popen[bytes]:
    """As a user does it: a new interpreter, with our own package and arguments that this package made."""
    with out_path.open("wb") as out, err_path.open("wb") as err:
        return subprocess.Popen((*_MAIN, *arguments), cwd=folder, env=dict(env), stdout=out, stderr=err)  # noqa: S603


class Bot:
    """One process of the bot."""

    def __init__(
        self, folder: Path, number: int, arguments: tuple[str, ...], env: Mapping[str, str], start: Launch = launch
    ) -> None:
        """Starts it. What it prints goes to `bot-N.json` and `bot-N.log` of the folder."""
        self.number = number
        self.out, self.err = folder / f"bot-{number}.json", folder / f"bot-{number}.log"
        self.data_dir = folder / "data"
        self.killed = False
        command = (*arguments, "--data-dir", str(self.data_dir), "--json")
        self._process = start(command, folder, env, self.out, self.err)

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Has it not ended?"""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to leave and end (SIGTERM), once."""
        self._process.send_signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """SIGINT; a second one ends it at once."""
        self._process.send_signal(signal.SIGINT)

    def strike(self) -> None:
        """Kill -9, without waiting for its end: from any thread."""
        self.killed = True
        os.kill(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        self.killed = True
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop its process where it is (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._process.send_signal(signal.SIGCONT)

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code, or None when it still runs after so many seconds of the wall."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    @property
    def summary(self) -> dict[str, Any]:
        """The document it printed; empty when it printed none."""
        try:
            document = orjson.loads(self.out.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return document if isinstance(document, dict) else {}


class DeadManProcess:
    """A dead man beside the bot, as a person starts him. What he prints goes to `deadman-N.json` and `.log`."""

    def __init__(self, folder: Path, number: int, arguments: tuple[str, ...], env: Mapping[str, str]) -> None:
        """Starts him; the data directory is made if no bot has made it yet."""
        self.out, err = folder / f"deadman-{number}.json", folder / f"deadman-{number}.log"
        self.data_dir = folder / "data"
        self.data_dir.mkdir(exist_ok=True)
        command = (*_MAIN, "deadman", *arguments, "--data-dir", str(self.data_dir), "--json")
        with self.out.open("wb") as out, err.open("wb") as lines:
            self._process = subprocess.Popen(command, cwd=folder, env=dict(env), stdout=out, stderr=lines)  # noqa: S603

    @property
    def ended(self) -> bool:
        """Has he?"""
        return self._process.poll() is not None

    def end(self, timeout_s: float = COMMAND_S) -> int | None:
        """SIGTERM, and his exit code; None when he does not end."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None


def dead_man_steps(folder: Path) -> list[dict[str, Any]]:
    """The journal of whatever dead man watched the bot there."""
    try:
        text = (folder / "data" / "logs" / "deadman.jsonl").read_bytes()
    except OSError:
        return []
    return [orjson.loads(line) for line in text.splitlines()]


def end_started_dead_man(folder: Path) -> None:
    """SIGTERM to a dead man that a bot has started and that still watches: nobody else would end him."""
    data_dir = folder / "data"
    state = read_state(data_dir)
    if state is not None and state.pid != os.getpid() and deadman_runs(data_dir):
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGTERM)


def run_command(folder: Path, arguments: tuple[str, ...], env: Mapping[str, str]) -> tuple[int, str]:
    """Another command of the bot on the same data: its exit code, and what it printed."""
    done = subprocess.run(  # noqa: S603 (as above)
        (*_MAIN, *arguments, "--data-dir", str(folder / "data")),
        cwd=folder,
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
