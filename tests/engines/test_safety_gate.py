"""SF01: the safety gate (specification 8.1), check by check with its number; unknown never passes."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trading_bot.domain.config import SafetyConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.orders import ApprovedOrder, EntryIntent, Side
from trading_bot.engines import safety_gate
from trading_bot.engines.breaker_table import Money
from trading_bot.engines.position import Account, open_account
from trading_bot.engines.safety_gate import Latency, Refused, SafetyFacts, SafetyGate
from trading_bot.engines.session import SessionState
from trading_bot.engines.traded_touch import TradedTouch

NOW_NS = 1_795_620_600_000_000_000
MES = INSTRUMENTS["MES"]

# A buy of one MES at the ask with a stop of 8 ticks (10.00) and a target of 12.
INTENT = {
    "order_id": (7, 0),
    "instrument_id": 1,
    "template": "K1",
    "side": Side.BUY,
    "qty": 1,
    "limit_ticks": 24_001,
    "stop_ticks": 8,
    "target_ticks": 12,
    "time_to_live_ns": 10_000_000_000,
}
FACTS = {
    "ts_ns": NOW_NS,
    "killed": False,
    "recovered": True,
    "link_up": True,
    "data_live": True,
    "account_known": True,
    "position_qty": 0,
    "working_buy_qty": 0,
    "working_sell_qty": 0,
    "open_risk_uusd": 0,
    "bid_ticks": 24_000,
    "ask_ticks": 24_001,
    "session_state": SessionState.ENTRIES,
    "last_entry": None,
    "money": Money(account=open_account(10_000_000_000)),
    "breakers": (),
    "budgets": (),
    # 100 USD of margin a contract; 8 000 of 10 000 may be used.
    "equity_uusd": 10_000_000_000,
    "margin_used_uusd": 0,
    "margin_per_contract_uusd": 100_000_000,
    "days_to_expiry": 23,
    "latency": Latency(900.0, 3_000.0),
    "account_problem": "",
    "contract_problem": "",
}


def lost(usd, week_usd=0, peak_usd=10_000, month_usd=0, high_usd=0):
    """An account of 10 000 that has lost `usd` today, and the rest in earlier days of week and month; peak and high."""
    account = Account(
        day_start_uusd=10_000_000_000,
        week_start_uusd=10_000_000_000,
        peak_uusd=peak_usd * 1_000_000,
        gross_uusd=-round(usd * 1_000_000),
        week_closed_uusd=-round(week_usd * 1_000_000),
        month_start_uusd=10_000_000_000,
        month_closed_uusd=-round(month_usd * 1_000_000),
        day_high_uusd=round(high_usd * 1_000_000),
    )
    return {"money": Money(account=account)}


def gate(position_qty_max=1, open_risk_usd_max=15.0, order_qty_max=10):
    limits = SafetyConfig(position_qty_max=position_qty_max, open_risk_usd_max=open_risk_usd_max)
    return SafetyGate(limits, MES, order_qty_max=order_qty_max, trade_risk_uusd_max=15_000_000, stop_ticks_max=12)


def ask(changes, **limits):
    """The gate's answer to the nominal order with `changes`."""
    intent = EntryIntent(**(INTENT | {name: value for name, value in changes.items() if name in INTENT}))
    facts = SafetyFacts(**(FACTS | {name: value for name, value in changes.items() if name in FACTS}))
    return gate(**limits).approve(intent, facts)


def failed(changes, **limits):
    """Numbers of the checks that said no."""
    answer = ask(changes, **limits)
    return tuple(int(check) for check in answer.failed) if isinstance(answer, Refused) else ()


def test_the_nominal_order_passes_with_its_bracket_and_its_end():
    assert ask({}) == ApprovedOrder(
        order_id=(7, 0),
        instrument_id=1,
        template="K1",
        side=Side.BUY,
        qty=1,
        limit_ticks=24_001,
        stop_price_ticks=23_993,
        target_price_ticks=24_013,
        expires_ns=NOW_NS + 10_000_000_000,
        risk_uusd=10_000_000,
        checks_passed=21,
    )


