"""Hand-computed tapes: children, OCA groups, exits, cancels, fees (docs/simulator.md, 8)."""

from tests.exchange.driver import (
    BUY,
    FEE,
    LIMIT,
    MARKET,
    SELL,
    Leg,
    answers,
    bought,
    exchange,
    fills,
    sold,
    told,
)


def bracket(qty=1, **changes):
    """Long `qty` from 101, stop 96, target 105, just filled at time 1."""
    sim = exchange(**changes)
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, BUY, MARKET, qty, 0, 0, 96, 105)
    return sim


def test_children_come_into_force_with_the_fill_of_their_parent():
    sim = bracket()
    assert told(sim, 1, acks=True) == [
        ("ENTRY", "ACK", 1, 0, 1),
        ("TARGET", "ACK", 1, 105, 0),
        ("STOP", "ACK", 1, 96, 0),
        ("ENTRY", "FILL", 1, 101, 0),
        ("STOP", "WORKING", 1, 96, 1),
        ("TARGET", "WORKING", 1, 105, 1),
    ]


def test_the_target_ends_the_stop():
    sim = bracket()
    told(sim, 1)
    sim.on_quote(2, 106, 10, 107, 10)
    assert told(sim) == [("TARGET", "FILL", 1, 105, 0), ("STOP", "CANCELLED", 1, 96, 0)]
    assert (sim.position, sim.live_orders, sim.fees_uusd) == (0, 0, 2 * FEE)


def test_the_stop_ends_the_target():
    sim = bracket()
    told(sim, 1)
    sim.on_quote(2, 90, 10, 91, 10)
    sold(sim, 3, 90, 1)
    assert told(sim) == [
        ("STOP", "STOP_TRIGGERED", 1, 96, 1),
        ("STOP", "FILL", 1, 90, 0),
        ("TARGET", "CANCELLED", 1, 105, 0),
    ]
    assert (sim.position, sim.live_orders) == (0, 0)


def test_both_children_touched_in_one_tick_the_stop_wins():
    # A crossed quote: the bid is beyond the target, the ask beyond the stop.
    sim = bracket(stop_trigger="touch")
    told(sim, 1)
    sim.on_quote(2, 106, 10, 95, 10)
    assert fills(sim) == [("STOP", 1, 95)]
    assert sim.position == 0


def test_both_children_touched_by_the_print_that_fills_the_parent_the_stop_wins():
    sim = exchange()
    sim.on_quote(1, 106, 10, 107, 10)  # the bid is beyond the target already
    sim.place(7, 1, BUY, LIMIT, 1, 101, 0, 96, 105)
    sold(sim, 2, 94, 1)  # through the entry and through the stop
    assert fills(sim) == [("ENTRY", 1, 101), ("STOP", 1, 94)]
    assert (sim.position, sim.live_orders) == (0, 0)


def test_partial_then_cancel_leaves_children_for_what_was_filled():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 3, 100, 0, 96, 105)
    sold(sim, 2, 100, 12)
    assert told(sim) == [
        ("ENTRY", "WORKING", 3, 100, 3),
        ("ENTRY", "PARTIAL", 2, 100, 1),
        ("STOP", "WORKING", 3, 96, 2),
        ("TARGET", "WORKING", 3, 105, 2),
    ]
    sim.cancel(7, 2)
    assert told(sim, 2) == [("ENTRY", "CANCELLED", 1, 100, 0)]
    sold(sim, 3, 99, 5)
    assert not fills(sim)
    sold(sim, 4, 96, 5)
    assert fills(sim) == [("STOP", 2, 96)]
    assert (sim.position, sim.live_orders) == (0, 0)


def test_a_cancel_that_arrives_after_the_fill_is_refused():
    sim = exchange(entry_latency_ns=10, response_latency_ns=10)
    sim.on_quote(1, 100, 0, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 1, 100)
    sim.advance(11)
    sim.cancel(7, 15)  # arrives at 25
    sold(sim, 24, 100, 1)
    assert [(a.ts_ns, a.kind.name) for a in answers(sim, 50)] == [
        (21, "ACK"),
        (21, "WORKING"),
        (34, "FILL"),
        (35, "REFUSED"),
    ]


def test_a_cancel_that_arrives_first_is_final():
    sim = exchange(entry_latency_ns=10, response_latency_ns=10)
    sim.on_quote(1, 100, 0, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 1, 100)
    sim.cancel(7, 15)
    sold(sim, 25, 100, 1)  # the cancel is in force before a record of its own time
    assert [a.kind.name for a in answers(sim, 50)] == ["ACK", "WORKING", "CANCELLED"]
    assert sim.position == 0


