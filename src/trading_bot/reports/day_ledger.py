"""A trading day from its logs alone: `read_day` reads, nothing is replayed (docs/reports.md)."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import events, trade_events
from trading_bot.domain.effects import Alert, LatchKillSwitch
from trading_bot.domain.errors import UsageError
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.learning import LearningState, LearningUpdate
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.reasons import Action
from trading_bot.domain.units import NS_PER_MS
from trading_bot.reports.day_records import DayLedger, DayTable, Gates, Kill, Point, Restart
from trading_bot.reports.day_series import DataScore, ExecutionScore, PriceSeries
from trading_bot.reports.day_tables import tables
from trading_bot.reports.fact_reader import FactReader
from trading_bot.reports.fact_records import FillFact
from trading_bot.reports.trade_facts import TradeFact, decode_message, opening_of

__all__ = ["DayLedger", "DayTable", "Gates", "Kill", "Point", "Restart", "TradeFact", "read_day", "tables"]

NEW_LOG: Final = "new log"


def read_day(path: Path | str | Sequence[Path | str], *, trade_date: int | None = None) -> DayLedger:
    """The day in a run's folder, in one session's log, or in several of either in order of time.

    `trade_date` (yyyymmdd) chooses where the logs are of several days. A torn tail is read up to its last good record.

    Raises:
        UsageError: no log there, logs of several days or instruments, or none of `trade_date`.
        LogCorrupt: a damaged record, or one that this version does not know.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    logs = [(log, opening_of(log)) for folder in paths for log in session_logs(Path(folder))]
    begun = [(log, started) for log, started in logs if started is not None]
    empty = [f"{log} holds no record" for log, started in logs if started is None]
    chosen = [(log, started) for log, started in begun if trade_date in (None, started.trade_date)]
    dates = sorted({started.trade_date for _, started in begun})
    if not chosen:
        raise UsageError(f"{paths[0] if paths else 'no path'}: found logs of {dates or 'no day'}, {trade_date=}")
    if trade_date is None and len(dates) > 1:
        raise UsageError(f"{paths[0]}: found logs of {dates}, expected one day; name it with trade_date (--date)")
    symbols = sorted({started.instrument for _, started in chosen})
    if len(symbols) > 1:
        raise UsageError(f"{paths[0]}: found logs of {symbols}, expected one instrument; give each its own picture")
    reader = _DayReader(chosen[0][1])
    for log, started in chosen:
        reader.read(log, started)
    return reader.ledger([str(log) for log, _ in chosen], empty)