def at_two_markets(traded, **changes):
    """What check says no, and why, where the quotes are those of another market; the seen touch is 24 000/24 001."""
    seen = SafetyGate(
        SafetyConfig(), MES, order_qty_max=10, trade_risk_uusd_max=15_000_000, stop_ticks_max=12, two_markets=True
    )
    own = traded and TradedTouch(bid_ticks=traded[0], ask_ticks=traded[1], ts_ns=NOW_NS - traded[2])
    answer = seen.approve(EntryIntent(**INTENT), SafetyFacts(**(FACTS | {"traded": own} | changes)))
    return (tuple(map(int, answer.failed)), answer.detail) if isinstance(answer, Refused) else ((), "")


@pytest.mark.parametrize(
    ("traded", "failed", "said"),
    [
        ((24_000, 24_001, 0), (), ""),
        ((24_004, 24_005, 0), (), ""),  # 4 ticks apart, and one too many
        ((24_005, 24_006, 0), (16,), "own touch 24005/24006 is 5 ticks from the seen 24000/24001, limit 4"),
        ((23_995, 23_997, 0), (16,), "is 5 ticks from the seen"),
        ((24_000, 24_001, 10_000_000_000), (), ""),
        ((24_000, 24_001, 10_000_000_001), (16,), "own quote is 10.0 s old, allowed 10 s"),
        (None, (16,), "the traded contract has no quote of its own yet"),
        ((24_000, 24_003, 0), (17,), "the traded contract's spread is 3 ticks, allowed 1 to 2"),
        ((24_001, 24_001, 0), (17,), "the traded contract's spread is 0 ticks"),
    ],
)
def test_where_another_market_is_seen_the_traded_one_has_to_agree(traded, failed, said):
    found, detail = at_two_markets(traded)
    assert found == failed
    assert said in detail


def test_the_bracket_of_a_sell_is_mirrored():
    order = ask({"side": Side.SELL, "limit_ticks": 24_000})
    assert (order.stop_price_ticks, order.target_price_ticks) == (24_008, 23_988)


