"""The rows of `make mutants`: those of mutants.toml, and one for every row of the product's tables.

A table's row is mutated at its source: a check that finds nothing, a gate that lets pass, a breaker that does not trip.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).parents[1]
ROWS: Final = Path(__file__).with_name("mutants.toml")
GATE: Final = "src/trading_bot/engines/safety_gate.py"
DECISION: Final = "src/trading_bot/engines/decision_v2.py"
BREAKERS: Final = "src/trading_bot/engines/breakers.py"
AFTER_FILL: Final = "src/trading_bot/core/after_fill.py"
BUDGETS: Final = "src/trading_bot/engines/budgets.py"
LADDER: Final = (
    "DAILY_",
    "INTRADAY_",
    "WEEKLY_",
    "MONTHLY_",
    "DRAWDOWN_",
)  # breakers that are measured in money by one rule


class Mutant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of one file, and what has to notice it.

    `old` stands in the file once and becomes `new`; `at` (from, to: offsets) is used instead where a table was read.
    Noticed by `tests` (pytest node ids), or by the simulation of `seed` in `world` saying that `notices` is violated.
    """

    kind: str
    name: str
    file: str
    old: str = ""
    new: str = ""
    at: tuple[int, int] | None = None
    tests: tuple[str, ...] = ()
    world: str = ""
    seed: int = 15
    notices: str = ""

    @property
    def module(self) -> str:
        """The module's name, as it is imported."""
        return self.file.removeprefix("src/").removesuffix(".py").replace("/", ".")

    @property
    def killer(self) -> str:
        """What has to notice it, for people."""
        return f"seed {self.seed}, {self.world}: {self.notices}" if self.world else ", ".join(self.tests)

    def applied(self, source: str) -> str:
        """The file's source with the change.

        Raises:
            ValueError: the file has changed, and the row with it.
        """
        if self.at is not None:
            return source[: self.at[0]] + self.new + source[self.at[1] :]
        if source.count(self.old) != 1:
            raise ValueError(f"mutant {self.name}: {self.old!r} stands {source.count(self.old)} times in {self.file}")
        return source.replace(self.old, self.new)


def all_mutants() -> list[Mutant]:
    """Every row, in the order of the table that `make mutants` prints."""
    document: dict[str, Any] = tomllib.loads(ROWS.read_text(encoding="utf-8"))
    written = [msgspec.convert(row, Mutant) for row in document["mutant"]]
    return [*written, *_checks(), *_glances(), *_gates(), *_session_gates(), *_breakers(), *_budgets(), *_after_fill()]


def _source(file: str) -> tuple[str, ast.Module]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return text, ast.parse(text)


def _span(text: str, node: ast.expr) -> tuple[int, int]:
    """Offsets of a node; the sources are ASCII, so that columns are characters."""
    lines = text.splitlines(keepends=True)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    begin = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    return begin, end


def _table(tree: ast.Module, name: str) -> list[ast.Tuple]:
    """The rows of a module's table of tuples."""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            assert isinstance(node.value, ast.Tuple)
            return [row for row in node.value.elts if isinstance(row, ast.Tuple)]
    raise ValueError(f"table {name} is not there: its mutants have to be written anew")


def members(file: str, name: str) -> list[str]:
    """Names of an enumeration, by its source: what is imported here could not be mutated any more."""
    tree = _source(f"src/trading_bot/{file}")[1]
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return [
        node.targets[0].id for node in body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]


def _member(node: ast.expr) -> str:
    assert isinstance(node, ast.Attribute)
    return node.attr


def _checks() -> Iterator[Mutant]:
    """Safety gate (8.1): a check of the table that never says no."""
    text, tree = _source(GATE)
    for row in _table(tree, "_CHECKS"):
        yield Mutant(
            kind="check",
            name=_member(row.elts[0]),
            file=GATE,
            at=_span(text, row.elts[1]),
            new="lambda *_: None",
            tests=("tests/engines/test_safety_gate.py::test_a_check_refuses_alone_and_by_its_number",),
        )


def _glances() -> Iterator[Mutant]:
    """Safety gate: the look that most orders pass without the table, with one of its conditions left out."""
    text, tree = _source(GATE)
    clear = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "_clear")
    found = clear.body[-1]
    assert isinstance(found, ast.Return)
    assert isinstance(found.value, ast.BoolOp)
    for part in found.value.values:
        nested = isinstance(part, ast.BoolOp) and isinstance(part.op, ast.And)
        for node in part.values if nested and isinstance(part, ast.BoolOp) else [part]:
            name = " ".join((ast.get_source_segment(text, node) or "").split())
            yield Mutant(
                kind="glance",
                name=name[:58],
                file=GATE,
                at=_span(text, node),
                new="True",
                tests=("tests/engines/test_safety_gate.py",),
            )


def _gates() -> Iterator[Mutant]:
    """Decision (6.1): a gate that lets everything pass."""
    text, tree = _source(DECISION)
    for row in _table(tree, "_GATES"):
        name = _member(row.elts[0])
        yield Mutant(
            kind="gate",
            name=name,
            file=DECISION,
            at=_span(text, row.elts[1]),
            new="lambda *_: False",
            tests=(f"tests/engines/test_gates.py::test_a_gate_blocks_with_its_reason_and_its_bit[{name}]",),
        )


def _session_gates() -> Iterator[Mutant]:
    """Decision: a state of the session that is taken for the hours of entries."""
    for name in members("engines/session.py", "SessionState"):
        if name == "ENTRIES":
            continue
        yield Mutant(
            kind="gate",
            name=f"SESSION {name}",
            file=DECISION,
            old="if session is not SessionState.ENTRIES:",
            new=f"if session not in (SessionState.ENTRIES, SessionState.{name}):",
            tests=("tests/engines/test_gates.py::test_entries_are_allowed_in_one_session_state",),
        )


def _breakers() -> Iterator[Mutant]:
    """Breakers (8.2): one that is measured in money and never trips; the others are written in mutants.toml."""
    for name in members("engines/breaker_table.py", "Breaker"):
        if not name.startswith(LADDER):
            continue
        yield Mutant(
            kind="breaker",
            name=name,
            file=BREAKERS,
            old="for rule in LADDERS if",
            new=f"for rule in LADDERS if rule.breaker.name != {name!r} and",
            tests=("tests/engines_day/test_breakers.py",),
        )


def _budgets() -> Iterator[Mutant]:
    """Budgets (8.1, check 15): one that is never used up."""
    for name in members("engines/budgets.py", "Budget"):
        yield Mutant(
            kind="budget",
            name=name,
            file=BUDGETS,
            old=f"blocked.append(Budget.{name})",
            new="pass",
            tests=("tests/engines_day/test_budgets.py",),
        )


def _after_fill() -> Iterator[Mutant]:
    """What must hold after every fill (SF12): a row that finds nothing."""
    text, tree = _source(AFTER_FILL)
    for row in _table(tree, "CHECKS"):
        assert isinstance(row.elts[0], ast.Constant)
        yield Mutant(
            kind="fill",
            name=str(row.elts[0].value),
            file=AFTER_FILL,
            at=_span(text, row.elts[1]),
            new="lambda *_: ''",
            tests=("tests/core/test_after_fill.py::test_what_is_broken_is_told_by_name_and_kills",),
        )
