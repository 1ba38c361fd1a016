"""What seldom happens and must not go wrong: late fills, the broker's other opinion, exits that fail."""

import msgspec
import pytest

from tests.core.handler_world import HELD, START_NS, World, of, only
from tests.core.test_handlers_trade import steady
from tests.core.worlds import OPEN_NS
from trading_bot.core.carried import Carried, Ledger
from trading_bot.domain import events
from trading_bot.domain.effects import Alert, EndRun, LatchKillSwitch, ModifyStop, PlaceExit
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import OrderFilled
from trading_bot.domain.units import NS_PER_MIN, NS_PER_MS, NS_PER_S
from trading_bot.engines import budgets
from trading_bot.engines.flatten import FlattenKind

CLOSE_NS = OPEN_NS + 390 * NS_PER_MIN


@pytest.fixture
def world():
    return World()


def test_an_entry_that_fills_after_the_flatten_began_is_left_at_once():
    """Nothing was open at 15:55, so no plan runs; then an execution comes for an order that was withdrawn."""
    world = World(start_ns=CLOSE_NS - 4 * NS_PER_MIN)
    world.hold(1, protected=False)
    assert world.state.flatten.kind is FlattenKind.SESSION
    assert only(world.records, PlaceExit).cause == "SESSION"


def test_an_exit_that_the_broker_cancels_is_sent_again():
    world = steady()
    world.hold(1, hold_s=1)
    world.quotes(START_NS + NS_PER_S, START_NS + 2 * NS_PER_S)
    world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.EXIT))
    assert world.state.trade.limit_sent_ns is None
    again = only(world.quotes(START_NS + 2_500 * NS_PER_MS, START_NS + 3_200 * NS_PER_MS, 0.1), PlaceExit)
    assert again.limit_ticks is not None, "a new exit, not the hurry of the old one"


def test_an_exit_stays_decided_when_its_cause_goes():
    """The limit has not filled for two seconds: the market order leaves although the reason is gone."""
    world = steady()
    world.hold(1, hold_s=1)
    world.quotes(START_NS + NS_PER_S, START_NS + 1_100 * NS_PER_MS, 0.1)
    assert world.state.trade.limit_sent_ns is not None
    world.state.trade.time_stop_ns = START_NS + 3600 * NS_PER_S
    records = world.quotes(START_NS + 2 * NS_PER_S, START_NS + 4 * NS_PER_S)
    assert (only(records, PlaceExit).cause, only(records, PlaceExit).limit_ticks) == ("TIME", None)


def test_no_other_cause_leaves_while_a_plan_withdraws_the_target():
    """The plan waits up to five seconds for its cancellation; a time stop within them sends nothing of its own."""
    world = steady()
    world.hold(1, hold_s=1)
    world.apply(events.FlattenRequested(ts_ns=world.now_ns, reason="now", source="cli"))
    assert not of(world.quotes(START_NS + NS_PER_S, START_NS + 4 * NS_PER_S), PlaceExit)
    assert only(world.quotes(START_NS + 5 * NS_PER_S, START_NS + 6 * NS_PER_S), PlaceExit).cause == "SESSION"


def test_a_kill_takes_a_plan_over(world):
    world.hold(1)
    world.apply(events.StopRequested(ts_ns=world.now_ns, reason="DURATION"))
    assert world.state.flatten.kind is FlattenKind.STOP
    world.apply(events.KillRequested(ts_ns=world.now_ns, reason="smoke", source="cli"))
    assert world.state.flatten.kind is FlattenKind.KILL
    world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=HELD, leg=Leg.TARGET))
    assert only(world.close(), EndRun).exit_code == 5


def test_a_touch_is_of_the_stop_that_stood_then():
    world = steady(exits={"trail": False})
    world.hold(1)
    world.state.trade.stop_touched_ns = START_NS + 500 * NS_PER_MS
    world.quote(START_NS + 1_100 * NS_PER_MS, bid=24_009)
    records = world.quote(START_NS + 2_200 * NS_PER_MS, bid=24_009)
    assert only(records, ModifyStop).price_ticks == 24_003
    assert world.state.trade.stop_touched_ns is None
    assert not of(records, PlaceExit)


class TestTheBrokersOpinion:
    def test_a_position_it_does_not_have_is_dropped_and_told(self, world):
        world.hold(1)
        results = world.position(0)
        assert only(results, Alert).code == "PHANTOM_POSITION"
        assert (world.state.position_qty, world.state.trade) == (0, None)
        assert world.state.kill_reason is None

    def test_one_that_only_it_has_halts(self, world):
        """Never adopted silently (specification 12): the switch, and a run that does not end until it is flat."""
        results = world.position(2)
        assert "ORPHAN_POSITION" in [alert.code for alert in of(results, Alert)]
        assert only(results, LatchKillSwitch).reason == "position 0 here, 2 at the broker"
        left = only(results, PlaceExit)
        assert (left.side, left.qty, left.limit_ticks) == (Side.SELL, 2, None), "left at once: nothing protects it"
        assert not of(results, EndRun)
        filled = OrderFilled(
            ts_ns=world.now_ns,
            order_id=left.order_id,
            leg=Leg.EXIT,
            side=Side.SELL,
            qty=2,
            price_ticks=24_000,
            remaining=0,
            final=True,
            commission_uusd=1_250_000,
            exec_id="orphan",
            hypothetical=True,
        )
        assert not of(world.apply(filled), EndRun), "not before the broker has said that it is flat"
        assert only(world.position(0), EndRun).exit_code == 5

    def test_the_same_one_is_known_again(self, world):
        world.hold(1)
        world.position(None)
        assert world.state.position_qty is None
        world.position(1)
        assert world.state.position_qty == 1


class TestTheLedger:
    @staticmethod
    def spent(trade_date):
        used = budgets.with_attempt(budgets.with_fee(budgets.Budgets(), 5_000_000))
        return Carried(ledger=Ledger(trade_date=trade_date, budgets=used))

    def test_a_restart_on_the_same_date_refills_no_budget(self):
        first = World()
        first.state.budgets = budgets.with_attempt(budgets.with_fee(first.state.budgets, 5_000_000))
        again = World(carried=first.state.carried())
        assert (again.state.budgets.attempts_day, again.state.budgets.fees_day_uusd) == (1, 5_000_000)

    def test_a_new_date_does_and_its_money_starts_from_the_equity(self):
        first = World()
        first.hold(1)
        first.fill(Leg.STOP, Side.SELL, 1, 23_993)
        carried = first.state.carried()
        yesterday = msgspec.structs.replace(carried.ledger, trade_date=20261124)
        second = World(carried=msgspec.structs.replace(carried, ledger=yesterday))
        assert second.state.budgets.attempts_day == 0
        account = second.state.account
        # 10 000 less a stop of 10.00 and commission of 2.50; nothing of it is today's.
        assert account.day_start_uusd == 9_987_500_000
        assert (account.net_uusd, account.closed_uusd) == (0, -12_500_000)
