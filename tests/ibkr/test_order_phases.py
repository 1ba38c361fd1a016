"""The life of one order at the broker, as a table (EX03, EX06)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.adapters.ibkr.order_phases import ENDED, LIVE, TABLE, Phase, Signal, Tell

SAYS_SO = {  # what the broker has to have said before the core hears of an end
    Tell.CANCELLED: {
        Signal.STOPPED, Signal.WITHDRAWN, Signal.CANCEL_CODE, Signal.NOT_CANCELLED, Signal.PATIENCE, Signal.ABSENT,
    },
    Tell.REJECTED: {
        Signal.REFUSE, Signal.INACTIVE, Signal.STOPPED, Signal.WITHDRAWN, Signal.CANCEL_CODE, Signal.PATIENCE,
        Signal.ABSENT, Signal.DOUBT,
    },
}  # fmt: skip
words = st.lists(st.sampled_from(list(Signal)), max_size=12)


def walk(signals, phase=Phase.SENT):
    told = []
    for signal in signals:
        phase, tells = TABLE[phase][signal]
        told += tells
    return phase, told


def test_every_pair_is_defined():
    assert set(TABLE) == set(Phase)
    assert all(set(row) == set(Signal) for row in TABLE.values())
    assert set(Phase) == LIVE | ENDED


@pytest.mark.parametrize("phase", list(Phase))
def test_what_is_executed_in_whole_is_filled_whatever_was_said(phase):
    assert TABLE[phase][Signal.FULL] == (Phase.FILLED, ())


@pytest.mark.parametrize("signal", list(Signal))
def test_filled_is_the_end(signal):
    assert TABLE[Phase.FILLED][signal] == (Phase.FILLED, ())


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("tell", [Tell.CANCELLED, Tell.REJECTED])
def test_an_end_is_told_only_after_the_broker_said_so(phase, tell):
    for signal, (_next, tells) in TABLE[phase].items():
        assert tell not in tells or signal in SAYS_SO[tell]


@given(words)
def test_a_moment_that_begins_is_waited_for(signals):
    """A phase in which something is owed was entered with WAIT, so it always ends."""
    phase, told = Phase.SENT, ()
    for signal in signals:
        before = phase
        phase, told = TABLE[phase][signal]
        owed = phase in {Phase.QUERY, Phase.REFUSING, Phase.ENDING, Phase.INACTIVE}
        if owed and phase is not before:
            assert Tell.WAIT in told
        if owed:
            assert TABLE[phase][Signal.PATIENCE][0] is not phase


@given(words)
def test_a_refusal_is_told_once(signals):
    _phase, told = walk([s for s in signals if s not in {Signal.LISTED, Signal.WORK, Signal.HOLD}])
    assert told.count(Tell.REJECTED) <= 1
    assert told.count(Tell.REJECTED) + told.count(Tell.CANCELLED) <= 1


@pytest.mark.parametrize("before", [[], [Signal.HOLD]], ids=["unheard", "held"])
@pytest.mark.parametrize("order", ["code first", "status first"])
def test_a_refusal_reads_the_same_whichever_comes_first(order, before):
    """201 may come before or after the status (field notes, row 12)."""
    signals = [Signal.REFUSE, Signal.STOPPED] if order == "code first" else [Signal.STOPPED, Signal.REFUSE]
    phase, told = walk([*before, *signals])
    assert phase is Phase.REJECTED
    assert told.count(Tell.REJECTED) == 1
    assert Tell.CANCELLED not in told


def test_a_cancel_nobody_explains_is_told_when_its_moment_is_over():
    assert walk([Signal.HOLD, Signal.STOPPED])[1] == [Tell.ACK, Tell.WAIT]
    assert walk([Signal.HOLD, Signal.STOPPED, Signal.PATIENCE])[1][-1] is Tell.CANCELLED


def test_a_working_order_that_is_cancelled_is_told_at_once():
    assert walk([Signal.WORK, Signal.STOPPED])[1][-1] is Tell.CANCELLED


def test_a_code_that_says_nothing_leaves_doubt_and_no_end():
    phase, told = walk([Signal.WORK, Signal.DOUBT])
    assert (phase, told[-1]) == (Phase.DOUBTFUL, Tell.DOUBT)
    assert walk([Signal.WORK, Signal.DOUBT, Signal.WORK])[0] is Phase.WORKING


def test_an_order_that_is_in_no_list_right_after_it_was_sent_is_under_way():
    assert walk([Signal.ABSENT]) == (Phase.SENT, [])
    assert walk([Signal.LATE, Signal.ABSENT])[0] is Phase.GONE


def test_an_order_given_up_that_works_after_all_is_told():
    _phase, told = walk([Signal.LATE, Signal.ABSENT, Signal.WORK])
    assert told[-2:] == [Tell.ACK, Tell.WORK]
