"""What stands when a log ends, written by hand: position and orders by the log's word and the broker's newest one."""

import msgspec
import pytest

from tests.reports import day_log as day
from trading_bot.core.carried import Carried
from trading_bot.core.documents import RunDocuments
from trading_bot.domain import events, trade_events
from trading_bot.domain.config import BotConfig, canonical
from trading_bot.domain.effects import PlaceExit
from trading_bot.domain.errors import LogCorrupt
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.orders import BrokerOrder, Leg, Side
from trading_bot.domain.reconciling import Deed, Finding, ReconciliationDone, Row
from trading_bot.reports.standing import standing_of


def at_broker(**changes):
    documents = RunDocuments(config=BotConfig(), templates={}, instrument=INSTRUMENTS["MES"], gates_real=True)
    return day.started(mode="PAPER", adapter="ibkr", documents=documents.pack(), hypothetical=False, **changes)


def ended(seconds, qty=0, reason="DURATION"):
    state = canonical(Carried(position_qty=qty))
    return events.RunEnded(ts_ns=day.at(seconds), exit_reason=reason, effects_digest="", state_digest="", carried=state)


def working(seconds, order, leg, price_ticks=24_000, remaining=1):
    return trade_events.OrderWorking(
        ts_ns=day.at(seconds), order_id=(order, 0), leg=leg, price_ticks=price_ticks, remaining=remaining
    )


def cancelled(seconds, order, leg):
    return events.OrderCancelled(ts_ns=day.at(seconds), order_id=(order, 0), leg=leg)


def leaving(seconds, order):
    return PlaceExit(
        ts_ns=day.at(seconds), order_id=(order, 0), side=Side.SELL, qty=1, limit_ticks=23_990, cause="THESIS"
    )


ENTERED = [
    day.placed(10, 50, 20),
    working(10.1, 50, Leg.ENTRY),
    day.filled(11, 50, Leg.ENTRY, Side.BUY, 24_000),
    working(11.1, 50, Leg.STOP, 23_994),
    working(11.1, 50, Leg.TARGET, 24_010),
]


@pytest.fixture
def stands(tmp_path):
    def read(records, **how):
        return standing_of(day.write(tmp_path / "log", records, **how))

    return read


def names(standing):
    return [(order.order_id, order.leg, order.fading) for order in standing.orders]


def test_a_day_that_ends_flat(stands):
    left = [day.filled(20, 50, Leg.TARGET, Side.SELL, 24_010), cancelled(20, 50, Leg.STOP), ended(30)]
    found = stands([day.started(), day.carried(), *ENTERED, *left])
    assert (found.position_qty, found.orders, found.doubts, found.exit_reason) == (0, (), (), "DURATION")
    assert found.flat


def test_an_open_position_with_its_bracket(stands):
    found = stands([day.started(), day.carried(), *ENTERED], close=False)
    assert (found.position_qty, found.position_seq) == (1, 5)
    assert names(found) == [("50-0", "STOP", False), ("50-0", "TARGET", False)]
    assert [(order.price_ticks, order.seq) for order in found.orders] == [(23_994, 6), (24_010, 7)]
    assert not found.flat
    assert found.exit_reason == ""


def test_an_entry_at_work_is_not_flat(stands):
    found = stands([day.started(), day.carried(), *ENTERED[:2], ended(30)])
    assert (found.position_qty, names(found)) == (0, [("50-0", "ENTRY", False)])
    assert not found.flat


def test_a_stop_whose_end_was_not_told_may_still_work(stands):
    """The target has filled, and whether the broker has withdrawn the stop of its group is not in the log."""
    left = [day.filled(20, 50, Leg.TARGET, Side.SELL, 24_010), ended(20)]
    found = stands([day.started(), day.carried(), *ENTERED, *left])
    assert (found.position_qty, names(found), found.flat) == (0, [("50-0", "STOP", True)], False)


def test_an_exit_that_was_refused_does_not_work(stands):
    refused = trade_events.RequestRefused(ts_ns=day.at(13), order_id=(50, 0), leg=Leg.EXIT)
    found = stands([day.started(), day.carried(), *ENTERED, leaving(12, 50), refused], close=False)
    assert [leg for _, leg, _ in names(found)] == ["STOP", "TARGET"]


def test_an_execution_told_twice_counts_once(stands):
    fill = day.filled(11, 50, Leg.ENTRY, Side.BUY, 24_000)
    found = stands([day.started(), day.carried(), fill, msgspec.structs.replace(fill, ts_ns=day.at(12))])
    assert found.position_qty == 1
    carried = day.carried(executions=[[fill.exec_id, None]], position_qty=1)
    assert standing_of(day.write(stands_folder(found), [day.started(), carried, fill])).position_qty == 1


