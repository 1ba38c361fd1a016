"""The regimes of a day: its log is played, and the one classifier is asked at the close of every minute.

A log records the regime with each trade only; the rest of the day's is what the kernel would have answered.
"""

from pathlib import Path

import msgspec

from trading_bot.core.event_log import LogReader
from trading_bot.core.player import Player
from trading_bot.core.regimes import regime_now
from trading_bot.core.replay import session_logs
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event, OutcomeReached
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.engines.regime import Regime, Trend, Volatility


class RegimeSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One regime from `start_ns` up to `end_ns`; `seq` is the record of the log it was first found at."""

    start_ns: int
    end_ns: int
    trend: Trend
    volatility: Volatility
    log: str
    seq: int


def day_regimes(path: Path, *, build: str) -> tuple[RegimeSpan, ...]:
    """The regimes in a run's folder or in one session's log, in order of time; none from another build's log.

    `build` names the running kernel and core. A stretch begins with the close of the minute at which it was found and
    ends at most a minute after the last.

    Raises:
        ReplayDiverged: the log's effects do not follow from its inputs.
        LogCorrupt: a damaged record.
    """
    found: list[RegimeSpan] = []
    for log in session_logs(path):
        minutes = _Minutes(log.name)
        player = Player(build=build, on_message=minutes.message)
        minutes.player = player
        with LogReader(log) as reader:
            player.play(reader.spans())
        found += minutes.spans
    return tuple(found)


class _Minutes:
    """Takes the regime at each closed minute of one log."""

    def __init__(self, log: str) -> None:
        self.player: Player | None = None
        self.spans: list[RegimeSpan] = []
        self._log = log

    def message(self, record: Event | Effect) -> None:
        """One record after it was applied."""
        if not isinstance(record, OutcomeReached) or not record.code & Outcome.BAR:
            return
        player = self.player
        assert player is not None
        assert player.machine is not None
        if player.compared:
            self._take(regime_now(player.machine.state), record.ts_ns, player.last_seq)

    def _take(self, regime: Regime, ts_ns: int, seq: int) -> None:
        end_ns = ts_ns + NS_PER_MIN
        if self.spans:
            last = self.spans[-1]
            last_ns = min(last.end_ns, ts_ns)
            if (last.trend, last.volatility) == regime and last.end_ns >= ts_ns:
                self.spans[-1] = msgspec.structs.replace(last, end_ns=end_ns)
                return
            self.spans[-1] = msgspec.structs.replace(last, end_ns=last_ns)
        trend, volatility = regime
        self.spans.append(
            RegimeSpan(start_ns=ts_ns, end_ns=end_ns, trend=trend, volatility=volatility, log=self._log, seq=seq)
        )
