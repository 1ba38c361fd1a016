"""Executions, their commissions and the trades they make up, while a log is read."""

from typing import Any, cast

import msgspec
from msgspec.structs import replace

from trading_bot.core.executions import Seen, remember, seen
from trading_bot.domain.broker_events import CommissionReported
from trading_bot.domain.effects import PlaceShadow
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.trade_events import (
    CommissionCorrected,
    FillMeasured,
    OrderFilled,
    ShadowEnded,
    ShadowFilled,
    TradeClosed,
    TradeOpened,
)
from trading_bot.reports.fact_candidates import Candidates
from trading_bot.reports.fact_orders import Orders, order_ref
from trading_bot.reports.fact_records import CorrectionFact, FillFact, TradeFact
from trading_bot.reports.fact_trades import TradeSource, shadow_trade, told_trade, untold_trade


class _Shadow(msgspec.Struct):
    order: PlaceShadow
    seq: int
    candidate: Candidate | None
    fills: list[tuple[int, ShadowFilled]] = msgspec.field(default_factory=list)


class Books:
    """Fills, trades and corrections of all logs; `begin_log` before each. Fills are joined with their trade."""

    def __init__(self, orders: Orders) -> None:
        """`orders` of the same logs."""
        self.fills: list[FillFact] = []
        self.trades: list[TradeFact] = []
        self.corrections: list[CorrectionFact] = []
        self.notes: list[str] = []
        self._orders = orders
        self._executions: dict[str, int | None] = {}
        self._run_id = ""
        self._fill_at: dict[tuple[str, str], int] = {}  # run and execution -> place among the fills
        self._trade_at: dict[tuple[str, int], int] = {}  # log and number of its end -> place among the trades

    def begin_log(self, source: TradeSource, candidates: Candidates) -> None:
        """The next log."""
        if source.run_id != self._run_id:
            self._executions.clear()  # a simulator numbers anew; what a broker may tell again is carried
        self._run_id, self._source, self._candidates = source.run_id, source, candidates
        self._opened: dict[str, int] = {}
        self.forget()

    def forget(self) -> None:
        """A process that begins cold knows of no trade that was open, and nor does the next log."""
        self._open: dict[str, list[int]] = {}  # order -> places of its fills that no trade has yet
        self._shadows: dict[str, _Shadow] = {}
        self._reported: dict[str, tuple[int, CommissionReported]] = {}  # not yet acted on

    def end_log(self) -> None:
        """What stays open is said."""
        for order_id, places in self._open.items():
            qty, log = self._bought(places), self._source.log
            if qty:
                self.notes.append(f"{log}: ends with the position of order {order_id} open, {qty:+d}")
            else:
                self.notes.append(
                    f"{log}: the fills of order {order_id} end flat and no TRADE_CLOSED was written for them: they are "
                    "part of no trade here; `replay` says what the core made of them"
                )

    # --- what a dead process left untold ---------------------------------------------------------------------------

    def work_out_tail(self, last_input_seq: int) -> None:
        """A process that dies right behind an input leaves what follows from it unwritten; a full restart applies it.

        Only the last input can have been cut so: everything before it was written together with its results.
        """
        for seq, record in list(self._reported.values()):
            if seq == last_input_seq:
                self._book_commission(seq, record, record.commission_uusd - record.estimated_uusd)
        self._reported.clear()
        for order_id, places in list(self._open.items()):
            order = self._orders.entry(order_id)
            if order is None or self.fills[places[-1]].seq != last_input_seq or self._bought(places):
                continue
            trade = untold_trade(
                self._source,
                order,
                self._candidates.of_order(order_id),
                [self.fills[at] for at in places],
                opened_seq=self._opened.pop(order_id, 0),
                cause=self._orders.cause.get(order_id, ""),
            )
            self._close(order_id, trade)
            self.notes.append(
                f"{self._source.log}: the process died behind the last fill of order {order_id}, before TRADE_CLOSED "
                "was written: this trade is worked out from its fills; `replay` recomputes the rest of it"
            )

    def _bought(self, places: list[int]) -> int:
        """Lots that these fills have bought, less those they have sold."""
        rows = (self.fills[at] for at in places)
        return sum(row.qty if row.side is Side.BUY else -row.qty for row in rows)

    def _close(self, order_id: str, trade: TradeFact) -> None:
        """A trade, and its fills are its."""
        for at in self._open.pop(order_id, ()):
            self.fills[at] = replace(self.fills[at], trade_closed_seq=trade.closed_seq)
        self._trade_at[trade.log, trade.closed_seq] = len(self.trades)
        self.trades.append(trade)

    # --- records ---------------------------------------------------------------------------------------------------

    def carried(self, state: bytes) -> None:
        """Executions of a broker that may be told again."""
        held = cast("dict[str, Any]", msgspec.msgpack.decode(state)) if state else {}
        for exec_id, _ in held.get("executions") or ():
            self._executions.setdefault(exec_id, None)

    def filled(self, seq: int, record: OrderFilled) -> None:
        """An execution. One that was told before, and one that corrects another, are in no book."""
        order_id = order_ref(record.order_id)
        counted = seen(self._executions, record.exec_id) is Seen.NEW
        remember(self._executions, record.exec_id, None)
        if counted:
            self._open.setdefault(order_id, []).append(len(self.fills))
            self._fill_at[self._run_id, record.exec_id] = len(self.fills)
            self._orders.filled(seq, record)
        self.fills.append(
            FillFact(
                log=self._source.log,
                seq=seq,
                ts_ns=record.ts_ns,
                instrument=self._source.instrument,
                tick_value_uusd=self._source.tick_value_uusd,
                order_id=order_id,
                leg=record.leg.value,
                side=record.side,
                qty=record.qty,
                price_ticks=record.price_ticks,
                commission_uusd=record.commission_uusd,
                told_commission_uusd=record.commission_uusd,
                estimated=record.commission_estimated,
                exec_id=record.exec_id,
                perm_id=record.perm_id,
                hypothetical=record.hypothetical,
                counted=counted,
            )
        )

    def measured(self, cause_seq: int, record: FillMeasured) -> None:
        """What the execution before it cost."""
        newest = self.fills[-1] if self.fills else None
        if newest is None or newest.fill_kind:
            return
        # A restart tells it again, with another cause.
        if newest.seq == cause_seq or (newest.order_id, newest.leg) == (order_ref(record.order_id), record.leg.value):
            self.fills[-1] = replace(
                newest,
                fill_kind=record.fill_kind,
                slippage_ticks=record.slippage_ticks,
                expected_e6=record.expected_e6,
            )

    def reported(self, seq: int, record: CommissionReported) -> None:
        """Counts where the core says so (`corrected`)."""
        at = self._fill_at.get((self._run_id, record.exec_id))
        if at is not None and self.fills[at].estimated:
            self._reported[record.exec_id] = (seq, record)

    def corrected(self, seq: int, record: CommissionCorrected) -> None:
        """The broker's commission in the place of an estimate."""
        self._reported.pop(record.exec_id, None)
        self._book_commission(seq, record, record.delta_uusd)

    def _book_commission(self, seq: int, record: CommissionReported | CommissionCorrected, delta_uusd: int) -> None:
        at = self._fill_at.get((self._run_id, record.exec_id))
        closed_seq, hypothetical, after_close = 0, self._source.hypothetical, True
        if at is not None:
            fill = self.fills[at]
            closed_seq, hypothetical = fill.trade_closed_seq, fill.hypothetical
            after_close = closed_seq > 0 or fill.order_id not in self._open
            self.fills[at] = replace(
                fill,
                commission_uusd=fill.commission_uusd + delta_uusd,
                estimated=False,
                reported_log=self._source.log,
                reported_seq=seq,
            )
            self._correct_trade(seq, fill, delta_uusd)
        if isinstance(record, CommissionCorrected):
            after_close, hypothetical = record.trade_closed, record.hypothetical
        self.corrections.append(
            CorrectionFact(
                log=self._source.log,
                seq=seq,
                ts_ns=record.ts_ns,
                order_id=order_ref(record.order_id),
                exec_id=record.exec_id,
                delta_uusd=delta_uusd,
                after_close=after_close,
                trade_closed_seq=closed_seq,
                hypothetical=hypothetical,
            )
        )

    def _correct_trade(self, seq: int, fill: FillFact, delta_uusd: int) -> None:
        place = self._trade_at.get((fill.log, fill.trade_closed_seq))
        if place is None:
            return
        trade = self.trades[place]
        here = (seq,) if trade.log == self._source.log else ()  # another log's numbers mean nothing in the trade's
        self.trades[place] = replace(
            trade,
            commission_uusd=trade.commission_uusd + delta_uusd,
            correction_seqs=(*trade.correction_seqs, *here),
        )

    def opened(self, seq: int, record: TradeOpened) -> None:
        """The first fill of an entry."""
        self._opened[order_ref(record.order_id)] = seq

    def closed(self, seq: int, record: TradeClosed) -> None:
        """A round trip is over."""
        order_id = order_ref(record.order_id)
        trade = told_trade(
            self._source,
            record.outcome,
            self._orders.entry(order_id),
            self._candidates.of_order(order_id),
            [self.fills[at] for at in self._open.get(order_id, ())],
            closed_seq=seq,
            opened_seq=self._opened.pop(order_id, 0),
        )
        self._close(order_id, trade)

    def shadow_placed(self, seq: int, record: PlaceShadow) -> None:
        """A trade that is followed and never sent."""
        self._shadows[order_ref(record.order_id)] = _Shadow(record, seq, self._candidates.at(record.order_id))

    def shadow_filled(self, seq: int, record: ShadowFilled) -> None:
        """Its entry, or its end."""
        order_id = order_ref(record.order_id)
        shadow = self._shadows.get(order_id)
        if shadow is None:
            return
        shadow.fills.append((seq, record))
        if record.leg is not Leg.ENTRY:
            del self._shadows[order_id]
            self.trades.append(shadow_trade(self._source, shadow.order, shadow.seq, shadow.candidate, shadow.fills))

    def shadow_ended(self, record: ShadowEnded) -> None:
        """It never entered."""
        self._shadows.pop(order_ref(record.order_id), None)
