"""`replay`: prove that a log's effects follow from its inputs, reading nothing but the log."""

import time
from pathlib import Path

from trading_bot.core.counters import RunCounters
from trading_bot.core.digest import EffectsDigest
from trading_bot.core.event_log import LogReader
from trading_bot.core.log_reader import segment_paths
from trading_bot.core.player import Player
from trading_bot.domain.errors import LogCorrupt, ReplayDiverged, UsageError
from trading_bot.domain.summary import ReplayReport


def session_logs(path: Path) -> list[Path]:
    """The session logs of a run folder in order, or the one log `path` is.

    Raises:
        UsageError: there is no log at `path`.
    """
    if not path.is_dir():
        raise UsageError(f"no log at {path}: expected the folder of a run (log_path in its summary) or of one session")
    if segment_paths(path):
        return [path]
    found = sorted(entry for entry in path.iterdir() if entry.is_dir() and segment_paths(entry))
    if not found:
        raise UsageError(f"{path} holds no log: expected seg-000001.tbl in it, or in the folders of its sessions")
    return found


def replay(path: Path, *, build: str, until_seq: int | None = None) -> ReplayReport:
    """Replay every session log under `path` and compare each derived record and effect with the recorded one.

    `build` names the running kernel and core; a log of another build is read and checked, not compared. `until_seq`
    stops there,
    in the first log that reaches it.

    Raises:
        UsageError: no log there.
        LogCorrupt: a damaged record.
    """
    started_s = time.perf_counter()
    counters, run_digest = RunCounters(), EffectsDigest()
    logs = session_logs(path)
    records = ticks = torn_bytes = last_seq = 0
    state_digest = ""
    notes: list[str] = []
    difference: ReplayDiverged | None = None
    for log in logs:
        player = Player(build=build, counters=counters, run_digest=run_digest)
        with LogReader(log) as reader:
            try:
                player.play(reader.spans(), until_seq=until_seq)
            except ReplayDiverged as error:
                difference = error
            torn_bytes += reader.torn_bytes
        records += player.records
        ticks += player.ticks
        last_seq = player.last_seq
        state_digest = player.machine.state.digest() if player.machine and player.compared else ""
        notes += _notes(log, player)
        if difference is None:
            difference = _wrong_end(player)
        if difference is not None:
            notes.insert(0, str(difference))
            break
        if until_seq is not None and player.last_seq >= until_seq:
            break
        if log is not logs[-1]:
            _refuse_unended(log, player)
    wall_s = time.perf_counter() - started_s
    return ReplayReport(
        ok=difference is None,
        logs=len(logs),
        records=records,
        ticks=ticks,
        effects=run_digest.count,
        first_difference_seq=difference.seq if difference else None,
        reason="; ".join(notes),
        last_seq=last_seq,
        torn_bytes=torn_bytes,
        effects_digest=run_digest.hexdigest(),
        state_digest=state_digest,
        wall_s=wall_s,
        ticks_per_s=ticks / wall_s if wall_s > 0 else 0.0,
    )


def _notes(log: Path, player: Player) -> list[str]:
    """What a person should know although nothing differs."""
    notes = []
    if not player.compared:
        notes.append(
            f"{log.name}: another build (or other code of a strategy) wrote the end of this log, "
            "so its effects are not compared"
        )
    if player.core_failed is not None:
        notes.append(f"{log.name}: the core failed at record {player.core_failed.failed_seq}; replay ends there")
    tail = player.tail
    if tail is not None:
        notes.append(
            f"{log.name}: the log ends before {tail.missing} results of record {tail.cause_seq or player.last_seq}"
        )
    return notes


def _refuse_unended(log: Path, player: Player) -> None:
    """The run went on in another session's log, so this one ended in order once: its end was cut off later."""
    if player.ended is None and player.core_failed is None:
        raise LogCorrupt(
            f"{log}: ends after record {player.last_seq} without its end, although another session's log follows: "
            "records are missing; everything before is intact",
            segment=log.name,
            offset=0,
            seq=player.last_seq + 1,
        )


def _wrong_end(player: Player) -> ReplayDiverged | None:
    """An orderly end names the digests; they must be the ones replay found."""
    ended = player.ended
    if ended is None or player.machine is None or not player.compared:
        return None
    found = player.machine.digest.hexdigest()
    if found == ended.effects_digest:
        return None
    return ReplayDiverged(
        player.last_seq, f"effects digest {found} differs from the one the run recorded, {ended.effects_digest}"
    )
