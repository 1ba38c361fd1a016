"""Reference levels (feature DG13; docs/levels.md), as configuration.

Every number says where it comes from: `DG13` the feature table gives it, `assumed` nobody did yet.
"""

from typing import Annotated, Final

from trading_bot.domain.config_section import Section, unit, within


class LevelsConfig(Section, frozen=True):
    """Which prices count as levels, and how much each weighs."""

    weight_prior_session: Annotated[float, within(0, 10), unit("1", "high and low of the prior RTH session (DG13)")] = (
        1.0
    )
    weight_opening_range: Annotated[float, within(0, 10), unit("1", "high and low of the opening range (DG13)")] = 1.2
    weight_prior_day: Annotated[
        float, within(0, 10), unit("1", "high, low and close of the prior trade date (DG13)")
    ] = 0.8
    weight_overnight: Annotated[float, within(0, 10), unit("1", "high and low before the RTH open (DG13)")] = 0.9
    weight_round: Annotated[float, within(0, 10), unit("1", "round numbers (DG13)")] = 0.6
    weight_vwap_inner: Annotated[float, within(0, 10), unit("1", "VWAP and 1.5 deviations (DG13)")] = 0.9
    weight_vwap_outer: Annotated[float, within(0, 10), unit("1", "VWAP and 2 deviations (DG13)")] = 0.7
    opening_range_min: Annotated[int, within(1, 120), unit("min", "length of the opening range (DG13)")] = 15
    opening_range_points_min: Annotated[
        float, within(0, 1000), unit("points", "a narrower opening range is ignored (DG13)")
    ] = 2.0
    round_points: Annotated[float, within(1, 10_000), unit("points", "distance of round numbers (DG13)")] = 10.0
    touch_buffer_ticks: Annotated[
        int, within(0, 100), unit("ticks", "a bar that comes this close touches the level (DG13)")
    ] = 2
    recency: Annotated[float, within(0, 1), unit("1", "what is left of a touch after a bar (DG13)")] = 0.8
    recency_bars: Annotated[int, within(1, 1440), unit("bars", "a touch is forgotten after this many (DG13)")] = 120
    accept_closes: Annotated[
        int, within(1, 20), unit("bars", "closes in a row beyond a level that accept it (DG13)")
    ] = 2
    accept_ticks: Annotated[int, within(1, 100), unit("ticks", "and how far beyond (DG13)")] = 1
    merge_points: Annotated[float, within(0, 100), unit("points", "nearer levels become one (DG13)")] = 1.0
    levels_max: Annotated[int, within(1, 64), unit("levels", "nearest to the price that are kept (DG13)")] = 12
    fade_points: Annotated[
        float, within(0.25, 10_000), unit("points", "distance at which a level no longer counts in level_bias")
    ] = 10.0
    edge_min: Annotated[
        int, within(1, 240), unit("min", "a span without a bar in its first or last so many gives no levels")
    ] = 15


# For `config show`: what neither the specification nor the feature table gave.
ASSUMED: Final[dict[str, str]] = {
    "fade_points": "the distance of round numbers: from one on there is always another one nearer",
    "edge_min": "the length of the opening range: a high of half a session is not the session's high",
}
