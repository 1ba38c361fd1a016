"""SF09 and check 4 of the safety gate: the account, the mode and the arming agree, the contract is the listed one."""

import msgspec
import pytest

from tests.core.broker_world import EXPIRY, BrokerWorld, S, real_documents
from tests.core.handler_world import World, of, only
from tests.engines.cases import candidate
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, PlaceOrder
from trading_bot.domain.reasons import SafetyCheck

MONEY = {"equity_uusd": 10_000_000_000, "margin_free_uusd": 10_000_000_000, "margin_per_contract_uusd": 10**9}


def told(world, account, **more):
    return world.apply(events.AccountSnapshot(ts_ns=world.now_ns, account=account, **MONEY, **more))


def bound(world, **changes):
    values = {
        "ts_ns": world.now_ns,
        "instrument_id": 1,
        "symbol": "MES",
        "con_id": 5,
        "tick_value_uusd": 1_250_000,
        "multiplier": 5,
        "expiry": EXPIRY,
    }
    return world.apply(events.InstrumentBound(**values | changes))


def asked(world):
    """What the gate says to a candidate that everything else lets pass: numbers of failed checks, and its words."""
    world.settle(2)
    results = world.fire(candidate())
    verdict = only(results, events.SafetyVerdict)
    assert bool(of(results, PlaceOrder)) is not bool(verdict.failed)
    return verdict.failed, verdict.detail


@pytest.mark.parametrize(
    ("mode", "account", "armed_s", "said"),
    [
        ("PAPER", "DU1", 0, ""),
        ("PAPER", "U1", 0, "account U1 is a live account, the mode is PAPER"),
        ("LIVE", "U1", 3_600, ""),
        ("LIVE", "U1", 0, "LIVE is not armed for this account and session"),
        ("LIVE", "U1", -1, "LIVE is not armed for this account and session"),
        ("LIVE", "DU1", 3_600, "account DU1 is a paper account, the mode is LIVE"),
        ("PAPER", "", 0, "the account has no id"),
        ("OBSERVE", "U1", 0, ""),
    ],
)
def test_account_mode_and_arming_agree(mode, account, armed_s, said):
    world = BrokerWorld(connect=False)
    world.state.mode = mode
    world.connect()
    world.state.account_id = ""
    told(world, account, armed_until_ns=world.now_ns + armed_s * S if armed_s else 0)
    world.settle(2)
    fitted = candidate(fitted=True)  # LIVE trades a fitted map only
    verdicts = of(world.fire(fitted), events.SafetyVerdict)
    if not verdicts:  # an account that was never taken has no money to trade either
        assert said
        assert world.state.account_problem == said
        return
    assert (verdicts[0].failed, verdicts[0].detail) == (((4,) if said else ()), said)


def test_another_account_in_the_middle_of_a_run_is_told_once_and_stops_entries():
    world = BrokerWorld()
    assert asked(world) == ((), "")
    other = BrokerWorld()
    alert = only(told(other, "DU2"), Alert)
    assert (alert.level, alert.code) == ("error", "ACCOUNT_REFUSED")
    assert told(other, "DU2") == []
    assert asked(other) == ((4,), "account DU2 speaks, the run began with DU1")
    told(other, "DU1")
    assert other.state.account_problem == ""


def test_the_money_of_another_account_decides_nothing():
    world = BrokerWorld()
    before = world.state.ledger()
    world.apply(events.AccountSnapshot(ts_ns=world.now_ns, account="DU2", equity_uusd=5, margin_free_uusd=5))
    assert world.state.ledger() == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"con_id": 6}, "contract 6 of the broker is bound, 5 is the one listed"),
        ({"con_id": 0}, "contract 0 of the broker is bound, 5 is the one listed"),
        ({"instrument_id": 2}, "MES (2) is bound, MES (1) is to be traded"),
        ({"symbol": "ES"}, "ES (1) is bound, MES (1) is to be traded"),
        ({"tick_value_uusd": 12_500_000}, "a tick of MES is bound at 12500000 uUSD, listed at 1250000"),
    ],
)
def test_only_the_listed_contract_is_traded(changes, said):
    world = BrokerWorld()
    results = bound(world, **changes)
    assert [alert.code for alert in of(results, Alert)] == (["CONTRACT_REFUSED"] if said else [])
    assert asked(world) == (((int(SafetyCheck.INSTRUMENT),), said) if said else ((), ""))


def test_before_a_contract_is_bound_nothing_is_traded():
    world = World()
    world.state.contract_problem = type(world.state)(world.documents).contract_problem
    verdict = only(world.fire(candidate()), events.SafetyVerdict)
    assert (verdict.failed, verdict.detail) == ((5,), "no contract is bound")


def test_a_file_or_a_simulator_has_no_contract_of_a_broker():
    docs = msgspec.structs.replace(real_documents(), gates_real=False, con_id=0)
    world = World(docs=docs)
    bound(world, con_id=0)
    assert world.state.contract_problem == ""
