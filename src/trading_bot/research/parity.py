"""The parity report of a run: decisions replayed, fills scored, minutes judged (docs/parity.md; NV01, NV10)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from trading_bot.core import replay as replay_module
from trading_bot.core.honesty import HonestyJudge
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.events import DecisionMade, RunStarted
from trading_bot.domain.honesty import MinuteHonesty
from trading_bot.domain.units import NS_PER_MS
from trading_bot.research.fill_parity import FillParity, latencies_ms, measured_ns, presets, round_trips
from trading_bot.research.fill_scores import FillRow, ModelScore, closest, model_score


class DecisionParity(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay of the log gave.

    `identical` None: another build wrote the log, so that nothing was compared. `decisions_sha256` is over the
    canonical bytes of every decision in the log, in order; an identical replay has made the same. `torn_bytes` at its
    end are what a cut left of a record: nothing there was read.
    """

    identical: bool | None
    decisions: int
    decisions_sha256: str
    records: int
    effects: int
    effects_digest: str
    state_digest: str
    first_difference_seq: int | None
    torn_bytes: int
    reason: str


class FillsParity(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's fills beside each model's. `round_trip_ms_p50` is from an entry to its acknowledgement."""

    real_orders: int
    real_executions: int
    acknowledged: int
    round_trip_ms_p50: float | None
    closest: str | None
    models: list[ModelScore]
    rows: list[FillRow]


class HonestyParity(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes by state, and each of them. `score_mean` is over the minutes that have one."""

    minutes: int
    ok: int
    flagged: int
    unwitnessed: int
    score_min: int | None
    score_mean: float | None
    rows: list[MinuteHonesty]


class ParityReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `parity` found about a run."""

    log: str
    run_id: str
    mode: str
    adapter: str
    instrument: str
    hypothetical: bool
    replay: DecisionParity
    fills: FillsParity
    honesty: HonestyParity


class _Log(msgspec.Struct, kw_only=True):
    """One session's part of the report."""

    started: RunStarted | None
    decisions: int
    fills: FillParity
    minutes: list[MinuteHonesty]


def parity(path: Path, *, build: str, hypothetical: bool = False) -> ParityReport:
    """The report of a run's folder, or of one of its logs. `hypothetical`: score a simulator's fills as if real.

    Raises:
        UsageError: no log there.
        LogCorrupt: a damaged record.
    """
    logs = session_logs(path)
    replayed = replay_module.replay(path, build=build)
    took_ns: list[int] = []
    for log in logs:
        with LogReader(log) as reader:
            took_ns += round_trips(reader.spans())
    digest = hashlib.sha256()
    parts = [_read(log, measured_ns(took_ns), digest, hypothetical=hypothetical) for log in logs]
    started = parts[0].started
    return ParityReport(
        log=str(path),
        run_id=started.run_id if started else "",
        mode=started.mode if started else "",
        adapter=started.adapter if started else "",
        instrument=started.instrument if started else "",
        hypothetical=started.hypothetical if started else True,
        replay=DecisionParity(
            identical=(True if replayed.state_digest else None) if replayed.ok else False,
            decisions=sum(part.decisions for part in parts),
            decisions_sha256=digest.hexdigest(),
            records=replayed.records,
            effects=replayed.effects,
            effects_digest=replayed.effects_digest,
            state_digest=replayed.state_digest,
            first_difference_seq=replayed.first_difference_seq,
            torn_bytes=replayed.torn_bytes,
            reason=replayed.reason,
        ),
        fills=_fills(parts, took_ns),
        honesty=_honesty([minute for part in parts for minute in part.minutes]),
    )


def _read(log: Path, round_trip_ns: int | None, digest: "hashlib._Hash", *, hypothetical: bool) -> _Log:
    """One pass over a log; its decisions go into `digest`."""
    fills, judge = FillParity(log.name, presets(round_trip_ns), hypothetical=hypothetical), HonestyJudge()
    started, decisions = None, 0
    with LogReader(log) as reader:
        for item in reader.spans():
            fills.take(item)
            judge.take(item)
            if isinstance(item, MessageFrame):
                record = log_records.decode(item.payload)
                if isinstance(record, RunStarted):
                    started = record
                elif isinstance(record, DecisionMade):
                    decisions += 1
                    digest.update(log_records.encode(record))
    return _Log(started=started, decisions=decisions, fills=fills, minutes=judge.minutes())


def _fills(parts: Sequence[_Log], took_ns: Sequence[int]) -> FillsParity:
    rows = [row for part in parts for row in part.fills.rows()]
    scored = any(row.qty for row in rows) or not all(
        part.started is None or part.started.hypothetical for part in parts
    )
    rows = rows if scored else []
    scores = []
    for at, model in enumerate(parts[0].fills.models if scored else ()):
        refused = sum(part.fills.models[at].refused for part in parts if part.fills.models)
        config = model.config
        scores.append(
            model_score(
                model.name, rows, queue_model=config.queue_model, latencies_ms=latencies_ms(config), refused=refused
            )
        )
    median_ns = sorted(took_ns)[(len(took_ns) - 1) // 2] if took_ns else None
    return FillsParity(
        real_orders=sum(row.what == "ENTRY" for row in rows),
        real_executions=sum(part.fills.executions for part in parts) if scored else 0,
        acknowledged=len(took_ns),
        round_trip_ms_p50=None if median_ns is None else median_ns / NS_PER_MS,
        closest=closest(scores),
        models=scores,
        rows=rows,
    )


def _honesty(minutes: Sequence[MinuteHonesty]) -> HonestyParity:
    states = [minute.state for minute in minutes]
    scores = [minute.score for minute in minutes if minute.score is not None]
    return HonestyParity(
        minutes=len(minutes),
        ok=states.count("ok"),
        flagged=states.count("flagged"),
        unwitnessed=states.count("unwitnessed"),
        score_min=min(scores, default=None),
        score_mean=sum(scores) / len(scores) if scores else None,
        rows=list(minutes),
    )
