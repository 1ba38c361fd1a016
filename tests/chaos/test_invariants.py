"""Each invariant sees what it is there for, and is silent about an ordinary round trip."""

from typing import Any

import msgspec
import pytest

from trading_bot.adapters.gateway.contracts import Query
from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.adapters.gateway.orders import Execution, Order, Status
from trading_bot.chaos.evidence import Evidence
from trading_bot.chaos.incident import INVARIANTS
from trading_bot.chaos.invariants import CHECKS
from trading_bot.chaos.log_facts import Facts
from trading_bot.chaos.moments import Scene
from trading_bot.chaos.witness import Change, Placed, Stretch
from trading_bot.domain.effects import PlaceOrder
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import OrderFilled

BRACKET = "tb00000000.261125-7-0-"
S = 1_000_000_000


def execution(number, leg, side, qty=1):
    return Execution(
        exec_id=f"0000.{number:04d}.01.01",
        ts_ns=number * S,
        order_id=number,
        client_id=1,
        perm_id=number,
        con_id=1,
        symbol="MES",
        account="DUSIM1",
        exchange="CME",
        side=side,
        qty=qty,
        price_ticks=27_000,
        cum_qty=qty,
        value_ticks=27_000 * qty,
        order_ref=BRACKET + leg,
        maker=False,
        commission_uusd=1,
        realized_uusd=None,
    )


def fill(number, leg, side, qty=1):
    return OrderFilled(
        ts_ns=number * S,
        order_id=(7, 0),
        leg=leg,
        side=side,
        qty=qty,
        price_ticks=27_000,
        remaining=0,
        final=True,
        commission_uusd=1,
        exec_id=f"0000.{number:04d}.01.01",
        hypothetical=False,
    )


def placed(order_id, leg):
    return Placed(wall_ns=order_id, order_id=order_id, order_ref=BRACKET + leg, action="BUY", order_type="LMT", qty=1)


def change(own, entry_lots=0, leg=""):
    return Change(wall_ns=1, market_ns=1, own=own, position=own, entry_lots=entry_lots, leg=leg)


def order(listed, leg, action, order_type="LMT"):
    request = OrderRequest(
        order_id=9,
        contract=Query(
            symbol="MES",
            security_type="FUT",
            con_id=listed.con_id,
            expiry="",
            multiplier="",
            exchange="CME",
            primary_exchange="",
            currency="USD",
            local_symbol="",
            trading_class="",
        ),
        action=action,
        qty=1.0,
        order_type=order_type,
        limit_points=6_750.0,
        aux_points=6_700.0,
        tif="GTC",
        account="DUSIM1",
        outside_rth=True,
        order_ref=BRACKET + leg,
    )
    made = Order(request, 1, listed, 9)
    made.accepted, made.released, made.status = True, 1, Status.SUBMITTED
    return made


def scene(**values: Any) -> Scene:
    empty: dict[str, Any] = {
        "wall_ns": 0,
        "market_ns": 0,
        "position": 0,
        "own": 0,
        "entries": (),
        "stops": (),
        "targets": (),
        "exits": (),
        "foreign": (),
        "executions": 2,
        "round_trips": 1,
        "clients": (1,),
        "reachable": True,
    }
    return Scene(**{**empty, **values})


@pytest.fixture(scope="module")
def listed():
    from trading_bot.adapters.gateway.background import running_gateway
    from trading_bot.domain.instruments import INSTRUMENTS

    with running_gateway() as gateway:
        return gateway.call(lambda real: real.contracts.front(INSTRUMENTS["MES"]))


