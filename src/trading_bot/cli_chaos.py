"""`trading-bot chaos list|run`: what is known to go wrong at the broker, brought about; what must hold afterwards."""

from typing import TYPE_CHECKING, Annotated

import typer

from trading_bot import cli_options as options
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json, write_table
from trading_bot.domain.errors import UsageError

if TYPE_CHECKING:
    from trading_bot.chaos.bench import Result

EXIT_FAILED = 1  # an incident failed: a bug of ours, or an incident that did not come about
JOBS_MAX = 64

app = typer.Typer(no_args_is_help=True, help="Bring known incidents about, and check what must hold after each.")


@app.command("list")
def list_incidents(
    ctx: typer.Context,
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Every incident: its name, where it is from, the client libraries, the invariants."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    from trading_bot.chaos.catalogue import INCIDENTS

    rows = [
        {
            "name": one.name,
            "source": list(one.rows),
            "also": list(one.also),
            "says": one.says,
            "libraries": list(one.libraries),
            "invariants": list(one.invariants),
            "tolerates": dict(one.tolerates),
            "quick": one.quick,
        }
        for one in INCIDENTS.values()
    ]
    if asked.as_json:
        write_json({"incidents": rows})
        return
    write_table(
        f"{len(rows)} incidents",
        ("name", "source", "what happens"),
        [(one.name, " ".join(one.source), one.says) for one in INCIDENTS.values()],
    )


@app.command()
def run(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME|all|quick", help="Incidents by name, or a set of them.")],
    *,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=JOBS_MAX, help="How many at a time.")] = 1,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Bring incidents about on this machine. Exit 0 only if each came about and every invariant held."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    if asked.config is not None:
        raise UsageError("--config does not apply: each incident brings the bot's configuration with it (chaos list)")
    from trading_bot.chaos.bench import run_all

    report = run_all(_chosen(names), asked.data_dir.absolute() / "chaos", jobs=jobs, told=None if as_json else _tell)
    if asked.as_json:
        write_json(report)
    else:
        skipped = f", {len(report.skipped)} not for this library" if report.skipped else ""
        typer.echo(
            f"{report.incidents} incidents with {report.library}: {report.passed} passed, {report.failed} failed"
            f"{skipped}; {report.wall_s:.0f} s"
        )
    raise typer.Exit(EXIT_FAILED if report.failed else 0)


def _chosen(names: list[str]) -> list[str]:
    """Names without repetitions, sets written out.

    Raises:
        UsageError: there is no such incident; names the nearest.
    """
    from trading_bot.chaos.catalogue import INCIDENTS, incident_by_name

    sets = {"all": list(INCIDENTS), "quick": [one.name for one in INCIDENTS.values() if one.quick]}
    chosen = [one for name in names for one in sets.get(name, [name])]
    return [incident_by_name(name).name for name in dict.fromkeys(chosen)]


def _tell(result: "Result") -> None:
    verdict = typer.style("passed", fg="green") if result.passed else typer.style("FAILED", fg="red", bold=True)
    typer.echo(
        f"{verdict}  {result.name:<36} {' '.join(result.source):<22} {result.wall_s:>5.1f} s  "
        f"{result.executions:>3} executions, without a stop {result.naked_s * 1000:.0f} ms"
    )
    for violation in result.violations:
        typer.echo(f"        {violation.invariant}: {violation.text}")
    if not result.passed:
        typer.echo(f"        kept in {result.folder}")
