"""However it is driven, the broker tells the same at the same times: by records, in batches, or as recovery does."""

import random

import msgspec
import pytest

from tests.exchange.scripts import latency_model
from tests.kernel.kit import market
from tests.sim.broker_kit import START, Desk, ask, cancel, leave, ms, place, shadow
from trading_bot.adapters.sim.link import FaultyLink, Outage
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.exchange import PRESETS
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.records import TICK_RECORD, FrameKind
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

SECONDS = 90
SEEDS = range(6)
SETTINGS = [
    *PRESETS.items(),
    ("instant", dict.fromkeys(["entry_latency_ns", "response_latency_ns", "child_latency_ns", "stop_latency_ns"], 0)),
    ("drawn", {"latency": latency_model(random.Random(7))}),
    ("hostile", {"reject_per_mille": 200, "reject_exit_every": 3, "oca_type": 2, "partial_fills": False}),
]


def settings_of(name):
    found = dict(SETTINGS)[name]
    return found if isinstance(found, dict) else msgspec.structs.asdict(found)


def mids(tape):
    """(ts, bid, ask) of the quotes."""
    rows = [TICK_RECORD.unpack(record) for record in tape]
    return [(row[7], row[9], row[10]) for row in rows if row[3] == FrameKind.QUOTE]


def plan(seed, quotes):
    """Entries around the touch of their moment, and cancels, questions and shadows at any time."""
    rng = random.Random(seed)
    sent = []
    for n in range(60):
        at_ns = START + rng.randrange(1, (SECONDS - 10) * NS_PER_S)
        # some fall on the time of a record
        if rng.random() < 0.3:
            at_ns = rng.choice(quotes)[0]
        bid, offer = next((row[1:] for row in reversed(quotes) if row[0] <= at_ns), (20_000, 20_001))
        time, order_id = (at_ns - START) / NS_PER_MS, (1000 + n, n % 3)
        side = rng.choice([Side.BUY, Side.SELL])
        sign = 1 if side is Side.BUY else -1
        limit = (offer if side is Side.BUY else bid) - sign * rng.choice([0, 1, 1, 2])
        effect = place(
            time,
            limit,
            side=side,
            qty=rng.choice([1, 2, 5]),
            stop=limit - sign * rng.randrange(2, 5),
            target=limit + sign * rng.randrange(1, 5),
            order_id=order_id,
        )
        kind = rng.random()
        if kind < 0.15:
            effect = ask(time)
        elif kind < 0.3:
            effect = shadow(time, rng.choice([None, bid]), life=900, hold=2500, order_id=order_id)
        elif kind < 0.4:
            effect = cancel(time, order_id=(1000 + n - 1, (n - 1) % 3))
        sent.append(msgspec.structs.replace(effect, ts_ns=at_ns))
    return sent


def react(event):
    """Decided by the event alone: some entries are left, some stops moved, some entries cancelled, questions asked."""
    rng = random.Random(repr(event))
    time = (event.ts_ns - START) / NS_PER_MS
    if isinstance(event, trade_events.OrderFilled) and event.leg is Leg.ENTRY:
        choice = rng.random()
        if choice < 0.3:
            effect = leave(time, rng.choice([None, event.price_ticks]), qty=event.qty, order_id=event.order_id)
            yield msgspec.structs.replace(effect, ts_ns=event.ts_ns)
        elif choice < 0.5:
            yield effects.ModifyStop(ts_ns=event.ts_ns, order_id=event.order_id, price_ticks=event.price_ticks)
        yield effects.AskBroker(ts_ns=event.ts_ns, reason="law")
    elif isinstance(event, trade_events.OrderWorking) and event.leg is Leg.ENTRY and rng.random() < 0.3:
        yield msgspec.structs.replace(cancel(time, order_id=event.order_id), ts_ns=event.ts_ns)


def broken(broker):
    outages = [Outage(ms(9_000), ms(14_500), lost=True), Outage(ms(30_000.5), ms(33_000), lost=False)]
    return FaultyLink(broker, outages)


def desk(seed, name, *, faulty):
    tape = market(seed, 1500, start=START)
    link = broken if faulty else (lambda broker: broker)
    return Desk(tape, plan(seed, mids(tape)), reaction=react, link=link, **settings_of(name))


CASES = [(seed, name, faulty) for seed in SEEDS for name, _ in SETTINGS for faulty in (False, True)]


@pytest.mark.parametrize(("seed", "name", "faulty"), CASES)
def test_records_one_by_one_batches_and_recovery_tell_the_same(seed, name, faulty):
    whole = desk(seed, name, faulty=faulty)
    whole.run(SECONDS * 1000)
    kinds = {type(event) for event in whole.told}
    assert {trade_events.OrderFilled, trade_events.OrderWorking, events.Reconciled} <= kinds

    single = desk(seed, name, faulty=faulty)
    single.run(SECONDS * 1000, lambda: 1)
    assert single.log == whole.log

    rng = random.Random(seed)
    pieces = desk(seed, name, faulty=faulty)
    pieces.run(SECONDS * 1000, lambda: rng.randrange(1, 200))
    assert pieces.log == whole.log

    for kept in (whole.log, *(cut(whole.log, rng) for _ in range(3))):
        again = desk(seed, name, faulty=faulty)
        again.recover(kept)
        again.run(SECONDS * 1000)
        assert again.log == whole.log


def cut(log, rng):
    """The log up to anywhere, within a span of ticks too."""
    at = rng.randrange(len(log))
    while at < len(log) and log[at][0] == "sent":
        at += 1  # what an event caused is in the log with it, or was abandoned
    if at < len(log) and log[at][0] == "ticks":
        _, first, count = log[at]
        return [*log[:at], ("ticks", first, rng.randrange(1, count + 1))]
    return log[:at]


def played_until(sim, desk, at, end_ns):
    """Records before `end_ns`, straight into the simulator, then time; answers are thrown away."""
    while at < desk.count and TICK_RECORD.unpack_from(desk.tape, at * 64)[7] < end_ns:
        at, _ = sim.run(desk.tape, at, end_ns)
    sim.advance(end_ns - 1)
    while sim.take(sim.now_ns) is not None:
        pass
    return at


@pytest.mark.parametrize("seed", SEEDS)
def test_answered_questions_have_what_the_exchange_had_when_they_arrived(seed):
    """The broker answers from what it told; here the simulator is asked itself, stopped at each arrival."""
    found = desk(seed, "model", faulty=False)
    found.run(SECONDS * 1000)
    config = found.exchange.config
    there_ns, back_ns = config.entry_latency_ns, config.response_latency_ns
    sent = [entry[1] for entry in found.log if entry[0] == "sent"]
    answers = [event for event in found.told if isinstance(event, events.Reconciled)]
    assert len(answers) > 3

    again = desk(seed, "model", faulty=False)
    at = 0
    for answer in answers:
        arrival_ns = answer.ts_ns - back_ns
        while sent and sent[0].ts_ns <= arrival_ns:
            effect = sent.pop(0)
            at = played_until(again.exchange, again, at, effect.ts_ns)
            again.broker.dispatch(effect)
        # What a record of that very time brings is told before the answer, and counts.
        at = played_until(again.exchange, again, at, arrival_ns + 1)
        placed = [entry[1] for entry in found.log if entry[0] == "sent" and isinstance(entry[1], effects.PlaceOrder)]
        under_way = sum(arrival_ns - there_ns < effect.ts_ns <= arrival_ns for effect in placed)
        legs = again.exchange.live_orders - 3 * under_way  # an entry and its children
        assert (answer.position_qty, answer.working_orders) == (again.exchange.position, legs)
