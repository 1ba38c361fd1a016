"""`trading-bot reconcile`: what the comparisons with the broker found and what was done, from another process.

It asks nobody anything: the bot compares by itself every 30 s, at every connection and on every surprise, and shows the
newest comparison in its status. With a log it reads every comparison of that log.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from trading_bot import cli_options as options
from trading_bot.bot_view import check_folder, view
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json, write_pairs, write_table
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.reconciling import ReconciliationDone
from trading_bot.domain.units import iso_from_ns
from trading_bot.engines.reconciliation import TABLE

_TAG = b"RECONCILIATION_DONE"

app = typer.Typer()

Explain = Annotated[bool, typer.Option("--explain", help="Also say what each row of the table means and asks for.")]
FromLog = Annotated[
    Path | None, typer.Option("--log", metavar="LOG", help="Read a log instead of the status of the running bot.")
]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the comparisons. `last` is a RECONCILIATION_DONE, empty before the first; `problem` says why."""

    source: str
    age_s: float | None
    runs: int
    last: dict[str, Any]
    rows: dict[str, int]
    problem: str


@app.command()
def reconcile(
    ctx: typer.Context,
    *,
    explain: Explain = False,
    log: FromLog = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what the bot's comparisons with the broker found, and what was done about it."""
    asked = common(ctx, data_dir, config, as_json=as_json)
    found = _from_status(asked) if log is None else _from_log(asked, log)
    table = [
        {
            "row": rule.row.value,
            "found": found.rows.get(rule.row.value, 0),
            "deed": rule.deed.value,
            "severity": rule.severity.value,
            "when": rule.when,
            "why": rule.why,
        }
        for rule in TABLE
    ]
    if asked.as_json:
        write_json({**msgspec.to_builtins(found), "table": table if explain else []})
        return
    _print(found)
    if explain:
        columns = ("row", "found", "done", "alert", "it means", "why")
        rows = [(one["row"], one["found"], one["deed"], one["severity"], one["when"], one["why"]) for one in table]
        write_table("The truth table (docs/reconciliation.md)", columns, rows)
    if found.problem:
        typer.echo(f"{typer.style('note:', fg='yellow', bold=True)} {found.problem}", err=True)


def _from_status(asked: Common) -> Report:
    check_folder(asked)
    seen = view(asked)
    status = seen.status
    problem = seen.problem
    if status is not None and not status.reconciliation:
        nothing = "the bot has not compared anything with a broker yet"
        if status.adapter != "ibkr":
            nothing = f"adapter {status.adapter}: a simulator stands for the broker, so there is nothing to compare"
        problem = problem or nothing
    return Report(
        source=f"the status in {asked.data_dir}",
        age_s=seen.status_age_s,
        runs=0 if status is None else status.reconciliations,
        last={} if status is None else status.reconciliation,
        rows={} if status is None else status.reconciled_rows,
        problem=problem,
    )


def _from_log(asked: Common, log: Path) -> Report:
    folder = log_folder(asked, log)
    last: ReconciliationDone | None = None
    rows: Counter[str] = Counter()
    runs = 0
    for one in _comparisons(session_logs(folder)):
        last, runs = one, runs + 1
        rows.update(finding.row.value for finding in one.findings)
    return Report(
        source=str(folder),
        age_s=None,
        runs=runs,
        last={} if last is None else msgspec.to_builtins(last),
        rows=dict(rows),
        problem="" if runs else f"{folder} has no comparison with a broker: was a simulator or a file traded?",
    )


def _comparisons(logs: Iterable[Path]) -> Iterable[ReconciliationDone]:
    for log in logs:
        with LogReader(log) as reader:
            for item in reader.spans():
                # Only these are decoded: a day has a few thousand of them among millions of records.
                if isinstance(item, MessageFrame) and _TAG in bytes(item.payload):
                    record = log_records.decode(item.payload)
                    if isinstance(record, ReconciliationDone):
                        yield record


def _print(found: Report) -> None:
    last = found.last
    age = "" if found.age_s is None else f", {found.age_s:.1f} s ago"
    if not last:
        write_pairs("Reconciliation", [("source", found.source + age), ("comparisons", found.runs)])
        return
    settling = " (orders were moving: asked again)" if last["settling"] else ""
    known = "NOT KNOWN" if last["position_qty"] is None else f"{last['position_qty']:+d}"
    write_pairs(
        "Reconciliation",
        [
            ("source", found.source + age),
            ("comparisons", f"{found.runs}: " + ", ".join(f"{name} {count}" for name, count in found.rows.items())),
            ("newest", f"{iso_from_ns(last['ts_ns'])} {last['reason'] or 'unasked'}{settling}"),
            ("answered", "yes" if last["ok"] else "NO"),
            ("position", f"{last['ours_qty']:+d} here, {last['theirs_qty']:+d} at the broker; now {known}"),
            ("orders", f"{last['ours_working']} here, {last['theirs_working']} at the broker"),
        ],
    )
    rows = [
        (
            one["row"],
            "asked again" if last["settling"] else one["deed"],
            one.get("leg") or "",
            one["order_ref"],
            one["ours"],
            one["theirs"],
        )
        for one in last["findings"]
    ]
    write_table("Found", ("row", "done", "leg", "order", "here", "at the broker"), rows)
