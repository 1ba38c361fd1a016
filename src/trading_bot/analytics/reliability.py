"""Whether beliefs mean what they say: forecasts against outcomes (feature LE09)."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from trading_bot.analytics.samples import Interval, share_interval
from trading_bot.reports.fact_records import TradeFact

BINS: Final = 10
_E6: Final = 1_000_000


class CurveBin(msgspec.Struct, frozen=True, kw_only=True):
    """Forecasts in [low, high); `observed` is how often it came true, with Wilson's interval."""

    low: float
    high: float
    count: int
    hits: int
    forecast: float
    observed: float
    interval: Interval | None
    members: tuple[int, ...]


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of forecast against what happened.

    `brier` is the mean square of forecast − outcome: 0 is clairvoyant, .25 is a coin, `brier_base` is what always
    saying the average would have. `ece` is the mean distance of observed from forecast over the
    bins, weighted by count. None without a trade. Bins that are empty are left out.
    """

    forecast: str
    outcome: str
    count: int
    brier: float | None
    brier_base: float | None
    ece: float | None
    bins: tuple[CurveBin, ...]


FORECASTS: Final[tuple[tuple[str, str, Callable[[TradeFact], int | None], Callable[[TradeFact], bool]], ...]] = (
    ("belief", "earned more than its commission", lambda row: row.belief_e6, lambda row: row.win),
    ("p(target)", "left at the target", lambda row: row.p_e6, lambda row: row.exit_reason == "TARGET"),
)


def curves(trades: Sequence[TradeFact]) -> tuple[Curve, ...]:
    """Belief against winning, and the chance of the target against reaching it."""
    found = []
    for name, outcome, forecast, came_true in FORECASTS:
        rows = [
            (place, told / _E6, came_true(row))
            for place, row in enumerate(trades)
            if (told := forecast(row)) is not None
        ]
        found.append(_curve(name, outcome, rows))
    return tuple(found)


def _curve(name: str, outcome: str, rows: Sequence[tuple[int, float, bool]]) -> Curve:
    count = len(rows)
    if not count:
        return Curve(forecast=name, outcome=outcome, count=0, brier=None, brier_base=None, ece=None, bins=())
    by_bin: dict[int, list[tuple[int, float, bool]]] = {}
    for row in rows:
        by_bin.setdefault(min(int(row[1] * BINS), BINS - 1), []).append(row)
    bins = tuple(_bin(place, by_bin[place]) for place in sorted(by_bin))
    base = sum(hit for _, _, hit in rows) / count
    return Curve(
        forecast=name,
        outcome=outcome,
        count=count,
        brier=sum((told - hit) ** 2 for _, told, hit in rows) / count,
        brier_base=base * (1.0 - base),
        ece=sum(row.count * abs(row.observed - row.forecast) for row in bins) / count,
        bins=bins,
    )


def _bin(place: int, rows: Sequence[tuple[int, float, bool]]) -> CurveBin:
    count, hits = len(rows), sum(hit for _, _, hit in rows)
    return CurveBin(
        low=place / BINS,
        high=(place + 1) / BINS,
        count=count,
        hits=hits,
        forecast=sum(told for _, told, _ in rows) / count,
        observed=hits / count,
        interval=share_interval(hits, count),
        members=tuple(member for member, _, _ in rows),
    )
