"""Numbers as people read them, against amounts written out by hand."""

import pytest

from tests.reports import day_log as day
from trading_bot.pages import numbers
from trading_bot.pages.chart_spread import binned, step_for
from trading_bot.pages.safe_text import safe
from trading_bot.pages.trace import Trace, spans


@pytest.mark.parametrize(
    ("amount_uusd", "shown"),
    [
        (0, "0.00"),
        (1_250_000, "+1.25"),
        (-147_500_000, "−147.50"),
        (-1_234_567_890_000, "−1,234,567.89"),
        (-4_000, "0.00"),  # less than half a cent is nothing, and nothing has no sign
        (5_000, "+0.01"),
        (9_007_199_254_740_993_000_000, "+9,007,199,254,740,993.00"),  # more than a float can hold
    ],
)
def test_dollars_come_from_the_integer(amount_uusd, shown):
    assert numbers.usd(amount_uusd, sign=True) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (float("nan"), "–"), (float("inf"), "–"), (-0.004, "0.00"), (-1234.5, "−1,234.50"), (2.345, "2.35")],
)
def test_numbers_that_are_none_have_a_dash(value, shown):
    assert numbers.number(value) == shown


def test_times_are_new_yorks_in_summer_and_winter():
    assert numbers.clock(day.OPEN_NS) == "09:30:00"
    # 2026-07-01 13:30:00 UTC is 09:30 there.
    summer_ns = 1_782_912_600 * 10**9
    assert numbers.clock(summer_ns) == "09:30:00"
    assert numbers.plot_ms(summer_ns) == (1_782_912_600 - 4 * 3600) * 1_000
    assert numbers.plot_ms(day.OPEN_NS) == (1_795_617_000 - 5 * 3600) * 1_000


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.25, "250 ms"), (59.94, "59.9 s"), (90, "1 m 30 s"), (3_599.6, "1 h 00 m"), (20_700, "5 h 45 m")],
)
def test_how_long(seconds, shown):
    assert numbers.held(round(seconds * 10**9)) == shown


def test_a_set_of_records_has_one_name_and_all_its_labels():
    trace = Trace()
    first = trace.ref("net", {"run/a": [3, 1, 2, 2], "run/b": [9]})
    again = trace.ref("trades", {"run/b": (9,), "run/a": (1, 2, 3)})
    other = trace.ref("gross", {"run/a": [1]})
    assert first == again != other
    assert trace.ref("nothing", {"run/a": [0]}) == trace.ref("nothing", {}) == ""
    rows = [(row.ref, row.label, row.log, row.spans, row.count) for row in trace.sources()]
    assert rows == [
        (first, "net · trades", "run/a", "1-3", 3),
        (first, "net · trades", "run/b", "9", 1),
        (other, "gross", "run/a", "1", 1),
    ]


def test_ranges_of_numbers():
    assert spans((1, 2, 4, 5, 6, 9)) == "1, 2, 4-6, 9"
    assert spans(()) == ""
    assert spans((1, 3, 5, 8), limit=2) == "1, 3, and 2 more up to 8"


def test_bins_are_round_and_hold_every_value_once():
    values = [-12.5, -0.01, 0.0, 0.01, 17.5, 17.5]
    step = step_for(min(values), max(values))
    assert step == 2.0  # 30 over 24 bins is 1.25: the next round width
    bins = binned(values, step)
    assert sorted(at for members in bins.values() for at in members) == list(range(len(values)))
    assert bins[0] == [2, 3]
    assert bins[-1] == [1]


def test_letters_that_cannot_be_seen_are_spelt_out():
    assert safe("ab\x00c\u202e\n") == "ab\\x00c\\u202e\n"
