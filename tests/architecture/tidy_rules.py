"""The rules of test_tidy.py as functions from a text to its violations, so that each can be shown to fail."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.architecture.sources import Violation

MODULE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60

BANNED_CALLS: Final = {
    "time.time": "time is an input: use the event's ts_ns (a shell reads time.time_ns once per batch)",
    "datetime.now": "time is an input: use the event's ts_ns",
    "datetime.utcnow": "time is an input: use the event's ts_ns",
    "datetime.today": "time is an input: use the event's ts_ns",
    "datetime.datetime.now": "time is an input: use the event's ts_ns",
    "datetime.datetime.utcnow": "time is an input: use the event's ts_ns",
    "datetime.datetime.today": "time is an input: use the event's ts_ns",
    "date.today": "time is an input: use the event's ts_ns",
    "datetime.date.today": "time is an input: use the event's ts_ns",
    "print": "log with structlog, or write the command's result with typer.echo in cli.py",
}
# Law 2: what decides must not depend on the process it runs in, nor on the platform's libm.
BANNED_WHERE_DECIDED: Final = {
    "id": "addresses differ between runs: compare values",
    "hash": "str hashes differ between runs: compare values, or hashlib where a digest is meant",
    "math.exp": "libm differs between platforms: half-lives are piecewise linear (law 2)",
    "math.log": "libm differs between platforms: thresholds become z-values when the configuration is read (law 2)",
    "math.pow": "libm differs between platforms (law 2)",
    "math.erf": "libm differs between platforms: thresholds become z-values when the configuration is read (law 2)",
}
DECIDING_PACKAGES: Final = ("core/", "engines/")
SET_RULE: Final = "the order of a set differs between runs: iterate sorted(...), a tuple or a dict"
# Results that do not depend on the order the members come in.
ORDER_FREE: Final = frozenset({"sorted", "len", "any", "all", "min", "max", "set", "frozenset"})
PYX_BANNED: Final = {
    r"\btime\.time\(": BANNED_CALLS["time.time"],
    r"\b(?:datetime|date)\.(?:now|utcnow|today)\(": BANNED_CALLS["datetime.now"],
    r"(?<![\w.])print\(": "a kernel returns codes; whoever reads them prints",
    r"(?<![\w.])printf\(": "a kernel returns codes; whoever reads them prints",
    r"\bexcept\s*:": "name the exception: a bare except also catches KeyboardInterrupt",
}


def dotted_name(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute chain; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted_name(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def long_module(path: str, text: str) -> Iterator[Violation]:
    lines = text.count("\n")
    if lines > MODULE_LINES_MAX:
        yield Violation(path, 1, f"{lines} lines, at most {MODULE_LINES_MAX}: split it by subject")


def long_functions(path: str, text: str) -> Iterator[Violation]:
    """The docstring does not count: documentation must not cost code its room."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = node.end_lineno - node.lineno + 1
        if ast.get_docstring(node, clean=False) is not None:
            lines -= node.body[0].end_lineno - node.body[0].lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield Violation(path, node.lineno, f"{node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}")


def long_pyx_functions(path: str, text: str) -> Iterator[Violation]:
    """As `long_functions`, by indentation: a body ends before the next line not indented deeper than its def."""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        match = re.match(r"^(\s*)(?:cdef|cpdef|def)\b(?!\s+(?:class|struct|enum|extern|union)\b)[^=#]*\(", line)
        if not match:
            continue
        body = start
        while body < len(lines) and not re.search(r":\s*(?:#.*)?$", lines[body]):
            if not re.search(r"[,(\\]\s*(?:#.*)?$", lines[body]):
                break  # a declaration or a call, not a definition
            body += 1
        else:
            end = last = body
            while (end := end + 1) < len(lines):
                stripped = lines[end].strip()
                if stripped and len(lines[end]) - len(lines[end].lstrip()) <= len(match.group(1)):
                    break
                last = end if stripped else last
            count = last - start + 1 - docstring_lines(lines[body + 1 : last + 1])
            if count > FUNCTION_LINES_MAX:
                yield Violation(path, start + 1, f"function of {count} lines, at most {FUNCTION_LINES_MAX}")


