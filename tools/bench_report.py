"""The bench's document and its table.

`latest.json` holds the fields of `Document`. A line's `metric` names the unit and what stands beside, so that two
documents can be held side by side line by line.
"""

import ast
import os
import platform
import subprocess
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from tools.bench_harness import Beside, Row

ROOT: Final = Path(__file__).resolve().parents[1]
_SIGNIFICANT: Final = 4
WIDTH: Final = 170
_BIG: Final = 1e6
_THOUSANDS: Final = 1000


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the document. Numbers are in the unit `metric` names; null where there was nothing to measure."""

    metric: str
    ours: float
    peer: float | None
    ratio: float | None
    floor: float | None
    goal: str | None
    met: bool | None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the bench. `commit` ends with `+dirty` when the tree held changes."""

    commit: str
    cpu: str
    flags: str
    rows: list[Line]


def document_of(rows: list[Row]) -> Document:
    """The rows with the commit, the processor and the compiler flags they were measured on."""
    return Document(commit=_commit(), cpu=_cpu(), flags=_flags(), rows=[_line(row) for row in rows])


def metric_of(row: Row) -> str:
    """Name and unit, then the peer and the floor, the one the ratio is to first."""
    beside = [f"{kind} {held.name}" for kind, held in (("peer", row.peer), ("floor", row.floor)) if held is not None]
    return f"{row.name} [{row.unit}] ({'; '.join(beside)})"


def write(document: Document, folder: Path) -> None:
    """Write latest.json and append the same document to history.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.encode(document)
    (folder / "latest.json").write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
    with (folder / "history.jsonl").open("ab") as history:
        history.write(encoded + b"\n")


def show(document: Document, rows: list[Row], *, seconds: float) -> None:
    """The table, its notes, and where it was measured."""
    console = Console(width=None if os.isatty(1) else WIDTH)
    table = Table(title=f"{document.commit}, {document.cpu}", title_justify="left")
    table.add_column("metric", overflow="fold")
    for name in ("ours", "peer", "ratio", "floor"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("goal")
    table.add_column("met")
    for row in rows:
        met = "" if row.goal is None else {True: "yes", False: "NO", None: "?"}[row.met]
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        table.add_row(
            row.name,
            f"{text_of(row.ours)} {row.unit}",
            _beside(row.peer),
            ratio,
            _beside(row.floor),
            row.goal or "",
            met,
        )
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"{row.name}: {row.note}", highlight=False, soft_wrap=True)
    console.print(f"{document.flags}; measured in {seconds:.0f} s", highlight=False, soft_wrap=True)


def _beside(held: Beside | None) -> str:
    if held is None:
        return ""
    return f"{held.name}: {'not installed' if held.value is None else text_of(held.value)}"


def text_of(value: float) -> str:
    """A figure as people read it."""
    if value >= _BIG:
        return f"{value / _BIG:.2f} M"
    return f"{value:,.0f}" if value >= _THOUSANDS else f"{value:.3g}"


def _line(row: Row) -> Line:
    return Line(
        metric=metric_of(row),
        ours=_rounded(row.ours),
        peer=_rounded(row.peer.value) if row.peer is not None and row.peer.value is not None else None,
        ratio=None if row.ratio is None else _rounded(row.ratio),
        floor=_rounded(row.floor.value) if row.floor is not None and row.floor.value is not None else None,
        goal=row.goal,
        met=row.met,
    )


def _rounded(value: float) -> float:
    """Four significant figures: more would be noise."""
    return float(f"{value:.{_SIGNIFICANT}g}")


def _commit() -> str:
    """Short hash of HEAD; `+dirty` when a file that decides speed differs from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
        return done.stdout.strip()

    head = git("rev-parse", "--short=12", "HEAD") or "unknown"
    changed = git("status", "--porcelain", "--", "src", "configs", "data", "setup.py", "tools")
    return f"{head}+dirty" if changed else head


def _cpu() -> str:
    """Processor and number of cores, as the machine names them."""
    name = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {os.cpu_count()} cores"


def _flags() -> str:
    """Compiler flags as setup.py gives them for a normal build, and the interpreter."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    flags: list[str] = []
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "FLAGS"
            and isinstance(node.value, ast.List)
        ):
            flags = [_flag(element) for element in node.value.elts]
    return f"{' '.join(flags)}; CPython {platform.python_version()}"


def _flag(element: ast.expr) -> str:
    """A flag written out, or the branch of a conditional one that a normal build takes."""
    if isinstance(element, ast.IfExp):
        return _flag(element.orelse)
    if isinstance(element, ast.Constant):
        return str(element.value)
    return os.environ.get("TRADING_BOT_OPT", "-O2")
