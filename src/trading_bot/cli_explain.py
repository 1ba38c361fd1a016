"""`trading-bot explain LOG ID`: a decision by its number, an order by its name, from the tick to what came of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from trading_bot.build_digest import build_digest
from trading_bot.cli_log import log_folder
from trading_bot.cli_options import Common
from trading_bot.cli_output import write_json, write_pairs, write_table
from trading_bot.domain.units import NS_PER_S, iso_from_ns, usd_from_uusd
from trading_bot.reports.belief_parts import BeliefParts
from trading_bot.reports.explain import Explanation
from trading_bot.reports.explain import explain as explain_story
from trading_bot.reports.explain_story import find_story
from trading_bot.strategy_plugins import offer_installed

if TYPE_CHECKING:
    from trading_bot.analytics.attribution import Attribution


def explain(common: Common, log: Path, wanted: str) -> int:
    """Print what is behind a decision or an order."""
    folder = log_folder(common, log)
    offer_installed()
    found = explain_story(find_story(folder, wanted), build=build_digest())
    attribution = _attribution(found)
    if common.as_json:
        write_json({**msgspec.to_builtins(found, str_keys=True), "attribution": attribution})
        return 0
    _print_decision(found)
    if found.belief is not None:
        _print_belief(found.belief)
    if found.terms is not None:
        write_pairs("Terms (ticks, probabilities)", [(name, _number(value)) for name, value in found.terms.items()])
    _print_levels(found)
    _print_gates(found)
    if found.inputs is not None:
        write_pairs("What the gates saw", [(name, _number(value)) for name, value in found.inputs.items()])
    _print_story(found)
    if attribution is not None:
        _print_attribution(attribution)
    if found.note:
        typer.echo(found.note, err=True)
    return 0


def _print_decision(found: Explanation) -> None:
    made = found.decision
    pairs = [
        ("log", found.log),
        ("time", iso_from_ns(found.ts_ns)),
        ("decision", f"record {found.decision_seq}, about the outcome in record {found.outcome_seq}"),
        ("text", made["text"]),
    ]
    if found.order_ref is not None:
        pairs.append(("order", found.order_ref))
    pairs += [(f"tick {row['seq']}", _tick(row)) for row in found.ticks]
    write_pairs(f"{made['template']} {'long' if made['side'] > 0 else 'short'}: {made['action']}", pairs)


def _tick(row: dict[str, Any]) -> str:
    shown = {name: value for name, value in row.items() if name not in {"seq", "kind", "class", "instrument", "ts_ns"}}
    return f"{iso_from_ns(row['ts_ns'])} {row['kind']} " + " ".join(f"{name}={value}" for name, value in shown.items())


def _print_belief(belief: BeliefParts) -> None:
    rows = [
        (part.signal, _number(part.value), part.unit, _number(part.entered), part.weight, _number(part.product))
        for part in belief.signals
    ]
    write_table(
        "Belief: the signals, for the side of the decision",
        ("signal", "value", "unit", "enters as", "weight", "product"),
        rows,
    )
    write_pairs(
        "Belief: the sum",
        [
            ("now", _number(belief.now)),
            ("smoothed", _number(belief.smoothed)),
            ("z", _number(belief.z)),
            ("L", _number(belief.belief)),
            ("stability", _number(belief.stability)),
        ],
    )
    triggers = [
        (part.signal, part.of, _number(part.value), _number(part.low), _number(part.high), _verdict(part.passes))
        for part in belief.triggers
    ]
    if triggers:
        write_table("Triggers", ("signal", "of", "value", "min", "max", "verdict"), triggers)


def _print_levels(found: Explanation) -> None:
    rows = [
        (
            row["name"],
            f"{row['price_points']:.2f}",
            f"{row['weight']:.2f}",
            f"{row['strength']:.2f}",
            row["touches"],
            "accepted" if row["accepted"] else "live",
        )
        for row in found.levels or ()
    ]
    if rows:
        write_table("Reference levels", ("level", "points", "weight", "strength", "touches", "state"), rows)


def _print_gates(found: Explanation) -> None:
    blocking = [row["gate"] for row in found.gates if row["blocks"]]
    passed = len(found.gates) - len(blocking)
    write_pairs(
        "Gates, in the order of authority",
        [("blocking", ", ".join(blocking) or "none"), ("passed", f"{passed} of {len(found.gates)}")],
    )


def _print_story(found: Explanation) -> None:
    """`--json` has every field of every record in `steps`."""
    rows = [
        (
            _seqs(line.seqs),
            line.cause_seq or "",
            iso_from_ns(line.ts_ns)[11:23],
            f"{(line.ts_ns - found.ts_ns) / NS_PER_S:+,.3f}",
            line.what,
            line.text,
        )
        for line in found.story
    ]
    write_table("What became of it", ("record", "follows", "UTC", "seconds", "what", "in words"), rows)


def _seqs(seqs: tuple[int, ...]) -> str:
    return str(seqs[0]) if len(seqs) == 1 else f"{seqs[0]} … {seqs[-1]} ({len(seqs)})"


def _attribution(found: Explanation) -> "Attribution | None":
    """What the trade of this order was made of (docs/attribution.md); None where none was closed in this log."""
    from trading_bot.analytics.attribution import attribute
    from trading_bot.reports.trade_facts import read_facts

    if not any(line.what in {"TRADE_CLOSED", "SHADOW_FILLED"} for line in found.story):
        return None
    facts = read_facts(Path(found.log))
    trades = tuple(trade for trade in facts.trades if trade.trade_id == found.order_ref)
    return next(iter(attribute(msgspec.structs.replace(facts, trades=trades)).trades), None)


def _print_attribution(row: "Attribution") -> None:
    def money(uusd: int | None) -> str:
        return "not known" if uusd is None else f"{usd_from_uusd(uusd):+,.2f} USD"

    def share(part: float | None) -> str:
        return "not known" if part is None else f"{part:.2f}"

    write_pairs(
        "What the result was made of (docs/attribution.md)" + (", HYPOTHETICAL" if row.hypothetical else ""),
        [
            ("net", f"{money(row.net_uusd)}, record {row.closed_seq}"),
            ("skill", f"{money(row.skill_uusd)}: what the decision expected after costs; share {share(row.skill)}"),
            ("luck", f"{money(row.luck_uusd)}: the rest; share {share(row.luck)}"),
            (
                "execution",
                f"{money(row.execution_uusd)}: slippage beyond what was expected; score {share(row.execution)}",
            ),
            ("it was", f"{row.trade_class.value}, by what the market did afterwards"),
            ("teaches", share(row.weight)),
            ("records", ", ".join(map(str, row.seqs))),
        ],
    )


def _verdict(passes: bool | None) -> str:
    return "unknown" if passes is None else "passes" if passes else "fails"


def _number(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
