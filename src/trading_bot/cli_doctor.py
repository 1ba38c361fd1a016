"""`trading-bot doctor`: what the machine offers, and whether the bot can trade on it. Works while the bot runs."""

import time
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

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}

Quick = Annotated[bool, typer.Option("--quick", help="Measure nothing: read and ask only.")]
NoGateway = Annotated[bool, typer.Option("--no-gateway", help="Do not ask a gateway.")]


@app.command()
def doctor(
    ctx: typer.Context,
    *,
    quick: Quick = False,
    no_gateway: NoGateway = False,
    profile: options.Profile = None,
    strategies: options.Strategies = None,
    host: options.Host = None,
    port: options.Port = None,
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
        Asked(data_dir=asked.data_dir, host=host or HOST_DEFAULT, port=port, quick=quick, gateway=not no_gateway),
        load,
        now_ns=now_ns,
        ts=iso_from_ns(now_ns),
    )
    if asked.as_json:
        write_json(report)
    else:
        _print(report)
    raise typer.Exit(report.exit_code)


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
