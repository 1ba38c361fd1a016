"""DE01, DE10: the order of authority of specification 6.1. First veto is the reason, every veto is a bit."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.engines import cases
from tests.engines.cases import HOLD_S, NOW_NS, SECOND_NS
from trading_bot.domain.reasons import Action, GateReason
from trading_bot.engines import decision_v2
from trading_bot.engines.session import SessionState

# Specification 6.1: kill switch, link and recovery state, breakers, data and execution score, session and event
# blackout, lockouts, open position or working entry, frequency and fee budgets, capital tier, belief and stability,
# expected utility, sizing, safety gate.
AUTHORITY = [
    "KILL_SWITCH",
    "STOPPING",
    "RECOVERY_INCOMPLETE",
    "LINK_DOWN",
    "ACCOUNT_UNKNOWN",
    "LOG_SPACE_LOW",
    "BREAKER",
    "DATA_DOWN",
    "DVS_LOW",
    "EQS_LOW",
    "SESSION_UNKNOWN_DATE",
    "SESSION_CLOSED",
    "SESSION_PRE_OPEN",
    "SESSION_NYSE_SHUT",
    "SESSION_OPEN_DELAY",
    "SESSION_CLOSE_BUFFER",
    "SESSION_EXIT",
    "SESSION_DISPUTED",
    "SESSION_HALTED",
    "SESSION_NO_TRADE",
    "SESSION_TOO_SHORT",
    "EVENT_CALENDAR_STALE",
    "EVENT_BLACKOUT",
    "LOCKOUT_VOLATILITY",
    "LOCKOUT_EXECUTION",
    "LOCKOUT_CONTEXT",
    "POSITION_OPEN",
    "WORKING_ENTRY",
    "REENTRY_COOLDOWN",
    "SETUP_USED",
    "FREQUENCY_MINUTE",
    "FREQUENCY_HOUR",
    "FREQUENCY_DAY",
    "ATTEMPTS_DAY",
    "ORDER_EFFICIENCY",
    "FEES_DAY",
    "TIER",
    "LEARNING_BLOCKED",
    "UNCALIBRATED",
    "VETO",
    "MISSING_REQUIRED_SIGNAL",
    "BELIEF_UNSTABLE",
    "COST_SHARE",
    "EUC_LOW",
    "OPPOSITE_CANDIDATE",
    "BETTER_CANDIDATE",
    "STOP_TOO_WIDE",
    "SIZE_ZERO",
    "NO_QUOTE",
    "SAFETY_GATE",
]

# Reasons that came later have the last bits, so that the masks of older logs keep their meaning.
APPENDED = ["SESSION_DISPUTED", "SESSION_HALTED", "SESSION_NO_TRADE"]
BITS = [name for name in AUTHORITY if name not in APPENDED] + APPENDED

CANDIDATE_KEYS = frozenset(cases.CANDIDATE)
SMALL_EQUITY_UUSD = 2_000_000_000  # tier S: K1 only, stop up to 9 ticks

# What spoils the nominal decision, and which other gates must then say no as well.
# Keys are fields of the candidate or of the inputs, or `rival` and `symbol`.
BLOCKED_BY = {
    "KILL_SWITCH": ({"killed": True}, ()),
    "STOPPING": ({"stopping": True}, ()),
    "RECOVERY_INCOMPLETE": ({"recovered": False}, ()),
    "LINK_DOWN": ({"link_up": False}, ()),
    # Without an account there is no budget, no tier and no size.
    "ACCOUNT_UNKNOWN": ({"equity_uusd": None}, ("FEES_DAY", "TIER", "STOP_TOO_WIDE", "SIZE_ZERO")),
    "LOG_SPACE_LOW": ({"log_space_ok": False}, ()),
    "BREAKER": ({"breakers": ("LOSSES_IN_ROW",)}, ()),
    "DATA_DOWN": ({"data_down": True}, ()),
    "DVS_LOW": ({"dvs_c": 79}, ()),
    "EQS_LOW": ({"eqs_c": 74}, ()),
    "SESSION_UNKNOWN_DATE": ({"session_state": SessionState.UNKNOWN_DATE, "flatten_ns": None}, ()),
    "SESSION_CLOSED": ({"session_state": SessionState.CLOSED}, ()),
    "SESSION_PRE_OPEN": ({"session_state": SessionState.PRE_OPEN}, ()),
    "SESSION_NYSE_SHUT": ({"session_state": SessionState.NYSE_SHUT, "flatten_ns": None}, ()),
    "SESSION_OPEN_DELAY": ({"session_state": SessionState.OPEN_DELAY}, ()),
    "SESSION_CLOSE_BUFFER": ({"session_state": SessionState.CLOSE_BUFFER}, ()),
    "SESSION_EXIT": ({"session_state": SessionState.FLATTEN}, ()),
    "SESSION_DISPUTED": ({"session_state": SessionState.DISPUTED}, ()),
    "SESSION_HALTED": ({"session_state": SessionState.HALTED}, ()),
    "SESSION_NO_TRADE": ({"session_state": SessionState.NO_TRADE}, ()),
    # One nanosecond less than half the hold is left.
    "SESSION_TOO_SHORT": ({"flatten_ns": NOW_NS + HOLD_S * SECOND_NS // 2 - 1}, ()),
    "EVENT_CALENDAR_STALE": ({"event_calendar_stale": "checked 8 days ago"}, ()),
    "EVENT_BLACKOUT": ({"event": "FOMC"}, ()),
    "LOCKOUT_VOLATILITY": ({"lockout_volatility": True}, ()),
    "LOCKOUT_EXECUTION": ({"lockout_execution": True}, ()),
    "LOCKOUT_CONTEXT": ({"lockout_context": ("news",)}, ()),
    "POSITION_OPEN": ({"position_qty": -1}, ()),
    "WORKING_ENTRY": ({"working_entries": 1}, ()),
    "REENTRY_COOLDOWN": ({"cooling": ((0, 1), (1, 1))}, ()),
    "SETUP_USED": ({"setups_used": ((0, 1, 1), (1, 1, 1))}, ()),
    "FREQUENCY_MINUTE": ({"entries_last_minute": 2}, ()),
    "FREQUENCY_HOUR": ({"entries_last_hour": 15}, ()),
    "FREQUENCY_DAY": ({"entries_today": 40}, ()),
    "ATTEMPTS_DAY": ({"attempts_today": 200}, ()),
    "ORDER_EFFICIENCY": ({"order_inefficient": True}, ()),
    # 97.50 are spent, 2.50 more would be the 100 exactly; a cent more is too much.
    "FEES_DAY": ({"fees_today_uusd": 97_510_000}, ()),
    "TIER": ({"equity_uusd": SMALL_EQUITY_UUSD, "template": 1}, ()),
    "LEARNING_BLOCKED": ({"learning_blocked": ("K1",)}, ()),
    "UNCALIBRATED": ({"advice_binds": True, "missing": False}, ()),
    "VETO": ({"vetoes": (("K1", "K5"),)}, ()),
    "MISSING_REQUIRED_SIGNAL": ({"missing": True}, ()),
    "BELIEF_UNSTABLE": ({"stability_e6": 300_001}, ()),
    "COST_SHARE": ({"cost_share_e6": 350_001}, ()),
    "EUC_LOW": ({"required_e6": 3_500_001}, ()),
    "OPPOSITE_CANDIDATE": ({"rival": GateReason.OPPOSITE_CANDIDATE}, ()),
    "BETTER_CANDIDATE": ({"rival": GateReason.BETTER_CANDIDATE}, ()),
    # On MNQ (0.50 a tick) ten ticks are 5.00, well within the 12.00 of tier S, but wider than its 9 ticks.
    "STOP_TOO_WIDE": ({"symbol": "MNQ", "equity_uusd": SMALL_EQUITY_UUSD, "stop_ticks": 10}, ()),
    # 2 % of 499.99 is 9.9998, one stop of 8 ticks is 10.00.
    "SIZE_ZERO": ({"equity_uusd": 499_990_000}, ()),
    "NO_QUOTE": ({"bid_ticks": None}, ()),
}


def judge(changes):
    """The engine's answer to the nominal decision with `changes`."""
    changes = dict(changes)
    symbol, rival = changes.pop("symbol", "MES"), changes.pop("rival", None)
    candidate = cases.candidate(**{name: value for name, value in changes.items() if name in CANDIDATE_KEYS})
    inputs = cases.inputs(**{name: value for name, value in changes.items() if name not in CANDIDATE_KEYS})
    return cases.engine(symbol).decide(candidate, inputs, rival=rival)


