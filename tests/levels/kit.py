"""Minutes, days and rules for tests of the reference levels."""

from typing import Any

from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.levels_config import LevelsConfig
from trading_bot.engines.level_spans import Place
from trading_bot.engines.levels import LevelRules, LevelState, advance, level_rules
from trading_bot.engines.session import SessionDay

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
OPEN = 1_705_274_400_000_000_000 - 1_705_274_400_000_000_000 % (24 * HOUR)
MES_TICK_E9 = 250_000_000


def day(index: int, *, rth: bool = True) -> SessionDay:
    """Trade date `index`: open for 23 hours, RTH from hour 15.5 to 22."""
    start = OPEN + index * 24 * HOUR
    times = (start + 31 * HOUR // 2, start + 22 * HOUR) if rth else (None, None)
    return SessionDay(20_240_100 + index, start, start + 23 * HOUR, *times)


def rules(**config: Any) -> LevelRules:
    return level_rules(LevelsConfig(**config), MES_TICK_E9, anchor_rth=True)


def bar(ts: int, close: int, high: int | None = None, low: int | None = None, volume: int = 10) -> MinuteBar:
    high, low = close if high is None else high, close if low is None else low
    return MinuteBar(ts, close, high, low, close, volume, close * volume)


def whole_day(state: LevelState, index: int, found: dict[int, tuple[int, int]], rule: LevelRules, **more: Any):
    """A day at 20 000 ticks of which some minutes (number: high and low) are not flat."""
    today = day(index, **more)
    follows = state.spans.trade_date == today.trade_date - 1
    for number in range(23 * 60):
        high, low = found.get(number, (20_000, 20_000))
        place = Place(today, follows)
        state = advance(state, bar(today.globex_open_ns + number * MINUTE, 20_000, high, low), place, (), rule)
    return state
