"""Bars into the reference levels, and what they and the context mean for the kernel's fed signals (docs/levels.md)."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

from trading_bot.core.state import State
from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.signal_registry import SIGNAL_BY_NAME
from trading_bot.engines import context
from trading_bot.engines.level_spans import Place
from trading_bot.engines.levels import E6, GivenLevel, LevelState, advance, bias_e6, levels, remember
from trading_bot.engines.session import SessionDay

_LEVEL_BIAS: Final = SIGNAL_BY_NAME["level_bias"].id
_SLOTS: Final = tuple(SIGNAL_BY_NAME[name] for name in context.SLOT_NAMES)
_HISTORY_SESSIONS: Final = 5  # among so many there is one with RTH
_BAR_FIELDS: Final = 7


def bar_closed(state: State) -> None:
    """The kernel closed a minute: levels are touched, accepted and moved by it."""
    bars = state.kernel.bars(60)
    if not bars:
        return
    bar = MinuteBar(*bars[-1][:_BAR_FIELDS])
    place = _place(state, bar.ts_open_ns, None)
    if place is not None and bar.ts_open_ns > state.levels.spans.last_ns:
        state.levels = advance(state.levels, bar, place, given_levels(state), state.level_rules)
    feed(state)


def history_loaded(state: State, bars: Sequence[MinuteBar]) -> None:
    """Bars from before the start, oldest first: highs, lows and sums of their newest sessions, no touches."""
    if not bars or state.sessions is None:
        return
    newest = state.sessions.trading_day(bars[-1].ts_open_ns)
    earlier = state.sessions.days_before(newest.trade_date, _HISTORY_SESSIONS) if newest else ()
    # What comes before the newest earlier session with RTH can leave nothing behind.
    with_rth = [day.globex_open_ns for day in earlier if day.rth_open_ns is not None]
    first_ns = with_rth[-1] if with_rth else 0
    day: SessionDay | None = None
    for bar in bars[bisect_left(bars, first_ns, key=_open_ns) :]:
        if bar.ts_open_ns <= state.levels.spans.last_ns:
            continue  # a restart brings bars that were carried over already
        place = _place(state, bar.ts_open_ns, day)
        if place is not None:
            state.levels = remember(state.levels, bar, place, state.level_rules)
            day = place.day
    feed(state)


def price_gap(state: State) -> None:
    """Prices of another scale: no level of before means anything."""
    state.levels = LevelState()
    feed(state)


def given_levels(state: State) -> tuple[GivenLevel, ...]:
    """Levels that context messages name."""
    return context.given_levels(state.context, state.context_rules)


def bias_now(state: State) -> float | None:
    """The value of `level_bias`; None before the first bar."""
    close_ticks = state.levels.close_ticks
    return None if close_ticks is None else bias_e6(state.level_list, close_ticks, state.level_rules) / E6


def level_rows(state: State) -> tuple[dict[str, Any], ...]:
    """The levels as plain values, lowest first, prices in points: what status and explanations show."""
    points = state.instrument.points
    return tuple(
        {
            "name": level.name,
            "price_points": points(level.price_ticks),
            "weight": level.weight_e6 / E6,
            "strength": level.strength_e6 / E6,
            "touches": level.touches,
            "accepted": level.accepted,
        }
        for level in state.level_list
    )


def feed(state: State) -> None:
    """Hand the fed signals to the kernel. To be called whenever levels or context have changed, or were taken over."""
    state.level_list = levels(state.levels, given_levels(state), state.level_rules)
    set_fed = state.kernel.set_fed
    set_fed(_LEVEL_BIAS, bias_now(state))
    for index, spec in enumerate(_SLOTS):
        assert spec.low is not None
        assert spec.high is not None
        set_fed(spec.id, context.slot_value(state.context, state.context_rules, index, spec.low, spec.high))


def _place(state: State, ts_open_ns: int, day: SessionDay | None) -> Place | None:
    """Where a bar stands; `day` is the one of the bar before, when it is known. None: outside every session."""
    if state.sessions is None:
        return None
    if day is None or not day.globex_open_ns <= ts_open_ns < day.globex_close_ns:
        day = state.sessions.trading_day(ts_open_ns)
        if day is None or ts_open_ns < day.globex_open_ns:
            return None
    spans, follows = state.levels.spans, True
    if day.trade_date != spans.trade_date:
        before = state.sessions.days_before(day.trade_date, 1)
        follows = bool(before) and before[0].trade_date == spans.trade_date
    pause_ns = ts_open_ns - spans.last_ns
    gap = (
        pause_ns > state.level_rules.edge_ns
        and day.trade_date == spans.trade_date
        and state.sessions.open_ns_between(spans.last_ns, ts_open_ns) > state.level_rules.edge_ns
    )
    return Place(day, follows, gap)


def _open_ns(bar: MinuteBar) -> int:
    return bar.ts_open_ns
