"""The gate of the benchmarks: what it lets pass, and that its baseline is one of the cases it measures."""

import msgspec
import pytest
from tools import bench_instructions
from tools.bench_gate_cases import cases
from tools.bench_instructions import BASELINE, TOLERANCE, Baseline, NotCounted, judge


def test_the_baseline_names_exactly_the_cases_that_are_measured():
    baseline = msgspec.json.decode(BASELINE.read_bytes(), type=Baseline)
    with cases() as found:
        names = {case.name for case in found}
    assert set(baseline.instructions) == names
    assert set(baseline.ratios) == names
    assert all(value > 0 for value in (*baseline.instructions.values(), *baseline.ratios.values()))


@pytest.mark.parametrize(
    ("found", "failed"),
    [(100.0, []), (105.0, []), (105.1, ["kernel batch"]), (40.0, [])],
    ids=["equal", "within 5 %", "above 5 %", "much better"],
)
def test_only_what_is_above_the_baseline_by_more_than_the_tolerance_fails(capsys, found, failed):
    assert judge({"kernel batch": found}, {"kernel batch": 100.0}, TOLERANCE, "instructions") == failed
    assert ("WORSE" in capsys.readouterr().out) is bool(failed)


def test_a_case_without_a_baseline_fails_rather_than_passes_unseen():
    assert judge({"new": 1.0}, {}, TOLERANCE, "instructions") == ["new"]


def test_without_valgrind_it_says_so_and_times_instead(monkeypatch, capsys):
    monkeypatch.setattr(bench_instructions.shutil, "which", lambda name: None if name == "valgrind" else "/bin/true")
    with pytest.raises(NotCounted, match="valgrind not installed"):
        bench_instructions.counted()
    baseline = msgspec.json.decode(BASELINE.read_bytes(), type=Baseline)
    monkeypatch.setattr(bench_instructions, "toolchain", lambda: baseline.toolchain)
    monkeypatch.setattr(bench_instructions, "timed", lambda: dict.fromkeys(baseline.ratios, 1e9))
    monkeypatch.setattr("sys.argv", ["bench_instructions.py"])
    assert bench_instructions.main() == 1
    told = capsys.readouterr().out
    assert "not counted (valgrind not installed); times beside a floor instead" in told
    assert "make bench-gate RENEW=1" in told


def test_another_compiler_is_not_held_to_counts_of_this_one(monkeypatch, capsys):
    baseline = msgspec.json.decode(BASELINE.read_bytes(), type=Baseline)
    monkeypatch.setattr(bench_instructions, "toolchain", lambda: "CPython 3.13.0, cc 99, x86_64")
    monkeypatch.setattr(bench_instructions, "timed", lambda: dict(baseline.ratios))
    monkeypatch.setattr("sys.argv", ["bench_instructions.py"])
    assert bench_instructions.main() == 0
    assert "the baseline is of CPython" in capsys.readouterr().out
