"""`trading-bot learning show`: where each template stands, on what evidence, and what would change it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trading_bot import cli_options as options
from trading_bot.bot_view import check_folder
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common, common
from trading_bot.cli_output import write_json, write_pairs, write_table

if TYPE_CHECKING:
    from trading_bot.core.documents import RunDocuments
    from trading_bot.reports.learning_state import Learned
    from trading_bot.reports.learning_view import CostView, Judged, LearningView, TemplateView

learning_app = typer.Typer(
    no_args_is_help=True, help="What the bot learns from its trades: states, evidence, parameters (docs/learning.md)."
)

Log = Annotated[
    Path | None, typer.Argument(metavar="[LOG]", help="Log of a run; without one the saved state in --data-dir.")
]


@learning_app.callback()
def learning() -> None:
    """States, evidence and parameters that were learned."""


@learning_app.command()
def show(
    ctx: typer.Context,
    log: Log = None,
    *,
    template: Annotated[str | None, typer.Option("--template", metavar="NAME", help="Only this template.")] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Print each template of both books: state, evidence, last change, and what would change it."""
    from trading_bot.domain.errors import UsageError
    from trading_bot.reports.learning_view import view

    asked = common(ctx, data_dir, config, as_json=as_json)
    found = view(_learned(asked, log))
    if template is not None:
        chosen = tuple(row for row in found.templates if row.template == template)
        if not chosen:
            known = ", ".join(dict.fromkeys(row.template for row in found.templates)) or "none"
            raise UsageError(f"{found.source} knows no template {template}; it has {known}")
        found = _only(found, chosen)
    if asked.as_json:
        write_json(found)
        return
    _print(found)


def _only(found: "LearningView", chosen: tuple["TemplateView", ...]) -> "LearningView":
    import msgspec

    return msgspec.structs.replace(found, templates=chosen)


def _learned(asked: Common, log: Path | None) -> "Learned":
    from trading_bot.reports import learning_state

    if log is not None:
        return learning_state.learned_from_log(log_folder(asked, log))
    check_folder(asked)
    documents = _documents(asked)
    found = learning_state.learned_from_file(asked.data_dir, documents)
    return found or learning_state.nothing_learned(f"{asked.data_dir}: nothing saved yet", documents)


def _documents(asked: Common) -> "RunDocuments":
    """The configuration that the next run with these options would have."""
    from trading_bot.config_files import load_config, process_environment
    from trading_bot.core.documents import RunDocuments
    from trading_bot.domain.instruments import instrument_by_symbol

    loaded = load_config(asked.config, environment=process_environment())
    instrument = instrument_by_symbol(loaded.config.run.instrument)
    return RunDocuments(config=loaded.config, templates=loaded.templates, instrument=instrument)


def _print(found: "LearningView") -> None:
    title = found.source if not found.seq else f"{found.source}, up to record {found.seq:,}"
    if found.log and found.log != found.source:
        title += f" of {found.log}"
    for book in ("real", "hypothetical"):
        rows = [row for row in found.templates if row.book == book]
        if not rows:
            continue
        mark = " (this run decides on them)" if found.decides_on == book else ""
        typer.echo(f"\nHYPOTHETICAL trades{mark}" if book == "hypothetical" else f"\nReal trades{mark}")
        if any(_used(row) for row in rows) or found.decides_on == book:
            _print_book(rows, found.costs)
        else:
            typer.echo(f"none yet; at their prior: {', '.join(row.template for row in rows)}")
    typer.echo(f"\nFrom {title}")


def _print_book(rows: list["TemplateView"], costs: tuple["CostView", ...]) -> None:
    book = rows[0].book
    write_table(
        "Where each template stands (USD a trade, net of commission; P is P(expectancy > 0))",
        ("template", "state", "throttle", "since", "n", "wins", "mean", "sd", "P", "drawdown", "all trades", "net USD"),
        [_row(row) for row in rows],
    )
    typer.echo("An entry needs edge - uncertainty of at least throttle x (cost + minimum EUC), all in ticks.\n")
    fresh = [row for row in rows if not _used(row)]
    for row in rows:
        if row not in fresh:
            _print_changes(row.template, row)
    if fresh:
        _print_changes(f"Without a trade yet: {', '.join(row.template for row in fresh)}", fresh[0])
    keys = [
        (
            row.template,
            key.regime or "-",
            key.bucket or "-",
            key.n,
            key.wins,
            f"{key.mean_usd:+.2f}",
            f"{key.estimate_usd:+.2f}",
        )
        for row in rows
        for key in row.keys
    ]
    if keys:
        write_table(
            "Finer keys (USD a trade; they only lower an estimate; part 0 is before the RTH open, 6 after its close)",
            ("template", "regime", "part of the day", "n", "wins", "mean", "estimate"),
            keys,
        )
    write_table(
        "Belief (kept: share of its promise that counts, now and from the next session)",
        ("template", "win rate", "sigma_p", "confidence", "kept", "next", "trades", "Brier", "ECE"),
        [_belief(row) for row in rows if _used(row)],
    )
    bins = [
        (row.template, f"{part.low:.1f}-{part.high:.1f}", part.n, part.wins, *(f"{value:.3f}" for value in values))
        for row in rows
        for part in row.reliability.bins
        for values in [(part.promised, part.wins / part.n, part.posterior)]
    ]
    if bins:
        write_table(
            "Belief against outcome",
            ("template", "belief", "n", "wins", "promised", "won", "posterior"),
            bins,
        )
    for cost in costs:
        if cost.book == book:
            _print_costs(cost)


