"""How reliable each signal has been on a log: direction, steadiness, coverage (feature SG06). It decides nothing.

Direction (.4): of the minutes in which an odd signal leaned and the price moved within the horizon, the share it leaned
the right way, stretched so that a coin is 0 and a clairvoyant 1. Steadiness (.3): how near the two halves of the log
are to each other in that share. Coverage (.3): the share of minutes in which the signal had a value. Even signals have
no direction and no score: only their coverage is told.
"""

from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core.event_log import LogReader
from trading_bot.core.player import Player
from trading_bot.core.replay import session_logs
from trading_bot.domain.effects import Effect
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import Event, OutcomeReached
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.signal_registry import SIGNALS

_DIRECTION: Final = 0.4
_STEADINESS: Final = 0.3
_COVERAGE: Final = 0.3
HORIZON_MINUTES: Final = 5
CALLS_MIN: Final = 30  # fewer calls of direction say nothing


class SignalReliability(msgspec.Struct, frozen=True, kw_only=True):
    """One signal over the minutes of a log; `score` 0..1, None where there are too few calls of direction."""

    signal: str
    minutes: int
    coverage: float
    calls: int
    right: float | None
    steadiness: float | None
    score: float | None


def reliability(calls: list[bool], coverage: float) -> tuple[float | None, float | None, float | None]:
    """(share right, steadiness, score) of calls of direction in the order of time; None below thirty calls."""
    if len(calls) < CALLS_MIN:
        return None, None, None
    right = sum(calls) / len(calls)
    half = len(calls) // 2
    first, second = sum(calls[:half]) / half, sum(calls[half:]) / (len(calls) - half)
    steadiness = 1.0 - abs(first - second)
    direction = max(0.0, 2.0 * right - 1.0)
    return right, steadiness, _DIRECTION * direction + _STEADINESS * steadiness + _COVERAGE * coverage


class _Minutes:
    def __init__(self) -> None:
        self.player: Player | None = None
        self.mids2: list[int] = []
        self.values: dict[str, list[float | None]] = {spec.name: [] for spec in SIGNALS}

    def message(self, record: Event | Effect) -> None:
        """At the close of every minute with a quote."""
        if not isinstance(record, OutcomeReached) or not record.code & Outcome.BAR:
            return
        assert self.player is not None
        assert self.player.machine is not None
        kernel = self.player.machine.state.kernel
        book = kernel.book()
        if book is None:
            return
        self.mids2.append(book[0] + book[2])
        for name, value in kernel.signals().items():
            self.values[name].append(value)


def signal_reliability(path: Path, *, build: str, horizon_minutes: int = HORIZON_MINUTES) -> list[SignalReliability]:
    """Play the logs of a run and judge every signal of the registry. `build` names the running kernel and core.

    Raises:
        UsageError: no log there, another build wrote it, or it has no closed minute.
    """
    seen = _Minutes()
    for log in session_logs(path):
        seen.player = Player(build=build, on_message=seen.message)
        with LogReader(log) as reader:
            seen.player.play(reader.spans())
        if not seen.player.compared:
            raise UsageError(f"{log}: another build wrote this log, so its minutes cannot be played; run the day again")
    if not seen.mids2:
        raise UsageError(f"{path}: no closed minute with a quote; expected a run over some minutes of market data")
    return [_judged(spec.name, spec.parity == "odd", seen, horizon_minutes) for spec in SIGNALS]


def _judged(name: str, odd: bool, seen: _Minutes, horizon: int) -> SignalReliability:  # noqa: FBT001 (a private row)
    values = seen.values[name]
    coverage = sum(value is not None for value in values) / len(values)
    calls = [
        (seen.mids2[at + horizon] > seen.mids2[at]) == (value > 0)
        for at, value in enumerate(values[: max(len(values) - horizon, 0)])
        if odd and value and seen.mids2[at + horizon] != seen.mids2[at]
    ]
    right, steadiness, score = reliability(calls, coverage)
    return SignalReliability(
        signal=name,
        minutes=len(values),
        coverage=coverage,
        calls=len(calls),
        right=right,
        steadiness=steadiness,
        score=score,
    )
