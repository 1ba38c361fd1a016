"""What the commands that make a page share: its form, its day, and writing it whole or not at all."""

from pathlib import Path
from typing import Annotated, Final

import typer

from trading_bot.domain.errors import UsageError

FORMS: Final = ("html", "text", "markdown", "json")
_BY_SUFFIX: Final = {".html": "html", ".htm": "html", ".txt": "text", ".md": "markdown", ".json": "json"}

Form = Annotated[
    str | None,
    typer.Option("--format", metavar="html|text|markdown|json", help="Default: as FILE ends, else text on stdout."),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write it there; .html .md .txt .json say in what form.")
]


def form_of(form: str | None, out: Path | None) -> str:
    """The form that was asked for, or that the file's name ends with; text on a terminal.

    Raises:
        UsageError: there is no such form, or HTML has no file to go to.
    """
    if form is None:
        return "text" if out is None else _BY_SUFFIX.get(out.suffix.lower(), "html")
    if form not in FORMS:
        raise UsageError(f"--format is {form!r}, expected one of {', '.join(FORMS)}")
    if form == "html" and out is None:
        raise UsageError("--format html is a file of its own; name it with --out FILE.html")
    return form


def trade_date_of(date: str | None) -> int | None:
    """The number yyyymmdd of a day as a person writes it, with or without hyphens.

    Raises:
        UsageError: it is no day.
    """
    if date is None:
        return None
    digits = date.replace("-", "")
    if len(digits) != len("yyyymmdd") or not digits.isascii() or not digits.isdigit():
        raise UsageError(f"--date is {date!r}, expected a day such as 2026-11-25")
    return int(digits)


def write_whole(out: Path, shown: str) -> None:
    """The whole file or none.

    Raises:
        UsageError: it cannot be written.
    """
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(shown, encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror or error}); name another file") from error
