"""`trading-bot learning show`: where each template stands, on what evidence, and what would change it."""

from pathlib import Path
from typing import Annotated

import typer

from trading_bot import cli_options as options
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json, write_table
from trading_bot.core.learning_file import FILE_NAME, load_learning
from trading_bot.domain.errors import UsageError

learning_app = typer.Typer(
    no_args_is_help=True, help="What the bot learns from its trades: states, evidence, parameters (docs/learning.md)."
)

Source = Annotated[
    Path | None, typer.Argument(metavar="[LOG]", help="Log of a run; without one the state in --data-dir.")
]


@learning_app.callback()
def learning() -> None:
    """States, evidence and parameters that were learned."""


@learning_app.command()
def show(
    ctx: typer.Context,
    *,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Print each template of both books: state, evidence, last change, and what would change it."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    document = load_learning(asked.data_dir / FILE_NAME)
    if document is None:
        raise UsageError(f"{asked.data_dir / FILE_NAME} does not exist; no run has saved a learning state there yet")
    if asked.as_json:
        write_json(document.state)
        return
    rows = [(row["template"], row["hypothetical"], row["state"]) for row in document.state["rows"]]
    write_table("Learning", ("template", "hypothetical", "state"), rows)
