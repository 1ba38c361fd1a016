"""What the gates saved or cost: every refused candidate followed as a shadow trade, off-line (docs/gates.md, NV04).

A log holds the decisions, the terms of their candidates and the market. Nothing is replayed and nothing of the run is
touched: the candidates are placed into exchange simulators of the ledger's own (docs/adr/0022).
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from trading_bot._fast.spans import count_kind, market_only
from trading_bot.core.documents import RunDocuments
from trading_bot.core.log_reader import LogReader, MessageFrame, TickSpan
from trading_bot.domain import log_records
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import (
    DecisionMade,
    OutcomeReached,
    ProcessStarted,
    RunStarted,
    SafetyVerdict,
    StrategyProposed,
)
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.reasons import Action, GateReason, SafetyCheck
from trading_bot.domain.records import FRAME_ALIGN, TICK_RECORD, FrameKind
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S
from trading_bot.engines.exchange_config import exchange_config
from trading_bot.engines.session import SessionPolicy, session_window
from trading_bot.engines.session_table import parse_calendar
from trading_bot.reports.fact_reader import tag_of
from trading_bot.reports.trade_facts import decode_message, logs_below
from trading_bot.research.gate_records import ENTERED, Fate, Followed, GateLedger
from trading_bot.research.gate_tallies import ledger_of
from trading_bot.research.shadow_pool import ShadowEnd, ShadowOrder, ShadowPool

_KIND_AT: Final = 16  # of a market record
_TAG_WITHIN: Final = 40  # `kind` is the first key of a payload
_SAFETY: Final = "SAFETY_GATE_"
_OUTCOME: Final = tag_of(OutcomeReached).encode()
_WANTED: Final = re.compile(
    b"|".join(
        tag_of(kind).encode()
        for kind in (RunStarted, ProcessStarted, OutcomeReached, DecisionMade, StrategyProposed, SafetyVerdict)
    )
)
_NONE_LEFT_OUT: Final = memoryview(b"").cast("q")
_Key = tuple[int, int, int, int]  # which numbering of episodes, template, side, episode


def gate_ledger(paths: Path | Sequence[Path], *, trade_date: int | None = None) -> GateLedger:
    """The ledger of a session's log, a run's folder, a data directory, or several; `trade_date` takes one day's logs.

    A torn tail is read up to its last good record. Logs of any build are taken: nothing is recomputed.

    Raises:
        UsageError: no log there, none of `trade_date`, or logs of several instruments.
        LogCorrupt: a damaged record.
    """
    parts: list[_LogReading] = []
    named = str(paths) if isinstance(paths, Path) else ", ".join(str(path) for path in paths)
    for log in logs_below(paths):
        part = _LogReading(str(log), wanted_date=trade_date)
        with LogReader(log) as reader:
            for item in reader.spans():
                if not part.take(item):
                    break
        if part.started is not None and trade_date in (None, part.started.trade_date):
            part.finish()
            parts.append(part)
    if not parts:
        raise UsageError(f"{named}: found no log of {trade_date or 'any day'}; name another date, or none")
    symbols = sorted({part.started.instrument for part in parts if part.started is not None})
    if len(symbols) > 1:
        raise UsageError(f"{named}: found logs of {', '.join(symbols)}, expected one instrument; name its runs")
    return ledger_of(
        [(part.log, part.started.trade_date) for part in parts if part.started is not None],
        instrument_by_symbol(symbols[0]),
        [row for part in parts for row in part.followed()],
        decisions=sum(part.decisions for part in parts),
        ticks=sum(part.ticks for part in parts),
    )


class _World:
    """What a log's documents say about its orders."""

    def __init__(self, documents: RunDocuments) -> None:
        config = documents.config
        self.names = tuple(documents.templates)
        self.templates = tuple(documents.templates.values())
        self.market_id = documents.market_instrument.id
        self.tick_value_uusd = documents.instrument.tick_value_uusd
        self.life_ns = config.orders.entry_ttl_s * NS_PER_S
        # The seed is not among the documents. Constant latencies and the pessimistic queue of shadow trades draw none.
        self.exchange = exchange_config(config.simulator, documents.instrument, 0, documents.latency)
        self._sessions = parse_calendar(documents.calendar, source="calendar") if documents.calendar else None
        self._policy = SessionPolicy(
            kind=config.session.kind,
            open_delay_ns=config.session.open_delay_min * NS_PER_MIN,
            close_buffer_ns=config.session.close_buffer_min * NS_PER_MIN,
            flatten_before_close_ns=config.session.flatten_before_close_min * NS_PER_MIN,
        )

    def hold_ns(self, template: int, ts_ns: int) -> int:
        """The template's time stop, or less where the session's flatten comes first; all of it behind the flatten."""
        whole_ns = self.templates[template].hold_s * NS_PER_S
        day = self._sessions.trading_day(ts_ns) if self._sessions is not None else None
        window = session_window(day, self._policy) if day is not None else None
        return min(whole_ns, window.flatten_ns - ts_ns) if window and ts_ns < window.flatten_ns else whole_ns


