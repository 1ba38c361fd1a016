"""The way to flat (specification 8.3, 10; EX13, SF02, SF07). Times in seconds from the start where not said."""

import ast
import inspect

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_bot.engines import flatten
from trading_bot.engines.flatten import Command, FlattenFacts, FlattenKind, Step, advance, begin, begin_session_exit
from trading_bot.engines.session import SessionWindow

S = 1_000_000_000
MIN = 60 * S
CLOSE = 1_000_000 * S
WINDOW = SessionWindow(20261127, CLOSE - 210 * MIN, CLOSE - 205 * MIN, CLOSE - 15 * MIN, CLOSE - 5 * MIN, CLOSE)
T0 = CLOSE - 5 * MIN
LONG = FlattenFacts(position_qty=1, answered_ns=None)
FLAT = FlattenFacts(position_qty=0, answered_ns=None)
ORDERS = {Command.EXIT_LIMIT, Command.EXIT_MARKET}


def with_(facts, **changes):
    return msgspec.structs.replace(facts, **changes)


def said(actions):
    return [(action.command.value, action.qty) if action.qty else action.command.value for action in actions]


def walk(state, facts_at):
    """Timers only: what is done at each time the state asks for, in seconds before the close."""
    story = []
    while (due_ns := flatten.next_due_ns(state)) is not None and due_ns < CLOSE:
        state, actions = advance(state, facts_at(due_ns), due_ns)
        story.append(((CLOSE - due_ns) // S, said(actions)))
    return state, story


def test_the_ladder_of_the_specification_by_timers_alone():
    """A broker that never answers, an exit that never fills: exit, verify, market, alert and dead man, kill."""

    def facts_at(ts_ns):
        return with_(LONG, limit_working=ts_ns > T0, market_working=ts_ns > CLOSE - 4 * MIN)

    state, story = walk(begin_session_exit(WINDOW, T0, "MINUTES_TO_RTH_CLOSE"), facts_at)
    assert story[:5] == [
        (300, [("EXIT_LIMIT", -1)]),
        (285, ["ASK_BROKER"]),
        (240, [("EXIT_MARKET", -1)]),
        (180, ["ALERT", "DEAD_MAN"]),
        (60, ["KILL"]),
    ]
    # Then the broker is asked every ten seconds until it has answered; nothing is sent blindly.
    assert story[5:] == [(at, ["ASK_BROKER"]) for at in (50, 40, 30, 20, 10)]
    assert not state.finished


def test_without_a_quote_the_first_exit_is_a_market_order():
    """A feed that stalls from 15:50 leaves nothing to price a limit by."""
    _, actions = advance(begin_session_exit(WINDOW, T0, ""), with_(LONG, quoted=False), T0)
    assert said(actions) == [("EXIT_MARKET", -1)]


def test_a_fill_and_the_brokers_word_end_it():
    state, _ = advance(begin_session_exit(WINDOW, T0, ""), with_(LONG, position_qty=-2), T0)
    assert state.last_order_ns == T0
    # The fill alone is not enough, nor an answer from before the order.
    state, actions = advance(state, FLAT, T0 + S)
    assert (state.finished, actions) == (False, ())
    state, actions = advance(state, with_(FLAT, answered_ns=T0 - 1), T0 + 2 * S)
    assert (state.finished, actions) == (False, ())
    state, actions = advance(state, FLAT, T0 + 15 * S)
    assert said(actions) == ["ASK_BROKER"]
    state, actions = advance(state, with_(FLAT, answered_ns=T0 + 16 * S), T0 + 16 * S)
    assert (state.finished, actions, flatten.next_due_ns(state)) == (True, (), None)
    assert advance(state, LONG, CLOSE) == (state, ())


@pytest.mark.parametrize("left", [{"working": 1}, {"limit_working": True}, {"market_working": True}])
def test_flat_is_not_the_end_while_an_order_may_fill(left):
    state = begin(FlattenKind.KILL, T0, "")
    state, _ = advance(state, with_(FLAT, answered_ns=T0, **left), T0)
    assert not state.finished


def test_a_flat_start_asks_before_it_believes():
    state, actions = advance(begin_session_exit(WINDOW, T0, ""), FLAT, T0)
    assert said(actions) == ["ASK_BROKER"]
    state, actions = advance(state, with_(FLAT, answered_ns=T0), T0)
    assert state.finished


def test_an_unknown_position_is_never_flat_and_never_sold():
    state, story = walk(
        begin_session_exit(WINDOW, T0, ""), lambda _: FlattenFacts(position_qty=None, answered_ns=CLOSE)
    )
    assert not state.finished
    assert not [command for _, commands in story for command in commands if isinstance(command, tuple)]
    assert [commands for at, commands in story if at in {300, 240}] == [["ASK_BROKER"], ["ASK_BROKER"]]


def test_an_answer_after_the_exits_time_is_acted_on_at_once():
    state, _ = advance(begin(FlattenKind.KILL, T0, ""), FlattenFacts(position_qty=None, answered_ns=None), T0)
    state, actions = advance(state, FlattenFacts(position_qty=None, answered_ns=None), T0 + 5 * S)
    assert said(actions) == ["ASK_BROKER"]
    state, actions = advance(state, with_(LONG, answered_ns=T0 + 6 * S), T0 + 6 * S)
    assert said(actions) == [("EXIT_LIMIT", -1)]
    # Once: the next answer finds it working.
    assert advance(state, with_(LONG, limit_working=True), T0 + 7 * S)[1] == ()


def test_a_late_timer_sends_only_the_strongest_order():
    state, actions = advance(begin_session_exit(WINDOW, T0, ""), with_(LONG, working=1), CLOSE - 2 * MIN)
    assert said(actions) == ["ASK_BROKER", "CANCEL", ("EXIT_MARKET", -1), "ALERT", "DEAD_MAN"]
    assert flatten.next_due_ns(state) == CLOSE - MIN


def test_an_earlier_flatten_moves_the_ladder():
    window = msgspec.structs.replace(WINDOW, flatten_ns=CLOSE - 10 * MIN)
    state = begin_session_exit(window, CLOSE - 10 * MIN, "")
    assert [(CLOSE - rung.due_ns) // S for rung in state.rungs] == [600, 585, 540, 480, 360]


def test_a_session_exit_withdraws_entries_first():
    _, actions = advance(begin_session_exit(WINDOW, T0, ""), with_(LONG, working=1), T0)
    assert said(actions) == ["CANCEL", ("EXIT_LIMIT", -1)]


# --- kill switch -----------------------------------------------------------------------------------------------------


def test_a_kill_cancels_then_exits_then_halts():
    """Cancel entries and targets (5 s), exit (10 s), halt, full state to the log, alert."""
    state = begin(FlattenKind.KILL, T0, "test")
    state, actions = advance(state, with_(LONG, working=2), T0)
    assert said(actions) == ["CANCEL"]
    # One cancellation answered: still waiting. Both: the exit does not wait for its 5 s.
    state, actions = advance(state, with_(LONG, working=1), T0 + S)
    assert actions == ()
    state, actions = advance(state, LONG, T0 + 2 * S)
    assert said(actions) == [("EXIT_LIMIT", -1)]
    assert flatten.next_due_ns(state) == T0 + 7 * S
    state, actions = advance(state, with_(LONG, limit_working=True), T0 + 7 * S)
    assert said(actions) == ["ASK_BROKER"]
    state, actions = advance(state, with_(FLAT, answered_ns=T0 + 8 * S), T0 + 8 * S)
    assert said(actions) == ["HALT", "LOG_STATE", "ALERT"]
    assert state.finished


def test_cancellations_that_are_not_answered_hold_the_exit_for_five_seconds_only():
    state, _ = advance(begin(FlattenKind.KILL, T0, ""), with_(LONG, working=1), T0)
    assert flatten.next_due_ns(state) == T0 + 5 * S
    state, actions = advance(state, with_(LONG, working=1), T0 + 5 * S)
    assert said(actions) == [("EXIT_LIMIT", -1)]


def test_an_exit_that_does_not_fill_in_ten_seconds_becomes_a_market_order_and_an_alert():
    state, _ = advance(begin(FlattenKind.KILL, T0, ""), LONG, T0)
    state, _ = advance(state, with_(LONG, limit_working=True), T0 + 5 * S)
    assert flatten.next_due_ns(state) == T0 + 10 * S
    state, actions = advance(state, with_(LONG, limit_working=True), T0 + 10 * S)
    assert said(actions) == [("EXIT_MARKET", -1), "ALERT", "DEAD_MAN"]


def test_retries_go_on_until_flat_and_are_never_blind():
    state = begin(FlattenKind.KILL, T0, "")
    for at in (0, 5, 10):
        state, _ = advance(state, with_(LONG, limit_working=at > 0), T0 + at * S)
    for retry in range(20):
        at = T0 + (20 + 10 * retry) * S
        assert flatten.next_due_ns(state) == at
        # Rejected, as far as we hear; but the broker has not said so since the order: ask.
        state, actions = advance(state, with_(LONG, answered_ns=T0), at)
        assert said(actions) == ["ASK_BROKER"]
    at += 10 * S
    state, actions = advance(state, with_(LONG, answered_ns=at - S), at)
    assert said(actions) == [("EXIT_MARKET", -1)]
    # While it works it is not sent again, whatever is answered.
    state, actions = advance(state, with_(LONG, answered_ns=at + S, market_working=True), at + 10 * S)
    assert said(actions) == ["ASK_BROKER"]


def test_a_flip_is_flattened_at_once():
    state, _ = advance(begin(FlattenKind.KILL, T0, ""), LONG, T0)
    short = with_(LONG, position_qty=-1, limit_working=True)
    state, actions = advance(state, short, T0 + S)
    assert said(actions) == ["CANCEL_EXITS", ("EXIT_MARKET", 1)]
    # Once.
    state, actions = advance(state, with_(short, limit_working=False, market_working=True), T0 + 2 * S)
    assert actions == ()


def test_an_exit_of_before_counts_and_its_flip_is_seen():
    """The exit engine's own limit works when the kill comes."""
    state, actions = advance(begin(FlattenKind.KILL, T0, ""), with_(LONG, limit_working=True), T0)
    assert actions == ()
    _, actions = advance(state, with_(LONG, position_qty=-1), T0 + S)
    assert said(actions) == [("EXIT_MARKET", 1)]
    # Rejected instead: the exit is due, and sent.
    _, actions = advance(state, LONG, T0 + S)
    assert said(actions) == [("EXIT_LIMIT", -1)]


def test_a_session_exit_that_fails_is_taken_over_by_the_kill_switch():
    state, _ = advance(begin_session_exit(WINDOW, T0, ""), LONG, T0)
    killed = flatten.taken_over(state, begin(FlattenKind.KILL, T0 + MIN, "failed flatten"))
    assert said(advance(killed, with_(LONG, position_qty=-1, working=1), T0 + MIN)[1]) == [("EXIT_MARKET", 1), "CANCEL"]
    # The limit still works: no second exit, and a flip is still one.
    killed, actions = advance(killed, with_(LONG, limit_working=True), T0 + MIN)
    assert said(actions) == []
    _, actions = advance(killed, with_(LONG, position_qty=-1), T0 + MIN + S)
    assert said(actions) == [("EXIT_MARKET", 1)]


def test_an_emergency_asks_first_and_exits_on_the_answer():
    state = begin(FlattenKind.EMERGENCY, T0, "")
    state, actions = advance(state, FlattenFacts(position_qty=None, answered_ns=None, working=1), T0)
    assert said(actions) == ["CANCEL", "ALERT", "DEAD_MAN", "ASK_BROKER"]
    state, actions = advance(state, with_(LONG, answered_ns=T0 + S), T0 + S)
    assert said(actions) == [("EXIT_LIMIT", -1)]
    state, actions = advance(state, with_(LONG, limit_working=True), T0 + 6 * S)
    assert said(actions) == [("EXIT_MARKET", -1)]


# --- laws ------------------------------------------------------------------------------------------------------------

FACTS = st.builds(
    FlattenFacts,
    position_qty=st.none() | st.integers(-2, 2),
    answered_ns=st.none() | st.integers(T0 - 10 * S, CLOSE + MIN),
    working=st.integers(0, 2),
    limit_working=st.booleans(),
    market_working=st.booleans(),
    quoted=st.booleans(),
)
PATHS = st.lists(st.tuples(st.integers(0, 40 * S), FACTS), min_size=1, max_size=30)
STARTS = st.sampled_from(
    [
        begin_session_exit(WINDOW, T0, ""),
        begin(FlattenKind.KILL, T0, ""),
        begin(FlattenKind.EMERGENCY, T0, ""),
    ]
)


@given(STARTS, PATHS)
def test_whatever_happens(start, path):
    state, at, taken, told = start, T0, [], 0
    for gap, facts in path:
        at += gap
        before = state
        state, actions = advance(state, facts, at)
        orders = [action for action in actions if action.command in ORDERS]
        assert len(orders) <= 1
        # Only what is known to be open is closed, and exactly that.
        assert all(facts.position_qty and order.qty == -facts.position_qty for order in orders)
        # A market exit that works is left alone, unless the position flipped.
        flipped = facts.position_qty is not None and facts.position_qty * before.exit_sign < 0
        assert not orders or not facts.market_working or flipped
        # A second order needs a rung of its own, or the broker's answer after the first.
        if orders and before.last_order_ns is not None and not flipped and not before.rungs:
            assert facts.answered_ns is not None
            assert facts.answered_ns >= before.last_order_ns
        if state.finished and not before.finished:
            assert facts.position_qty == 0
            assert facts.answered_ns >= (before.last_order_ns or before.started_ns)
            assert not any((facts.working, facts.limit_working, facts.market_working))
        if before.finished:
            assert (state, actions) == (before, ())
        # Never late: what is due is done, and the next thing has a time.
        assert state.finished or flatten.next_due_ns(state) > at
        taken += [rung for rung in before.rungs if rung not in state.rungs]
        told += sum(action.command is Command.KILL for action in actions)
    assert told <= 1
    if start.kind is FlattenKind.SESSION and not state.finished:
        assert [rung.step for rung in state.rungs] == [
            step for step, due in zip(list(Step)[1:6], (0, 15, 60, 120, 240), strict=True) if T0 + due * S > at
        ]
        assert told == (at >= CLOSE - MIN)


@given(STARTS, PATHS)
def test_asking_twice_does_nothing_twice(start, path):
    state, at = start, T0
    for gap, facts in path:
        at += gap
        state, actions = advance(state, facts, at)
        sent = any(action.command in ORDERS for action in actions)
        again, more = advance(state, with_(facts, market_working=facts.market_working or sent), at)
        assert not [action for action in more if action.command is not Command.HALT and not again.finished]


@given(STARTS, PATHS)
def test_the_mirror_flattens_in_the_mirror(start, path):
    here, there, at = start, start, T0
    for gap, facts in path:
        at += gap
        mirrored = with_(facts, position_qty=None if facts.position_qty is None else -facts.position_qty)
        here, actions = advance(here, facts, at)
        there, others = advance(there, mirrored, at)
        assert others == tuple(with_(action, qty=-action.qty) for action in actions)


def test_no_gate_is_within_reach():
    """SF07: the way out reads no budget, breaker, score, sizing or safety check."""
    imported = {
        node.module
        for node in ast.walk(ast.parse(inspect.getsource(flatten)))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("trading_bot")
    }
    assert imported == {"trading_bot.domain.units", "trading_bot.engines.session"}
