"""A tape, orders at given times and reactions, driven as the runner drives a broker, or as recovery does."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.kernel.kit import BUY as BOUGHT
from tests.kernel.kit import HOUR, MS, SELL, T0, config, quote, trade
from trading_bot._fast import ExchangeSim, HotPath
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.domain import effects
from trading_bot.domain.exchange import ExchangeConfig
from trading_bot.domain.orders import ApprovedOrder, Leg, Side
from trading_bot.domain.records import FRAME_HEADER
from trading_bot.domain.units import TS_NEVER_NS

START = T0 + 11 * HOUR
INSTRUMENT = 1
ID = (7, 0)


def ms(time: float) -> int:
    """A time of the tape."""
    return START + round(time * MS)


def show(time: float, bid: int, ask: int, bid_qty: int = 10, ask_qty: int = 10) -> bytes:
    return quote(ms(time), bid, ask, bid_qty, ask_qty)


def sold(time: float, price: int, qty: int) -> bytes:
    return trade(ms(time), price, qty, SELL)


def bought(time: float, price: int, qty: int) -> bytes:
    return trade(ms(time), price, qty, BOUGHT)


def place(
    time: float, limit: int, *, qty: int = 1, side: Side = Side.BUY, stop: int = 96, target: int = 105, **more: Any
):
    order = ApprovedOrder(
        order_id=more.get("order_id", ID),
        instrument_id=more.get("instrument_id", INSTRUMENT),
        template="t",
        side=side,
        qty=qty,
        limit_ticks=limit,
        stop_price_ticks=stop,
        target_price_ticks=target,
        expires_ns=TS_NEVER_NS,
        risk_uusd=1,
        checks_passed=1,
    )
    return effects.PlaceOrder(ts_ns=ms(time), order=order)


def cancel(time: float, leg: Leg = Leg.ENTRY, order_id=ID):
    return effects.CancelOrder(ts_ns=ms(time), order_id=order_id, reason="test", leg=leg)


def leave(time: float, limit: int | None = None, *, qty: int = 1, order_id=ID):
    return effects.PlaceExit(
        ts_ns=ms(time), order_id=order_id, side=Side.SELL, qty=qty, limit_ticks=limit, cause="test"
    )


def move_stop(time: float, price: int, order_id=ID):
    return effects.ModifyStop(ts_ns=ms(time), order_id=order_id, price_ticks=price)


def ask(time: float):
    return effects.AskBroker(ts_ns=ms(time), reason="test")


def shadow(time: float, limit: int | None = None, *, life: float = 1000.0, hold: float = 1000.0, order_id=ID):
    return effects.PlaceShadow(
        ts_ns=ms(time),
        order_id=order_id,
        template="t",
        side=Side.BUY,
        limit_ticks=limit,
        target_ticks=4,
        stop_ticks=5,
        hold_ns=round(hold * MS),
        life_ns=round(life * MS),
    )


def no_reaction(_event) -> Iterable[effects.Effect]:
    return ()


class Desk:
    """What the runner is to a broker: the kernel's loop, timers that send effects, reactions, and a log of all of it.

    The log holds ("ticks", first, count), ("sent", effect) and ("told", event).
    """

    def __init__(
        self,
        tape: Iterable[bytes],
        sent: Iterable[effects.BrokerEffect] = (),
        *,
        reaction: Callable[[Any], Iterable[effects.Effect]] = no_reaction,
        link: Callable[[SimBroker], Any] = lambda broker: broker,
        suppress: bool = False,
        **settings: Any,
    ) -> None:
        self.tape = b"".join(tape)
        self.count = len(self.tape) // 64
        self.timers = sorted(sent, key=lambda effect: effect.ts_ns)
        self.reaction = reaction
        self.exchange = ExchangeSim(ExchangeConfig(**settings))
        self.kernel = HotPath(config(instrument_id=INSTRUMENT))
        self.kernel.set_exchange(self.exchange)
        self.broker = link(SimBroker(self.exchange, suppress=suppress, instrument_id=INSTRUMENT))
        self.log: list[tuple] = []
        self.position = 0

    # As the runner does it

    def run(self, until: float, chunk: Callable[[], int] = lambda: 1 << 30) -> list:
        """The whole tape in batches of `chunk()` records, then answers and timers up to `until`; what was told."""
        while self.position < self.count:
            end = min(self.count, self.position + chunk())
            while self.position < end:
                self._advance(end)
        self._let_pass(ms(until))
        return self.told

    def _due_ns(self) -> int:
        timer_ns = self.timers[0].ts_ns if self.timers else TS_NEVER_NS
        return min(self.broker.next_due_ns, timer_ns)

    def _advance(self, end: int) -> None:
        before, due_ns = self.position, self._due_ns()
        self.position, code = self.kernel.run(self.tape[: end * 64], before, due_ns)
        if self.position > before:
            self._note_ticks(before, self.position - before)
        due_ns = self._due_ns()
        if not code and self.position < end and due_ns <= self._record_ns():
            self._due(due_ns)

    def _record_ns(self) -> int:
        return FRAME_HEADER.unpack_from(self.tape, self.position * 64)[7]

    def _let_pass(self, end_ns: int) -> None:
        while (due_ns := self._due_ns()) <= end_ns:
            while self.kernel.on_time(due_ns - 1):
                pass
            self._due(due_ns)

    def _due(self, due_ns: int) -> None:
        if self.broker.next_due_ns == due_ns:
            event = self.broker.take(due_ns)
            if event is not None:
                self.log.append(("told", event))
                for effect in self.reaction(event):
                    self._send(effect)
        else:
            self._send(self.timers.pop(0))

    def _send(self, effect: effects.Effect) -> None:
        self.log.append(("sent", effect))
        self.broker.dispatch(effect)

    def _note_ticks(self, first: int, count: int) -> None:
        if self.log and self.log[-1][0] == "ticks":
            _, first, before = self.log.pop()
            count += before
        self.log.append(("ticks", first, count))

    @property
    def told(self) -> list:
        return [entry[1] for entry in self.log if entry[0] == "told"]

    # As recovery does it

    def recover(self, log: Iterable[tuple]) -> None:
        """Whole spans without a deadline, effects sent again, answers taken only where the log has one."""
        for entry in log:
            self.log.append(entry)
            if entry[0] == "ticks":
                self._span(entry[1], entry[1] + entry[2])
            elif entry[0] == "sent":
                if self.timers and self.timers[0] == entry[1]:
                    self.timers.pop(0)
                self.broker.dispatch(entry[1])
            else:
                answer = None
                while answer is None and self.broker.next_due_ns <= entry[1].ts_ns:
                    answer = self.broker.take(entry[1].ts_ns)
                assert answer == entry[1]

    def _span(self, first: int, end: int) -> None:
        assert first == self.position
        while self.position < end:
            self.position, _ = self.kernel.run(self.tape[: end * 64], self.position)


def summary(event) -> tuple:
    """(ms, kind, what is particular) of an event, so that a tape can be read."""
    tag = type(event).__name__.removeprefix("Order")
    names = ("leg", "qty", "price_ticks", "remaining", "final", "up", "position_qty", "working_orders", "code")
    return (
        (event.ts_ns - START) / MS,
        tag,
        *(str(v) if n == "leg" else v for n in names if (v := getattr(event, n, None)) is not None),
    )
