"""The exchange simulator's configuration, from what a person wrote."""

import msgspec

from trading_bot.domain.exchange import PRESETS, ExchangeConfig
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.latency_model import LATENCY_NS_MAX, LatencyModel
from trading_bot.domain.simulator_config import SimulatorConfig
from trading_bot.domain.units import NS_PER_MS


def exchange_config(
    config: SimulatorConfig, instrument: Instrument, seed: int, latency: LatencyModel | None = None
) -> ExchangeConfig:
    """What the exchange simulator is built from. Each side pays half of the instrument's round trip.

    `latency` is the content of `simulator.latency_model`. `simulator.latency_scale` changes how long messages take, not
    what the broker's own servers take between a fill and its stop.
    """
    if config.preset == "none":
        base = ExchangeConfig(
            queue_model=config.queue_model,
            entry_latency_ns=round(config.entry_latency_ms * NS_PER_MS),
            response_latency_ns=round(config.response_latency_ms * NS_PER_MS),
            child_latency_ns=round(config.child_latency_ms * NS_PER_MS),
            stop_latency_ns=round(config.stop_latency_ms * NS_PER_MS),
            beyond_touch_lots=config.beyond_touch_lots,
        )
    else:
        base = PRESETS[config.preset]
    scale = config.latency_scale
    return msgspec.structs.replace(
        base,
        entry_latency_ns=min(round(base.entry_latency_ns * scale), LATENCY_NS_MAX),
        response_latency_ns=min(round(base.response_latency_ns * scale), LATENCY_NS_MAX),
        latency=latency if latency is None or scale == 1 else latency.scaled(scale),
        fee_per_side_uusd=instrument.commission_round_trip_uusd // 2,
        stop_trigger=config.stop_trigger,
        partial_fills=config.partial_fills,
        reject_every=config.reject_every,
        reject_per_mille=config.reject_per_mille,
        reject_exit_every=config.reject_exit_every,
        seed=seed,
    )
