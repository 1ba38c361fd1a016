"""When the evidence of a template's trades asks for another parameter: three rules, each with its numbers in words.

Pure: attributions and beliefs in, wishes out. Nothing here is bounded; `proposals` bounds it (docs/attribution.md).
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Final

import msgspec
import numpy as np

from trading_bot.analytics.attribution import PSEUDO_TRADES, Attribution, TradeClass
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.units import NS_PER_S, usd_from_uusd
from trading_bot.engines.learned_params import (
    ATTRIBUTABLE_MIN,
    BELIEF_ENTER,
    ONE_E6,
    STOP_TICKS,
    STOP_WEEK_E6,
    THRESHOLD_WEEK_E6,
    WEIGHTS,
    parameter_name,
)
from trading_bot.engines.learning import normal_cdf
from trading_bot.reports.fact_records import TradeFact

Z_THRESHOLD: Final = 1.2816  # P = .10 on one side
T_WEIGHT: Final = 1.96  # 5 % on both sides, of each signal
STEP_E6: Final = 10_000  # of a weight
STOPS_MIN: Final = 5
STOPPED_EARLY_SHARE: Final = 0.5
WRONG_SHARE: Final = 0.8
SPARE_TICKS: Final = 2  # that no winner needed of its stop

Products = Mapping[str, float | None]  # by signal


class Evidence(msgspec.Struct, frozen=True):
    """An attributable trade: what it was made of, its facts, and what each signal had put into its belief."""

    row: Attribution
    trade: TradeFact
    products: Products

    @property
    def weight(self) -> float:
        """How much it teaches, 0 to 1."""
        return self.row.weight or 0.0

    @property
    def earned_uusd(self) -> int:
        """The result without what execution cost or saved."""
        return self.row.net_uusd - (self.row.execution_uusd or 0)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter, what it should be changed by in millionths, and why."""

    parameter: str
    step_e6: int
    reason: str


def wishes(name: str, template: TemplateConfig, evidence: Sequence[Evidence]) -> list[Wish]:
    """What the trades of a template ask for; nothing with fewer than ten attributable ones."""
    if len(evidence) < ATTRIBUTABLE_MIN:
        return []
    found = [_threshold(name, template, evidence), _stop(name, template, evidence)]
    found += [_weight(name, signal, weight, evidence) for signal, weight in template.weights.items()]
    return [wish for wish in found if wish is not None]


def posterior_z(values: Sequence[float], weights: Sequence[float]) -> float:
    """Specification 9's expectancy with weights: z of the mean against zero, with 20 pseudo-trades at zero."""
    count = sum(weights)
    total = sum(weight * value for value, weight in zip(values, weights, strict=True))
    squares = sum(weight * value * value for value, weight in zip(values, weights, strict=True))
    spread = squares - total * total / (count + PSEUDO_TRADES)
    if count <= 0 or spread <= 0:
        return 0.0
    return total / sqrt(count + PSEUDO_TRADES) / sqrt(spread / count)


