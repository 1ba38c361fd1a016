"""A belief taken apart: what each signal put into it, and which triggers passed (docs/kernel.md, section 8)."""

from math import sqrt

import msgspec

from trading_bot.core.state import State
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME, SignalSpec
from trading_bot.domain.templates import TemplateConfig


class SignalPart(msgspec.Struct, frozen=True, kw_only=True):
    """One weight: the signal's own value, what enters of it (for the side asked about), and their product."""

    signal: str
    value: float | None
    unit: str
    entered: float | None
    weight: float
    product: float | None
    pooled: bool


class TriggerPart(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger, for the side asked about; `passes` None: the signal has no value."""

    signal: str
    of: str
    value: float | None
    low: float | None
    high: float | None
    passes: bool | None


class BeliefParts(msgspec.Struct, frozen=True, kw_only=True):
    """`now` is the sum of this moment over the weights, `smoothed` what the belief is made of; z and L of the side."""

    signals: tuple[SignalPart, ...]
    triggers: tuple[TriggerPart, ...]
    now: float | None
    smoothed: float | None
    z: float | None
    belief: float | None
    stability: float | None


def belief_parts(state: State, index: int, side: int) -> BeliefParts:
    """The belief of template number `index` in `side` (+1, -1), as the kernel stands."""
    template = list(state.documents.templates.values())[index]
    flags = state.kernel.signal_flags()
    signals = tuple(
        _signal_part(state, SIGNAL_BY_NAME[name], weight, side, pooled=flags.get(name, False))
        for name, weight in template.weights.items()
    )
    total = sum(abs(weight) for weight in template.weights.values())
    products = [part.product for part in signals if part.product is not None]
    now = sum(products) / total if total and len(products) == len(signals) else None
    odd, even, moved, z_long, z_short, *_ = state.kernel.beliefs()[index]
    z = z_long if side > 0 else z_short
    smoothed = None if odd is None or even is None or not total else (even + side * odd) / total
    return BeliefParts(
        signals=signals,
        triggers=_trigger_parts(state, template, side),
        now=now,
        smoothed=smoothed,
        z=z,
        belief=None if z is None else 0.5 * (1.0 + z / sqrt(1.0 + z * z)),
        stability=None if moved is None or not total else moved / total,
    )


def _signal_part(state: State, spec: SignalSpec, weight: float, side: int, *, pooled: bool) -> SignalPart:
    value = state.kernel.signal(spec.id)
    entered: float | None = None
    if value is not None:
        scaled = value if spec.scale == 0.0 else value / spec.scale
        entered = scaled if spec.scale == 0.0 else scaled / sqrt(1.0 + scaled * scaled)
        entered = entered * side if spec.parity == "odd" else entered
    return SignalPart(
        signal=spec.name,
        value=value,
        unit=spec.unit,
        entered=entered,
        weight=weight,
        product=None if entered is None else weight * entered,
        pooled=pooled,
    )


def _trigger_parts(state: State, template: TemplateConfig, side: int) -> tuple[TriggerPart, ...]:
    parts = []
    changes = state.kernel.signal_changes()
    for trigger in template.triggers:
        spec = SIGNAL_BY_NAME[trigger.signal]
        value = changes.get(spec.name) if trigger.of == "delta" else state.kernel.signal(spec.id)
        seen = None if value is None else value * side if spec.parity == "odd" else value
        passes = None
        if seen is not None:
            passes = (trigger.min is None or trigger.min <= seen) and (trigger.max is None or seen <= trigger.max)
        parts.append(
            TriggerPart(signal=spec.name, of=trigger.of, value=seen, low=trigger.min, high=trigger.max, passes=passes)
        )
    return tuple(parts)
