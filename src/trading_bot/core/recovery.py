"""Start-up is recovery: a run that did not end in an orderly way goes on where its log stops (architecture law 10)."""

from pathlib import Path

import msgspec

from trading_bot.core.counters import RunCounters
from trading_bot.core.digest import EffectsDigest
from trading_bot.core.event_log import EventLog, LogReader, recover
from trading_bot.core.player import Player, Tail
from trading_bot.core.replay import session_logs
from trading_bot.domain import events
from trading_bot.domain.effects import CancelOrder, Effect, FlattenPosition, PlaceOrder
from trading_bot.domain.errors import LogCorrupt, ReplayDiverged, UsageError
from trading_bot.domain.events import Event
from trading_bot.domain.ports import Broker

_BROKER_ANSWERS = (events.OrderSuppressed, events.OrderAcknowledged, events.OrderCancelled, events.OrderRejected)


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """A run ready to go on. `full`: the log was replayed and every effect compared; otherwise only facts survive."""

    log: EventLog
    player: Player
    full: bool
    torn_bytes: int
    tail: Tail | None
    feed_records: int


def unfinished(run_folder: Path) -> bool:
    """Whether the last session log of a run lacks its orderly end. A folder without any log is not a run.

    Raises:
        LogCorrupt: the log is damaged; it is never continued, and never passed over silently.
    """
    try:
        last = session_logs(run_folder)[-1]
    except UsageError:
        return False
    with LogReader(last) as reader:
        for _ in reader.spans():
            pass
        return not reader.closed


def recover_run(run_folder: Path, *, build: str, config_hash: str, broker: Broker) -> Recovered:
    """Replay the sessions of a run and open its last log for appending.

    The broker is rebuilt from the effects and answers that are in the log; answers it still owes are delivered
    afterwards.

    Raises:
        LogCorrupt: a damaged log.
        ReplayDiverged: the same build and configuration gave something else than the log: a bug of ours, nothing is
        continued.
        UsageError: another process is writing this log.
    """
    counters, run_digest = RunCounters(), EffectsDigest()
    logs = session_logs(run_folder)
    feed_records = 0
    for log in logs[:-1]:
        player = Player(build=build, counters=counters, run_digest=run_digest)
        with LogReader(log) as reader:
            player.play(reader.spans())
        feed_records += player.feed_records
    report = recover(logs[-1])
    player = Player(
        build=build, counters=counters, run_digest=run_digest, on_message=lambda record: _tell(broker, record)
    )
    with LogReader(logs[-1]) as reader:
        player.play(reader.spans())
    if player.core_failed is not None:
        raise ReplayDiverged(
            player.core_failed.failed_seq,
            f"{logs[-1]}: the core failed here ({player.core_failed.error}). This log is not continued: "
            "move the run's folder away, keep it for the bug report, and start again",
        )
    if player.run_started is None:
        raise LogCorrupt(
            f"{logs[-1]} holds no RUN_STARTED record, so nothing can be continued; "
            "remove the folder to start a new run",
            segment=logs[-1].name,
            offset=0,
            seq=1,
        )
    same = player.compared and player.machine is not None
    full = same and player.machine is not None and player.machine.state.documents.config_hash == config_hash
    return Recovered(
        log=EventLog.open_append(logs[-1]),
        player=player,
        full=full,
        torn_bytes=report.torn_bytes,
        tail=player.tail if full else None,
        feed_records=feed_records + player.feed_records,
    )


def _tell(broker: Broker, record: Event | Effect) -> None:
    if isinstance(record, PlaceOrder | CancelOrder | FlattenPosition):
        broker.dispatch(record)
    elif isinstance(record, _BROKER_ANSWERS) and broker.take() != record:
        raise ReplayDiverged(0, f"the broker that stands in gives another answer than the log: {record!r}")