# What one check alone refuses, by its number in specification 8.1.
ALONE = [
    pytest.param(1, {"killed": True}, id="1 kill switch"),
    pytest.param(2, {"recovered": False}, id="2 recovery"),
    pytest.param(3, {"link_up": False}, id="3 link"),
    pytest.param(3, {"data_live": False}, id="3 data delayed or frozen"),
    pytest.param(4, {"account_known": False}, id="4 account"),
    pytest.param(4, {"account_problem": "a paper account, the mode is LIVE"}, id="4 account, mode, arming disagree"),
    pytest.param(5, {"instrument_id": 2}, id="5 another instrument"),
    pytest.param(5, {"contract_problem": "contract 7 of the broker is bound, 5 is listed"}, id="5 another contract"),
    pytest.param(6, {"position_qty": 1}, id="6 position"),
    pytest.param(6, {"position_qty": None}, id="6 position unknown"),
    pytest.param(6, {"working_buy_qty": 1}, id="6 a working entry of the same side"),
    pytest.param(7, {"qty": 0}, id="7 order of nothing"),
    pytest.param(7, {"qty": -1}, id="7 order of less than nothing"),
    pytest.param(8, {"stop_ticks": 0}, id="8 no stop"),
    pytest.param(8, {"stop_ticks": -8}, id="8 a stop on the wrong side"),
    pytest.param(9, {"open_risk_uusd": 5_000_001}, id="9 open risk, a micro-dollar over"),
    pytest.param(9, {"open_risk_uusd": None}, id="9 open risk unknown"),
    pytest.param(10, {"margin_used_uusd": 7_900_000_001}, id="10 less than 20 % of equity would stay free"),
    pytest.param(
        10, {"margin_used_uusd": 7_800_000_001, "working_sell_qty": 1}, id="10 working orders need margin too"
    ),
    pytest.param(10, {"margin_used_uusd": None}, id="10 margin in use unknown"),
    pytest.param(10, {"margin_per_contract_uusd": None}, id="10 margin of a contract unknown"),
    pytest.param(10, {"equity_uusd": None}, id="10 equity unknown"),
    # The order risks 10.00. 3 % of 10 000 are 300: what is lost today and this stop may not reach them.
    pytest.param(11, lost(290), id="11 the day's loss would reach 3 %"),
    pytest.param(12, lost(0, week_usd=990), id="12 the week's loss would reach 10 %"),
    # 15 % of a peak of 11 753 are 1 762.95; 11 753 - 10 000 + 10 are 1 763.
    pytest.param(13, lost(0, peak_usd=11_753), id="13 the drawdown would reach 15 %"),
    pytest.param(12, lost(0, month_usd=1_240), id="12 the month's loss would reach 12.5 %"),
    pytest.param(13, lost(-50, high_usd=440), id="13 the day's high less 4 % would be reached"),
    pytest.param(14, {"breakers": ("LOSSES_IN_ROW",)}, id="14 a breaker"),
    pytest.param(14, {"breakers": None}, id="14 breakers unknown"),
    pytest.param(15, {"budgets": ("FREQUENCY_HOUR",)}, id="15 a budget"),
    pytest.param(15, {"budgets": None}, id="15 budgets unknown"),
    pytest.param(16, {"limit_ticks": 24_022}, id="16 21 ticks above the touch"),
    pytest.param(16, {"limit_ticks": 23_980}, id="16 21 ticks below the touch"),
    pytest.param(16, {"side": Side.SELL, "limit_ticks": 24_021}, id="16 a sell is held to the bid"),
    pytest.param(17, {"ask_ticks": 24_003}, id="17 spread of 3"),
    pytest.param(17, {"ask_ticks": 24_000}, id="17 locked"),
    pytest.param(17, {"ask_ticks": 23_999}, id="17 crossed"),
    pytest.param(17, {"bid_ticks": None}, id="17 no bid"),
    *(
        pytest.param(18, {"session_state": state}, id=f"18 {state.value}")
        for state in SessionState
        if state is not SessionState.ENTRIES
    ),
    pytest.param(19, {"days_to_expiry": 4}, id="19 four days before expiry"),
    pytest.param(19, {"days_to_expiry": -1}, id="19 expired"),
    pytest.param(19, {"days_to_expiry": None}, id="19 expiry unknown"),
    pytest.param(20, {"last_entry": (Side.BUY, 24_001, NOW_NS)}, id="20 the same in the same instant"),
    pytest.param(20, {"last_entry": (Side.BUY, 24_001, NOW_NS - 999_999_999)}, id="20 a nanosecond early"),
    pytest.param(21, {"latency": Latency(50_000.1, 0.0)}, id="21 decisions take more than 50 ms"),
    pytest.param(21, {"latency": Latency(0.0, 500_000.1)}, id="21 the loop lagged more than 500 ms"),
    pytest.param(21, {"latency": Latency(0.0, 0.0, 10_000_000_001)}, id="21 measured more than 10 s ago"),
    pytest.param(21, {"latency": Latency(math.nan, 0.0)}, id="21 no number"),
    pytest.param(21, {"latency": None}, id="21 never measured"),
]


@pytest.mark.parametrize(("number", "changes"), ALONE)
def test_a_check_refuses_alone_and_by_its_number(number, changes):
    assert failed(changes) == (number,)


