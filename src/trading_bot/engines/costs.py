"""What trading costs, learned from fills (specification 7): factors on the expected slippage, and the commission.

Everything counted is an integer, so that a replay and a reload give the same. Real and hypothetical fills stand in two
books that never mix; values in force change only when a session is opened (`adopted`).
"""

from enum import StrEnum
from typing import Final

import msgspec

from trading_bot.domain.config import CostsConfig
from trading_bot.engines.breaker_table import week_of

ONE_E6: Final = 1_000_000
ENTRY_FACTOR: Final = "entry_slippage_factor_e6"  # parameters, as `ParamsAdopted` names them
STOP_FACTOR: Final = "stop_slippage_factor_e6"
ROUND_TRIP: Final = "commission_round_trip_uusd"
PARAMETERS: Final = (ENTRY_FACTOR, STOP_FACTOR, ROUND_TRIP)
_FIELD_OF: Final = {ENTRY_FACTOR: "entry_factor_e6", STOP_FACTOR: "stop_factor_e6", ROUND_TRIP: "round_trip_uusd"}


class FillKind(StrEnum):
    """What a fill says about slippage."""

    ENTRY = "ENTRY"  # took liquidity: fill against the touch at the decision
    STOP = "STOP"  # fill against the trigger
    RESTING = "RESTING"  # a limit that waited: it cannot slip, so there is nothing to fit
    EXIT = "EXIT"  # sent at the market of the moment: only its commission counts


class SlippageSums(msgspec.Struct, frozen=True, kw_only=True):
    """Fills of one kind; sums in millionths of a tick. `expected_e6` is without the factor that was in force."""

    fills: int = 0
    actual_e6: int = 0
    expected_e6: int = 0


