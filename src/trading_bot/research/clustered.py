"""The mean of values that come in groups, with an interval that knows it."""

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Final

import msgspec

from trading_bot.domain.errors import UsageError

LEVEL: Final = 0.95


class ClusteredMean(msgspec.Struct, frozen=True, kw_only=True):
    """`low` and `high` bound the mean with probability `LEVEL`; None with fewer than two groups."""

    mean: float | None
    low: float | None
    high: float | None
    clusters: int


def clustered_mean(values: Sequence[int], groups: Sequence[Hashable]) -> ClusteredMean:
    """The mean of `values` and its interval, values of one group being as dependent as they like.

    The variance is the cluster-robust one (Liang and Zeger 1986) with the factor G/(G − 1), Student's t with G − 1
    degrees of freedom. With one value a group this is the ordinary interval.

    Raises:
        ValueError: not as many groups as values.
        UsageError: SciPy is not installed.
    """
    sums: dict[Hashable, int] = {}
    counts: dict[Hashable, int] = {}
    for value, group in zip(values, groups, strict=True):
        sums[group] = sums.get(group, 0) + value
        counts[group] = counts.get(group, 0) + 1
    n, clusters = len(values), len(sums)
    if not n:
        return ClusteredMean(mean=None, low=None, high=None, clusters=0)
    mean = sum(values) / n
    if clusters < 2:
        return ClusteredMean(mean=mean, low=None, high=None, clusters=clusters)
    try:
        from scipy.special import stdtrit
    except ImportError:
        raise UsageError("intervals need the analytics extra: pip install 'trading-bot[analytics]'") from None
    squares = sum((total - counts[group] * mean) ** 2 for group, total in sums.items())
    error = sqrt(squares * clusters / (clusters - 1)) / n
    half = float(stdtrit(clusters - 1, 0.5 + LEVEL / 2)) * error
    return ClusteredMean(mean=mean, low=mean - half, high=mean + half, clusters=clusters)
