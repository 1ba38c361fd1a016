"""The instrument registry (specification, section 1)."""

import pytest

from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import INSTRUMENTS, instrument_by_id, instrument_by_symbol

# Tick in points and dollars a tick, from the contract specifications of the exchange (SPY: specification, section 1).
TABLE = {
    "MES": (0.25, 1.25),
    "ES": (0.25, 12.50),
    "MNQ": (0.25, 0.50),
    "NQ": (0.25, 5.00),
    "M2K": (0.10, 0.50),
    "RTY": (0.10, 5.00),
    "MYM": (1.0, 0.50),
    "YM": (1.0, 5.00),
    "SPY": (0.01, 1.00),
}


def test_the_registry_holds_these_and_no_others():
    assert set(INSTRUMENTS) == set(TABLE)


@pytest.mark.parametrize("symbol", TABLE)
def test_tick_size_and_value(symbol):
    instrument = INSTRUMENTS[symbol]
    tick_points, tick_usd = TABLE[symbol]
    assert instrument.tick_size_points == tick_points
    assert instrument.tick_value_uusd == round(tick_usd * 1_000_000)
    assert instrument.tick_size_points * instrument.multiplier == pytest.approx(tick_usd)
    assert instrument.commission_round_trip_uusd == 2_500_000


def test_mes_is_what_the_user_fixed():
    mes = INSTRUMENTS["MES"]
    assert (mes.tick_value_uusd, mes.multiplier, mes.exchange, mes.currency, mes.months) == (
        1_250_000,
        5.0,
        "CME",
        "USD",
        "HMUZ",
    )


def test_only_spy_is_for_research_only():
    assert [symbol for symbol, row in INSTRUMENTS.items() if row.research_only] == ["SPY"]


def test_numbers_in_the_log_never_change():
    assert {row.symbol: row.id for row in INSTRUMENTS.values()} == {
        "MES": 1, "ES": 2, "MNQ": 3, "NQ": 4, "M2K": 5, "RTY": 6, "MYM": 7, "YM": 8, "SPY": 9,
    }  # fmt: skip
    assert all(instrument_by_id(row.id) is row for row in INSTRUMENTS.values())


def test_lookup_ignores_case_and_names_the_nearest():
    assert instrument_by_symbol(" mes ").symbol == "MES"
    with pytest.raises(UsageError, match="did you mean MES"):
        instrument_by_symbol("MEZ")
    with pytest.raises(UsageError, match="known are"):
        instrument_by_symbol("???")
    with pytest.raises(UsageError, match="id 99"):
        instrument_by_id(99)
