"""Reference levels and their bias (feature DG13): which prices matter, how fresh they are, which side they lean to.

Exactly defined in docs/levels.md. Integers: prices in ticks, weights in millionths; the same bars give the same levels.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from trading_bot.domain.bars import MinuteBar
from trading_bot.domain.levels_config import LevelsConfig
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.engines.level_spans import DaySpans, Place

E6: Final = 1_000_000
_POINT_E9: Final = 1_000_000_000
_INNER_HALVES: Final = 3  # VWAP and 1.5 deviations
_OUTER_HALVES: Final = 4  # VWAP and 2 deviations


class LevelRules(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration in ticks, nanoseconds and millionths, for one instrument."""

    anchor_rth: bool
    prior_session_e6: int
    opening_e6: int
    prior_day_e6: int
    overnight_e6: int
    round_e6: int
    inner_e6: int
    outer_e6: int
    opening_ns: int
    opening_ticks_min: int
    round_ticks: int
    round_points: float
    buffer_ticks: int
    recency_e6: tuple[int, ...]  # by bars since the touch; longer ago: 0
    accept_closes: int
    accept_ticks: int
    merge_ticks: int
    levels_max: int
    fade_ticks: int
    edge_ns: int
    strongest_e6: int  # greatest strength any level can have: what a bias of 1 would be on one side


class GivenLevel(msgspec.Struct, frozen=True, gc=False):
    """A price that counts as a level: `moving` when it is meant to change without being another level."""

    name: str
    price_ticks: int
    weight_e6: int
    moving: bool = False


class Mark(msgspec.Struct, frozen=True, gc=False):
    """What the market did at a level since it is one.

    `touches` are separate visits; `age` counts bars since the newest touching one, -1 without any. `run` is the number
    of newest closes in a row beyond it, signed by their side; `home` the side first settled on, `side` the newest.
    """

    name: str
    price_ticks: int
    touches: int = 0
    age: int = -1
    run: int = 0
    home: int = 0
    side: int = 0

    @property
    def accepted(self) -> bool:
        """The market settled beyond it: it is no longer live."""
        return self.side != self.home


class Level(msgspec.Struct, frozen=True, gc=False):
    """One level of the list; `name` joins with `+` those that merged into it."""

    name: str
    price_ticks: int
    weight_e6: int
    strength_e6: int  # weight, up to twice as much after a touch
    touches: int
    accepted: bool


class LevelState(msgspec.Struct, frozen=True, gc=False):
    """Everything the levels remember; carried over session logs."""

    spans: DaySpans = DaySpans()
    marks: tuple[Mark, ...] = ()
    close_ticks: int | None = None


