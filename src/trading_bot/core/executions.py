"""Executions by the broker's ids: each counts once, however often it is told (specification 12)."""

from collections.abc import Mapping
from enum import Enum

from trading_bot.core.carried import EXECUTIONS_KEPT
from trading_bot.domain.units import is_whole


class Seen(Enum):
    """What is known of an execution that is told."""

    NEW = 0
    REPEATED = 1
    CORRECTED = 2  # of one that was told: the id differs in its last part only


def seen(executions: Mapping[str, int | None], exec_id: str) -> Seen:
    """Whether an execution was told before. IBKR ends an id with the number of the correction: `….01.01`, `….01.02`."""
    if exec_id in executions:
        return Seen.REPEATED
    stem, _, number = exec_id.rpartition(".")
    if stem.count(".") < 2 or not is_whole(number):
        return Seen.NEW
    return Seen.CORRECTED if any(known.rpartition(".")[0] == stem for known in executions) else Seen.NEW


def remember(executions: dict[str, int | None], exec_id: str, estimated_uusd: int | None) -> None:
    """One more; the oldest go. `estimated_uusd`: its commission until the broker has reported it, else None."""
    executions[exec_id] = estimated_uusd
    while len(executions) > EXECUTIONS_KEPT:
        del executions[next(iter(executions))]
