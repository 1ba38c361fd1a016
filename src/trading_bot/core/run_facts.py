"""What a run's own records say, read a second time: nothing here asks the state under test.

Taken in record by record: first an input, then each of its results. Money in micro-dollars, times in ns UTC.
"""

from typing import Any, Final

import msgspec

from trading_bot.core.learning_loop import LearningLoop
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.config import BotConfig
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event
from trading_bot.domain.learning import LearningOrdered, TradeOutcome
from trading_bot.domain.orders import ApprovedOrder, ClientOrderId, Leg, OrderStatus, Side
from trading_bot.domain.units import usd_from_uusd
from trading_bot.engines.breaker_table import RULE, Breaker, Response
from trading_bot.engines.learning import TRANSITIONS as LEARNING_TRANSITIONS
from trading_bot.engines.orders import FINAL, TRANSITIONS, OrderSignal

TimerKey = tuple[str, ClientOrderId | None]
_ENDS: Final = (trade_events.OrderFilled, events.OrderCancelled, events.OrderRejected)


class EntryFacts(msgspec.Struct, kw_only=True):
    """An entry order as its records tell it. `status` None: a record came that the table of orders does not have."""

    order: ApprovedOrder
    status: OrderStatus | None = OrderStatus.SENT
    told: str = ""
    filled: int = 0
    first_fill_ns: int = 0
    cancel_asked_ns: int | None = None
    ended_legs: dict[Leg, str] = msgspec.field(default_factory=dict)
    left_qty: int = 0
    early_stop_qty: int = 0  # lots of a stop told to be in force before the first execution
    flip_ns: int | None = None

    @property
    def alive(self) -> bool:
        """Whether it may still fill."""
        return self.status is None or self.status not in FINAL


