"""`trading-bot journal rebuild|show|keep|backup|restore`: the logs as a database (docs/journal.md)."""

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import progress_bar, write_error, write_json, write_pairs, write_table
from trading_bot.domain.errors import DataCorrupt, SourceUnreachable, UsageError

if TYPE_CHECKING:
    from trading_bot.journal.database import Database
    from trading_bot.journal.keeping import Round
    from trading_bot.journal.rebuild import Book, Rebuilt

_KEEP_DAYS: Final = 30  # journal.backup.KEEP_DAYS, which loads the database's library

app = typer.Typer(no_args_is_help=True, help="The logs as a database: rebuild, show, back up, restore.")

Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help="sqlite:///FILE or postgresql://USER@HOST/NAME. Default: TRADING_BOT_JOURNAL_DB, else journal.db in the "
        "data directory. A password belongs into PGPASSWORD or ~/.pgpass.",
        show_default=False,
    ),
]
Folder = Annotated[
    Path | None, typer.Option("--dir", help="Where backups are. Default: backups in the data directory.")
]
KeepDays = Annotated[int, typer.Option("--keep-days", min=1, help="Older backups are deleted; never the newest.")]


@app.command()
def rebuild(
    ctx: typer.Context,
    logs: Annotated[
        list[Path] | None, typer.Argument(metavar="[LOG]...", help="Log folders. Default: all of the data directory.")
    ] = None,
    *,
    db: Db = None,
    full: Annotated[bool, typer.Option("--full", help="Read logs as well that have not changed.")] = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Make the rows what the logs say, in one transaction. Exit 6: a log is damaged, and its rows are as they were."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    database = _database(asked, db)
    paths = [log_folder(asked, log) for log in logs] if logs else [_existing(asked.data_dir)]
    from trading_bot.journal.rebuild import rebuild as make

    with progress_bar(wanted=not asked.as_json) as progress:
        found = make(database, paths, full=full, progress=progress)
    if asked.as_json:
        write_json(found)
    else:
        _print(found)
        for folder, reason in found.refused.items():
            write_error("LogCorrupt", f"{folder}: {reason}", DataCorrupt.exit_code, as_json=False)
    raise typer.Exit(DataCorrupt.exit_code if found.refused else 0)


@app.command()
def show(
    ctx: typer.Context,
    *,
    db: Db = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """What a journal holds: rows, their digest, and where each run was read from. Changes nothing."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    database = _database(asked, db)
    from trading_bot.journal.contents import contents

    found = contents(database)
    if asked.as_json:
        write_json(found)
        return
    write_pairs(
        f"Journal in {found.db}",
        [("revision", found.revision), ("rows", _rows(found.rows)), ("rows_digest", found.rows_digest)],
    )
    write_table(
        "Runs",
        ("run", "mode", "sessions", "from", "to", "trades", "net USD", "read from"),
        [
            (
                row.run_id,
                row.mode,
                row.sessions,
                row.trade_date_first,
                row.trade_date_last,
                f"{row.trades:,}",
                _usd(row.net_usd, hypothetical=row.hypothetical),
                row.path,
            )
            for row in found.runs
        ],
    )


@app.command()
def keep(
    ctx: typer.Context,
    *,
    db: Db = None,
    folder: Folder = None,
    every: Annotated[float, typer.Option("--every", min=1, help="Seconds between two rebuilds.")] = 60.0,
    keep_days: KeepDays = _KEEP_DAYS,
    once: Annotated[bool, typer.Option("--once", help="One round, then end: for a timer of the system.")] = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Rebuild again and again beside a bot, and back up once a day, until SIGTERM or Ctrl-C."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    if asked.as_json and not once:
        raise UsageError("--json is one document: use it with --once")
    database = _database(asked, db)
    from trading_bot.journal import keeping
    from trading_bot.journal.backup import FOLDER

    where = folder or _existing(asked.data_dir) / FOLDER
    if once:
        found = keeping.one_round(database, asked.data_dir, where, keep_days=keep_days)
        if asked.as_json:
            write_json(found)
        else:
            _tell(found)
        raise typer.Exit(DataCorrupt.exit_code if found.rebuilt.refused else 0)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    keeping.keep(database, asked.data_dir, where, every_s=every, keep_days=keep_days, stop=stop, told=_tell)


@app.command()
def backup(
    ctx: typer.Context,
    *,
    db: Db = None,
    folder: Folder = None,
    keep_days: KeepDays = _KEEP_DAYS,
    daily: Annotated[
        bool, typer.Option("--daily", help="Keep one of each day (UTC), the newest; none within an hour of it.")
    ] = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Write the rows and the learning files into one file, and delete backups older than 30 days."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    database = _database(asked, db)
    from trading_bot.journal.backup import FOLDER, back_up

    where = folder or _existing(asked.data_dir) / FOLDER
    found = back_up(database, asked.data_dir, where, now_ns=time.time_ns(), keep_days=keep_days, daily=daily)
    if asked.as_json:
        write_json(found)
        return
    said = f"{found.bytes:,} bytes" if found.made else f"{found.bytes:,} bytes; made earlier today, none was made now"
    write_pairs(
        f"Backup of {found.db}",
        [
            ("file", f"{found.file} ({said})"),
            ("rows", _rows(found.rows)),
            ("rows_digest", found.rows_digest),
            ("files", ", ".join(found.files) or "none"),
            ("deleted", ", ".join(found.deleted) or f"none was older than {keep_days} days"),
            ("kept", found.kept),
        ],
    )


@app.command()
def restore(
    ctx: typer.Context,
    archive: Annotated[
        Path | None, typer.Argument(metavar="[BACKUP]", help="A backup. Default: the newest of the folder.")
    ] = None,
    *,
    db: Db = None,
    folder: Folder = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    files: Annotated[
        bool, typer.Option("--files", help="Put the learning files back as well, while no bot runs.")
    ] = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Put a backup's rows into an empty database of either kind, checked against the backup's digest."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    database = _database(asked, db)
    from trading_bot.journal.backup import FOLDER, newest
    from trading_bot.journal.restore import restore as put_back

    chosen = archive or newest(folder or asked.data_dir / FOLDER)
    found = put_back(database, chosen, asked.data_dir, force=force, files=files)
    if asked.as_json:
        write_json(found)
        return
    left = f"{', '.join(found.files_left)} (--files puts them back)" if found.files_left else "none"
    write_pairs(
        f"Restored {found.db}",
        [
            ("from", f"{found.backup}, made {found.made_at}"),
            ("rows", _rows(found.rows)),
            ("rows_digest", found.rows_digest),
            ("rows replaced", f"{found.replaced:,}"),
            ("files written", ", ".join(found.files_written) or "none"),
            ("files left as they are", left),
        ],
    )


def _database(asked: Common, url: str | None) -> "Database":
    try:
        from trading_bot.journal.database import Database, database_url

        return Database(database_url(url, asked.data_dir))
    except ImportError as error:
        extra = "postgresql" if error.name == "psycopg" else "journal"
        raise UsageError(f"this journal needs {error.name}; install trading-bot[{extra}]") from error


def _existing(data_dir: Path) -> Path:
    if not data_dir.is_dir():
        raise UsageError(f"--data-dir {data_dir} does not exist; name the data directory of a bot, or a LOG")
    return data_dir


def _tell(found: "Round | SourceUnreachable") -> None:
    """A line for each round in which something happened."""
    if isinstance(found, SourceUnreachable):
        write_error(type(found).__name__, str(found), found.exit_code, as_json=False)
        return
    rebuilt, made = found.rebuilt, found.backup
    for where, reason in rebuilt.refused.items():
        write_error("LogCorrupt", f"{where}: {reason}", DataCorrupt.exit_code, as_json=False)
    if rebuilt.runs_read:
        said = f"{rebuilt.runs_read} of {rebuilt.runs} runs read, {rebuilt.trades:,} trades, {rebuilt.rows_digest[:12]}"
        typer.echo(f"journal in {rebuilt.db}: {said}")
    if made.made:
        deleted = f"; deleted {', '.join(made.deleted)}" if made.deleted else ""
        typer.echo(f"backup {made.file}, {made.bytes:,} bytes{deleted}")


def _print(found: "Rebuilt") -> None:
    books = [
        _book("real", found.real, hypothetical=False),
        _book("hypothetical", found.hypothetical, hypothetical=True),
    ]
    write_pairs(
        f"Journal in {found.db}",
        [
            *books,
            ("rows", _rows(found.rows)),
            ("rows_digest", found.rows_digest),
            ("runs", f"{found.runs} asked for: {found.runs_read} read, {found.runs_skipped} had not changed"),
            ("other runs", f"{found.runs_kept} in the database, left as they are"),
            ("took", f"{found.wall_s:,.1f} s for {found.records:,} records"),
        ],
    )
    for note in found.notes:
        typer.echo(f"{typer.style('note:', fg='yellow', bold=True)} {note}", err=True)


def _book(name: str, book: "Book", *, hypothetical: bool) -> tuple[str, str]:
    net = _usd(book.net_usd, hypothetical=hypothetical)
    return name, f"{book.trades:,} trades, {net} net, {book.fees_usd:,.2f} USD commission"


def _rows(rows: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {table}" for table, number in rows.items() if number) or "none"


def _usd(amount_usd: float, *, hypothetical: bool) -> str:
    return f"{amount_usd:+,.2f} USD{' HYPOTHETICAL' if hypothetical else ''}"
