"""A day written by hand into an event log: each test says what happened, and knows what has to come out."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from trading_bot.core.documents import RunDocuments
from trading_bot.core.event_log import EventLog
from trading_bot.domain import events, log_records, trade_events
from trading_bot.domain.config import BotConfig
from trading_bot.domain.effects import PlaceOrder
from trading_bot.domain.events import Event
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.learning import Evidence, Finding, LearningState, LearningUpdate, TradeOutcome
from trading_bot.domain.orders import Leg, Side
from trading_bot.domain.records import TICK_RECORD, FrameClass, FrameKind

# 2026-11-25 is an ordinary Wednesday: New York opens at 14:30 UTC, which is 09:30 there.
OPEN_NS = 1_795_617_000_000_000_000
S_NS = 1_000_000_000
SEGMENT_BYTES = 64 * 1024
NO_STATE = {"kill_reason": None, "deficits": [], "learning": None}


def at(seconds: float) -> int:
    """Seconds after the open."""
    return OPEN_NS + round(seconds * S_NS)


def quote(ts_ns: int, bid: int, ask: int, bid_qty: int = 10, ask_qty: int = 10) -> bytes:
    """A quote as a feed gives it."""
    return TICK_RECORD.pack(
        0, 64, 0, FrameKind.QUOTE, FrameClass.INPUT, 1, 0, ts_ns, ts_ns, bid, ask, bid_qty, ask_qty, 0, 0, 0, 0
    )


def started(ts_ns: int = OPEN_NS, **changes: Any) -> events.RunStarted:
    """The first record, with gates that are not the defaults."""
    quality = {"dvs_entry_c": 85, "dvs_hold_c": 55, "dvs_kill_c": 25}
    config = msgspec.convert({"quality": quality}, BotConfig)
    documents = RunDocuments(config=config, templates={}, instrument=INSTRUMENTS["MES"])
    fields: dict[str, Any] = {
        "schema": 1,
        "run_id": "run-1",
        "mode": "OBSERVE",
        "adapter": "sim",
        "instrument": "MES",
        "trade_date": 20261125,
        "config_hash": documents.config_hash,
        "kernel_build": "test",
        "documents": documents.pack(),
        "digests": documents.digests(),
        "hypothetical": True,
    }
    return events.RunStarted(ts_ns=ts_ns, **(fields | changes))


def carried(ts_ns: int = OPEN_NS, **changes: Any) -> events.StateCarried:
    return events.StateCarried(ts_ns=ts_ns, state=msgspec.msgpack.encode(NO_STATE | changes))


def closed(
    number: int, template: str, side: Side, qty: int, span_s: tuple[float, float], ticks: tuple[int, int], reason: str,
    gross_usd: float, **changes: Any,
) -> trade_events.TradeClosed:  # fmt: skip
    """A closed trade; its commission is 2.50 dollars for each lot unless `changes` says otherwise."""
    fields: dict[str, Any] = {
        "template": template,
        "pnl_usd": gross_usd,
        "trade_id": f"{number}-0",
        "instrument": "MES",
        "side": side,
        "qty": qty,
        "entry_ticks": ticks[0],
        "exit_ticks": ticks[1],
        "entry_ts_ns": at(span_s[0]),
        "exit_ts_ns": at(span_s[1]),
        "exit_reason": reason,
        "mae_ticks": 3.0,
        "mfe_ticks": 11.0,
        "slippage_ticks": 1.0,
        "slippage_expected_ticks": 0.5,
        "commission_round_trip": 2.5 * qty,
        "hypothetical": True,
    }
    outcome = TradeOutcome(**(fields | changes))
    return trade_events.TradeClosed(ts_ns=at(span_s[1]), order_id=(number, 0), outcome=outcome, ledger=b"")


def skip(seconds: float, reason: str, template: str = "S1") -> events.DecisionMade:
    return events.DecisionMade(
        ts_ns=at(seconds), action="SKIP", reason=reason, mask=0, template=template, side=1, episode=1, text=""
    )


def outcome(seconds: float, dvs_c: int) -> events.OutcomeReached:
    return events.OutcomeReached(ts_ns=at(seconds), code=2, at_grid=True, dvs_c=dvs_c, dvs_band=3, exit_mask=0)


def session(seconds: float, state: str) -> events.SessionChanged:
    return events.SessionChanged(ts_ns=at(seconds), state=state, trade_date=20261125)


def resident(seconds: float, naked_ns: int) -> trade_events.StopResident:
    return trade_events.StopResident(ts_ns=at(seconds), order_id=(1, 0), price_ticks=24_000, naked_ns=naked_ns)


def breaker(seconds: float, name: str, response: str, *, tripped: bool) -> trade_events.BreakerChanged:
    return trade_events.BreakerChanged(
        ts_ns=at(seconds), breaker=name, response=response, tripped=tripped, resumes_at_ns=0, reason="", ledger=b""
    )


def learned(seconds: float, template: str, before: LearningState, after: LearningState) -> LearningUpdate:
    evidence = Evidence(
        finding=Finding.BAD, shadow=False, n=20, wins=5, mean_uusd=-1, sd_uusd=1, z_e6=-1, p_e6=1, drawdown_uusd=1,
        drawdown_limit_uusd=None, threshold_e6=1,
    )  # fmt: skip
    return LearningUpdate(
        ts_ns=at(seconds),
        template=template,
        hypothetical=True,
        previous=before,
        state=after,
        epoch=0,
        evidence=evidence,
    )


def filled(
    seconds: float, order: int, leg: Leg, side: Side, price_ticks: int, qty: int = 1
) -> trade_events.OrderFilled:
    return trade_events.OrderFilled(
        ts_ns=at(seconds), order_id=(order, 0), leg=leg, side=side, qty=qty, price_ticks=price_ticks, remaining=0,
        final=True, commission_uusd=1_250_000, exec_id=f"{order}-{leg}", hypothetical=True,
    )  # fmt: skip


def opened(seconds: float, order: int, price_ticks: int, stop_ticks: int, **changes: Any) -> trade_events.TradeOpened:
    fields: dict[str, Any] = {
        "template": "S1",
        "side": Side.BUY,
        "qty": 1,
        "target_price_ticks": price_ticks + 10,
        "time_stop_ns": at(seconds + 90),
        "slippage_ticks": 0,
        "slippage_expected_e6": 0,
        "hypothetical": True,
    }
    return trade_events.TradeOpened(
        ts_ns=at(seconds),
        order_id=(order, 0),
        price_ticks=price_ticks,
        stop_price_ticks=stop_ticks,
        **(fields | changes),
    )


def placed(seconds: float, order: int, expires_s: float) -> bytes:
    """The effect that sends an entry, as bytes: only the safety gate builds an approved order (law 7)."""
    body = {
        "kind": "PLACE_ORDER",
        "ts_ns": at(seconds),
        "order": {
            "order_id": [order, 0],
            "instrument_id": 1,
            "template": "S1",
            "side": "BUY",
            "qty": 1,
            "limit_ticks": 24_000,
            "stop_price_ticks": 23_994,
            "target_price_ticks": 24_010,
            "expires_ns": at(expires_s),
            "risk_uusd": 7_500_000,
            "checks_passed": 18,
        },
    }
    payload = msgspec.msgpack.encode(body)
    assert isinstance(log_records.decode(payload), PlaceOrder)
    return payload


def waves(start_s: float, end_s: float, step_s: float = 30.0, bid: int = 24_000) -> list[bytes]:
    """Quotes that rise and fall by 40 ticks."""
    count = int((end_s - start_s) / step_s)
    return [quote(at(start_s + k * step_s), price := bid + abs(k % 80 - 40), price + 1) for k in range(count)]


def write(folder: Path, records: Iterable[Any], *, close: bool = True) -> Path:
    """A log of events, payloads of effects and market records as they come; without `close`, as a crash leaves it."""
    log = EventLog.create(folder, b"day", SEGMENT_BYTES)
    ts_ns = OPEN_NS
    for record in records:
        if isinstance(record, bytes) and len(record) == TICK_RECORD.size and record[4:8] == b"\x40\0\0\0":
            ts_ns = TICK_RECORD.unpack(record)[7]
            if not log.writer.append_ticks(record):
                log.maintain()
                assert log.writer.append_ticks(record)
        elif isinstance(record, bytes):
            log.append_message(FrameClass.EFFECT, ts_ns, 1, 1, record)
        else:
            ts_ns = record.ts_ns
            kind = log_records.frame_class(record)
            log.append_message(kind, ts_ns, 1, 0 if kind is FrameClass.INPUT else 1, log_records.encode(record))
    if close:
        log.close()
    else:
        log.sync()
        log.abandon()
    return folder


def three_trades() -> list[Event]:
    """Gross +12.50, −15.00, +1.25; commission 2.50, 5.00, 2.50: net +10.00, −20.00, −1.25 dollars."""
    return [
        closed(1, "S1", Side.BUY, 1, (600, 630), (24_000, 24_010), "TARGET", 12.5),
        closed(2, "K1", Side.SELL, 2, (900, 960), (24_020, 24_026), "STOP", -15.0),
        closed(3, "S1", Side.BUY, 1, (1_200, 1_290), (24_010, 24_011), "TIME", 1.25),
    ]
