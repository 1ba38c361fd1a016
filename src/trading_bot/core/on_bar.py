"""Handlers: a minute closed (the kernel's outcome BAR), or came from history.

Everything that is judged once a bar stands here, in order: levels, true ranges, lockouts.
"""

from itertools import pairwise

from trading_bot.core import levels_desk, locking
from trading_bot.core.state import State
from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.engines.exits import is_shock
from trading_bot.engines.lockouts import BarFacts
from trading_bot.engines.minute_ranges import BarRange, true_range
from trading_bot.engines.session import SessionDay

_ATR_NAME = "atr_14_n"
_ATR_N = SIGNAL_BY_NAME[_ATR_NAME].id
_ATR_BARS = 30
_E6 = 1_000_000

Results = list[Event | Effect]


def bar_closed(state: State, ts_ns: int) -> Results:
    """The bar is `state.kernel.bars(60)[-1]`; `ts_ns` is its end."""
    levels_desk.bar_closed(state)
    bars = state.kernel.bars(60)
    if not bars:
        return []
    ts_open_ns, _, high_ticks, low_ticks, *_ = bars[-1]
    before_ticks = bars[-2][4] if len(bars) > 1 else None
    state.bar_range = _remember(state, ts_open_ns, true_range(high_ticks, low_ticks, before_ticks))
    ranges = [true_range(bar[2], bar[3], before[4]) for before, bar in pairwise(bars[-_ATR_BARS - 1 :])]
    facts = BarFacts(
        ts_ns=ts_ns,
        shock=_shock(state, state.bar_range),
        range_ticks=state.bar_range.range_ticks,
        range_30_ticks=sum(ranges) if len(ranges) == _ATR_BARS else None,
    )
    return locking.after_bar(state, facts)


def bars_of_history(state: State, bars: list[MinuteBar], before_ticks: int | None) -> None:
    """Bars from before the start that the kernel has taken, in order; `before_ticks` closed the bar before them."""
    levels_desk.history_loaded(state, bars)
    day: SessionDay | None = None
    for bar in bars:  # tens of thousands at a start: neither a day nor a median is looked for that nobody asks about
        day = _day_of(state, bar.ts_open_ns, day)
        if day is not None:
            state.ranges.add(day, bar.ts_open_ns, true_range(bar.high_ticks, bar.low_ticks, before_ticks))
        before_ticks = bar.close_ticks


def atr_n_e6(state: State) -> int | None:
    """ATR14 against its median of this time of day, in millionths; None when it is not warm.

    None as well while the median is pooled over the day (fewer than five sessions): held against the quiet hours before
    it, every open would be a shock.
    """
    atr_n = state.kernel.signal(_ATR_N)
    if atr_n is None or state.kernel.signal_flags()[_ATR_NAME]:
        return None
    return round(atr_n * 3 * _E6)


def _remember(state: State, ts_open_ns: int, range_ticks: int) -> BarRange:
    day = _day_of(state, ts_open_ns, state.day)
    if day is None:
        return BarRange(range_ticks=range_ticks, median2_ticks=None)
    median2_ticks = state.ranges.median2_ticks(day, ts_open_ns)
    state.ranges.add(day, ts_open_ns, range_ticks)
    return BarRange(range_ticks=range_ticks, median2_ticks=median2_ticks)


def _day_of(state: State, ts_open_ns: int, known: SessionDay | None) -> SessionDay | None:
    """The trading day of a bar; `known` is one that it probably is."""
    if known is not None and known.globex_open_ns <= ts_open_ns < known.globex_close_ns:
        return known
    return state.sessions.trading_day(ts_open_ns) if state.sessions else None


def _shock(state: State, bar: BarRange) -> str:
    """What makes this a volatility shock; empty for none."""
    atr_e6, rules = atr_n_e6(state), state.shock_rules
    if is_shock(atr_e6, None, None, rules):
        return f"ATR is {(atr_e6 or 0) / _E6:.2f} times its median of this time of day"
    # Both doubled, so that a median between two ticks stays whole.
    if is_shock(None, 2 * bar.range_ticks, bar.median2_ticks, rules):
        return f"true range {bar.range_ticks} ticks, median of this minute {(bar.median2_ticks or 0) / 2:g}"
    return ""
