"""Compile configuration, templates, instrument and session table into the plain numbers a HotPath is built from."""

import math
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trading_bot.domain.calibration import CalibrationMap
from trading_bot.domain.config import BotConfig
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.kernel import (
    TEMPLATES_MAX,
    Cadence,
    KernelConfig,
    TargetRule,
    TemplateRow,
    TriggerRow,
    WeightRow,
)
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.units import NS_PER_MS, NS_PER_S
from trading_bot.engines.session import SessionDay

_CADENCE: Final = {"tick": Cadence.TICK, "grid": Cadence.GRID, "bar": Cadence.BAR}
_TARGET: Final = {"fixed": TargetRule.FIXED, "vwap": TargetRule.VWAP}
_E6: Final = 1_000_000
_SESSION_ROW: Final = struct.Struct("<7q")


def z_from_probability(probability: float) -> float:
    """Inverse of sigma(x) = (1 + x/sqrt(1+x^2))/2; probability thresholds become z-values once, at the start."""
    # 1 - (2p-1)^2 is 4p(1-p): written so, nothing cancels, and no probability between 0 and 1 divides by zero.
    return (2.0 * probability - 1.0) / (2.0 * math.sqrt(probability * (1.0 - probability)))


def commission_ticks(instrument: Instrument) -> float:
    """Round-trip commission of one contract, in ticks of the instrument."""
    return instrument.commission_round_trip_uusd / instrument.tick_value_uusd


def prior_sigma_p(pseudo_trades: int) -> float:
    """Standard deviation of a win rate known from `pseudo_trades` at an even rate, its widest (0.079 at 40)."""
    return math.sqrt(0.25 / pseudo_trades)


def compile_sessions(days: tuple[SessionDay, ...]) -> bytes:
    """Session rows as the kernel reads them; it knows one break a day, so a second one is refused."""
    rows = bytearray()
    for day in days:
        if len(day.breaks) > 1:
            raise ConfigError(f"calendar: {day.trade_date} has {len(day.breaks)} breaks, expected at most one")
        break_start_ns, break_end_ns = day.breaks[0] if day.breaks else (0, 0)
        rows += _SESSION_ROW.pack(
            day.trade_date,
            day.globex_open_ns,
            day.globex_close_ns,
            day.rth_open_ns or 0,
            day.rth_close_ns or 0,
            break_start_ns,
            break_end_ns,
        )
    return bytes(rows)


def compile_template(
    name: str, template: TemplateConfig, *, pseudo_trades: int, fitted: CalibrationMap | None = None
) -> TemplateRow:
    """One template as a kernel row; `fitted` is its calibration map.

    Raises:
        ConfigError: a signal the registry does not know.
    """
    return TemplateRow(
        name=name,
        enabled=template.on,
        cadence=_CADENCE[template.cadence],
        passive=template.entry == "passive",
        target_ticks=template.target_ticks,
        stop_ticks=template.stop_ticks,
        target_rule=_TARGET[template.target_rule],
        hold_ns=template.hold_s * NS_PER_S,
        smoothing_ns=template.smoothing_s * NS_PER_S,
        a=template.gain,
        b=template.offset,
        z_enter=z_from_probability(template.belief_enter),
        z_hold=z_from_probability(template.belief_hold),
        applicability=template.applicability,
        sigma_p=prior_sigma_p(pseudo_trades),
        rearm_ns=round(template.rearm_s * NS_PER_S),
        weights=tuple(WeightRow(_signal_id(name, signal), weight) for signal, weight in template.weights.items()),
        triggers=tuple(
            TriggerRow(
                signal=_signal_id(name, trigger.signal),
                delta=trigger.of == "delta",
                low=trigger.min,
                high=trigger.max,
            )
            for trigger in template.triggers
        ),
        rv_reference=template.rv_reference,
        maps=fitted.buckets if fitted is not None else ((), (), ()),
    )


def compile_kernel_config(
    config: BotConfig,
    templates: Mapping[str, TemplateConfig],
    instrument: Instrument,
    days: tuple[SessionDay, ...],
    *,
    resolution_ns: int,
    maps: Mapping[str, CalibrationMap] = MappingProxyType({}),
    market_id: int | None = None,
) -> KernelConfig:
    """Everything the kernel depends on. `resolution_ns` is that of the feed's event stamps, `maps` are by template.

    `market_id` is the id the market data carry, None where they are the traded instrument's.

    Raises:
        ConfigError: too many templates, an unknown signal, a day with two breaks.
    """
    if len(templates) > TEMPLATES_MAX:
        raise ConfigError(f"{len(templates)} templates found, at most {TEMPLATES_MAX} are possible")
    quality, costs = config.quality, config.costs
    return KernelConfig(
        instrument_id=instrument.id if market_id is None else market_id,
        resolution_ns=resolution_ns,
        anchor_rth=config.session.kind == "rth",
        sessions=compile_sessions(days),
        vpin_bucket_qty=config.signals.vpin_bucket_qty,
        commission_ticks=commission_ticks(instrument),
        min_euc_ticks=config.decision.tiers["B"].min_euc_ticks,
        slippage_base_ticks=costs.slippage_base_ticks,
        slippage_cap_ticks=costs.slippage_cap_ticks,
        first_hour_factor=costs.first_hour_factor,
        last_hour_factor=costs.last_hour_factor,
        dvs_entry_c=quality.dvs_entry_c,
        dvs_hold_c=quality.dvs_hold_c,
        dvs_kill_c=quality.dvs_kill_c,
        age_warn_ns=quality.age_warn_ms * NS_PER_MS,
        age_stale_ns=quality.age_stale_ms * NS_PER_MS,
        age_dead_ns=quality.age_dead_ms * NS_PER_MS,
        age_outside_rth_factor=quality.age_outside_rth_factor,
        templates=tuple(
            compile_template(name, template, pseudo_trades=config.decision.pseudo_trades, fitted=maps.get(name))
            for name, template in templates.items()
        ),
        stability_max_e6=round(config.decision.stability_max * _E6),
        cost_share_max_e6=round(costs.cost_share_max * _E6),
    )


def _signal_id(template: str, signal: str) -> int:
    spec = SIGNAL_BY_NAME.get(signal)
    if spec is None:
        raise ConfigError(f"template {template}: unknown signal {signal}")
    return spec.id
