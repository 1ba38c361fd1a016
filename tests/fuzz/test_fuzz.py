"""Hostile input, a bounded run of `make fuzz` (docs/security.md): each door takes it or refuses it, and nothing else.

The seed is fixed, so that a commit has one verdict; `make fuzz SECONDS=600` draws new ones. What was found once stays
in `regressions/`, a compressed input each.
"""

import json
import subprocess
import sys
import zlib

import pytest

from tests.conftest import ROOT
from tests.fuzz.kit import Finding, Target, case, examine
from tests.fuzz.targets import TARGETS
from trading_bot.domain.errors import BotError, ConfigError

SEED = 20_261_121
CASES = 12  # of each target
KEPT = sorted((ROOT / "tests" / "fuzz" / "regressions").glob("*.z"))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """One run of every target in a process of its own: a door that kills its process must not take the tests along."""
    out = tmp_path_factory.mktemp("fuzz") / "report.json"
    command = [sys.executable, "tools/fuzz.py", "--cases", CASES, "--seed", SEED, "--json", out, "--keep", out.parent]
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert out.exists(), done.stderr[-4_000:]
    return json.loads(out.read_text())


@pytest.mark.parametrize("name", TARGETS)
def test_a_door_takes_or_refuses_whatever_comes(report, name):
    found = [
        f"{one['kind']}\n{one['text']}\nagain: {one['again']}" for one in report["findings"] if one["target"] == name
    ]
    assert not found, found[0]
    assert report["targets"][name]["cases"] == CASES


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_was_found_once_is_refused_now(path, tmp_path):
    name = path.stem.partition("-")[0]
    assert examine(TARGETS[name], zlib.decompress(path.read_bytes()), tmp_path) is None


def test_a_case_is_named_by_its_target_seed_and_number():
    target = TARGETS["events"]
    samples = target.samples(None)
    assert case(target, samples, 1, 2) == case(target, samples, 1, 2) != case(target, samples, 1, 3)


class Wrong(BotError):
    """An error of ours that is not the operator's."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConfigError("found this, expected that"), None),
        (ConfigError(""), "no message"),
        (Wrong("ours"), "exit code 1"),
        (KeyError("traceback"), "KeyError"),
        (RecursionError(), "RecursionError"),
        (MemoryError(), "MemoryError"),
        (SystemExit(2), "SystemExit"),
    ],
)
def test_only_refusals_of_the_operators_world_are_no_finding(error, kind, tmp_path):
    def feed(_data, _folder):
        raise error

    found = examine(Target("seeded", lambda _: [b""], feed), b"", tmp_path)
    assert (found.kind if isinstance(found, Finding) else None) == kind


def test_a_hang_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.fuzz.kit.CASE_S", 0.05)

    def feed(_data, _folder):
        while True:
            pass

    assert examine(Target("seeded", lambda _: [b""], feed), b"", tmp_path).kind == "too slow"
