"""A log of trading written by hand, record by record with its cause, so that each test knows every number in it."""

from pathlib import Path
from typing import Any

import msgspec

from tests.core.worlds import eager_template
from tests.reports import day_log as day
from trading_bot.core.documents import RunDocuments
from trading_bot.core.event_log import EventLog
from trading_bot.domain import effects, events, log_records, trade_events
from trading_bot.domain.broker_events import CommissionReported
from trading_bot.domain.config import BotConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.records import FrameClass

TEMPLATES = {"A": eager_template(entry="passive"), "B": eager_template(entry="marketable")}
FEE_UUSD = 620_000


def started(**changes: Any) -> events.RunStarted:
    """A run of real money with two templates: A joins its side of the book, B takes the other."""
    documents = RunDocuments(config=msgspec.convert({}, BotConfig), templates=TEMPLATES, instrument=INSTRUMENTS["MES"])
    return day.started(**({"documents": documents.pack(), "mode": "PAPER", "hypothetical": False} | changes))


def candidate(template: int, side: int, euc_e6: int, **changes: Any) -> Candidate:
    fields: dict[str, Any] = {
        "template": template, "side": side, "missing": False, "episode": 1, "z_e6": 1, "belief_e6": 700_000,
        "p_e6": 600_000, "p_be_e6": 1, "stability_e6": 1, "edge_e6": 3_600_000, "uncertainty_e6": 400_000,
        "cost_e6": 2_200_000, "euc_e6": euc_e6, "required_e6": 1, "cost_share_e6": 1, "slippage_e6": 1,
        "target_ticks": 12, "stop_ticks": 8,
    }  # fmt: skip
    return Candidate(**(fields | changes))


class Tape:
    """Records as they come; `add` gives the number of each."""

    def __init__(self, first: events.RunStarted | None = None) -> None:
        self.rows: list[tuple[int, Any]] = []
        self.add(first or started())

    def add(self, record: Any, cause: int = 0) -> int:
        self.rows.append((cause, record))
        return len(self.rows)

    @property
    def now_ns(self) -> int:
        return day.at(len(self.rows))

    def outcome(self, *candidates: Candidate, code: int = 1) -> int:
        return self.add(
            events.OutcomeReached(
                ts_ns=self.now_ns, code=code, at_grid=False, dvs_c=97, dvs_band=3, exit_mask=0, candidates=candidates
            )
        )

    def decision(self, cause: int, template: str, side: int, action: str = "ENTER", **changes: Any) -> int:
        fields = {"reason": "", "mask": 0, "episode": 1, "text": ""} | changes
        record = events.DecisionMade(ts_ns=self.now_ns, action=action, template=template, side=side, **fields)
        return self.add(record, cause)

    def place(self, cause: int, number: int, template: str, side: Side, limit: int, qty: int = 1) -> int:
        sign = 1 if side is Side.BUY else -1
        order = {
            "order_id": [cause, number], "instrument_id": 1, "template": template, "side": side.value, "qty": qty,
            "limit_ticks": limit, "stop_price_ticks": limit - 8 * sign, "target_price_ticks": limit + 12 * sign,
            "expires_ns": self.now_ns + 10, "risk_uusd": 1, "checks_passed": 18,
        }  # fmt: skip
        payload = msgspec.msgpack.encode({"kind": "PLACE_ORDER", "ts_ns": self.now_ns, "order": order})
        return self.add(payload, cause)

    def fill(
        self, order_id: tuple[int, int], leg: Leg, side: Side, price: int, qty: int = 1, remaining: int = 0,
        **changes: Any,
    ) -> int:  # fmt: skip
        fields: dict[str, Any] = {
            "commission_uusd": FEE_UUSD * qty, "exec_id": f"x{len(self.rows)}", "hypothetical": False,
        }  # fmt: skip
        record = trade_events.OrderFilled(
            ts_ns=self.now_ns, order_id=order_id, leg=leg, side=side, qty=qty, price_ticks=price, remaining=remaining,
            final=not remaining, **(fields | changes),
        )  # fmt: skip
        return self.add(record)

    def measured(self, cause: int, order_id: tuple[int, int], leg: Leg, kind: str, slippage: int | None) -> int:
        record = trade_events.FillMeasured(
            ts_ns=self.now_ns, order_id=order_id, leg=leg, fill_kind=kind, qty=1, slippage_ticks=slippage,
            expected_e6=500_000, commission_uusd=FEE_UUSD, hypothetical=False,
        )  # fmt: skip
        return self.add(record, cause)

    def closed(self, cause: int, order_id: tuple[int, int], template: str, side: Side, qty: int, **changes: Any) -> int:
        fields: dict[str, Any] = {
            "trade_id": f"{order_id[0]}-{order_id[1]}", "decision_seq": order_id[0], "instrument": "MES",
            "regime": "calm", "bucket": "1", "mae_ticks": 2.0, "mfe_ticks": 5.0, "spread_ticks": 1.0, "dvs_c": 97,
            "eqs_c": 100, "belief_e6": 700_000, "euc_e6": 1_000_000, "hypothetical": False,
        }  # fmt: skip
        outcome = msgspec.convert({"template": template, "side": side, "qty": qty} | fields | changes, _OUTCOME)
        return self.add(
            trade_events.TradeClosed(ts_ns=self.now_ns, order_id=order_id, outcome=outcome, ledger=b""), cause
        )

    def corrected(self, order_id: tuple[int, int], exec_id: str, delta: int, *, closed: bool) -> int:
        reported = self.add(
            CommissionReported(
                ts_ns=self.now_ns, order_id=order_id, leg=Leg.ENTRY, exec_id=exec_id,
                commission_uusd=FEE_UUSD + delta, estimated_uusd=FEE_UUSD,
            )
        )  # fmt: skip
        return self.add(
            trade_events.CommissionCorrected(
                ts_ns=self.now_ns, order_id=order_id, leg=Leg.ENTRY, exec_id=exec_id, delta_uusd=delta,
                trade_closed=closed, hypothetical=False, ledger=b"",
            ),
            reported,
        )  # fmt: skip

    def exit_sent(self, cause: int, order_id: tuple[int, int], side: Side, why: str, limit: int | None = None) -> int:
        record = effects.PlaceExit(ts_ns=self.now_ns, order_id=order_id, side=side, qty=1, limit_ticks=limit, cause=why)
        return self.add(record, cause)

    def process(self, recovery: str) -> int:
        return self.add(
            events.ProcessStarted(
                ts_ns=self.now_ns, recovery=recovery, config_hash="", kernel_build="", last_seq=0, torn_bytes=0
            )
        )

    def write(self, folder: Path) -> Path:
        """As a process leaves it that was killed: no end."""
        log = EventLog.create(folder, b"facts", day.SEGMENT_BYTES)
        for cause, record in self.rows:
            ts_ns = record.ts_ns if not isinstance(record, bytes) else msgspec.msgpack.decode(record)["ts_ns"]
            payload = record if isinstance(record, bytes) else log_records.encode(record)
            kind = FrameClass.EFFECT if isinstance(record, bytes) else log_records.frame_class(record)
            log.append_message(kind, ts_ns, 1, cause, payload)
        log.sync()
        log.abandon()
        return folder


_OUTCOME = trade_events.TradeOutcome
