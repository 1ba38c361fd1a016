"""Whatever happens, in whatever order: what must always hold between two records."""

from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.handler_world import World, of
from tests.engines.cases import candidate
from trading_bot.domain import events
from trading_bot.domain.effects import CancelOrder, EndRun, PlaceExit, PlaceOrder
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.orders import Leg, OrderStatus
from trading_bot.domain.units import NS_PER_MS, NS_PER_S
from trading_bot.engines.quality import Band
from trading_bot.engines.session import SessionState

STEPS = st.one_of(
    st.tuples(st.just("quotes"), st.integers(1, 70)),
    st.tuples(st.just("quotes"), st.integers(1, 3)),
    st.tuples(st.just("silence"), st.sampled_from([3, 6, 11, 25])),
    st.tuples(st.just("candidate"), st.sampled_from([1, -1])),
    st.tuples(st.just("candidate"), st.sampled_from([1, -1])),
    st.tuples(st.just("tie"), st.none()),
    st.tuples(st.just("answer"), st.sampled_from(["ack", "cancelled", "rejected", "stranger"])),
    st.tuples(st.just("link"), st.sampled_from([(True, 1), (False, 1), (True, 3)])),
    st.tuples(st.just("position"), st.sampled_from([0, 0, 1, -1, None])),
    st.tuples(st.just("space"), st.booleans()),
    st.tuples(st.just("equity"), st.sampled_from([2_000, 10_000, -1])),
    st.tuples(st.just("exit"), st.none()),
    st.tuples(st.just("gap"), st.none()),
    st.tuples(st.just("cut"), st.integers(0, 5)),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("kill"), st.none()),
    st.tuples(st.just("clear"), st.none()),
)


def take(world, what, value):
    """One step of the world."""
    now_ns = world.now_ns
    if what == "quotes":
        world.quotes(now_ns + NS_PER_S, now_ns + value * NS_PER_S)
    elif what == "silence":
        world.advance(now_ns + value * NS_PER_S)
    elif what == "candidate":
        world.fire(candidate(side=value, episode=world.seq))
    elif what == "tie":
        world.fire(candidate(episode=world.seq), candidate(side=-1, episode=world.seq))
    elif what == "exit":
        world.fire(code=Outcome.EXIT, exit_mask=1)
    elif what == "gap":
        world.fire(code=Outcome.GAP)
    elif what == "position":
        world.position(value)
    elif what == "answer":
        answer(world, value)
    elif what == "cut":
        last = world.state.last_results
        kept = min(value, len(last))
        world.machine.abandoned(last, kept)
        world.apply(events.EffectsAbandoned(ts_ns=now_ns, cause_seq=world.seq, kept=kept))
    else:
        world.apply(
            {
                "link": lambda: events.LinkStatus(ts_ns=now_ns, up=value[0], data_type=value[1]),
                "space": lambda: events.LogSpaceChanged(ts_ns=now_ns, ok=value),
                "equity": lambda: events.AccountSnapshot(
                    ts_ns=now_ns, account="D1", equity_uusd=value * 1_000_000, margin_free_uusd=0
                ),
                "stop": lambda: events.StopRequested(ts_ns=now_ns, reason="DURATION"),
                "kill": lambda: events.KillRequested(ts_ns=now_ns, reason="smoke", source="cli"),
                "clear": lambda: events.KillCleared(ts_ns=now_ns, reason="checked", source="cli"),
            }[what]()
        )


def answer(world, kind):
    """The broker about the first open order, or about one it never had."""
    order_id = next(iter(world.state.entries), (7_777, 0))
    if kind == "stranger":
        order_id = (7_777, 1)
    if kind == "ack":
        world.apply(events.OrderAcknowledged(ts_ns=world.now_ns, order_id=order_id))
    elif kind == "rejected":
        world.apply(events.OrderRejected(ts_ns=world.now_ns, order_id=order_id, code=201, text="margin"))
    else:
        world.cancelled(order_id)