def stands_folder(found):
    from pathlib import Path

    return Path(found.log).with_name("another")


def test_what_was_abandoned_never_worked(stands):
    # `day.write` names record 1 as the cause of every effect.
    abandoned = events.EffectsAbandoned(ts_ns=day.at(12), cause_seq=1, kept=1)
    found = stands([day.started(), day.carried(), day.placed(10, 50, 20), abandoned, ended(30)])
    assert found.flat


def test_a_simulated_exchange_begins_anew_with_a_cold_process(stands):
    cold = events.ProcessStarted(
        ts_ns=day.at(40), recovery="facts", config_hash="x", kernel_build="x", last_seq=5, torn_bytes=0
    )
    found = stands([day.started(), day.carried(), *ENTERED, cold], close=False)
    assert (found.position_qty, found.orders) == (1, ())


def broker_says(seconds, qty, orders=(), *, ours=0, findings=(), ok=True, settling=False):
    answer = events.Reconciled(
        ts_ns=day.at(seconds), ok=ok, position_qty=qty, working_orders=len(orders), asked=True, listed=ok, orders=orders
    )
    done = ReconciliationDone(
        ts_ns=day.at(seconds), reason="TIMER", ok=ok, settling=settling, ours_qty=ours, theirs_qty=qty,
        ours_working=0, theirs_working=len(orders), position_qty=qty if ok else None, findings=findings,
    )  # fmt: skip
    return [answer, done]


STOP_AT_BROKER = BrokerOrder(
    order_id=(50, 0), leg=Leg.STOP, side=Side.SELL, remaining=1, price_ticks=23_994, perm_ids=(7,), order_ref="r"
)
SOMEBODY_ELSES = BrokerOrder(
    order_id=None, leg=None, side=Side.SELL, remaining=3, price_ticks=1, perm_ids=(8,), order_ref=""
)


def test_the_brokers_list_is_all_that_works(stands):
    found = stands([at_broker(), day.carried(), *ENTERED, *broker_says(30, 1, (STOP_AT_BROKER, SOMEBODY_ELSES))])
    assert found.at_broker
    assert (found.position_qty, names(found)) == (1, [("50-0", "STOP", False)])
    found = standing_of(
        day.write(stands_folder(found), [at_broker(), day.carried(), *ENTERED, *broker_says(30, 0), ended(31)])
    )
    assert (found.position_qty, found.orders, found.flat) == (0, (), True)


def test_orders_of_others_are_counted_and_are_not_ours(stands):
    row = Finding(row=Row.FOREIGN_ORDER, deed=Deed.TELL)
    found = stands([at_broker(), day.carried(), *broker_says(30, 0, (SOMEBODY_ELSES,), findings=(row,)), ended(31)])
    assert (found.compared.foreign_orders, found.compared.found) == (1, ("FOREIGN_ORDER",))
    assert found.flat


def test_while_orders_settle_the_log_is_believed(stands):
    found = stands([at_broker(), day.carried(), *ENTERED, *broker_says(12, 0, settling=True)])
    assert (found.position_qty, found.compared) == (1, None)


def test_unknown_is_not_flat(stands):
    found = stands([at_broker(), day.carried(), *broker_says(30, 0, ok=False), ended(31, qty=None)])
    assert (found.position_qty, found.flat) == (None, False)
    assert "did not answer" in " ".join(found.doubts)


def test_the_cores_last_word_is_held_against_the_fills(stands):
    found = stands([day.started(), day.carried(), day.filled(11, 50, Leg.ENTRY, Side.BUY, 24_000), ended(30, qty=0)])
    assert not found.flat
    assert found.doubts == ("the fills make 1, the run's last record says 0",)


def test_after_a_failure_of_the_core_nothing_is_sure(stands):
    failed = events.CoreFailed(ts_ns=day.at(20), failed_seq=3, error="KeyError: 1")
    found = stands([day.started(), day.carried(), failed], close=False)
    assert not found.flat
    assert "KeyError" in found.doubts[0]


def test_a_torn_tail_is_read_to_its_last_good_record_and_damage_is_refused(tmp_path):
    log = day.write(tmp_path / "log", [day.started(), day.carried(), *ENTERED], close=False)
    segment = log / "seg-000001.tbl"
    content = segment.read_bytes()
    used = len(content.rstrip(b"\0"))
    segment.write_bytes(content[: used - 30] + bytes(len(content) - used + 30))
    found = standing_of(log)
    assert found.torn_bytes > 0
    assert names(found) == [("50-0", "STOP", False)]
    segment.write_bytes(content[:300] + b"\1" + content[301:])
    with pytest.raises(LogCorrupt):
        standing_of(log)