# What each check just lets pass, by its number: the same facts at the limit, not beyond it.
PASSES = {
    1: {"killed": False},
    2: {"recovered": True},
    3: {"link_up": True, "data_live": True},
    4: {"account_known": True, "account_problem": ""},
    5: {"instrument_id": 1, "contract_problem": ""},
    6: {"position_qty": 0, "working_sell_qty": 1},
    7: {"qty": 1},
    8: {"stop_ticks": 12},
    9: {"open_risk_uusd": 5_000_000},
    10: {"margin_used_uusd": 7_900_000_000},
    11: lost(289.99),
    12: lost(0, week_usd=989.99),
    13: lost(0, peak_usd=11_752),
    14: {"breakers": ()},
    15: {"budgets": ()},
    16: {"limit_ticks": 24_021},
    17: {"ask_ticks": 24_002, "limit_ticks": 24_002},
    18: {"session_state": SessionState.ENTRIES},
    19: {"days_to_expiry": 5},
    20: {"last_entry": (Side.BUY, 24_001, NOW_NS - 1_000_000_000)},
    21: {"latency": Latency(50_000.0, 500_000.0, 10_000_000_000)},
}


@pytest.mark.parametrize("check", safety_gate.SafetyCheck, ids=lambda check: f"{check.value} {check.name}")
def test_each_number_has_a_case_that_passes_one_that_blocks_a_reason_and_a_counter(check):
    assert failed(PASSES[check.value]) == ()
    blocking = [case.values[1] for case in ALONE if case.values[0] == check.value]
    assert blocking
    for changes in blocking:
        one = gate()
        intent = EntryIntent(**(INTENT | {name: value for name, value in changes.items() if name in INTENT}))
        facts = SafetyFacts(**(FACTS | {name: value for name, value in changes.items() if name in FACTS}))
        answer = one.approve(intent, facts)
        assert answer.failed == (check,)
        assert answer.detail
        assert one.blocked_by_check == {check.name: 1}


@pytest.mark.parametrize("row", range(len(safety_gate._CHECKS)), ids=lambda row: safety_gate._CHECKS[row][0].name)
def test_a_removed_check_is_noticed(row, monkeypatch):
    """The cases above hold every row: without it, the orders that it alone refused pass."""
    number = int(safety_gate._CHECKS[row][0])
    monkeypatch.setattr(safety_gate, "_CHECKS", safety_gate._CHECKS[:row] + safety_gate._CHECKS[row + 1 :])
    passed = {case.values[0] for case in ALONE if failed(case.values[1]) == ()}
    assert passed == {number}


@pytest.mark.parametrize(
    ("numbers", "changes"),
    [
        # A quantity or a stop too large is too large in more than one way; every check says so.
        pytest.param((6, 7, 8, 9), {"qty": 11}, id="11 contracts: position, size, 110.00 of risk"),
        pytest.param((8, 9), {"stop_ticks": 13}, id="13 ticks: also 16.25 of risk"),
        pytest.param((16, 17), {"ask_ticks": None}, id="no ask: no touch and no spread"),
    ],
)
def test_every_check_that_says_no_is_named_in_order(numbers, changes):
    assert failed(changes) == numbers


@pytest.mark.parametrize(
    ("changes", "limits"),
    [
        pytest.param({"stop_ticks": 12}, {}, id="12 ticks are 15.00: trade and open risk are reached"),
        pytest.param({"open_risk_uusd": 5_000_000}, {}, id="open risk reaches 15.00"),
        pytest.param({"qty": 10, "stop_ticks": 1}, {"position_qty_max": 10}, id="10 contracts, 12.50"),
        pytest.param({"limit_ticks": 24_021}, {}, id="20 ticks above the ask"),
        pytest.param({"margin_used_uusd": 7_900_000_000}, {}, id="20 % stay free"),
        pytest.param({"days_to_expiry": 5}, {}, id="five days before expiry"),
        pytest.param({"latency": Latency(50_000.0, 500_000.0, 10_000_000_000)}, {}, id="50 ms, 500 ms, 10 s"),
        pytest.param({"limit_ticks": 23_981}, {}, id="20 ticks below the ask"),
        pytest.param({"ask_ticks": 24_002, "limit_ticks": 24_000}, {}, id="spread of 2, joining the bid"),
        pytest.param({"last_entry": (Side.BUY, 24_001, NOW_NS - 1_000_000_000)}, {}, id="a second later"),
        pytest.param({"last_entry": (Side.SELL, 24_001, NOW_NS)}, {}, id="the other side is no duplicate"),
        pytest.param({"last_entry": (Side.BUY, 24_000, NOW_NS)}, {}, id="another price is no duplicate"),
    ],
)
def test_limits_may_be_reached(changes, limits):
    assert isinstance(ask(changes, **limits), ApprovedOrder)


