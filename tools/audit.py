"""Known weaknesses of the packages, and whether the installed ones are those that were asked for: `make audit`.

pip-audit, in an environment of its own under build/, compares what is installed with the advisories of the Python
Package Index. That needs the network; without it the check of the ranges still runs, and the exit code is 3.

Exit code 0: nothing found; 1: a weakness, or a package outside its range; 3: the advisories could not be asked.
"""

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "venv-audit"
AUDITOR = "pip-audit>=2.9,<3"
ASK_S = 300
_NAME = re.compile(r"[A-Za-z0-9._-]+")
UNREACHABLE = 3


def main() -> int:
    """Check the ranges, then ask for advisories."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offline", action="store_true", help="the ranges only; nothing is asked of anybody")
    parser.add_argument("--json", type=Path, help="write what was found there")
    asked = parser.parse_args()
    requirements = wanted(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    wrong = [text for one in requirements if (text := outside(one, installed(one)))]
    for text in wrong:
        print(f"range: {text}")
    print(f"ranges: {len(requirements)} requirements of pyproject.toml, {len(wrong)} not met by what is installed")
    found, why = ([], "--offline") if asked.offline else advisories()
    for one in found or []:
        print(f"{one['name']} {one['version']}: {one['id']}, fixed in {', '.join(one['fixed']) or 'no version yet'}")
    if found is None:
        print(f"advisories: NOT asked, {why}. Nothing is known about weaknesses; run it again with a network")
    elif not asked.offline:
        print(f"advisories: {len(found)} known weaknesses in what is installed")
    if asked.json is not None:
        asked.json.write_text(json.dumps({"ranges": wrong, "advisories": found, "not_asked": why}, indent=1) + "\n")
    if wrong or found:
        return 1
    return UNREACHABLE if found is None else 0


def wanted(document: dict) -> list[str]:
    """Every requirement of the project and its extras, without those on the project itself."""
    project = document["project"]
    rows = [*project["dependencies"], *(row for extra in project["optional-dependencies"].values() for row in extra)]
    return sorted({row for row in rows if not row.startswith("trading-bot")})


def installed(requirement: str) -> str | None:
    """The version of a requirement's package here; None when it is not installed (an extra that is not wanted)."""
    try:
        return importlib.metadata.version(_NAME.match(requirement)[0])
    except importlib.metadata.PackageNotFoundError:
        return None


def outside(requirement: str, version: str | None) -> str:
    """Why a version is not what was asked for, or why the requirement bounds nothing; empty when all is well."""
    name = _NAME.match(requirement)[0]
    bounds = re.findall(r"(>=|<)\s*([0-9][0-9.]*)", requirement)
    if {sign for sign, _ in bounds} != {">=", "<"}:
        return f"{requirement}: expected a lower and an upper bound, >= and <"
    if version is None:
        return ""
    here = numbers(version)
    for sign, bound in bounds:
        size = max(len(here), len(numbers(bound)))
        one, other = (row + [0] * (size - len(row)) for row in (here, numbers(bound)))
        if (sign == ">=" and one < other) or (sign == "<" and one >= other):
            return f"{name} {version} is installed, {requirement} was asked for"
    return ""


def numbers(version: str) -> list[int]:
    """The release of a version: 1.2.3 of 1.2.3rc1+local."""
    return [int(part) for part in re.match(r"\d+(?:\.\d+)*", version)[0].split(".")]


def advisories() -> tuple[list[dict] | None, str]:
    """What is known about the installed packages; None, and why, when nobody could be asked."""
    tool = PLACE / "bin" / "pip-audit"
    try:
        if not tool.exists():
            venv.create(PLACE, with_pip=True, clear=True)
            run([PLACE / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", AUDITOR])
        folder = next(path for path in sys.path if path.endswith("site-packages"))
        done = run([tool, "--path", folder, "--format", "json", "--progress-spinner", "off", "--skip-editable"])
        rows = json.loads(done.stdout)["dependencies"]
    except (subprocess.SubprocessError, OSError, ValueError, StopIteration) as error:
        said = getattr(error, "stderr", "") or str(error)
        return None, said.strip().splitlines()[-1] if said.strip() else type(error).__name__
    found = [
        {"name": row["name"], "version": row["version"], "id": one["id"], "fixed": one["fix_versions"]}
        for row in rows
        for one in row.get("vulns", [])
    ]
    return found, ""


def run(command: list) -> subprocess.CompletedProcess:
    """A command whose answer is wanted. pip-audit says with exit code 1 that it found something."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=ASK_S, check=False)
    if done.returncode and not done.stdout.lstrip().startswith("{"):
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done


if __name__ == "__main__":
    sys.exit(main())
