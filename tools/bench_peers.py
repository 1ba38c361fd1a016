"""Peers in a process and an environment of their own: they pin versions of numpy and uvloop that are not ours.

A peer process says what it is ready for in one line, then measures one round for every line it is sent, so that its
rounds stand between ours.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.bench_harness import WITHOUT_PEER

ROOT: Final = Path(__file__).resolve().parents[1]
VENV: Final = ROOT / "build" / ".bench-venv"
_TOOLS: Final = Path(__file__).resolve().parent


def peer_python(module: str) -> str | None:
    """An interpreter that can import `module`: the peers' own environment, else ours; None where neither can."""
    for python in (VENV / "bin" / "python", Path(sys.executable)):
        if python.exists():
            asked = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
            if subprocess.run([python, "-c", asked], check=False, capture_output=True).returncode == 0:
                return str(python)
    return None


def install_peers() -> None:
    """Make the peers' environment and install the `bench` extra's requirements into it.

    Where that fails (no registry, no wheel for this Python) it says so on stderr, and the table shows what is missing.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["optional-dependencies"]["bench"]
    python = str(VENV / "bin" / "python")
    pip = [python, "-m", "pip"]
    try:
        if not _succeeds([*pip, "--version"]):
            subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        uv = [sys.executable, "-m", "uv"]
        if _succeeds([*uv, "--version"]):
            subprocess.run([*uv, "pip", "install", "-q", "--python", python, *wanted], check=True)
        else:
            subprocess.run([*pip, "install", "-q", "--disable-pip-version-check", *wanted], check=True)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"bench: the peers could not be installed: {error}\n")


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


class Peer:
    """A peer measured by `script`, a file beside this one, with `arguments`; `module` is what it needs.

    `told` is what it says about its data once it is ready.
    """

    def __init__(
        self,
        script: str,
        module: str,
        *arguments: str,
        wanted: bool = True,
        find: Callable[[str], str | None] = peer_python,
    ) -> None:
        """`find` gives an interpreter that can import `module`."""
        self.script = script
        self.arguments = arguments
        self.told: dict[str, float] = {}
        self.python = find(module) if wanted else None
        self.absent = "" if self.python else f"{module} {WITHOUT_PEER if wanted else 'not asked for'}"

    @contextmanager
    def started(self, ticks: bytes | bytearray) -> Iterator[Callable[[], float] | None]:
        """The peer with its data loaded and compiled; yields one round (ns per event), or None."""
        if self.python is None:
            yield None
            return
        folder = Path(tempfile.mkdtemp(prefix="tb-bench-"))
        (folder / "ticks.bin").write_bytes(ticks)
        with subprocess.Popen(
            [self.python, _TOOLS / self.script, folder / "ticks.bin", *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                self.told = _answer(process)
                yield lambda: _round(process)
            finally:
                assert process.stdin is not None
                process.stdin.close()
                process.wait(30)
                shutil.rmtree(folder)


def _round(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return float(_answer(process)["ns"])


def _answer(process: subprocess.Popen[str]) -> dict[str, float]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with {process.wait()}: its message stands above")
    found: dict[str, float] = json.loads(line)
    return found
