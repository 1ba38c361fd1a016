"""The cost microscope: what each trade paid and when, and what the market did after its fills (docs/microscope.md)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from trading_bot.analytics.scope_records import (
    HORIZONS_MS,
    HORIZONS_NS,
    Drift,
    Excess,
    ExecutionRow,
    Markout,
    Microscope,
    TradeScope,
    WayTimes,
)
from trading_bot.domain.latency_events import OrderTimed
from trading_bot.domain.orders import Leg, Side
from trading_bot.reports.fact_records import Facts, OrderFact, TradeFact
from trading_bot.reports.market_path import Extreme, MarketPath, Touch, read_market_path
from trading_bot.reports.trade_facts import tag_of

_REJECTED: Final = "REJECTED"
_OVER_UNFILLED: Final = ("CANCELLED", _REJECTED, "SUPPRESSED")


def microscope(facts: Facts, *, hypothetical: bool | None = None) -> Microscope:
    """Put the trades of `facts` under the microscope; of one kind only, unless `hypothetical` is None.

    Shadow trades were never sent and are left out. Each log is walked once for its quotes.

    Raises:
        UsageError: a log is not there any more.
        LogCorrupt: a damaged record.
    """
    trades = [trade for trade in facts.entered(hypothetical=hypothetical) if trade.entry_ts_ns and trade.exit_ts_ns]
    kinds = {session.log: session.hypothetical for session in facts.sessions}
    entries = [
        order
        for order in facts.orders
        if order.leg == Leg.ENTRY.value and hypothetical in (None, kinds.get(order.log, hypothetical))
    ]
    paths = _paths(trades, [order for order in entries if _missed(order)])
    by_id = {(order.log, order.order_id): order for order in entries}
    timed = _timed(facts)
    scopes = tuple(
        _scope(trade, paths[trade.log], by_id.get((trade.log, trade.trade_id)), timed.get((trade.log, trade.trade_id)))
        for trade in trades
    )
    names = sorted({order.template for order in entries} | {trade.template for trade in trades})
    return Microscope(
        hypothetical=hypothetical,
        trades=scopes,
        templates=(
            _row("", entries, scopes, paths),
            *(
                _row(
                    name,
                    [order for order in entries if order.template == name],
                    [scope for scope in scopes if scope.template == name],
                    paths,
                )
                for name in names
            ),
        ),
    )


def _paths(trades: Iterable[TradeFact], missed: Iterable[OrderFact]) -> dict[str, MarketPath]:
    """One walk per log for everything that will be asked of it."""
    times_ns: dict[str, set[int]] = {}
    spans_ns: dict[str, set[tuple[int, int]]] = {}
    for trade in trades:
        asked = times_ns.setdefault(trade.log, set())
        for at_ns in (trade.entry_ts_ns, trade.exit_ts_ns):
            asked.update((at_ns, *(at_ns + horizon_ns for horizon_ns in HORIZONS_NS)))
        spans_ns.setdefault(trade.log, set()).add((trade.entry_ts_ns, trade.exit_ts_ns))
    for order in missed:
        asked = times_ns.setdefault(order.log, set())
        asked.update((order.ts_ns, *(order.ts_ns + horizon_ns for horizon_ns in HORIZONS_NS)))
    return {log: read_market_path(Path(log), times, spans_ns.get(log, ())) for log, times in times_ns.items()}


def _timed(facts: Facts) -> dict[tuple[str, str], tuple[int, OrderTimed]]:
    found: dict[tuple[str, str], tuple[int, OrderTimed]] = {}
    for told in facts.told(tag_of(OrderTimed)):
        if isinstance(told.record, OrderTimed) and told.record.leg is Leg.ENTRY:
            seq, number = told.record.order_id
            found[told.log, f"{seq}-{number}"] = (told.seq, told.record)
    return found


def _scope(
    trade: TradeFact, path: MarketPath, order: OrderFact | None, timed: tuple[int, OrderTimed] | None
) -> TradeScope:
    entry_ticks, exit_ticks = trade.entry_cost_ticks / trade.qty, trade.exit_value_ticks / trade.qty
    entry_mid, exit_mid = _mid(path.touches[trade.entry_ts_ns]), _mid(path.touches[trade.exit_ts_ns])
    mae, mfe = _excursions(trade, entry_ticks, path)
    return TradeScope(
        log=trade.log,
        trade_id=trade.trade_id,
        outcome_seq=trade.outcome_seq,
        decision_seq=trade.decision_seq,
        place_seq=trade.place_seq,
        opened_seq=trade.opened_seq,
        closed_seq=trade.closed_seq,
        template=trade.template,
        side=trade.side,
        qty=trade.qty,
        hypothetical=trade.hypothetical,
        decision_ts_ns=trade.decision_ts_ns,
        entry_ts_ns=trade.entry_ts_ns,
        exit_ts_ns=trade.exit_ts_ns,
        entry_ticks=entry_ticks,
        exit_ticks=exit_ticks,
        exit_reason=trade.exit_reason,
        way=_way(trade, order, timed),
        spread_ticks=trade.spread_ticks,
        entry_cost_ticks=None if entry_mid is None else _signed(trade.sign, entry_ticks - entry_mid),
        exit_cost_ticks=None if exit_mid is None else _signed(trade.sign, exit_mid - exit_ticks),
        entry_slippage_ticks=trade.entry_slippage_ticks,
        exit_slippage_ticks=trade.exit_slippage_ticks,
        slippage_ticks=trade.slippage_ticks,
        slippage_expected_ticks=trade.slippage_expected_ticks,
        commission_uusd=trade.commission_uusd,
        commission_ticks=trade.commission_uusd / (trade.tick_value_uusd * trade.qty),
        net_uusd=trade.net_uusd,
        entry_markouts=_markouts(path, trade.entry_ts_ns, entry_ticks, trade.sign),
        exit_markouts=_markouts(path, trade.exit_ts_ns, exit_ticks, -trade.sign),
        mae=mae,
        mfe=mfe,
        told_mae_ticks=trade.mae_ticks,
        told_mfe_ticks=trade.mfe_ticks,
    )


def _way(trade: TradeFact, order: OrderFact | None, timed: tuple[int, OrderTimed] | None) -> WayTimes:
    seq, record = timed if timed is not None else (0, None)
    written = None if record is None or record.gate_ns is None or record.write_ns is None else record
    return WayTimes(
        simulated=trade.hypothetical,
        log_ack_ns=_since(trade.decision_ts_ns, order.acknowledged_ns if order else None),
        log_fill_ns=_since(trade.decision_ts_ns, order.first_fill_ns if order else trade.entry_ts_ns),
        write_ns=None if written is None else (written.gate_ns or 0) + (written.write_ns or 0),
        ack_ns=record.ack_ns if record else None,
        fill_ns=record.fill_ns if record else None,
        tick_to_write_ns=record.tick_to_write_ns if record else None,
        timed_seq=seq,
    )


def _since(begin_ns: int, end_ns: int | None) -> int | None:
    return None if end_ns is None or not begin_ns else end_ns - begin_ns


def _markouts(path: MarketPath, at_ns: int, price_ticks: float, sign: int) -> tuple[Markout, ...]:
    begin = _mid(path.touches[at_ns])
    rows = []
    for horizon_ms, horizon_ns in zip(HORIZONS_MS, HORIZONS_NS, strict=True):
        touch = path.touches[at_ns + horizon_ns]
        mid = _mid(touch)
        rows.append(
            Markout(
                horizon_ms=horizon_ms,
                ticks=None if mid is None else _signed(sign, mid - price_ticks),
                drift_ticks=None if mid is None or begin is None else _signed(sign, mid - begin),
                seq=touch.seq if touch else 0,
            )
        )
    return tuple(rows)


def _excursions(trade: TradeFact, entry_ticks: float, path: MarketPath) -> tuple[Excess | None, Excess | None]:
    """At the price a position is left at: a long at the bid, a short at the ask."""
    found = path.ranges[trade.entry_ts_ns, trade.exit_ts_ns]
    if found is None:
        return None, None
    worst, best = (found.bid_low, found.bid_high) if trade.sign > 0 else (found.ask_high, found.ask_low)
    against, favour = trade.sign * (entry_ticks - worst.price_ticks), trade.sign * (best.price_ticks - entry_ticks)
    return _excess(against, worst), _excess(favour, best)


def _excess(ticks: float, at: Extreme) -> Excess:
    return Excess(ticks=ticks, ts_ns=at.ts_ns, seq=at.seq) if ticks > 0 else Excess(ticks=0.0, ts_ns=None, seq=0)


def _signed(sign: int, ticks: float) -> float:
    return sign * ticks + 0.0  # never -0.0, which people would have to read


def _mid(touch: Touch | None) -> float | None:
    return None if touch is None else touch.twice_mid_ticks / 2


def _missed(order: OrderFact) -> bool:
    return not order.filled_qty and order.end in _OVER_UNFILLED and order.end != _REJECTED


def _row(
    name: str, entries: Sequence[OrderFact], scopes: Sequence[TradeScope], paths: dict[str, MarketPath]
) -> ExecutionRow:
    filled = sum(order.filled_qty > 0 for order in entries)
    missed = [order for order in entries if _missed(order)]
    over = filled + sum(not order.filled_qty and order.end in _OVER_UNFILLED for order in entries)
    return ExecutionRow(
        template=name,
        entries=len(entries),
        filled=filled,
        missed_entries=len(missed),
        rejected=sum(not order.filled_qty and order.end == _REJECTED for order in entries),
        fill_rate=filled / over if over else None,
        trades=len(scopes),
        slippage_ticks=_mean(scope.slippage_ticks for scope in scopes),
        slippage_expected_ticks=_mean(scope.slippage_expected_ticks for scope in scopes),
        entry_cost_ticks=_mean(scope.entry_cost_ticks for scope in scopes),
        exit_cost_ticks=_mean(scope.exit_cost_ticks for scope in scopes),
        commission_ticks=_mean(scope.commission_ticks for scope in scopes),
        adverse=_drifts([[mark.drift_ticks for mark in scope.entry_markouts] for scope in scopes]),
        missed=_drifts([_missed_drift(order, paths[order.log]) for order in missed]),
    )


def _missed_drift(order: OrderFact, path: MarketPath) -> list[float | None]:
    """From when it was sent, in its direction, as if the mid had been had then."""
    sign = 1 if order.side is Side.BUY else -1
    return [mark.drift_ticks for mark in _markouts(path, order.ts_ns, 0.0, sign)]


def _drifts(rows: Sequence[Sequence[float | None]]) -> tuple[Drift, ...]:
    drifts = []
    for place, horizon_ms in enumerate(HORIZONS_MS):
        known = [value for row in rows if (value := row[place]) is not None]
        drifts.append(Drift(horizon_ms=horizon_ms, count=len(known), mean_ticks=_mean(known)))
    return tuple(drifts)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
