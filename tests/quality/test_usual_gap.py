"""The usual gap of the time of day stretches the ages (specification 4): max(2 s, 8x), max(5 s, 16x), max(10 s, 32x).

Sparse quotes, one every 4 s from 10:00 to 10:30 ET, on six Globex dates, through the shipped configuration.
"""

import pytest

from tests.files.history_kit import CALENDAR, ns
from tests.quality.tape import S, Tick, packed
from trading_bot._fast import HotPath
from trading_bot.config_files import load_config
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FrameKind
from trading_bot.engines.kernel_config import compile_kernel_config

DATES = [(2026, 11, day) for day in (16, 17, 18, 19, 20, 23)]
GAP_S = 4  # 1 800 s of the bucket over 450 frames


def quotes(from_ns, until_ns, step_s=GAP_S):
    """Each half a second after a whole one: the second that counts it has begun."""
    return [
        Tick(FrameKind.QUOTE, 1, 0, at, at, 24_000, 24_001, 10, 10, 0)
        for at in range(from_ns + S // 2, until_ns, step_s * S)
    ]


def learned(days):
    """A kernel at 10:10 ET, last frame at 10:09:56.5, of the day after `days` whole ones; and that time."""
    calendar = CALENDAR.days_from(20261116, 8)
    hot = HotPath(compile_kernel_config(load_config().config, {}, INSTRUMENTS["MES"], calendar, resolution_ns=0))
    for date in DATES[-days - 1 : -1] if days else []:
        run(hot, quotes(ns(*date, 15, 0), ns(*date, 15, 30)))
    start_ns = ns(*DATES[-1], 15, 0)
    run(hot, quotes(start_ns, start_ns + 600 * S))
    return hot, start_ns + 596 * S + S // 2


def run(hot, ticks):
    buffer, at = packed(ticks), 0
    while at < len(ticks):
        at, _ = hot.run(buffer, at)


def points_at(hot, ts_ns):
    while hot.on_time(ts_ns):
        pass
    return hot.penalties()["age"]


@pytest.mark.parametrize(
    ("days", "limits_s"),
    [
        pytest.param(4, (2, 5, 10), id="four sessions are too few: the seconds alone"),
        pytest.param(5, (8 * GAP_S, 16 * GAP_S, 32 * GAP_S), id="five"),
    ],
)
def test_ages_follow_the_usual_gap_once_five_sessions_have_it(days, limits_s):
    hot, last_ns = learned(days)
    for limit_s, before, after in zip(limits_s, (0, 10, 40), (10, 40, 100), strict=True):
        assert points_at(hot, last_ns + limit_s * S) == before, "an age of exactly the limit is not above it"
        assert points_at(hot, last_ns + limit_s * S + S // 10) == after
