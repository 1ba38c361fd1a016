"""Simulated strategies with a known edge: how often the loop raises an alarm, and when it is right.

Specification 9 gives the rates for a target of 8 and a stop of 6 ticks at a round-trip cost of 2.7 ticks over 200
trades. `make learning-study SEEDS=1000` prints the tables of docs/learning.md and the goals of issue 8; it exits with 1
when one is missed.
"""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

import msgspec

from trading_bot.core.learning_loop import Finding, LearningLoop, LearningState, TradeOutcome

TARGET_TICKS, STOP_TICKS, COST_TICKS = 8, 6, 2.7
TICK_USD, COMMISSION_USD = 1.25, 2.50
ALARM = {LearningState.THROTTLED_150, LearningState.QUARANTINED}

PESSIMISM_TICKS = 0.5  # what a shadow trade is assumed to lose against a real one: it waits behind the whole queue
FALSE_ALARMS_MAX, FOUND_MIN = 10.0, 80.0  # per cent: the goals, at +1 and at -1 tick within 200 trades

Edge = Callable[[int], float]


@dataclass
class Day:
    """What became of one simulated strategy."""

    states: set[LearningState] = field(default_factory=set)
    alarm_at: int | None = None
    quarantined_at: int | None = None
    drawdown: bool = False
    last: LearningState = LearningState.ACTIVE


def outcome(rng: random.Random, edge_ticks: float, index: int, *, shadow: bool = False) -> TradeOutcome:
    """`edge_ticks` is the expected net result: p·T − (1−p)·S − cost."""
    p = (STOP_TICKS + COST_TICKS + edge_ticks) / (TARGET_TICKS + STOP_TICKS)
    net_ticks = (TARGET_TICKS if rng.random() < p else -STOP_TICKS) - COST_TICKS
    return TradeOutcome(
        template="S2",
        pnl_usd=round(net_ticks * TICK_USD + COMMISSION_USD, 6),
        exit_ts_ns=index,
        shadow=shadow,
    )


def follow(seed: int, edge: Edge, trades: int) -> Day:
    """Every trade is taken, whatever the state: what is measured is the first alarm."""
    rng, loop, day = random.Random(seed), LearningLoop(templates=("S2",)), Day()
    for index in range(1, trades + 1):
        update = loop.record(outcome(rng, edge(index), index))
        if update is None:
            continue
        day.states.add(update.state)
        day.drawdown |= update.evidence.finding is Finding.DRAWDOWN
        if update.state in ALARM and day.alarm_at is None:
            day.alarm_at = index
        if update.state is LearningState.QUARANTINED and day.quarantined_at is None:
            day.quarantined_at = index
    day.last = loop.state("S2")
    return day


def shadowed(seed: int, edge_ticks: float, trades: int) -> tuple[LearningState, int]:
    """A quarantined strategy of this edge in shadow trades: where it went and after how many, at most `trades`."""
    rng, loop = random.Random(seed), LearningLoop(templates=("S2",))
    index = 0
    while loop.state("S2") is not LearningState.QUARANTINED:
        index += 1
        loop.record(outcome(rng, -6.0, index))
    for count in range(1, trades + 1):
        update = loop.record(outcome(rng, edge_ticks, index + count, shadow=True))
        if update is not None:
            return update.state, count
    return LearningState.QUARANTINED, trades


def lived(seed: int, edge: Edge, chances: int) -> LearningState:
    """Where a strategy stands after so many chances to trade, each taken as its state then allows.

    Trading it takes a real trade; in quarantine a shadow trade, which brings half a tick less; archived nothing.
    """
    rng, loop = random.Random(seed), LearningLoop(templates=("S2",))
    for index in range(1, chances + 1):
        state = loop.state("S2")
        if state is LearningState.ARCHIVED:
            break
        shadow = state is LearningState.QUARANTINED
        loop.record(outcome(rng, edge(index) - (PESSIMISM_TICKS if shadow else 0.0), index, shadow=shadow))
    return loop.state("S2")


def kept(seed: int, edge_ticks: float, promise_ticks: float, weeks: int) -> float:
    """The factor on belief after so many weeks of 20 trades that each promised this and had that edge."""
    rng, loop = random.Random(seed), LearningLoop(templates=("S2",))
    for week in range(weeks):
        day = date(2026, 1, 5) + timedelta(weeks=week)
        loop.adopt_beliefs(day.year * 10_000 + day.month * 100 + day.day)
        for _ in range(20):
            closed = outcome(rng, edge_ticks, week + 1)
            promise_uusd = round(promise_ticks * TICK_USD * 1e6)
            loop.record(msgspec.structs.replace(closed, belief_e6=700_000, p_e6=600_000, promised_uusd=promise_uusd))
    return loop.belief_factor("S2")


def percent(days: list[Day], condition: Callable[[Day], bool]) -> float:
    return 100.0 * sum(condition(day) for day in days) / len(days)


