"""Which feature is proven by which test: prints the table of tests/features.toml and judges it.

An id is due once every issue that names it is finished. The exit code is 1 when a due id has no passing test, or when
the map itself is wrong (an unknown id, a pattern that matches no test).
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FEATURE_LIST = ROOT.parent / "shared" / "design" / "features.md"
FEATURE_MAP = ROOT / "tests" / "features.toml"
# What a test's outcome can depend on. Anything else may change without running the tests again.
SOURCE_FOLDERS = ("src", "tests", "tools", "configs", "data", ".ci")
SOURCE_SUFFIXES = frozenset({".py", ".pyi", ".pyx", ".pxd", ".h", ".toml", ".csv", ".json", ".md", ""})


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue: the number in its title, whether it is finished, and the ids it names."""

    number: int
    finished: bool
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table. `status` is proven, failing, skipped, no test, or open (not due and without a test)."""

    feature_id: str
    text: str
    issues: tuple[int, ...]
    due: bool
    passed: int
    total: int
    status: str
    problem: str


def source_digest(root: Path) -> str:
    """SHA-256 over names and contents of every file a test's outcome can depend on."""
    digest = hashlib.sha256()
    paths = [root / "pyproject.toml", root / "setup.py", root / "Makefile"]
    for folder in SOURCE_FOLDERS:
        for path in (root / folder).rglob("*"):
            parts = path.relative_to(root).parts
            ignored = parts[:2] in {("data", "runs"), ("data", "KILLSWITCH"), ("data", "learning_state.json")}
            generated = "__pycache__" in parts or any(part.endswith(".egg-info") for part in parts)
            if path.suffix in SOURCE_SUFFIXES and path.is_file() and not ignored and not generated:
                paths.append(path)
    for path in sorted(path for path in paths if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def load_feature_texts(path: Path) -> dict[str, str]:
    """Id -> what it is, from the rows of the design's feature list; empty when the list is not there."""
    if not path.is_file():
        return {}
    rows = re.findall(r"^\| ([A-Z]{2}\d{2}) \| (.+?) \|", path.read_text(), flags=re.MULTILINE)
    return dict(rows)


def load_map(path: Path) -> tuple[list[Issue], dict[str, list[str]]]:
    """Issues and, per id, the patterns of the tests that prove it."""
    document = tomllib.loads(path.read_text())
    issues = [Issue(row["number"], row["finished"], frozenset(row["ids"])) for row in document["issue"]]
    return issues, document["tests"]


def is_due(feature_id: str, issues: list[Issue]) -> bool:
    """Due with the last of the issues that name it."""
    naming = [issue for issue in issues if feature_id in issue.ids]
    return bool(naming) and all(issue.finished for issue in naming)


def matches(pattern: str, node_id: str) -> bool:
    """A pattern is a node id; it also covers what lies below it (a file's tests, a class's, a test's parameters).

    `*` stands for any run of characters.
    """
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression + r"(?:(?:::|/|\[).*)?", node_id) is not None


def judge(patterns: list[str], outcomes: dict[str, str]) -> tuple[int, int, str, str]:
    """Passed and total tests, status, and the sentence that says what is wrong."""
    if not patterns:
        return 0, 0, "no test", "no test is named for it in tests/features.toml"
    found: dict[str, str] = {}
    for pattern in patterns:
        matched = {node_id: outcome for node_id, outcome in outcomes.items() if matches(pattern, node_id)}
        if not matched:
            return 0, 0, "no test", f"{pattern} matches no test that ran"
        found |= matched
    passed = sum(outcome == "passed" for outcome in found.values())
    failing = sorted(node_id for node_id, outcome in found.items() if outcome == "failed")
    if failing:
        return passed, len(found), "failing", f"{failing[0]} failed"
    unproven = [
        pattern
        for pattern in patterns
        if not any(outcome == "passed" and matches(pattern, node_id) for node_id, outcome in outcomes.items())
    ]
    if unproven:
        return passed, len(found), "skipped", f"{unproven[0]} was skipped"
    return passed, len(found), "proven", ""


