"""Scheduled events, lockouts, context modifiers and re-entry (specification 6.4, 8.4; features DE08, DE09, DE12).

Every number says where it comes from: `spec` the specification gives it, what stands in `ASSUMED` nobody did yet.
The windows of the kinds of events are a table of `engines/scheduled_events.py`; what a volatility shock is stands in
`[exits]`, because positions are left on the same one.
"""

from typing import Annotated, Final, Literal

from trading_bot.domain.config_section import Section, unit, within

Required = Literal["live", "always", "never"]


class EventsConfig(Section, frozen=True):
    """The file of scheduled events, and when a run may not go without a current one (docs/events.md)."""

    file: Annotated[str, unit("file", "scheduled events (TOML) in data/events")] = "us_events.toml"
    stale_days_max: Annotated[int, within(1, 365), unit("days", "unchecked for longer: stale (spec 8.4)")] = 7
    required: Annotated[
        Required, unit("name", "a stale file stops entries: live: of a gateway's market only; always; or never")
    ] = "live"
    flat_before_s: Annotated[int, within(10, 3600), unit("s", "flat this long before a tier 1 event (spec 8.4)")] = 120
    flatten_lead_s: Annotated[int, within(0, 600), unit("s", "the way to flat begins this much earlier")] = 30


class LockoutConfig(Section, frozen=True):
    """How long entries stop after a shock and while trading is dear (specification 8.4)."""

    volatility_min: Annotated[int, within(1, 1440), unit("min", "after a volatility shock (spec)")] = 15
    calm_ratio: Annotated[float, within(0, 100), unit("1", "a calm bar: TR below this many ATR30 (spec)")] = 1.5
    calm_bars: Annotated[int, within(1, 60), unit("bars", "calm ones in a row that end it early (spec)")] = 5
    execution_min: Annotated[int, within(1, 1440), unit("min", "after a wide spread or dear slippage (spec)")] = 30
    spread_ticks: Annotated[int, within(1, 100), unit("ticks", "a spread of at least this (spec)")] = 3
    slippage_ticks: Annotated[float, within(0, 100), unit("ticks", "expected, of at least this (spec)")] = 3.0


class ModifierConfig(Section, frozen=True):
    """What the context adds to the expected utility that an entry needs (specification 6.4, DE09)."""

    lunch_ticks: Annotated[float, within(0, 100), unit("ticks", "in session phase 3")] = 0.25
    late_ticks: Annotated[float, within(0, 100), unit("ticks", "shortly before the entry cut-off")] = 0.25
    late_min: Annotated[int, within(0, 240), unit("min", "before the entry cut-off (spec)")] = 15
    event_ticks: Annotated[float, within(0, 100), unit("ticks", "near the window of a scheduled event")] = 0.5
    event_near_min: Annotated[int, within(0, 240), unit("min", "before and after that window")] = 15
    volatility_ticks: Annotated[float, within(0, 100), unit("ticks", "while volatility is HIGH")] = 0.25
    conflict_ticks: Annotated[float, within(0, 100), unit("ticks", "another template holds the other side")] = 0.5
    confluence_ticks: Annotated[float, within(0, 100), unit("ticks", "taken off when templates agree; sum >= 0")] = 0.25
    confluence_share: Annotated[float, within(0.5, 1), unit("1", "of the templates that hold (SG12)")] = 0.7
    confluence_templates_min: Annotated[int, within(1, 32), unit("templates", "that hold the same side")] = 2


class ReentryConfig(Section, frozen=True):
    """Time between an exit and the next entry of the same template to the same side (DE12)."""

    cooldown_s: Annotated[int, within(0, 86_400), unit("s", "after an exit")] = 60
    cooldown_loss_s: Annotated[int, within(0, 86_400), unit("s", "after an exit with a loss")] = 180

    def __post_init__(self) -> None:
        if self.cooldown_loss_s < self.cooldown_s:
            raise ValueError(
                f"reentry.cooldown_loss_s ({self.cooldown_loss_s}) is below reentry.cooldown_s ({self.cooldown_s}): "
                "a loss must not shorten the pause"
            )


ASSUMED: Final[dict[str, str]] = {
    "events.flatten_lead_s": "twice the 15 s that a flatten takes until its market order",
    "modifiers.lunch_ticks": "as much as the smallest utility of tier B: a set-up at noon has to be worth it twice",
    "modifiers.late_ticks": "as at lunch: less time than the hold of most templates is left",
    "modifiers.event_ticks": "two of the other steps: books thin out before a release and find their price after it",
    "modifiers.event_near_min": "the length of the longest window of a release, minutes of a meeting",
    "modifiers.volatility_ticks": "as at lunch; slippage grows with volatility by itself",
    "modifiers.conflict_ticks": "two of the other steps: one of two templates is wrong",
    "modifiers.confluence_ticks": "one step, so that agreement outweighs lunch or volatility, not both",
    "modifiers.confluence_templates_min": "one alone agrees with itself",
    "reentry.cooldown_s": "a template that left looks at a minute bar of its own before it comes back",
    "reentry.cooldown_loss_s": "three of them after a loss: the specification asks for a cool-down and gives no time",
}