class CostBook(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence of one world, and what was adopted from it.

    `fees_uusd` are the commissions of `lots` contracts, each side counted; `round_trip_uusd` 0 is the instrument's own.
    `adopted_date` is the trade date (yyyymmdd) of the last look, the `_week_` values are those a week began with.
    """

    entry: SlippageSums = SlippageSums()
    stop: SlippageSums = SlippageSums()
    fees_uusd: int = 0
    lots: int = 0
    entry_factor_e6: int = ONE_E6
    stop_factor_e6: int = ONE_E6
    round_trip_uusd: int = 0
    adopted_date: int = 0
    entry_week_e6: int = ONE_E6
    stop_week_e6: int = ONE_E6


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Both books."""

    real: CostBook = CostBook()
    hypothetical: CostBook = CostBook()

    def book(self, *, hypothetical: bool) -> CostBook:
        """The book of a world."""
        return self.hypothetical if hypothetical else self.real

    def with_book(self, book: CostBook, *, hypothetical: bool) -> "Costs":
        """With this book in its place."""
        if hypothetical:
            return msgspec.structs.replace(self, hypothetical=book)
        return msgspec.structs.replace(self, real=book)


class CostRules(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the fit; factors in millionths."""

    fills_min: int
    pseudo_fills: int
    factor_min_e6: int
    factor_max_e6: int
    week_ratio_e6: int

    @classmethod
    def compile(cls, config: CostsConfig) -> "CostRules":
        """From the configuration."""
        return cls(
            fills_min=config.fit_fills_min,
            pseudo_fills=config.fit_pseudo_fills,
            factor_min_e6=round(config.factor_min * ONE_E6),
            factor_max_e6=round(config.factor_max * ONE_E6),
            week_ratio_e6=round(config.factor_week_ratio_max * ONE_E6),
        )


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """One value that changed: what it was, what it is, and the fills behind it."""

    parameter: str
    old: int
    new: int
    fills: int
    actual: int
    expected: int


def with_fill(
    book: CostBook, kind: FillKind, *, qty: int, commission_uusd: int, slippage_ticks: int, expected_e6: int
) -> CostBook:
    """One execution. `expected_e6` is what was expected with the factor in force, in millionths of a tick."""
    fields = {"fees_uusd": book.fees_uusd + commission_uusd, "lots": book.lots + qty}
    if kind is FillKind.ENTRY and expected_e6 > 0:
        entry = _with_slippage(book.entry, slippage_ticks, expected_e6, book.entry_factor_e6)
        return msgspec.structs.replace(book, entry=entry, **fields)
    if kind is FillKind.STOP and expected_e6 > 0:
        stop = _with_slippage(book.stop, slippage_ticks, expected_e6, book.stop_factor_e6)
        return msgspec.structs.replace(book, stop=stop, **fields)
    return msgspec.structs.replace(book, **fields)


def with_fee(book: CostBook, fee_uusd: int) -> CostBook:
    """A commission that was charged for contracts counted already (negative: less than was estimated)."""
    return msgspec.structs.replace(book, fees_uusd=book.fees_uusd + fee_uusd)


def _with_slippage(sums: SlippageSums, slippage_ticks: int, expected_e6: int, factor_e6: int) -> SlippageSums:
    return SlippageSums(
        fills=sums.fills + 1,
        actual_e6=sums.actual_e6 + slippage_ticks * ONE_E6,
        expected_e6=sums.expected_e6 + _divided(expected_e6 * ONE_E6, factor_e6),
    )


def per_side_uusd(book: CostBook) -> int | None:
    """Commission of one contract on one side, as it was charged so far; None before the first fill."""
    return _divided(book.fees_uusd, book.lots) if book.lots else None


def fitted_factor_e6(sums: SlippageSums, rules: CostRules) -> int:
    """Actual over expected slippage, drawn towards 1 by pseudo-fills of the mean expectation; 1 with too few fills."""
    if sums.fills < rules.fills_min or sums.expected_e6 <= 0:
        return ONE_E6
    weighed_e6 = sums.fills * sums.actual_e6 + rules.pseudo_fills * sums.expected_e6
    factor_e6 = _divided(weighed_e6 * ONE_E6, (sums.fills + rules.pseudo_fills) * sums.expected_e6)
    return min(max(factor_e6, rules.factor_min_e6), rules.factor_max_e6)


def adopted(book: CostBook, rules: CostRules, trade_date: int, instrument_uusd: int) -> tuple[CostBook, list[Adoption]]:
    """The book with the values of a new session, and what changed.

    Once a trade date; an unknown one (0) adopts nothing. A factor moves by `week_ratio_e6` at most from where its week
    began. `instrument_uusd` is the instrument's own round trip, named as the old value of the first change.
    """
    if not trade_date or trade_date == book.adopted_date:
        return book, []
    begun = _begun(book, trade_date)
    fresh = msgspec.structs.replace(
        begun,
        entry_factor_e6=_bounded(fitted_factor_e6(book.entry, rules), begun.entry_week_e6, rules),
        stop_factor_e6=_bounded(fitted_factor_e6(book.stop, rules), begun.stop_week_e6, rules),
        round_trip_uusd=_divided(2 * book.fees_uusd, book.lots) if book.lots else book.round_trip_uusd,
    )
    old_uusd, new_uusd = book.round_trip_uusd or instrument_uusd, fresh.round_trip_uusd or instrument_uusd
    rows = (
        (ENTRY_FACTOR, book.entry_factor_e6, fresh.entry_factor_e6, book.entry),
        (STOP_FACTOR, book.stop_factor_e6, fresh.stop_factor_e6, book.stop),
    )
    changes = [
        Adoption(parameter=name, old=old, new=new, fills=sums.fills, actual=sums.actual_e6, expected=sums.expected_e6)
        for name, old, new, sums in rows
        if old != new
    ]
    if old_uusd != new_uusd:
        changes.append(
            Adoption(
                parameter=ROUND_TRIP,
                old=old_uusd,
                new=new_uusd,
                fills=book.lots,
                actual=2 * book.fees_uusd,
                expected=book.lots * instrument_uusd,
            )
        )
    return fresh, changes


def with_adoption(book: CostBook, parameter: str, value: int, trade_date: int) -> CostBook:
    """The book as it stood after an adoption that a log tells of."""
    begun = book if trade_date == book.adopted_date else _begun(book, trade_date)
    return msgspec.structs.replace(begun, **{_FIELD_OF[parameter]: value})


def _begun(book: CostBook, trade_date: int) -> CostBook:
    """At the opening of a trade date; a new week starts from the factors in force."""
    same_week = book.adopted_date != 0 and week_of(book.adopted_date) == week_of(trade_date)
    return msgspec.structs.replace(
        book,
        adopted_date=trade_date,
        entry_week_e6=book.entry_week_e6 if same_week else book.entry_factor_e6,
        stop_week_e6=book.stop_week_e6 if same_week else book.stop_factor_e6,
    )


def _bounded(factor_e6: int, week_e6: int, rules: CostRules) -> int:
    low, high = _divided(week_e6 * ONE_E6, rules.week_ratio_e6), _divided(week_e6 * rules.week_ratio_e6, ONE_E6)
    return min(max(factor_e6, low), high)


def _divided(total: int, count: int) -> int:
    """Rounded half up; `count` is positive."""
    return (2 * total + count) // (2 * count)
