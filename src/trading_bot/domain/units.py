"""Units: prices in ticks, time in ns since the Unix epoch (UTC), money in micro-dollars, scores in hundredths."""

from decimal import Decimal
from typing import Final, NewType

Ticks = NewType("Ticks", int)
TsNs = NewType("TsNs", int)
MicroUsd = NewType("MicroUsd", int)

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
NS_PER_MIN: Final = 60 * NS_PER_S
NS_PER_HOUR: Final = 60 * NS_PER_MIN
NS_PER_DAY: Final = 24 * NS_PER_HOUR
UUSD_PER_USD: Final = 1_000_000
TS_NEVER_NS: Final = 2**63 - 1


def uusd_from_usd(amount_usd: float | Decimal | str) -> MicroUsd:
    """Dollars to micro-dollars, through the decimal text of the number, so that 15.1 is 15 100 000 exactly.

    Raises:
        ValueError: not finite, or finer than a micro-dollar.
    """
    scaled = Decimal(str(amount_usd)) * UUSD_PER_USD
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"{amount_usd} dollars is not a whole number of micro-dollars")
    return MicroUsd(int(scaled))


def usd_from_uusd(amount_uusd: int) -> float:
    """Micro-dollars to dollars, for people only."""
    return amount_uusd / UUSD_PER_USD


def is_whole(text: str, digits_max: int = 18) -> bool:
    """Whether a stranger's text is a whole number that `int` reads: ASCII digits, and no more than there is use for.

    `str.isdigit` alone also takes `²`, which `int` refuses, and ten thousand digits, which it refuses too.
    """
    return len(text) <= digits_max and text.isascii() and text.isdigit()


def iso_from_ns(ts_ns: int) -> str:
    """UTC text of a time, nanoseconds kept: `2023-12-25T23:00:00.000000001Z`.

    Civil date by Howard Hinnant's algorithm (no clock, no locale).
    """
    days, rest = divmod(ts_ns, NS_PER_DAY)
    seconds, nanos = divmod(rest, NS_PER_S)
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_shifted + 2) // 5 + 1
    month = month_shifted + 3 if month_shifted < 10 else month_shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}.{nanos:09d}Z"
