"""Random scripts: the reference's answers, conservation, limits, cuts, seeds, mirrors."""

import random
from collections import Counter, defaultdict

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.driver import INSTANT, LIMIT
from tests.exchange.reference_market import Market
from tests.exchange.scripts import RECORDS, mirrored, script
from trading_bot._fast.exchange import ExchangeSim
from trading_bot.domain.exchange import ExchangeConfig
from trading_bot.domain.records import TICK_RECORD
from trading_bot.domain.units import NS_PER_S

SEEDS = st.integers(min_value=0, max_value=2**32)
END = NS_PER_S
ENDS = {"FILL", "CANCELLED", "REJECTED"}


def played(config, calls, end=END):
    """A simulator after the calls, and everything it told, to the end of all that was under way."""
    sim = ExchangeSim(config)
    heard = []
    for name, arguments in calls:
        getattr(sim, name)(*arguments)
        collect(sim, heard, sim.now_ns)
    collect(sim, heard, end)
    return sim, heard


def collect(sim, heard, until):
    while sim.next_due_ns <= until:
        due = sim.next_due_ns
        while (answer := sim.take(due)) is not None:
            heard.append(answer)


def as_tuple(answer):
    return msgspec.structs.astuple(answer)


def reference(config, calls, end=END):
    market = Market(config)
    for name, arguments in calls:
        getattr(market, name)(*arguments)
    market.advance(end)
    return market


@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_the_reference_hears_the_same(seed):
    config, calls = script(seed)
    sim, heard = played(config, calls)
    market = reference(config, calls)
    assert [as_tuple(answer) for answer in heard] == market.heard
    assert (sim.position, sim.fees_uusd, sim.executions) == (market.position, market.fees, market.executions)


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_lots_are_conserved_and_each_leg_ends_once(seed):
    config, calls = script(seed)
    sim, heard = played(config, calls)
    orders = [answer for answer in heard if not answer.shadow]
    done = [answer for answer in orders if answer.exec_id]
    assert [answer.exec_id for answer in done] == list(range(1, len(done) + 1))
    assert sim.position == sum(answer.side * answer.qty for answer in done)
    assert (
        sim.fees_uusd
        == sum(answer.commission_uusd for answer in done)
        == config.fee_per_side_uusd * sum(answer.qty for answer in done)
    )
    asked = largest_quantities(calls)
    filled = defaultdict(Counter)
    ends = Counter()
    for answer in orders:
        leg = answer.leg.name
        if answer.exec_id:
            filled[answer.handle][leg] += answer.qty
            assert answer.qty > 0
        if leg != "EXIT" and answer.kind.name in ENDS:
            ends[answer.handle, leg] += 1
    for handle, legs in filled.items():
        assert legs["ENTRY"] <= asked[handle]
        # A bracket of two closes no more than was opened; an exit that was sent too large may.
        assert legs["EXIT"] or legs["TARGET"] + legs["STOP"] <= legs["ENTRY"]
    assert set(ends.values()) <= {1}


def largest_quantities(calls):
    asked = Counter()
    for name, arguments in calls:
        if name == "place":
            asked[arguments[0]] = arguments[4]
        elif name == "modify" and arguments[2] == 0:
            asked[arguments[0]] = max(asked[arguments[0]], arguments[4])
    return asked


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_nothing_fills_beyond_its_limit_or_a_stop_before_its_trigger(seed):
    config, calls = script(seed)
    bounds = defaultdict(lambda: defaultdict(set))  # limits each leg ever had
    triggers = {}
    market_exit = set()
    for name, arguments in calls:
        if name == "place":
            handle, _, side, kind, _, limit, trigger, stop, target = arguments
            bounds[handle]["ENTRY"] |= {limit} if limit else set()
            bounds[handle]["TARGET"] |= {target}
            if stop:
                triggers[handle] = {side * stop}
            del kind, trigger
        elif name == "modify" and arguments[3]:
            leg = ["ENTRY", "TARGET", "STOP", "EXIT"][arguments[2]]
            if leg == "STOP":
                triggers.setdefault(arguments[0], set()).update({arguments[3], -arguments[3]})
            else:
                bounds[arguments[0]][leg].add(arguments[3])
        elif name == "exit":
            if arguments[3]:
                bounds[arguments[0]]["EXIT"].add(arguments[3])
            else:
                market_exit.add(arguments[0])
    kinds = {arguments[0]: arguments[3] for name, arguments in calls if name == "place"}
    for answer in played(config, calls)[1]:
        if not answer.exec_id:
            continue
        leg = answer.leg.name
        if leg == "STOP":
            # Sold at or below the highest trigger it ever had, bought at or above the lowest.
            assert answer.side * answer.price_ticks >= min(-x for x in triggers[answer.handle])
        elif (
            (leg == "ENTRY" and kinds[answer.handle] in {1, 4})
            or leg == "TARGET"
            or (leg == "EXIT" and answer.handle not in market_exit)
        ):
            assert answer.side * answer.price_ticks <= max(answer.side * x for x in bounds[answer.handle][leg])


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(min_value=0, max_value=2**32))
def test_where_time_and_state_are_cut_changes_nothing(seed, cut_seed):
    config, calls = script(seed)
    whole = [as_tuple(answer) for answer in played(config, calls)[1]]
    rng = random.Random(cut_seed)
    sim = ExchangeSim(config)
    late = []
    for name, arguments in calls:
        ts = arguments[0] if name in RECORDS else arguments[1]
        if rng.random() < 0.3:
            sim.advance(rng.randint(min(sim.now_ns, ts), ts))
        if rng.random() < 0.2:
            again = ExchangeSim(config)
            again.restore(sim.snapshot())
            sim = again
        getattr(sim, name)(*arguments)
        if rng.random() < 0.2:
            while (answer := sim.take(sim.now_ns)) is not None:
                late.append(answer)
    collect(sim, late, END)
    assert [as_tuple(answer) for answer in late] == whole


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_a_mirrored_script_gives_mirrored_answers(seed):
    config, calls = script(seed)
    sim, heard = played(config, calls)
    other, heard_other = played(config, mirrored(calls))
    assert other.position == -sim.position
    for one, two in zip(heard, heard_other, strict=True):
        price = one.price_ticks and 2_000 - one.price_ticks
        assert as_tuple(two) == as_tuple(msgspec.structs.replace(one, side=-one.side, price_ticks=price))


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_a_kinder_queue_never_fills_later(seed):
    calls = [call for call in script(seed)[1] if call[0] in RECORDS]
    rng = random.Random(seed)
    order = (1, 100, rng.choice([1, -1]), LIMIT, rng.choice([1, 3]), 1_000 + rng.randint(-3, 4))
    filled = {}
    for model in ("optimistic", "probabilistic", "pessimistic"):
        config = ExchangeConfig(queue_model=model, **dict.fromkeys(INSTANT, 0))
        heard = played(config, [calls[0], ("place", order), *calls[1:]])[1]
        filled[model] = Counter()
        for answer in heard:
            if answer.exec_id:
                filled[model][answer.ts_ns] += answer.qty
    for kind, strict in [("optimistic", "probabilistic"), ("probabilistic", "pessimistic")]:
        for ts in filled[strict]:
            assert lots_until(filled[kind], ts) >= lots_until(filled[strict], ts)


