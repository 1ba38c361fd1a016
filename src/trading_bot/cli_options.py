"""The options of the command line, declared once (specification, section 13)."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

DATA_DIR_DEFAULT: Final = Path("data")
RUN_PANEL: Final = "Run"
SOURCE_PANEL: Final = "Market data"
GATEWAY_PANEL: Final = "Gateway (--adapter ibkr)"
COMMON_PANEL: Final = "Every command"

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Logs and state. Default: data", rich_help_panel=COMMON_PANEL, show_default=False),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file, or the name of a shipped one.", rich_help_panel=COMMON_PANEL),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else.", rich_help_panel=COMMON_PANEL)
]
Mode = Annotated[
    str | None,
    typer.Option(
        "--mode", metavar="OBSERVE|PAPER|LIVE|BACKTEST|SIM", help="Default: OBSERVE", rich_help_panel=RUN_PANEL
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option("--adapter", metavar="ibkr|sim|files", help="Default: ibkr", rich_help_panel=RUN_PANEL),
]
Instrument = Annotated[
    str | None,
    typer.Option("--instrument", metavar="SYMBOL", help="Instrument traded. Default: MES", rich_help_panel=RUN_PANEL),
]
Strategies = Annotated[
    Path | None, typer.Option("--strategies", help="Strategy templates (TOML).", rich_help_panel=RUN_PANEL)
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="scalper|conservative", help="Set of limits.", rich_help_panel=RUN_PANEL),
]
Rules = Annotated[
    Path | None,
    typer.Option("--rules", help="Rule pack of the account (TOML; docs/rules.md).", rich_help_panel=RUN_PANEL),
]
Duration = Annotated[
    float | None,
    typer.Option(
        "--duration",
        metavar="SECONDS",
        help="End after this long: market time for sim and files, wall time for ibkr.",
        rich_help_panel=RUN_PANEL,
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.", rich_help_panel=RUN_PANEL)]
Inputs = Annotated[
    list[Path] | None,
    typer.Option("--input", help="File, or folder with --date; repeatable.", rich_help_panel=SOURCE_PANEL),
]
History = Annotated[
    list[Path] | None,
    typer.Option(
        "--history",
        help="File, folder or log before the input, to warm signals up; repeatable.",
        rich_help_panel=SOURCE_PANEL,
    ),
]
Date = Annotated[
    str | None,
    typer.Option(
        "--date", metavar="YYYY-MM-DD", help="Day of a folder given as --input.", rich_help_panel=SOURCE_PANEL
    ),
]
ExcludeFlagged = Annotated[
    bool,
    typer.Option(
        "--exclude-flagged",
        help="Of a log as --input, leave out the minutes whose data are flagged (docs/parity.md).",
        rich_help_panel=SOURCE_PANEL,
    ),
]
Columns = Annotated[
    Path | None,
    typer.Option("--columns", help="Meaning of the columns of a CSV file (TOML).", rich_help_panel=SOURCE_PANEL),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="TIME",
        help="Start of a simulated market. Default: 2026-11-25T14:20:00Z",
        rich_help_panel=SOURCE_PANEL,
    ),
]
Host = Annotated[
    str | None, typer.Option("--host", help="Default: 127.0.0.1", rich_help_panel=GATEWAY_PANEL, show_default=False)
]
Port = Annotated[
    int | None,
    typer.Option("--port", help="Default: 4002, in mode LIVE 4001", min=1, max=65535, rich_help_panel=GATEWAY_PANEL),
]
ClientId = Annotated[int | None, typer.Option("--client-id", help="Default: 1", min=0, rich_help_panel=GATEWAY_PANEL)]
Account = Annotated[
    str | None, typer.Option("--account", help="Account id; paper ids start with D.", rich_help_panel=GATEWAY_PANEL)
]
Arm = Annotated[bool, typer.Option("--arm", help="Required by LIVE: real orders leave.", rich_help_panel=GATEWAY_PANEL)]
Clock = Annotated[
    str | None,
    typer.Option("--clock", metavar="system|feed", help="feed: of a simulated gateway.", rich_help_panel=GATEWAY_PANEL),
]
Speed = Annotated[
    float | None,
    typer.Option(
        "--speed",
        help="Market seconds a second: of the feed's clock, or of a simulated market.",
        rich_help_panel=GATEWAY_PANEL,
    ),
]
Log = Annotated[Path, typer.Argument(metavar="LOG", help="Log folder of a run, or one log in it.")]


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """What every command takes."""

    data_dir: Path
    config: Path | None
    as_json: bool


def common(ctx: typer.Context, data_dir: Path | None, config: Path | None, *, as_json: bool) -> Common:
    """Options of a subcommand over those given before its name: `trading-bot --data-dir X replay LOG` works too."""
    outer = ctx.obj if isinstance(ctx.obj, Common) else None
    return Common(
        data_dir=data_dir or (outer.data_dir if outer else DATA_DIR_DEFAULT),
        config=config or (outer.config if outer else None),
        as_json=as_json or bool(outer and outer.as_json),
    )
