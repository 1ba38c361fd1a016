"""`trading-bot bundle LOG`: a redacted bug bundle that replays elsewhere (docs/bundle.md)."""

import contextlib
import getpass
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.build_digest import build_digest
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_error, write_json, write_pairs
from trading_bot.domain.errors import ReplayDiverged, UsageError
from trading_bot.domain.secret_names import names_secret
from trading_bot.strategy_plugins import offer_installed

if TYPE_CHECKING:
    from trading_bot.reports.bundle import Bundle, Origin

_PACKAGES: Final = ("trading-bot", "msgspec", "orjson", "ib_async", "uvloop", "numpy")
_SECRET_FILES: Final = ("control.token", "monitor.token")

app = typer.Typer()

Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE.tar.gz", help="Default: bundle-RUN.tar.gz in this folder.")
]
Hide = Annotated[
    list[str] | None,
    typer.Option("--hide", metavar="TEXT", help="Take this out as well; repeatable. 6 letters or more."),
]


@app.command()
def bundle(
    ctx: typer.Context,
    log: options.Log,
    *,
    out: Out = None,
    hide: Hide = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Pack a run into one file that replays elsewhere and names no account, host, user, folder or secret."""
    from trading_bot.reports.bundle import SUFFIX, make_bundle, run_id_of

    asked = common(ctx, data_dir, config, as_json=as_json)
    folder = log_folder(asked, log)
    offer_installed()
    if short := [word for word in hide or () if len(word.strip()) < 6]:
        raise UsageError(f"--hide {short[0]!r} is too short: six letters or more, so that it hits nothing else")
    path = out or Path(f"bundle-{run_id_of(folder)}{SUFFIX}")
    if not path.name.endswith(SUFFIX):
        raise UsageError(f"--out {path} is the name of a packed tar: expected it to end in {SUFFIX}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--out {path}: there is no folder {path.absolute().parent}; make it first")
    made = make_bundle(folder, path.absolute(), _origin(asked), hide=hide or ())
    code = 0 if made.equal else ReplayDiverged.exit_code
    if asked.as_json:
        write_json({"path": str(path), "bytes": path.stat().st_size, "bundle": made})
        raise typer.Exit(code)
    _show(path, made)
    if code:
        write_error(
            "ReplayDiverged",
            f"{path} was written, but does not replay as {folder} does: what was replaced in its records changed what "
            "the core does. Its README says where; tell it with the bundle",
            code,
            as_json=False,
        )
    raise typer.Exit(code)


def _show(path: Path, made: "Bundle") -> None:
    replaced = ", ".join(f"{count} {kind}" for kind, count in made.replaced.items()) or "nothing was found"
    write_pairs(
        f"{path}",
        [
            ("size", f"{path.stat().st_size / 1e6:,.1f} MB, {len(made.files)} files"),
            ("run", f"{made.run_id}, {made.mode} {made.instrument}, {', '.join(made.logs)}"),
            ("records", f"{made.records:,}, of which {made.changed_messages:,} had something replaced"),
            ("replaced", replaced),
            (
                "replays",
                f"{'identical' if made.bundled.ok else 'as the original: DIVERGED'}, {made.bundled.reason}".rstrip(
                    ", "
                ),
            ),
            *(("note", note) for note in made.notes),
            ("elsewhere", f"tar xzf {path.name} && trading-bot replay {made.name}/run"),
        ],
    )


def _origin(asked: Common) -> "Origin":
    """This machine: what of it must not be in the bundle, and what has to be."""
    from trading_bot.reports.bundle import Origin

    versions = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    secrets = [value for name, value in os.environ.items() if names_secret(name)]
    for name in _SECRET_FILES:
        path = asked.data_dir / name
        if path.is_file() and os.access(path, os.R_OK):
            secrets.append(path.read_text(encoding="utf-8", errors="replace")[:4_096])
    users = {os.environ.get("SUDO_USER", "")}
    with contextlib.suppress(KeyError, OSError, RuntimeError):  # a container's user may have no name and no home
        users |= {getpass.getuser(), Path.home().name}
    node = platform.node()
    return Origin(
        build=build_digest(),
        versions=versions,
        secrets=tuple(secrets),
        users=tuple(sorted(users)),
        hosts=(node, node.partition(".")[0]),
    )
