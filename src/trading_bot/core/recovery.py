"""Start-up is recovery: a run that did not end in an orderly way goes on where its log stops (architecture law 10)."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from trading_bot._fast import ExchangeSim
from trading_bot.core.carried import Carried
from trading_bot.core.counters import RunCounters
from trading_bot.core.digest import EffectsDigest
from trading_bot.core.documents import RunDocuments
from trading_bot.core.event_log import EventLog, LogReader, MessageFrame, recover
from trading_bot.core.log_care import REASONS as LOG_TROUBLE
from trading_bot.core.machine import Machine
from trading_bot.core.opening import RunIdentity, gate_inputs, opening_inputs, process_started
from trading_bot.core.player import Player, Tail
from trading_bot.core.replay import session_logs
from trading_bot.domain import events, log_records, trade_events
from trading_bot.domain.effects import BrokerEffect, Effect, PlaceShadow
from trading_bot.domain.errors import ReplayDiverged, UsageError
from trading_bot.domain.events import Event, Input
from trading_bot.domain.ports import Broker

SESSION_ROLL: Final = "SESSION_ROLL"
# Ends of a log after which the same command goes on with the run: the next session, a halt that a person cleared, or a
# disk that has room again or was mended.
_GO_ON: Final = (SESSION_ROLL, "KILL_SWITCH", *LOG_TROUBLE)
_BROKER_ANSWERS: Final = (
    events.OrderSuppressed,
    events.OrderAcknowledged,
    events.OrderCancelled,
    events.OrderRejected,
    trade_events.OrderWorking,
    trade_events.OrderFilled,
    trade_events.StopTriggered,
    trade_events.RequestRefused,
    trade_events.ShadowFilled,
    trade_events.ShadowEnded,
)

_SHADOWS: Final = (PlaceShadow, trade_events.ShadowFilled, trade_events.ShadowEnded)


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """A run ready to go on. `full`: the log was replayed and every effect compared; otherwise only facts survive.

    `warm`: kernel and broker are as the last log left them, also where that log ended and the next is to begin.

    `broker` and `exchange` are the simulated ones: as the log left them when `warm`, else new. Where orders leave this
    machine only shadow trades go to them.

    `log` is None when the run was cut between two session logs; `previous` is the session before the last log's.
    """

    log: EventLog | None
    player: Player
    full: bool
    warm: bool
    torn_bytes: int
    tail: Tail | None
    feed_records: int
    ts_first_ns: int
    previous: Machine | None
    broker: Broker
    exchange: ExchangeSim | None

    def machine_before(self, documents: RunDocuments) -> Machine | None:
        """What the next session's log is begun from when the run was cut between two; None before the first.

        A kernel of another configuration or build cannot be carried over: then only facts are.
        """
        machine = self.player.machine
        if machine is None or (self.player.compared and machine.state.documents.config_hash == documents.config_hash):
            return machine
        return machine.restarted(documents, self.player.facts)

    def process_started(self, documents: RunDocuments, identity: RunIdentity) -> events.ProcessStarted:
        """The record of the process that goes on with this run."""
        return process_started(
            documents,
            identity,
            self.player.last_ts_ns,
            last_seq=self.player.last_seq,
            torn_bytes=self.torn_bytes,
            cold=not self.full,
        )

    def opening_missing(self, documents: RunDocuments, first: Carried, now: Carried) -> list[Input]:
        """Opening records of the session that the log does not hold because it was cut among them.

        A cold start has all its gates to open again. `first` is what the run began with, `now` what stands.
        """
        if not self.full:
            return gate_inputs(documents, self.player.last_ts_ns, now)
        ts_ns, seen, before = self.player.last_ts_ns, self.player.seen, self.previous
        carried = before.state.carried() if before else first
        inputs = opening_inputs(documents, ts_ns, carried, before.state.kernel.snapshot() if before else b"")
        return [event for event in inputs if type(event) not in seen]

    @property
    def takes_history(self) -> bool:
        """Whether a warm-up is needed at all: a kernel that has stepped a record goes on with what it has."""
        return not self.warm or (self.full and self.player.ticks == 0 and self.previous is None)

    def history_missing(self, history: Sequence[events.HistoryLoaded]) -> Sequence[events.HistoryLoaded]:
        """Warm-up that the kernel has not had. One that has stepped a record takes none; a cold one takes all."""
        if not self.full:
            return history
        taken = self.player.ticks > 0 or self.previous is not None
        return () if taken else history[self.player.history_events :]


def unfinished(run_folder: Path) -> bool:
    """Whether a run lacks its orderly end: its last log has none, or ends where the next session should begin.

    A folder without any log is not a run.

    Raises:
        LogCorrupt: the log is damaged; it is never continued, and never passed over silently.
    """
    try:
        last = session_logs(run_folder)[-1]
    except UsageError:
        return False
    with LogReader(last) as reader:
        ended: MessageFrame | None = None
        for item in reader.spans():
            ended = item if isinstance(item, MessageFrame) else None
        if not reader.closed or ended is None:
            return True
        record = log_records.decode(ended.payload)
        if isinstance(record, events.RunEnded):
            return record.exit_reason in _GO_ON
        return not isinstance(record, events.CoreFailed)  # closed with a position that was left with its stop


Sink = Callable[[], tuple[Broker, ExchangeSim | None]]


def recover_run(run_folder: Path, *, build: str, config_hash: str, sink: Sink, orders_left: bool = False) -> Recovered:
    """Replay the sessions of a run and open its last log for appending.

    `sink` makes a simulated broker, and the exchange it has. They are rebuilt from the market data, effects and answers
    in the logs, where our own build and configuration wrote them; answers it still owes are delivered afterwards.
    `orders_left`: the orders in the logs went to a real broker. That one is asked what became of them, and nothing in
    the logs is sent again; only shadow trades are rebuilt.

    Raises:
        LogCorrupt: a damaged log.
        ReplayDiverged: the same build and configuration gave something else than the log: a bug of ours, nothing is
        continued.
        UsageError: another process is writing this log.
    """
    counters, run_digest = RunCounters(), EffectsDigest()
    logs = session_logs(run_folder)
    while logs and not _holds_records(logs[-1]):
        # The process ended while it made this log: there is nothing in it to keep.
        shutil.rmtree(logs.pop())
    feed_records = torn_bytes = ts_first_ns = 0
    player = Player(build=build, counters=counters, run_digest=run_digest)
    previous: Machine | None = None
    stand_in = _StandIn(sink, build, config_hash, _SHADOWS if orders_left else None)
    for log in logs:
        previous, facts = player.machine if player.compared else None, player.facts
        is_last = log is logs[-1]
        if is_last:
            torn_bytes = recover(log).torn_bytes
        player = Player(
            build=build,
            counters=counters,
            run_digest=run_digest,
            on_message=stand_in.tell,
            exchange=stand_in.begin,
        )
        # Until the log's own STATE_CARRIED is read, what the session before it left is what is known.
        player.facts = facts
        with LogReader(log) as reader:
            player.play(reader.spans())
        feed_records += player.feed_records
        if player.run_started is not None:
            ts_first_ns = ts_first_ns or player.run_started.ts_ns
        _refuse_failed(log, player)
    same = player.compared and player.machine is not None and player.ended is None
    machine = player.machine
    warm = player.compared and machine is not None and machine.state.documents.config_hash == config_hash
    full = same and warm
    broker, exchange = (stand_in.broker, stand_in.exchange) if warm else sink()
    return Recovered(
        log=None if not logs or player.ended is not None else EventLog.open_append(logs[-1]),
        player=player,
        full=full,
        warm=warm,
        torn_bytes=torn_bytes,
        tail=player.tail if full else None,
        feed_records=feed_records,
        ts_first_ns=ts_first_ns,
        previous=previous,
        broker=broker,
        exchange=exchange,
    )


def _holds_records(log: Path) -> bool:
    with LogReader(log) as reader:
        return next(iter(reader.spans()), None) is not None


def _refuse_failed(log: Path, player: Player) -> None:
    failed = player.core_failed
    if failed is not None:
        raise ReplayDiverged(
            failed.failed_seq,
            f"{log}: the core failed here ({failed.error}). This log is not continued: "
            "move the run's folder away, keep it for the bug report, and start again",
        )


class _StandIn:
    """The broker beside the log. A process that began cold had a new one, and so has the log from there on.

    What another build or configuration wrote is not told: that broker's exchange may have worked differently.
    """

    def __init__(self, sink: Sink, build: str, config_hash: str, only: tuple[type, ...] | None) -> None:
        """`only`: the records it is told; None: all of them."""
        self._sink = sink
        self._only = only
        self._ours = (build, config_hash)
        self._writer: tuple[str, str] | None = None
        self.broker, self.exchange = sink()

    def begin(self, record: events.RunStarted | events.ProcessStarted) -> ExchangeSim | None:
        """A log begins, or a process cold in it; the exchange for its kernel to match, None where nothing is told."""
        writer = (record.kernel_build, record.config_hash)
        if self._writer is not None and (isinstance(record, events.ProcessStarted) or writer != self._writer):
            self.broker, self.exchange = self._sink()
        self._writer = writer
        return self.exchange if writer == self._ours else None

    def tell(self, record: Event | Effect) -> None:
        """A record was applied."""
        if self._writer == self._ours and (self._only is None or isinstance(record, self._only)):
            _tell(self.broker, record)


def _tell(broker: Broker, record: Event | Effect) -> None:
    if isinstance(record, BrokerEffect):
        broker.dispatch(record)
    elif isinstance(record, _BROKER_ANSWERS) or (isinstance(record, events.Reconciled) and record.asked):
        answer = None
        while answer is None and broker.next_due_ns <= record.ts_ns:
            answer = broker.take(record.ts_ns)
        if answer != record:
            raise ReplayDiverged(
                0, f"the broker that stands in answers {answer!r}, the log has {record!r}: a bug of ours"
            )
