"""Numbers as people read them, the same on every page: signs, thousands, units, and a dash for what is not known."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from trading_bot.domain.units import NS_PER_MS, NS_PER_S, UUSD_PER_USD
from trading_bot.pages.page import BAD, GOOD, QUIET, Value

MINUS: Final = "\N{MINUS SIGN}"
NONE: Final = "\N{EN DASH}"
NEW_YORK: Final = ZoneInfo("America/New_York")
_UUSD_PER_CENT: Final = UUSD_PER_USD // 100


def usd(amount_uusd: int, *, sign: bool = False) -> str:
    """Dollars and cents of micro-dollars, from the integer itself; half a cent goes away from zero."""
    cents = (abs(amount_uusd) + _UUSD_PER_CENT // 2) // _UUSD_PER_CENT
    return _signed(f"{cents // 100:,}.{cents % 100:02d}", amount_uusd if cents else 0, sign=sign)


def money(amount_uusd: int, ref: str = "", *, sign: bool = True) -> Value:
    """Dollars with their sign and tone."""
    return Value(usd(amount_uusd, sign=sign), tone_of(amount_uusd), ref)


def number(value: float | None, decimals: int = 2, *, sign: bool = False, unit: str = "") -> str:
    """A number with so many decimals; a dash where it is None or not finite."""
    if value is None or value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 (NaN)
        return NONE
    text = f"{abs(value):,.{decimals}f}"
    shown = _signed(text, value if text.strip("0.,") else 0, sign=sign)
    return f"{shown}{unit}"


def percent(share: float | None, decimals: int = 0) -> str:
    """A share of one as per cent."""
    return NONE if share is None else number(100 * share, decimals, unit=" %")


def count(value: int) -> str:
    """A whole number with thousands set apart."""
    return _signed(f"{abs(value):,}", value, sign=False)


def several(number_of: int, what: str) -> str:
    """`1 trade`, `12 trades`."""
    return f"{count(number_of)} {what}{'' if number_of == 1 else 's'}"


def ticks(value: float | None, *, sign: bool = True, decimals: int = 1) -> str:
    """A length in ticks."""
    return number(value, decimals, sign=sign)


def points(price_ticks: float, tick_size_points: float) -> str:
    """A price in index points."""
    return f"{price_ticks * tick_size_points:,.2f}"


def tone_of(value: float | None) -> str:
    """Good above zero, bad below."""
    return QUIET if value is None else GOOD if value > 0 else BAD if value < 0 else ""


def clock(ts_ns: int) -> str:
    """Time of day in New York."""
    return _local(ts_ns).strftime("%H:%M:%S")


def day(trade_date: int) -> str:
    """A date of yyyymmdd, as `Wednesday 25 November 2026`."""
    if not trade_date:
        return "date unknown"
    date = datetime(trade_date // 10_000, trade_date // 100 % 100, trade_date % 100, tzinfo=UTC)
    return f"{date:%A} {date.day} {date:%B %Y}"


def plot_ms(ts_ns: int) -> float:
    """A time as Plotly's date axis takes it, so that its labels read as New York's clock: ms, UTC in name only."""
    local = _local(ts_ns)
    offset = local.utcoffset()
    assert offset is not None
    return ts_ns // 1_000 / 1_000 + offset.total_seconds() * 1_000


def held(duration_ns: int) -> str:
    """How long something lasted, in the unit that fits."""
    seconds = duration_ns / NS_PER_S
    if seconds < 1:
        return f"{duration_ns / NS_PER_MS:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


def _local(ts_ns: int) -> datetime:
    return datetime.fromtimestamp(ts_ns // NS_PER_S, tz=UTC).astimezone(NEW_YORK)


def _signed(text: str, value: float, *, sign: bool) -> str:
    return f"{MINUS}{text}" if value < 0 else f"+{text}" if sign and value > 0 else text
