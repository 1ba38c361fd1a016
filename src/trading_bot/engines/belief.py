"""What belief has promised and what became of it, per template: a factor on the promise (docs/learning.md, section 4).

Integers in, integers out, so that a replay and a reload give the same. The promise of a trade is its edge less its cost
at the decision, the result is net of commission, both in micro-dollars for the whole quantity.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from trading_bot.domain.learning_config import LearningConfig
from trading_bot.engines.breaker_table import week_of

ONE_E6: Final = 1_000_000
PARAMETER: Final = "belief_factor_e6"  # as `ParamsAdopted` names it, with the template behind a slash
BINS: Final = 10


class Promise(msgspec.Struct, frozen=True, gc=False):
    """A trade's belief, its chance of a win as decided on, the promise, and what it brought."""

    belief_e6: int
    p_e6: int
    promised_uusd: int
    net_uusd: int


class BeliefRules(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the fit."""

    trades_min: int
    pseudo_trades: int
    factor_min_e6: int
    week_max_e6: int

    @classmethod
    def compile(cls, config: LearningConfig) -> "BeliefRules":
        """From the configuration."""
        return cls(
            trades_min=config.belief_trades_min,
            pseudo_trades=config.belief_pseudo_trades,
            factor_min_e6=round(config.belief_factor_min * ONE_E6),
            week_max_e6=round(config.belief_factor_week_max * ONE_E6),
        )


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """A template's factor, the one its week began with, and the trade date (yyyymmdd) it was last looked at."""

    factor_e6: int = ONE_E6
    week_e6: int = ONE_E6
    date: int = 0


class BeliefChange(msgspec.Struct, frozen=True, kw_only=True):
    """A factor that changed, with the evidence: sums in micro-dollars over `trades`."""

    template: str
    old: int
    new: int
    trades: int
    net_uusd: int
    promised_uusd: int


def fitted_factor_e6(promises: Sequence[Promise], rules: BeliefRules) -> int:
    """Slope of the results on the promises, drawn towards 1 by pseudo-trades that kept theirs; never above 1.

    (n·Σpr + k·Σp²) / ((n + k)·Σp²): least squares through zero with k trades of the mean squared promise; 1 with too
    few trades.
    """
    n, k = len(promises), rules.pseudo_trades
    squares = sum(found.promised_uusd * found.promised_uusd for found in promises)
    if n < rules.trades_min or squares == 0:
        return ONE_E6
    products = sum(found.promised_uusd * found.net_uusd for found in promises)
    numerator, denominator = (n * products + k * squares) * ONE_E6, (n + k) * squares
    return min(max((2 * numerator + denominator) // (2 * denominator), rules.factor_min_e6), ONE_E6)


def next_in_force(before: InForce, promises: Sequence[Promise], rules: BeliefRules, trade_date: int) -> InForce:
    """What holds in a session that begins: looked at once a trade date, moved by a week's bound at most."""
    if not trade_date or trade_date == before.date:
        return before
    begun = begun_on(before, trade_date)
    low, high = begun.week_e6 - rules.week_max_e6, begun.week_e6 + rules.week_max_e6
    factor_e6 = min(max(fitted_factor_e6(promises, rules), low), high)
    return msgspec.structs.replace(begun, factor_e6=factor_e6)


def begun_on(before: InForce, trade_date: int) -> InForce:
    """At the opening of a trade date; a new week starts from the factor in force."""
    same_week = before.date != 0 and week_of(before.date) == week_of(trade_date)
    return InForce(
        factor_e6=before.factor_e6, week_e6=before.week_e6 if same_week else before.factor_e6, date=trade_date
    )


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Trades whose belief lay in [low, high): how often they were to win, and did. Means and rates 0..1.

    `posterior` is the win rate after `pseudo_trades` at the promised chance (specification 6.3).
    """

    low: float
    high: float
    n: int
    wins: int
    belief: float
    promised: float
    posterior: float


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """How the promised chance of a win compares with wins. `brier` and `ece` are None before the first trade.

    `brier` is the mean squared distance of the promised chance from the outcome; `ece` the distance of promised from
    actual win rates, weighed by trades, over the bins.
    """

    n: int
    brier: float | None
    ece: float | None
    bins: tuple[Bin, ...]


def reliability(promises: Sequence[Promise], pseudo_trades: int) -> Reliability:
    """The map of belief against outcome, for people."""
    rows: list[list[Promise]] = [[] for _ in range(BINS)]
    for found in promises:
        rows[min(found.belief_e6 * BINS // ONE_E6, BINS - 1)].append(found)
    bins = tuple(_bin(index, row, pseudo_trades) for index, row in enumerate(rows) if row)
    n = len(promises)
    if n == 0:
        return Reliability(n=0, brier=None, ece=None, bins=())
    squares = sum((found.p_e6 / ONE_E6 - (found.net_uusd > 0)) ** 2 for found in promises)
    distance = sum(row.n * abs(row.promised - row.wins / row.n) for row in bins)
    return Reliability(n=n, brier=squares / n, ece=distance / n, bins=bins)


def _bin(index: int, row: list[Promise], pseudo_trades: int) -> Bin:
    n, wins = len(row), sum(found.net_uusd > 0 for found in row)
    promised = sum(found.p_e6 for found in row) / n / ONE_E6
    return Bin(
        low=index / BINS,
        high=(index + 1) / BINS,
        n=n,
        wins=wins,
        belief=sum(found.belief_e6 for found in row) / n / ONE_E6,
        promised=promised,
        posterior=(wins + pseudo_trades * promised) / (n + pseudo_trades),
    )