@pytest.mark.parametrize(
    ("position", "buys", "sells", "side", "qty", "verdict"),
    [
        pytest.param(0, 0, 0, Side.BUY, 2, "approved", id="reaching the limit is allowed"),
        pytest.param(1, 0, 0, Side.BUY, 1, "approved", id="reaching it from a position too"),
        pytest.param(1, 0, 0, Side.BUY, 2, "refused", id="passing the limit is not"),
        pytest.param(2, 0, 1, Side.BUY, 1, "refused", id="a working sell is not counted as already filled"),
        pytest.param(0, 2, 2, Side.BUY, 1, "refused", id="nor are a buy and a sell that work netted"),
        pytest.param(1, 1, 0, Side.BUY, 1, "refused", id="a working buy is counted as filled"),
        pytest.param(-1, 0, 0, Side.BUY, 3, "approved", id="a buy out of a short may go to the limit"),
        pytest.param(-1, 0, 0, Side.BUY, 4, "refused", id="and not beyond"),
        pytest.param(-2, 2, 0, Side.BUY, 2, "approved", id="working buys count from the short"),
        pytest.param(-2, 0, 0, Side.SELL, 1, "refused", id="short: the limit holds on the other side"),
        pytest.param(-2, 1, 0, Side.SELL, 1, "refused", id="short: a working buy is not counted as filled"),
        pytest.param(-1, 0, 1, Side.SELL, 1, "refused", id="short: a working sell is"),
        pytest.param(2, 2, 0, Side.SELL, 4, "approved", id="a sell out of a long; working buys do not make it worse"),
        pytest.param(2, 0, 0, Side.SELL, 5, "refused", id="a flip beyond the limit"),
    ],
)
def test_position_limit_counts_only_orders_that_can_make_it_worse(position, buys, sells, side, qty, verdict):
    """The limit must hold under every interleaving of fills, so opposite orders are never netted."""
    changes = {
        "position_qty": position,
        "working_buy_qty": buys,
        "working_sell_qty": sells,
        "side": side,
        "qty": qty,
        "limit_ticks": 24_001,
        "stop_ticks": 1,
    }
    answer = failed(changes, position_qty_max=2, open_risk_usd_max=100.0)
    assert answer == (() if verdict == "approved" else (6,))


@pytest.mark.parametrize(
    "field",
    [
        "recovered",
        "link_up",
        "data_live",
        "account_known",
        "position_qty",
        "open_risk_uusd",
        "bid_ticks",
        "ask_ticks",
        "session_state",
        "margin_per_contract_uusd",
        "days_to_expiry",
        "latency",
    ],
)
def test_a_fact_that_is_unknown_refuses(field):
    """Working quantities and the last entry are our own: always known."""
    assert failed({field: SessionState.UNKNOWN_DATE if field == "session_state" else None})


def test_a_refusal_says_what_was_found_and_what_is_allowed():
    answer = ask({"qty": 11, "position_qty": None, "ask_ticks": 24_009})
    assert answer.detail == (
        "the position is unknown; order of 11 contracts, allowed 1 to 10; risk of 110.00 USD, limit 15.00; "
        "open risk 110.00 USD, limit 15.00; spread of 9 ticks, allowed 1 to 2"
    )


def test_refusals_are_counted_by_check():
    one = gate()
    for changes in ({"killed": True}, {"killed": True, "recovered": False}, {}):
        one.approve(EntryIntent(**INTENT), SafetyFacts(**(FACTS | changes)))
    assert one.blocked_by_check == {"KILL_SWITCH": 2, "RECOVERY": 1}


