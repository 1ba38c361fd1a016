"""When an open position is left (specification 5, 8.4, 11; features EX09 to EX12), as configuration.

Every number says where it comes from: [U] the user fixed it, `spec` the specification or its feature table gives it,
`assumed` nobody did yet. R is the distance from entry to the initial stop.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from trading_bot.domain.config_section import Section, unit, within

QualityAction = Literal["tighten", "exit"]


class ExitConfig(Section, frozen=True):
    """Exits of every template; `TemplateExits` may differ for one of them."""

    limit_through_ticks: Annotated[int, within(0, 100), unit("ticks", "exit limit beyond the touch (spec 11)")] = 8
    limit_wait_ms: Annotated[
        int, within(100, 60_000), unit("ms", "an exit limit not filled by then becomes a market order")
    ] = 2_000
    stop_grace_ms: Annotated[
        int, within(0, 60_000), unit("ms", "time a touched resident stop has to fill before an exit is sent")
    ] = 2_000
    target_grace_ms: Annotated[
        int, within(0, 60_000), unit("ms", "time a touched resident target keeps weaker exits waiting")
    ] = 1_000
    thesis_belief: Annotated[
        float, within(0, 1), unit("1", "belief of the entering template on its side, below it the thesis is gone")
    ] = 0.45
    thesis_s: Annotated[float, within(0, 3600), unit("s", "time below thesis_belief that ends the trade")] = 5.0
    volatility_exit: Annotated[bool, unit("bool", "leave on a volatility shock (spec 8.4, 11)")] = True
    shock_atr_n: Annotated[float, within(0, 100), unit("1", "shock: atr_14_n·3 of at least this (spec 8.4)")] = 2.55
    shock_range_ratio: Annotated[
        float, within(1, 100), unit("1", "shock: TR over the median TR of this minute of the day (spec 8.4)")
    ] = 4.0
    quality_action: Annotated[
        QualityAction, unit("name", "below the hold gates (spec 4, 5): tighten the stop first, or exit at once")
    ] = "tighten"
    quality_exit_s: Annotated[float, within(0, 3600), unit("s", "time below a hold gate that ends the trade")] = 30.0
    quality_stop_r: Annotated[
        float, within(0, 1), unit("R", "distance of the tightened stop from the price while below a hold gate")
    ] = 0.5
    break_even_from_r: Annotated[float, within(0, 100), unit("R", "profit that moves the stop first (EX10)")] = 1.0
    break_even_lock_r: Annotated[float, within(-1, 100), unit("R", "where it moves to, from entry (EX10)")] = 0.25
    lock_from_r: Annotated[float, within(0, 100), unit("R", "profit that moves the stop again (EX10)")] = 2.0
    lock_r: Annotated[float, within(-1, 100), unit("R", "where it moves to, from entry (EX10)")] = 1.0
    trail: Annotated[bool, unit("bool", "follow the best price at a distance (EX10)")] = True
    trail_from_r: Annotated[float, within(0, 100), unit("R", "profit from which the stop follows")] = 1.0
    trail_atr: Annotated[float, within(0, 100), unit("ATR", "distance from the best price (EX10)")] = 0.75
    trail_ticks_min: Annotated[int, within(1, 100), unit("ticks", "least distance from the best price")] = 2
    stop_step_ticks: Annotated[int, within(1, 100), unit("ticks", "a stop moves by at least this")] = 1

    def __post_init__(self) -> None:
        for lock, since in (("break_even_lock_r", "break_even_from_r"), ("lock_r", "lock_from_r")):
            if getattr(self, lock) >= getattr(self, since):
                raise ValueError(
                    f"exits.{lock} ({getattr(self, lock)}) must be below exits.{since} ({getattr(self, since)}): "
                    "a stop cannot stand at or beyond the price that moves it"
                )
        if self.break_even_from_r > self.lock_from_r or self.break_even_lock_r > self.lock_r:
            raise ValueError(
                f"exits.break_even ({self.break_even_from_r} R to {self.break_even_lock_r} R) must come before "
                f"exits.lock ({self.lock_from_r} R to {self.lock_r} R)"
            )


class TemplateExits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one template does differently (`[template.K1.exits]`); None takes the value of `ExitConfig` (EX12)."""

    thesis_belief: Annotated[float, Meta(ge=0, le=1)] | None = None
    thesis_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
    volatility_exit: bool | None = None
    quality_action: QualityAction | None = None
    quality_exit_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
    trail: bool | None = None
    trail_from_r: Annotated[float, Meta(ge=0, le=100)] | None = None
    trail_atr: Annotated[float, Meta(ge=0, le=100)] | None = None
    assumed: dict[str, str] = {}


# For `config show`: what neither the specification nor the user gave.
ASSUMED: Final[dict[str, str]] = {
    "limit_wait_ms": "five times a slow answer of the broker; a limit 8 ticks through fills at once or the price runs",
    "stop_grace_ms": "a simulated stop needs a round trip to the broker; longer means that it did not trigger",
    "target_grace_ms": "a touch is no fill: the queue ahead may stay, and no weaker exit may wait for it",
    "thesis_belief": "clearly on the other side of .5, so that noise around indifference does not end a trade",
    "thesis_s": "five smoothing times of the fastest templates; slower templates set their own",
    "volatility_exit": "the specification names the exit and gives its condition, not whether a winner stays",
    "quality_action": "the specification says tighten or exit; most dips last seconds, and the stop is at the broker",
    "quality_exit_s": "half of what clears DATA_DOWN",
    "quality_stop_r": "half of the risk while the picture is unsure",
    "trail_from_r": "with the break-even, so that templates with a target of 2 R trail at all",
    "trail_ticks_min": "the spread and one tick: less is hit by the bounce between bid and ask",
    "stop_step_ticks": "every tick counts for one lot; raise it when pacing binds",
}
