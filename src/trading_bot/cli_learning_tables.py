"""What the commands about learned parameters print for people."""

from typing import TYPE_CHECKING, Final

import typer

from trading_bot.cli_output import write_pairs, write_table
from trading_bot.domain.learned import LearnedSet
from trading_bot.domain.units import usd_from_uusd
from trading_bot.engines.learned_params import ONE_E6

if TYPE_CHECKING:
    from trading_bot.analytics.attribution import Attributions
    from trading_bot.analytics.proposal_files import Proposal
    from trading_bot.research.challenger import Challenge, Contestant

WORLD: Final = {True: "hypothetical", False: "real"}


def show_values(title: str, learned: LearnedSet) -> None:
    """A set: what differs from the strategy file, and why."""
    rows = [
        (one.parameter, _value(one.base_e6), _value(one.value_e6), one.trades, one.shadow_trades, one.reason)
        for one in learned.values
    ]
    write_table(title, ("parameter", "strategy file", "learned", "trades", "shadow", "why"), rows)
    if not rows:
        typer.echo("  the strategy file as it is")


def show_proposal(found: "Proposal") -> None:
    """What is proposed, what is not and why, and the shadow run behind it."""
    logs = f"{len(found.logs)} {'log' if len(found.logs) == 1 else 'logs'}" + (
        f", {len(found.left_out)} left out" if found.left_out else ""
    )
    on_set = f"on set {found.based_on}" if found.based_on else "on the strategy file"
    write_table(
        f"Proposal for {found.instrument}, {WORLD[found.hypothetical]} trades of {logs}, {on_set}",
        ("parameter", "now", "proposed", "trades", "shadow", "net USD", "expected USD", "why"),
        [
            (
                one.parameter,
                _value(one.old_e6),
                _value(one.new_e6),
                one.trades,
                one.shadow_trades,
                _usd(one.actual_uusd),
                _usd(one.expected_uusd),
                one.reason,
            )
            for one in found.changes
        ],
    )
    if found.not_proposed:
        write_table("Not proposed", ("parameter", "why"), [(one.parameter, one.why) for one in found.not_proposed])
    if found.left_out:
        write_table("Logs left out", ("log",), [(text,) for text in found.left_out])
    if found.shadow_run is not None:
        typer.echo("The same market again, under the present and under the proposed parameters:")
        show_challenge(found.shadow_run)


def show_challenge(found: "Challenge") -> None:
    """Both sides, what the logs themselves hold, and the verdict."""

    def side(name: str, one: "Contestant") -> tuple[str, int, int, str]:
        return name, one.trades, one.wins, _usd(one.net_uusd)

    write_table(
        f"Challenger against champion: {found.verdict}",
        ("", "trades", "wins", "net USD"),
        [
            *([side("as recorded", found.recorded)] if found.recorded is not None else []),
            side("champion", found.champion),
            side("challenger", found.challenger),
        ],
    )
    between = "no interval"
    if found.low_uusd is not None and found.high_uusd is not None:
        between = f"95 % between {_usd(found.low_uusd)} and {_usd(found.high_uusd)}"
    write_pairs(
        "Difference",
        [
            ("challenger less champion", f"{_usd(found.difference_uusd)} USD, {between}"),
            ("blocks", f"{found.blocks}, each a {found.block}"),
            ("verdict", found.why),
        ],
    )


def show_attribution(found: "Attributions") -> None:
    """By template, and trade by trade."""
    write_table(
        "Templates",
        ("template", "book", "trades", "net USD", "skill", "luck", "execution", "not known", "luck z", "shown a trade"),
        [
            (
                row.template,
                WORLD[row.hypothetical],
                row.trades,
                _usd(row.net_uusd),
                _usd(row.skill_uusd),
                _usd(row.luck_uusd),
                _usd(row.execution_uusd),
                _usd(row.unknown_uusd),
                "none" if row.luck_z is None else f"{row.luck_z:+.1f}",
                "none" if row.shown_uusd is None else _usd(row.shown_uusd),
            )
            for row in found.templates
        ],
    )
    write_table(
        "Trades",
        ("trade", "template", "exit", "net USD", "skill", "luck", "execution", "weight", "class"),
        [
            (
                row.trade_id,
                row.template,
                row.exit_reason,
                _usd(row.net_uusd),
                *(
                    "none" if part is None else _usd(part)
                    for part in (row.skill_uusd, row.luck_uusd, row.execution_uusd)
                ),
                "none" if row.weight is None else f"{row.weight:.2f}",
                row.trade_class,
            )
            for row in found.trades
        ],
    )


def _usd(amount_uusd: int) -> str:
    return f"{usd_from_uusd(amount_uusd):+,.2f}"


def _value(value_e6: int) -> str:
    return f"{value_e6 / ONE_E6:g}"
