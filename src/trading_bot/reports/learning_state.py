"""The learning state at the end of a log, from its messages alone, or as the file in a data directory holds it."""

from pathlib import Path
from typing import Any

import msgspec

from trading_bot.core import learning_rows
from trading_bot.core.carried import Carried
from trading_bot.core.cost_desk import with_adopted, with_corrected, with_measured
from trading_bot.core.documents import RunDocuments
from trading_bot.core.learning_file import FILE_NAME, load_learning
from trading_bot.core.learning_loop import LearningLoop
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import events, trade_events
from trading_bot.domain.config import DecisionConfig
from trading_bot.domain.effects import Effect, PlaceShadow, SaveLearningState
from trading_bot.domain.errors import LogCorrupt, UsageError
from trading_bot.domain.events import Event
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.learning import LearningOrdered, LearningUpdate, TradeOutcome
from trading_bot.domain.learning_config import LearningConfig
from trading_bot.domain.orders import ClientOrderId, Leg, Side
from trading_bot.domain.units import usd_from_uusd
from trading_bot.engines.costs import CostRules, Costs
from trading_bot.engines.learning import TRANSITIONS
from trading_bot.reports.trade_facts import decode_message


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """The state, what it was read from, and the numbers that judge it.

    `seq` is the last record of `log` it holds. `hypothetical` is the book that run decided on, None where only the
    file is known. `changes` are the seqs of the LEARNING_UPDATE records read, by template and book.
    """

    source: str
    log: str
    seq: int
    loop: LearningLoop
    costs: Costs
    cost_rules: CostRules
    instrument: Instrument
    trade_date: int
    hypothetical: bool | None
    templates: tuple[str, ...]
    changes: dict[tuple[str, bool], tuple[int, ...]]


def learned_from_log(path: Path) -> Learned:
    """What the newest session log under `path` ends with; a torn tail is read up to its last good record.

    Raises:
        UsageError: no log there, or none with a record in it.
        LogCorrupt: a damaged record, or one that this version does not know.
    """
    for log in reversed(session_logs(path)):
        reader = _Reader(log)
        reader.read()
        if reader.documents is not None:
            return reader.learned()
    raise UsageError(f"{path} holds no record; name the log of a run that has begun")


def learned_from_file(data_dir: Path, documents: RunDocuments) -> Learned | None:
    """What `learning_state.json` holds, judged by these documents; None when there is no file.

    Raises:
        DataCorrupt: a damaged file; the message says what becomes of it.
    """
    document = load_learning(data_dir / FILE_NAME)
    if document is None:
        return None
    loop = _loop(documents)
    loop.load_from_dict(document.state)
    return Learned(
        source=str(data_dir / FILE_NAME),
        log=document.log,
        seq=document.seq,
        loop=loop,
        costs=document.known_costs() or Costs(),
        cost_rules=CostRules.compile(documents.config.costs),
        instrument=documents.instrument,
        trade_date=0,
        hypothetical=None,
        templates=tuple(documents.templates),
        changes={},
    )


def nothing_learned(source: str, documents: RunDocuments) -> Learned:
    """Before the first trade: every template begins with its prior."""
    return Learned(
        source=source,
        log="",
        seq=0,
        loop=_loop(documents),
        costs=Costs(),
        cost_rules=CostRules.compile(documents.config.costs),
        instrument=documents.instrument,
        trade_date=0,
        hypothetical=None,
        templates=tuple(documents.templates),
        changes={},
    )


def _loop(documents: RunDocuments) -> LearningLoop:
    learning: LearningConfig = documents.config.learning
    decision: DecisionConfig = documents.config.decision
    return LearningLoop(learning, tuple(documents.templates), win_rate_pseudo_trades=decision.pseudo_trades)


