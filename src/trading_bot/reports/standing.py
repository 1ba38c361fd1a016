"""What stood when a log ended: position and orders at work, by the log's word and the broker's newest one (MO06).

Read from the records alone, nothing is replayed, so that the core's own word (RUN_ENDED) can be held against it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from trading_bot.core.documents import RunDocuments
from trading_bot.core.executions import Seen, remember, seen
from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.domain import effects, events, log_records, trade_events
from trading_bot.domain.errors import LogCorrupt
from trading_bot.domain.orders import ClientOrderId, Leg, Side
from trading_bot.domain.reconciling import ReconciliationDone, Row

_TAG_BYTES: Final = 48  # a record's kind stands at its beginning


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that worked, as far as the log tells; record `seq` is the newest about it.

    `price_ticks` is its limit, of a stop the trigger, 0 of a market order. `explain` takes `order_id`. `fading`: its
    position is closed, so that the broker should have withdrawn it with its group; that it has was not told.
    """

    order_id: str
    leg: str
    remaining: int
    price_ticks: int
    seq: int
    fading: bool = False


class LastComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The newest comparison with the broker that was no mere waiting (RECONCILIATION_DONE)."""

    seq: int
    ts_ns: int
    ok: bool
    ours_qty: int
    theirs_qty: int
    theirs_working: int
    foreign_orders: int
    found: tuple[str, ...]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one log. `position_qty` None is unknown, and `position_seq` the record that it stands by.

    `at_broker`: a broker holds position and orders, not the simulator. `exit_reason` is empty where the log has no
    orderly end: `open` tells a process that was cut, or still runs. `doubts` say why the numbers are not to be trusted.
    """

    log: str
    name: str
    run_id: str
    mode: str
    instrument: str
    trade_date: int
    at_broker: bool
    hypothetical: bool
    position_qty: int | None
    position_seq: int
    orders: tuple[OpenOrder, ...]
    compared: LastComparison | None
    exit_reason: str
    last_seq: int
    ts_last_ns: int
    torn_bytes: int
    doubts: tuple[str, ...]

    @property
    def flat(self) -> bool:
        """Nothing is open and nothing works, and nothing speaks against it. Unknown is not flat."""
        return self.position_qty == 0 and not self.orders and not self.doubts


def standing_of(log: Path, *, live: bool = False) -> Standing:
    """What stands at the end of one session's log. `live`: a process may be writing it.

    Raises:
        LogCorrupt: a damaged record, or one that this version does not know. A torn tail is none.
        UsageError: no log there.
    """
    fold = _Fold()
    with LogReader(log, live=live) as reader:
        for item in reader.spans():
            if isinstance(item, MessageFrame):
                fold.ts_ns = max(fold.ts_ns, item.ts_ns)
                if any(tag in bytes(item.payload[:_TAG_BYTES]) for tag in _TAGS):
                    fold.take(item.seq, item.cause_seq, _decoded(item, log))
        return fold.standing(log, last_seq=reader.last_seq, torn_bytes=reader.torn_bytes)


def _decoded(item: MessageFrame, log: Path) -> Any:
    try:
        return log_records.decode(item.payload)
    except msgspec.DecodeError as error:
        raise LogCorrupt(
            f"{log}: record {item.seq} does not decode: {error}; was the log written by a newer version?",
            segment=log.name,
            offset=0,
            seq=item.seq,
        ) from error