def lots_until(filled, ts_ns):
    return sum(lots for at, lots in filled.items() if at <= ts_ns)


def test_the_same_seed_gives_the_same_and_another_one_something_else():
    config, calls = script(3, 2_000)
    config = msgspec.structs.replace(config, queue_model="probabilistic", reject_per_mille=300)
    first, again = (played(config, calls)[1] for _ in range(2))
    other = played(msgspec.structs.replace(config, seed=config.seed ^ 1), calls)[1]
    assert first == again
    assert first != other


def test_a_batch_of_records_is_the_same_as_one_by_one():
    calls = script(12, 3_000)[1]
    config = ExchangeConfig(queue_model="probabilistic", **dict.fromkeys(INSTANT, 5))
    rows = [(name, arguments) for name, arguments in calls if name in RECORDS]
    tape = b"".join(packed(name, arguments) for name, arguments in rows)
    order = (7, 100, 1, 1, 3, 1_000, 0, 996, 1_004)
    singly, batch = ExchangeSim(config), ExchangeSim(config)
    singly.place(*order)
    batch.place(*order)
    heard, heard_batch = [], []
    for name, arguments in rows:
        getattr(singly, name)(*arguments)
        collect(singly, heard, singly.now_ns)
    at = 0
    while at < len(rows):
        at, _ = batch.run(tape, at, batch.next_due_ns)
        if at < len(rows):
            collect(batch, heard_batch, TICK_RECORD.unpack_from(tape, 64 * at)[7])
    collect(singly, heard, END)
    collect(batch, heard_batch, END)
    assert heard == heard_batch
    assert any(answer.exec_id for answer in heard)


def packed(name, arguments):
    if name == "on_quote":
        ts, bid, bid_qty, ask, ask_qty = arguments
        return TICK_RECORD.pack(0, 64, 0, 1, 1, 1, 0, ts, ts, bid, ask, bid_qty, ask_qty, 0, 0, 0, 0)
    ts, price, lots, aggressor = arguments
    return TICK_RECORD.pack(0, 64, 0, 2, 1, 1, 0, ts, ts, price, 0, lots, 0, aggressor, 0, 0, 0)


def test_the_scripts_reach_every_answer():
    """Else the laws above would hold over nothing."""
    seen = Counter()
    for seed in range(60):
        for answer in played(*script(seed))[1]:
            seen[answer.leg.name, answer.kind.name, answer.shadow] += 1
    for leg, kinds in {
        "ENTRY": ["ACK", "WORKING", "PARTIAL", "FILL", "CANCELLED", "REJECTED", "STOP_TRIGGERED", "REFUSED"],
        "TARGET": ["ACK", "WORKING", "PARTIAL", "FILL", "CANCELLED", "REFUSED"],
        "STOP": ["ACK", "WORKING", "PARTIAL", "FILL", "CANCELLED", "STOP_TRIGGERED", "REFUSED"],
        "EXIT": ["ACK", "WORKING", "PARTIAL", "FILL", "CANCELLED", "REJECTED", "REFUSED"],
        "ALL": ["REFUSED"],
    }.items():
        for kind in kinds:
            assert seen[leg, kind, False] > 5, (leg, kind)
    for leg, kind in [
        ("ENTRY", "FILL"),
        ("ENTRY", "CANCELLED"),
        ("TARGET", "FILL"),
        ("STOP", "FILL"),
        ("EXIT", "FILL"),
    ]:
        assert seen[leg, kind, True] > 5, (leg, kind)
