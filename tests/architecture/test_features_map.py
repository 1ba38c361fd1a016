"""The map from feature ids to tests, and the program that judges it."""

import pytest
from tools.features import (
    FEATURE_MAP,
    Issue,
    evaluate,
    is_due,
    judge,
    load_feature_texts,
    load_map,
    map_problems,
    matches,
)

from tests.architecture.sources import ROOT

ISSUES, TESTS = load_map(FEATURE_MAP)


def test_the_map_names_only_features_of_the_list(shared_design):
    texts = load_feature_texts(shared_design / "features.md")
    assert len(texts) > 150
    assert not map_problems(ISSUES, TESTS, texts)


def test_every_pattern_names_a_file_that_exists():
    files = {pattern.split("::")[0] for patterns in TESTS.values() for pattern in patterns}
    assert sorted(name for name in files if not (ROOT / name).exists()) == []


def test_only_what_no_later_issue_names_is_due_with_the_first():
    """Issue 3 names all of DG and issue 6 all of PR, so these are due only with them."""
    first_only = [Issue(issue.number, issue.number == 1, issue.ids) for issue in ISSUES]
    assert {feature_id for feature_id in ISSUES[0].ids if is_due(feature_id, first_only)} == {"MO01", "OP03"}


def test_an_id_of_no_issue_is_never_due():
    assert not is_due("ZZ99", [Issue(1, True, frozenset({"AA01"}))])


@pytest.mark.parametrize(
    ("pattern", "node_id", "expected"),
    [
        ("tests/a.py", "tests/a.py::test_x", True),
        ("tests/a.py::test_x", "tests/a.py::test_x[1-2]", True),
        ("tests/a.py::TestA", "tests/a.py::TestA::test_x", True),
        ("tests/a.py::test_x", "tests/a.py::test_xy", False),
        ("tests/a.py::test_*_exact", "tests/a.py::test_price_exact", True),
        ("tests/unit", "tests/unit/test_a.py::test_x", True),
        ("tests/a.py::test_x[1]", "tests/a.py::test_x[11]", False),
    ],
)
def test_a_pattern_covers_what_lies_below_it(pattern, node_id, expected):
    assert matches(pattern, node_id) is expected


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        pytest.param({"t.py::a": "passed"}, "proven", id="one passing test proves"),
        pytest.param({"t.py::a": "passed", "t.py::b": "failed"}, "failing", id="a failing one disproves"),
        pytest.param({"t.py::a": "skipped"}, "skipped", id="a skipped one proves nothing"),
        pytest.param({"t.py::a": "xfailed"}, "skipped", id="an expected failure proves nothing"),
        pytest.param({"u.py::a": "passed"}, "no test", id="another file's test does not count"),
    ],
)
def test_the_verdict_follows_the_outcomes(outcomes, status):
    assert judge(["t.py"], outcomes)[2] == status


def test_every_pattern_must_be_proven():
    outcomes = {"t.py::a": "passed", "u.py::a": "skipped"}
    assert judge(["t.py", "u.py"], outcomes)[2:] == ("skipped", "u.py was skipped")


def test_a_finished_issue_without_a_test_is_reported_and_an_open_one_is_not():
    issues = [Issue(1, True, frozenset({"AA01", "AA02"})), Issue(2, False, frozenset({"AA02", "AA03"}))]
    verdicts = {verdict.feature_id: verdict for verdict in evaluate(issues, {}, {}, {})}
    assert (verdicts["AA01"].due, verdicts["AA01"].status) == (True, "no test")
    assert (verdicts["AA02"].due, verdicts["AA02"].status) == (False, "open")
    assert (verdicts["AA03"].due, verdicts["AA03"].status) == (False, "open")
