"""The command line: `python -m trading_bot.cli` and `trading-bot`. Without a subcommand it runs the bot.

Commands are thin: they check what was asked, call the package that does the work, and print its answer. Whatever is
slow to import is imported by the command that needs it.
"""

import errno
import gc
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from trading_bot import (
    cli_breakers,
    cli_bundle,
    cli_chaos,
    cli_config,
    cli_config_history,
    cli_deadman,
    cli_doctor,
    cli_eod,
    cli_gates,
    cli_gateway,
    cli_journal,
    cli_latency,
    cli_latency_model,
    cli_learning,
    cli_learning_orders,
    cli_learning_params,
    cli_log,
    cli_monitor,
    cli_operate,
    cli_reconcile,
    cli_record,
    cli_report,
    cli_rules,
    cli_stats,
    cli_watch,
)
from trading_bot import cli_options as options
from trading_bot.cli_options import DATA_DIR_DEFAULT, Common, common
from trading_bot.cli_output import write_error
from trading_bot.domain.errors import BotError, UsageError

EXIT_BUG: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130  # what a shell reports for a command ended by SIGINT
_COMMON: Final = frozenset({"data_dir", "config", "as_json"})
# What the system says about a name somebody typed, wherever it was used; a full disk is no such thing.
_ERRNOS_OF_A_PATH: Final = frozenset(
    {errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}
)

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_log.app, name="log")
cli_config.app.add_typer(cli_config_history.app)
app.add_typer(cli_config.app, name="config")
app.add_typer(cli_operate.app)
app.add_typer(cli_breakers.app)
app.add_typer(cli_reconcile.app)
app.add_typer(cli_gates.app)
app.add_typer(cli_bundle.app)
app.add_typer(cli_gateway.app)
app.add_typer(cli_record.app)
app.add_typer(cli_report.app)
app.add_typer(cli_stats.app)
cli_latency.app.add_typer(cli_latency_model.app)
app.add_typer(cli_latency.app, name="latency")
cli_learning.learning_app.add_typer(cli_learning_orders.app)
cli_learning.learning_app.add_typer(cli_learning_params.app)
app.add_typer(cli_learning.learning_app, name="learning")
app.add_typer(cli_chaos.app, name="chaos")
app.add_typer(cli_doctor.app)
app.add_typer(cli_deadman.app)
app.add_typer(cli_eod.app)
app.add_typer(cli_monitor.app)
app.add_typer(cli_watch.app)
app.add_typer(cli_rules.app, name="rules")
app.add_typer(cli_journal.app, name="journal")