class _DayReader:
    """Gathers the day record by record: trading by a `FactReader`, the rest as `_HANDLERS` says."""

    def __init__(self, started: events.RunStarted) -> None:
        self.started = started
        self.gates: Gates | None = None
        self.run_ids: list[str] = []
        self.modes: list[str] = []
        self.hypothetical = False
        self.records = self.torn_bytes = self.last_ns = self.begun_ns = 0
        self.logs_read = 0
        self.facts = FactReader()
        self.history_bars = self.ts_flatten_ns = self.naked_ns_max = 0
        self.alerts: list[Alert] = []
        self.data_state: list[events.QualityStateChanged] = []
        self.kills: list[Kill] = []
        self.restarts: list[Restart] = []
        self.learning: list[LearningUpdate] = []
        self.learning_before: dict[str, LearningState] = {}
        self.breakers: list[trade_events.BreakerChanged] = []
        self.sessions: list[events.SessionChanged] = []
        documents = started.documents
        market_id = RunDocuments.unpack(documents, where=started.run_id).market_instrument.id if documents else 0
        self.price, self.data_score, self.execution_score = PriceSeries(market_id), DataScore(), ExecutionScore()

    def read(self, log: Path, started: events.RunStarted) -> None:
        """One log from its first to its last good record."""
        self.facts.begin(str(log), log.name, started)
        ticks_before = self.price.ticks
        with LogReader(log) as reader:
            for item in reader.spans():
                if not isinstance(item, MessageFrame):
                    self.price.add(item.buffer, item.count)
                    continue
                record = decode_message(item, log)
                self.last_ns = max(self.last_ns, item.ts_ns)
                self.execution_score.observe(record)
                self.facts.take(item.seq, item.cause_seq, item.cls, record)
                handler = _HANDLERS.get(type(record))
                if handler is not None:
                    handler(self, record)
            self.records += reader.last_seq
            self.torn_bytes += reader.torn_bytes
            self.price.flush()
            ticks = self.price.ticks - ticks_before
            self.facts.end(records=reader.last_seq, ticks=ticks, torn_bytes=reader.torn_bytes)
        self.logs_read += 1

    def ledger(self, logs: Sequence[str], notes: Sequence[str]) -> DayLedger:
        """What was gathered."""
        first_ns = min(at for at in (self.begun_ns, self.price.ts_first_ns or self.begun_ns))
        last_ns = max(self.last_ns, self.price.ts_last_ns)
        facts = self.facts.facts()
        fills = [row for row in facts.fills if row.counted]
        skips = [row for row in facts.decisions if row.action == Action.SKIP]
        by_template: dict[str, Counter[str]] = {}
        for row in skips:
            by_template.setdefault(row.template or "-", Counter())[row.reason] += 1
        blocked = Counter(row.live for row in facts.decisions if row.live and row.action != Action.SKIP)
        return DayLedger(
            trade_date=self.started.trade_date,
            instrument=self.started.instrument,
            tick_size_points=instrument_by_symbol(self.started.instrument).tick_size_points,
            run_ids=tuple(dict.fromkeys(self.run_ids)),
            modes=tuple(dict.fromkeys(self.modes)),
            logs=tuple(logs),
            hypothetical=self.hypothetical or any(row.hypothetical for row in fills),
            ts_first_ns=first_ns,
            ts_last_ns=last_ns,
            records=self.records,
            ticks=self.price.ticks,
            torn_bytes=self.torn_bytes,
            history_bars=self.history_bars,
            gates=self.gates,
            trades=facts.entered(),
            later_fees_uusd=sum(
                row.delta_uusd for row in facts.corrections if row.after_close and not row.trade_closed_seq
            ),
            fills=len(fills),
            cash_uusd=sum(_cash_uusd(row) for row in fills),
            decisions=len(facts.decisions),
            entries=sum(row.leg == Leg.ENTRY.value for row in facts.orders),
            skips=dict(Counter(row.reason for row in skips).most_common()),
            skips_by_template={name: dict(row.most_common()) for name, row in sorted(by_template.items())},
            live_would_block=dict(blocked.most_common()),
            alerts=tuple(self.alerts),
            data_state=tuple(self.data_state),
            data_score=self.data_score.points(),
            execution_score=self.execution_score.points(first_ns, last_ns),
            kills=tuple(self.kills),
            restarts=tuple(self.restarts),
            learning=tuple(self.learning),
            learning_before=self.learning_before,
            breakers=tuple(self.breakers),
            sessions=tuple(self.sessions),
            ts_flatten_ns=self.ts_flatten_ns,
            naked_ms_max=self.naked_ns_max / NS_PER_MS,
            price=self.price.points(),
            notes=(*notes, *facts.notes),
        )

    # --- one method per kind of record -----------------------------------------------------------------------------

    def run_started(self, record: events.RunStarted) -> None:
        if self.logs_read:
            self.restarts.append(Restart(ts_ns=record.ts_ns, recovery=NEW_LOG))
        else:
            self.begun_ns = record.ts_ns
        self.run_ids.append(record.run_id)
        self.modes.append(record.mode)
        self.hypothetical |= record.hypothetical
        self._documents(record.documents)

    def process_started(self, record: events.ProcessStarted) -> None:
        self.restarts.append(Restart(ts_ns=record.ts_ns, recovery=record.recovery))
        if record.documents:
            self._documents(record.documents)

    def _documents(self, packed: bytes) -> None:
        quality = RunDocuments.unpack(packed, where=self.started.run_id).config.quality
        self.gates = Gates(**{name: getattr(quality, name) for name in Gates.__struct_fields__})

    def state_carried(self, record: events.StateCarried) -> None:
        state = _carried(record.state)
        self.execution_score.carried(state)
        reason, standing = state.get("kill_reason"), bool(self.kills) and not self.kills[-1].cleared_ts_ns
        if reason and not standing:
            self.kills.append(Kill(ts_ns=record.ts_ns, reason=str(reason), source="before"))
        elif standing and not reason:
            self._clear(record.ts_ns, "")
        rows = (state.get("learning") or {}).get("rows", ())
        if not self.logs_read:
            self.learning_before = {
                row["template"]: LearningState(row["state"])
                for row in rows
                if row["hypothetical"] is self.hypothetical and row["state"] != LearningState.ACTIVE
            }

    def run_ended(self, record: events.RunEnded) -> None:
        self.execution_score.carried(_carried(record.carried))

    def latched(self, record: LatchKillSwitch) -> None:
        if not self.kills or self.kills[-1].cleared_ts_ns:
            self.kills.append(Kill(ts_ns=record.ts_ns, reason=record.reason, source=record.source))

    def core_failed(self, record: events.CoreFailed) -> None:
        if not self.kills or self.kills[-1].cleared_ts_ns:
            self.kills.append(Kill(ts_ns=record.ts_ns, reason=f"CORE_FAILED: {record.error}", source="core"))

    def kill_cleared(self, record: events.KillCleared) -> None:
        if self.kills and not self.kills[-1].cleared_ts_ns:
            self._clear(record.ts_ns, record.reason)

    def _clear(self, ts_ns: int, reason: str) -> None:
        self.kills[-1] = msgspec.structs.replace(self.kills[-1], cleared_ts_ns=ts_ns, cleared_reason=reason)

    def outcome_reached(self, record: events.OutcomeReached) -> None:
        self.data_score.add(record.ts_ns, record.dvs_c)

    def quality_changed(self, record: events.QualityStateChanged) -> None:
        self.data_score.add(record.ts_ns, record.dvs_c)
        self.data_state.append(record)

    def history_loaded(self, record: events.HistoryLoaded) -> None:
        self.history_bars += record.count

    def stop_resident(self, record: trade_events.StopResident) -> None:
        self.naked_ns_max = max(self.naked_ns_max, record.naked_ns)

    def flatten_begun(self, record: events.SessionExitFlatten) -> None:
        self.ts_flatten_ns = self.ts_flatten_ns or record.ts_ns

    def session_changed(self, record: events.SessionChanged) -> None:
        self.sessions.append(record)

    def breaker_changed(self, record: trade_events.BreakerChanged) -> None:
        self.breakers.append(record)

    def learning_updated(self, record: LearningUpdate) -> None:
        self.learning.append(record)

    def alerted(self, record: Alert) -> None:
        self.alerts.append(record)


