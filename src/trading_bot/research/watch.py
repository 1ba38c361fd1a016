"""A runner whose every event is followed by all invariants."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from trading_bot._fast import ExchangeSim
from trading_bot.core.apply import Results
from trading_bot.core.entry_invariants import (
    EntryView,
    entry_was_allowed,
    exit_was_right,
    size_did_not_grow_after_a_loss,
)
from trading_bot.core.invariants import INVARIANTS, NAMES
from trading_bot.core.machine import Machine
from trading_bot.core.moment import Moment, Violation
from trading_bot.core.run_facts import Facts
from trading_bot.core.runner import BotRunner
from trading_bot.domain import effects, events
from trading_bot.domain.effects import Effect
from trading_bot.domain.errors import CoreBug
from trading_bot.domain.events import Event
from trading_bot.research.seeded_world import INSTRUMENT, World
from trading_bot.research.troubles import OperatedBroker

# One cause breaks the same invariant at every event after it; the first ones tell.
KEPT_PER_INVARIANT: Final = 3


class Watch:
    """Hears every record of a run and notes what does not hold."""

    def __init__(self, world: World, exchange: ExchangeSim) -> None:
        """Nothing has happened."""
        self.world = world
        self.exchange = exchange
        self.broker: OperatedBroker | None = None
        self._troubled = world.troubled
        self.facts = Facts(world.config, tuple(world.templates), INSTRUMENT.tick_value_uusd)
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.events = 0
        self._seq = 0
        self._taken = 0
        self._ts_ns = 0
        self._event_seq = 0
        self._stop_before: tuple[tuple[int, int], int] | None = None
        self._was_flat = True

    def begin(self, world: World, exchange: ExchangeSim, broker: OperatedBroker) -> None:
        """Another run begins, on another day; what the records said so far stays known."""
        self.world, self.exchange, self.broker = world, exchange, broker
        self._troubled = world.troubled
        self._ts_ns = 0
        self._was_flat = True
        self.facts.new_exchange()

    def before(self, seq: int, event: Event, machine: Machine, taken: int) -> None:
        """An event is in the log and not yet applied; `taken` market records came so far."""
        self.events += 1
        if isinstance(event, events.RunStarted):
            self._seq, self._taken = 0, taken
        self._event_seq, self._before_ns = seq, self._ts_ns
        self._number(seq, event.ts_ns, self._seq + 1 + taken - self._taken)
        self._taken = taken
        if event.ts_ns < self._ts_ns:
            self._note("time_never_goes_back", event.ts_ns, [f"event at {event.ts_ns} after {self._ts_ns}"])
        self._ts_ns = max(self._ts_ns, event.ts_ns)
        if isinstance(event, events.TimerFired):
            self._note("timers_fire_when_armed", event.ts_ns, self._timer(event))
        trade = machine.state.trade
        self._stop_before = None if trade is None else (trade.order_id, trade.stop_ticks)
        self._was_flat = self.facts.position == 0
        self.facts.naked_told_ns = None
        self.facts.take(event)

    def result(self, number: int, record: Event | Effect, machine: Machine) -> None:
        """A result is in the log."""
        self._number(number, record.ts_ns, self._seq + 1)
        facts = self.facts
        if isinstance(record, effects.PlaceOrder):
            book, state = machine.state.kernel.book(), machine.state
            view = EntryView(day=state.day, touch=None if book is None else (book[0], book[2]), deficits=state.deficits)
            allowed = entry_was_allowed(facts, record.order, record.ts_ns, view)
            self._note("entries_pass_every_gate", record.ts_ns, allowed)
            grown = size_did_not_grow_after_a_loss(facts, record.order)
            self._note("size_never_grows_after_a_loss", record.ts_ns, grown)
        elif isinstance(record, effects.PlaceExit):
            self._note("exits_leave_what_is_open", record.ts_ns, exit_was_right(facts, record))
        facts.take(record)

    def after(self, event: Event, results: Results, machine: Machine) -> None:
        """The event is applied and its results are out."""
        moment = Moment(
            config=self.world.config,
            exchange_config=self.world.exchange,
            machine=machine,
            exchange=self.exchange,
            facts=self.facts,
            event=event,
            results=results,
            troubled=self._troubled,
            late_ns=self.world.late_ns,
            quiet=self.broker is None or not self.broker.holds,
            suppressed=self.world.troubles.observe,
            before_ns=self._before_ns,
            naked_ns=self.facts.naked_told_ns,
            stop_before=self._stop_before,
            was_flat=self._was_flat,
        )
        for invariant in INVARIANTS:
            self._note(invariant.__name__, event.ts_ns, invariant(moment))

    def note(self, invariant: str, ts_ns: int, text: str) -> None:
        """Something that is seen once the run is over."""
        self._note(invariant, ts_ns, [text])

    def _timer(self, event: events.TimerFired) -> list[str]:
        armed = self.facts.timers.get((event.name, event.order_id))
        if armed is None:
            return [f"timer {event.name} {event.order_id} fired and was not armed"]
        if armed[0] != event.due_ns:
            return [f"timer {event.name} armed for {armed[0]}, fired as due {event.due_ns}"]
        if event.ts_ns != max(armed):
            return [f"timer {event.name} due {armed[0]}, armed at {armed[1]}, fired at {event.ts_ns}"]
        return []

    def _number(self, seq: int, ts_ns: int, expected: int) -> None:
        if seq != expected:
            self._note("seq_has_no_gaps", ts_ns, [f"record {seq}, expected {expected}"])
        self._seq = seq

    def _note(self, invariant: str, ts_ns: int, texts: Iterable[str]) -> None:
        if invariant not in NAMES:
            raise CoreBug(f"invariant {invariant} is not named in core/invariants.py: give it a line there")
        for text in texts:
            self.counts[invariant] += 1
            if self.counts[invariant] <= KEPT_PER_INVARIANT:
                self.violations.append(
                    Violation(seed=self.world.seed, seq=self._event_seq, ts_ns=ts_ns, invariant=invariant, text=text)
                )


class WatchedRunner(BotRunner):
    """The product's own runner with a watch beside it; nothing it decides is different."""

    def __init__(self, watch: Watch, *arguments: Any, **options: Any) -> None:
        """`watch` hears everything; the rest is `BotRunner`'s."""
        self._watch = watch
        super().__init__(*arguments, on_record=self._heard, **options)

    def _apply(self, event: Event, seq: int) -> None:
        machine = self.book.live
        self._watch.before(seq, event, machine, self.tape.taken)
        super()._apply(event, seq)
        self._watch.after(event, machine.state.last_results, machine)

    def _heard(self, number: int, record: Event | Effect) -> None:
        self._watch.result(number, record, self.book.live)