class _Reader:
    """One session's log, record by record: what it began with, and what happened since."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.documents: RunDocuments | None = None
        self.started: events.RunStarted | None = None
        self.loop: LearningLoop | None = None
        self.costs = Costs()
        self.seq = 0
        self.changes: dict[tuple[str, bool], tuple[int, ...]] = {}
        self.shadows: dict[ClientOrderId, list[Any]] = {}
        self.begun: dict[str, Any] | None = None  # the state a cold process would start from, but for `outcomes`
        self.outcomes: list[TradeOutcome | LearningOrdered] = []

    def read(self) -> None:
        """From its first to its last good record."""
        with LogReader(self.log) as reader:
            for item in reader.spans():
                if isinstance(item, MessageFrame):
                    self._take(decode_message(item, self.log), item.seq)
                    self.seq = item.seq
                else:
                    self.seq = item.first_seq + item.count - 1

    def learned(self) -> Learned:
        """As it stands."""
        assert self.documents is not None
        assert self.started is not None
        assert self.loop is not None
        return Learned(
            source=str(self.log),
            log=str(self.log),
            seq=self.seq,
            loop=self.loop,
            costs=self.costs,
            cost_rules=CostRules.compile(self.documents.config.costs),
            instrument=self.documents.instrument,
            trade_date=self.started.trade_date,
            hypothetical=self.started.hypothetical,
            templates=tuple(self.documents.templates),
            changes=self.changes,
        )

    def _take(self, record: Event | Effect, seq: int) -> None:
        if isinstance(record, events.RunStarted):
            self.started = record
            self.documents = RunDocuments.unpack(record.documents, where=f"{self.log}, record {seq}")
            self.loop = _loop(self.documents)
            self.loop.hypothetical = record.hypothetical
            return
        loop = self.loop
        if loop is None:
            raise LogCorrupt(f"{self.log}: found no RUN_STARTED in front", segment=self.log.name, offset=0, seq=seq)
        match record:
            case events.StateCarried():
                carried = msgspec.msgpack.decode(record.state, type=Carried)
                self.costs = carried.costs
                if carried.learning is not None:
                    loop.load_from_dict(carried.learning)
                self.begun = carried.learning
                loop.start_session(record.ts_ns)
            case events.ProcessStarted() if record.documents:
                self._begin_cold(record)
            case trade_events.ParamsAdopted():
                self._adopt(loop, record)
            case trade_events.FillMeasured():
                self.costs = with_measured(self.costs, record)
            case trade_events.CommissionCorrected():
                self.costs = with_corrected(self.costs, record)
            case trade_events.TradeClosed():
                self.outcomes.append(record.outcome)
                loop.record(record.outcome)
            case LearningOrdered():
                self._order(loop, record)
            case LearningUpdate():
                key = record.template, record.hypothetical
                self.changes[key] = (*self.changes.get(key, ()), seq)
            case SaveLearningState():
                loop.mark_saved()
            case PlaceShadow():
                self.shadows[record.order_id] = [record, 0, 0, 0]
            case trade_events.ShadowEnded():
                self.shadows.pop(record.order_id, None)
            case trade_events.ShadowFilled():
                self._shadow(loop, record)
            case _:
                pass

    def _adopt(self, loop: LearningLoop, record: trade_events.ParamsAdopted) -> None:
        assert self.started is not None
        trade_date = self.started.trade_date
        self.costs = with_adopted(self.costs, record, trade_date)
        self.begun = learning_rows.with_adopted(self.begun, record, trade_date)
        changed = learning_rows.with_adopted(loop.export_to_dict(), record, trade_date)
        assert changed is not None
        loop.load_from_dict(changed)

    def _order(self, loop: LearningLoop, record: LearningOrdered) -> None:
        """A person's word, where it was one that the table of states has."""
        assert self.documents is not None
        if record.template in self.documents.templates and (loop.state(record.template), record.finding) in TRANSITIONS:
            loop.order_by_person(record.template, record.finding, record.ts_ns)
            self.outcomes.append(record)

    def _begin_cold(self, record: events.ProcessStarted) -> None:
        """Another configuration or build went on with the log, from what the facts in it say."""
        assert self.loop is not None
        hypothetical = self.loop.hypothetical
        self.documents = RunDocuments.unpack(record.documents, where=str(self.log))
        self.loop = _loop(self.documents)
        self.loop.hypothetical = hypothetical
        if self.begun is not None:
            self.loop.load_from_dict(self.begun)
        for outcome in self.outcomes:
            if isinstance(outcome, TradeOutcome):
                self.loop.record(outcome)
            else:
                self.loop.order_by_person(outcome.template, outcome.finding, outcome.ts_ns)
        self.shadows.clear()

    def _shadow(self, loop: LearningLoop, record: trade_events.ShadowFilled) -> None:
        """Entry or exit of a trade that was never sent; its outcome is no record of its own."""
        row = self.shadows.get(record.order_id)
        if row is None:
            return
        row[1] += record.commission_uusd
        if record.leg is Leg.ENTRY:
            row[2], row[3] = record.price_ticks, record.ts_ns
            return
        placed, fees_uusd, entry_ticks, _ = self.shadows.pop(record.order_id)
        assert self.documents is not None
        gained_ticks = (record.price_ticks - entry_ticks) * (1 if placed.side is Side.BUY else -1)
        loop.record(
            TradeOutcome(
                template=placed.template,
                pnl_usd=usd_from_uusd(gained_ticks * self.documents.instrument.tick_value_uusd),
                exit_ts_ns=record.ts_ns,
                commission_round_trip=usd_from_uusd(fees_uusd),
                hypothetical=loop.hypothetical,
                shadow=True,
            )
        )
