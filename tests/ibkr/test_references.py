"""The order reference: how an order is known again, here and on the broker's statements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.adapters.ibkr.references import Reference, log_tag, parse_reference, remnant_id
from trading_bot.domain.orders import Leg
from trading_bot.reports.explain_story import _order_id

TAG = log_tag("20261121T120103Z-e34e", 20261125)


@given(st.integers(0, 10**15), st.integers(0, 10**6), st.sampled_from(list(Leg)))
def test_what_is_sent_is_understood(seq, index, leg):
    reference = Reference(TAG, (seq, index), leg)
    assert parse_reference(str(reference)) == reference
    assert len(str(reference)) <= 44


def test_it_reads_as_run_session_order_and_leg():
    text = str(Reference(TAG, (1042, 0), Leg.STOP))
    tag, seq, index, letter = text.split("-")
    assert (seq, index, letter) == ("1042", "0", "S")
    assert tag.endswith(".261125")
    assert str(Reference(TAG, (1042, 0), Leg.TARGET)).startswith(Reference(TAG, (1042, 0), Leg.STOP).group)


def test_runs_and_sessions_have_names_of_their_own():
    assert len({log_tag(run, day) for run in ("a", "b") for day in (20261124, 20261125)}) == 4


@pytest.mark.parametrize("text", ["", "mine", "tb-1-0-S", "1042-0", f"{TAG}-1-0-Q", f"{TAG}-1-0-S ", f"{TAG}--1-0-S"])
def test_what_nobody_of_us_wrote_is_nobodys(text):
    assert parse_reference(text) is None


def test_a_remnants_name_is_none_of_an_effect():
    assert remnant_id(1_400_000_001)[1] > 1_000  # the core numbers exits without an entry from 1000 on


def test_explain_takes_a_reference():
    assert _order_id(str(Reference(TAG, (1042, 0), Leg.EXIT))) == (1042, 0)
