"""`trading-bot record` and `trading-bot ticks download`: the broker's market data, kept."""

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from trading_bot import cli_options as options
from trading_bot import cli_run
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import progress_bar, write_json, write_pairs
from trading_bot.domain.errors import UsageError
from trading_bot.domain.units import NS_PER_S

app = typer.Typer()
ticks = typer.Typer(help="The broker's historical ticks.")
app.add_typer(ticks, name="ticks")

_KINDS: Final = {"trades": "TRADES", "quotes": "BID_ASK"}


@app.command()
def record(
    ctx: typer.Context,
    *,
    adapter: options.Adapter = None,
    instrument: options.Instrument = None,
    duration: options.Duration = None,
    seed: options.Seed = None,
    start: options.Start = None,
    host: options.Host = None,
    port: options.Port = None,
    client_id: options.ClientId = None,
    account: options.Account = None,
    clock: options.Clock = None,
    speed: options.Speed = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Write the feed to a log without deciding anything: no strategy runs, no order is made."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    raise typer.Exit(
        cli_run.run(
            asked,
            cli_run.Asked(
                mode="OBSERVE",
                adapter=adapter,
                instrument=instrument,
                strategies=None,
                profile=None,
                duration_s=duration,
                seed=seed,
                inputs=(),
                history=(),
                date=None,
                columns=None,
                start=start,
                host=host,
                port=port,
                client_id=client_id,
                account=account,
                arm=False,
                clock=clock,
                speed=speed,
                decides=False,
            ),
        )
    )


class Downloaded(msgspec.Struct, frozen=True, kw_only=True):
    """What a download has by now; times in seconds since the epoch, UTC."""

    folder: str
    contract: str
    what: str
    begin_s: int
    end_s: int
    ticks: int
    pages: int


@ticks.command("download")
def download(
    ctx: typer.Context,
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder for the files; an interrupted download goes on there.")],
    start: Annotated[str, typer.Option("--start", metavar="TIME", help="From this time on, ISO 8601.")],
    end: Annotated[str, typer.Option("--end", metavar="TIME", help="Up to this time, ISO 8601.")],
    what: Annotated[str, typer.Option("--what", metavar="trades|quotes", help="What to fetch.")] = "trades",
    instrument: options.Instrument = None,
    host: options.Host = None,
    port: options.Port = None,
    client_id: options.ClientId = None,
    account: options.Account = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Fetch historical ticks from the broker into Parquet files, with its pace; give it again to go on."""
    from trading_bot.config_files import load_config, process_environment
    from trading_bot.market_sources import parse_start

    asked = common(ctx, data_dir, config, as_json=as_json)
    if what not in _KINDS:
        raise UsageError(f"--what {what!r}: expected {' or '.join(_KINDS)}")
    begin_s, end_s = (parse_start(text) // NS_PER_S for text in (start, end))
    if begin_s >= end_s:
        raise UsageError(f"--start {start} is not before --end {end}")
    overrides = {} if instrument is None else {"run.instrument": instrument}
    loaded = load_config(asked.config, environment=process_environment(), overrides=overrides)
    place: dict[str, Any] = {"host": host, "port": port, "client_id": client_id, "account": account}
    try:
        with progress_bar(wanted=not as_json) as on_progress:
            done = _download(loaded.config, place, out, _KINDS[what], (begin_s, end_s), on_progress)
    except KeyboardInterrupt:
        if not asked.as_json:
            typer.echo(f"what has come is kept in {out}; the same command goes on from there", err=True)
        raise
    if asked.as_json:
        write_json(done)
        return
    _show(asked, done)


def _download(
    config: Any, place: dict[str, Any], out: Path, what: Any, span_s: tuple[int, int], on_progress: Any
) -> Downloaded:
    from trading_bot.adapters.ibkr import probe
    from trading_bot.adapters.ibkr.contracts import bind
    from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings
    from trading_bot.adapters.ibkr.tick_download import download as fetch
    from trading_bot.domain.instruments import instrument_by_symbol

    settings = IbkrSettings(
        host=place["host"] or probe.HOST_DEFAULT,
        port=place["port"] or probe.PORT_PAPER,
        client_id=1 if place["client_id"] is None else place["client_id"],
        account=place["account"],
        connect_timeout_s=config.ibkr.connect_timeout_s,
        request_timeout_s=config.ibkr.request_timeout_s,
    )
    probe.probe(settings.host, settings.port)
    session = IbkrSession(settings)
    try:
        session.connect()
        bound = bind(session, instrument_by_symbol(config.run.instrument), config)
        done = fetch(session, bound, out, what=what, begin_s=span_s[0], end_s=span_s[1], on_progress=on_progress)
    finally:
        session.close()
    return Downloaded(
        folder=str(out),
        contract=done.contract,
        what=done.what,
        begin_s=done.begin_s,
        end_s=done.end_s,
        ticks=done.ticks,
        pages=done.pages,
    )


def _show(_asked: Common, done: Downloaded) -> None:
    write_pairs(f"Ticks of {done.contract}", list(msgspec.structs.asdict(done).items()))