def test_a_cancelled_parent_without_fills_takes_its_children_along():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 1, 100, 0, 96, 105)
    told(sim, 1)
    sim.cancel(7, 2)
    assert told(sim, 2) == [
        ("ENTRY", "CANCELLED", 1, 100, 0),
        ("TARGET", "CANCELLED", 0, 105, 0),
        ("STOP", "CANCELLED", 0, 96, 0),
    ]
    assert sim.live_orders == 0


def test_oca_type_2_takes_the_filled_lots_off_the_other():
    sim = bracket(2)
    told(sim, 1)
    sim.on_quote(2, 104, 10, 105, 4)
    bought(sim, 3, 105, 5)
    assert told(sim) == [("TARGET", "PARTIAL", 1, 105, 1), ("STOP", "WORKING", 2, 96, 1)]
    sold(sim, 4, 96, 9)
    assert told(sim) == [
        ("STOP", "STOP_TRIGGERED", 2, 96, 1),
        ("STOP", "FILL", 1, 96, 0),
        ("TARGET", "CANCELLED", 1, 105, 0),
    ]
    assert (sim.position, sim.live_orders) == (0, 0)


def test_oca_type_1_ends_the_other_with_the_first_lot():
    sim = bracket(2, oca_type=1)
    told(sim, 1)
    sim.on_quote(2, 104, 10, 105, 4)
    bought(sim, 3, 105, 5)
    assert told(sim) == [("TARGET", "PARTIAL", 1, 105, 1), ("STOP", "CANCELLED", 2, 96, 0)]
    assert sim.position == 1


def test_children_that_filled_come_back_for_the_rest_of_their_parent():
    sim = exchange()
    sim.on_quote(1, 100, 0, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 2, 100, 0, 96, 105)
    sold(sim, 2, 100, 1)
    told(sim)
    sim.on_quote(3, 105, 1, 106, 9)
    assert told(sim) == [("TARGET", "PARTIAL", 1, 105, 0)]  # not its end: one lot of its parent is still out
    sim.on_quote(4, 100, 1, 101, 9)
    sold(sim, 5, 100, 1)
    assert told(sim) == [
        ("ENTRY", "FILL", 1, 100, 0),
        ("STOP", "WORKING", 2, 96, 1),
        ("TARGET", "WORKING", 2, 105, 1),
    ]
    sold(sim, 6, 96, 1)
    assert fills(sim) == [("STOP", 1, 96)]
    assert (sim.position, sim.live_orders) == (0, 0)


def test_an_exit_joins_the_group_and_removes_the_stop_by_its_fill_only():
    sim = bracket()
    told(sim, 1)
    sim.exit(7, 2, LIMIT, 102, 1)
    assert told(sim, 2) == [("EXIT", "WORKING", 1, 102, 1)]
    assert sim.live_orders == 3
    sim.on_quote(3, 102, 1, 103, 9)
    assert told(sim) == [
        ("EXIT", "FILL", 1, 102, 0),
        ("TARGET", "CANCELLED", 1, 105, 0),
        ("STOP", "CANCELLED", 1, 96, 0),
    ]
    assert (sim.position, sim.live_orders) == (0, 0)


def test_an_exit_that_does_not_fill_leaves_the_stop_in_force_and_goes_with_it():
    sim = bracket()
    sim.exit(7, 2, LIMIT, 102, 1)
    told(sim, 2)
    sim.cancel(7, 2, Leg.TARGET)
    assert told(sim, 2) == [("TARGET", "CANCELLED", 1, 105, 0)]
    sold(sim, 3, 96, 1)
    assert told(sim)[1:] == [("STOP", "FILL", 1, 96, 0), ("EXIT", "CANCELLED", 1, 102, 0)]


def test_a_second_exit_replaces_the_first():
    sim = bracket()
    sim.exit(7, 2, LIMIT, 102, 1)
    told(sim, 2)
    sim.exit(7, 3, MARKET, 0, 1)
    assert told(sim, 3) == [
        ("EXIT", "FILL", 1, 100, 0),
        ("TARGET", "CANCELLED", 1, 105, 0),
        ("STOP", "CANCELLED", 1, 96, 0),
    ]


def test_an_exit_after_the_stop_is_refused_and_opens_nothing():
    sim = bracket(entry_latency_ns=5)
    told(sim, 6)
    sim.exit(7, 10, MARKET, 0, 1)
    sold(sim, 14, 96, 1)
    assert told(sim, 20) == [
        ("STOP", "STOP_TRIGGERED", 1, 96, 1),
        ("STOP", "FILL", 1, 96, 0),
        ("TARGET", "CANCELLED", 1, 105, 0),
        ("EXIT", "REFUSED", 1, 0, 0),
    ]
    assert sim.position == 0


