"""A tape by hand: each line one record or one call, answers as short tuples."""

from trading_bot._fast.exchange import ExchangeSim
from trading_bot.domain.exchange import Answer, ExchangeConfig, Leg, OrderKind
from trading_bot.domain.records import Aggressor
from trading_bot.domain.units import TS_NEVER_NS

BUY, SELL = 1, -1
LIMIT, MARKET, STOP, STOP_LIMIT = OrderKind.LIMIT, OrderKind.MARKET, OrderKind.STOP, OrderKind.STOP_LIMIT
FEE = 1_250_000  # specification 1: a round trip of $2.50, one side of it
INSTANT = dict.fromkeys(["entry_latency_ns", "response_latency_ns", "child_latency_ns", "stop_latency_ns"], 0)


def exchange(**changes):
    """No latency unless asked for."""
    return ExchangeSim(ExchangeConfig(**{**INSTANT, **changes}))


def answers(sim, until=None) -> list[Answer]:
    """Everything delivered up to `until` (default: now), through `next_due_ns` as the shell does it."""
    end = sim.now_ns if until is None else until
    taken = []
    while sim.next_due_ns <= end:
        due = sim.next_due_ns
        while (answer := sim.take(due)) is not None:
            taken.append(answer)
    return taken


def told(sim, until=None, *, acks=False) -> list[tuple]:
    """(leg, kind, lots, price, remaining) of each answer, without acknowledgements."""
    return [
        (answer.leg.name, answer.kind.name, answer.qty, answer.price_ticks, answer.remaining)
        for answer in answers(sim, until)
        if acks or answer.kind.name != "ACK"
    ]


def fills(sim, until=None) -> list[tuple]:
    """(leg, lots, price) of each execution."""
    return [(leg, lots, price) for leg, kind, lots, price, _ in told(sim, until) if kind in {"FILL", "PARTIAL"}]


def sold(sim, ts_ns, price, lots):
    """Somebody sells into the bid."""
    return sim.on_trade(ts_ns, price, lots, Aggressor.SELL)


def bought(sim, ts_ns, price, lots):
    """Somebody lifts the offer."""
    return sim.on_trade(ts_ns, price, lots, Aggressor.BUY)


__all__ = [
    "BUY",
    "FEE",
    "INSTANT",
    "LIMIT",
    "MARKET",
    "SELL",
    "STOP",
    "STOP_LIMIT",
    "TS_NEVER_NS",
    "Leg",
    "answers",
    "bought",
    "exchange",
    "fills",
    "sold",
    "told",
]
