"""A strategy template as a person writes it in TOML; `engines/kernel_config.py` compiles it to a kernel row."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from trading_bot.domain.exit_config import TemplateExits
from trading_bot.domain.kernel import TRIGGERS_MAX, WEIGHTS_MAX
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME


class TriggerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A condition for the long side; odd signals are negated for the short side.

    `of` is `value`, or `delta` for the change since the previous bar. Natural units of the signal.
    """

    signal: str
    of: Literal["value", "delta"] = "value"
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError(f"a trigger on {self.signal} needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"a trigger on {self.signal} can never pass: min {self.min} is above max {self.max}")


class TemplateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One strategy. Lengths in ticks of the traded instrument, times in seconds.

    `rv_reference` is the rv_300s (ticks/sqrt(s)) at which target and stop are as written: they scale with it, half to
    twice (specification 6.4); 0: they never do. `plugin` names an installed strategy in Python that proposes instead of
    weights and triggers, made with `params` (docs/strategies.md).
    """

    on: bool
    title: str
    cadence: Literal["tick", "grid", "bar"]
    entry: Literal["passive", "marketable"]
    target_ticks: Annotated[int, Meta(ge=1, le=200)]
    stop_ticks: Annotated[int, Meta(ge=1, le=12)]
    hold_s: Annotated[int, Meta(ge=1, le=86_400)]
    target_rule: Literal["fixed", "vwap"] = "fixed"
    smoothing_s: Literal[1, 5, 30] = 1
    gain: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    offset: Annotated[float, Meta(ge=-100, le=100)] = 0.0
    belief_enter: Annotated[float, Meta(gt=0, lt=1)] = 0.60
    belief_hold: Annotated[float, Meta(gt=0, lt=1)] = 0.55
    applicability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    rv_reference: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    rearm_s: Annotated[float, Meta(ge=0.1, le=3600)] = 1.0
    plugin: str = ""
    params: dict[str, float | int | str | bool] = {}
    weights: dict[str, float] = {}
    triggers: tuple[TriggerConfig, ...] = ()
    exits: TemplateExits = TemplateExits()
    assumed: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.belief_hold > self.belief_enter:
            raise ValueError(f"belief_hold {self.belief_hold} is above belief_enter {self.belief_enter}")
        if self.plugin:
            self._check_plugin()
        elif self.params:
            raise ValueError(f"params {sorted(self.params)} are for a plugin, and there is none")
        elif not self.weights or len(self.weights) > WEIGHTS_MAX:
            raise ValueError(f"weights needs 1 to {WEIGHTS_MAX} signals, found {len(self.weights)}")
        if any(weight == 0 for weight in self.weights.values()):
            raise ValueError("a weight of 0 says nothing: remove the signal")
        if len(self.triggers) > TRIGGERS_MAX:
            raise ValueError(f"at most {TRIGGERS_MAX} triggers, found {len(self.triggers)}")
        for trigger in self.triggers:
            spec = SIGNAL_BY_NAME.get(trigger.signal)
            if spec is not None and trigger.of == "delta" and spec.cadence != "bar":
                raise ValueError(f"delta is for bar signals; {trigger.signal} is a {spec.cadence} signal")
        flow = [name for name in self.weights if name in SIGNAL_BY_NAME and SIGNAL_BY_NAME[name].cadence != "bar"]
        if self.cadence == "tick" and len(flow) > 6:
            raise ValueError(
                f"a tick template uses at most six order-flow signals, found {len(flow)}: {', '.join(flow)}"
            )

    def _check_plugin(self) -> None:
        if self.weights or self.triggers:
            raise ValueError(f"plugin {self.plugin} proposes by itself: remove weights and triggers")
        if self.cadence != "bar":
            raise ValueError(
                f"plugin {self.plugin} is asked when a minute closes: cadence must be bar, is {self.cadence}"
            )
        if self.target_rule != "fixed":
            raise ValueError(f"plugin {self.plugin} has a fixed target: target_rule must be fixed")


class VetoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A condition on an even signal without which the templates in `blocks` do not trade; unknown is not met.

    It is met while `min <= value <= max`, as far as they are given, in natural units of the signal.
    """

    title: str
    signal: str
    blocks: tuple[str, ...]
    min: float | None = None
    max: float | None = None
    assumed: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError(f"a veto on {self.signal} needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"a veto on {self.signal} blocks for ever: min {self.min} is above max {self.max}")
        if not self.blocks:
            raise ValueError("blocks is empty; name the templates that the veto stops")


class StrategyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A strategy file: `[template.K1]`, `[veto.K5]` and so on; the order of templates breaks ties."""

    template: dict[str, TemplateConfig]
    veto: dict[str, VetoConfig] = {}
