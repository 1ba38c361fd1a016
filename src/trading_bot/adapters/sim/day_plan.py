"""What a seed has in store for a session: segments of constant behaviour for the kernel.

A plan depends on the seed and the trade date alone, not on where a run starts: history, a run from the morning and a
run from noon meet the same regimes, trends and news.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isqrt
from typing import Final, NamedTuple

from trading_bot.adapters.sim import profile as p
from trading_bot.adapters.sim.draws import Draws
from trading_bot.adapters.sim.profile import MILLI, MarketProfile, NewsShock
from trading_bot.engines.session import MINUTE_NS, SECOND_NS, SessionDay, SessionKind, SessionTable

# Labels of the streams of a seed; a number is never used again for something else.
STREAM_MARKET: Final = 1
STREAM_HISTORY: Final = 2
STREAM_FAULTS: Final = 3
_STREAM_DAY: Final = 4
_STREAM_MINUTES: Final = 5
_STREAM_NEWS: Final = 6
_STREAM_JUMP: Final = 7

_OPEN, _NEWS, _GAP = 1, 2, 4
_HALF_HOUR_NS: Final = 30 * MINUTE_NS
_LONG_PAUSE_NS: Final = 24 * 3600 * SECOND_NS
_RTH_PARTS: Final = len(p.RTH_VOLUME_MILLI) - 1


class Interval(NamedTuple):
    """Continuous trading from `start_ns` to `end_ns`; `number` counts the intervals of the session from 0."""

    start_ns: int
    end_ns: int
    number: int


class _Minute(NamedTuple):
    """What was drawn for one minute of a session; `air_gap_milli` is a displacement at `air_gap_ns`, 0 for none."""

    regime: int
    trend: int
    air_gap_ns: int
    air_gap_milli: int


def open_intervals(day: SessionDay, market: SessionKind) -> tuple[Interval, ...]:
    """The times of a session at which `market` trades continuously; none when it is shut that day."""
    open_ns, close_ns = day.globex_open_ns, day.globex_close_ns
    if market == "rth":
        if day.rth_open_ns is None or day.rth_close_ns is None:
            return ()
        open_ns, close_ns = day.rth_open_ns, day.rth_close_ns
    edges = [open_ns, *(min(max(at, open_ns), close_ns) for halt in day.breaks for at in halt), close_ns]
    spans = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]
    return tuple(Interval(start, end, number) for number, (start, end) in enumerate(spans))


class DayPlanner:
    """Makes the plans of one seed and profile. `news`: the configured shocks, None to draw them."""

    def __init__(
        self,
        seed: int,
        profile: MarketProfile,
        calendar: SessionTable,
        market: SessionKind,
        news: Sequence[NewsShock] | None,
    ) -> None:
        self._seed = seed
        self._profile = profile
        self._calendar = calendar
        self._market = market
        self._configured = None if news is None else tuple(sorted(news, key=lambda shock: shock.at_ns))

    def news(self, day: SessionDay) -> tuple[NewsShock, ...]:
        """The news of a session in order of time, jumps drawn."""
        if self._configured is None:
            return self._drawn_news(day)
        spans = open_intervals(day, self._market)
        return tuple(
            shock if shock.jump_ticks else NewsShock(shock.at_ns, self._jump(shock.at_ns, 8, 40))
            for shock in self._configured
            if any(span.start_ns <= shock.at_ns < span.end_ns for span in spans)
        )

    def plans(self, day: SessionDay, start_ns: int, end_ns: int) -> Iterator["array[int]"]:
        """The plan of each continuous interval of a session between `start_ns` and `end_ns`, for the kernel."""
        spans = open_intervals(day, self._market)
        spans = tuple(span for span in spans if start_ns < span.end_ns and span.start_ns < end_ns)
        if not spans:
            return
        minutes = self._minutes(day)
        news = self.news(day)
        day_milli = p.DAY_FACTORS_MILLI[Draws(self._seed, _STREAM_DAY, day.trade_date).below(10)]
        for span in spans:
            plan = array("q")
            jumps = self._jumps(day, span, minutes, news)
            first_ns, last_ns = max(start_ns, span.start_ns), min(end_ns, span.end_ns)
            for begin_ns, finish_ns in pairwise(_edges(first_ns, last_ns, jumps, news)):
                minute = minutes[(begin_ns - day.globex_open_ns) // MINUTE_NS]
                flags, jump_milli = jumps.get(begin_ns, (0, 0))
                plan.extend((begin_ns, finish_ns))
                plan.extend(self._behaviour(day, begin_ns, minute, day_milli, news))
                plan.extend((jump_milli, flags))
            yield plan

    def _behaviour(
        self, day: SessionDay, ts_ns: int, minute: _Minute, day_milli: int, news: tuple[NewsShock, ...]
    ) -> tuple[int, int, int, int, int, int, int, int]:
        """quotes, trades, vol, drift, pull, depth, wide and sweep of a segment, in the units of the kernel."""
        profile, regime = self._profile, p.REGIMES[minute.regime]
        volume_milli, vol_milli = _shape(day, ts_ns)
        rate_milli = regime.rate_milli * (MILLI + day_milli) // (2 * MILLI)
        vol_milli = vol_milli * regime.vol_milli * day_milli // MILLI**2
        depth_milli = (p.NIGHT_DEPTH_MILLI + (MILLI - p.NIGHT_DEPTH_MILLI) * min(volume_milli, MILLI) // MILLI) * (
            regime.depth_milli
        )
        wide_ppm = regime.wide_ppm
        for shock in news:
            since_min = (ts_ns - shock.at_ns) // MINUTE_NS
            if 0 <= since_min < len(p.NEWS_VOL_MILLI):
                vol_milli = vol_milli * p.NEWS_VOL_MILLI[since_min] // MILLI
                rate_milli = rate_milli * p.NEWS_VOL_MILLI[since_min] // MILLI
                depth_milli = depth_milli * p.NEWS_DEPTH_MILLI[since_min] // MILLI
                wide_ppm += p.NEWS_WIDE_PPM[since_min]
            elif -p.CALM_S * SECOND_NS <= ts_ns - shock.at_ns < 0:
                rate_milli = rate_milli * p.CALM_RATE_MILLI // MILLI
                depth_milli = depth_milli * p.CALM_DEPTH_MILLI // MILLI
                wide_ppm += p.CALM_WIDE_PPM
        # Quotes thin out less than trades: as the root of the volume.
        quotes_milli = profile.quotes_milli * isqrt(volume_milli * MILLI) * rate_milli // MILLI**2
        trades_milli = profile.trades_milli * volume_milli * rate_milli // MILLI**2
        drift_e6 = p.TREND_DRIFT_E6 * vol_milli * profile.trend_milli // MILLI**2
        drift_e6 = {p.UP: drift_e6, p.DOWN: -drift_e6}.get(minute.trend, 0)
        pull_e9 = p.RANGE_PULL_E9 * profile.trend_milli // MILLI if minute.trend == p.RANGE else 0
        sweep_ppm = regime.sweep_ppm * profile.sweep_milli // MILLI
        return (
            max(quotes_milli, 1),
            max(trades_milli, 1),
            profile.vol_milli * vol_milli,
            drift_e6,
            pull_e9,
            max(profile.depth_lots * depth_milli // MILLI, 2 * MILLI),
            wide_ppm,
            min(sweep_ppm, 500_000),
        )

    def _minutes(self, day: SessionDay) -> list[_Minute]:
        """Regime and trend of each minute from the Globex open on: two Markov chains."""
        draws = Draws(self._seed, _STREAM_MINUTES, day.trade_date)
        regime, trend = _drawn(p.REGIME_SHARES, draws.below(MILLI)), _drawn(p.TREND_SHARES, draws.below(MILLI))
        minutes = []
        for begin_ns in range(day.globex_open_ns, day.globex_close_ns, MINUTE_NS):
            # One draw a minute, cut in four: what it decides changes nothing for the minutes after.
            bits = draws.bits()
            regime = _moved(regime, _per_mille(bits))
            if _per_mille(bits >> 16) < p.TREND_CHANGE_MILLI:
                trend = _drawn(p.TREND_SHARES, _per_mille(bits >> 32))
            gap_ns, gap_milli = 0, 0
            if regime == p.WILD and _per_mille(bits >> 48) < p.AIR_GAP_MILLI:
                gap_ns, gap_milli = self._air_gap(day, begin_ns)
            minutes.append(_Minute(regime, trend, gap_ns, gap_milli))
        return minutes

    def _jumps(
        self, day: SessionDay, span: Interval, minutes: Sequence[_Minute], news: tuple[NewsShock, ...]
    ) -> dict[int, tuple[int, int]]:
        """What displaces the price at once: time -> (flags, thousandths of a tick)."""
        jumps = {
            minute.air_gap_ns: (_GAP, minute.air_gap_milli)
            for minute in minutes
            if minute.air_gap_milli and span.start_ns < minute.air_gap_ns < span.end_ns
        }
        for shock in news:
            if span.start_ns < shock.at_ns < span.end_ns:
                jumps[shock.at_ns] = (_NEWS, shock.jump_ticks * MILLI)
        jumps[span.start_ns] = (_OPEN, self._open_gap_milli(day, span))
        return jumps

    def _air_gap(self, day: SessionDay, begin_ns: int) -> tuple[int, int]:
        """Time and displacement of a jump of the book within a minute; the displacement is 0 outside RTH."""
        draws = Draws(self._seed, _STREAM_JUMP, begin_ns)
        at_ns = begin_ns + draws.between(1, 59) * SECOND_NS
        if day.rth_open_ns is None or not day.rth_open_ns <= at_ns < (day.rth_close_ns or 0):
            return at_ns, 0
        return at_ns, draws.between(*p.AIR_GAP_TICKS) * self._profile.gap_milli * (1 if draws.below(2) else -1)

    def _open_gap_milli(self, day: SessionDay, span: Interval) -> int:
        sd_milli = p.BREAK_GAP_SD_MILLI
        if span.number == 0:
            sd_milli = p.OPEN_GAP_SD_MILLI
            before = self._calendar.days_before(day.trade_date, 1)
            if not before or span.start_ns - before[0].globex_close_ns > _LONG_PAUSE_NS:
                sd_milli *= p.LONG_PAUSE_FACTOR
        draws = Draws(self._seed, _STREAM_JUMP, span.start_ns)
        return draws.normal(sd_milli * self._profile.gap_milli // MILLI)

    def _drawn_news(self, day: SessionDay) -> tuple[NewsShock, ...]:
        if day.rth_open_ns is None or day.rth_close_ns is None:
            return ()
        draws = Draws(self._seed, _STREAM_NEWS, day.trade_date)
        shocks = []
        for after_min, per_mille in p.NEWS_TIMES:
            at_ns = day.rth_open_ns + after_min * MINUTE_NS
            if draws.chance(per_mille * self._profile.news_milli // MILLI) and at_ns < day.rth_close_ns:
                shocks.append(NewsShock(at_ns, self._jump(at_ns, 8, 40)))
        surprise_ns = day.rth_open_ns + draws.below((day.rth_close_ns - day.rth_open_ns) // SECOND_NS) * SECOND_NS
        if draws.chance(p.NEWS_SURPRISE_MILLI * self._profile.news_milli // MILLI):
            shocks.append(NewsShock(surprise_ns, self._jump(surprise_ns, 5, 25)))
        spans = open_intervals(day, self._market)
        shocks = [shock for shock in shocks if any(span.start_ns <= shock.at_ns < span.end_ns for span in spans)]
        return tuple(sorted(shocks, key=lambda shock: shock.at_ns))

    def _jump(self, at_ns: int, low: int, high: int) -> int:
        draws = Draws(self._seed, _STREAM_JUMP, at_ns)
        return draws.between(low, high) * (1 if draws.below(2) else -1)


def _edges(first_ns: int, last_ns: int, jumps: dict[int, tuple[int, int]], news: tuple[NewsShock, ...]) -> list[int]:
    """Where behaviour may change: each minute, each displacement, and the minutes counted from news."""
    edges = {first_ns, last_ns}
    edges.update(range(first_ns - first_ns % MINUTE_NS + MINUTE_NS, last_ns, MINUTE_NS))
    edges.update(at_ns for at_ns in jumps if first_ns < at_ns < last_ns)
    for shock in news:
        begin_ns = shock.at_ns - p.CALM_S * SECOND_NS
        after_ns = range(begin_ns, shock.at_ns + len(p.NEWS_VOL_MILLI) * MINUTE_NS + 1, MINUTE_NS)
        edges.update(at_ns for at_ns in after_ns if first_ns < at_ns < last_ns)
    return sorted(edges)


def _shape(day: SessionDay, ts_ns: int) -> tuple[int, int]:
    """Volume and volatility of a time of the session, in thousandths of the RTH mean."""
    if day.rth_open_ns is None or day.rth_close_ns is None:
        # A holiday: the night goes on, without the releases before an RTH open.
        index = min((ts_ns - day.globex_open_ns) // _HALF_HOUR_NS, len(p.NIGHT_VOLUME_MILLI) - 4)
        return p.NIGHT_VOLUME_MILLI[index], p.NIGHT_VOL_MILLI[index]
    if ts_ns < day.rth_open_ns:
        index = max(len(p.NIGHT_VOLUME_MILLI) - 1 - (day.rth_open_ns - 1 - ts_ns) // _HALF_HOUR_NS, 0)
        return p.NIGHT_VOLUME_MILLI[index], p.NIGHT_VOL_MILLI[index]
    if ts_ns >= day.rth_close_ns:
        index = min((ts_ns - day.rth_close_ns) // _HALF_HOUR_NS, len(p.EVENING_VOLUME_MILLI) - 1)
        return p.EVENING_VOLUME_MILLI[index], p.EVENING_VOL_MILLI[index]
    length_ns = day.rth_close_ns - day.rth_open_ns
    part, rest_ns = divmod((ts_ns - day.rth_open_ns) * _RTH_PARTS, length_ns)
    return (
        _between(p.RTH_VOLUME_MILLI, part, rest_ns, length_ns),
        _between(p.RTH_VOL_MILLI, part, rest_ns, length_ns),
    )


def _between(knots: Sequence[int], part: int, rest_ns: int, length_ns: int) -> int:
    return knots[part] + (knots[part + 1] - knots[part]) * rest_ns // length_ns


def _per_mille(bits: int) -> int:
    """The lowest 16 bits as a number in 0 .. 999."""
    return (bits & 0xFFFF) * MILLI >> 16


def _drawn(shares: Sequence[int], value: int) -> int:
    """The index whose share a number in 0 .. 999 falls into."""
    for index, share in enumerate(shares):
        value -= share
        if value < 0:
            return index
    return len(shares) - 1


def _moved(regime: int, value: int) -> int:
    for other, per_mille in enumerate(p.REGIME_MOVES[regime]):
        value -= per_mille
        if value < 0:
            return other
    return regime