def _row(row: "TemplateView") -> tuple[object, ...]:
    evidence = row.evidence
    return (
        row.template,
        row.state,
        "sends nothing" if row.throttle is None else f"x{row.throttle:g}",
        _moment(row.since) if row.since else "the start",
        f"{evidence.n} shadow" if evidence.shadow else evidence.n,
        evidence.wins,
        f"{evidence.mean_usd:+.2f}",
        f"{evidence.sd_usd:.2f}",
        f"{evidence.p:.3f}",
        f"{evidence.drawdown_usd:.2f}",
        row.lifetime_trades,
        f"{row.lifetime_net_usd:+.2f}",
    )


def _used(row: "TemplateView") -> bool:
    return bool(row.lifetime_trades or row.shadow_trades or row.last_change)


def _print_changes(title: str, row: "TemplateView") -> None:
    change = row.last_change
    pairs: list[tuple[str, object]] = []
    if change is not None:
        where = "" if change.seq is None else f", record {change.seq}"
        pairs.append(("last change", f"{change.previous} -> {change.state}, {_moment(change.at)}{where}"))
        pairs.append(("its evidence", _evidence(change.evidence)))
    looks = "none" if row.next_look_trades is None else f"in {_trades(row)}"
    pairs.append(("next look", looks))
    pairs += [("would change it" if index == 0 else "", text) for index, text in enumerate(row.would_change)]
    write_pairs(title, pairs)


def _trades(row: "TemplateView") -> str:
    kind = "shadow trade" if row.evidence.shadow else "trade"
    return f"{row.next_look_trades} {kind}{'' if row.next_look_trades == 1 else 's'}"


def _moment(text: str) -> str:
    """To the second: a look is no matter of nanoseconds."""
    return f"{text[:19]}Z"


def _evidence(evidence: "Judged") -> str:
    threshold = f" (threshold {evidence.threshold:.2f})" if evidence.threshold else ""
    text = (
        f"{evidence.finding}: {evidence.n} {'shadow ' if evidence.shadow else ''}trades, {evidence.wins} wins, "
        f"mean {evidence.mean_usd:+.2f} USD, sd {evidence.sd_usd:.2f}, P {evidence.p:.3f}"
        f"{threshold}, drawdown {evidence.drawdown_usd:.2f} USD"
    )
    limit = evidence.drawdown_limit_usd
    return text if limit is None else f"{text} (limit {limit:.2f})"


def _belief(row: "TemplateView") -> tuple[object, ...]:
    brier, ece = row.reliability.brier, row.reliability.ece
    return (
        row.template,
        f"{row.win_rate:.3f}",
        f"{row.sigma_p:.3f}",
        f"{row.confidence:.2f}",
        f"{row.belief_factor:.3f}",
        f"{row.belief_factor_next:.3f}",
        row.belief_trades,
        "-" if brier is None else f"{brier:.3f}",
        "-" if ece is None else f"{ece:.3f}",
    )


def _print_costs(cost: "CostView") -> None:
    write_table(
        "Costs (in force, and what the next session would adopt)",
        ("value", "in force", "next", "from"),
        [
            (
                "entry slippage factor",
                f"{cost.entry_factor:.3f}",
                f"{cost.entry_factor_next:.3f}",
                f"{cost.entry_fills} fills",
            ),
            (
                "stop slippage factor",
                f"{cost.stop_factor:.3f}",
                f"{cost.stop_factor_next:.3f}",
                f"{cost.stop_fills} fills",
            ),
            (
                "round trip (USD)",
                f"{cost.round_trip_usd:.2f}",
                f"{cost.round_trip_next_usd:.2f}",
                f"{cost.lots} lots, each side",
            ),
        ],
    )
