"""-O0, -O2 (the usual one), -O3, the checked build of `make debug` and the reference decide the same, bit for bit."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.decision_tape import config, digest
from tests.reference.ref_kernel import RefHotPath
from trading_bot._fast import HotPath
from trading_bot.domain.kernel import Outcome

ROOT = Path(__file__).resolve().parent.parent.parent
FAST = ROOT / "src" / "trading_bot" / "_fast"
# What every build and the reference must give; `make debug` runs this file too. Who changes a definition changes it
# with the commit that says so.
GOLDEN = "ac330f85b9d81be85f023bc84f388594f84514e416229ef2417ec0e1f70d6bf6"


def digest_of_build() -> str:
    """Every stop with its candidates, scores and beliefs, and the last state."""
    kernel = HotPath(config())
    return digest(kernel)[0] + hashlib.sha256(kernel.snapshot()).hexdigest()


def test_the_kernel_decides_what_it_decided() -> None:
    found, candidates, codes, dvs_min_c = digest(HotPath(config()))
    assert {candidate.template for candidate in candidates} == set(range(6))
    assert (
        {candidate.fitted for candidate in candidates}
        == {candidate.missing for candidate in candidates}
        == {False, True}
    )
    assert {bit for c in candidates for bit in (1, 2, 4, 8) if c.verdict & bit} == {1, 2, 4, 8}
    assert 0 in {candidate.verdict for candidate in candidates}
    assert {candidate.volatility for candidate in candidates if not candidate.missing} >= {1, 2}
    assert any(500_000 < c.scale_e6 < 2_000_000 and c.scale_e6 != 1_000_000 for c in candidates)
    assert codes & ~Outcome.CANDIDATE == Outcome.BAR | Outcome.QUALITY
    assert dvs_min_c == 0
    assert found == GOLDEN


def test_the_reference_decides_the_same() -> None:
    assert digest(RefHotPath(config()))[0] == GOLDEN


def kernel_modules() -> str:
    """HotPath and every extension it cimports, as TRADING_BOT_EXT wants them."""
    found, todo = set(), ["hotpath"]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        for path in (FAST / f"{name}.pyx", FAST / f"{name}.pxd"):
            if path.is_file():
                todo += re.findall(r"^from trading_bot\._fast\.(\w+) cimport", path.read_text(), flags=re.MULTILINE)
    found |= {"logsegment", "logwriter"}
    return ",".join(sorted(name for name in found if (FAST / f"{name}.pyx").is_file()))


@pytest.mark.slow
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_another_optimisation_level_gives_the_same_bits(tmp_path, level):
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "README.md").touch()
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--parallel", "2"],
        cwd=tmp_path,
        env={**os.environ, "TRADING_BOT_OPT": level, "TRADING_BOT_EXT": kernel_modules()},
        check=True,
        capture_output=True,
    )
    script = (
        f"import trading_bot._fast.hotpath as built; assert built.__file__.startswith({str(source)!r}), built.__file__;"
        "from tests.kernel.test_builds import digest_of_build; print(digest_of_build())"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == digest_of_build()