def bits(*names):
    return sum(1 << BITS.index(name) for name in names)


def wrong_cases():
    """The reasons whose case is not answered as the table says."""
    return [
        name
        for name, (changes, also) in BLOCKED_BY.items()
        if (judge(changes).reason, judge(changes).mask) != (name, bits(name, *also))
    ]


def test_the_nominal_decision_enters():
    decision = judge({})
    assert (decision.action, decision.reason, decision.mask, decision.qty) == (Action.ENTER, "ENTER", 0, 1)


def test_reasons_stand_in_the_order_of_authority_and_later_ones_behind():
    assert [reason.name for reason in GateReason] == BITS
    assert [reason.value for reason in GateReason] == list(range(len(BITS)))


def test_every_reason_has_a_case():
    """SAFETY_GATE is given by the handler that asks the gate; it has its test there."""
    assert set(BLOCKED_BY) == set(AUTHORITY) - {"SAFETY_GATE"}


@pytest.mark.parametrize("name", BLOCKED_BY)
def test_a_gate_blocks_with_its_reason_and_its_bit(name):
    changes, also = BLOCKED_BY[name]
    decision = judge(changes)
    assert (decision.action, decision.reason, decision.qty) == (Action.SKIP, name, 0)
    assert decision.mask == bits(name, *also)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (SessionState.UNKNOWN_DATE, "SESSION_UNKNOWN_DATE"),
        (SessionState.NYSE_SHUT, "SESSION_NYSE_SHUT"),
        (SessionState.PRE_OPEN, "SESSION_PRE_OPEN"),
        (SessionState.OPEN_DELAY, "SESSION_OPEN_DELAY"),
        (SessionState.ENTRIES, "ENTER"),
        (SessionState.BREAK, "SESSION_CLOSED"),
        (SessionState.TOO_SHORT, "SESSION_TOO_SHORT"),
        (SessionState.CLOSE_BUFFER, "SESSION_CLOSE_BUFFER"),
        (SessionState.FLATTEN, "SESSION_EXIT"),
        (SessionState.CLOSED, "SESSION_CLOSED"),
        (SessionState.DISPUTED, "SESSION_DISPUTED"),
        (SessionState.HALTED, "SESSION_HALTED"),
        (SessionState.NO_TRADE, "SESSION_NO_TRADE"),
    ],
)
def test_entries_are_allowed_in_one_session_state(state, reason):
    decision = judge({"session_state": state})
    assert decision.reason == reason
    assert decision.mask == (0 if reason == "ENTER" else bits(reason))


