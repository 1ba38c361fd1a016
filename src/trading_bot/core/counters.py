"""Counts over the records of a run: a projection of the log, the same live, replayed or recovered."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from trading_bot.core.executions import Seen, remember, seen
from trading_bot.domain import events, trade_events
from trading_bot.domain.effects import Effect, PlaceOrder
from trading_bot.domain.events import Event
from trading_bot.domain.reasons import Action, SafetyCheck
from trading_bot.domain.reconciling import ReconciliationDone, Row

_SKIP: Final = Action.SKIP


class RunCounters:
    """What the run summary needs."""

    def __init__(self) -> None:
        """All zero."""
        self.messages = 0
        self.logged_quotes = self.logged_trades = 0  # played from the log
        self.before_quotes = self.before_trades = 0  # of those, what came before the kernel that runs now began cold
        self.decisions = 0
        self.orders_placed = 0
        self.fills = 0
        self._executions: dict[str, int | None] = {}
        self.trades_closed = 0
        self.exits_by_cause: Counter[str] = Counter()
        self.last_exit: str | None = None
        self.net_uusd = 0
        self.net_hypothetical_uusd = 0
        self.fees_uusd = 0
        self.naked_ns_max = 0
        self.breakers_tripped: Counter[str] = Counter()
        self.ts_flatten_ns = 0
        self.skips_by_reason: Counter[str] = Counter()
        self.skips_by_template: dict[str, Counter[str]] = {}
        self.approvals_by_template: Counter[str] = Counter()
        self.refusals_by_reason: Counter[str] = Counter()
        self.blocked_by_check: Counter[str] = Counter()
        self.live_would_block: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.effects = 0
        self.reconciliations = 0
        self.reconciled_by_row: Counter[str] = Counter()

    @property
    def approvals(self) -> int:
        """Entries the safety gate let pass."""
        return self.approvals_by_template.total()

    def observe(self, record: Event | Effect) -> None:
        """Count one record."""
        self.messages += 1
        count = _COUNTED.get(type(record))
        if count is not None:
            count(self, record)
        if isinstance(record, Effect):
            self.effects += 1

    def _decision(self, record: events.DecisionMade) -> None:
        self.decisions += 1
        if record.action == _SKIP:
            self.skips_by_reason[record.reason] += 1
            self.skips_by_template.setdefault(record.template or "-", Counter())[record.reason] += 1
        elif record.live:
            self.live_would_block[record.live] += 1

    def _verdict(self, record: events.SafetyVerdict) -> None:
        if record.failed:
            self.refusals_by_reason.update(f"CHECK_{number}" for number in record.failed)
            self.blocked_by_check.update(SafetyCheck(number).name for number in record.failed)

    def _reconciled(self, record: ReconciliationDone) -> None:
        self.reconciliations += 1
        rows = [Row.SETTLING] if record.settling else [finding.row for finding in record.findings]
        self.reconciled_by_row.update(row.value for row in rows)

    def _resident(self, record: trade_events.StopResident) -> None:
        self.naked_ns_max = max(self.naked_ns_max, record.naked_ns)

    def _breaker(self, record: trade_events.BreakerChanged) -> None:
        self.breakers_tripped[record.breaker] += record.tripped

    def _flatten(self, record: events.SessionExitFlatten) -> None:
        self.ts_flatten_ns = record.ts_ns

    def _placed(self, record: PlaceOrder) -> None:
        self.orders_placed += 1
        self.approvals_by_template[record.order.template] += 1

    def _filled(self, record: trade_events.OrderFilled) -> None:
        """Each execution once, as the books do: told again, or corrected, it is no other fill."""
        if seen(self._executions, record.exec_id) is Seen.NEW:
            self.fills += 1
            self.fees_uusd += record.commission_uusd
        remember(self._executions, record.exec_id, None)

    def _corrected(self, record: trade_events.CommissionCorrected) -> None:
        self.fees_uusd += record.delta_uusd
        if not record.trade_closed:
            return
        if record.hypothetical:
            self.net_hypothetical_uusd -= record.delta_uusd
        else:
            self.net_uusd -= record.delta_uusd

    def _trade(self, record: trade_events.TradeClosed) -> None:
        outcome = record.outcome
        self.trades_closed += 1
        self.exits_by_cause[outcome.exit_reason] += 1
        self.last_exit = outcome.exit_reason
        if outcome.hypothetical:
            self.net_hypothetical_uusd += outcome.net_uusd
        else:
            self.net_uusd += outcome.net_uusd


_COUNTED: Final[dict[type[Event | Effect], Callable[[RunCounters, Any], None]]] = {
    events.DecisionMade: RunCounters._decision,  # noqa: SLF001
    events.SafetyVerdict: RunCounters._verdict,  # noqa: SLF001
    trade_events.OrderFilled: RunCounters._filled,  # noqa: SLF001
    trade_events.TradeClosed: RunCounters._trade,  # noqa: SLF001
    trade_events.CommissionCorrected: RunCounters._corrected,  # noqa: SLF001
    ReconciliationDone: RunCounters._reconciled,  # noqa: SLF001
    trade_events.StopResident: RunCounters._resident,  # noqa: SLF001
    trade_events.BreakerChanged: RunCounters._breaker,  # noqa: SLF001
    events.SessionExitFlatten: RunCounters._flatten,  # noqa: SLF001
    PlaceOrder: RunCounters._placed,  # noqa: SLF001
}
