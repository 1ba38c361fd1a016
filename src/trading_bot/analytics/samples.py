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
DRAWN_DAY: Final = "drawn day"
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
        return _no_tail(unit, len(values), seed, note)
    sample = np.sort(np.asarray(values, dtype=np.float64))
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS_MAX // len(sample))
    spread = []
    for begin in range(0, RESAMPLES, at_once):
        rows = min(at_once, RESAMPLES - begin)
        drawn = np.sort(rng.choice(sample, size=(rows, len(sample)), replace=True), axis=1)
        spread += [(value_at_risk(row), expected_shortfall(row)) for row in drawn]
    low, high = np.quantile(np.array(spread), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    var_interval, es_interval = (
        Interval(
            low=float(low[column]),
            high=float(high[column]),
            level=LEVEL,
            method="percentile bootstrap",
            resamples=RESAMPLES,
        )
        for column in (0, 1)
    )
    found = _tail(sample, unit, seed, RESAMPLES, "")
    return msgspec.structs.replace(found, var_interval=var_interval, es_interval=es_interval)


def tail_of_drawn_day(values: Sequence[int], per_day: int, *, seed: int = SEED) -> TailRisk:
    """The tail of a day of `per_day` trades, each drawn from `values`: what such days may bring by chance alone."""
    if len(values) < TAIL_TRADES_MIN or per_day < 1:
        note = f"{len(values)} of {TAIL_TRADES_MIN} trades: too few to draw days from"
        return _no_tail(DRAWN_DAY, 0, seed, note)
    rng = np.random.default_rng(seed)
    sample = np.asarray(values, dtype=np.float64)
    days = np.sort(rng.choice(sample, size=(DAYS_DRAWN, per_day), replace=True).sum(axis=1))
    return _tail(days, DRAWN_DAY, seed, DAYS_DRAWN, f"days of {per_day} trades")


def _tail(ordered: Sample, unit: str, seed: int, resamples: int, note: str) -> TailRisk:
    return TailRisk(
        unit=unit,
        level=1.0 - TAIL,
        count=len(ordered),
        var_uusd=value_at_risk(ordered),
        es_uusd=expected_shortfall(ordered),
        var_interval=None,
        es_interval=None,
        resamples=resamples,
        seed=seed,
        note=note,
    )


def _no_tail(unit: str, count: int, seed: int, note: str) -> TailRisk:
    return TailRisk(
        unit=unit,
        level=1.0 - TAIL,
        count=count,
        var_uusd=None,
        es_uusd=None,
        var_interval=None,
        es_interval=None,
        resamples=0,
        seed=seed,
        note=note,
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