class _LogReading:
    """One log: its decisions, and what the simulator made of them."""

    def __init__(self, log: str, *, wanted_date: int | None) -> None:
        self.log = log
        self.started: RunStarted | None = None
        self.decisions = self.ticks = 0
        self._wanted_date = wanted_date
        self._world: _World | None = None
        self._pool: ShadowPool | None = None
        self._quote: tuple[int, int] | None = None  # bid, ask
        self._last_ns = 0  # of the market: behind it nobody knows a price
        self._numbering = 0  # counts how often the kernel began to number episodes
        self._outcome: tuple[int, OutcomeReached | memoryview] | None = None
        self._proposed: list[Candidate] = []
        self._blocked: SafetyVerdict | None = None
        self._told: set[tuple[_Key, str]] = set()
        self._entered: dict[_Key, int] = {}  # the newest decision that entered it
        self._rows: list[tuple[_Key, Followed, ShadowEnd | None]] = []

    def take(self, item: TickSpan | MessageFrame) -> bool:
        """The next part of the log; False: it is of another day."""
        if isinstance(item, TickSpan):
            self._market(item)
            return True
        tag = _WANTED.search(bytes(item.payload[:_TAG_WITHIN]))
        if tag is None:
            return True
        if tag[0] == _OUTCOME:  # most of them lead to nothing: decoded when one does
            self._outcome, self._proposed, self._blocked = (item.seq, item.payload), [], None
            return True
        record = decode_message(item, Path(self.log))
        if isinstance(record, RunStarted):
            self.started = record
            self._begin(record.documents, item.seq)
            return self._wanted_date in (None, record.trade_date)
        if isinstance(record, ProcessStarted) and record.documents:
            self._begin(record.documents, item.seq)
        elif isinstance(record, StrategyProposed):
            self._proposed.append(record.candidate)
        elif isinstance(record, SafetyVerdict):
            self._blocked = record if record.failed else None
        elif isinstance(record, DecisionMade):
            self._decided(item.seq, record)
        return True

    def finish(self) -> None:
        """The log is at its end."""
        if self._pool is not None:
            self._pool.finish(self._last_ns)

    def followed(self) -> list[Followed]:
        """Every candidate with its end, in the order of the log."""
        rows = []
        for key, row, end in self._rows:
            later = self._entered.get(key, 0) > row.decision_seq and row.gate != ENTERED
            told = row if end is None else _with_end(row, end, self._tick_value_uusd)
            rows.append(msgspec.structs.replace(told, delayed=later))
        return rows

    @property
    def _tick_value_uusd(self) -> int:
        assert self._world is not None
        return self._world.tick_value_uusd

    def _begin(self, documents: bytes, seq: int) -> None:
        """A run, or a process that began cold: other settings, and episodes are numbered from 1 again."""
        self.finish()
        self._world = _World(RunDocuments.unpack(documents, where=f"{self.log}: record {seq}"))
        self._pool = ShadowPool(self._world.exchange)
        self._quote = None
        self._numbering += 1

    def _market(self, span: TickSpan) -> None:
        self.ticks += span.count
        if self._world is None or self._pool is None:
            return
        records = market_only(span.buffer[: span.count * FRAME_ALIGN], self._world.market_id, _NONE_LEFT_OUT)
        self._pool.market(records)
        if count_kind(records, FrameKind.PRICE_GAP):  # the kernel numbers episodes from 1 again
            self._numbering += 1
        for offset in range(len(records) - FRAME_ALIGN, -1, -FRAME_ALIGN):
            if records[offset + _KIND_AT] == FrameKind.QUOTE:
                fields = TICK_RECORD.unpack_from(records, offset)
                self._quote = (fields[9], fields[10])
                break
        if records:
            self._last_ns = max(self._last_ns, TICK_RECORD.unpack_from(records, len(records) - FRAME_ALIGN)[7])

    def _decided(self, seq: int, decision: DecisionMade) -> None:
        if decision.action not in {Action.ENTER, Action.SKIP}:
            return
        self.decisions += 1
        world, outcome = self._world, self._outcome_now()
        if world is None or decision.template not in world.names:
            return
        # Without its outcome in this log (a session rolled between the two) it is told, and has no terms to follow.
        outcome_seq, found = (0, ()) if outcome is None else (outcome[0], outcome[1].candidates)
        template = world.names.index(decision.template)
        key = (self._numbering, template, decision.side, decision.episode)
        entered = decision.action == Action.ENTER
        gate = ENTERED if entered else decision.reason
        if entered:
            self._entered[key] = seq
        elif (key, gate) in self._told:
            return
        self._told.add((key, gate))
        candidates = (*found, *self._proposed)
        candidate = next((one for one in candidates if (one.template, one.side) == (template, decision.side)), None)
        order = None if candidate is None else self._order(decision.ts_ns, candidate, world)
        assert self.started is not None
        row = Followed(
            log=self.log,
            decision_seq=seq,
            outcome_seq=outcome_seq,
            ts_ns=decision.ts_ns,
            trade_date=self.started.trade_date,
            template=decision.template,
            side=decision.side,
            episode=decision.episode,
            gate=gate,
            others=() if entered else self._others(decision),
            fate=Fate.NO_TERMS if order is None else Fate.UNFINISHED,
        )
        self._rows.append((key, *self._placed(row, order)))

    def _placed(self, row: Followed, order: ShadowOrder | None) -> tuple[Followed, ShadowEnd | None]:
        if order is None or self._pool is None:
            return row, None
        end = self._pool.ends[self._pool.place(order)]
        placed = msgspec.structs.replace(
            row,
            limit_ticks=order.limit_ticks,
            target_ticks=order.target_ticks,
            stop_ticks=order.stop_ticks,
            hold_ns=order.hold_ns,
        )
        return placed, end

    def _outcome_now(self) -> tuple[int, OutcomeReached] | None:
        if self._outcome is None:
            return None
        seq, found = self._outcome
        if not isinstance(found, OutcomeReached):
            decoded = log_records.decode(found)
            assert isinstance(decoded, OutcomeReached)
            found = decoded
            self._outcome = (seq, found)
        return seq, found

    def _order(self, ts_ns: int, candidate: Candidate, world: _World) -> ShadowOrder | None:
        """As `core/on_outcome.py` sends it: passive joins its own side, otherwise the other side is taken."""
        if candidate.missing or min(candidate.target_ticks, candidate.stop_ticks) < 1 or self._quote is None:
            return None
        bid_ticks, ask_ticks = self._quote
        if bid_ticks >= ask_ticks:
            return None
        passive = world.templates[candidate.template].entry == "passive"
        limit_ticks = bid_ticks if (candidate.side > 0) is passive else ask_ticks
        if limit_ticks < 1:
            return None
        return ShadowOrder(
            ts_ns=ts_ns,
            side=candidate.side,
            limit_ticks=limit_ticks,
            target_ticks=candidate.target_ticks,
            stop_ticks=candidate.stop_ticks,
            hold_ns=world.hold_ns(candidate.template, ts_ns),
            life_ns=world.life_ns,
        )

    def _others(self, decision: DecisionMade) -> tuple[str, ...]:
        """Gates that said no as well; of a refusal by the safety gate its further checks."""
        names = [gate.name for gate in GateReason if decision.mask >> gate & 1 and gate.name != decision.reason]
        if decision.reason.startswith(_SAFETY):
            failed = self._blocked.failed if self._blocked is not None else ()
            names = [name for name in names if name != GateReason.SAFETY_GATE.name]
            names += [_SAFETY + SafetyCheck(check).name for check in failed[1:]]
        return tuple(names)


def _with_end(row: Followed, end: ShadowEnd, tick_value_uusd: int) -> Followed:
    if end.entry_ts_ns is None:
        fate = Fate.UNFINISHED if end.cancelled_ts_ns is None else Fate.UNFILLED
        return msgspec.structs.replace(row, fate=fate, done_ts_ns=end.cancelled_ts_ns)
    if end.exit_ts_ns is None:
        return msgspec.structs.replace(row, entry_ts_ns=end.entry_ts_ns, entry_ticks=end.entry_ticks)
    gross_ticks = (end.exit_ticks - end.entry_ticks) * row.side
    return msgspec.structs.replace(
        row,
        fate=Fate.FILLED,
        entry_ts_ns=end.entry_ts_ns,
        entry_ticks=end.entry_ticks,
        exit_ts_ns=end.exit_ts_ns,
        exit_ticks=end.exit_ticks,
        exit_leg=end.exit_leg,
        done_ts_ns=end.exit_ts_ns,
        gross_ticks=gross_ticks,
        gross_uusd=gross_ticks * tick_value_uusd,
        fees_uusd=end.fees_uusd,
    )
