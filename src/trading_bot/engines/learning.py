"""Statistics of finished trades and the table of states (specification 9, docs/learning.md).

Pure: integers in, a finding out. Only + − × ÷ and square roots, all correctly rounded, so that every machine decides
alike (architecture law 2); probabilities become z-values when the limits are compiled.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from trading_bot.domain.errors import CoreBug
from trading_bot.domain.learning import Evidence, Finding, LearningState
from trading_bot.domain.learning_config import LearningConfig

S, F = LearningState, Finding

SQRT_TWO_PI: Final = 2.5066282746310002
Z_MAX: Final = 6.0  # beyond, a millionth cannot tell the probability from 0 or 1
MILLION: Final = 1_000_000

# Downwards a look goes straight to what the evidence asks for, upwards one step. A pair that is not here raises.
TRANSITIONS: Final[dict[tuple[LearningState, Finding], LearningState]] = {
    (S.ACTIVE, F.TOO_FEW): S.ACTIVE,
    (S.ACTIVE, F.LOST): S.QUARANTINED,
    (S.ACTIVE, F.DRAWDOWN): S.QUARANTINED,
    (S.ACTIVE, F.BAD): S.THROTTLED_150,
    (S.ACTIVE, F.WEAK): S.THROTTLED_120,
    (S.ACTIVE, F.POOR): S.THROTTLED_120,
    (S.ACTIVE, F.FAIR): S.ACTIVE,
    (S.ACTIVE, F.GOOD): S.ACTIVE,
    (S.ACTIVE, F.PERSON_ARCHIVES): S.ARCHIVED,
    (S.THROTTLED_120, F.TOO_FEW): S.THROTTLED_120,
    (S.THROTTLED_120, F.LOST): S.QUARANTINED,
    (S.THROTTLED_120, F.DRAWDOWN): S.QUARANTINED,
    (S.THROTTLED_120, F.BAD): S.THROTTLED_150,
    (S.THROTTLED_120, F.WEAK): S.THROTTLED_120,
    (S.THROTTLED_120, F.POOR): S.THROTTLED_120,
    (S.THROTTLED_120, F.FAIR): S.THROTTLED_120,  # hysteresis: only GOOD takes ×1.2 back
    (S.THROTTLED_120, F.GOOD): S.ACTIVE,
    (S.THROTTLED_120, F.PERSON_ARCHIVES): S.ARCHIVED,
    (S.THROTTLED_150, F.TOO_FEW): S.THROTTLED_150,
    (S.THROTTLED_150, F.LOST): S.QUARANTINED,
    (S.THROTTLED_150, F.DRAWDOWN): S.QUARANTINED,
    (S.THROTTLED_150, F.BAD): S.THROTTLED_150,
    (S.THROTTLED_150, F.WEAK): S.THROTTLED_150,  # hysteresis: only POOR or better takes ×1.5 back
    (S.THROTTLED_150, F.POOR): S.THROTTLED_120,
    (S.THROTTLED_150, F.FAIR): S.THROTTLED_120,
    (S.THROTTLED_150, F.GOOD): S.THROTTLED_120,
    (S.THROTTLED_150, F.PERSON_ARCHIVES): S.ARCHIVED,
    (S.QUARANTINED, F.SHADOW_OPEN): S.QUARANTINED,
    (S.QUARANTINED, F.SHADOW_PROVEN): S.THROTTLED_150,  # it begins again with fresh evidence, at the heavy throttle
    (S.QUARANTINED, F.SHADOW_HOPELESS): S.ARCHIVED,
    (S.QUARANTINED, F.PERSON_ARCHIVES): S.ARCHIVED,
    (S.ARCHIVED, F.PERSON_REVIVES): S.QUARANTINED,  # and has to prove itself in shadow trades
}

TRADING: Final = (S.ACTIVE, S.THROTTLED_120, S.THROTTLED_150)


def next_state(state: LearningState, finding: Finding) -> LearningState:
    """Where a template stands after a look.

    Raises:
        CoreBug: the pair is not in the table.
    """
    found = TRANSITIONS.get((state, finding))
    if found is None:
        raise CoreBug(f"a template in {state} cannot be found {finding}")
    return found


class LearningLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration with its probabilities as z-values, in rising order of severity."""

    config: LearningConfig
    z_lost: float
    z_bad: float
    z_weak: float
    z_poor: float
    z_fair: float
    z_proven: float
    z_hopeless: float
    paths_above_max: int

    @classmethod
    def compile(cls, config: LearningConfig) -> "LearningLimits":
        """Once, when the configuration is read."""
        return cls(
            config=config,
            z_lost=normal_z(config.quarantine_p),
            z_bad=normal_z(config.throttle_heavy_p),
            z_weak=normal_z(config.throttle_heavy_p + config.hysteresis_p),
            z_poor=normal_z(config.throttle_light_p),
            z_fair=normal_z(config.throttle_light_p + config.hysteresis_p),
            z_proven=normal_z(config.release_p),
            z_hopeless=normal_z(config.archive_p),
            paths_above_max=paths_above_percentile(config.bootstrap_paths, config.drawdown_percentile),
        )


