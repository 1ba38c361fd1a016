"""What the bot has learned by the end of the day: each template's state, its evidence, and what would change it."""

from typing import Final

from trading_bot.pages import numbers
from trading_bot.pages.day_inputs import Sourced
from trading_bot.pages.numbers import number, percent
from trading_bot.pages.page import BAD, GOOD, WARN, Column, Row, Section, Table, Value
from trading_bot.reports.learning_view import LearningView, TemplateView

_STATES: Final = {
    "ACTIVE": ("active", GOOD),
    "THROTTLED_120": ("throttled \N{MULTIPLICATION SIGN}1.2", WARN),
    "THROTTLED_150": ("throttled \N{MULTIPLICATION SIGN}1.5", WARN),
    "QUARANTINED": ("quarantine", BAD),
    "ARCHIVED": ("archived", BAD),
}


def learning_section(view: LearningView, sourced: Sourced) -> list[Section]:
    """The book that decides; nothing before the first trade of any."""
    rows = [row for row in view.templates if view.decides_on in {None, row.book}]
    if not any(row.lifetime_trades or row.shadow_trades for row in rows):
        return []
    kind = ", HYPOTHETICAL" if view.decides_on == "hypothetical" else ""
    return [
        Section(
            anchor="learning",
            title=f"What was learned{kind}",
            short="Learning",
            lead="At the end of the log. P is the probability that the expectancy is above zero; unfold a template for "
            "what would change its state.",
            blocks=(
                Table(
                    title="What each template has learned",
                    columns=(
                        Column("template"),
                        Column("state"),
                        Column("trades", number=True, hint="in the window that is looked at"),
                        Column("won", number=True),
                        Column("expectancy", number=True, hint="USD a trade, the posterior's mean"),
                        Column("P", number=True, hint="that the expectancy is above zero"),
                        Column("belief counts", number=True, hint="the factor on the belief's edge, in force"),
                        Column("next look", number=True, hint="in so many trades"),
                    ),
                    rows=tuple(_row(row, view, sourced) for row in rows),
                    brief=True,
                ),
            ),
        )
    ]


def _row(row: TemplateView, view: LearningView, sourced: Sourced) -> Row:
    found = row.evidence
    change = row.last_change
    label = f"last change of {row.template}"
    ref = "" if change is None or change.seq is None else sourced.ref(label, [(view.log, (change.seq,))])
    name, tone = _STATES.get(row.state, (row.state.lower(), ""))
    return Row(
        (
            row.template,
            Value(name, tone, ref),
            numbers.count(found.n) + (" shadow" if found.shadow else ""),
            percent(found.wins / found.n if found.n else None),
            Value(number(found.mean_usd, sign=True), numbers.tone_of(found.mean_usd)),
            number(found.p),
            number(row.belief_factor),
            numbers.NONE if row.next_look_trades is None else str(row.next_look_trades),
        ),
        details=tuple((f"what would change it, {at}", told) for at, told in enumerate(row.would_change, 1)),
    )
