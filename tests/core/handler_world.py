"""A core in the middle of a session, driven as the runner drives it, with the test as its log and its broker."""

from functools import cache
from typing import Any

from tests.core.worlds import OPEN_NS, documents
from tests.engines.cases import candidate
from trading_bot.core import opening
from trading_bot.core.carried import Carried
from trading_bot.core.documents import RunDocuments
from trading_bot.core.machine import Machine
from trading_bot.core.opening import RunIdentity
from trading_bot.core.trade import Entry, EntryTerms
from trading_bot.domain import events
from trading_bot.domain.effects import Effect, PlaceOrder
from trading_bot.domain.events import Event
from trading_bot.domain.kernel import Candidate, Outcome
from trading_bot.domain.orders import ApprovedOrder, Leg, OrderStatus, Side
from trading_bot.domain.trade_events import OrderFilled, OrderWorking
from trading_bot.domain.units import NS_PER_HOUR, NS_PER_MIN, NS_PER_S

HELD = (9_000, 0)
START_NS = OPEN_NS + 10 * NS_PER_MIN  # 09:40 ET: whatever the open delay is, entries are allowed


@cache
def plain_documents() -> RunDocuments:
    """The documents of most worlds; reading the calendar takes longer than a test."""
    return documents()


class World:
    """`records` holds every event and result in order, as (event or result)."""

    def __init__(
        self,
        config: dict[str, Any] | None = None,
        *,
        docs: RunDocuments | None = None,
        start_ns: int = START_NS,
        carried: Carried | None = None,
        ready: bool = True,
        **templates: Any,
    ) -> None:
        plain = config is None and not templates
        self.documents = docs or (plain_documents() if plain else documents(config, templates or None))
        self.machine = Machine(self.documents)
        self.seq = 0
        self.records: list[Event | Effect] = []
        day = self.state.sessions.trading_day(start_ns)
        self.apply(opening.run_started(self.documents, RunIdentity(), start_ns, day.trade_date))
        if ready:
            for event in opening.opening_inputs(self.documents, start_ns, carried or Carried(), b""):
                self.apply(event)
            # The broker was asked a moment ago: what begins now needs an answer of its own.
            self.state.answered_ns = start_ns - 1
            self.quote(start_ns)

    @property
    def state(self):
        return self.machine.state

    @property
    def now_ns(self) -> int:
        return max(self.state.ts_ns, self.state.kernel.now_ns)

    def advance(self, ts_ns: int) -> list[Event | Effect]:
        """Timers and grid points up to `ts_ns`, in the runner's order. Returns the new records."""
        before = len(self.records)
        while True:
            due_ns = min(self.machine.next_timer_ns, ts_ns + 1)
            code = self.state.kernel.on_time(due_ns - 1)
            if code:
                self._record(self.machine.outcome(code))
            elif due_ns > ts_ns:
                return self.records[before:]
            else:
                self._record(self.machine.due_timer(self.now_ns))

    def quote(self, ts_ns: int, bid: int = 24_000, bid_qty: int = 10, ask_qty: int = 10, spread: int = 1):
        """A quote, and everything due before it."""
        before = len(self.records)
        self.advance(ts_ns - 1)
        while self.machine.next_timer_ns <= ts_ns:
            self._record(self.machine.due_timer(self.now_ns))
        pending = True
        while pending:
            code = self.state.kernel.on_quote(ts_ns, bid, bid_qty, bid + spread, ask_qty)
            pending = bool(code & Outcome.PENDING)
            if code:
                self._record(self.machine.outcome(code))
        return self.records[before:]

    def quotes(self, start_ns: int, end_ns: int, step_s: float = 1.0) -> list[Event | Effect]:
        """A quote every `step_s` seconds from `start_ns` to `end_ns`, both included."""
        before = len(self.records)
        for ts_ns in range(start_ns, end_ns + 1, round(step_s * NS_PER_S)):
            self.quote(ts_ns)
        return self.records[before:]

    def apply(self, event: Event) -> list[Event | Effect]:
        """An input after the grid points before it; its results."""
        while code := self.state.kernel.on_time(event.ts_ns - 1):
            self._record(self.machine.outcome(code))
        return self._record(event)

    def fire(self, *candidates: Candidate, code: int = Outcome.CANDIDATE, exit_mask: int = 0) -> list[Event | Effect]:
        """The kernel finds these candidates now."""
        kernel = self.state.kernel
        return self._record(
            events.OutcomeReached(
                ts_ns=self.now_ns,
                code=code,
                at_grid=False,
                dvs_c=kernel.dvs_c,
                dvs_band=kernel.dvs_band,
                exit_mask=exit_mask,
                candidates=candidates,
            )
        )

    def place(self) -> PlaceOrder:
        """An entry that works."""
        placed = only(self.fire(candidate()), PlaceOrder)
        self.apply(events.OrderAcknowledged(ts_ns=self.now_ns, order_id=placed.order.order_id))
        return placed

    def cancelled(self, order_id: tuple[int, int]) -> list[Event | Effect]:
        """The broker says that an order is gone."""
        return self.apply(events.OrderCancelled(ts_ns=self.now_ns, order_id=order_id))

    def hold(self, qty: int, *, hold_s: int = 3600, protected: bool = True) -> list[Event | Effect]:
        """An entry of another time fills: from here on there is a position of signed `qty`, with stop and target."""
        side, sign = (Side.BUY, 1) if qty > 0 else (Side.SELL, -1)
        limit_ticks = 24_001 if qty > 0 else 24_000
        order = ApprovedOrder(
            order_id=HELD,
            instrument_id=1,
            template=next(iter(self.documents.templates)),
            side=side,
            qty=abs(qty),
            limit_ticks=limit_ticks,
            stop_price_ticks=limit_ticks - 8 * sign,
            target_price_ticks=limit_ticks + 12 * sign,
            expires_ns=self.now_ns + NS_PER_HOUR,
            risk_uusd=10_000_000 * abs(qty),
            checks_passed=18,
        )
        terms = EntryTerms(
            template_index=0,
            hold_ns=hold_s * NS_PER_S,
            touch_ticks=limit_ticks,
            spread_ticks=1,
            slippage_e6=500_000,
            stop_slippage_e6=500_000,
            belief_e6=650_000,
            euc_e6=1_000_000,
            dvs_c=100,
            eqs_c=100,
            sent_ns=self.now_ns,
        )
        self.state.entries[HELD] = Entry(order=order, status=OrderStatus.WORKING, terms=terms)
        results = self.fill(Leg.ENTRY, side, abs(qty), limit_ticks)
        if protected:
            results += self.working(Leg.STOP, order.stop_price_ticks, abs(qty))
            results += self.working(Leg.TARGET, order.target_price_ticks, abs(qty))
        return results

    def working(self, leg: Leg, price_ticks: int, qty: int = 1) -> list[Event | Effect]:
        """A child of the held position is in force."""
        return self.apply(
            OrderWorking(ts_ns=self.now_ns, order_id=HELD, leg=leg, price_ticks=price_ticks, remaining=qty)
        )

    def fill(self, leg: Leg, side: Side, qty: int, price_ticks: int, *, left: int = 0) -> list[Event | Effect]:
        """An execution of the held bracket; commission 1.25 a lot."""
        return self.apply(
            OrderFilled(
                ts_ns=self.now_ns,
                order_id=HELD,
                leg=leg,
                side=side,
                qty=qty,
                price_ticks=price_ticks,
                remaining=left,
                final=left == 0,
                commission_uusd=1_250_000 * qty,
                exec_id=f"x{self.seq}",
                hypothetical=True,
            )
        )

    def close(self, leg: Leg = Leg.EXIT, price_ticks: int = 24_000) -> list[Event | Effect]:
        """The held position is left, and the broker says so."""
        qty = self.state.position.qty
        results = self.fill(leg, Side.SELL if qty > 0 else Side.BUY, abs(qty), price_ticks) if qty else []
        return results + self.position(0)

    def position(self, qty: int | None) -> list[Event | Effect]:
        """Reconciliation finds this position; None is one that differs from ours."""
        return self.apply(
            events.Reconciled(ts_ns=self.now_ns, ok=qty is not None, position_qty=qty or 0, working_orders=0)
        )

    def _record(self, event: Event) -> list[Event | Effect]:
        self.seq += 1
        results = list(self.machine.apply(event, self.seq))
        self.records += [event, *results]
        self.seq += len(results)
        return results


def of(records: list[Event | Effect], kind: type) -> list[Any]:
    """The records of one type."""
    return [record for record in records if isinstance(record, kind)]


def only(records: list[Event | Effect], kind: type) -> Any:
    """The one record of a type."""
    found = of(records, kind)
    assert len(found) == 1, records
    return found[0]
