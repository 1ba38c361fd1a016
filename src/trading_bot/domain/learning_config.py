"""When a template is throttled, quarantined, released and saved (specification 9), as configuration.

[U] marks what the user fixed; what stands in `ASSUMED` is assumed (docs/learning.md, section 3); the rest is the
specification's.
"""

from itertools import pairwise
from typing import Annotated, Final

from trading_bot.domain.config_section import Section, unit, within

_PROBABILITY: Final = within(0.001, 0.999)


class LearningConfig(Section, frozen=True):
    """Limits of the LearningLoop. P is the probability that a template's expectancy is above zero."""

    look_every_trades: Annotated[int, within(5, 1000), unit("trades", "of a template, between looks")] = 20
    pseudo_trades: Annotated[int, within(1, 1000), unit("trades", "at zero mean: prior of the expectancy")] = 20
    window_trades: Annotated[int, within(60, 2000), unit("trades", "newest outcomes that count as evidence")] = 200
    evidence_days_max: Annotated[int, within(1, 3650), unit("days", "older outcomes no longer count")] = 180
    throttle_n_min: Annotated[int, within(1, 1000), unit("trades", "fewer never throttle")] = 20
    throttle_light_p: Annotated[float, _PROBABILITY, unit("1", "P(expectancy > 0) below: throttle_light")] = 0.35
    throttle_heavy_p: Annotated[float, _PROBABILITY, unit("1", "P(expectancy > 0) below: throttle_heavy")] = 0.20
    hysteresis_p: Annotated[float, within(0, 0.5), unit("1", "P above the threshold that takes it back")] = 0.10
    throttle_light: Annotated[float, within(1, 10), unit("1", "factor on cost and minimum EUC")] = 1.2
    throttle_heavy: Annotated[float, within(1, 10), unit("1", "factor on cost and minimum EUC")] = 1.5
    quarantine_n_min: Annotated[int, within(1, 1000), unit("trades", "fewer never quarantine")] = 40
    quarantine_p: Annotated[float, _PROBABILITY, unit("1", "P(expectancy > 0) below: quarantine")] = 0.05
    drawdown_percentile: Annotated[float, within(50, 99.9), unit("%", "drawdown above: quarantine")] = 99.0
    bootstrap_paths: Annotated[int, within(100, 10_000), unit("paths", "resampled to find the percentile")] = 500
    release_n_min: Annotated[int, within(1, 1000), unit("trades", "shadow trades before a release")] = 60
    release_p: Annotated[float, _PROBABILITY, unit("1", "P(expectancy > 0) of shadow trades above: release")] = 0.90
    archive_n_min: Annotated[int, within(1, 1000), unit("trades", "shadow trades before archiving")] = 120
    archive_p: Annotated[float, _PROBABILITY, unit("1", "P(expectancy > 0) of shadow trades below: archive")] = 0.05
    confidence_max: Annotated[float, within(0.01, 0.99), unit("1", "largest weight of evidence against the prior")] = (
        0.75
    )
    belief_trades_min: Annotated[int, within(1, 1000), unit("trades", "before belief's promises are judged")] = 50
    belief_pseudo_trades: Annotated[int, within(1, 10_000), unit("trades", "that kept their promise: prior")] = 200
    belief_factor_min: Annotated[float, within(0, 1), unit("1", "least share of the promise that counts")] = 0.25
    belief_factor_week_max: Annotated[float, within(0, 1), unit("1", "most it moves within a week")] = 0.10
    save_every_trades: Annotated[int, within(1, 1000), unit("trades", "[U] outcomes between saves")] = 10

    def __post_init__(self) -> None:
        rising = (
            ("quarantine_p", self.quarantine_p),
            ("throttle_heavy_p", self.throttle_heavy_p),
            ("throttle_light_p", self.throttle_light_p),
            ("throttle_light_p + hysteresis_p", self.throttle_light_p + self.hysteresis_p),
        )
        for (low_name, low), (high_name, high) in pairwise(rising):
            if low > high:
                raise ValueError(f"learning.{low_name} ({low}) must not be above learning.{high_name} ({high})")
        if self.throttle_heavy_p + self.hysteresis_p > self.throttle_light_p:
            raise ValueError(
                f"learning.throttle_heavy_p + hysteresis_p ({self.throttle_heavy_p + self.hysteresis_p}) must not be "
                f"above learning.throttle_light_p ({self.throttle_light_p}): the steps would overlap"
            )
        if self.archive_p >= self.release_p:
            raise ValueError(f"learning.archive_p ({self.archive_p}) must be below release_p ({self.release_p})")
        if self.throttle_light > self.throttle_heavy:
            raise ValueError(
                f"learning.throttle_light ({self.throttle_light}) must not be above "
                f"learning.throttle_heavy ({self.throttle_heavy})"
            )
        for name in ("throttle_n_min", "quarantine_n_min", "release_n_min", "archive_n_min", "belief_trades_min"):
            if getattr(self, name) > self.window_trades:
                raise ValueError(
                    f"learning.{name} ({getattr(self, name)}) is above learning.window_trades "
                    f"({self.window_trades}): it could never be reached"
                )


ASSUMED: Final[dict[str, str]] = {
    "window_trades": "ten looks; an edge that is older than that is another market's",
    "evidence_days_max": "two quarters of contracts",
    "hysteresis_p": "half the distance between the two thresholds, so that a state does not flicker",
    "bootstrap_paths": "the 99th percentile of 500 paths stands on five of them",
    "belief_trades_min": "as many as a fit of slippage needs",
    "belief_pseudo_trades": "a result is some seven times its promise: 200 trades count for half",
    "belief_factor_min": "as of the slippage factors; what stops a template is quarantine, not this",
    "belief_factor_week_max": "twice what a person may move a weight in a week; from 1 to the least takes eight weeks",
    "archive_n_min": "twice what a release needs",
    "archive_p": "as sure of the loss as a quarantine has to be",
}