class Facts:
    """The run so far."""

    def __init__(self, config: BotConfig, templates: tuple[str, ...], tick_value_uusd: int) -> None:
        """Nothing has happened."""
        self.config = config
        self.tick_value_uusd = tick_value_uusd
        self.trade_date = 0
        self.position = 0
        self.cash_ticks = 0  # of the day: what sales brought minus what purchases cost, ticks times lots
        self.fees_uusd = 0
        self.day_start_uusd: int | None = None
        self.entries: dict[ClientOrderId, EntryFacts] = {}
        self.open_id: ClientOrderId | None = None  # the entry whose trade is open
        self.naked_since_ns: int | None = None
        self.naked_told_ns: int | None = None
        self.stop_qty = 0  # lots that the stop in force closes
        self.stop_ticks: int | None = None
        self.flip_since_ns: int | None = None  # an exit and another order both filled, and it is not left yet
        self.kill_reason: str | None = None
        self.latched = False
        self.stopping = False
        self.link_up = False
        self.data_type = 0
        self.data_down = False
        self.dvs_c = 100
        self.tripped: set[str] = set()
        self.entry_fills_ns: list[int] = []
        self.attempts = self.messages = self.executed = self.entries_day = 0
        self.rejects_ns: list[int] = []
        self.exit_rejects_ns: list[int] = []
        self.timers: dict[TimerKey, tuple[int, int]] = {}  # due, armed
        self.learning = LearningLoop(
            config.learning,
            templates,
            hypothetical=True,
            win_rate_pseudo_trades=config.decision.pseudo_trades,
        )
        self.shadows: dict[ClientOrderId, list[Any]] = {}
        self.trades = 0
        self.fills = 0
        self.ended: effects.EndRun | None = None
        self.alarmed_ns: int | None = None  # newest alert that a person has to see
        self.locks: set[str] = set()
        self.log_space_ok = True
        self.reconciled = False
        self.last_entry: tuple[Side, int, int] | None = None  # side, limit in ticks, time
        self.last_entry_qty: int | None = None  # of the newest entry that filled, and whether its trade lost
        self.last_trade_lost = False
        self._alive: dict[ClientOrderId, EntryFacts] = {}
        self._executions: set[str] = set()

    # --- questions -------------------------------------------------------------------------------------------------

    def alive_entries(self) -> list[EntryFacts]:
        """Entries that may still fill."""
        return list(self._alive.values())

    def blocking(self) -> list[str]:
        """Tripped breakers that stop entries."""
        return sorted(name for name in self.tripped if RULE[Breaker(name)].response >= Response.PAUSE)

    def net_uusd(self, mark_ticks: int) -> int:
        """Result of the day with the position at `mark_ticks`, after commissions."""
        return (self.cash_ticks + self.position * mark_ticks) * self.tick_value_uusd - self.fees_uusd

    def new_exchange(self) -> None:
        """Another run, with an exchange of its own, which numbers orders and executions anew."""
        self._executions.clear()
        self.entries.clear()
        self.shadows.clear()

    # --- records ---------------------------------------------------------------------------------------------------

    def take(self, record: Event | Effect) -> None:
        """Take in the next record."""
        match record:
            case events.RunStarted():
                self._begin(record)
            case events.AccountSnapshot() if self.day_start_uusd is None:
                self.day_start_uusd = record.equity_uusd
            case events.LinkStatus():
                self.link_up, self.data_type = record.up, record.data_type
            case events.KillRequested() | events.StopRequested() | events.FeedEnded():
                self.stopping = True
            case events.OutcomeReached():
                self.dvs_c = record.dvs_c
            case events.QualityStateChanged():
                self.data_down = record.data_down
            case events.LockoutChanged():
                (self.locks.add if record.until_ns else self.locks.discard)(record.lockout)
            case events.LogSpaceChanged():
                self.log_space_ok = record.ok
            case events.Reconciled():
                self.reconciled = record.ok
            case events.TimerFired():
                self.timers.pop((record.name, record.order_id), None)
            case trade_events.BreakerChanged():
                (self.tripped.add if record.tripped else self.tripped.discard)(record.breaker)
            case events.StateCarried():
                self.learning.adopt_beliefs(self.trade_date)
            case LearningOrdered():
                self._order(record)
            case trade_events.TradeClosed():
                self.trades += 1
                self.last_trade_lost = record.outcome.net_uusd < 0
                self._learn(record.outcome)
            case trade_events.ShadowFilled():
                self._shadow(record)
            case trade_events.ShadowEnded():
                self.shadows.pop(record.order_id, None)
            case Effect():
                self._effect(record)
            case _:
                self._answer(record)

    def _begin(self, record: events.RunStarted) -> None:
        """A log begins: timers end with a log, daily counts with the trade date."""
        self.timers.clear()
        self.stopping = False
        if record.trade_date == self.trade_date and record.trade_date:
            return
        self.trade_date = record.trade_date
        self.cash_ticks = self.fees_uusd = 0
        self.day_start_uusd = None
        self.attempts = self.messages = self.executed = self.entries_day = 0
        self.last_entry_qty, self.last_trade_lost = None, False

    def _effect(self, record: Effect) -> None:
        match record:
            case effects.PlaceOrder(order=order):
                self.entries[order.order_id] = self._alive[order.order_id] = EntryFacts(order=order)
                self.last_entry = (order.side, order.limit_ticks, record.ts_ns)
                self.attempts += 1
                self.messages += 1
            case effects.CancelOrder():
                self.messages += 1
                if record.leg is Leg.ENTRY and (entry := self.entries.get(record.order_id)) is not None:
                    entry.cancel_asked_ns = record.ts_ns
                    self._signal(entry, OrderSignal.CANCEL_ASKED)
            case effects.PlaceExit():
                self.messages += 1
            case effects.ModifyStop():
                self.messages += 1
                self.stop_ticks = record.price_ticks
            case effects.PlaceShadow():
                self.shadows[record.order_id] = [record.template, record.side, 0, 0]
            case effects.SaveLearningState():
                self.learning.mark_saved()
            case effects.LatchKillSwitch():
                self.latched, self.kill_reason, self.stopping = True, record.reason, True
            case effects.ArmTimer():
                self.timers.pop((record.name, record.order_id), None)
                self.timers[record.name, record.order_id] = (record.due_ns, record.ts_ns)
            case effects.DisarmTimer():
                self.timers.pop((record.name, record.order_id), None)
            case effects.Alert(level="critical"):
                self.alarmed_ns = record.ts_ns
            case effects.EndRun():
                self.ended = record
            case _:
                pass

    def _answer(self, record: Event) -> None:
        match record:
            case events.OrderSuppressed() | events.OrderAcknowledged():
                self._told(record.order_id, OrderSignal.ACK)
            case trade_events.OrderWorking(leg=Leg.ENTRY):
                self._told(record.order_id, OrderSignal.WORK)
            case trade_events.OrderWorking(leg=Leg.STOP) if record.order_id == self.open_id:
                self.stop_qty = record.remaining
                if self.naked_since_ns is not None and self.stop_qty >= abs(self.position):
                    self.naked_told_ns, self.naked_since_ns = record.ts_ns - self.naked_since_ns, None
            case trade_events.OrderWorking(leg=Leg.STOP) if record.order_id in self._alive:
                self._alive[record.order_id].early_stop_qty = record.remaining
            case trade_events.OrderFilled():
                self._fill(record)
            case events.OrderCancelled() | events.OrderRejected():
                self._gone(record)
            case _:
                pass
        if isinstance(record, _ENDS) and (entry := self.entries.get(record.order_id)) is not None:
            final = not isinstance(record, trade_events.OrderFilled) or record.final
            if final and record.leg is not Leg.EXIT:
                entry.ended_legs.setdefault(record.leg, type(record).__name__)

    def _gone(self, record: events.OrderCancelled | events.OrderRejected) -> None:
        if isinstance(record, events.OrderRejected):
            self.rejects_ns.append(record.ts_ns)
            if record.leg is Leg.EXIT:
                self.exit_rejects_ns.append(record.ts_ns)
        if record.leg is Leg.ENTRY:
            cancelled = isinstance(record, events.OrderCancelled)
            self._told(record.order_id, OrderSignal.CANCELLED if cancelled else OrderSignal.REJECTED)
        elif record.leg is Leg.STOP and record.order_id in self._alive and record.order_id != self.open_id:
            self._alive[record.order_id].early_stop_qty = 0
        elif record.leg is Leg.STOP and record.order_id == self.open_id and self.naked_since_ns is None:
            self.naked_since_ns, self.stop_qty = record.ts_ns, 0

    def _fill(self, record: trade_events.OrderFilled) -> None:
        if record.exec_id in self._executions:
            return  # told again
        self._executions.add(record.exec_id)
        self.fills += 1
        signed = record.qty if record.side is Side.BUY else -record.qty
        before, self.position = self.position, self.position + signed
        if before * self.position < 0 or (before == 0 and record.leg is not Leg.ENTRY):
            self.flip_since_ns = record.ts_ns
        elif self.position == 0:
            self.flip_since_ns = None
        self.cash_ticks -= signed * record.price_ticks
        self.fees_uusd += record.commission_uusd
        entry = self.entries.get(record.order_id)
        if entry is None:
            return
        if record.leg is Leg.ENTRY:
            if not entry.filled:
                entry.first_fill_ns = record.ts_ns
                self.entry_fills_ns.append(record.ts_ns)
                self.entries_day += 1
                self.executed += 1
                self.last_entry_qty = entry.order.qty
            if self.open_id != record.order_id:
                self.open_id, self.naked_since_ns = record.order_id, record.ts_ns
                self.stop_ticks, self.stop_qty = entry.order.stop_price_ticks, entry.early_stop_qty
                if self.stop_qty >= abs(self.position):
                    self.naked_told_ns, self.naked_since_ns = 0, None
            elif self.naked_since_ns is None and self.stop_qty < abs(self.position):
                self.naked_since_ns = record.ts_ns
            entry.filled += record.qty
            self._signal(entry, OrderSignal.FILL if record.final else OrderSignal.PARTIAL_FILL)
        else:
            entry.left_qty += record.qty
            self.stop_qty -= record.qty if record.leg is Leg.STOP else 0
            entry.flip_ns = entry.flip_ns or self.flip_since_ns
            self.executed += record.final
        if self.position == 0:
            if self.naked_since_ns is not None:
                self.naked_told_ns = record.ts_ns - self.naked_since_ns
            self.open_id = self.naked_since_ns = self.stop_ticks = None

    def _told(self, order_id: ClientOrderId, signal: OrderSignal) -> None:
        entry = self.entries.get(order_id)
        if entry is not None:
            self._signal(entry, signal)

    def _signal(self, entry: EntryFacts, signal: OrderSignal) -> None:
        if entry.status is None:
            return
        found = TRANSITIONS.get((entry.status, signal))
        if found is None and entry.status in FINAL:
            return  # late news of an order that is over; the table has those that change something
        if found is None:
            entry.told = f"{entry.status} cannot take {signal}"
        entry.status = found
        if not entry.alive:
            self._alive.pop(entry.order.order_id, None)

    def _learn(self, outcome: TradeOutcome) -> None:
        self.learning.record(outcome)

    def _order(self, order: LearningOrdered) -> None:
        if (self.learning.state(order.template), order.finding) in LEARNING_TRANSITIONS:
            self.learning.order_by_person(order.template, order.finding, order.ts_ns)

    def _shadow(self, record: trade_events.ShadowFilled) -> None:
        row = self.shadows.get(record.order_id)
        if row is None:
            return
        row[2] += record.commission_uusd
        if record.leg is Leg.ENTRY:
            row[3] = record.price_ticks
            return
        template, side, fees_uusd, entry_ticks = self.shadows.pop(record.order_id)
        sign = 1 if side is Side.BUY else -1
        self._learn(
            TradeOutcome(
                template=template,
                pnl_usd=usd_from_uusd((record.price_ticks - entry_ticks) * sign * self.tick_value_uusd),
                exit_ts_ns=record.ts_ns,
                commission_round_trip=usd_from_uusd(fees_uusd),
                hypothetical=True,
                shadow=True,
            )
        )
