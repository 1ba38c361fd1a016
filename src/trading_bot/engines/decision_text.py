"""A decision in one line, for people."""

from collections.abc import Sequence
from typing import Final

from trading_bot.domain.kernel import Candidate
from trading_bot.domain.reasons import Action
from trading_bot.engines import modifiers

_E6: Final = 1_000_000


def decision_text(
    name: str, candidate: Candidate, action: Action, reason: str, qty: int, added: Sequence[modifiers.Modifier]
) -> str:
    """Terms in ticks; what is needed includes what the context adds, which is named."""
    side = "long" if candidate.side > 0 else "short"
    if candidate.missing:
        return f"{name} {side} {action.value} {reason} (a signal it needs is not warm, so it has no terms)"
    needed_e6 = candidate.required_e6 + modifiers.total_e6(added)
    edge, uncertainty, cost, need = (
        value / _E6 for value in (candidate.edge_e6, candidate.uncertainty_e6, candidate.cost_e6, needed_e6)
    )
    head = f"{name} {side} {action.value}" + (f" {qty}" if action is Action.ENTER else f" {reason}")
    source = "" if candidate.fitted else " UNCALIBRATED"
    context = f", context {', '.join(modifiers.texts(added))}" if added else ""
    return (
        f"{head}: p {candidate.p_e6 / _E6:.3f}{source}, edge {edge:.2f} - uncertainty {uncertainty:.2f} "
        f"against {need:.2f} needed (cost {cost:.2f}{context}) ticks, target {candidate.target_ticks} "
        f"stop {candidate.stop_ticks}, "
        f"stability {candidate.stability_e6 / _E6:.2f}"
    )
