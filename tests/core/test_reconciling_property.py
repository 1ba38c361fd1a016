"""NV08, EX05, EX06, RC01: whatever is lost, cut or restarted, no order is invented and no position stays naked."""

from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.broker_world import BrokerWorld, S
from tests.core.handler_world import of
from tests.engines.cases import candidate
from trading_bot.domain import effects, events
from trading_bot.domain.orders import Leg, Side

STEPS = st.one_of(
    st.tuples(st.just("enter"), st.none()),
    st.tuples(st.just("fill"), st.integers(0, 5)),
    st.tuples(st.just("deliver"), st.integers(1, 3)),
    st.tuples(st.just("lose"), st.integers(0, 3)),
    st.tuples(st.just("lossy"), st.booleans()),
    st.tuples(st.just("answer"), st.booleans()),
    st.tuples(st.just("cut"), st.none()),
    st.tuples(st.just("connect"), st.none()),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("drop"), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.sampled_from([1, 3, 6, 12, 35])),
    st.tuples(st.just("stranger"), st.sampled_from([-1, 1])),
)


def take(world, what, value):
    broker = world.broker
    match what:
        case "enter":
            world.episode = getattr(world, "episode", 0) + 1
            world.fire(candidate(episode=world.episode))
        case "fill":
            ready = broker.working()
            if ready:
                broker.fill(ready[value % len(ready)], 1)
                if not world.up:
                    broker.out.clear()
        case "deliver" if world.up:
            world.deliver(value)
        case "lose" if value < len(broker.out):
            del broker.out[value]
        case "lossy":
            world.lossy = value
        case "answer" if world.up:
            world.answer(ok=value)
        case "cut" if world.up:
            world.cut()
        case "connect" if not world.up:
            world.connect()
        case "restart":
            world.restart()
        case "drop":
            # A child that vanishes at the broker, as after an error of its own.
            children = [one for one in broker.working() if one.leg in (Leg.STOP, Leg.TARGET)]
            if children:
                children[value % len(children)].state = "done"
        case "wait":
            world.quotes(world.now_ns + S, world.now_ns + value * S)
        case "flatten":
            world.apply(events.FlattenRequested(ts_ns=world.now_ns, reason="test", source="cli"))
        case "stranger":
            broker.position += value
        case _:
            pass


def calm(world):
    """The link stands, nothing is lost, every question is answered, orders to the market fill: until nothing moves."""
    world.lossy = False
    if not world.up:
        world.connect()
    for _ in range(12):
        world.deliver()
        if world.asked:
            world.answer()
        for order in world.broker.working():
            if order.leg is Leg.EXIT:
                world.broker.fill(order, order.left)
        world.quotes(world.now_ns + S, world.now_ns + 4 * S)
    world.settle(rounds=2)


def protected(world):
    """Contracts of the position that a stop at the broker would close."""
    closes = Side.SELL if world.broker.position > 0 else Side.BUY
    return sum(one.left for one in world.broker.working() if one.leg is Leg.STOP and one.side is closes)


# Where a history begins: nothing open, an entry that works, a position with its bracket.
STARTS = {
    "flat": [],
    "entry": [("enter", None), ("deliver", 3)],
    "position": [("enter", None), ("deliver", 3), ("fill", 0), ("deliver", 3)],
    "dropped": [("lossy", True), ("enter", None), ("lossy", False)],
    "leaving": [("enter", None), ("deliver", 3), ("fill", 0), ("deliver", 3), ("lossy", True), ("flatten", None)],
}
BEGIN = st.sampled_from(sorted(STARTS))


@given(BEGIN, st.lists(STEPS, max_size=15))
@example("flat", [("enter", None), ("fill", 0), ("lose", 0), ("wait", 6), ("answer", True)])
@example("dropped", [("wait", 6), ("answer", True)])
@example("entry", [("fill", 0), ("cut", None), ("fill", 0), ("connect", None)])
@example("position", [("drop", 0), ("wait", 35)])
@example("position", [("restart", None), ("fill", 0), ("wait", 12)])
@example("leaving", [("wait", 12), ("lossy", False), ("answer", True)])
@example("flat", [("stranger", 1), ("answer", True)])
def test_when_all_is_calm_again_the_position_is_flat_or_protected_and_both_sides_agree(begin, steps):
    world = BrokerWorld()
    for what, value in STARTS[begin]:
        take(world, what, value)
    for what, value in steps:
        before = len(world.records)
        take(world, what, value)
        placed = of(world.records[before:], effects.PlaceOrder)
        # An opening order comes from a candidate, and from nothing else.
        assert not placed or what == "enter"
    before = len(world.records)
    calm(world)
    assert not of(world.records[before:], effects.PlaceOrder)
    assert world.state.position.qty == world.broker.position, "both sides agree"
    if world.broker.position:
        assert protected(world) >= abs(world.broker.position)
        assert world.state.trade is not None
    left = [one for one in world.broker.working() if one.leg is not Leg.ENTRY]
    assert world.broker.position or not left, "no order stays that could open a position"
    if world.state.kill_reason is not None:
        assert world.broker.position == 0
        assert not world.broker.working()


@given(BEGIN, st.lists(STEPS, max_size=10), st.integers(1, 10))
@example("position", [], 10)
@example("entry", [], 10)
def test_ten_restarts_change_nothing(begin, steps, restarts):
    """After any history: once calm, a restart and its answer leave the facts as they were, however often it happens."""
    world = BrokerWorld()
    for what, value in [*STARTS[begin], *steps]:
        take(world, what, value)
    calm(world)

    def again():
        world.restart()
        world.connect()
        world.answer()
        world.deliver()
        world.settle(rounds=1)

    again()
    facts, orders, before = essence(world), list(world.broker.placed), len(world.records)
    for _ in range(restarts):
        again()
    assert essence(world) == facts
    assert world.broker.placed == orders, "no order was invented"
    sent = of(world.records[before:], effects.BrokerEffect)
    assert all(isinstance(effect, effects.AskBroker) for effect in sent)


def essence(world):
    """Facts without times, scores that heal, and what counts messages."""
    facts = world.state.facts()
    kept = ("stopping", "exit_code", "kill_reason", "entries", "position", "stray", "executions", "contract", "link")
    trade = facts["trade"]
    if trade is not None:
        trade = {
            name: trade[name] for name in ("entry", "stop_ticks", "entry_qty", "exit_qty", "fees_uusd", "sent_cause")
        }
    return [trade, *(facts[name] for name in kept)]


@given(BEGIN, st.lists(STEPS, max_size=12))
def test_the_same_steps_give_the_same_records(begin, steps):
    first, second = BrokerWorld(), BrokerWorld()
    for world in (first, second):
        for what, value in [*STARTS[begin], *steps]:
            take(world, what, value)
    assert first.records == second.records
    assert first.state.digest() == second.state.digest()
