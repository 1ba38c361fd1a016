"""The one place that imports a client library of Interactive Brokers: ib_async where it is installed, else ib_insync.

The two must not share an environment: their event packages install the same module (docs/adr/0016).
"""

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Final

from trading_bot.domain.errors import UsageError

NAMES: Final = ("ib_async", "ib_insync")  # in the order of preference
CHOICE: Final = "TRADING_BOT_IB_LIBRARY"


@cache
def library() -> ModuleType:
    """The client library.

    Raises:
        UsageError: none is installed, or the one that the environment names is not.
    """
    asked = os.environ.get(CHOICE)
    if asked is not None and asked not in NAMES:
        raise UsageError(f"{CHOICE} is {asked!r}; expected {' or '.join(NAMES)}")
    names = NAMES if asked is None else (asked,)
    found = next((name for name in names if find_spec(name) is not None), None)
    if found is None:
        raise UsageError(f"no client library for IB is installed: pip install {' or '.join(names)} in this environment")
    return import_module(found)


def library_name() -> str:
    """`ib_async` or `ib_insync`."""
    return library().__name__


def part(name: str) -> ModuleType:
    """A module of the library, such as `decoder`."""
    return import_module(f"{library_name()}.{name}")