class _Fold:
    """The records of one log, in their order; `_HANDLERS` says which goes where."""

    def __init__(self) -> None:
        self.started: events.RunStarted | None = None
        self.at_broker = False
        self.position_qty: int | None = 0
        self.position_seq = self.ts_ns = 0
        self.orders: dict[tuple[ClientOrderId, Leg], OpenOrder] = {}
        self.cause_of: dict[tuple[ClientOrderId, Leg], int] = {}
        self.executions: dict[str, int | None] = {}
        self.compared: LastComparison | None = None
        self.answer: events.Reconciled | None = None
        self.exit_reason = ""
        self.core_failed = ""
        self.said_qty: tuple[int | None] | None = None  # the core's own last word

    def take(self, seq: int, cause_seq: int, record: Any) -> None:
        handler = _HANDLERS.get(type(record))
        if handler is not None:  # a tag may stand in the text of another record
            handler(self, seq, cause_seq, record)

    def standing(self, log: Path, *, last_seq: int, torn_bytes: int) -> Standing:
        started = self.started
        if started is None:
            raise LogCorrupt(f"{log}: found no RUN_STARTED in front", segment=log.name, offset=0, seq=1)
        return Standing(
            log=str(log),
            name=log.name,
            run_id=started.run_id,
            mode=started.mode,
            instrument=started.instrument,
            trade_date=started.trade_date,
            at_broker=self.at_broker,
            hypothetical=started.hypothetical,
            position_qty=self.position_qty,
            position_seq=self.position_seq,
            orders=tuple(self.orders.values()),
            compared=self.compared,
            exit_reason=self.exit_reason,
            last_seq=last_seq,
            ts_last_ns=self.ts_ns,
            torn_bytes=torn_bytes,
            doubts=tuple(self._doubts()),
        )

    def _doubts(self) -> list[str]:
        doubts = []
        if self.position_qty is None:
            doubts.append("the position is not known: the broker has not confirmed any")
        if self.said_qty is not None and self.said_qty[0] != self.position_qty:
            doubts.append(f"the fills make {self.position_qty}, the run's last record says {self.said_qty[0]}")
        if self.core_failed:
            doubts.append(f"the core failed ({self.core_failed}); what was closed after that is not in the log")
        if self.compared is not None and not self.compared.ok:
            doubts.append("the broker did not answer the newest comparison")
        return doubts

    # --- one method per kind of record -----------------------------------------------------------------------------

    def run_started(self, _seq: int, _cause_seq: int, record: events.RunStarted) -> None:
        self.started = record
        self._documents(record.documents)

    def _documents(self, packed: bytes) -> None:
        if packed:
            assert self.started is not None
            self.at_broker = RunDocuments.unpack(packed, where=self.started.run_id).gates_real

    def state_carried(self, seq: int, _cause_seq: int, record: events.StateCarried) -> None:
        held = _carried(record.state)
        self.position_qty, self.position_seq = held.get("position_qty", 0), seq
        for exec_id, estimated_uusd in held.get("executions") or ():
            self.executions[exec_id] = estimated_uusd

    def process_started(self, _seq: int, _cause_seq: int, record: events.ProcessStarted) -> None:
        self._documents(record.documents)
        self.exit_reason = self.core_failed = ""
        if record.recovery != "full" and not self.at_broker:
            self.orders.clear()  # the simulated exchange begins anew with the process

    def abandoned(self, _seq: int, _cause_seq: int, record: events.EffectsAbandoned) -> None:
        for key in [key for key, cause_seq in self.cause_of.items() if cause_seq == record.cause_seq]:
            self._gone(key)

    def placed(self, seq: int, cause_seq: int, record: effects.PlaceOrder) -> None:
        order = record.order
        self._works(seq, cause_seq, (order.order_id, Leg.ENTRY), order.qty, order.limit_ticks)

    def exit_placed(self, seq: int, cause_seq: int, record: effects.PlaceExit) -> None:
        self._works(seq, cause_seq, (record.order_id, Leg.EXIT), record.qty, record.limit_ticks or 0)

    def working(self, seq: int, _cause_seq: int, record: trade_events.OrderWorking) -> None:
        self._works(seq, 0, (record.order_id, record.leg), record.remaining, record.price_ticks)

    def _works(
        self, seq: int, cause_seq: int, key: tuple[ClientOrderId, Leg], remaining: int, price_ticks: int
    ) -> None:
        order_id, leg = key
        self.cause_of[key] = cause_seq
        self.orders[key] = OpenOrder(
            order_id=f"{order_id[0]}-{order_id[1]}",
            leg=leg.value,
            remaining=remaining,
            price_ticks=price_ticks,
            seq=seq,
        )

    def _gone(self, key: tuple[ClientOrderId, Leg]) -> None:
        self.orders.pop(key, None)
        self.cause_of.pop(key, None)

    def ended(self, _seq: int, _cause_seq: int, record: events.OrderCancelled | events.OrderRejected) -> None:
        self._gone((record.order_id, record.leg))

    def refused(self, _seq: int, _cause_seq: int, record: trade_events.RequestRefused) -> None:
        if record.leg is Leg.EXIT:
            self._gone((record.order_id, Leg.EXIT))

    def filled(self, seq: int, _cause_seq: int, record: trade_events.OrderFilled) -> None:
        new = seen(self.executions, record.exec_id) is Seen.NEW
        remember(self.executions, record.exec_id, None)
        if not new:
            return  # told again, or a correction: no book counts it
        if self.position_qty is not None:
            self.position_qty += record.qty if record.side is Side.BUY else -record.qty
        self.position_seq = seq
        key = (record.order_id, record.leg)
        if record.final or record.remaining == 0:
            self._gone(key)
        elif key in self.orders:
            self.orders[key] = msgspec.structs.replace(self.orders[key], remaining=record.remaining, seq=seq)
        if self.position_qty == 0:
            for key in [key for key in self.orders if key[0] == record.order_id]:
                self.orders[key] = msgspec.structs.replace(self.orders[key], fading=True)

    def answered(self, _seq: int, _cause_seq: int, record: events.Reconciled) -> None:
        self.answer = record

    def compared_with_broker(self, seq: int, _cause_seq: int, record: ReconciliationDone) -> None:
        if record.settling:
            return
        foreign = sum(one.row is Row.FOREIGN_ORDER for one in record.findings)
        self.compared = LastComparison(
            seq=seq,
            ts_ns=record.ts_ns,
            ok=record.ok,
            ours_qty=record.ours_qty,
            theirs_qty=record.theirs_qty,
            theirs_working=record.theirs_working,
            foreign_orders=foreign,
            found=tuple(one.row.value for one in record.findings),
        )
        self.position_qty, self.position_seq = record.position_qty, seq
        if not record.ok:
            return
        answer, self.answer = self.answer, None
        if answer is not None and answer.listed:
            self.orders.clear()  # the broker's list is all that works
            self.cause_of.clear()
            for one in answer.orders:
                if one.order_id is not None and one.leg is not None:
                    self._works(seq, 0, (one.order_id, one.leg), one.remaining, one.price_ticks)

    def failed(self, _seq: int, _cause_seq: int, record: events.CoreFailed) -> None:
        self.core_failed = record.error

    def run_ended(self, _seq: int, _cause_seq: int, record: events.RunEnded) -> None:
        self.exit_reason = record.exit_reason
        held = _carried(record.carried)
        if held:
            self.said_qty = (held.get("position_qty", 0),)


def _carried(state: bytes) -> dict[str, Any]:
    return cast("dict[str, Any]", msgspec.msgpack.decode(state)) if state else {}


_HANDLERS: Final[dict[type, Callable[[_Fold, int, int, Any], None]]] = {
    events.RunStarted: _Fold.run_started,
    events.StateCarried: _Fold.state_carried,
    events.ProcessStarted: _Fold.process_started,
    events.EffectsAbandoned: _Fold.abandoned,
    events.OrderCancelled: _Fold.ended,
    events.OrderRejected: _Fold.ended,
    events.Reconciled: _Fold.answered,
    events.CoreFailed: _Fold.failed,
    events.RunEnded: _Fold.run_ended,
    trade_events.OrderWorking: _Fold.working,
    trade_events.OrderFilled: _Fold.filled,
    trade_events.RequestRefused: _Fold.refused,
    effects.PlaceOrder: _Fold.placed,
    effects.PlaceExit: _Fold.exit_placed,
    ReconciliationDone: _Fold.compared_with_broker,
}
_TAGS: Final = tuple(str(cast("Any", kind).__struct_config__.tag).encode() for kind in _HANDLERS)
