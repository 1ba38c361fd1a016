"""From the records of logs, one by one in their order, to the facts of trading (`fact_records`)."""

from collections.abc import Callable
from typing import Any, Final

from trading_bot.domain import broker_events, events, latency_events, reconciling, rule_events, trade_events
from trading_bot.domain.effects import Alert, Effect, LatchKillSwitch, ModifyStop, PlaceExit, PlaceOrder, PlaceShadow
from trading_bot.domain.events import Event
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.kernel import Outcome
from trading_bot.domain.learning import LearningOrdered, LearningUpdate
from trading_bot.domain.reasons import SafetyCheck
from trading_bot.domain.records import FrameClass
from trading_bot.reports.fact_books import Books
from trading_bot.reports.fact_candidates import Candidates
from trading_bot.reports.fact_orders import Orders, order_ref
from trading_bot.reports.fact_records import (
    DecisionFact,
    Facts,
    RefusalFact,
    ScorePoint,
    SessionFact,
    Told,
)
from trading_bot.reports.fact_trades import TradeSource, entry_kinds

KEPT: Final[tuple[type[Event | Effect], ...]] = (
    Alert,
    LatchKillSwitch,
    LearningOrdered,
    LearningUpdate,
    broker_events.CommissionReported,
    broker_events.OrderUncertain,
    events.AccountSnapshot,
    events.CoreFailed,
    events.KillCleared,
    events.KillRequested,
    events.LearningRefused,
    events.LearningSaveFailed,
    events.LockoutChanged,
    events.ProcessStarted,
    events.QualityStateChanged,
    events.RunEnded,
    events.SessionChanged,
    events.SessionExitFlatten,
    events.StopRequested,
    events.StrategyFailed,
    latency_events.OrderTimed,
    reconciling.ReconciliationDone,
    rule_events.RuleChanged,
    trade_events.BreakerChanged,
    trade_events.ExitDecided,
    trade_events.ParamsAdopted,
    trade_events.StopResident,
    trade_events.TradeOpened,
)


def tag_of(kind: type[Event | Effect]) -> str:
    """The name of a kind in the log: `BREAKER_CHANGED`."""
    return str(kind.__struct_config__.tag)


class FactReader:
    """Gathers facts record by record: `begin` a log, `take` its messages, `end` it; `facts` at the end of all."""

    def __init__(self) -> None:
        """Nothing was read."""
        self.orders = Orders()
        self.books = Books(self.orders)
        self.sessions: list[SessionFact] = []
        self.decisions: list[DecisionFact] = []
        self.refusals: list[RefusalFact] = []
        self.quality: list[ScorePoint] = []
        self.rest: dict[str, list[Told]] = {}
        self.notes: list[str] = []

    def begin(self, log: str, name: str, started: events.RunStarted) -> None:
        """The next log, whose first record is `started`; that record is taken like the others."""
        passive = entry_kinds(started.documents, log)
        self.source = TradeSource(
            log=log,
            run_id=started.run_id,
            mode=started.mode,
            trade_date=started.trade_date,
            instrument=started.instrument,
            tick_value_uusd=instrument_by_symbol(started.instrument).tick_value_uusd,
            hypothetical=started.hypothetical,
            passive=passive,
        )
        self._name, self._started, self._last_ns = name, started, started.ts_ns
        self._restarts = self._last_input_seq = 0
        self._exit_reason = ""
        self._dvs_c: int | None = None
        self._candidates = Candidates(tuple(passive))
        self.orders.begin_log(log)
        self.books.begin_log(self.source, self._candidates)

    def take(self, seq: int, cause_seq: int, cls: int, record: Event | Effect) -> None:
        """The next message of the log."""
        kind = type(record)
        self._last_ns = max(self._last_ns, record.ts_ns)
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, seq, cause_seq, record)
        if cls == FrameClass.INPUT and kind is not events.EffectsAbandoned:  # it stands for what was cut before it
            self._last_input_seq = seq
        if kind in _KEPT:
            told = Told(log=self.source.log, seq=seq, cause_seq=cause_seq, record=record)
            self.rest.setdefault(tag_of(kind), []).append(told)

    def end(self, *, records: int, ticks: int, torn_bytes: int) -> None:
        """The log has no more."""
        self.books.work_out_tail(self._last_input_seq)
        self.books.end_log()
        self.notes += self.books.notes
        self.books.notes.clear()
        started = self._started
        self.sessions.append(
            SessionFact(
                log=self.source.log,
                name=self._name,
                run_id=started.run_id,
                mode=started.mode,
                adapter=started.adapter,
                instrument=started.instrument,
                tick_value_uusd=self.source.tick_value_uusd,
                trade_date=started.trade_date,
                config_hash=started.config_hash,
                kernel_build=started.kernel_build,
                hypothetical=started.hypothetical,
                ts_first_ns=started.ts_ns,
                ts_last_ns=self._last_ns,
                records=records,
                ticks=ticks,
                torn_bytes=torn_bytes,
                restarts=self._restarts,
                exit_reason=self._exit_reason,
            )
        )

    def facts(self) -> Facts:
        """What was gathered."""
        return Facts(
            sessions=tuple(self.sessions),
            trades=tuple(self.books.trades),
            fills=tuple(self.books.fills),
            orders=tuple(self.orders.rows),
            decisions=tuple(self.decisions),
            refusals=tuple(self.refusals),
            corrections=tuple(self.books.corrections),
            quality=tuple(self.quality),
            rest={kind: tuple(rows) for kind, rows in self.rest.items()},
            notes=tuple(self.notes),
        )

    # --- one method per kind of record that is not the books' or the orders' alone ----------------------------------

    def process_started(self, record: events.ProcessStarted) -> None:
        """A restart. One that begins cold knows of no trade that was open, and numbers its episodes anew."""
        self._restarts += 1
        if record.recovery == "full":
            self.books.work_out_tail(self._last_input_seq)
            return
        self.books.end_log()
        self.books.forget()
        self._candidates.numbered_anew()

    def run_ended(self, record: events.RunEnded) -> None:
        """The orderly end."""
        self._exit_reason = record.exit_reason

    def core_failed(self, _record: events.CoreFailed) -> None:
        """The other end."""
        self._exit_reason = tag_of(events.CoreFailed)

    def outcome_reached(self, seq: int, record: events.OutcomeReached) -> None:
        """Candidates, and the data score."""
        if record.code & _GAP:
            self._candidates.numbered_anew()
        self._candidates.found(seq, record)
        if record.dvs_c != self._dvs_c:
            self._dvs_c = record.dvs_c
            self.quality.append(ScorePoint(log=self.source.log, seq=seq, ts_ns=record.ts_ns, dvs_c=record.dvs_c))

    def proposed(self, cause_seq: int, record: events.StrategyProposed) -> None:
        """A candidate of a strategy in Python."""
        self._candidates.proposed(cause_seq, record.candidate)

    def decision_made(self, seq: int, cause_seq: int, record: events.DecisionMade) -> None:
        """A decision."""
        self._candidates.decided(seq, cause_seq, record)
        self.decisions.append(
            DecisionFact(
                log=self.source.log,
                seq=seq,
                outcome_seq=cause_seq,
                ts_ns=record.ts_ns,
                instrument=self.source.instrument,
                action=record.action,
                reason=record.reason,
                mask=record.mask,
                template=record.template,
                side=record.side,
                episode=record.episode,
                run=self._candidates.numbering,
                live=record.live,
                modifiers=record.modifiers,
                candidate=self._candidates.of_decision(cause_seq, record.template, record.side),
            )
        )

    def verdict(self, seq: int, record: events.SafetyVerdict) -> None:
        """A refusal of the safety gate; what it lets pass is told by the order."""
        if not record.failed:
            return
        self.refusals.append(
            RefusalFact(
                log=self.source.log,
                seq=seq,
                ts_ns=record.ts_ns,
                order_id=order_ref(record.order_id),
                template=self._candidates.template_of(record.order_id),
                failed=tuple(SafetyCheck(number).name for number in record.failed),
                detail=record.detail,
            )
        )

    def order_placed(self, seq: int, record: PlaceOrder) -> None:
        """An entry left."""
        order = record.order
        self.orders.placed(seq, record, self._candidates.placed(order.order_id, order.template, order.side))


