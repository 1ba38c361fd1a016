"""`trading-bot config history`: what changed in the configuration from one start to the next, who set it, and when."""

from typing import Annotated

import msgspec
import typer

from trading_bot import cli_options as options
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json, write_pairs, write_table
from trading_bot.domain.errors import UsageError

app = typer.Typer()


@app.command()
def history(
    ctx: typer.Context,
    *,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Only this key, or those that begin with it.")
    ] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """List each change between the runs of a data directory: key, old, new, which layer set it, run and time."""
    from trading_bot.config_trail import config_history

    asked = common(ctx, data_dir, config, as_json=as_json)
    found = config_history(asked.data_dir)
    if not found.starts and not found.unread:
        raise UsageError(f"--data-dir {asked.data_dir}: holds no run yet; expected folders in {asked.data_dir}/runs")
    starts = [
        msgspec.structs.replace(start, changes=tuple(one for one in start.changes if one.key.startswith(key or "")))
        for start in found.starts
    ]
    if asked.as_json:
        write_json({"data_dir": str(asked.data_dir), "starts": starts, "unread": found.unread})
        return
    rows = [
        (start.when, start.run_id, start.mode, change.key, change.old, change.new, change.origin)
        for start in starts
        for change in start.changes
    ]
    title = f"{len(rows):,} changes over {len(starts):,} starts of {len({start.run_id for start in starts}):,} runs"
    write_table(title, ("started (UTC)", "run", "mode", "key", "old", "new", "set by"), rows)
    newest = starts[-1] if starts else None
    if newest is not None:
        write_pairs("Newest", [("run", newest.run_id), ("config_hash", newest.config_hash), ("build", newest.build)])
    broken = [(start.run_id, f"{start.log} record {start.seq}") for start in starts if not start.hash_holds]
    if broken:
        write_pairs("The configuration in the log does not have the hash it names; another version wrote it", broken)
    if found.unread:
        write_pairs("Not read", [(f"{number}", text) for number, text in enumerate(found.unread, 1)])
