"""The processes of the wire rows: the gateway of the bench, and one client process for each path that is measured."""

import json
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from tools.bench_peers import ROOT

TOOLS: Final = Path(__file__).resolve().parent
IB_ASYNC: Final = ROOT / "build" / "venv-ib-async"  # made by `make ib-async`: the two cannot share an environment
_END_S: Final = 20


def library_python(name: str) -> str | None:
    """An interpreter that can import the client library `name`: this one, else the one of `make ib-async`."""
    for python in (sys.executable, str(IB_ASYNC / "bin" / "python")):
        asked = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
        if Path(python).exists() and subprocess.run([python, "-c", asked], check=False).returncode == 0:
            return python
    return None


def absent(name: str) -> str:
    """Why a row shows no figures of this library."""
    where = " (make ib-async installs it beside the base)" if name == "ib_async" else ""
    return f"{name} not installed{where}"


class Wire:
    """A gateway and the clients connected to it; one of them is measured at a time."""

    def __init__(self) -> None:
        """Start the gateway."""
        self._held = tempfile.TemporaryDirectory(prefix="tb-bench-")
        self.folder = Path(self._held.name)
        self._clients: list[subprocess.Popen[str]] = []
        self._gateway = subprocess.Popen(
            [sys.executable, TOOLS / "bench_wire_gateway.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._answer()["port"])

    def __enter__(self) -> Self:
        """Ready for clients."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """The gateway hangs up, and its clients end."""
        assert self._gateway.stdin is not None
        self._gateway.stdin.close()
        for process in (self._gateway, *self._clients):
            _ended(process)
        self._held.cleanup()

    def client(self, script: str, *arguments: str, python: str = sys.executable) -> int:
        """Start a client, `PORT` in `arguments` replaced by the port; the number of its line, once it wants quotes."""
        told = [str(self.port) if argument == "PORT" else argument for argument in arguments]
        self._clients.append(subprocess.Popen([python, TOOLS / script, *told], text=True))
        return int(self._ask(do="accept")["line"])

    def turns(self, line: int, *, count: int, pause_us: int, orders: int = 1) -> list[int]:
        """Nanoseconds from a tick's send to the last byte of its orders, each of `count` times."""
        waits: list[int] = self._ask(do="turns", line=line, count=count, pause_us=pause_us, orders=orders)["ns"]
        return waits

    def stream(self, line: int, *, rate: int, count: int) -> "Sent":
        """`count` ticks at `rate` a second; when each was sent."""
        path = self.folder / f"sent-{line}.bin"
        found = self._ask(do="stream", line=line, rate=rate, count=count, path=str(path))
        return Sent(stamps_of(path), found["took_s"], found["late_ms"])

    def hang_up(self, line: int) -> None:
        """End one connection and wait for its client."""
        self._ask(do="hang_up", line=line)
        _ended(self._clients[line])

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._gateway.stdin is not None
        self._gateway.stdin.write(json.dumps(command) + "\n")
        self._gateway.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._gateway.stdout is not None
        line = self._gateway.stdout.readline()
        if not line:
            raise RuntimeError(f"the bench's gateway ended with {self._gateway.wait()}: its message stands above")
        found: dict[str, Any] = json.loads(line)
        return found


class Sent(NamedTuple):
    """When ticks were sent (ns), how long it took, and how late the latest was."""

    stamps: "array[int]"
    took_s: float
    late_ms: float


def stamps_of(path: Path) -> "array[int]":
    """64-bit numbers from a file."""
    found = array("q")
    found.frombytes(path.read_bytes())
    return found


def _ended(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
