"""The extensions and their flags; everything else stands in pyproject.toml (docs/adr/0004)."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

FAST = Path("src/trading_bot/_fast")
DEBUG = os.environ.get("TRADING_BOT_DEBUG") == "1"
# -O2 or -O3 must give the same bits (a test holds this); -ffp-contract=off forbids fused multiply-add, which would not.
OPTIMISE = os.environ.get("TRADING_BOT_OPT", "-O2")
FLAGS = [
    "-O0" if DEBUG else OPTIMISE,
    "-g" if DEBUG else "-g0",
    "-std=c11",
    "-ffp-contract=off",
    "-fwrapv",
    "-fno-fast-math",
    "-frecord-gcc-switches",  # in a section of each extension, for `trading-bot doctor`
    "-Wall",
    "-Wno-unused-function",
]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": False,
    "initializedcheck": DEBUG,
    "overflowcheck": DEBUG,
    "linetrace": DEBUG,
    "embedsignature": True,
}
MACROS = [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_TRACE", "1")] if DEBUG else []
ONLY = {name for name in os.environ.get("TRADING_BOT_EXT", "").split(",") if name}

extensions = [
    Extension(
        f"trading_bot._fast.{source.stem}",
        [str(source)],
        include_dirs=[str(FAST)],
        extra_compile_args=FLAGS,
        define_macros=MACROS,
        depends=[str(path) for path in sorted([*FAST.glob("*.pxd"), *FAST.glob("*.h")])],
    )
    for source in sorted(FAST.glob("*.pyx"))
    if not ONLY or source.stem in ONLY
]

setup(
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython-debug" if DEBUG else "build/cython",
        compiler_directives=DIRECTIVES,
        include_path=["src"],
    )
)