MAYBE = st.none() | st.integers(23_980, 24_020)
ORDERS = st.fixed_dictionaries(
    {
        "instrument_id": st.sampled_from([1, 1, 1, 2]),
        "side": st.sampled_from(Side),
        "qty": st.integers(-1, 12),
        "limit_ticks": st.integers(23_960, 24_040),
        "stop_ticks": st.integers(-1, 14),
        "target_ticks": st.integers(1, 30),
    }
)
WORLDS = st.fixed_dictionaries(
    {
        "killed": st.sampled_from([False, False, False, True]),
        "recovered": st.sampled_from([True, True, True, False]),
        "link_up": st.sampled_from([True, True, True, False]),
        "data_live": st.sampled_from([True, True, True, False]),
        "account_known": st.sampled_from([True, True, True, False]),
        "account_problem": st.sampled_from(["", "", "", "another account"]),
        "contract_problem": st.sampled_from(["", "", "", "another contract"]),
        "position_qty": st.none() | st.integers(-3, 3),
        "working_buy_qty": st.integers(0, 3),
        "working_sell_qty": st.integers(0, 3),
        "open_risk_uusd": st.none() | st.integers(0, 40_000_000),
        "bid_ticks": MAYBE,
        "ask_ticks": MAYBE,
        "session_state": st.sampled_from([SessionState.ENTRIES, SessionState.ENTRIES, *SessionState]),
        "money": st.sampled_from([lost(0)["money"], lost(0)["money"], lost(287)["money"], None]),
        "breakers": st.sampled_from([(), (), (), ("LOSSES_IN_ROW",), None]),
        "budgets": st.sampled_from([(), (), (), ("FEES_DAY",), None]),
        "equity_uusd": st.sampled_from([10_000_000_000, None]),
        "margin_used_uusd": st.sampled_from([0, 0, 7_700_000_000, None]),
        "margin_per_contract_uusd": st.sampled_from([100_000_000, 100_000_000, None]),
        "days_to_expiry": st.none() | st.integers(0, 30),
        "latency": st.sampled_from([Latency(900.0, 3_000.0), Latency(60_000.0, 0.0), None]),
        "last_entry": st.none()
        | st.tuples(st.sampled_from(Side), st.integers(23_990, 24_010), st.integers(NOW_NS - 2 * 10**9, NOW_NS)),
    }
)
FIELDS = sorted({"side", "qty", "limit_ticks", "stop_ticks", "instrument_id", *FACTS} - {"ts_ns"})
CHANGES = st.builds(
    lambda order, world, names: {name: (order | world)[name] for name in names},
    ORDERS,
    WORLDS,
    st.sets(st.sampled_from(FIELDS)),
)


@settings(max_examples=5 * settings().max_examples)
@given(changes=CHANGES, position_qty_max=st.integers(1, 5), open_risk_usd_max=st.sampled_from([15.0, 30.0]))
@example(changes={}, position_qty_max=1, open_risk_usd_max=15.0)
def test_an_approved_order_breaks_no_limit_and_a_refused_one_does(changes, position_qty_max, open_risk_usd_max):
    """The limits of specification 8.1 said once more, over every interleaving of fills for the position."""
    answer = ask(changes, position_qty_max=position_qty_max, open_risk_usd_max=open_risk_usd_max)
    known = INTENT | FACTS | changes
    allowed = within_limits(known, position_qty_max, open_risk_usd_max)
    assert isinstance(answer, ApprovedOrder) == allowed
    if isinstance(answer, ApprovedOrder):
        kept = {name: getattr(answer, name) for name in ("order_id", "instrument_id", "template", "side", "qty")}
        assert kept == {name: known[name] for name in kept}
        assert answer.risk_uusd == known["stop_ticks"] * 1_250_000 * known["qty"] <= 15_000_000