def evaluate(
    issues: list[Issue], tests: dict[str, list[str]], outcomes: dict[str, str], texts: dict[str, str]
) -> list[Verdict]:
    """One verdict per id that an issue names, in the order of the ids."""
    verdicts = []
    for feature_id in sorted(frozenset().union(*(issue.ids for issue in issues))):
        due = is_due(feature_id, issues)
        passed, total, status, problem = judge(tests.get(feature_id, []), outcomes)
        if status == "no test" and not tests.get(feature_id) and not due:
            status, problem = "open", ""
        naming = tuple(issue.number for issue in issues if feature_id in issue.ids)
        verdicts.append(Verdict(feature_id, texts.get(feature_id, ""), naming, due, passed, total, status, problem))
    return verdicts


def map_problems(issues: list[Issue], tests: dict[str, list[str]], texts: dict[str, str]) -> list[str]:
    """What is wrong with the map itself: ids that nobody asked for or that the feature list does not have."""
    named = frozenset().union(*(issue.ids for issue in issues))
    problems = [f"{feature_id} has tests but no issue names it" for feature_id in sorted(set(tests) - named)]
    if texts:
        problems += [f"{feature_id} is not in the feature list" for feature_id in sorted(named - set(texts))]
    return problems


def fresh_outcomes(path: Path) -> dict[str, str] | None:
    """The record of the last whole run, or None when there is none or a source changed since."""
    if not path.is_file():
        return None
    document = json.loads(path.read_text())
    if document["source_digest"] != source_digest(ROOT):
        return None
    return dict(document["outcomes"])


def run_tests(patterns: list[str]) -> dict[str, str]:
    """Run the files the patterns name and return the outcomes."""
    files = sorted({part for pattern in patterns for part in [pattern.split("::")[0]] if (ROOT / part).exists()})
    if not files:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcomes.json"
        command = [sys.executable, "-m", "pytest", "-q", f"--outcomes={path}", *files]
        print("features: the last `make test` is older than the sources; running", " ".join(files), flush=True)
        subprocess.run(command, cwd=ROOT, check=False)
        if not path.is_file():
            return {}
        return dict(json.loads(path.read_text())["outcomes"])


def table(verdicts: list[Verdict]) -> str:
    """The table as text, one line per id."""
    lines = [f"{'id':<5} {'issues':<8} {'due':<4} {'tests':>9}  {'status':<8} feature"]
    for verdict in verdicts:
        issues = ",".join(str(number) for number in verdict.issues)
        tests = f"{verdict.passed}/{verdict.total}" if verdict.total else "-"
        due = "yes" if verdict.due else "no"
        lines.append(
            f"{verdict.feature_id:<5} {issues:<8} {due:<4} {tests:>9}  {verdict.status:<8} {verdict.text[:90]}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 0 when every due id is proven and the map is sound, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outcomes", type=Path, default=ROOT / "build" / "test-outcomes.json")
    options = parser.parse_args(arguments)
    issues, tests = load_map(FEATURE_MAP)
    texts = load_feature_texts(FEATURE_LIST)
    outcomes = fresh_outcomes(options.outcomes)
    if outcomes is None:
        outcomes = run_tests([pattern for patterns in tests.values() for pattern in patterns])
    verdicts = evaluate(issues, tests, outcomes, texts)
    print(table(verdicts))
    problems = map_problems(issues, tests, texts)
    # A failing test fails the table even before its id is due; a missing one only then.
    problems += [
        f"{verdict.feature_id}: {verdict.problem}"
        for verdict in verdicts
        if verdict.problem and (verdict.due or verdict.status == "failing")
    ]
    due = [verdict for verdict in verdicts if verdict.due]
    proven = sum(verdict.status == "proven" for verdict in due)
    print(f"features: {len(verdicts)} ids named by issues, {len(due)} due, {proven} of these proven")
    for problem in problems:
        print(f"features: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