def normal_cdf(z: float) -> float:
    """Standard normal distribution function by its power series: no libm, the same bits everywhere; error < 1e-8."""
    if z <= -Z_MAX:
        return 0.0
    if z >= Z_MAX:
        return 1.0
    term = total = z
    step = 1
    while abs(term) > 1e-17:
        term *= -z * z / (2 * step)
        total += term / (2 * step + 1)
        step += 1
    return 0.5 + total / SQRT_TWO_PI


def normal_z(probability: float) -> float:
    """Inverse of `normal_cdf` by bisection, for thresholds."""
    low, high = -Z_MAX, Z_MAX
    for _ in range(60):
        middle = (low + high) / 2
        if normal_cdf(middle) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


class Expectancy(msgspec.Struct, frozen=True, gc=False):
    """Posterior of the mean net result of a trade: n trades, mean and sd of one trade (micro-dollars), and z."""

    n: int
    mean_uusd: int
    sd_uusd: int
    z: float


def expectancy(nets_uusd: Sequence[int], pseudo_trades: int) -> Expectancy:
    """Normal results of unknown mean and variance, with k pseudo-trades at zero mean and nothing known of the variance.

    mean = Σx/(n+k), sd² = (Σx² − (Σx)²/(n+k))/n, z = mean·√(n+k)/sd; P(expectancy > 0) is Φ(z).
    """
    n = len(nets_uusd)
    total = sum(nets_uusd)
    weight = n + pseudo_trades
    spread = sum(net * net for net in nets_uusd) * weight - total * total  # (n+k)·n·sd², an exact integer
    if n == 0 or spread == 0:
        return Expectancy(n, 0, 0, 0.0)
    return Expectancy(
        n,
        _rounded(total, weight),
        round(math.sqrt(spread / (n * weight))),
        total * math.sqrt(n) / math.sqrt(spread),
    )


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def win_rate_sigma(wins: int, n: int, pseudo_trades: int, map_p: float) -> tuple[float, float]:
    """Mean and standard deviation of a win rate after `pseudo_trades` at `map_p` and `n` trades (specification 6.3)."""
    weight = n + pseudo_trades
    rate = (wins + pseudo_trades * map_p) / weight
    return rate, math.sqrt(rate * (1.0 - rate) / weight)


def evidence_cap(pseudo_trades: int, confidence_max: float) -> int:
    """Trades whose weight against the prior is `confidence_max`: 120 for 40 pseudo-trades and .75."""
    return round(pseudo_trades * confidence_max / (1.0 - confidence_max))


def drawdown_now_uusd(nets_uusd: Sequence[int]) -> int:
    """How far the running sum of the trades stands below its highest point (0 at the start), in micro-dollars."""
    total = peak = 0
    for net in nets_uusd:
        total += net
        peak = max(peak, total)
    return peak - total


def paths_above_percentile(paths: int, percentile: float) -> int:
    """How many of the resampled paths may lie at or above a value that is still over the percentile."""
    return paths - math.ceil(paths * percentile / 100.0)


_MASK: Final = 2**64 - 1
_FACTOR: Final = 6364136223846793005  # Knuth's MMIX; the high half of each state is used
_STEP: Final = 1442695040888963407


def _seed(nets_uusd: Sequence[int]) -> int:
    state = len(nets_uusd)
    for net in nets_uusd:
        state = ((state ^ (net & _MASK)) * _FACTOR + _STEP) & _MASK
    return state


def shifted_to_mean(nets_uusd: Sequence[int], mean_uusd: int) -> list[int]:
    """The trades with another mean, to a micro-dollar, and the same spread."""
    shift_uusd = mean_uusd - sum(nets_uusd) // len(nets_uusd)
    return [net + shift_uusd for net in nets_uusd]


def drawdown_limit_uusd(nets_uusd: Sequence[int], level_uusd: int, paths: int, above_max: int) -> int | None:
    """The bootstrap percentile of the largest drawdown, if the level is above it; None as soon as it is not.

    A path is as many trades as there are, drawn from them with replacement by an integer generator that they seed:
    the same evidence gives the same answer in every process. An ordinary drawdown ends the search after a few paths.
    """
    if level_uusd <= 0:
        return None
    n, state, above = len(nets_uusd), _seed(nets_uusd), 0
    largest = []
    for _ in range(paths):
        below = deepest = 0  # distance from the path's peak
        for _ in range(n):
            state = (state * _FACTOR + _STEP) & _MASK
            below -= nets_uusd[((state >> 32) * n) >> 32]
            if below < 0:
                below = 0
            elif below > deepest:
                deepest = below
        if deepest >= level_uusd:
            above += 1
            if above > above_max:
                return None
        largest.append(deepest)
    return sorted(largest)[paths - 1 - above_max]


