"""`make audit`: the ranges of pyproject.toml against what is installed; the advisories need a network."""

import tomllib

import pytest
from tools import audit

from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("requirement", "version", "said"),
    [
        ("msgspec>=0.20,<0.23", "0.20.0", ""),
        ("msgspec>=0.20,<0.23", "0.22.9", ""),
        ("msgspec>=0.20,<0.23", "0.23", "0.23 is installed"),
        ("msgspec>=0.20,<0.23", "0.23.0rc1", "is installed"),
        ("msgspec>=0.20,<0.23", "0.19.9", "is installed"),
        ("numpy>=1.26,<3", "2.4.1", ""),
        ("numpy>=1.26,<3", None, ""),
        ("numpy>=1.26", "2.0", "an upper bound"),
        ("numpy", "2.0", "a lower and"),
        ("numpy<3", "2.0", "a lower and"),
    ],
)
def test_a_package_outside_its_range_is_told(requirement, version, said):
    found = audit.outside(requirement, version)
    assert (said in found) if said else not found


def test_every_requirement_of_the_project_is_bounded_and_met():
    wanted = audit.wanted(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    assert len(wanted) > 20
    assert [one for one in wanted if audit.outside(one, audit.installed(one))] == []


def test_without_a_network_it_says_that_nothing_is_known(monkeypatch, capsys, tmp_path):
    def unreachable(command):
        raise audit.subprocess.CalledProcessError(1, command, "", "no route to host\n")

    monkeypatch.setattr(audit, "PLACE", tmp_path)
    monkeypatch.setattr(audit, "run", unreachable)
    monkeypatch.setattr(audit.venv, "create", lambda *_, **__: None)
    monkeypatch.setattr("sys.argv", ["audit.py"])
    assert audit.main() == audit.UNREACHABLE
    assert "NOT asked, no route to host" in capsys.readouterr().out
