"""What results were made of, template by template: skill, luck and execution, and what the market did afterwards."""

from typing import Final

from trading_bot.analytics.attribution import Attribution, Attributions, TradeClass
from trading_bot.pages import numbers
from trading_bot.pages.day_inputs import Sourced
from trading_bot.pages.numbers import money, number
from trading_bot.pages.page import Block, Column, Row, Section, Table, Value

_CLASSES: Final = {
    TradeClass.RIGHT_PAID: "right and paid",
    TradeClass.RIGHT_COSTS: "right, and costs took it",
    TradeClass.RIGHT_STOPPED_FIRST: "right, but stopped first",
    TradeClass.RIGHT_LEFT_EARLY: "right, but left early",
    TradeClass.LUCKY: "paid by luck",
    TradeClass.WRONG: "wrong",
    TradeClass.UNKNOWN: "not known",
}


def attribution_section(found: Attributions, sourced: Sourced) -> list[Section]:
    """Nothing where nothing was entered."""
    rows = [row for row in found.trades if not row.shadow]
    if not rows:
        return []
    blocks: list[Block] = [_templates(found, rows, sourced), _classes(rows, sourced)]
    return [
        Section(
            anchor="attribution",
            title="Skill, luck and execution",
            short="Attribution",
            lead="Skill is what the decision expected net of its costs, execution what slippage did beyond that, luck "
            "the rest; the three add up to the net. docs/attribution.md has the formulas.",
            blocks=tuple(blocks),
        )
    ]


def class_name(found: TradeClass) -> str:
    """A class in people's words."""
    return _CLASSES[found]


def _ref(label: str, rows: list[Attribution], sourced: Sourced) -> str:
    return sourced.ref(label, ((row.log, row.seqs) for row in rows))


def _templates(found: Attributions, rows: list[Attribution], sourced: Sourced) -> Table:
    lines = []
    for row in found.templates:
        trades = [one for one in rows if (one.template, one.hypothetical) == (row.template, row.hypothetical)]
        if not trades:
            continue
        ref = _ref(f"attribution of {row.template}", trades, sourced)
        lines.append(
            Row(
                (
                    row.template,
                    Value(numbers.count(row.trades), "", ref),
                    money(row.skill_uusd, ref),
                    money(row.luck_uusd, ref),
                    money(row.execution_uusd, ref),
                    money(row.net_uusd, ref),
                    Value(number(row.luck_z, sign=True), "", ref),
                )
            )
        )
    kind = ", HYPOTHETICAL" if any(row.hypothetical for row in rows) else ""
    return Table(
        title=f"By template{kind}",
        columns=(
            Column("template"),
            Column("trades", number=True),
            Column("skill", number=True, hint="USD the decisions expected, net of expected costs"),
            Column("luck", number=True, hint="USD that neither the decision nor its execution explains"),
            Column("execution", number=True, hint="USD of slippage beyond what was expected"),
            Column("net", number=True, hint="USD"),
            Column("z of luck", number=True, hint="beyond 2 either way it is no luck but a belief that is off"),
        ),
        rows=tuple(lines),
        half=True,
    )


def _classes(rows: list[Attribution], sourced: Sourced) -> Table:
    groups = {found: [row for row in rows if row.trade_class is found] for found in TradeClass}
    most = max(len(found) for found in groups.values())
    return Table(
        title="In the light of what the market did afterwards",
        columns=(
            Column("class", hint="over 30 minutes, or 15 where the log ends"),
            Column("trades", number=True),
            Column("net", number=True, hint="USD"),
            Column("weight", number=True, hint="mean of (1 - luck) times execution: how much such a trade teaches"),
        ),
        rows=tuple(_class_row(found, group, most, sourced) for found, group in groups.items() if group),
        half=True,
    )


def _class_row(found: TradeClass, group: list[Attribution], most: int, sourced: Sourced) -> Row:
    ref = _ref(f"class {class_name(found)}", group, sourced)
    weights = [row.weight for row in group if row.weight is not None]
    return Row(
        (
            class_name(found),
            Value(numbers.count(len(group)), "", ref),
            money(sum(row.net_uusd for row in group), ref),
            Value(number(sum(weights) / len(weights) if weights else None), "", ref),
        ),
        share=len(group) / most,
    )
