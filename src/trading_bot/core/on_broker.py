"""Handlers: what only a real broker says: doubts about an order, late commissions, messages that change nothing."""

import msgspec

from trading_bot.core import breaking, execution_quality
from trading_bot.core.cost_desk import with_corrected
from trading_bot.core.state import State
from trading_bot.domain.broker_events import BrokerNotice, CommissionReported, OrderUncertain
from trading_bot.domain.effects import Alert, AskBroker, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import Leg
from trading_bot.domain.trade_events import CommissionCorrected
from trading_bot.domain.witness_events import MarketWitnessed
from trading_bot.engines import budgets

Results = list[Event | Effect]


def order_uncertain(state: State, event: OrderUncertain, _seq: int) -> Results:
    """A leg may live or not: nothing is sent again, the broker is asked what works (specification 11)."""
    ts_ns = event.ts_ns
    text = (
        f"the broker says {event.code} {event.text} about {event.leg.value} of order {event.order_id}: it may be live"
    )
    results: Results = [Alert(ts_ns=ts_ns, level="error", code="ORDER_UNCERTAIN", text=text)]
    if event.leg is Leg.ENTRY and (entry := state.entries.get(event.order_id)) is not None:
        results += execution_quality.doubt(state, ts_ns, entry)
    return [*results, AskBroker(ts_ns=ts_ns, reason="ORDER_UNCERTAIN")]


def commission_reported(state: State, event: CommissionReported, _seq: int) -> Results:
    """The broker's commission takes the place of the estimate, once, wherever the estimate was counted (RC06)."""
    estimated_uusd = state.executions.get(event.exec_id)
    if estimated_uusd is None:  # not an execution of ours, or reported before
        return []
    state.executions[event.exec_id] = None
    delta_uusd = event.commission_uusd - estimated_uusd
    hypothetical = state.learning.hypothetical
    state.budgets = budgets.with_fee(state.budgets, delta_uusd)
    if state.account is not None:
        fees_uusd = state.account.fees_uusd + delta_uusd
        state.account = msgspec.structs.replace(state.account, fees_uusd=fees_uusd)
        state.equity_uusd = state.account.equity_uusd(0)
    is_open = state.trade is not None and state.trade.order_id == event.order_id
    if is_open and state.trade is not None:
        state.trade.fees_uusd += delta_uusd
    corrected = CommissionCorrected(
        ts_ns=event.ts_ns,
        order_id=event.order_id,
        leg=event.leg,
        exec_id=event.exec_id,
        delta_uusd=delta_uusd,
        trade_closed=not is_open,
        hypothetical=hypothetical,
        ledger=breaking.ledger_bytes(state),
    )
    state.costs = with_corrected(state.costs, corrected)
    return [corrected, *breaking.mark(state, event.ts_ns)]


def broker_notice(state: State, event: BrokerNotice, _seq: int) -> Results:
    """Kept in the log; one of class ERROR is told, and counts for the breaker (specification 8.2)."""
    if not event.error:
        return []
    text = f"the broker says {event.code} {event.text}"
    alert = Alert(ts_ns=event.ts_ns, level="warning", code="BROKER_ERROR", text=text)
    return [alert, *breaking.broker_error(state, event.ts_ns)]


def market_witnessed(_state: State, _event: MarketWitnessed, _seq: int) -> Results:
    """For whoever judges the recorded ticks later (docs/parity.md); nothing is decided by it."""
    return []