@app.callback(invoke_without_command=True)
def run(
    ctx: typer.Context,
    *,
    mode: options.Mode = None,
    adapter: options.Adapter = None,
    instrument: options.Instrument = None,
    strategies: options.Strategies = None,
    profile: options.Profile = None,
    rules: options.Rules = None,
    duration: options.Duration = None,
    seed: options.Seed = None,
    inputs: options.Inputs = None,
    history: options.History = None,
    date: options.Date = None,
    columns: options.Columns = None,
    exclude_flagged: options.ExcludeFlagged = False,
    start: options.Start = None,
    host: options.Host = None,
    port: options.Port = None,
    client_id: options.ClientId = None,
    account: options.Account = None,
    arm: options.Arm = False,
    clock: options.Clock = None,
    speed: options.Speed = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Run the bot: read a market, decide, log everything. Default: observe, send nothing."""
    ctx.obj = Common(data_dir=data_dir or DATA_DIR_DEFAULT, config=config, as_json=as_json)
    if ctx.invoked_subcommand is not None:
        _refuse_run_options(ctx)
        return
    with _no_collection():
        from trading_bot import cli_run
    asked = cli_run.Asked(
        mode=mode,
        adapter=adapter,
        instrument=instrument,
        strategies=strategies,
        profile=profile,
        rules=rules,
        duration_s=duration,
        seed=seed,
        inputs=tuple(inputs or ()),
        history=tuple(history or ()),
        date=date,
        columns=columns,
        exclude_flagged=exclude_flagged,
        start=start,
        host=host,
        port=port,
        client_id=client_id,
        account=account,
        arm=arm,
        clock=clock,
        speed=speed,
    )
    raise typer.Exit(cli_run.run(ctx.obj, asked))


@contextmanager
def _no_collection() -> Iterator[None]:
    """A hundred modules are about to be made, and nothing of them is garbage."""
    collects = gc.isenabled()
    gc.disable()
    yield
    if collects:
        gc.enable()


def _refuse_run_options(ctx: typer.Context) -> None:
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if name not in _COMMON and source is not None and source.name == "COMMANDLINE":
            option = {"inputs": "input", "as_json": "json"}.get(name, name).replace("_", "-")
            raise UsageError(f"--{option} belongs to a run; `{ctx.invoked_subcommand}` does not take it")


@app.command()
def replay(
    ctx: typer.Context,
    log: options.Log,
    *,
    until: Annotated[int | None, typer.Option("--until", metavar="SEQ", min=1, help="Stop after this record.")] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Apply a log again and compare every effect. Reads nothing but the log."""
    from trading_bot import cli_replay

    asked = common(ctx, data_dir, config, as_json=as_json)
    raise typer.Exit(cli_replay.replay(asked, log, until))


@app.command()
def explain(
    ctx: typer.Context,
    log: options.Log,
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A decision (its number) or an order (say 1230-0).")],
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Why a decision was made, and what became of its order, each step with its record."""
    from trading_bot import cli_explain

    asked = common(ctx, data_dir, config, as_json=as_json)
    raise typer.Exit(cli_explain.explain(asked, log, wanted))


@app.command()
def parity(
    ctx: typer.Context,
    log: options.Log,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write parity.json and parity.html into this folder.")
    ] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Replay a log, score its fills against the simulator, and judge its data minute by minute."""
    from trading_bot import cli_parity

    asked = common(ctx, data_dir, config, as_json=as_json)
    raise typer.Exit(cli_parity.parity(asked, log, out))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code (specification, section 13).

    Args:
        argv: arguments without the program's name; None takes the process's own.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="trading-bot", standalone_mode=False)
    except TyperException as error:
        near = getattr(error, "possibilities", None)
        said = f"{error.message}; did you mean {near[0]}?" if near else error.format_message()
        text = f"{said} See `trading-bot --help`."
        write_error("UsageError", text, EXIT_USAGE, as_json=as_json)
        return EXIT_USAGE
    except BotError as error:
        write_error(type(error).__name__, str(error), error.exit_code, as_json=as_json)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python must not write the rest at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 (the outermost frame: a bug of ours becomes exit 1 and a log line)
        if isinstance(error, OSError) and error.filename is not None and error.errno in _ERRNOS_OF_A_PATH:
            text = f"{error.filename}: {error.strerror}; name a path of ordinary length that this user may use"
            write_error("UsageError", text, EXIT_USAGE, as_json=as_json)
            return EXIT_USAGE
        text = f"a bug of ours: {type(error).__name__}: {error}. {_log_bug(arguments, error)}"
        write_error("Bug", text, EXIT_BUG, as_json=as_json)
        return EXIT_BUG
    if code == EXIT_INTERRUPTED:  # typer makes it of a KeyboardInterrupt inside the command
        write_error("Interrupted", "interrupted by the keyboard before it was done", code, as_json=as_json)
    return code if isinstance(code, int) else 0


def _log_bug(arguments: Sequence[str], error: Exception) -> str:
    """Write the traceback where the run's other lines are, and say where that is.

    The command may have failed before it opened them; where the disk takes no line, the traceback goes to stderr.
    """
    from trading_bot import log_setup

    given = next((Path(value) for name, value in pairwise(arguments) if name == "--data-dir"), None)
    lines = log_setup.current_lines() or log_setup.start_logging(
        given or DATA_DIR_DEFAULT, run_id=log_setup.new_run_id()
    )
    lost = lines.lost
    log_setup.get_logger().error("bug", exc_info=error, on_console=False)
    if lines.lost == lost:
        return f"The traceback is in {lines.path}"
    traceback.print_exception(error, file=sys.stderr)
    return f"The traceback is on stderr, as {lines.path} takes no lines"


if __name__ == "__main__":
    sys.exit(main())