def within_limits(order, position_qty_max, open_risk_usd_max):
    if None in (order["equity_uusd"], order["margin_used_uusd"], order["margin_per_contract_uusd"]):
        return False
    if order["latency"] != Latency(900.0, 3_000.0) or order["days_to_expiry"] not in range(5, 31):
        return False
    working = order["working_buy_qty"] + order["working_sell_qty"]
    if order["margin_used_uusd"] / 1e6 + 100 * (working + order["qty"]) > 8_000:
        return False
    if None in (order["position_qty"], order["open_risk_uusd"], order["bid_ticks"], order["ask_ticks"]):
        return False
    signed = 1 if order["side"] is Side.BUY else -1
    touch = order["ask_ticks"] if signed > 0 else order["bid_ticks"]
    # Every subset of working contracts may fill before this order does.
    reachable = [
        order["position_qty"] + buys - sells + signed * order["qty"]
        for buys in range(order["working_buy_qty"] + 1)
        for sells in range(order["working_sell_qty"] + 1)
    ]
    risk_usd = order["qty"] * order["stop_ticks"] * 1.25
    repeated = order["last_entry"]
    return (
        not order["killed"]
        and order["recovered"]
        and order["link_up"]
        and order["data_live"]
        and order["account_known"]
        and not order["account_problem"]
        and order["instrument_id"] == MES.id
        and not order["contract_problem"]
        and all(signed * position <= position_qty_max for position in reachable)
        and 1 <= order["qty"] <= 10
        and 1 <= order["stop_ticks"] <= 12
        and risk_usd <= 15
        and order["open_risk_uusd"] / 1e6 + risk_usd <= open_risk_usd_max
        and order["money"] is not None
        and risk_usd - order["money"].account.net_uusd / 1e6 < 300
        and order["breakers"] == order["budgets"] == ()
        and abs(order["limit_ticks"] - touch) <= 20
        and 1 <= order["ask_ticks"] - order["bid_ticks"] <= 2
        and order["session_state"] is SessionState.ENTRIES
        and not (
            repeated is not None
            and repeated[:2] == (order["side"], order["limit_ticks"])
            and NOW_NS - repeated[2] < 1_000_000_000
        )
    )


def test_an_approval_cannot_be_changed():
    order = ask({})
    with pytest.raises(AttributeError):
        order.qty = 100


@pytest.mark.parametrize(
    "money",
    [
        lost(289.99),
        lost(0, week_usd=989.99),
        lost(0, month_usd=1_239.99),
        lost(0, peak_usd=11_752),
        lost(-50, high_usd=439.99),
        lost(-5_000),
    ],
    ids=str,
)
def test_losses_below_their_limits_pass(money):
    """A cent less than reaches a halt; and a profit never refuses an order."""
    assert failed(money) == ()


def test_the_risk_of_a_trade_has_a_limit_of_its_own():
    """Two contracts risk 20.00: more than the 15.00 of one trade, whatever all of them together may risk."""
    assert failed({"qty": 2}, position_qty_max=2, open_risk_usd_max=100.0) == (8,)


def test_without_an_account_its_losses_are_unknown():
    assert failed({"money": None}) == (11, 12, 13)


