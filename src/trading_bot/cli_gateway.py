"""`trading-bot gateway-sim`: a simulated gateway on this machine, to run the bot's IBKR adapter against."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from trading_bot import cli_options as options
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json
from trading_bot.domain.errors import UsageError
from trading_bot.domain.units import iso_from_ns

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import GatewayConfig

app = typer.Typer()

# Lines of these are shown; all are in the log file.
_ALARMING = frozenset(
    {"bug", "no_client", "unknown_request", "bad_request", "pacing", "client_id_taken", "not_reading"}
)


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """Where a gateway listens, and what it plays; `start` is ISO 8601 in UTC."""

    host: str
    port: int
    account: str
    seed: int
    start: str
    speed: float
    clock_from: str


@app.command("gateway-sim")
def gateway_sim(
    ctx: typer.Context,
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one. Default: 4002")] = 4002,
    host: Annotated[str, typer.Option("--host", help="A loopback address.")] = "127.0.0.1",
    account: Annotated[str, typer.Option("--account", help="DUSIM and letters or digits.")] = "DUSIM1",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the generated market.")] = 7,
    start: Annotated[
        str | None, typer.Option("--start", metavar="TIME", help="Market time when the clock begins.")
    ] = None,
    speed: Annotated[float, typer.Option("--speed", help="Market seconds a second.")] = 1.0,
    clock_from: Annotated[
        str,
        typer.Option("--clock-from", metavar="connect|launch", help="When the market's clock begins."),
    ] = "connect",
    inputs: Annotated[
        list[Path] | None, typer.Option("--input", help="Market data file instead of a generated market; repeatable.")
    ] = None,
    scenario: Annotated[Path | None, typer.Option("--scenario", help="Faults by market time (TOML).")] = None,
    equity: Annotated[float, typer.Option("--equity", metavar="USD", help="The account's cash.")] = 10_000.0,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Play an IB gateway on this machine: market data, orders, faults on request. Nothing leaves the machine."""
    import asyncio

    import uvloop

    from trading_bot.adapters.gateway.gateway import START_NS_DEFAULT, GatewayConfig
    from trading_bot.market_sources import parse_start

    asked = common(ctx, data_dir, config, as_json=as_json)
    if clock_from not in {"connect", "launch"}:
        raise UsageError(f"--clock-from {clock_from!r}: expected connect or launch")
    settings = GatewayConfig(
        host=host,
        port=port,
        account=account,
        seed=seed,
        start_ns=START_NS_DEFAULT if start is None else parse_start(start),
        speed=speed,
        clock_from="launch" if clock_from == "launch" else "connect",
        inputs=tuple(inputs or ()),
        scenario=scenario,
        equity_usd=equity,
    )
    # A server stays inside its loop, where uvloop is the faster one (docs/adr/0017).
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_play(asked, settings))


async def _play(asked: Common, settings: "GatewayConfig") -> None:
    import asyncio
    import signal

    from trading_bot import log_setup
    from trading_bot.adapters.gateway.gateway import Gateway

    log_setup.start_logging(asked.data_dir, run_id=log_setup.new_run_id())
    log = log_setup.get_logger()

    def tell(event: str, values: dict[str, Any]) -> None:
        shown = event in _ALARMING or (event.startswith(("client", "scenario")) and not asked.as_json)
        (log.warning if event in _ALARMING else log.info)(f"gateway_{event}", **values, on_console=shown)

    gateway = Gateway(settings, tell)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, gateway.stop)
    await gateway.start()
    _announce(asked, gateway.port, settings)
    await gateway.serve()


def _announce(asked: Common, port: int, settings: "GatewayConfig") -> None:
    place = Listening(
        host=settings.host,
        port=port,
        account=settings.account,
        seed=settings.seed,
        start=iso_from_ns(settings.start_ns)[:19] + "Z",
        speed=settings.speed,
        clock_from=settings.clock_from,
    )
    if asked.as_json:
        write_json(place)
        return
    begins = "the first client starts it" if place.clock_from == "connect" else "it runs"
    typer.echo(
        f"gateway-sim listens on {place.host}:{place.port}: account {place.account}, seed {place.seed}, market time "
        f"{place.start} at {place.speed:g} x ({begins}). Ctrl-C ends it."
    )
