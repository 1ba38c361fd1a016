"""What a command prints: one JSON document, or tables for people. Rich loads with the first table."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
import typer

if TYPE_CHECKING:
    from rich.console import Console

PIPE_COLUMNS: Final = 160  # width where nobody watches: wide enough that a table keeps its rows on one line
MESSAGE_CHARS_MAX: Final = 4_000  # of an error that quotes what it found


def printable(text: str) -> str:
    """The text with what a terminal would carry out, or cannot show, spelt out: much of it was written by strangers."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def write_json(document: Any) -> None:
    """One JSON document and a line end on stdout."""
    plain = msgspec.to_builtins(document, str_keys=True)
    sys.stdout.buffer.write(orjson.dumps(plain, default=str, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def write_error(error_type: str, message: str, exit_code: int, *, as_json: bool) -> None:
    """An error as the command's whole answer: on stdout as JSON, or on stderr for people."""
    message = printable(message)
    if len(message) > MESSAGE_CHARS_MAX:
        message = f"{message[:MESSAGE_CHARS_MAX]}… ({len(message)} characters)"
    if as_json:
        write_json({"error": {"code": exit_code, "type": error_type, "message": message}})
        return
    typer.echo(f"{typer.style('error:', fg='red', bold=True)} {message}", err=True)


def console() -> "Console":
    """Rich's console on stdout."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS, highlight=False, soft_wrap=False)


def write_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout; texts are taken as they are, not as markup."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    # A table's own title wraps at the table's width, which may be narrow.
    console().print(Text(printable(title), style="bold"), table)


def write_pairs(title: str, pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one to a line."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, Text(printable(str(value))))
    console().print(Text(printable(title), style="bold"), table)


@contextmanager
def progress_bar(*, wanted: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A callback (done, total) that draws a bar on stderr while it is called; None where nobody watches."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield update
