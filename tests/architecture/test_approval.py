"""Law 7: approval is a type, and only the safety gate builds it."""

import ast
from collections.abc import Iterator
from typing import get_args, get_type_hints

import pytest

from tests.architecture.sources import PACKAGE, Violation, relative, report, source_files
from trading_bot.domain.effects import BrokerEffect, PlaceOrder
from trading_bot.domain.orders import ApprovedOrder

GATE = PACKAGE / "engines" / "safety_gate.py"
TOKEN = "ApprovedOrder"
# Decoders that would make one out of bytes; effects read back from a log are compared, never dispatched.
MAKERS = frozenset({"convert", "decode", "replace", "Decoder", "object.__new__", "type"})


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def constructions(path: str, text: str) -> Iterator[Violation]:
    """Calls of the type, and calls that hand the type to something that instantiates it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            makes = last_name(node.func) in MAKERS and any(last_name(argument) == TOKEN for argument in arguments)
            new = last_name(node.func) == "__new__" and any(last_name(argument) == TOKEN for argument in arguments)
            if last_name(node.func) == TOKEN or makes or new:
                yield Violation(path, node.lineno, f"builds {TOKEN}: only {relative(GATE)} may")
        elif isinstance(node, ast.ClassDef) and any(last_name(base) == TOKEN for base in node.bases):
            yield Violation(path, node.lineno, f"subclasses {TOKEN}: a second kind of approval")
        elif isinstance(node, ast.ImportFrom) and any(alias.name == TOKEN and alias.asname for alias in node.names):
            yield Violation(path, node.lineno, f"renames {TOKEN}, which hides constructions from this test")


def test_only_the_safety_gate_builds_an_approved_order():
    found = [
        violation
        for path in source_files(".py")
        if path != GATE
        for violation in constructions(relative(path), path.read_text())
    ]
    assert not found, report(found)


def test_no_extension_builds_one():
    found = [relative(path) for path in source_files(".pyx", ".pxd") if TOKEN in path.read_text()]
    assert not found, "only the gate builds an approval, and it is no extension"


def calls_of(name: str) -> list[str]:
    """Modules that build something by this name, with the argument it gets as `order`."""
    return [
        f"{relative(path)} {ast.unparse(keyword.value)}"
        for path in source_files(".py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and last_name(node.func) == name
        for keyword in node.keywords
        if keyword.arg == "order"
    ]


def test_an_entry_leaves_in_one_place_with_what_the_gate_approved():
    """`PlaceOrder` is built once, from the approval that `_enter` got of the gate; brokers take no other entry."""
    assert [call.partition("trading_bot/")[2] for call in calls_of("PlaceOrder")] == ["core/on_outcome.py order"]
    tree = ast.parse((PACKAGE / "core" / "on_outcome.py").read_text())
    functions = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert "order: ApprovedOrder" in functions["_place"]
    callers = [name for name, text in functions.items() if "_place(" in text and name != "_place"]
    assert callers == ["_enter"]
    assert functions["_enter"].index("state.gate.approve(") < functions["_enter"].index("_place(")
    assert get_type_hints(PlaceOrder)["order"] is ApprovedOrder


def test_what_a_broker_may_be_asked_for_holds_one_kind_of_entry():
    """Of the effects a broker takes, `PlaceOrder` alone can open a position, and `PlaceShadow` is never sent."""
    assert {kind.__name__ for kind in get_args(BrokerEffect)} == {
        *("PlaceOrder", "PlaceExit", "CancelOrder", "ModifyStop", "PlaceShadow", "AskBroker"),
    }


def test_the_safety_gate_builds_approved_orders():
    """Otherwise the test above would be about nothing."""
    assert GATE.is_file(), f"{relative(GATE)} is not there"
    assert list(constructions(relative(GATE), GATE.read_text()))


@pytest.mark.parametrize(
    "text",
    [
        "order = ApprovedOrder(seq=1)\n",
        "order = effects.ApprovedOrder(seq=1)\n",
        "order = msgspec.convert(data, ApprovedOrder)\n",
        "order = msgspec.json.decode(data, type=effects.ApprovedOrder)\n",
        "class Mine(ApprovedOrder): ...\n",
        "from trading_bot.domain.effects import ApprovedOrder as Order\n",
        "order = ApprovedOrder.__new__(ApprovedOrder)\n",
    ],
)
def test_another_way_to_build_one_is_found(text):
    assert list(constructions("x.py", text))


def test_using_one_is_allowed():
    text = "def place(order: ApprovedOrder) -> None:\n    assert isinstance(order, ApprovedOrder)\n"
    assert not list(constructions("x.py", text))
