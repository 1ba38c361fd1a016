"""Documents that name files are held to the files: ARCHITECTURE.md, the decision records, the dependency record."""

import re
import tomllib

import pytest

from tests.architecture.sources import PACKAGE, ROOT

ARCHITECTURE = ROOT / "ARCHITECTURE.md"
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
DECISION_LINES_MAX = 60
# Written while the bot runs, so named in documents and absent from a clone.
MADE_AT_RUN_TIME = ("build/", "data/runs", "data/KILLSWITCH", "data/learning_state.json", "logs/", "demo/", ".venv")
SUFFIXES = r"(?:py|pyi|pyx|pxd|toml|md|csv|h)"
PATH = re.compile(rf"(?<![\w./*<-])(?:[\w.-]+/)+(?:[\w-]+\.\w+)?(?![\w*<{{])|(?<![\w./*<-])[\w-]+\.{SUFFIXES}\b")
DOTTED = re.compile(r"\btrading_bot(?:\.[a-z_]\w*)+")


def code_of(markdown: str) -> list[str]:
    """Everything set as code: fenced blocks and back-ticked spans."""
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", markdown, flags=re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```[^\n]*\n.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return [*fenced, *re.findall(r"`([^`\n]+)`", rest)]


def bases() -> list:
    packages = [path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    return [ROOT, ROOT / "src", ROOT / "tests", PACKAGE, *packages]


def missing_paths(markdown: str) -> list[str]:
    """Paths written as code that do not exist, tried from the root, src, tests and every package."""
    missing = []
    for code in code_of(markdown):
        for path in PATH.findall(code):
            known = path.startswith(MADE_AT_RUN_TIME) or path.startswith("../")
            if not known and not any((base / path).exists() for base in bases()):
                missing.append(path)
        for name in DOTTED.findall(code):
            parts = name.split(".")[1:]
            module = PACKAGE.joinpath(*parts)
            # The last part may be a function of a module; what stands before it must be that module.
            exists = module.is_dir() or any(
                candidate.with_suffix(kind).is_file()
                for candidate in (module, module.parent)
                for kind in (".py", ".pyx")
            )
            if not exists:
                missing.append(name)
    return sorted(set(missing))


def unnamed_packages(markdown: str) -> list[str]:
    """Packages and top-level modules of the product that the document does not name as code."""
    code = "\n".join(code_of(markdown))
    names = [
        path.name + "/" if path.is_dir() else path.name
        for path in sorted(PACKAGE.iterdir())
        if (path.is_dir() and path.name != "__pycache__")
        or (path.suffix == ".py" and path.name not in {"__init__.py", "__main__.py"})
    ]
    return [name for name in names if not re.search(rf"(?<!\w){re.escape(name)}", code)]


@pytest.mark.skipif(not ARCHITECTURE.is_file(), reason="ARCHITECTURE.md is not written yet")
def test_architecture_names_what_exists():
    markdown = ARCHITECTURE.read_text()
    assert not missing_paths(markdown), "named in ARCHITECTURE.md but not there"
    assert not unnamed_packages(markdown), "there but not named in ARCHITECTURE.md"


def test_a_wrong_architecture_document_is_noticed():
    assert missing_paths("| a signal | `_fast/no_such_kernel.pyx` |") == ["_fast/no_such_kernel.pyx"]
    assert missing_paths("```\n  nowhere/   words\n```") == ["nowhere/"]
    assert missing_paths("`trading_bot.core.nothing.Here`, `trading_bot.nothing`") == [
        "trading_bot.core.nothing",
        "trading_bot.nothing",
    ]
    assert not missing_paths(
        "`domain/records.py`, `records.py`, `adapters/`, `data/runs/x`, `trading_bot.domain.records`"
    )
    assert not missing_paths("```\nno clock, no I/O, and/or\n```")
    assert "domain/" in unnamed_packages("`core/`")
    assert "core/" not in unnamed_packages("`core/`")


def test_decision_records_are_numbered_short_and_say_when_to_revisit():
    assert DECISIONS
    numbers = [path.name[:4] for path in DECISIONS]
    assert len(set(numbers)) == len(numbers), f"a number is used twice: {numbers}"
    for path in DECISIONS:
        text = path.read_text()
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name), path.name
        assert text.count("\n") <= DECISION_LINES_MAX, f"{path.name} is longer than {DECISION_LINES_MAX} lines"
        assert "Revisit when" in text, f"{path.name} does not say when to revisit it"


def test_every_dependency_has_a_line_that_says_why():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(row for rows in project["project"]["optional-dependencies"].values() for row in rows),
    ]
    declared = {re.match(r"[\w.-]+", row).group().lower().replace("_", "-") for row in requirements} - {"trading-bot"}
    text = (ROOT / "docs" / "adr" / "0008-dependencies.md").read_text()
    explained = {name.lower().replace("_", "-") for name in re.findall(r"^\| `([\w.-]+)` ", text, flags=re.MULTILINE)}
    assert explained == declared
