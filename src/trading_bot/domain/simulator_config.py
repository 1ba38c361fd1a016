"""The simulated exchange and market, as configuration (docs/simulator.md, section 10)."""

from typing import Annotated, Any, Final, Literal

import msgspec

from trading_bot.domain.config_section import Section, unit, within
from trading_bot.domain.exchange import PRESETS, QueueModelName, StopTriggerName
from trading_bot.domain.units import NS_PER_MS

Preset = Literal["none", "optimistic", "model", "pessimistic"]

# What a preset brings itself. Fee and seed are the run's; faults and the stop's trigger go with any preset.
PRESET_FIELDS: Final = (
    "queue_model",
    "entry_latency_ms",
    "response_latency_ms",
    "child_latency_ms",
    "stop_latency_ms",
    "beyond_touch_lots",
)


class SimulatorConfig(Section, frozen=True):
    """What fills orders in OBSERVE, BACKTEST and SIM, and the market of --adapter sim."""

    preset: Annotated[
        Preset, unit("name", "brings queue_model, the latencies and beyond_touch_lots (docs/simulator.md, 10)")
    ] = "none"
    queue_model: Annotated[QueueModelName, unit("name", "what moves an order forward in its queue")] = "pessimistic"
    stop_trigger: Annotated[
        StopTriggerName, unit("name", "what triggers a stop: the last print, or the touch (spec 11)")
    ] = "last"
    entry_latency_ms: Annotated[float, within(0, 60_000), unit("ms", "from us to the exchange")] = 25.0
    response_latency_ms: Annotated[float, within(0, 60_000), unit("ms", "from the exchange to us")] = 25.0
    child_latency_ms: Annotated[float, within(0, 60_000), unit("ms", "from a fill to its stop in force")] = 5.0
    stop_latency_ms: Annotated[float, within(0, 60_000), unit("ms", "from a stop's touch to its order")] = 5.0
    partial_fills: Annotated[bool, unit("bool", "an order may fill in parts; else only as a whole")] = True
    beyond_touch_lots: Annotated[
        int, within(0, 2**31 - 1), unit("contracts", "on each tick beyond the touch; 0: as many as the touch shows")
    ] = 0
    reject_every: Annotated[int, within(0, 2**31 - 1), unit("orders", "every n-th entry is rejected; 0 none")] = 0
    reject_per_mille: Annotated[int, within(0, 1_000), unit("1/1000", "share of entries rejected, by seed")] = 0
    reject_exit_every: Annotated[int, within(0, 2**31 - 1), unit("orders", "every n-th exit is rejected; 0 none")] = 0
    latency_model: Annotated[
        str, unit("file", "fitted latencies by burst, for the two above (docs/latency-model.md); empty: the numbers")
    ] = ""
    latency_scale: Annotated[
        float, within(0, 100), unit("1", "entry and response latency, or the model's, times this")
    ] = 1.0
    history_sessions: Annotated[
        int, within(0, 20), unit("sessions", "of generated bars before a simulated market, for the warm-up")
    ] = 20
    faults: Annotated[
        tuple[str, ...],
        unit("texts", "faults of a simulated market: KIND TIME SECONDS [SIZE], as in docs/market-generator.md"),
    ] = ()

    def __post_init__(self) -> None:
        if self.preset == "none":
            return
        if self.latency_model:
            raise ValueError(
                f"simulator.latency_model ({self.latency_model}) and simulator.preset ({self.preset}) exclude each "
                "other: the preset brings its own latencies; take one of them away"
            )
        defaults = {field.name: field.default for field in msgspec.structs.fields(type(self))}
        for name in PRESET_FIELDS:
            if getattr(self, name) != defaults[name]:
                raise ValueError(
                    f"simulator.{name} ({getattr(self, name)}) and simulator.preset ({self.preset}) exclude each "
                    f"other: the preset brings its own {name}; take one of them away"
                )


def in_force(config: SimulatorConfig) -> dict[str, Any]:
    """What a preset puts in the place of the table's own values, by field name; empty without one."""
    if config.preset == "none":
        return {}
    row = PRESETS[config.preset]
    return {
        name: getattr(row, f"{name.removesuffix('_ms')}_ns") / NS_PER_MS if name.endswith("_ms") else getattr(row, name)
        for name in PRESET_FIELDS
    }


ASSUMED: Final[dict[str, str]] = {
    "preset": "the values below, one by one; presets are there to be compared",
    "queue_model": "the default is the safe choice",
    "entry_latency_ms": "a home line to the broker's gateway and its routing, until paper trading has measured it",
    "response_latency_ms": "a home line to the broker's gateway and its routing, until paper trading has measured it",
    "child_latency_ms": "the broker's servers between an execution and the exchange; 0 would hide the naked time",
    "stop_latency_ms": "the broker's servers between a print and the exchange",
    "partial_fills": "the exchange fills in parts",
    "beyond_touch_lots": "as many as the touch shows: top-of-book data has nothing behind it",
    "reject_every": "faults are asked for",
    "reject_per_mille": "faults are asked for",
    "reject_exit_every": "faults are asked for",
    "latency_model": "nothing has been measured yet; a file brings its own evidence",
    "latency_scale": "as configured or measured; another number asks what if",
    "history_sessions": "what the specification lets history give",
}
