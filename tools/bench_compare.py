"""`make bench-compare`: two runs of the bench side by side, line by line.

    bench_compare.py [A [B]]    the one before the last and the last run of benchmarks/history.jsonl, or others

A number counts lines of the history (-1 is the last), a commit names its newest run there, a path is a document like
latest.json. A line whose ratio to its peer or floor is more than 10 % worse is marked; with --strict it makes the exit
code 1. Ratios are compared, not absolute figures: those depend on the machine and its load.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools.bench_report import WIDTH, Document, Line, text_of  # noqa: E402 - run by path

HISTORY: Final = ROOT / "benchmarks" / "history.jsonl"
WORSE: Final = 1.10
_RATE: Final = "/s]"


def chosen(name: str, history: list[Document]) -> Document:
    """The run that `name` means."""
    path = Path(name)
    if path.is_file():
        return msgspec.json.decode(path.read_bytes(), type=Document)
    try:
        return history[int(name)]
    except ValueError:
        found = [document for document in history if document.commit.startswith(name)]
        if found:
            return found[-1]
    except IndexError:
        pass
    known = ", ".join(document.commit for document in history) or "none"
    raise SystemExit(
        f"no run {name!r}: expected a file, a commit or a line number of {HISTORY.name} (commits there: {known})"
    )


def change(before: Line | None, after: Line | None) -> float | None:
    """How many times as bad the ratio is: above 1 is worse, None where there are not two ratios to compare."""
    if before is None or after is None or not before.ratio or not after.ratio:
        return None
    factor = after.ratio / before.ratio
    return 1 / factor if _RATE in after.metric else factor


def compare(a: Document, b: Document) -> tuple[Table, list[str]]:
    """The table, and the metrics that became more than 10 % worse."""
    table = Table(title=f"A {a.commit} ({a.cpu})\nB {b.commit} ({b.cpu})", title_justify="left")
    table.add_column("metric", overflow="fold")
    for name in ("ours A", "ours B", "ratio A", "ratio B", "worse by"):
        table.add_column(name, justify="right")
    table.add_column("met A B")
    table.add_column("")
    rows_a, rows_b = ({row.metric: row for row in document.rows} for document in (a, b))
    worse = []
    for metric in dict.fromkeys([*rows_b, *rows_a]):
        before, after = rows_a.get(metric), rows_b.get(metric)
        factor = change(before, after)
        bad = factor is not None and factor > WORSE
        if bad:
            worse.append(metric)
        table.add_row(
            escape(metric),
            *("" if row is None else text_of(row.ours) for row in (before, after)),
            *("" if row is None or row.ratio is None else f"{row.ratio:.3g}" for row in (before, after)),
            "" if factor is None else f"{100 * (factor - 1):+.1f} %",
            " ".join({True: "yes", False: "NO", None: "-"}[row.met] if row else " " for row in (before, after)),
            "WORSE" if bad else "",
        )
    return table, worse


def main() -> int:
    """Print both; 1 when --strict and something is worse."""
    parser = argparse.ArgumentParser(description="Two runs of the bench side by side.")
    parser.add_argument("a", nargs="?", default="-2")
    parser.add_argument("b", nargs="?", default="-1")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a ratio is more than 10 %% worse")
    asked = parser.parse_args()
    history = [msgspec.json.decode(line, type=Document) for line in HISTORY.read_bytes().splitlines()]
    table, worse = compare(chosen(asked.a, history), chosen(asked.b, history))
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(table)
    console.print(f"{len(worse)} more than 10 % worse" if worse else "nothing is more than 10 % worse")
    return 1 if worse and asked.strict else 0


if __name__ == "__main__":
    raise SystemExit(main())
