"""The instruments the bot knows, as data (specification, section 1).

Adding an instrument is adding a row here. `id` is what tick records carry: it is part of the log format, so a number is
never reused and never changed.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from trading_bot.domain.errors import UsageError

POINTS_E9: Final = 1_000_000_000


class Instrument(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One tradable product. Prices of it are whole ticks, money is micro-dollars.

    `tick_size_e9` is the tick in billionths of a point (0.25 points = 250 000 000), so that a price given as a scaled
    integer is checked against the grid without rounding. `multiplier` is dollars per point and contract; the tick value
    is tick size × multiplier, in micro-dollars per contract. Instruments of one `underlying` and tick size share
    prices, so that recorded ES can be replayed as MES. `commission_round_trip_uusd` covers entry and exit of one
    contract and holds until the broker's own commission reports replace it. `months` are the listed delivery months by
    their letters, empty where nothing expires. `research_only` instruments are refused in PAPER and LIVE.
    `margin_assumed_uusd` is the margin of one contract until the broker's what-if answer replaces it (assumed: about
    half of the exchange's overnight requirement of 2025, which brokers ask for within the day; 0: unknown, no entries).
    """

    symbol: str
    id: int
    name: str
    security_type: Literal["FUT", "STK"]
    exchange: str
    currency: str
    underlying: str
    tick_size_e9: int
    multiplier: float
    tick_value_uusd: int
    commission_round_trip_uusd: int
    months: str
    research_only: bool = False
    margin_assumed_uusd: int = 0

    @property
    def tick_size_points(self) -> float:
        """Tick size in points, for people and for adapters; arithmetic uses `tick_size_e9`."""
        return self.tick_size_e9 / POINTS_E9

    def points(self, price_ticks: int) -> float:
        """Price in points of a price in ticks: the nearest float, one division, no accumulated error."""
        return price_ticks * self.tick_size_e9 / POINTS_E9


def _future(
    symbol: str,
    number: int,
    name: str,
    underlying: str,
    exchange: str,
    tick_size_e9: int,
    multiplier: float,
    margin_usd: int,
) -> Instrument:
    return Instrument(
        symbol=symbol,
        id=number,
        name=name,
        security_type="FUT",
        exchange=exchange,
        currency="USD",
        underlying=underlying,
        tick_size_e9=tick_size_e9,
        multiplier=multiplier,
        tick_value_uusd=round(tick_size_e9 * multiplier / 1_000),
        commission_round_trip_uusd=2_500_000,
        months="HMUZ",
        margin_assumed_uusd=margin_usd * 1_000_000,
    )


_ROWS: Final = (
    _future("MES", 1, "Micro E-mini S&P 500", "SPX", "CME", 250_000_000, 5.0, 1_300),
    _future("ES", 2, "E-mini S&P 500", "SPX", "CME", 250_000_000, 50.0, 13_000),
    _future("MNQ", 3, "Micro E-mini Nasdaq-100", "NDX", "CME", 250_000_000, 2.0, 1_900),
    _future("NQ", 4, "E-mini Nasdaq-100", "NDX", "CME", 250_000_000, 20.0, 19_000),
    _future("M2K", 5, "Micro E-mini Russell 2000", "RUT", "CME", 100_000_000, 5.0, 500),
    _future("RTY", 6, "E-mini Russell 2000", "RUT", "CME", 100_000_000, 50.0, 5_000),
    _future("MYM", 7, "Micro E-mini Dow", "DJI", "CBOT", 1_000_000_000, 0.5, 800),
    _future("YM", 8, "E-mini Dow", "DJI", "CBOT", 1_000_000_000, 5.0, 8_000),
    # One "contract" of SPY is a round lot of 100 shares; the commission is assumed.
    Instrument(
        symbol="SPY",
        id=9,
        name="SPDR S&P 500 ETF, lots of 100 shares",
        security_type="STK",
        exchange="SMART",
        currency="USD",
        underlying="SPY",
        tick_size_e9=10_000_000,
        multiplier=100.0,
        tick_value_uusd=1_000_000,
        commission_round_trip_uusd=2_500_000,
        months="",
        research_only=True,
        margin_assumed_uusd=4_250_000_000,  # a quarter of 100 shares at 170 dollars, their price on the recorded days
    ),
)

INSTRUMENTS: Final[Mapping[str, Instrument]] = MappingProxyType({row.symbol: row for row in _ROWS})
_BY_ID: Final[Mapping[int, Instrument]] = MappingProxyType({row.id: row for row in _ROWS})


def instrument_by_symbol(symbol: str) -> Instrument:
    """Look a symbol up, ignoring case and surrounding blanks.

    Raises UsageError naming the nearest known symbol.
    """
    found = INSTRUMENTS.get(symbol.strip().upper())
    if found is not None:
        return found
    near = get_close_matches(symbol.strip().upper(), list(INSTRUMENTS), n=1, cutoff=0.3)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown instrument {symbol!r}: {hint}known are {', '.join(INSTRUMENTS)}")


def instrument_by_id(number: int) -> Instrument:
    """Look up the number a tick record carries; raises UsageError for one that was never given out."""
    found = _BY_ID.get(number)
    if found is None:
        known = ", ".join(f"{row.id}={row.symbol}" for row in _ROWS)
        raise UsageError(f"unknown instrument id {number}: known are {known}; the log may be from a newer version")
    return found