def drawdown_percentile_uusd(nets_uusd: Sequence[int], paths: int, above_max: int) -> int:
    """The same percentile wherever the drawdown stands; it takes all of the paths."""
    found = drawdown_limit_uusd(nets_uusd, sum(map(abs, nets_uusd)) + 1, paths, above_max)
    assert found is not None  # no path falls deeper than all of its trades together
    return found


def judge_trades(state: LearningState, nets_uusd: Sequence[int], limits: LearningLimits) -> Evidence:
    """What the newest real (or hypothetical) trades say of a template in a state that may trade."""
    config = limits.config
    result = expectancy(nets_uusd, config.pseudo_trades)
    drawdown_uusd = drawdown_now_uusd(nets_uusd)
    finding, limit_uusd = _band(result, limits), None
    if finding not in {F.TOO_FEW, F.LOST} and result.n >= config.quarantine_n_min:
        # A template that is expected to lose needs no drawdown to be told apart: P does that. What is judged here is a
        # drawdown that its estimate, but at least breaking even, does not explain.
        expected = shifted_to_mean(nets_uusd, max(result.mean_uusd, 0))
        limit_uusd = drawdown_limit_uusd(expected, drawdown_uusd, config.bootstrap_paths, limits.paths_above_max)
        if limit_uusd is not None:
            finding = F.DRAWDOWN
    return _evidence(state, finding, result, nets_uusd, limit_uusd, limits)


def _band(result: Expectancy, limits: LearningLimits) -> Finding:
    config = limits.config
    if result.n < config.throttle_n_min:
        return F.TOO_FEW
    if result.z < limits.z_lost and result.n >= config.quarantine_n_min:
        return F.LOST
    for finding, z_below in (
        (F.BAD, limits.z_bad),
        (F.WEAK, limits.z_weak),
        (F.POOR, limits.z_poor),
        (F.FAIR, limits.z_fair),
    ):
        if result.z < z_below:
            return finding
    return F.GOOD


def judge_shadow(state: LearningState, nets_uusd: Sequence[int], limits: LearningLimits) -> Evidence:
    """What the shadow trades say of a quarantined template."""
    config = limits.config
    result = expectancy(nets_uusd, config.pseudo_trades)
    finding = F.SHADOW_OPEN
    if result.n >= config.release_n_min and result.z > limits.z_proven:
        finding = F.SHADOW_PROVEN
    elif result.n >= config.archive_n_min and result.z < limits.z_hopeless:
        finding = F.SHADOW_HOPELESS
    return _evidence(state, finding, result, nets_uusd, None, limits)


def _evidence(
    state: LearningState,
    finding: Finding,
    result: Expectancy,
    nets_uusd: Sequence[int],
    limit_uusd: int | None,
    limits: LearningLimits,
) -> Evidence:
    return Evidence(
        finding=finding,
        shadow=state not in TRADING,
        n=result.n,
        wins=sum(net > 0 for net in nets_uusd),
        mean_uusd=result.mean_uusd,
        sd_uusd=result.sd_uusd,
        z_e6=round(result.z * MILLION),
        p_e6=round(normal_cdf(result.z) * MILLION),
        drawdown_uusd=drawdown_now_uusd(nets_uusd),
        drawdown_limit_uusd=limit_uusd,
        threshold_e6=round(_threshold(state, finding, limits.config) * MILLION),
    )


def _threshold(state: LearningState, finding: Finding, config: LearningConfig) -> float:
    """The probability that this change crossed; 0 where nothing changes."""
    if finding is F.DRAWDOWN:
        return config.drawdown_percentile / 100.0
    match state, TRANSITIONS.get((state, finding), state):
        case (S.QUARANTINED, S.THROTTLED_150):
            return config.release_p
        case (S.QUARANTINED, S.ARCHIVED):
            return config.archive_p
        case (_, S.QUARANTINED) if state in TRADING:
            return config.quarantine_p
        case (S.ACTIVE | S.THROTTLED_120, S.THROTTLED_150):
            return config.throttle_heavy_p
        case (S.ACTIVE, S.THROTTLED_120):
            return config.throttle_light_p
        case (S.THROTTLED_150, S.THROTTLED_120):
            return config.throttle_heavy_p + config.hysteresis_p
        case (S.THROTTLED_120, S.ACTIVE):
            return config.throttle_light_p + config.hysteresis_p
        case _:
            return 0.0
