"""What the records of a run amount to: counts since its newest session's log began, and the newest of each kind.

Bounded: counters by fixed names, and the newest few of what a person reads.
"""

from collections import Counter, deque
from typing import Final

import msgspec

from trading_bot.core.documents import RunDocuments
from trading_bot.domain import events
from trading_bot.domain.config import BotConfig
from trading_bot.domain.effects import Alert, Effect
from trading_bot.domain.errors import LogCorrupt
from trading_bot.domain.events import Event
from trading_bot.domain.latency_events import LatencySummary
from trading_bot.domain.reasons import SafetyCheck
from trading_bot.domain.rule_events import RuleChanged
from trading_bot.domain.trade_events import BreakerChanged, OrderFilled, TradeClosed

DECISIONS_KEPT: Final = 64
ALERTS_KEPT: Final = 32
NAMES_MAX: Final = 512  # of one counter: names come from fixed tables, a damaged log may say anything
_OTHER: Final = "OTHER"
_CHECKS: Final = {check.value: check.name for check in SafetyCheck}


class Decision(msgspec.Struct, frozen=True):
    """A decision as it was journalled; `live` is why LIVE would not have entered."""

    seq: int
    ts_ns: int
    action: str
    reason: str
    template: str
    side: int
    text: str
    live: str


class Told(msgspec.Struct, frozen=True):
    """An alert."""

    seq: int
    ts_ns: int
    level: str
    code: str
    text: str


class Stop(msgspec.Struct, frozen=True):
    """A breaker or rule that stands: since when, until when at the earliest (TS_NEVER_NS: no time ends it), and why."""

    name: str
    response: str
    since_ns: int
    resumes_at_ns: int
    reason: str


class Story:
    """The run so far, as its log tells it."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.run_id = ""
        self.log = ""
        self.config: BotConfig | None = None
        self.mode = ""
        self.last_seq = 0
        self.messages = 0
        self.ticks = 0
        self.ts_ns = 0  # of the newest record
        self.tick_ts_ns = 0  # receive time of the newest market record
        self.decisions: deque[Decision] = deque(maxlen=DECISIONS_KEPT)
        self.alerts: deque[Told] = deque(maxlen=ALERTS_KEPT)
        self.decided: Counter[str] = Counter()  # action and reason, divided by a slash
        self.refused: Counter[str] = Counter()  # checks of the safety gate
        self.alerted: Counter[str] = Counter()  # level and code, divided by a slash
        self.fills = 0
        self.trades_closed = 0
        self.stops: dict[str, Stop] = {}
        self.latency: events.LatencySampled | None = None
        self.summary: LatencySummary | None = None
        self.session_state = ""
        self.ended = ""

    def begin_log(self, name: str) -> None:
        """Another session of the run: its numbers begin anew, breakers stand over it."""
        self.log, self.last_seq, self.ended = name, 0, ""

    def ticks_seen(self, first_seq: int, count: int, ts_ns: int) -> None:
        """Market records; `ts_ns` is the newest one's."""
        self.ticks += count
        self.last_seq = first_seq + count - 1
        self.tick_ts_ns = self.ts_ns = max(self.ts_ns, ts_ns)

    def take(self, seq: int, record: Event | Effect) -> None:
        """A message."""
        self.messages += 1
        self.last_seq, self.ts_ns = seq, max(self.ts_ns, record.ts_ns)
        match record:
            case events.DecisionMade():
                self._decided(seq, record)
            case events.SafetyVerdict() if record.failed:
                _count(self.refused, *(_check_name(number) for number in record.failed))
            case Alert():
                _count(self.alerted, f"{record.level}/{record.code}")
                self.alerts.append(Told(seq, record.ts_ns, record.level, record.code, record.text))
            case OrderFilled():
                self.fills += 1
            case TradeClosed():
                self.trades_closed += 1
            case BreakerChanged():
                self._stopped(record.breaker, record)
            case RuleChanged():
                self._stopped(record.rule, record)
            case events.LatencySampled():
                self.latency = record
            case LatencySummary():
                self.summary = record
            case events.SessionChanged():
                self.session_state = record.state
            case events.RunStarted():
                self.mode = record.mode
                self._configured(record.documents)
            case events.ProcessStarted() if record.documents:
                self._configured(record.documents)
            case events.RunEnded():
                self.ended = record.exit_reason
            case _:
                pass

    def _decided(self, seq: int, record: events.DecisionMade) -> None:
        _count(self.decided, f"{record.action}/{record.reason}")
        self.decisions.append(
            Decision(
                seq,
                record.ts_ns,
                record.action,
                record.reason,
                record.template,
                record.side,
                record.text,
                record.live,
            )
        )

    def _stopped(self, name: str, record: BreakerChanged | RuleChanged) -> None:
        if not record.tripped:
            self.stops.pop(name, None)
        elif len(self.stops) < NAMES_MAX:
            self.stops[name] = Stop(name, record.response, record.ts_ns, record.resumes_at_ns, record.reason)

    def _configured(self, documents: bytes) -> None:
        try:
            self.config = RunDocuments.unpack(documents, where="the log that is watched").config
        except LogCorrupt:
            self.config = None  # of another version: its limits are not known


def _count(counter: Counter[str], *names: str) -> None:
    for name in names:
        counter[name if name in counter or len(counter) < NAMES_MAX else _OTHER] += 1


def _check_name(number: int) -> str:
    return _CHECKS.get(number, str(number))