def level_rules(config: LevelsConfig, tick_size_e9: int, *, anchor_rth: bool) -> LevelRules:
    """The rules of a configuration for an instrument with this tick."""

    def ticks(points: float) -> int:
        return max(round(points * _POINT_E9) // tick_size_e9, 1)

    left, recency = 1.0, []
    for _ in range(config.recency_bars + 1):
        recency.append(int(left * E6 + 0.5))
        left *= config.recency
    weights = {
        "prior_session_e6": config.weight_prior_session,
        "opening_e6": config.weight_opening_range,
        "prior_day_e6": config.weight_prior_day,
        "overnight_e6": config.weight_overnight,
        "round_e6": config.weight_round,
        "inner_e6": config.weight_vwap_inner,
        "outer_e6": config.weight_vwap_outer,
    }
    scaled = {name: round(weight * E6) for name, weight in weights.items()}
    return LevelRules(
        anchor_rth=anchor_rth,
        **scaled,
        opening_ns=config.opening_range_min * NS_PER_MIN,
        opening_ticks_min=ticks(config.opening_range_points_min),
        round_ticks=ticks(config.round_points),
        round_points=config.round_points,
        buffer_ticks=config.touch_buffer_ticks,
        recency_e6=tuple(recency),
        accept_closes=config.accept_closes,
        accept_ticks=config.accept_ticks,
        merge_ticks=round(config.merge_points * _POINT_E9) // tick_size_e9,
        levels_max=config.levels_max,
        fade_ticks=ticks(config.fade_points),
        edge_ns=config.edge_min * NS_PER_MIN,
        strongest_e6=2 * max(E6, *scaled.values()),  # a level from outside weighs at most 1
    )


def remember(state: LevelState, bar: MinuteBar, place: Place, rules: LevelRules) -> LevelState:
    """A closed bar, without looking at what it touched: what history does."""
    spans = _spans(state.spans, bar, place, rules)
    return LevelState(spans, state.marks, bar.close_ticks)


def advance(
    state: LevelState, bar: MinuteBar, place: Place, outside: Sequence[GivenLevel], rules: LevelRules
) -> LevelState:
    """A closed bar of the run: it touches and accepts the levels as they stood before it, then they move with it."""
    moved = LevelState(_spans(state.spans, bar, place, rules), state.marks, bar.close_ticks)
    before = {mark.name: mark for mark in state.marks}
    marks = []
    for given in _given(moved, outside, rules):
        mark = before.get(given.name)
        if mark is None or _another(mark, given):
            marks.append(Mark(given.name, given.price_ticks))
        else:
            marks.append(msgspec.structs.replace(_marked(mark, bar, rules), price_ticks=given.price_ticks))
    return LevelState(moved.spans, tuple(marks), bar.close_ticks)


def levels(state: LevelState, outside: Sequence[GivenLevel], rules: LevelRules) -> tuple[Level, ...]:
    """The levels now, lowest first: merged, and the nearest of them to the price."""
    if state.close_ticks is None:
        return ()
    marks = {mark.name: mark for mark in state.marks}
    rows = []
    for given in _given(state, outside, rules):
        mark = marks.get(given.name)
        if mark is None or _another(mark, given):
            mark = Mark(given.name, given.price_ticks)
        rows.append(
            Level(
                given.name,
                given.price_ticks,
                given.weight_e6,
                _strength_e6(given.weight_e6, mark, rules),
                mark.touches,
                mark.accepted,
            )
        )
    merged = _merged(rows, rules.merge_ticks)
    close_ticks = state.close_ticks
    nearest = sorted(merged, key=lambda level: (abs(level.price_ticks - close_ticks), -level.strength_e6))
    return tuple(sorted(nearest[: rules.levels_max], key=lambda level: level.price_ticks))


def bias_e6(found: Sequence[Level], close_ticks: int, rules: LevelRules) -> int:
    """Pull of the nearest live level below minus that of the nearest above, -1 000 000..1 000 000.

    Positive: what is below is nearer or stronger, so the price stands on support.
    """
    live = [level for level in found if not level.accepted]
    below = max((level for level in live if level.price_ticks < close_ticks), key=_price, default=None)
    above = min((level for level in live if level.price_ticks > close_ticks), key=_price, default=None)
    difference = _pull_e6(below, close_ticks, rules) - _pull_e6(above, close_ticks, rules)
    size = abs(difference) * E6 // rules.strongest_e6
    return size if difference >= 0 else -size


def _another(mark: Mark, given: GivenLevel) -> bool:
    """A level at another price is another level, unless it is one that moves."""
    return mark.price_ticks != given.price_ticks and not given.moving


def _price(level: Level) -> int:
    return level.price_ticks


def _pull_e6(level: Level | None, close_ticks: int, rules: LevelRules) -> int:
    if level is None:
        return 0
    left_ticks = max(rules.fade_ticks - abs(level.price_ticks - close_ticks), 0)
    return level.strength_e6 * left_ticks // rules.fade_ticks


def _strength_e6(weight_e6: int, mark: Mark, rules: LevelRules) -> int:
    fresh_e6 = rules.recency_e6[mark.age] if 0 <= mark.age < len(rules.recency_e6) else 0
    return weight_e6 * (E6 + fresh_e6) // E6


def _spans(spans: DaySpans, bar: MinuteBar, place: Place, rules: LevelRules) -> DaySpans:
    if place.day.trade_date != spans.trade_date:
        spans = spans.rolled(place, rules.edge_ns)
    return spans.with_bar(bar, gap=place.gap, anchor_rth=rules.anchor_rth, opening_ns=rules.opening_ns)


def _given(state: LevelState, outside: Sequence[GivenLevel], rules: LevelRules) -> Iterator[GivenLevel]:
    """Every price that is a level now, in the order of the table in docs/levels.md."""
    spans = state.spans
    if (session := spans.prior_session) is not None:
        yield GivenLevel("PSH", session.high_ticks, rules.prior_session_e6)
        yield GivenLevel("PSL", session.low_ticks, rules.prior_session_e6)
    if (day := spans.prior_day) is not None:
        yield GivenLevel("PDH", day.high_ticks, rules.prior_day_e6)
        yield GivenLevel("PDL", day.low_ticks, rules.prior_day_e6)
        yield GivenLevel("PDC", day.close_ticks, rules.prior_day_e6)
    night = spans.overnight
    if night is not None and spans.rth is not None and night.whole(spans.open_ns, spans.rth_open_ns, rules.edge_ns):
        yield GivenLevel("ONH", night.high_ticks, rules.overnight_e6)
        yield GivenLevel("ONL", night.low_ticks, rules.overnight_e6)
    opening = spans.opening
    if opening is not None and _opening_counts(spans, rules):
        yield GivenLevel("ORH", opening.high_ticks, rules.opening_e6)
        yield GivenLevel("ORL", opening.low_ticks, rules.opening_e6)
    yield from _bands(spans, rules)
    if state.close_ticks is not None:
        yield from _rounds(state.close_ticks, rules)
    yield from outside


def _opening_counts(spans: DaySpans, rules: LevelRules) -> bool:
    opening = spans.opening
    if opening is None or not spans.opening_over(rules.opening_ns, anchor_rth=rules.anchor_rth):
        return False
    whole = 3 * opening.bars * NS_PER_MIN >= 2 * rules.opening_ns  # as the signal opening_range_break: 10 of 15
    return whole and opening.high_ticks - opening.low_ticks >= rules.opening_ticks_min


def _bands(spans: DaySpans, rules: LevelRules) -> Iterator[GivenLevel]:
    if spans.vwap.bars * NS_PER_MIN < rules.opening_ns:
        return
    rows = ((_INNER_HALVES, "1.5", rules.inner_e6), (_OUTER_HALVES, "2", rules.outer_e6))
    for halves, name, weight_e6 in rows:
        band = spans.vwap.band(halves)
        if band is not None:
            yield GivenLevel(f"VWAP-{name}", band[0], weight_e6, moving=True)
            yield GivenLevel(f"VWAP+{name}", band[1], weight_e6, moving=True)


def _rounds(close_ticks: int, rules: LevelRules) -> Iterator[GivenLevel]:
    """The round numbers around the price: the nearest below, the one at it, the nearest above."""
    under = (close_ticks - 1) // rules.round_ticks
    over = -((-close_ticks - 1) // rules.round_ticks)
    for number in range(under, over + 1):
        yield GivenLevel(f"R{number * rules.round_points:.10g}", number * rules.round_ticks, rules.round_e6)


def _marked(mark: Mark, bar: MinuteBar, rules: LevelRules) -> Mark:
    """What one bar did at a level that stood before it."""
    price, buffer = mark.price_ticks, rules.buffer_ticks
    touching = bar.low_ticks - buffer <= price <= bar.high_ticks + buffer
    touches = mark.touches + (touching and mark.age != 0)
    age = 0 if touching else mark.age + 1 if 0 <= mark.age < len(rules.recency_e6) else -1
    away = bar.close_ticks - price
    side = 0 if abs(away) < rules.accept_ticks else 1 if away > 0 else -1
    run = side * (abs(mark.run) + 1) if side and side * mark.run >= 0 else side
    settled = side if abs(run) >= rules.accept_closes else mark.side
    return Mark(mark.name, price, touches, age, run, mark.home or settled, settled)


def _merged(rows: Sequence[Level], merge_ticks: int) -> list[Level]:
    """Live before accepted, strong before weak: each takes in what is near it; equal ones in the order given."""
    kept: list[Level] = []
    for row in sorted(rows, key=lambda level: (level.accepted, -level.strength_e6)):
        for at, level in enumerate(kept):
            if abs(level.price_ticks - row.price_ticks) <= merge_ticks:
                kept[at] = msgspec.structs.replace(level, name=f"{level.name}+{row.name}")
                break
        else:
            kept.append(row)
    return kept