def weighted_correlation(xs: Sequence[float], ys: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """Correlation of two rows, each pair with its weight, and the number of equal pairs that would say as much."""
    x, y, w = (np.asarray(row, dtype=np.float64) for row in (xs, ys, weights))
    total = float(w.sum())
    if total <= 0:
        return 0.0, 0.0
    x, y = x - (w * x).sum() / total, y - (w * y).sum() / total
    width = sqrt(float((w * x * x).sum()) * float((w * y * y).sum()))
    pairs = total * total / float((w * w).sum())
    return (float((w * x * y).sum()) / width if width > 0 else 0.0), pairs


def _threshold(name: str, template: TemplateConfig, evidence: Sequence[Evidence]) -> Wish | None:
    """Trades that were believed in least: where they lose, the threshold rises; where they earn, it falls.

    It rises only where it would have kept a trade out.
    """
    beliefs = sorted(one.row.belief_e6 or 0 for one in evidence)
    middle_e6 = beliefs[(len(beliefs) - 1) // 2]
    low = [one for one in evidence if (one.row.belief_e6 or 0) <= middle_e6]
    z = posterior_z([one.earned_uusd for one in low], [one.weight for one in low])
    raised_e6 = round(template.belief_enter * ONE_E6) + THRESHOLD_WEEK_E6
    if abs(z) < Z_THRESHOLD or (z < 0 and beliefs[0] >= raised_e6):
        return None
    mean_usd = usd_from_uusd(sum(one.earned_uusd for one in low)) / len(low)
    return Wish(
        parameter=parameter_name(name, BELIEF_ENTER),
        step_e6=THRESHOLD_WEEK_E6 if z < 0 else -THRESHOLD_WEEK_E6,
        reason=(
            f"{len(low)} trades with a belief up to {middle_e6 / ONE_E6:.3f} made {mean_usd:+.2f} USD each without "
            f"execution: P(expectancy > 0) = {normal_cdf(z):.2f}"
        ),
    )


def _weight(name: str, signal: str, weight: float, evidence: Sequence[Evidence]) -> Wish | None:
    """A signal whose share in the belief went along with the results counts more, one that went against them less."""
    rows = [(product, one) for one in evidence if (product := one.products.get(signal)) is not None]
    if len(rows) < ATTRIBUTABLE_MIN:
        return None
    rho, pairs = weighted_correlation(
        [product for product, _ in rows],
        [float(one.earned_uusd) / (one.trade.qty * one.trade.tick_value_uusd) for _, one in rows],
        [one.weight for _, one in rows],
    )
    if pairs <= 3 or abs(rho) * sqrt((pairs - 2) / max(1 - rho * rho, 1e-12)) < T_WEIGHT:
        return None
    step_e6 = max(1, round(abs(rho) * 5)) * STEP_E6
    return Wish(
        parameter=parameter_name(name, WEIGHTS, signal),
        step_e6=step_e6 if (weight > 0) is (rho > 0) else -step_e6,
        reason=(
            f"over {len(rows)} trades its share in the belief went {'along with' if rho > 0 else 'against'} the "
            f"results: correlation {rho:+.2f}, as much as {pairs:.0f} equal trades say"
        ),
    )


def _stop(name: str, template: TemplateConfig, evidence: Sequence[Evidence]) -> Wish | None:
    """Stops that were hit before the target came want room; stops that no winner came near want less."""
    stopped = [one for one in evidence if one.trade.exit_reason == "STOP"]
    if len(stopped) < STOPS_MIN:
        return None
    hold_ns = template.hold_s * NS_PER_S
    waits_ns = [one.row.target_after_ns for one in stopped]
    early = sum(wait_ns is not None and wait_ns <= hold_ns for wait_ns in waits_ns)
    if early >= STOPPED_EARLY_SHARE * len(stopped):
        reason = f"in {early} of {len(stopped)} stopped trades the target came within the hold of {template.hold_s} s"
        return Wish(parameter=parameter_name(name, STOP_TICKS), step_e6=STOP_WEEK_E6, reason=reason)
    deepest = [one.trade.mae_ticks for one in evidence if one.trade.win and one.trade.mae_ticks is not None]
    wrong = [one.row.trade_class for one in stopped].count(TradeClass.WRONG)
    if len(deepest) < STOPS_MIN or wrong < WRONG_SHARE * len(stopped):
        return None
    if max(deepest) > template.stop_ticks - SPARE_TICKS:
        return None
    reason = (
        f"{wrong} of {len(stopped)} stopped trades were wrong, and no winner was ever more than {max(deepest):.0f} "
        f"ticks behind a stop of {template.stop_ticks}"
    )
    return Wish(parameter=parameter_name(name, STOP_TICKS), step_e6=-STOP_WEEK_E6, reason=reason)
