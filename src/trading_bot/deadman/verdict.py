"""Is the bot alive? Judged from its heartbeat and its lock alone; no clock is read here."""

from enum import StrEnum

from trading_bot.core.heartbeat import Pulse
from trading_bot.domain.deadman_config import DeadmanConfig
from trading_bot.domain.units import NS_PER_S


class Verdict(StrEnum):
    """What a look at heartbeat and lock says."""

    NOBODY = "NOBODY"  # no bot that sends orders has run here, or the last one has ended in order
    STARTING = "STARTING"
    ALIVE = "ALIVE"
    SILENT = "SILENT"  # not for long enough yet
    FROZEN = "FROZEN"  # the process is there and its loop is not
    ASKED = "ASKED"  # it lives, has not got its position closed in time, and has asked for help
    GONE = "GONE"  # the process is not there, and nobody has ended it in order


DOWN = frozenset({Verdict.FROZEN, Verdict.ASKED, Verdict.GONE})


def judge(pulse: Pulse | None, *, locked: bool, now_ns: int, observed_ns: int, config: DeadmanConfig) -> Verdict:
    """`locked`: a process holds `bot.lock`. `observed_ns` is since when somebody has been looking without a pause.

    A silence counts from there at the earliest: who stood still himself (a machine that was halted) has seen nothing.
    Times are monotonic; a heartbeat of before the machine was started may lie ahead of now, and counts as none.
    """
    if pulse is None or not pulse.owed:
        return (
            Verdict.STARTING if locked and pulse is not None and pulse.beat_ns == 0 else _unowed(pulse, locked=locked)
        )
    starting = pulse.beat_ns == 0
    newest_ns = pulse.starting_ns if starting else pulse.beat_ns
    silent_s = (now_ns - max(newest_ns if newest_ns <= now_ns else 0, observed_ns)) / NS_PER_S
    if locked and 0 < pulse.asked_ns <= now_ns - round(config.limit_s * NS_PER_S):
        return Verdict.ASKED
    if locked and starting:
        return Verdict.STARTING if silent_s < config.start_s else Verdict.FROZEN
    if silent_s >= config.limit_s:
        return Verdict.FROZEN if locked else Verdict.GONE
    return Verdict.ALIVE if locked and silent_s < config.limit_s / 2 else Verdict.SILENT


def _unowed(pulse: Pulse | None, *, locked: bool) -> Verdict:
    return Verdict.ALIVE if locked and pulse is not None else Verdict.NOBODY


def age_s(pulse: Pulse | None, now_ns: int) -> float | None:
    """Seconds since the newest beat; None before the first, or when it lies ahead of now."""
    if pulse is None or not 0 < pulse.beat_ns <= now_ns:
        return None
    return round((now_ns - pulse.beat_ns) / NS_PER_S, 3)
