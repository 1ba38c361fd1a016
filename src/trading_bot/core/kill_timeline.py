"""How long each stage of a kill took, for the person who pulled it (specification 8.3): ms since the switch latched.

Shell code: stamps are wall time, and nothing is decided by them. `closed` is the last execution,
`flat` the broker's own word that nothing is left, which is asked for once orders have settled (`orders.settle_ms`).
"""

from datetime import datetime
from typing import Final

from trading_bot.domain.effects import CancelOrder, Effect, EndRun, LatchKillSwitch, PlaceExit
from trading_bot.domain.events import Event
from trading_bot.domain.trade_events import FlattenAdvanced, TradeClosed
from trading_bot.domain.units import NS_PER_MS, NS_PER_S

LATCHED: Final = "latched"
TAKEN: Final = "taken"  # by the bot's loop
CANCELS: Final = "cancels"  # the first withdrawal left
EXIT: Final = "exit"  # the first exit left
CLOSED: Final = "closed"  # the position is zero by its executions
FLAT: Final = "flat"  # the broker has confirmed zero, and nothing works
HALTED: Final = "halted"  # the core has decided the end
STAGES: Final = (LATCHED, TAKEN, CANCELS, EXIT, CLOSED, FLAT, HALTED)
_DONE: Final = "DONE"  # the last step of a way to flat
_STAGE_OF: Final = {CancelOrder: CANCELS, PlaceExit: EXIT, TradeClosed: CLOSED, EndRun: HALTED}


class KillTimeline:
    """Stages of one kill; `ms` is empty until there is one. A stage counts when it happens first."""

    def __init__(self) -> None:
        """No kill yet."""
        self.ms: dict[str, float] = {}
        self._zero_ns = 0

    def taken(self, when: str, now_ns: int) -> None:
        """The bot has a request that was made at `when` (ISO, UTC), or at a time nobody can read: then now."""
        if not self.ms:
            self._zero_ns = min(_wall_ns(when) or now_ns, now_ns)
            self.ms[LATCHED] = 0.0
        self._stamp(TAKEN, now_ns)

    def told(self, record: Event | Effect, now_ns: int) -> None:
        """A result of the core is in the log and has left, at `now_ns` (wall time)."""
        kind = type(record)
        if kind is LatchKillSwitch:
            self.taken("", now_ns)  # one of the bot's own begins here
        if not self.ms:
            return
        if (stage := _STAGE_OF.get(kind)) is not None:
            self._stamp(stage, now_ns)
        elif isinstance(record, FlattenAdvanced) and record.step == _DONE:
            self._stamp(FLAT, now_ns)

    def _stamp(self, stage: str, now_ns: int) -> None:
        self.ms.setdefault(stage, round((now_ns - self._zero_ns) / NS_PER_MS, 3))


def _wall_ns(when: str) -> int:
    """Nanoseconds of a time as `iso_from_ns` writes it; 0 for anything else."""
    try:
        seconds = datetime.fromisoformat(f"{when[:19]}+00:00").timestamp()
        return round(seconds) * NS_PER_S + int(when[20:29])
    except ValueError:
        return 0
