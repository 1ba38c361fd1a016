"""Why nothing was traded the rest of the time: skips by reason, refusals by check, candidates to orders to fills."""

from collections.abc import Sequence

from trading_bot.pages import numbers
from trading_bot.pages.day_inputs import DayInputs, Sourced
from trading_bot.pages.page import Block, Column, Row, Section, Table, Value
from trading_bot.pages.section_belief import funnel_table
from trading_bot.reports.day_tables import MEANINGS
from trading_bot.reports.fact_records import DecisionFact

_COLUMNS = (
    Column("reason"),
    Column("what it means", minor=True),
    Column("skips", number=True),
    Column("share", number=True),
    Column("most by", minor=True),
)


def why_not_section(inputs: DayInputs, sourced: Sourced) -> Section:
    """Skips, conversion and refusals."""
    facts = inputs.facts
    skips = [row for row in facts.decisions if row.action == "SKIP"]
    blocks: list[Block] = [_skips(skips, sourced)]
    if any(row.candidates for row in inputs.analysis.funnels):
        blocks.append(funnel_table(inputs.analysis.funnels, facts, sourced))
    checks: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for refusal in facts.refusals:
        for name in refusal.failed:
            checks.setdefault(name, []).append((refusal.log, (refusal.seq,)))
    if checks:
        blocks.append(
            Table(
                title="Refused by the safety gate",
                columns=(Column("check"), Column("orders", number=True)),
                rows=tuple(
                    Row(
                        (
                            name.lower().replace("_", " "),
                            Value(str(len(rows)), "", sourced.ref(f"refused by {name}", rows)),
                        )
                    )
                    for name, rows in sorted(checks.items(), key=lambda item: -len(item[1]))
                ),
                brief=True,
                half=True,
            )
        )
    entries = [row for row in facts.orders if row.leg == "ENTRY"]
    filled = [row for row in entries if row.filled_qty]
    return Section(
        anchor="why-not",
        title="Why not",
        short="Why not",
        lead=f"{len(facts.decisions):,} decisions, one per episode and reason: {len(skips):,} skips, "
        f"{len(entries):,} entries sent, {len(filled):,} of them filled, "
        f"{len(facts.refusals):,} refused by the safety gate.",
        blocks=tuple(blocks),
    )


def _skips(skips: Sequence[DecisionFact], sourced: Sourced) -> Table:
    reasons: dict[str, list[DecisionFact]] = {}
    for row in skips:
        reasons.setdefault(row.reason, []).append(row)
    ordered = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    most = max((len(rows) for rows in reasons.values()), default=1)
    lines = []
    for reason, rows in ordered:
        by: dict[str, int] = {}
        for row in rows:
            by[row.template] = by.get(row.template, 0) + 1
        name = max(by, key=lambda template: (by[template], template))
        ref = sourced.ref(f"skipped: {reason}", ((row.log, (row.seq,)) for row in rows))
        lines.append(
            Row(
                (
                    reason.lower().replace("_", " "),
                    MEANINGS.get(reason, ""),
                    Value(numbers.count(len(rows)), "", ref),
                    numbers.percent(len(rows) / len(skips), 1),
                    f"{name} ({by[name]:,})",
                ),
                share=len(rows) / most,
            )
        )
    return Table(
        title="Skips by the first reason", columns=_COLUMNS, rows=tuple(lines), brief=True, brief_rows=8,
        empty="Nothing was skipped.",
    )  # fmt: skip