def test_an_exit_before_the_entry_is_refused():
    sim = exchange()
    sim.on_quote(1, 100, 10, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 1, 100, 0, 96, 105)
    sim.exit(7, 1, MARKET, 0, 1)
    assert told(sim, 1)[-1] == ("EXIT", "REFUSED", 1, 0, 0)


def test_a_trailed_stop_and_a_moved_target():
    sim = bracket()
    told(sim, 1)
    sim.modify(7, 2, Leg.STOP, 99)
    sim.modify(7, 2, Leg.TARGET, 103)
    assert told(sim, 2) == [("STOP", "WORKING", 1, 99, 1), ("TARGET", "WORKING", 1, 103, 1)]
    sold(sim, 3, 99, 1)
    assert fills(sim) == [("STOP", 1, 99)]


def test_a_child_can_be_moved_while_it_waits():
    sim = exchange()
    sim.on_quote(1, 100, 0, 101, 10)
    sim.place(7, 1, BUY, LIMIT, 1, 100, 0, 96, 105)
    sim.modify(7, 1, Leg.STOP, 98)
    assert told(sim, 1, acks=True)[-1] == ("STOP", "ACK", 1, 98, 0)
    sold(sim, 2, 100, 1)
    assert ("STOP", "WORKING", 1, 98, 1) in told(sim)


def test_children_with_a_latency_leave_the_position_naked_for_that_long():
    sim = bracket(child_latency_ns=10)
    told(sim, 1)
    assert sim.next_due_ns == 11
    sold(sim, 5, 90, 1)  # nothing protects yet
    assert sim.position == 1
    assert told(sim, 11) == [
        ("STOP", "WORKING", 1, 96, 1),
        ("STOP", "STOP_TRIGGERED", 1, 96, 1),  # passed already: triggers as it comes into force
        ("STOP", "FILL", 1, 96, 0),  # at the worse of trigger and touch (100)
        ("TARGET", "CANCELLED", 1, 105, 0),
    ]


def test_every_third_order_is_rejected_with_its_children():
    sim = exchange(reject_every=3)
    sim.on_quote(1, 100, 10, 101, 10)
    for handle in range(1, 7):
        sim.place(handle, 1, BUY, MARKET, 1, 0, 0, 96, 105)
    rejected = [a.handle for a in answers(sim, 1) if a.kind.name == "REJECTED"]
    assert rejected == [3, 6]
    assert (sim.position, sim.rejected, sim.live_orders) == (4, 2, 8)


def test_rejections_by_seed_have_their_share():
    sim = exchange(reject_per_mille=250, seed=11)
    sim.on_quote(1, 100, 1000, 101, 1000)
    for handle in range(1000):
        sim.place(handle, 1, BUY if handle % 2 else SELL, MARKET, 1)
        answers(sim, 1)
    assert 195 < sim.rejected < 305  # four standard deviations of 1000 draws at a quarter
    again = exchange(reject_per_mille=250, seed=11)
    for handle in range(1000):
        again.place(handle, 1, BUY, MARKET, 1)
        again.cancel(handle, 1)
        answers(again, 1)
    assert again.rejected == sim.rejected


def test_a_rejected_exit_leaves_the_stop():
    sim = bracket(reject_exit_every=2)
    sim.exit(7, 2, LIMIT, 103, 1)
    told(sim, 2)
    sim.exit(7, 3, MARKET, 0, 1)
    assert told(sim, 3) == [("EXIT", "REJECTED", 1, 0, 1)]
    assert sim.live_orders == 3


def test_fees_are_told_with_each_execution():
    sim = exchange(fee_per_side_uusd=620_000)
    sim.on_quote(1, 100, 2, 101, 2)
    sim.place(7, 1, SELL, MARKET, 3)
    paid = [(a.qty, a.commission_uusd, a.exec_id) for a in answers(sim, 1) if a.exec_id]
    assert paid == [(2, 1_240_000, 1), (1, 620_000, 2)]
    assert sim.fees_uusd == 1_860_000


def test_cancel_all_ends_every_leg_once():
    sim = bracket()
    sim.exit(7, 2, LIMIT, 103, 1)
    told(sim, 2)
    sim.cancel(7, 3, Leg.ALL)
    assert [(leg, kind) for leg, kind, *_ in told(sim, 3)] == [
        ("TARGET", "CANCELLED"),
        ("STOP", "CANCELLED"),
        ("EXIT", "CANCELLED"),
    ]
    sim.cancel(7, 3, Leg.ALL)
    assert told(sim, 3) == [("ALL", "REFUSED", 0, 0, 0)]
    assert sim.position == 1  # the caller flattens with an order of its own
    sim.place(8, 4, SELL, MARKET, 1)
    assert fills(sim, 4) == [("ENTRY", 1, 100)]
    assert sim.position == 0
