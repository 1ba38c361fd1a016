"""`trading-bot latency fit` and `latency curve`: how long messages take, and what that costs."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from trading_bot import cli_options as options
from trading_bot import cli_run, log_setup
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json, write_pairs, write_table
from trading_bot.domain.errors import UsageError
from trading_bot.domain.latency_model import LatencyModel
from trading_bot.domain.units import NS_PER_MS, iso_from_ns

if TYPE_CHECKING:
    from trading_bot.research.latency_curve import LatencyCurve

app = typer.Typer(no_args_is_help=True)

_MODES: Final = {"files": "BACKTEST", "sim": "SIM"}
_SHOWN: Final = (("p50", 500_000), ("p90", 900_000), ("p99", 990_000), ("max", 1_000_000))


@app.command()
def fit(
    ctx: typer.Context,
    logs: Annotated[list[Path], typer.Argument(metavar="LOG...", help="Log folders of runs on PAPER or LIVE.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="File of the model (JSON), for simulator.latency_model.")],
    buckets: Annotated[int, typer.Option("--buckets", help="At most so many bursts are told apart, 1 to 8.")] = 4,
    simulated: Annotated[bool, typer.Option("--simulated", help="Also orders that a simulator answered.")] = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Fit how long orders took, by the burst they left in, for the exchange simulator."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    from trading_bot.latency_files import write_latency_model
    from trading_bot.research.latency_model import fit as fit_model
    from trading_bot.research.latency_model import read_samples

    folders = dict.fromkeys(log_folder(asked, log).resolve() for log in logs)
    model = fit_model(
        [read_samples(folder) for folder in folders], simulated=simulated, buckets_max=buckets, fitted_at=_now()
    )
    write_latency_model(out, model)
    if asked.as_json:
        write_json({"file": str(out), "model": model})
        return
    _show_model(out, model)


def _now() -> str:
    """UTC to the second."""
    return f"{iso_from_ns(time.time_ns())[:19]}Z"


def _show_model(out: Path, model: LatencyModel) -> None:
    write_pairs(
        f"Latency model of {model.instrument}: {out}",
        [
            ("orders answered", model.samples),
            ("own part measured", model.measured),
            ("not used", f"{model.unanswered} unanswered, {model.rejected} rejected, {model.interrupted} interrupted"),
            ("logs", ", ".join(log.run_id for log in model.logs)),
        ],
    )
    columns = (
        "ticks in the second before",
        "orders",
        *(f"{way} {name} ms" for way in ("out", "back") for name, _ in _SHOWN),
    )
    ends = [f"to {bucket.burst_min - 1}" for bucket in model.buckets[1:]] + ["or more"]
    write_table(
        "By burst",
        columns,
        [
            (
                f"{bucket.burst_min} {end}",
                bucket.samples,
                *(
                    f"{table[model.points.index(point)] / NS_PER_MS:.3f}"
                    for table in (bucket.entry_ns, bucket.response_ns)
                    for _, point in _SHOWN
                ),
            )
            for bucket, end in zip(model.buckets, ends, strict=True)
        ],
    )


@app.command()
def curve(
    ctx: typer.Context,
    *,
    scales: Annotated[
        str, typer.Option("--scales", metavar="X,X,...", help="Times the latency; 0 is none.")
    ] = "0,0.5,1,2,4",
    adapter: options.Adapter = None,
    instrument: options.Instrument = None,
    strategies: options.Strategies = None,
    profile: options.Profile = None,
    duration: options.Duration = None,
    seed: options.Seed = None,
    inputs: options.Inputs = None,
    history: options.History = None,
    date: options.Date = None,
    columns: options.Columns = None,
    start: options.Start = None,
    keep: Annotated[Path | None, typer.Option("--keep", help="Folder for the runs; else they are dropped.")] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Run the same market with longer and shorter latencies: what would a faster line be worth?"""
    asked = common(ctx, data_dir, config, as_json=as_json)
    source = adapter or ("files" if inputs else "sim")
    if source not in _MODES:
        raise UsageError(f"--adapter {source}: a curve runs one market several times; expected {' or '.join(_MODES)}")
    run_asked = cli_run.Asked(
        mode=_MODES[source],
        adapter=source,
        instrument=instrument,
        strategies=strategies,
        profile=profile,
        duration_s=duration,
        seed=seed,
        inputs=tuple(inputs or ()),
        history=tuple(history or ()),
        date=date,
        columns=columns,
        start=start,
        host=None,
        port=None,
        client_id=None,
        account=None,
        arm=False,
        clock=None,
        speed=None,
    )
    found = _drawn(asked, run_asked, _factors(scales), keep)
    if asked.as_json:
        write_json(found)
        return
    _show_curve(found)


def _drawn(asked: Common, run_asked: cli_run.Asked, factors: list[float], keep: Path | None) -> "LatencyCurve":
    loaded = cli_run.loaded_for(asked, run_asked)
    run_id = log_setup.new_run_id()
    log_setup.start_logging(asked.data_dir, run_id=run_id)
    from trading_bot.research.latency_curve import latency_curve

    run_options = cli_run.options_for(asked, run_asked, loaded, run_id, None)
    with TemporaryDirectory(prefix="latency-curve-") as temporary:
        found = latency_curve(run_options, factors, keep or Path(temporary))
    if keep is not None:
        return found
    points = tuple(msgspec.structs.replace(point, log_path="") for point in found.points)
    return msgspec.structs.replace(found, points=points)


def _show_curve(found: "LatencyCurve") -> None:
    write_table(
        f"{found.instrument}, {found.mode}, latencies {found.latency_model or 'as configured'}",
        ("latency", "order to answer p50 ms", "p99 ms", "net USD", "entries", "filled", "missed", "fills", "trades"),
        [
            (
                f"x{point.scale:g}",
                _ms(point.trip_ms_p50),
                _ms(point.trip_ms_p99),
                f"{point.pnl_usd:,.2f}",
                point.entries,
                point.filled,
                point.missed,
                point.fills,
                point.trades,
            )
            for point in found.points
        ],
    )


def _factors(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--scales {text!r}: expected numbers with commas between them, such as 0,0.5,1,2,4"
        ) from error


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
