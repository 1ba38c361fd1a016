"""-O0, -O2 and -O3 give the same bits (architecture 4)."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.kit import busy_config, market
from trading_bot._fast import HotPath

ROOT = Path(__file__).resolve().parent.parent.parent


def digest() -> str:
    """Every outcome of a long tape, its candidates and the last state."""
    kernel = HotPath(busy_config())
    kernel.set_entry_mask(15)
    tape, found, at = b"".join(market(7, 20_000)), hashlib.sha256(), 0
    while at < len(tape) // 64:
        at, code = kernel.run(tape, at)
        found.update(repr((at, code, kernel.candidates())).encode())
    found.update(kernel.snapshot())
    return found.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_another_optimisation_level_gives_the_same_bits(tmp_path, level):
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "README.md").touch()
    kernel = "hotpath,views,step,bars,barsignals,barsession,barvolume,barquality,usualgap,quality,signals,templates"
    modules = f"{kernel},candidates,plan,logsegment,logwriter,exchange,exchange_match,exchange_orders,exchange_shadow"
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--parallel", "2"],
        cwd=tmp_path,
        env={**os.environ, "TRADING_BOT_OPT": level, "TRADING_BOT_EXT": modules},
        check=True,
        capture_output=True,
    )
    script = (
        f"import trading_bot._fast.hotpath as built; assert built.__file__.startswith({str(source)!r}), built.__file__;"
        "from tests.kernel.test_builds import digest; print(digest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == digest()
