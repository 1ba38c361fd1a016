"""What a run depends on, put together from its options, its market and the parameters it trades with."""

from typing import Any

from trading_bot.config_files import RunOptions
from trading_bot.core.documents import RunDocuments
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.learned import LearnedSet
from trading_bot.market_sources import Source
from trading_bot.strategy_plugins import plugins_of


def run_documents(
    options: RunOptions, source: Source, instrument: Instrument, learned: LearnedSet | None
) -> RunDocuments:
    """The documents that the log embeds; the options' templates have the learned parameters already."""
    loaded = options.loaded
    return RunDocuments(
        config=loaded.config,
        templates=loaded.templates,
        vetoes=loaded.vetoes,
        events=loaded.events,
        instrument=instrument,
        calendar=source.calendar,
        resolution_ns=source.feed.resolution_ns,
        feed=source.feed.description,
        maps=loaded.maps,
        latency=loaded.latency,
        rules=loaded.rules,
        learned=learned,
        plugins=plugins_of(loaded.templates),
        **_at_broker(source),
    )


def _at_broker(source: Source) -> dict[str, Any]:
    """What the run depends on of a market at a broker."""
    broker = source.broker
    if broker is None:
        return {}
    return {
        "con_id": broker.bound.con_id,
        "expiry": broker.bound.expiry,
        "wall_speed_e3": round(broker.speed * 1_000),
        "gates_real": True,
        "signal_instrument": broker.market if broker.market is not broker.instrument else None,
    }
