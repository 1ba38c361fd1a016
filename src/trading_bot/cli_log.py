"""`trading-bot log verify|show|export`: integrity, reading, columns."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import msgspec
import orjson
import typer

from trading_bot import cli_options as options
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_error, write_json, write_pairs, write_table
from trading_bot.domain.errors import BotError, LogCorrupt, UsageError

if TYPE_CHECKING:
    from trading_bot.reports.log_export import ExportReport

ROWS_DEFAULT: Final = 1000  # of `log show` for people; --json and --limit 0 give all

app = typer.Typer(no_args_is_help=True, help="Verify, show or export an event log.")


def log_folder(asked: Common, log: Path) -> Path:
    """The folder of LOG: as given, or a run below the data directory.

    Raises:
        UsageError: it does not exist, or is a file.
    """
    for path in (log, asked.data_dir / log, asked.data_dir / "runs" / log):
        if path.is_dir():
            return path
    found = "is a file" if log.exists() else "does not exist"
    raise UsageError(f"LOG {log} {found}; expected the log folder of a run (log_path of its summary) or one log in it")


@app.command()
def verify(
    ctx: typer.Context,
    log: options.Log,
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Check every record, number, seal and link. Exit 6 names the first bad record."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    folder = log_folder(asked, log)
    from trading_bot.core.log_verify import verify as verify_log
    from trading_bot.core.replay import session_logs

    reports = {path: verify_log(path) for path in session_logs(folder)}
    bad = next((path for path, report in reports.items() if not report.ok), None)
    first = reports[bad] if bad else next(iter(reports.values()))
    code = 0 if bad is None else LogCorrupt.exit_code
    if asked.as_json:
        head = {
            "ok": bad is None,
            "first_bad_seq": first.first_bad_seq,
            "first_bad_offset": first.first_bad_offset,
            "reason": first.reason if bad else "",
        }
        logs = [{"log": str(path), **msgspec.structs.asdict(report)} for path, report in reports.items()]
        write_json({**head, "logs": logs})
        raise typer.Exit(code)
    for path, report in reports.items():
        values = msgspec.structs.asdict(report)
        write_pairs(str(path), [(name, value) for name, value in values.items() if value is not None])
    if bad is not None:
        write_error("LogCorrupt", f"{bad}: {first.reason}", code, as_json=False)
    raise typer.Exit(code)


@app.command()
def show(
    ctx: typer.Context,
    log: options.Log,
    *,
    from_seq: Annotated[int, typer.Option("--from", metavar="SEQ", min=1, help="First record.")] = 1,
    to_seq: Annotated[int | None, typer.Option("--to", metavar="SEQ", min=1, help="Last record.")] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="Only this kind (QUOTE, TRADE, …) or message tag; repeatable.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, help=f"At most this many rows; 0: all. Default {ROWS_DEFAULT}.")
    ] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the records of a log, decoded, one to a line. `--json` gives all of them unless limited."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    folder = log_folder(asked, log)
    from trading_bot.core.replay import session_logs
    from trading_bot.reports.log_export import show as rows_of

    wanted = _kinds(kinds or [])
    paths = session_logs(folder)
    rows = ((path, row) for path in paths for row in rows_of(path, from_seq=from_seq, to_seq=to_seq, kinds=wanted))
    if asked.as_json:
        raise typer.Exit(_rows_as_json(rows, limit or 0))
    most = ROWS_DEFAULT if limit is None else limit
    last = None
    for count, (path, row) in enumerate(rows):
        if most and count == most:
            typer.echo(f"… {most} rows shown; more with --limit, --from and --kind", err=True)
            break
        if path != last:
            typer.echo(typer.style(str(path), bold=True))
            last = path
        typer.echo(_line(row))


def _kinds(names: list[str]) -> frozenset[str]:
    """Kinds and message tags as the log writes them.

    Raises:
        UsageError: one that no log holds; names the nearest.
    """
    from trading_bot.config_keys import did_you_mean
    from trading_bot.domain.log_records import LogRecord
    from trading_bot.domain.records import FrameKind

    known = [kind.name for kind in FrameKind] + [str(record.__struct_config__.tag) for record in get_args(LogRecord)]
    for name in names:
        if name.upper() not in known:
            near = did_you_mean(name.upper(), known)
            raise UsageError(f"--kind {name}: no record is of that kind{near} (known: {', '.join(known)})")
    return frozenset(name.upper() for name in names)


def _line(row: dict[str, Any]) -> str:
    from trading_bot.domain.units import iso_from_ns

    shown = dict(row)
    head = f"{shown.pop('seq'):>10} {iso_from_ns(shown.pop('ts_ns'))} {shown.pop('class'):<7} {shown.pop('kind'):<9}"
    tag, payload = shown.pop("tag", None), shown.pop("payload", None)
    if payload is not None:
        text = orjson.dumps(payload, default=_shortly, option=orjson.OPT_NON_STR_KEYS).decode()
        return f"{head} {tag or ''} cause={shown.get('cause_seq', 0)} {text}"
    return f"{head} " + " ".join(f"{name}={value}" for name, value in shown.items())


def _shortly(value: object) -> str:
    """Embedded documents and snapshots are for programs; `--json` has them whole, in base64."""
    return f"<{len(value):,} bytes>" if isinstance(value, bytes) else str(value)


def _rows_as_json(rows: Iterator[tuple[Path, dict[str, Any]]], most: int) -> int:
    """One JSON document written as it is read, so that a long log needs no memory; damage ends it with its error."""
    out = sys.stdout.buffer
    out.write(b'{"rows":[')
    error: dict[str, Any] | None = None
    code, count = 0, 0
    try:
        for path, row in rows:
            if most and count == most:
                break
            plain = msgspec.to_builtins({"log": str(path), **row}, str_keys=True)
            out.write((b"," if count else b"") + orjson.dumps(plain, default=str))
            count += 1
    except BotError as problem:
        code = problem.exit_code
        error = {"code": code, "type": type(problem).__name__, "message": str(problem)}
    out.write(b'],"error":' + orjson.dumps(error) + b"}\n")
    out.flush()
    return code


@app.command()
def export(
    ctx: typer.Context,
    log: options.Log,
    *,
    parquet: Annotated[Path | None, typer.Option("--parquet", metavar="DIR", help="Folder for Parquet files.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="DIR", help="Folder for CSV files.")] = None,
    jsonl: Annotated[
        Path | None, typer.Option("--jsonl", metavar="DIR", help="Folder for a file of JSON lines.")
    ] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Write ticks, rejected inputs and messages as columns (Parquet, CSV), or every record as a line of JSON."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    folder = log_folder(asked, log)
    from trading_bot.core.replay import session_logs
    from trading_bot.reports.log_export import export_parquet
    from trading_bot.reports.log_texts import export_csv, export_jsonl

    wanted = [
        (name, target, write)
        for name, target, write in (
            ("parquet", parquet, export_parquet),
            ("csv", csv, export_csv),
            ("jsonl", jsonl, export_jsonl),
        )
        if target is not None
    ]
    if not wanted:
        raise UsageError("log export: say in what form and where: --parquet DIR, --csv DIR or --jsonl DIR")
    logs, rows = session_logs(folder), []
    for name, target, write in wanted:
        try:
            # One log goes straight into the folder, the sessions of a run into a folder each.
            rows += [(name, path, write(path, target if len(logs) == 1 else target / path.name)) for path in logs]
        except OSError as error:
            raise UsageError(
                f"--{name} {target}: cannot write {error.filename or target}: {error.strerror or error}; "
                "name a folder on a disk with room"
            ) from error
    if asked.as_json:
        done = [{"log": str(path), "format": name, **msgspec.structs.asdict(rep)} for name, path, rep in rows]
        write_json({"ok": True, "logs": done})
        return
    _show_exported(rows)


def _show_exported(rows: "list[tuple[str, Path, ExportReport]]") -> None:
    write_table(
        "Exported",
        ("log", "as", "ticks", "rejected", "messages", "minutes", "flagged", "last seq", "files"),
        [
            (
                path.name,
                name,
                f"{rep.ticks:,}",
                f"{rep.rejected:,}",
                f"{rep.messages:,}",
                f"{rep.minutes:,}",
                f"{rep.flagged:,}",
                f"{rep.last_seq:,}",
                ", ".join(rep.files),
            )
            for name, path, rep in rows
        ],
    )
