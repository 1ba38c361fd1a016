"""A calibration map: what a template's belief has meant, per volatility (specification 6.2, docs/calibration.md)."""

import math
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from trading_bot.domain.kernel import MapKnot

VOLATILITIES: Final = ("low", "normal", "high")  # in the order of TemplateRow.maps
KNOTS_MIN: Final = 2
KNOTS_MAX: Final = 8
_SUM_SPARE: Final = 1e-9  # written decimals that add up to 1 may be a little more as doubles


class CalibrationMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One fitted map. It holds for the template it names with the lengths it was fitted at, and for no other.

    Knots stand under the volatility they were fitted in, beliefs ascending; a volatility without knots stays
    uncalibrated. `version` counts the fits of this template, `fitted_at` is UTC as ISO 8601, `trades` are those behind
    the fit, `source` says for people what they were.
    """

    template: str
    instrument: str
    version: Annotated[int, Meta(ge=1)]
    fitted_at: str
    trades: Annotated[int, Meta(ge=0)]
    target_ticks: Annotated[int, Meta(ge=1, le=200)]
    stop_ticks: Annotated[int, Meta(ge=1, le=12)]
    hold_s: Annotated[int, Meta(ge=1, le=86_400)]
    low: tuple[MapKnot, ...] = ()
    normal: tuple[MapKnot, ...] = ()
    high: tuple[MapKnot, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if not any(self.buckets):
            raise ValueError(f"a map needs knots under at least one of {', '.join(VOLATILITIES)}, found none")
        for name, knots in zip(VOLATILITIES, self.buckets, strict=True):
            _check_knots(name, knots)

    @property
    def buckets(self) -> tuple[tuple[MapKnot, ...], tuple[MapKnot, ...], tuple[MapKnot, ...]]:
        """Knots as the kernel indexes them: low, normal, high."""
        return self.low, self.normal, self.high


def _check_knots(name: str, knots: tuple[MapKnot, ...]) -> None:
    if knots and not KNOTS_MIN <= len(knots) <= KNOTS_MAX:
        raise ValueError(f"{name} has {len(knots)} knots, expected {KNOTS_MIN} to {KNOTS_MAX}")
    for index, knot in enumerate(knots):
        where = f"{name}[{index}]"
        for field in ("belief", "p_target", "p_stop"):
            value = getattr(knot, field)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{where}.{field} is {value:g}, expected 0 to 1")
        if knot.p_target + knot.p_stop > 1.0 + _SUM_SPARE:
            raise ValueError(
                f"{where}: p_target {knot.p_target:g} + p_stop {knot.p_stop:g} is above 1; what is left of 1 is the "
                "chance of the time stop"
            )
        if not math.isfinite(knot.mark_ticks) or abs(knot.mark_ticks) > 200:
            raise ValueError(f"{where}.mark_ticks is {knot.mark_ticks:g}, expected -200 to 200 ticks")
        if index and knot.belief <= knots[index - 1].belief:
            raise ValueError(
                f"{where}.belief is {knot.belief:g} after {knots[index - 1].belief:g}: knots are written in "
                "ascending order of belief"
            )
