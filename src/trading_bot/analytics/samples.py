"""What chance does to a small sample: intervals by the bootstrap, seeded, so that a report says the same twice."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import stats

LEVEL: Final = 0.95
RESAMPLES: Final = 2_000
SEED: Final = 20_240_607
TAIL: Final = 0.05
TAIL_TRADES_MIN: Final = 20  # a twentieth of fewer is not one trade
TAIL_DAYS_MIN: Final = 20
DAYS_DRAWN: Final = 10_000
_CELLS_MAX: Final = 2_000_000  # of the jackknife at a time
_PAIR: Final = 2
Sample = npt.NDArray[np.float64]


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of an estimate at `level`; `method` says how they were found, with how many resamples."""

    low: float
    high: float
    level: float
    method: str
    resamples: int = 0


class TailRisk(msgspec.Struct, frozen=True, kw_only=True):
    """The worst twentieth of results, as losses in micro-dollars (positive is a loss).

    `var_uusd` is the loss that `level` of the results stay above, `es_uusd` the mean of those beyond. `unit` is what
    one result is: `trade`, `day`, or `drawn day` (as many trades as an average day, drawn from those there were). None
    where there are too few: `note` says so. The interval of each is the bootstrap's.
    """

    unit: str
    level: float
    count: int
    var_uusd: float | None
    es_uusd: float | None
    var_interval: Interval | None
    es_interval: Interval | None
    resamples: int
    seed: int
    note: str = ""


def mean_interval(values: Sequence[int], *, seed: int = SEED, resamples: int = RESAMPLES) -> Interval | None:
    """Bias-corrected and accelerated bootstrap of the mean (Efron 1987); None below two values or without spread."""
    if len(values) < _PAIR or min(values) == max(values):
        return None
    found = stats.bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        confidence_level=LEVEL,
        n_resamples=resamples,
        method="BCa",
        batch=max(1, _CELLS_MAX // len(values)),
        random_state=np.random.default_rng(seed),
    )
    low, high = found.confidence_interval
    return Interval(low=float(low), high=float(high), level=LEVEL, method="BCa bootstrap", resamples=resamples)


def share_interval(hits: int, count: int) -> Interval | None:
    """Wilson's interval of a proportion; None of nothing."""
    if not count:
        return None
    found = stats.binomtest(hits, count).proportion_ci(confidence_level=LEVEL, method="wilson")
    return Interval(low=float(found.low), high=float(found.high), level=LEVEL, method="Wilson")


def tail_of(values: Sequence[int], unit: str, count_min: int, *, seed: int = SEED) -> TailRisk:
    """Value at risk and expected shortfall of the values themselves, with bootstrap intervals."""
    if len(values) < count_min:
        note = f"{len(values)} of {count_min} {unit}s: too few for a tail of {TAIL:.0%}"
        return TailRisk(
            unit=unit,
            level=1.0 - TAIL,
            count=len(values),
            var_uusd=None,
            es_uusd=None,
            var_interval=None,
            es_interval=None,
            resamples=0,
            seed=seed,
            note=note,
        )
    sample = np.sort(np.asarray(values, dtype=np.float64))
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(sample, size=(RESAMPLES, len(sample)), replace=True), axis=1)
    return _tail(sample, drawn, unit, seed)


def tail_of_drawn_day(values: Sequence[int], per_day: int, *, seed: int = SEED) -> TailRisk:
    """The tail of a day of `per_day` trades, each drawn from `values`: what such days may bring by chance alone."""
    if len(values) < TAIL_TRADES_MIN or per_day < 1:
        return tail_of((), "drawn day", 1, seed=seed)
    rng = np.random.default_rng(seed)
    sample = np.asarray(values, dtype=np.float64)
    days = np.sort(rng.choice(sample, size=(DAYS_DRAWN, per_day), replace=True).sum(axis=1))
    found = _tail(days, days[None, :], "drawn day", seed)
    return msgspec.structs.replace(found, var_interval=None, es_interval=None, resamples=DAYS_DRAWN)


def _tail(ordered: Sample, drawn: Sample, unit: str, seed: int) -> TailRisk:
    var_uusd, es_uusd = value_at_risk(ordered), expected_shortfall(ordered)
    spread = np.array([[value_at_risk(row), expected_shortfall(row)] for row in drawn])
    bounds = np.quantile(spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    var_interval, es_interval = (
        Interval(
            low=float(bounds[0, column]),
            high=float(bounds[1, column]),
            level=LEVEL,
            method="percentile bootstrap",
            resamples=len(drawn),
        )
        for column in (0, 1)
    )
    return TailRisk(
        unit=unit,
        level=1.0 - TAIL,
        count=len(ordered),
        var_uusd=var_uusd,
        es_uusd=es_uusd,
        var_interval=var_interval,
        es_interval=es_interval,
        resamples=len(drawn),
        seed=seed,
    )


def value_at_risk(ordered: Sample, tail: float = TAIL) -> float:
    """Minus the smallest value that at least `tail` of the ascending values do not exceed."""
    place = max(int(np.ceil(tail * len(ordered) - 1e-9)) - 1, 0)
    return -float(ordered[place])


def expected_shortfall(ordered: Sample, tail: float = TAIL) -> float:
    """Minus the mean of the worst `tail` of the ascending values; a part of one counts in part (Acerbi, Tasche)."""
    share = tail * len(ordered)
    whole = int(np.floor(share + 1e-9))
    rest = max(share - whole, 0.0)
    total = float(ordered[:whole].sum()) + (rest * float(ordered[whole]) if whole < len(ordered) else 0.0)
    return -total / share
