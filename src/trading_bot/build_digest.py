"""Names the code that decides: logs of the same build can be compared effect by effect."""

import hashlib
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("_fast", "core", "domain", "engines")
_SUFFIXES: Final = frozenset({".py", ".pyx", ".pxd", ".h"})


def build_digest() -> str:
    """SHA-256 (hex) over the sources of domain, kernel, engines and core, in the order of their paths.

    Compiler flags do not enter: every build of the same sources gives the same bits, which a test holds.
    """
    root = Path(__file__).resolve().parent
    whole = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in _SUFFIXES:
                whole.update(path.relative_to(root).as_posix().encode())
                whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