def test_every_session_state_is_judged():
    """An answer for each, so that a new state cannot slip through as a KeyError."""
    assert {judge({"session_state": state}).action for state in SessionState} == {Action.ENTER, Action.SKIP}


@pytest.mark.parametrize("later", [pytest.param(index, id=name) for index, name in enumerate(AUTHORITY[:-1]) if index])
def test_of_two_failing_gates_the_earlier_is_the_reason(later):
    name = AUTHORITY[later]
    judged = 0
    for earlier in AUTHORITY[:later]:
        first, second = BLOCKED_BY[earlier][0], BLOCKED_BY[name][0]
        if any(first[key] != second[key] for key in first.keys() & second.keys()):
            continue  # the two cannot fail by these values at once
        decision = judge(first | second)
        assert decision.reason == earlier, (earlier, name)
        assert decision.mask & bits(earlier)
        judged += 1
    assert judged


def test_every_failing_gate_is_in_the_mask():
    """Everything independent at once: nothing is left out because something earlier said no."""
    names = [
        name
        for name in BLOCKED_BY
        if not name.startswith("SESSION") and name not in {"MISSING_REQUIRED_SIGNAL", "OPPOSITE_CANDIDATE", "TIER"}
    ]
    changes = {"session_state": SessionState.FLATTEN}
    for name in reversed(names):  # the account is unknown: no smaller equity matters
        changes |= BLOCKED_BY[name][0]
    changes["symbol"] = "MES"
    decision = judge(changes)
    assert decision.reason == "KILL_SWITCH"
    assert decision.mask == bits("SESSION_EXIT", "TIER", *names)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("equity_uusd", "ACCOUNT_UNKNOWN"),
        ("position_qty", "POSITION_OPEN"),
        ("bid_ticks", "NO_QUOTE"),
        ("ask_ticks", "NO_QUOTE"),
        ("flatten_ns", "SESSION_TOO_SHORT"),
    ],
)
def test_what_is_unknown_blocks(field, reason):
    assert judge({field: None}).reason == reason


@pytest.mark.parametrize("row", range(len(decision_v2._GATES)), ids=lambda row: decision_v2._GATES[row][0].name)
def test_a_removed_gate_is_noticed(row, monkeypatch):
    """The cases above hold every row: without it, its own case is answered otherwise."""
    name = decision_v2._GATES[row][0].name
    monkeypatch.setattr(decision_v2, "_GATES", decision_v2._GATES[:row] + decision_v2._GATES[row + 1 :])
    assert name in wrong_cases()
    changes, also = BLOCKED_BY[name]
    if not also:  # nothing else says no
        assert judge(changes).action is Action.ENTER