def _answered(reader: FactReader, seq: int, _cause: int, record: Any) -> None:
    reader.orders.answered(seq, record)


_KEPT: Final = frozenset(KEPT)
_GAP: Final = int(Outcome.GAP)
# What each kind of record is told to: the reader, the number, that of its cause, the record.
_HANDLERS: Final[dict[type[Event | Effect], Callable[[FactReader, int, int, Any], None]]] = {
    events.StateCarried: lambda reader, _seq, _cause, record: reader.books.carried(record.state),
    events.ProcessStarted: lambda reader, _seq, _cause, record: reader.process_started(record),
    events.RunEnded: lambda reader, _seq, _cause, record: reader.run_ended(record),
    events.CoreFailed: lambda reader, _seq, _cause, record: reader.core_failed(record),
    events.OutcomeReached: lambda reader, seq, _cause, record: reader.outcome_reached(seq, record),
    events.StrategyProposed: lambda reader, _seq, cause, record: reader.proposed(cause, record),
    events.DecisionMade: lambda reader, seq, cause, record: reader.decision_made(seq, cause, record),
    events.SafetyVerdict: lambda reader, seq, _cause, record: reader.verdict(seq, record),
    events.OrderAcknowledged: _answered,
    events.OrderSuppressed: _answered,
    events.OrderCancelled: _answered,
    events.OrderRejected: _answered,
    trade_events.OrderWorking: _answered,
    trade_events.OrderFilled: lambda reader, seq, _cause, record: reader.books.filled(seq, record),
    trade_events.FillMeasured: lambda reader, _seq, cause, record: reader.books.measured(cause, record),
    trade_events.TradeOpened: lambda reader, seq, _cause, record: reader.books.opened(seq, record),
    trade_events.TradeClosed: lambda reader, seq, _cause, record: reader.books.closed(seq, record),
    trade_events.ShadowFilled: lambda reader, seq, _cause, record: reader.books.shadow_filled(seq, record),
    trade_events.ShadowEnded: lambda reader, _seq, _cause, record: reader.books.shadow_ended(record),
    trade_events.CommissionCorrected: lambda reader, seq, _cause, record: reader.books.corrected(seq, record),
    broker_events.CommissionReported: lambda reader, seq, _cause, record: reader.books.reported(seq, record),
    latency_events.OrderTimed: lambda reader, seq, _cause, record: reader.orders.timed(seq, record),
    PlaceOrder: lambda reader, seq, _cause, record: reader.order_placed(seq, record),
    PlaceExit: lambda reader, seq, _cause, record: reader.orders.exit_placed(seq, record),
    PlaceShadow: lambda reader, seq, _cause, record: reader.books.shadow_placed(seq, record),
    ModifyStop: lambda reader, _seq, _cause, record: reader.orders.stop_moved(record),
}