def median(values: list[int]) -> str:
    return str(sorted(values)[len(values) // 2]) if values else "-"


CASES: list[tuple[str, Edge, int]] = [
    ("+1", lambda _: 1.0, 200),
    ("+0.5", lambda _: 0.5, 200),
    ("0", lambda _: 0.0, 200),
    ("-1", lambda _: -1.0, 200),
    ("+1", lambda _: 1.0, 1000),
    ("+1 for 200, then -1", lambda index: 1.0 if index <= 200 else -1.0, 400),
    ("+1 for 200, then -2", lambda index: 1.0 if index <= 200 else -2.0, 400),
    ("+1 falling evenly to -2", lambda index: 1.0 - 3.0 * index / 400, 400),
]


def edge_table(seeds: int) -> list[str]:
    rows = ["| edge (ticks) | trades | ×1.2 | ×1.5 or quarantine | quarantine | drawdown | median trade of the alarm |"]
    rows.append("|---|---|---|---|---|---|---|")
    for name, edge, trades in CASES:
        days = [follow(seed, edge, trades) for seed in range(seeds)]
        light = percent(days, lambda day: LearningState.THROTTLED_120 in day.states)
        alarm = percent(days, lambda day: day.alarm_at is not None)
        quarantine = percent(days, lambda day: day.quarantined_at is not None)
        drawdown = percent(days, lambda day: day.drawdown)
        at = median([day.alarm_at for day in days if day.alarm_at is not None])
        rows.append(f"| {name} | {trades} | {light:.1f} | {alarm:.1f} | {quarantine:.1f} | {drawdown:.1f} | {at} |")
    return rows


def shadow_table(seeds: int) -> list[str]:
    rows = ["| edge in shadow trades | released | archived | median trade of either |", "|---|---|---|---|"]
    for edge_ticks in (1.0, 0.5, 0.0, -1.0):
        ends = [shadowed(seed, edge_ticks, 600) for seed in range(seeds)]
        released = 100 * sum(state is LearningState.THROTTLED_150 for state, _ in ends) / seeds
        archived = 100 * sum(state is LearningState.ARCHIVED for state, _ in ends) / seeds
        at = median([count for state, count in ends if state is not LearningState.QUARANTINED])
        rows.append(f"| {edge_ticks:+.1f} | {released:.1f} | {archived:.1f} | {at} |")
    return rows


def life_table(seeds: int) -> list[str]:
    names = [state.value for state in LearningState]
    rows = ["| edge (ticks) | chances | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    cases = [(name, edge, max(trades, 400)) for name, edge, trades in CASES if trades != 1000]
    for name, edge, chances in cases:
        ends = [lived(seed, edge, chances) for seed in range(seeds)]
        shares = [f"{100 * sum(end.value == state for end in ends) / seeds:.1f}" for state in names]
        rows.append(f"| {name} | {chances} | {' | '.join(shares)} |")
    return rows


def belief_table(seeds: int) -> list[str]:
    rows = ["| promised | edge | mean factor after 26 weeks | below .9 | below .75 |", "|---|---|---|---|---|"]
    for promise, edge in ((1.0, 1.0), (1.0, 0.5), (1.0, 0.0), (1.0, -1.0), (2.0, 0.0)):
        found = [kept(seed, edge, promise, 26) for seed in range(seeds)]
        below = [100 * sum(factor < bound for factor in found) / seeds for bound in (0.9, 0.75)]
        mean = sum(found) / seeds
        rows.append(f"| {promise:+.1f} | {edge:+.1f} | {mean:.2f} | {below[0]:.1f} | {below[1]:.1f} |")
    return rows


@cache
def steady(edge_ticks: float, seeds: int) -> list[Day]:
    """200 trades of an edge that stays, for each seed."""
    return [follow(seed, lambda _: edge_ticks, 200) for seed in range(seeds)]


def goals(seeds: int) -> tuple[bool, list[str]]:
    """Whether the goals of issue 8 are met, and what was reached."""
    alarms = percent(steady(1.0, seeds), lambda day: day.alarm_at is not None)
    found = percent(steady(-1.0, seeds), lambda day: day.alarm_at is not None)
    rows = [
        f"false alarms at +1 tick in 200 trades: {alarms:.1f} % ({seeds} seeds), goal at most {FALSE_ALARMS_MAX:g} %",
        f"found at -1 tick in 200 trades: {found:.1f} % ({seeds} seeds), goal at least {FOUND_MIN:g} %",
    ]
    return alarms <= FALSE_ALARMS_MAX and found >= FOUND_MIN, rows


def main(seeds: int) -> int:
    met, rows = goals(seeds)
    tables = [edge_table(seeds), shadow_table(seeds), life_table(seeds), belief_table(seeds)]
    sys.stdout.write("\n".join([*rows, "met" if met else "MISSED", ""]))
    for table in tables:
        sys.stdout.write("\n".join(["", *table, ""]))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