def check(world, facts, records):
    """`facts` from before the step, `records` of it."""
    state, timers = world.state, world.machine.timers
    band = state.kernel.dvs_band
    exposed = bool(state.entries) or state.position_qty != 0
    # Timers agree with what they are for.
    assert state.quality_kill_armed == (("quality_kill", None) in timers)
    if state.quality_kill_armed:
        assert exposed
    if exposed and band == Band.KILL and state.data_type == 1:
        assert state.quality_kill_armed or state.kill_reason is not None or killed_once(world)
    assert (("data_down_clear", None) in timers) == (state.data_down and band == Band.ENTRY)
    if band == Band.KILL and not exposed:
        assert state.data_down
    waiting = [order_id for name, order_id in timers if name == "entry_ttl"]
    for order_id, entry in state.entries.items():
        assert entry.status is OrderStatus.CANCELLING or order_id in waiting
    # One entry at a time, and only where nothing forbids it.
    assert len(state.entries) <= 1
    if of(records, PlaceOrder):
        assert facts["kill_reason"] is None
        assert facts["stopping"] is None
        assert facts["log_space_ok"]
        assert facts["reconciled"]
        assert (facts["link"][0], facts["data_type"]) == (True, 1)
        known, position = facts["position"]
        assert (known, position["qty"]) == (True, 0)
        assert facts["entries"] == []
        assert not facts["data_down"]
        assert facts["session_state"] == SessionState.ENTRIES.value
    # Rest: everything open is asked to close, and when nothing is open, it is the end.
    if state.stopping is not None:
        assert all(entry.status is OrderStatus.CANCELLING for entry in state.entries.values())
        unconfirmed = state.flatten is not None and not state.flatten.finished
        assert exposed or unconfirmed or world.machine.end is not None
    if state.kill_reason is not None:
        assert (state.stopping, state.exit_code) == ("KILL_SWITCH", 5)
    closed = (
        state.kill_reason is not None
        or state.stopping is not None
        or state.data_down
        or exposed
        or not (state.link_up and state.reconciled and state.log_space_ok)
        or band != Band.ENTRY
    )
    assert (state.entry_mask == 0) or not closed


def killed_once(world):
    """A quality kill came and was cleared: it is told once, and the run has ended by then."""
    return world.state.exit_code == 5


@given(st.lists(STEPS, max_size=25))
@example([("candidate", 1), ("silence", 11), ("answer", "cancelled"), ("quotes", 70)])
@example([("candidate", 1), ("cut", 3), ("quotes", 12)])
@example([("position", 1), ("silence", 25), ("position", 0)])
@example([("position", None), ("kill", None), ("position", 0)])
@example([("candidate", 1), ("stop", None), ("cut", 0), ("answer", "cancelled")])
def test_what_always_holds(steps):
    world = World()
    for what, value in steps:
        facts, before = world.state.facts(), len(world.records)
        take(world, what, value)
        check(world, facts, world.records[before:])


@given(st.lists(STEPS, max_size=15))
def test_the_same_steps_give_the_same_records(steps):
    """Nothing but the events decides."""
    first, second = World(), World()
    for world in (first, second):
        for what, value in steps:
            take(world, what, value)
    assert first.records == second.records
    assert first.state.digest() == second.state.digest()


@given(st.lists(STEPS, max_size=12), st.integers(0, 30))
def test_a_kill_always_comes_to_rest(steps, more_s):
    """From anywhere: once the broker has answered, nothing is open, and the run ends with 5."""
    world = World()
    for what, value in steps:
        take(world, what, value)
    if world.machine.end is not None and world.state.exit_code == 5:
        return
    before = len(world.records)
    take(world, "kill", None)
    world.advance(world.now_ns + more_s * NS_PER_S + 50 * NS_PER_MS)
    for order_id in list(world.state.entries):
        world.cancelled(order_id)
    world.position(0)
    # An exit of a position that only the broker had is withdrawn when the broker no longer has it.
    for effect in [found for found in of(world.records, CancelOrder) if found.leg is Leg.EXIT]:
        world.apply(events.OrderCancelled(ts_ns=world.now_ns, order_id=effect.order_id, leg=Leg.EXIT))
    records = world.records[before:]
    assert of(records, EndRun)
    assert (world.machine.end.reason, world.machine.end.exit_code) == ("KILL_SWITCH", 5)
    cancels = [(cancel.order_id, cancel.leg) for cancel in of(records, CancelOrder)]
    assert len(set(cancels)) == len(cancels)
    assert len(of(records, PlaceExit)) <= 1