def docstring_lines(body: list[str]) -> int:
    """Lines of the docstring a body begins with."""
    first = body[0].strip() if body else ""
    if not first.startswith('"""'):
        return 0
    if first.count('"""') > 1:
        return 1
    return next(index for index, line in enumerate(body[1:], start=2) if '"""' in line)


def banned_calls(path: str, text: str) -> Iterator[Violation]:
    banned = BANNED_CALLS | (BANNED_WHERE_DECIDED if is_deciding(path) else {})
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and (name := dotted_name(node.func)) in banned:
            yield Violation(path, node.lineno, f"{name}(): {banned[name]}")


def swallowed_exceptions(path: str, text: str) -> Iterator[Violation]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            yield Violation(path, node.lineno, "bare except: name the exception")
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        names = {dotted_name(kind) for kind in caught if kind is not None}
        # A body of pass, ... or continue forgets the error; so does a docstring standing in for a reason.
        silent = all(
            isinstance(statement, ast.Pass | ast.Continue)
            or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            for statement in node.body
        )
        if silent and names & {"Exception", "BaseException"}:
            yield Violation(path, node.lineno, "swallowed: outside trouble becomes an event, ours a halt (law 9)")


def is_deciding(path: str) -> bool:
    return any(f"trading_bot/{package}" in path for package in DECIDING_PACKAGES)


def set_iterations(path: str, text: str) -> Iterator[Violation]:
    """Iterating a set literal, a set() call or a name bound or annotated as a set in the same module."""
    tree = ast.parse(text)
    known = set_names(tree)
    order_free = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and dotted_name(node.func) in ORDER_FREE
        for argument in node.args
    }
    for node in ast.walk(tree):
        iterated: list[ast.expr] = []
        if isinstance(node, ast.For | ast.AsyncFor):
            iterated = [node.iter]
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp) and id(node) not in order_free:
            iterated = [generator.iter for generator in node.generators]
        elif isinstance(node, ast.Call) and dotted_name(node.func) in {"list", "tuple", "iter", "enumerate", "zip"}:
            iterated = node.args
        elif isinstance(node, ast.Starred):
            iterated = [node.value]
        for expression in iterated:
            if is_set(expression, known):
                yield Violation(path, expression.lineno, SET_RULE)


def set_names(tree: ast.AST) -> frozenset[str]:
    """Names (`x`, `self.x`) that the module binds to a set or annotates as one."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and is_set(node.value, frozenset()):
            names += [dotted_name(target) for target in node.targets]
        elif isinstance(node, ast.AnnAssign) and is_set_annotation(node.annotation):
            names += [dotted_name(node.target), f"self.{dotted_name(node.target)}"]
        elif isinstance(node, ast.AnnAssign) and node.value is not None and is_set(node.value, frozenset()):
            names.append(dotted_name(node.target))
        elif isinstance(node, ast.arg) and node.annotation is not None and is_set_annotation(node.annotation):
            names.append(node.arg)
    return frozenset(names) - {""}


def is_set_annotation(annotation: ast.expr) -> bool:
    head = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    name = dotted_name(head).rpartition(".")[2]
    if name in {"Final", "ClassVar"} and isinstance(annotation, ast.Subscript):
        return is_set_annotation(annotation.slice)
    return name in {"set", "frozenset", "Set", "AbstractSet", "MutableSet"}


def is_set(expression: ast.expr, known: frozenset[str]) -> bool:
    if isinstance(expression, ast.Set | ast.SetComp):
        return True
    if isinstance(expression, ast.Call):
        name = dotted_name(expression.func)
        return name in {"set", "frozenset"} or name.rpartition(".")[2] in {
            "union",
            "intersection",
            "difference",
            "symmetric_difference",
        }
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return is_set(expression.left, known) or is_set(expression.right, known)
    return dotted_name(expression) in known


def unfinished(path: str, text: str) -> Iterator[Violation]:
    for number, line in enumerate(text.splitlines(), start=1):
        if found := re.search(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError)\b", line):
            yield Violation(path, number, f"{found.group()}: finish it or delete it")


def pyx_banned(path: str, text: str) -> Iterator[Violation]:
    for number, line in enumerate(text.splitlines(), start=1):
        code = line.split("#")[0]
        for pattern, rule in PYX_BANNED.items():
            if re.search(pattern, code):
                yield Violation(path, number, rule)
