"""`trading-bot doctor`: what the machine offers, and whether the bot can trade on it. Works while the bot runs."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.cli_options import common
from trading_bot.cli_output import console, write_json

if TYPE_CHECKING:
    from rich.text import Text

    from trading_bot.doctor.checks import Check
    from trading_bot.doctor.examine import Report

app = typer.Typer()

_DAY_START: Final = "2026-11-25T14:20:00Z"  # an ordinary Wednesday, ten minutes before the open
_DAY_S: Final = 24_000.0
_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}

Quick = Annotated[bool, typer.Option("--quick", help="Measure nothing: read and ask only.")]
NominalDay = Annotated[
    bool,
    typer.Option(
        "--nominal-day/--no-nominal-day",
        help="Play an ordinary day and tell which gates close how much of it (ten seconds).",
    ),
]
OwnId = Annotated[
    int, typer.Option("--client-id", min=1, help="Its own id at the gateway, for --account.", show_default=True)
]
NoGateway = Annotated[bool, typer.Option("--no-gateway", help="Do not ask a gateway.")]


@app.command()
def doctor(
    ctx: typer.Context,
    *,
    quick: Quick = False,
    no_gateway: NoGateway = False,
    nominal_day: NominalDay = True,
    profile: options.Profile = None,
    strategies: options.Strategies = None,
    host: options.Host = None,
    port: options.Port = None,
    account: options.Account = None,
    client_id: OwnId = 98,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what the machine offers and whether the bot can trade on it. Exit 0: nothing keeps it from trading."""
    from trading_bot.adapters.ibkr.probe import HOST_DEFAULT
    from trading_bot.config_files import LoadedConfig, load_config, process_environment
    from trading_bot.doctor.examine import Asked, examine
    from trading_bot.domain.units import iso_from_ns

    asked = common(ctx, data_dir, config, as_json=as_json)

    def load() -> LoadedConfig:
        return load_config(asked.config, profile=profile, strategies=strategies, environment=process_environment())

    now_ns = time.time_ns()
    report = examine(
        Asked(
            data_dir=asked.data_dir,
            host=host or HOST_DEFAULT,
            port=port,
            quick=quick,
            gateway=not no_gateway,
            account=account,
            client_id=client_id,
            nominal=(lambda name: _nominal(name, asked.config, strategies)) if nominal_day else None,
        ),
        load,
        now_ns=now_ns,
        ts=iso_from_ns(now_ns),
    )
    if asked.as_json:
        write_json(report)
    else:
        _print(report)
    raise typer.Exit(report.exit_code)


def _nominal(profile: str, config: Path | None, strategies: Path | None) -> "Check":
    """An ordinary generated day under this configuration, in a folder that goes again."""
    from trading_bot import log_setup
    from trading_bot.build_digest import build_digest
    from trading_bot.config_files import RunOptions, load_config, process_environment
    from trading_bot.doctor.checks import fail
    from trading_bot.doctor.nominal import SECTION, nominal_check
    from trading_bot.domain.errors import BotError
    from trading_bot.research.nominal_day import WARN_ABOVE, nominal_day
    from trading_bot.wiring import run

    with tempfile.TemporaryDirectory(prefix="doctor-") as folder:
        log_setup.start_logging(Path(folder), run_id="nominal", console="critical")
        try:
            loaded = load_config(
                config,
                profile=profile,
                strategies=strategies,
                environment=process_environment(),
                overrides={"run.mode": "OBSERVE", "run.adapter": "sim"},
            )
            options = RunOptions(
                loaded=loaded, data_dir=Path(folder), run_id="nominal", seed=1, start=_DAY_START, duration_s=_DAY_S
            )
            day = nominal_day(Path(run(options).log_path), build=build_digest())
        except BotError as error:
            return fail(SECTION, "nominal day", "cannot be played", str(error), exit_code=error.exit_code)
    return nominal_check(profile, day.minutes, day.open_share, day.gates, WARN_ABOVE)


def _print(report: "Report") -> None:
    """A table a section; what to do stands below its line."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    for section in dict.fromkeys(check.section for check in report.checks):
        table = Table(box=SIMPLE, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for check in report.checks:
            if check.section == section:
                table.add_row(
                    Text(check.status.value, style=_COLOURS[check.status.value]), Text(check.name), _said(check)
                )
        console().print(Text(section, style="bold"), table)
    typer.echo(_verdict(report))


def _said(check: "Check") -> "Text":
    from rich.text import Text

    text = Text(check.found)
    if check.todo:
        text.append(f"\n{'-> ' if check.status.value != 'ok' else 'better: '}{check.todo}", style="dim")
    return text


def _verdict(report: "Report") -> str:
    warned = f"{report.warns} to look at" if report.warns else "nothing else to look at"
    if report.ok:
        return f"Nothing keeps the bot from trading here; {warned}."
    return f"{report.fails} keep the bot from trading; {warned}."