NEAR = {
    "qty": st.integers(-1, 3),
    "side": st.sampled_from(Side),
    "limit_ticks": st.one_of(st.integers(23_999, 24_002), st.integers(23_975, 24_025)),
    "stop_ticks": st.integers(-1, 14),
    "instrument_id": st.sampled_from([1, 1, 1, 2]),
    "killed": st.sampled_from([False, False, False, True]),
    "recovered": st.sampled_from([True, True, True, False]),
    "link_up": st.sampled_from([True, True, True, False]),
    "data_live": st.sampled_from([True, True, True, False]),
    "account_known": st.sampled_from([True, True, True, False]),
    "account_problem": st.sampled_from(["", "", "", "another account"]),
    "contract_problem": st.sampled_from(["", "", "", "another contract"]),
    "position_qty": st.sampled_from([0, 0, -1, 1, None]),
    "working_buy_qty": st.integers(0, 1),
    "working_sell_qty": st.integers(0, 1),
    "open_risk_uusd": st.sampled_from([0, 5_000_000, 5_000_001, None]),
    "bid_ticks": st.sampled_from([24_000, 23_999, 24_001, None]),
    "ask_ticks": st.sampled_from([24_001, 24_002, 24_003, None]),
    "session_state": st.sampled_from([SessionState.ENTRIES, SessionState.ENTRIES, SessionState.FLATTEN]),
    "last_entry": st.one_of(
        st.none(),
        st.tuples(st.sampled_from(Side), st.integers(23_999, 24_001), st.integers(NOW_NS - 10**9 - 1, NOW_NS)),
    ),
    "breakers": st.sampled_from([(), (), ("B",), None]),
    "budgets": st.sampled_from([(), (), ("B",), None]),
    "equity_uusd": st.sampled_from([10_000_000_000, 125_000_000, 124_999_999, None]),
    "margin_used_uusd": st.sampled_from([0, 7_900_000_000, 7_900_000_001, None]),
    "margin_per_contract_uusd": st.sampled_from([100_000_000, None]),
    "days_to_expiry": st.sampled_from([23, 5, 4, None]),
    "traded": st.one_of(
        st.none(),
        st.builds(
            TradedTouch,
            bid_ticks=st.integers(23_994, 24_006),
            ask_ticks=st.integers(23_996, 24_008),
            ts_ns=st.sampled_from([NOW_NS, NOW_NS - 4 * 10**9, NOW_NS - 61 * 10**9]),
        ),
    ),
    "latency": st.sampled_from([Latency(1.0, 1.0), Latency(50_000.1, 0.0), Latency(math.nan, 0.0), None]),
    "money": st.one_of(
        st.none(),
        st.builds(
            lambda usd, week, peak, open_usd, worst: Money(
                account=lost(usd, week, peak)["money"].account,
                unrealised_uusd=round(open_usd * 1_000_000),
                worst_uusd=None if worst is None else round(worst * 1_000_000),
            ),
            st.sampled_from([0.0, 289.999_999, 290.0, 285.0]),
            st.sampled_from([0.0, 700.0, 990.0, 989.999_999]),
            st.sampled_from([10_000, 11_753, 11_752, 9_000]),
            st.sampled_from([0.0, -5.0, 5.0]),
            st.sampled_from([None, -5.0, -1.25]),
        ),
    ),
}


@settings(max_examples=1_000)
@given(st.data())
def test_what_is_clear_at_a_glance_is_what_no_check_of_the_table_refuses(data):
    """From the nominal order, whichever few facts are other: the glance and the 21 checks never differ."""
    names = data.draw(st.lists(st.sampled_from(sorted(NEAR)), unique=True, max_size=4))
    changes = {name: data.draw(NEAR[name], label=name) for name in names}
    intent = EntryIntent(**(INTENT | {name: value for name, value in changes.items() if name in INTENT}))
    facts = SafetyFacts(**(FACTS | {name: value for name, value in changes.items() if name not in INTENT}))
    one = SafetyGate(
        SafetyConfig(position_qty_max=data.draw(st.integers(1, 2))),
        MES,
        order_qty_max=2,
        trade_risk_uusd_max=15_000_000,
        stop_ticks_max=12,
        two_markets=data.draw(st.booleans()),
    )
    refusals = [check for check, row in safety_gate._CHECKS if row(one, intent, facts) is not None]
    assert one._clear(intent, facts) == (not refusals)


@pytest.mark.parametrize(("number", "changes"), ALONE)
def test_nothing_that_one_check_refuses_is_clear_at_a_glance(number, changes):  # noqa: ARG001
    intent = EntryIntent(**(INTENT | {name: value for name, value in changes.items() if name in INTENT}))
    facts = SafetyFacts(**(FACTS | {name: value for name, value in changes.items() if name not in INTENT}))
    assert not gate()._clear(intent, facts)
