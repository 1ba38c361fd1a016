"""The simulated exchange and market, as configuration (docs/simulator.md; every number is assumed)."""

from typing import Annotated, Final, Literal

from trading_bot.domain.config_section import Section, unit, within
from trading_bot.domain.exchange import QueueModelName, StopTriggerName

Preset = Literal["none", "optimistic", "model", "pessimistic"]


class SimulatorConfig(Section, frozen=True):
    """What fills orders in OBSERVE, BACKTEST and SIM, and the market of --adapter sim."""

    preset: Annotated[Preset, unit("name", "a set that replaces queue_model and latencies (docs/simulator.md, 10)")] = (
        "none"
    )
    queue_model: Annotated[QueueModelName, unit("name", "what moves an order forward in its queue")] = "pessimistic"
    stop_trigger: Annotated[StopTriggerName, unit("name", "what triggers a stop: the last print, or the touch")] = (
        "last"
    )
    entry_latency_ms: Annotated[float, within(0, 60_000), unit("ms", "from us to the exchange")] = 25.0
    response_latency_ms: Annotated[float, within(0, 60_000), unit("ms", "from the exchange to us")] = 25.0
    child_latency_ms: Annotated[float, within(0, 60_000), unit("ms", "from a fill to its stop in force")] = 5.0
    stop_latency_ms: Annotated[float, within(0, 60_000), unit("ms", "from a stop's touch to its order")] = 5.0
    reject_every: Annotated[int, within(0, 2**31 - 1), unit("orders", "every n-th entry is rejected; 0 none")] = 0
    reject_per_mille: Annotated[int, within(0, 1_000), unit("1/1000", "share of entries rejected, by seed")] = 0
    history_sessions: Annotated[
        int, within(0, 20), unit("sessions", "of generated bars before a simulated market, for the warm-up")
    ] = 20
    faults: Annotated[
        tuple[str, ...],
        unit("texts", "faults of a simulated market: KIND TIME SECONDS [SIZE], as in docs/market-generator.md"),
    ] = ()


ASSUMED: Final[dict[str, str]] = {
    "queue_model": "the default is the safe choice",
    "stop_trigger": "specification 11; the queue of a resident stop is the broker's",
    "entry_latency_ms": "a home line to the broker's gateway and its routing, until paper trading has measured it",
    "response_latency_ms": "a home line to the broker's gateway and its routing, until paper trading has measured it",
    "child_latency_ms": "the broker's servers between an execution and the exchange; 0 would hide the naked time",
    "stop_latency_ms": "the broker's servers between a print and the exchange",
    "history_sessions": "what the specification lets history give",
}
