"""The nominal-day check (specification 6.3): which gates close how much of a day's regular hours.

A log is played again; at the close of every regular minute each template that is on is asked about with a belief that
would pay, and every gate that says no is counted. A gate that closes most of a nominal day is a configuration that does
not trade, whatever its templates say.
"""

from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core.event_log import LogReader
from trading_bot.core.on_outcome import decision_inputs
from trading_bot.core.player import Player
from trading_bot.core.replay import session_logs
from trading_bot.core.state import State
from trading_bot.domain.effects import Effect
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import Event, OutcomeReached
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.reasons import GateReason

WARN_ABOVE: Final = 0.30
# Beyond what pays for every shipped template: what blocks then is not the candidate.
_BELIEF: Final = 0.97


class NominalDay(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the regular minutes, 0..1.

    `gates` is the mean over the templates that are on, `templates` each by itself, `open_share` the minutes in which at
    least one template could enter; `warnings` names gates above 30 %.
    """

    minutes: int
    gates: dict[str, float]
    templates: dict[str, dict[str, float]]
    open_share: float
    warnings: tuple[str, ...]


class _Count:
    def __init__(self) -> None:
        self.player: Player | None = None
        self.minutes = 0
        self.open_minutes = 0
        self.blocked: dict[str, dict[str, int]] = {}

    def message(self, record: Event | Effect) -> None:
        """Before the results of a closed minute are in the log: the state is that of the minute's end."""
        if not isinstance(record, OutcomeReached) or not record.code & Outcome.BAR:
            return
        assert self.player is not None
        assert self.player.machine is not None
        state = self.player.machine.state
        day = state.day
        if day is None or day.rth_open_ns is None or day.rth_close_ns is None:
            return
        if day.rth_open_ns < record.ts_ns <= day.rth_close_ns:
            self._minute(state, record)

    def _minute(self, state: State, record: OutcomeReached) -> None:
        inputs = decision_inputs(state, record.ts_ns, record.dvs_c)
        self.minutes += 1
        enters = False
        for index, (name, template) in enumerate(state.documents.templates.items()):
            if not template.on:
                continue
            row = self.blocked.setdefault(name, {})
            decision = state.decisions.decide(state.kernel.terms(index, 1, _BELIEF, record.ts_ns), inputs)
            enters = enters or decision.mask == 0
            for gate in GateReason:
                if decision.mask >> gate & 1:
                    row[gate.name] = row.get(gate.name, 0) + 1
        self.open_minutes += enters


def nominal_day(path: Path, *, build: str) -> NominalDay:
    """Play the logs of a run and count. `build` names the running kernel and core.

    Raises:
        UsageError: no log there, another build wrote it, or it has no regular minute.
    """
    count = _Count()
    for log in session_logs(path):
        count.player = Player(build=build, on_message=count.message)
        with LogReader(log) as reader:
            count.player.play(reader.spans())
        if not count.player.compared:
            raise UsageError(f"{log}: another build wrote this log, so its day cannot be played; run the day again")
    if not count.minutes or not count.blocked:
        raise UsageError(
            f"{path}: no regular minute with a template that is on; expected a day with 09:30-16:00 ET in it"
        )
    templates = {
        name: {gate: minutes / count.minutes for gate, minutes in sorted(row.items())}
        for name, row in count.blocked.items()
    }
    names = sorted({gate for row in templates.values() for gate in row}, key=lambda name: GateReason[name])
    gates = {name: sum(row.get(name, 0.0) for row in templates.values()) / len(templates) for name in names}
    return NominalDay(
        minutes=count.minutes,
        gates=gates,
        templates=templates,
        open_share=count.open_minutes / count.minutes,
        warnings=tuple(name for name, share in gates.items() if share > WARN_ABOVE),
    )
