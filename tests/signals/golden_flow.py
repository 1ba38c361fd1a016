"""The live signals of one tape in closed form: each event times the product of the decays behind it, in numpy.

Forty rounds of a quote and a trade, 40 s apart, then a busy second and a half; read at a grid point behind it.
"""

import random
from itertools import pairwise

import numpy as np

from tests.property.tapes import Call
from tests.signals.market import DAY0, S

FIRST = DAY0 + 12 * 3600 * S  # noon, a whole second
MS = 1_000_000
BUCKET = 5
# The busy end, in ms behind the last round: (bid, bid size, ask, ask size) or (price, size, side).
END = (
    (100, (20_008, 12, 20_009, 30)),
    (400, (20_009, 5, 1)),
    (900, (20_010, 40, 20_012, 10)),
    (1_300, (20_012, 7, 1)),
    (1_310, (20_014, 3, 1)),
    (1_320, (20_010, 2, 2)),
    (1_330, (20_010, 35, 20_012, 5)),
    (1_340, (20_012, 4, 1)),
    (1_350, (20_030, 6, 1)),
    (1_400, (20_010, 25, 20_012, 15)),
)


LAST_ROUND = FIRST + 40 * 40 * S
SECOND = LAST_ROUND + 1 * S  # the last whole second
NOW = LAST_ROUND + 1_600 * MS


def events() -> list[tuple[int, tuple[int, ...]]]:
    """(time, quote of four numbers or trade of three)."""
    rng, found, bid = random.Random(3), [], 20_000
    for i in range(40):
        bid += rng.choice([-2, -1, 1, 2])
        quote = (bid, rng.randint(1, 50), bid + rng.choice([1, 2]), rng.randint(1, 50))
        found.append((FIRST + i * 40 * S, quote))
        side = rng.choice([0, 1, 2])
        found.append((FIRST + i * 40 * S + 10 * S + 7 * MS, (quote[2] if side == 1 else bid, rng.randint(1, 40), side)))
    return found + [(LAST_ROUND + ms * MS, event) for ms, event in END]


def calls() -> list[Call]:
    return [("on_quote", (t, *e, 0, 0)) if len(e) == 4 else ("on_trade", (t, *e, 0, 0)) for t, e in events()] + [
        ("on_time", (NOW,))
    ]


def decay(dt_ns: int, tau_s: float) -> float:
    return (1 + dt_ns / 1e9 / (8 * tau_s)) ** -8.0


def decayed(times: list[int], sizes: list[float], tau_s: float, until: int) -> float:
    """Each size times the decays of all steps from its time to `until`."""
    total = 0.0
    for i, size in enumerate(sizes):
        steps = [b - a for a, b in pairwise([*times[i:], until])]
        total += size * float(np.prod([decay(step, tau_s) for step in steps]))
    return total


def order_flow(old: tuple[int, ...], new: tuple[int, ...]) -> int:
    """Cont, Kukanov, Stoikov: what was added to the bid less what was added to the ask."""
    bid = new[1] if new[0] > old[0] else -old[1] if new[0] < old[0] else new[1] - old[1]
    ask = new[3] if new[2] < old[2] else -old[3] if new[2] > old[2] else new[3] - old[3]
    return bid - ask


def expected() -> dict[str, float]:
    """Every live signal 1.6 s behind the last round, a grid point 200 ms behind the last record."""
    tape = events()
    quotes = [(t, e) for t, e in tape if len(e) == 4]
    trades = [(t, e) for t, e in tape if len(e) == 3]
    bid, bid_qty, ask, ask_qty = quotes[-1][1]
    times = [t for t, _ in quotes[1:]]
    flow = [order_flow(a[1], b[1]) for a, b in pairwise(quotes)]
    depth = [(e[1] + e[3]) / 2 for _, e in quotes[1:]]
    trade_times = [t for t, _ in trades]
    signs = [{1: 1, 2: -1, 0: 0}[e[2]] for _, e in trades]
    signed = [sign * e[1] for sign, (_, e) in zip(signs, trades, strict=True)]
    moves = [(b[0], b[1][0] + b[1][2] - a[1][0] - a[1][2]) for a, b in pairwise(quotes)]
    moves = [(t, move) for t, move in moves if move]
    found: dict[str, float] = {
        "dvs": 1 - 20 / 100,  # the trade 18 ticks above the ask
        "spread_ticks": ask - bid,
        "microprice_dev": (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty) - (bid + ask) / 2,
        "queue_imbalance": (bid_qty - ask_qty) / (bid_qty + ask_qty),
        "sweep_ticks": 20_030 - 20_012,  # the last two trades, 250 ms ago
        "absorption": (7 + 4) - 2,  # bought at the ask of 20 012 and sold at the bid of 20 010 since they are there
        "stream_age_ms": 200.0,
    }
    for tau in (1, 5, 30):
        mean = decayed(times, depth, tau, NOW) / decayed(times, [1.0] * len(times), tau, NOW)
        found[f"ofi_{tau}s"] = decayed(times, flow, tau, NOW) / mean
        sizes = [float(e[1]) for _, e in trades]
        found[f"trade_imb_{tau}s"] = decayed(trade_times, signed, tau, NOW) / decayed(trade_times, sizes, tau, NOW)
        then = [e for t, e in quotes if t < NOW - tau * S][-1]
        found[f"mom_{tau}s"] = (bid + ask - then[0] - then[2]) / 2
    for tau in (30, 300):
        squares = decayed([t for t, _ in moves], [(move / 2) ** 2 for _, move in moves], tau, NOW)
        found[f"rv_{tau}s"] = float(np.sqrt(squares / tau))
    counts = [[1.0] * len(signs), [float(sign > 0) for sign in signs], [float(sign < 0) for sign in signs]]
    trades_5s, buys_5s, sells_5s = (decayed(trade_times, count, 5, NOW) for count in counts)
    found["intensity_sum"] = trades_5s / 5
    found["intensity_imb"] = (buys_5s - sells_5s) / trades_5s
    found["kyle_lambda"] = lambda_of(quotes, list(zip(trade_times, signed, strict=True)))
    contracts = [sign for sign, (t, e) in zip(signs, trades, strict=True) for _ in range(e[1]) if t < SECOND]
    full = np.array(contracts[: len(contracts) // BUCKET * BUCKET]).reshape(-1, BUCKET)
    found["vpin"] = float(np.abs(full.sum(axis=1))[-50:].mean() / BUCKET)
    return found


def lambda_of(quotes: list[tuple[int, tuple[int, ...]]], signed: list[tuple[int, int]]) -> float:
    """Sum of volume times move over sum of squared volume, by whole second, each second weighing less by one step."""
    at = np.arange(FIRST + S, SECOND + 1, S)
    mids = np.array([next((e[0] + e[2]) / 2 for t, e in reversed(quotes) if t < second) for second in at])
    flow = np.array([sum(size for t, size in signed if second - S <= t < second) for second in at])
    ages = (SECOND - at[1:]) // S
    weights = decay(S, 60) ** ages
    return float((weights * flow[1:] * np.diff(mids)).sum() / (weights * flow[1:] ** 2).sum())
