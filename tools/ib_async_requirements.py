"""What the environment with ib_async needs: our dependencies without ib_insync, ib_async, and the tests' tools.

The two libraries cannot share an environment: their event packages install the same module (docs/adr/0016). Prints one
requirement per line; `make ib-async` installs them.
"""

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
LEFT_OUT = {"ib-insync"}
TOOLS = {"pytest", "pytest-xdist", "hypothesis"}  # of the dev extra


def name(requirement: str) -> str:
    """The normalised name of a requirement: `ib_insync>=0.9.86` is `ib-insync`."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def requirements(project: dict[str, object]) -> list[str]:
    """The lines, from the `project` table of pyproject.toml."""
    base, extras = project["dependencies"], project["optional-dependencies"]
    assert isinstance(base, list)
    assert isinstance(extras, dict)
    tools = [row for row in extras["dev"] if name(row) in TOOLS]
    return [*(row for row in base if name(row) not in LEFT_OUT), *extras["ib-async"], *extras["research"], *tools]


if __name__ == "__main__":
    print("\n".join(requirements(tomllib.loads(PYPROJECT.read_text())["project"])))