def _carried(state: bytes) -> dict[str, Any]:
    """What a log hands on, as plain values; empty where nothing was."""
    decoded = msgspec.msgpack.decode(state) if state else {}
    return cast("dict[str, Any]", decoded)


def _cash_uusd(fill: FillFact) -> int:
    """What an execution brought, less its price and its commission."""
    bought_qty = fill.qty if fill.side is Side.BUY else -fill.qty
    return -bought_qty * fill.price_ticks * fill.tick_value_uusd - fill.commission_uusd


_HANDLERS: Final[dict[type, Callable[[_DayReader, Any], None]]] = {
    events.RunStarted: _DayReader.run_started,
    events.ProcessStarted: _DayReader.process_started,
    events.StateCarried: _DayReader.state_carried,
    events.RunEnded: _DayReader.run_ended,
    events.CoreFailed: _DayReader.core_failed,
    events.KillCleared: _DayReader.kill_cleared,
    events.OutcomeReached: _DayReader.outcome_reached,
    events.QualityStateChanged: _DayReader.quality_changed,
    events.HistoryLoaded: _DayReader.history_loaded,
    events.SessionExitFlatten: _DayReader.flatten_begun,
    events.SessionChanged: _DayReader.session_changed,
    trade_events.StopResident: _DayReader.stop_resident,
    trade_events.BreakerChanged: _DayReader.breaker_changed,
    LearningUpdate: _DayReader.learning_updated,
    LatchKillSwitch: _DayReader.latched,
    Alert: _DayReader.alerted,
}
