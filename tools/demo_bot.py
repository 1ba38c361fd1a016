"""A bot of the demo as a process: started, watched through its status file, killed, and started again.

What is done to it is done by the commands and signals a person has; nothing here looks into the bot.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from trading_bot.core.operator_files import BotStatus, read_status
from trading_bot.domain.units import NS_PER_S

ROOT: Final = Path(__file__).resolve().parents[1]
PATIENCE_S: Final = 120.0  # nothing in the demo takes longer on any machine that can run it
_LOOK_S: Final = 0.004


class DemoFailed(Exception):
    """The day cannot be shown; the message says what was found and what was expected."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a command said: exit code, its JSON document (empty where it printed none), its messages, and its time."""

    code: int
    document: dict[str, Any]
    said: str
    wall_s: float

    @property
    def message(self) -> str:
        """The error's sentence, or the last line it wrote."""
        error = self.document.get("error", {})
        lines = self.said.strip().splitlines()
        return str(error.get("message") or (lines[-1] if lines else ""))


def command(*arguments: str) -> list[str]:
    """A command line of this bot."""
    return [sys.executable, "-m", "trading_bot.cli", *arguments, "--json"]


def ask(*arguments: str) -> Answer:
    """Run one command to its end."""
    return _finish(_open(arguments))


def environment() -> dict[str, str]:
    """The demo's numbers come from its files: a TRADING_BOT__... of the person who runs it must not change the day."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRADING_BOT__")}


def _open(arguments: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command(*arguments), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _words(process: "subprocess.Popen[bytes]") -> str:
    return " ".join(map(str, process.args)) if isinstance(process.args, list) else str(process.args)


def _finish(process: "subprocess.Popen[bytes]", patience_s: float = PATIENCE_S) -> Answer:
    begin_s = time.monotonic()
    try:
        out, said = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise DemoFailed(f"`{_words(process)}` has not ended within {patience_s:g} s") from error
    try:
        document = msgspec.json.decode(out) if out else {}
    except msgspec.DecodeError as error:
        raise DemoFailed(f"`{_words(process)}` printed no JSON: {out[:200]!r}") from error
    return Answer(
        code=process.returncode,
        document=document,
        said=said.decode(errors="replace"),
        wall_s=round(time.monotonic() - begin_s, 2),
    )


class Bot:
    """One command line in one data directory; every start gives the same command, at the pace of that moment."""

    def __init__(
        self, data_dir: Path, *arguments: str, speed: float | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        """`speed` is market seconds per second; None is as fast as it goes. No wait takes longer than `patience_s`."""
        self.data_dir = data_dir
        self.speed = speed
        self.patience_s = patience_s
        self._arguments = (*arguments, "--data-dir", str(data_dir))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; `finish` or `kill_9` ends it."""
        pace = () if self.speed is None else ("--speed", f"{self.speed:g}")
        self._process = _open((*self._arguments, *pace))

    def finish(self) -> Answer:
        """Wait for its end."""
        process = self._running()
        self._process = None
        return _finish(process, self.patience_s)

    def run(self) -> Answer:
        """Start it and wait for its end."""
        self.start()
        return self.finish()

    def kill_9(self) -> None:
        """As the kernel or a power cut would: no handler runs, nothing is flushed."""
        process = self._running()
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        self._process = None
        if process.returncode != -signal.SIGKILL:
            raise DemoFailed(f"the bot ended with {process.returncode} before kill -9 reached it; choose a slower pace")

    def end(self) -> None:
        """Leave no process behind when the demo fails."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=PATIENCE_S)
            self._process = None

    def wait_until(self, ts_ns: int, *, lead_s: float = 0.0) -> None:
        """Return `lead_s` seconds before the bot's market time is `ts_ns`.

        It publishes once a second; what lies between two looks is the pace times what has passed.

        Raises:
            DemoFailed: it ended before.
        """
        speed = self.speed or 1.0

        def reached(status: BotStatus) -> bool:
            passed_s = (time.time_ns() - status.ts_wall_ns) / NS_PER_S
            return status.ts_market_ns + round((passed_s + lead_s) * speed * NS_PER_S) >= ts_ns

        self.wait_for(reached)

    def wait_for(self, condition: Callable[[BotStatus], bool]) -> int:
        """Return once the running bot's status meets a condition; the market's time of that status, ns.

        Raises:
            DemoFailed: it ended before.
        """
        process = self._running()
        begin_s = time.monotonic()
        while time.monotonic() - begin_s < self.patience_s:
            if process.poll() is not None:
                answer = self.finish()
                raise DemoFailed(f"the bot ended with exit code {answer.code} too early: {answer.message}")
            status, _ = read_status(self.data_dir)
            if status is not None and status.pid == process.pid and status.ts_market_ns and condition(status):
                return status.ts_market_ns
            time.sleep(_LOOK_S)
        self.end()
        raise DemoFailed(f"the bot has not come to the moment asked for within {self.patience_s:g} s")

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise DemoFailed("the bot is not running")
        return self._process
