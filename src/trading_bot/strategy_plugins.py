"""Strategies that installed packages offer, by the entry points of group `trading_bot.strategies`."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trading_bot.config_keys import did_you_mean
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.strategy import ENTRY_POINTS, InstalledStrategy, Param, Strategy, set_finder
from trading_bot.domain.templates import TemplateConfig

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def offer_installed() -> None:
    """Let the core find installed strategies in this process."""
    set_finder(installed)


def plugins_of(templates: Mapping[str, TemplateConfig]) -> dict[str, str]:
    """The installed strategies that templates name, with the digest of their code."""
    names = {template.plugin for template in templates.values() if template.plugin}
    return {name: installed(name).digest for name in sorted(names)}


@cache
def installed(name: str) -> InstalledStrategy:
    """The strategy of an installed package; its module is imported.

    Raises:
        ConfigError: no package or several offer the name, its module does not import, or what it names is not callable.
    """
    from importlib.metadata import entry_points  # not needed by a run without such strategies, and slow to import

    offered = entry_points(group=ENTRY_POINTS)
    found = [entry for entry in offered if entry.name == name]
    if not found:
        names = sorted({entry.name for entry in offered})
        known = f"installed are {', '.join(names)}" if names else "no installed package offers one"
        raise ConfigError(
            f"strategy {name} is not installed{did_you_mean(name, names)}: {known}; "
            f'a package offers one by an entry point of group "{ENTRY_POINTS}" (docs/strategies.md)'
        )
    if len({entry.value for entry in found}) > 1:
        offers = ", ".join(f"{_distribution(entry)}: {entry.value}" for entry in found)
        raise ConfigError(f"strategy {name} is offered more than once ({offers}): uninstall all but one")
    entry = found[0]
    where = f"strategy {name} ({_distribution(entry)}: {entry.value})"
    try:
        make = entry.load()
    except Exception as error:
        raise ConfigError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(make):
        raise ConfigError(f"{where} is {type(make).__name__}: expected a class or function that takes the params")
    return InstalledStrategy(
        name=name, distribution=_distribution(entry), digest=_digest(entry), make=_checked(where, make)
    )


def _checked(where: str, make: Any) -> Any:
    def made(params: Mapping[str, Param]) -> Strategy:
        try:
            strategy = make(dict(params))
        except Exception as error:
            raise ConfigError(f"{where} refuses its params {dict(params)}: {type(error).__name__}: {error}") from error
        if not isinstance(strategy, Strategy):
            raise ConfigError(f"{where} made a {type(strategy).__name__} without on_bar(view)")
        return strategy

    return made


def _distribution(entry: "EntryPoint") -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "unknown package"


def _digest(entry: "EntryPoint") -> str:
    """SHA-256 over the Python files of the package the strategy stands in: names and contents, in order."""
    spec = find_spec(entry.module.partition(".")[0])
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"strategy {entry.name}: no source file for {entry.module}; expected a package of Python files"
        )
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.relative_to(origin.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()
