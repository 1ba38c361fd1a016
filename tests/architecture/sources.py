"""Where the product's sources are, and the one exemption every rule of this folder knows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "src" / "trading_bot"
# A line that says so, and why, is exempt from the rules of test_tidy.py.
EXEMPTION: Final = "# tidy-ok: "


class Violation(NamedTuple):
    """One broken rule: where, and what to do instead."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


def source_files(*suffixes: str, folders: tuple[Path, ...] = (PACKAGE,)) -> list[Path]:
    """Every file of our own with one of these suffixes, in a fixed order."""
    return sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in suffixes)


def relative(path: Path) -> str:
    """Path as printed: relative to the repository."""
    return path.relative_to(ROOT).as_posix()


def is_exempt(line: str) -> bool:
    """A bare marker is not enough: the reason must stand behind it."""
    _, marker, reason = line.partition(EXEMPTION)
    return bool(marker) and len(reason.strip()) >= 8


def without_exempt(violations: Iterator[Violation], text: str) -> list[Violation]:
    """Drop what the line itself exempts."""
    lines = text.splitlines()
    return [violation for violation in violations if not is_exempt(lines[violation.line - 1])]


def report(violations: list[Violation]) -> str:
    """One line per violation, for the assertion message."""
    return "\n" + "\n".join(str(violation) for violation in violations)
