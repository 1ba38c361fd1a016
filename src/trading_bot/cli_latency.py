"""`trading-bot latency show LOG`: how long each stage took, over the run and order by order."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from trading_bot import cli_options as options
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import common
from trading_bot.cli_output import write_json, write_pairs, write_table
from trading_bot.domain.units import NS_PER_MS, iso_from_ns

if TYPE_CHECKING:
    from trading_bot.reports.latency_report import LatencyReport, StageRow

_NS_PER_US: Final = 1_000
_MEANS: Final = {
    "decode": "packet at the socket to tick records",
    "decide": "tick records to the kernel's last word",
    "gate": "outcome to the order approved, and in the log",
    "write": "from there to its bytes given to the socket",
    "tick_to_write": "the four above together, of orders",
    "ack": "order written to the broker's first word",
    "fill": "order written to its first execution",
    "loop_lag": "a timer of the loop after its time",
}

app = typer.Typer(
    no_args_is_help=True, help="What was measured of the bot's speed, and a model of the way to the broker."
)


@app.command()
def show(
    ctx: typer.Context,
    log: options.Log,
    *,
    orders: Annotated[int, typer.Option("--orders", min=0, help="At most so many of the newest orders; 0: all.")] = 20,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the stages of a run at a broker, and what each order took. `--json` has every order."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    folder = log_folder(asked, log)
    from trading_bot.core.replay import session_logs
    from trading_bot.reports.latency_report import latency_report

    found = latency_report(folder, session_logs(folder))
    if asked.as_json:
        write_json(found)
        return
    if found.problem:
        typer.echo(f"{typer.style('note:', fg='yellow', bold=True)} {found.problem}", err=True)
        return
    _print(found, orders)


def _print(found: "LatencyReport", most: int) -> None:
    write_table(
        f"Stages in µs (docs/latency.md): {found.log}",
        ("stage", "count", "p50", "p90", "p99", "p99.9", "max", "from … to"),
        [_stage(row) for row in found.stages],
    )
    waiting = f"{found.waiting_inputs_max:,} inputs, {found.waiting_ticks_max:,} ticks"
    write_pairs(
        "Beside them",
        [
            ("measured", f"{found.measured_s:,.0f} s, {found.packets:,} packets, {found.frames:,} messages"),
            ("ticks", f"{found.ticks:,} decoded by the kernel; {found.declined:,} handed to the library"),
            ("waiting at most", f"{found.waiting_bytes_max:,} bytes unread, {waiting}"),
            ("collections", f"{found.collections:,}, the longest {_us(found.collection_ns_max)} µs"),
            ("gateway's clock", _clock(found)),
        ],
    )
    newest = found.orders[-most:] if most else found.orders
    if newest:
        title = f"Orders in µs ({len(newest)} of {len(found.orders)})"
        columns = ("told", "order", "leg", "decode", "decide", "gate", "write", "tick to write", "ack", "fill")
        write_table(
            title,
            columns,
            [
                (
                    iso_from_ns(row.ts_ns),
                    row.order,
                    row.leg,
                    *map(_us, (row.decode_ns, row.decide_ns, row.gate_ns, row.write_ns, row.tick_to_write_ns)),
                    *map(_us, (row.ack_ns, row.fill_ns)),
                )
                for row in newest
            ],
        )


def _stage(row: "StageRow") -> tuple[object, ...]:
    times = (row.p50_ns, row.p90_ns, row.p99_ns, row.p999_ns, row.max_ns)
    return row.stage.replace("_", " "), f"{row.count:,}", *map(_us, times), _MEANS[row.stage]


def _us(ns: int | None) -> str:
    return "-" if ns is None else f"{ns / _NS_PER_US:,.1f}"


def _clock(found: "LatencyReport") -> str:
    low_ns, high_ns = found.clock_low_ns, found.clock_high_ns
    if low_ns is None or high_ns is None:
        return "was not asked"
    steps = f"; set {found.clock_steps} times" if found.clock_steps else ""
    return f"{low_ns / NS_PER_MS:+,.1f} to {high_ns / NS_PER_MS:+,.1f} ms from ours{steps}"