def test_the_cases_are_right_as_long_as_no_gate_is_removed():
    assert wrong_cases() == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"dvs_c": 80}, "ENTER", id="DVS .80 is enough"),
        pytest.param({"eqs_c": 75}, "ENTER", id="EQS .75 is enough"),
        pytest.param({"flatten_ns": NOW_NS + HOLD_S * SECOND_NS // 2}, "ENTER", id="half the hold is enough"),
        pytest.param({"flatten_ns": NOW_NS - 1}, "SESSION_TOO_SHORT", id="time to flatten is over"),
        pytest.param({"entries_last_minute": 1}, "ENTER", id="the second entry of a minute"),
        pytest.param({"entries_last_hour": 14}, "ENTER", id="the 15th entry of an hour"),
        pytest.param({"entries_today": 39}, "ENTER", id="the 40th entry of a day"),
        pytest.param({"attempts_today": 199}, "ENTER", id="the 200th attempt"),
        pytest.param({"fees_today_uusd": 97_500_000}, "ENTER", id="fees reach 100.00 exactly"),
        pytest.param({"fees_today_uusd": 97_500_001}, "FEES_DAY", id="fees pass 100 by a micro-dollar"),
        pytest.param(
            {"equity_uusd": 4_000_000_000, "fees_today_uusd": 77_500_000}, "ENTER", id="2 % of 4 000 are 80.00"
        ),
        pytest.param(
            {"equity_uusd": 4_000_000_000, "fees_today_uusd": 77_500_001}, "FEES_DAY", id="2 % of 4 000 bind below 100"
        ),
        pytest.param({"stability_e6": 300_000}, "ENTER", id="stability .30 is allowed"),
        pytest.param({"cost_share_e6": 350_000}, "ENTER", id="a cost share of .35 is allowed"),
        pytest.param({"required_e6": 3_500_000}, "ENTER", id="edge less uncertainty just meets what is needed"),
        pytest.param({"bid_ticks": 24_001}, "NO_QUOTE", id="a locked market has no price to lean on"),
        pytest.param({"bid_ticks": 24_002}, "NO_QUOTE", id="neither has a crossed one"),
        pytest.param({"missing": True, "fees_today_uusd": 99_000_000}, "FEES_DAY", id="budgets come before signals"),
    ],
)
def test_limits_are_reached_and_not_passed(changes, reason):
    assert judge(changes).reason == reason


def test_the_conservative_profile_has_its_own_budget():
    """Specification 8.5: two entries a day, one an hour, one a minute."""
    config = {"safety": {"entries_per_day_max": 2, "entries_per_hour_max": 1, "entries_per_minute_max": 1}}
    engine = cases.engine(config=config)
    for field, value, reason in (
        ("entries_today", 1, "ENTER"),
        ("entries_today", 2, "FREQUENCY_DAY"),
        ("entries_last_hour", 1, "FREQUENCY_HOUR"),
        ("entries_last_minute", 1, "FREQUENCY_MINUTE"),
    ):
        assert engine.decide(cases.candidate(), cases.inputs(**{field: value})).reason == reason


def test_a_missing_signal_is_the_reason_and_no_judgement_on_terms_that_are_not_there():
    """DG11: None is never 0. A candidate without terms is not also unstable, worthless, too wide or of size 0."""
    decision = judge({"missing": True})
    assert decision.mask == bits("MISSING_REQUIRED_SIGNAL")
    assert "not warm" in decision.text


def test_an_entry_says_in_one_line_what_it_trades_and_why():
    line = judge({"side": -1, "template": 2}).text
    assert line == (
        "S1 short ENTER 1: p 0.700 UNCALIBRATED, edge 4.00 - uncertainty 0.50 against 2.00 needed (cost 1.70) ticks, "
        "target 12 stop 8, stability 0.10"
    )


def test_a_skip_says_its_reason_in_one_line():
    line = judge({"dvs_c": 10}).text
    assert line.startswith("K1 long SKIP DVS_LOW: p 0.700 UNCALIBRATED")
    assert "\n" not in line