@pytest.fixture
def round_trip(approved):
    """In by the entry, out by the target; everything as it should be."""
    return Evidence(
        executions=(execution(1, "E", 1), execution(2, "T", -1)),
        placed=(placed(1, "E"), placed(2, "T"), placed(3, "S"), placed(3, "S")),
        naked=(Stretch(market_ns=1, lots=1, wall_ns=S, reachable_ns=S // 1000),),
        changes=(change(0), change(0, 1), change(1, leg="E"), change(0, leg="T")),
        final=scene(),
        facts=Facts(
            fills=(fill(1, Leg.ENTRY, Side.BUY), fill(2, Leg.TARGET, Side.SELL)),
            placed=(PlaceOrder(ts_ns=1, order=approved),),
            exits=(),
            commissions=(),
            closed=(),
        ),
        runs=("run",),
        log_problems=(),
        process_problems=(),
        last_position=0,
        position_max=1,
        naked_max_ns=3 * S,
    )


@pytest.fixture
def approved():
    from trading_bot.domain.orders import ApprovedOrder

    return msgspec.convert(
        {
            "order_id": (7, 0),
            "instrument_id": 1,
            "template": "C1",
            "side": "BUY",
            "qty": 1,
            "limit_ticks": 27_000,
            "stop_price_ticks": 26_988,
            "target_price_ticks": 27_060,
            "expires_ns": 1,
            "risk_uusd": 1,
            "checks_passed": 1,
        },
        ApprovedOrder,
    )


def found(evidence):
    """Invariants that complain."""
    return {name for name in INVARIANTS if list(CHECKS[name](evidence))}


def but(evidence, **values):
    return msgspec.structs.replace(evidence, **values)


def test_an_ordinary_round_trip_violates_nothing(round_trip):
    assert found(round_trip) == set()


def test_an_entry_placed_under_two_ids_is_duplicate_exposure(round_trip):
    twice = but(round_trip, placed=(*round_trip.placed, placed(4, "E")))
    assert found(twice) == {"no_duplicate_exposure"}


def test_an_entry_that_fills_twice_is_duplicate_exposure(round_trip):
    executions = (execution(1, "E", 1), execution(2, "T", -1), execution(3, "E", 1))
    fills = (*round_trip.facts.fills, fill(3, Leg.ENTRY, Side.BUY))
    more = but(
        round_trip,
        executions=executions,
        facts=msgspec.structs.replace(round_trip.facts, fills=fills),
    )
    assert found(more) == {"no_duplicate_exposure"}


def test_an_entry_beside_a_position_at_the_limit_is_duplicate_exposure(round_trip):
    assert found(but(round_trip, changes=(change(1, 1),))) == {"no_duplicate_exposure"}


@pytest.mark.parametrize("leg", ["S", "T", "X"])
def test_an_exit_that_opens_the_other_side_is_seen(round_trip, leg):
    assert found(but(round_trip, changes=(change(1, leg="E"), change(0, leg="T"), change(-1, leg=leg)))) == {
        "exits_only_close"
    }


def test_a_fill_the_log_lacks_is_lost(round_trip):
    facts = msgspec.structs.replace(round_trip.facts, fills=round_trip.facts.fills[:1])
    assert found(but(round_trip, facts=facts)) == {"no_lost_fill"}


def test_a_fill_booked_twice_is_no_fill_of_the_broker(round_trip):
    facts = msgspec.structs.replace(round_trip.facts, fills=(*round_trip.facts.fills, round_trip.facts.fills[0]))
    assert found(but(round_trip, facts=facts)) == {"no_lost_fill"}


def test_a_corrected_execution_is_the_one_it_corrects(round_trip):
    first, second = round_trip.executions
    corrected = msgspec.structs.replace(first, exec_id="0000.0001.01.02", price_ticks=27_001)
    assert found(but(round_trip, executions=(corrected, second))) == set()


@pytest.mark.parametrize("believed", [1, None])
def test_another_position_than_the_brokers_is_seen(round_trip, believed):
    assert found(but(round_trip, last_position=believed)) == {"position_as_broker"}


def test_a_position_without_a_stop_beyond_the_bound_is_seen(round_trip):
    long = Stretch(market_ns=1, lots=1, wall_ns=9 * S, reachable_ns=3 * S + 1)
    assert found(but(round_trip, naked=(long,))) == {"stop_resident"}


def test_out_of_reach_of_the_broker_no_bound_counts(round_trip):
    away = Stretch(market_ns=1, lots=1, wall_ns=90 * S, reachable_ns=S)
    assert found(but(round_trip, naked=(away,))) == set()


def test_a_position_at_the_end_needs_its_stop(round_trip, listed):
    bare = scene(position=1, own=1)
    assert found(but(round_trip, final=bare, last_position=1)) == {"flat_or_protected"}
    stop = order(listed, "S", "SELL", "STP")
    kept = scene(position=1, own=1, stops=(stop,))
    assert found(but(round_trip, final=kept, last_position=1)) == set()


def test_a_stop_of_the_wrong_side_protects_nothing(round_trip, listed):
    kept = scene(position=1, own=1, stops=(order(listed, "S", "BUY", "STP"),))
    assert found(but(round_trip, final=kept, last_position=1)) == {"flat_or_protected"}


def test_an_order_left_behind_while_flat_is_seen(round_trip, listed):
    assert found(but(round_trip, final=scene(targets=(order(listed, "T", "SELL"),)))) == {"flat_or_protected"}


def test_what_the_log_and_the_processes_say_is_told(round_trip):
    assert found(but(round_trip, log_problems=("differs",))) == {"replay_identical"}
    assert found(but(round_trip, runs=())) == {"replay_identical"}
    assert found(but(round_trip, process_problems=("a bug",))) == {"ended_in_order"}
