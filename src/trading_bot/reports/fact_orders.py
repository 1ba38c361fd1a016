"""Orders that left and what became of them, while a log is read."""

from typing import Final

from msgspec.structs import replace

from trading_bot.domain import events, trade_events
from trading_bot.domain.effects import ModifyStop, PlaceExit, PlaceOrder
from trading_bot.domain.latency_events import OrderTimed
from trading_bot.domain.orders import ClientOrderId, Leg
from trading_bot.reports.fact_records import OrderFact

FILLED: Final = "FILLED"
TRAILING: Final = "TRAILING"

Answer = (
    events.OrderAcknowledged
    | events.OrderSuppressed
    | events.OrderCancelled
    | events.OrderRejected
    | trade_events.OrderWorking
)


def order_ref(order_id: ClientOrderId) -> str:
    """An order's id as text, as people and the broker have it."""
    return f"{order_id[0]}-{order_id[1]}"


class Orders:
    """Entries and exits of all logs; `begin_log` before each, for an order's number is its log's own."""

    def __init__(self) -> None:
        """None yet."""
        self.rows: list[OrderFact] = []
        self.cause: dict[str, str] = {}  # why the position of an order was left, where not by its own bracket
        self._log = ""
        self._at: dict[tuple[str, Leg], int] = {}

    def begin_log(self, log: str) -> None:
        """Numbers begin anew."""
        self._log = log
        self._at.clear()
        self.cause.clear()

    def entry(self, order_id: str) -> OrderFact | None:
        """The entry of that id in this log."""
        at = self._at.get((order_id, Leg.ENTRY))
        return None if at is None else self.rows[at]

    def placed(self, seq: int, record: PlaceOrder, decision_seq: int) -> None:
        """An entry left."""
        order = record.order
        order_id = order_ref(order.order_id)
        self._at[order_id, Leg.ENTRY] = len(self.rows)
        self.rows.append(
            OrderFact(
                log=self._log,
                seq=seq,
                ts_ns=record.ts_ns,
                order_id=order_id,
                leg=Leg.ENTRY.value,
                outcome_seq=order.order_id[0],
                decision_seq=decision_seq,
                template=order.template,
                side=order.side,
                qty=order.qty,
                limit_ticks=order.limit_ticks,
                stop_price_ticks=order.stop_price_ticks,
                target_price_ticks=order.target_price_ticks,
                expires_ns=order.expires_ns,
                risk_uusd=order.risk_uusd,
            )
        )

    def exit_placed(self, seq: int, record: PlaceExit) -> None:
        """An exit left; it takes the place of one that works."""
        order_id = order_ref(record.order_id)
        entry = self.entry(order_id)
        self.cause[order_id] = record.cause
        self._at[order_id, Leg.EXIT] = len(self.rows)
        self.rows.append(
            OrderFact(
                log=self._log,
                seq=seq,
                ts_ns=record.ts_ns,
                order_id=order_id,
                leg=Leg.EXIT.value,
                outcome_seq=record.order_id[0],
                decision_seq=entry.decision_seq if entry else 0,
                template=entry.template if entry else "",
                side=record.side,
                qty=record.qty,
                limit_ticks=record.limit_ticks,
                stop_price_ticks=None,
                target_price_ticks=None,
                expires_ns=None,
                risk_uusd=None,
                cause=record.cause,
            )
        )

    def stop_moved(self, record: ModifyStop) -> None:
        """A stop that was moved has locked something in: another reason than the one the trade came with."""
        self.cause[order_ref(record.order_id)] = TRAILING

    def answered(self, seq: int, record: Answer) -> None:
        """The broker's word: acknowledged, working, over."""
        at = self._at.get((order_ref(record.order_id), getattr(record, "leg", Leg.ENTRY)))
        if at is None:
            return
        order = self.rows[at]
        if not order.acknowledged_seq:
            order = replace(order, acknowledged_seq=seq, acknowledged_ns=record.ts_ns)
        end = _ENDS.get(type(record), "")
        if end and not order.end:
            text = f"{record.code} {record.text}" if isinstance(record, events.OrderRejected) else ""
            order = replace(order, end=end, end_seq=seq, end_text=text)
        self.rows[at] = order

    def filled(self, seq: int, record: trade_events.OrderFilled) -> None:
        """An execution that counts."""
        at = self._at.get((order_ref(record.order_id), record.leg))
        if at is None:
            return
        order = self.rows[at]
        if not order.filled_qty:
            order = replace(order, first_fill_seq=seq, first_fill_ns=record.ts_ns)
        if record.final:
            order = replace(order, end=FILLED, end_seq=seq)
        self.rows[at] = replace(order, filled_qty=order.filled_qty + record.qty)

    def timed(self, seq: int, record: OrderTimed) -> None:
        """How long it took."""
        at = self._at.get((order_ref(record.order_id), record.leg))
        if at is not None:
            self.rows[at] = replace(self.rows[at], timed_seq=seq)


_ENDS: Final = {events.OrderCancelled: "CANCELLED", events.OrderRejected: "REJECTED"}
