"""The kernel configuration the shipped files make, over the shipped calendar."""

from pathlib import Path

import trading_bot
from trading_bot.adapters.calendar_files import load_calendar
from trading_bot.config_files import load_config
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.kernel import KernelConfig
from trading_bot.engines.kernel_config import compile_kernel_config

CALENDAR_ROWS = 60


def shipped_config(first_trade_date: int, *, name: str = "globex_research.toml") -> KernelConfig:
    """MES with the shipped strategies of configuration `name`, from `first_trade_date` (yyyymmdd) on."""
    root = Path(trading_bot.__file__).resolve().parents[2]
    loaded = load_config(root / "configs" / name)
    table = load_calendar(loaded.config.session.calendar, root / "data")
    days = table.days_from(first_trade_date, CALENDAR_ROWS)
    instrument = instrument_by_symbol("MES")
    return compile_kernel_config(loaded.config, loaded.templates, instrument, days, resolution_ns=1)