WORLDS = st.fixed_dictionaries(
    {
        "stopping": st.booleans(),
        "killed": st.booleans(),
        "recovered": st.booleans(),
        "link_up": st.booleans(),
        "log_space_ok": st.booleans(),
        "data_down": st.booleans(),
        "dvs_c": st.integers(70, 100),
        "eqs_c": st.integers(70, 100),
        "session_state": st.sampled_from(SessionState),
        "flatten_ns": st.none() | st.integers(NOW_NS - SECOND_NS, NOW_NS + 2 * HOLD_S * SECOND_NS),
        "position_qty": st.none() | st.integers(-1, 1),
        "working_entries": st.integers(0, 1),
        "entries_last_minute": st.integers(0, 3),
        "attempts_today": st.integers(195, 205),
        "fees_today_uusd": st.integers(0, 110_000_000),
        "equity_uusd": st.none() | st.integers(-1, 10_000_000_000),
        "bid_ticks": st.none() | st.integers(23_998, 24_001),
        "ask_ticks": st.none() | st.integers(23_999, 24_002),
        "template": st.integers(0, 2),
        "missing": st.booleans(),
        "stability_e6": st.integers(0, 600_000),
        "required_e6": st.integers(0, 5_000_000),
        "stop_ticks": st.integers(1, 14),
        "rival": st.sampled_from([None, GateReason.OPPOSITE_CANDIDATE, GateReason.BETTER_CANDIDATE]),
    }
)
NOMINAL = cases.INPUTS | cases.CANDIDATE | {"rival": None}
CHANGES = st.one_of(
    WORLDS,
    # Most worlds block somewhere: with few fields off the nominal value, entries are reached as well.
    st.builds(
        lambda world, names: {name: world[name] for name in names},
        WORLDS,
        st.sets(st.sampled_from(["session_state", "equity_uusd", "stop_ticks", "template", "flatten_ns", "dvs_c"])),
    ),
)


@settings(max_examples=5 * settings().max_examples)
@given(changes=CHANGES)
@example(changes={})
def test_every_path_has_one_reason(changes):
    decision = judge(changes)
    failing = [name for name in AUTHORITY if decision.mask & bits(name)]
    assert decision.mask < 1 << len(AUTHORITY)
    if decision.action is Action.ENTER:
        assert (failing, decision.reason, decision.qty) == ([], "ENTER", 1)
        assert may_enter(NOMINAL | changes)
    else:
        assert decision.action is Action.SKIP
        assert decision.reason == failing[0]
        assert decision.qty == 0
        assert not may_enter(NOMINAL | changes)


def may_enter(world):
    """Specification 6.1, 6.3, 6.5 and 6.6, said once more."""
    if any(world[name] is None for name in ("flatten_ns", "position_qty", "equity_uusd", "bid_ticks", "ask_ticks")):
        return False
    equity_usd = world["equity_uusd"] / 1e6
    tier_s, tier_a = equity_usd < 2_500, equity_usd < 7_500
    allowed = {0} if tier_s else {0, 2} if tier_a else {0, 1, 2}
    risk_usd = world["stop_ticks"] * 1.25
    return (
        world["recovered"]
        and world["link_up"]
        and world["log_space_ok"]
        and not (world["stopping"] or world["killed"] or world["data_down"] or world["missing"])
        and world["dvs_c"] >= 80
        and world["eqs_c"] >= 75
        and world["session_state"].value == "SESSION_ENTRIES"
        and world["flatten_ns"] - world["ts_ns"] >= HOLD_S * SECOND_NS / 2
        and world["position_qty"] == 0
        and world["working_entries"] == 0
        and world["entries_last_minute"] < 2
        and world["attempts_today"] < 200
        and world["fees_today_uusd"] + 2_500_000 <= min(100_000_000, world["equity_uusd"] // 50)
        and world["template"] in allowed
        and world["stability_e6"] <= 300_000
        and world["edge_e6"] - world["uncertainty_e6"] >= world["required_e6"]
        and world["rival"] is None
        and world["stop_ticks"] <= (9 if tier_s else 12)
        and risk_usd <= (12 if tier_s else 15)
        and risk_usd * 1_000_000 <= world["equity_uusd"] * 2 // 100
        and world["bid_ticks"] < world["ask_ticks"]
    )


def test_the_engine_holds_no_state():
    """The same case twice, with others between: the same answer."""
    engine = cases.engine()
    first = engine.decide(cases.candidate(), cases.inputs())
    for changes, _ in BLOCKED_BY.values():
        kept = {name: value for name, value in changes.items() if name in cases.INPUTS}
        engine.decide(cases.candidate(), cases.inputs(**kept))
    assert engine.decide(cases.candidate(), cases.inputs()) == first
