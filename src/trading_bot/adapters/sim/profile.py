"""How the generated market behaves: what may be tuned, and the tables behind it.

Everything is a whole number; `_milli` are thousandths. The shapes of the day are those of ESZ24 from 2024-09-20 to
2024-12-10 (bars of five minutes, mean over the half hours), relative to the mean of its regular trading hours.
"""

from typing import Final

import msgspec

from trading_bot.domain.errors import UsageError

MILLI: Final = 1000


class MarketProfile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The dials of the market; the defaults look like MES and are not generous.

    `quotes_milli` and `trades_milli` are events in 1000 s, the mean of an ordinary RTH minute (each trade brings a
    quote of its own, and moves of the book bring both). `vol_milli` is the volatility there in thousandths of a tick
    per √s. `depth_lots` is the usual size at the touch. The others are factors, 1000 for the default:
    `information_milli` is what sizes and sides of trades know of the next move (0: no more than the bounce of the
    quotes gives away, at most 3000), `trend_milli` the drift of trends and the pull of ranges, `sweep_milli` how often
    sweeps come, `gap_milli` the size of gaps, `news_milli` how often news comes unless it is configured.
    """

    quotes_milli: int = 8000
    trades_milli: int = 1300
    vol_milli: int = 780
    depth_lots: int = 30
    information_milli: int = MILLI
    trend_milli: int = MILLI
    sweep_milli: int = MILLI
    gap_milli: int = MILLI
    news_milli: int = MILLI

    def __post_init__(self) -> None:
        """Refuse values the model was not made for."""
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"market profile: found {name} = {value}, expected {low} to {high}")


_BOUNDS: Final = (
    ("quotes_milli", 100, 200_000),
    ("trades_milli", 10, 50_000),
    ("vol_milli", 10, 5_000),
    ("depth_lots", 3, 2_000),
    ("information_milli", 0, 3_000),
    ("trend_milli", 0, 10_000),
    ("sweep_milli", 0, 50_000),
    ("gap_milli", 0, 10_000),
    ("news_milli", 0, 2_000),
)


class NewsShock(msgspec.Struct, frozen=True, gc=False):
    """News at `at_ns` (UTC): the price jumps within a second, then minutes of wide swings.

    `jump_ticks` is signed; 0 means drawn from the seed.
    """

    at_ns: int
    jump_ticks: int = 0


class Regime(msgspec.Struct, frozen=True, gc=False):
    """Factors of a volatility regime in thousandths, and chances in millionths (of a quote, of a trade)."""

    vol_milli: int
    rate_milli: int
    depth_milli: int
    wide_ppm: int
    sweep_ppm: int


QUIET, NORMAL, WILD = range(3)
REGIMES: Final = (
    Regime(620, 750, 1250, 2_000, 60),
    Regime(1000, 1000, 1000, 4_000, 180),
    Regime(1900, 1700, 450, 20_000, 800),
)
# Chance per minute, in thousandths, of going to each regime; the rest stays. In the long run 35, 56 and 9 % of time.
REGIME_MOVES: Final = ((0, 40, 0), (25, 0, 20), (0, 125, 0))
REGIME_SHARES: Final = (350, 560, 90)

FREE, RANGE, UP, DOWN = range(4)
TREND_SHARES: Final = (450, 250, 150, 150)
TREND_CHANGE_MILLI: Final = 40  # per minute: 25 minutes in the mean
TREND_DRIFT_E6: Final = 9_000  # ticks per s in 1e-6, at ordinary volatility
RANGE_PULL_E9: Final = 700_000  # per s in 1e-9: half of the distance in 1000 s

# Some days are wilder than others, in thousandths.
DAY_FACTORS_MILLI: Final = (700, 800, 880, 940, 1000, 1000, 1060, 1150, 1300, 1600)

# RTH in thirteen parts (of 30 minutes on a full day): values at their edges, straight lines between.
RTH_VOLUME_MILLI: Final = (2000, 1620, 1340, 1060, 890, 770, 700, 680, 690, 700, 690, 690, 1300, 3900)
RTH_VOL_MILLI: Final = (1700, 1420, 1240, 1050, 930, 840, 820, 820, 840, 830, 780, 760, 860, 1150)
# The night in half hours, the last one ends at the RTH open (on a full day the first begins at the Globex open).
NIGHT_VOLUME_MILLI: Final = (
    *(69, 44, 47, 42, 57, 49, 51, 50, 46, 36, 34, 33, 30, 28, 39, 43),
    *(59, 63, 122, 100, 116, 87, 81, 69, 71, 85, 109, 108, 149, 289, 340),
)
NIGHT_VOL_MILLI: Final = (
    *(496, 450, 437, 415, 459, 385, 430, 370, 393, 326, 304, 289, 289, 252, 370, 393),
    *(489, 474, 681, 615, 615, 504, 489, 400, 437, 444, 548, 459, 452, 837, 637),
)
# After RTH: the half hour of the settlement, then what is left.
EVENING_VOLUME_MILLI: Final = (628, 199)
EVENING_VOL_MILLI: Final = (644, 422)
NIGHT_DEPTH_MILLI: Final = 400  # least depth, where nobody trades

# Minutes after news: factors of volatility and of rates, of depth, and chance of a wider spread.
NEWS_VOL_MILLI: Final = (3000, 2300, 1900, 1600, 1450, 1350, 1250, 1200, 1150, 1100)
NEWS_DEPTH_MILLI: Final = (350, 550, 700, 800, 900, 1000, 1000, 1000, 1000, 1000)
NEWS_WIDE_PPM: Final = (150_000, 50_000, 20_000, 10_000, 0, 0, 0, 0, 0, 0)
CALM_S: Final = 60  # before scheduled news: thin and wide
CALM_DEPTH_MILLI: Final = 400
CALM_RATE_MILLI: Final = 700
CALM_WIDE_PPM: Final = 30_000
# Scheduled news: minutes after the RTH open (8:30, 10:00 and 14:00 in New York) and how often, per mille of days.
NEWS_TIMES: Final = ((-60, 400), (30, 350), (270, 70))
NEWS_SURPRISE_MILLI: Final = 200

OPEN_GAP_SD_MILLI: Final = 10_000  # thousandths of a tick, after an ordinary night's pause
LONG_PAUSE_FACTOR: Final = 3  # after a weekend or a holiday
BREAK_GAP_SD_MILLI: Final = 1_500
AIR_GAP_MILLI: Final = 15  # chance per minute of a wild RTH regime that the book jumps without a trade
AIR_GAP_TICKS: Final = (4, 10)
