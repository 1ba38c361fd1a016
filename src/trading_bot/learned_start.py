"""Which adopted parameters a start trades with: a session that has begun keeps its own (features LE05, LE06)."""

import msgspec

from trading_bot.config_files import LoadedConfig, RunOptions
from trading_bot.domain.errors import ConfigError
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.learned import LearnedSet
from trading_bot.engines.learned_params import STOP_TICKS, parts_of, with_learned
from trading_bot.engines.session import parse_calendar
from trading_bot.learned_files import newest_date, newest_session, read_learned
from trading_bot.market_sources import Source
from trading_bot.run_folders import RunsBefore
from trading_bot.strategy_files import refuse_unreachable


def with_adopted(
    options: RunOptions, source: Source, before: RunsBefore, *, hypothetical: bool
) -> tuple[RunOptions, LearnedSet | None]:
    """The options with the adopted parameters of this start in their templates, and the set they come from.

    Raises:
        ConfigError, DataCorrupt: as `loaded_with` and `learned_for`.
    """
    learned = learned_for(options, source, before, hypothetical=hypothetical)
    return msgspec.structs.replace(options, loaded=loaded_with(options.loaded, learned)), learned


def learned_for(options: RunOptions, source: Source, before: RunsBefore, *, hypothetical: bool) -> LearnedSet | None:
    """The set of this start; None: the strategy file as it is.

    `hypothetical`: fills are a simulator's, which has sets of its own.

    Raises:
        DataCorrupt: the file of the adopted sets is damaged.
    """
    today = _trade_date(source)
    if before.unfinished is not None:
        session = newest_session(before.unfinished)
        if session is not None and (session.going_on or (today and session.trade_date == today)):
            return session.learned
    elif today and before.runs and newest_date(before.runs[0]) == today:
        session = newest_session(before.runs[0])
        if session is not None:
            return session.learned
    return read_learned(options.data_dir).in_force(hypothetical=hypothetical)


def _trade_date(source: Source) -> int:
    """The session at a broker that a run begins in; 0 elsewhere: a recorded or simulated market begins anew."""
    if source.broker is None or not source.calendar or not source.first_ts_ns:
        return 0
    day = parse_calendar(source.calendar, source="calendar").trading_day(source.first_ts_ns)
    return 0 if day is None else day.trade_date


def loaded_with(loaded: LoadedConfig, learned: LearnedSet | None) -> LoadedConfig:
    """The configuration of a run with a set in force.

    Raises:
        ConfigError: the set does not go with the strategy file or a calibration map, or a template could never trade
            with it.
    """
    if learned is None or not learned.values:
        return loaded
    for value in learned.values:
        name, field, _ = parts_of(value.parameter)
        if field == STOP_TICKS and name in loaded.maps and name in loaded.templates:
            raise ConfigError(
                f"{value.parameter} is learned, and template {name} has a calibration map that was fitted at "
                f"{value.base_e6 // 1_000_000}: take the map away, or go back with `trading-bot learning rollback`"
            )
    templates = with_learned(loaded.templates, learned)
    where = f"{loaded.strategies_path} with learned parameters (set {learned.number})"
    refuse_unreachable(
        where, templates, instrument=instrument_by_symbol(loaded.config.run.instrument), config=loaded.config
    )
    return msgspec.structs.replace(loaded, templates=templates)
