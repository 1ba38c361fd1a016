"""The exchange simulator as a broker: effects become its calls, its answers become events (docs/simulator.md, 11).

No clock: times are those of the effects and answers. What it tells, and when, does not depend on how often it is asked.
"""

from collections import deque
from typing import Final

from trading_bot._fast.exchange import ExchangeSim
from trading_bot.domain import effects, events, trade_events
from trading_bot.domain.effects import BrokerEffect
from trading_bot.domain.events import Input
from trading_bot.domain.exchange import Answer, AnswerKind, ExchangeFull, OrderKind
from trading_bot.domain.exchange import Leg as ExchangeLeg
from trading_bot.domain.orders import STRAY_NUMBER, ClientOrderId, Leg, Side
from trading_bot.domain.units import TS_NEVER_NS

REJECT_CODE: Final = 201  # "order rejected" of the IBKR API
_CHILDREN: Final = frozenset({ExchangeLeg.STOP, ExchangeLeg.TARGET})
_EXECUTED: Final = (AnswerKind.PARTIAL, AnswerKind.FILL)
_LEGS: Final[dict[ExchangeLeg, Leg]] = {leg: Leg[leg.name] for leg in ExchangeLeg if leg is not ExchangeLeg.ALL}


class SimBroker:
    """Answers of one instrument's exchange simulator, in the order of their delivery.

    A question about the position travels like an order: it reaches the exchange after the entry latency and is answered
    as of that moment, a response latency later; at equal times executions are told first. A request that the simulator
    cannot take is refused at the time of its effect. `suppress`: OBSERVE, where `OrderSuppressed` stands for the
    acknowledgement.
    """

    def __init__(self, exchange: ExchangeSim, *, suppress: bool, instrument_id: int) -> None:
        """`exchange` is matched by whoever has the market data (`HotPath.set_exchange`), not here."""
        self._exchange = exchange
        self._suppress = suppress
        self._instrument_id = instrument_id
        self._refused: deque[Input] = deque()
        self._questions: deque[int] = deque()  # when their answers are delivered
        # As told so far. Every execution up to a question's arrival is delivered no later than its answer.
        self._position_qty = 0
        self._working: set[tuple[int, ExchangeLeg]] = set()
        # The exchange numbers orders as they come: a restart, which shifts their ids, changes none of its draws.
        self._order_ids: list[ClientOrderId] = []
        self._handles: dict[ClientOrderId, int] = {}
        self._sides: dict[int, Side] = {}
        self._flip_exits: dict[ClientOrderId, int] = {}
        self._withdrawn: dict[int, frozenset[ExchangeLeg]] = {}  # children that were told to be cancelled
        self._open: dict[int, int] = {}  # lots of a bracket that entered and have not left, as told

    @property
    def next_due_ns(self) -> int:
        """When `take` has to be called; `TS_NEVER_NS` when nothing is under way."""
        return min(self._exchange.next_due_ns, self._own_due_ns)

    @property
    def _own_due_ns(self) -> int:
        refused_ns = self._refused[0].ts_ns if self._refused else TS_NEVER_NS
        return min(refused_ns, self._questions[0]) if self._questions else refused_ns

    # Effects

    def dispatch(self, effect: BrokerEffect) -> None:
        """Send an effect at its own time.

        Raises:
            ExchangeFull: answers of the exchange were lost; the run cannot go on.
        """
        self._exchange.advance(effect.ts_ns)
        try:
            self._send(effect)
        except (ExchangeFull, ValueError) as error:
            self._refused.append(_refusal(effect, str(error)))

    def _send(self, effect: BrokerEffect) -> None:
        sim, ts_ns = self._exchange, effect.ts_ns
        match effect:
            case effects.PlaceOrder():
                self._place(effect)
            case effects.CancelOrder():
                self._cancel(effect)
            case effects.PlaceExit():
                self._exit(effect)
            case effects.ModifyStop():
                if effect.price_ticks < 1:
                    raise ValueError(
                        f"stop of order {effect.order_id} to {effect.price_ticks}: expected 1 tick or more"
                    )
                sim.modify(self._handle(effect.order_id), ts_ns, ExchangeLeg.STOP, price_ticks=effect.price_ticks)
            case effects.PlaceShadow():
                sim.place_shadow(
                    self._handle(effect.order_id),
                    ts_ns,
                    _sign(effect.side),
                    OrderKind.MARKET if effect.limit_ticks is None else OrderKind.LIMIT,
                    effect.limit_ticks or 0,
                    effect.target_ticks,
                    effect.stop_ticks,
                    effect.hold_ns,
                    effect.life_ns,
                )
            case effects.AskBroker():
                config = sim.config
                # The longest of each, so that nothing executed up to its arrival can be told after it.
                longest_ns = config.entry_latency_max_ns + config.response_latency_max_ns
                self._questions.append(sim.now_ns + longest_ns)

    def _place(self, effect: effects.PlaceOrder) -> None:
        order = effect.order
        if order.instrument_id != self._instrument_id:
            mine = self._instrument_id
            raise ValueError(f"order {order.order_id} is of instrument {order.instrument_id}: this exchange has {mine}")
        handle = self._handle(order.order_id)
        self._sides[handle] = order.side
        self._exchange.place(
            handle,
            effect.ts_ns,
            _sign(order.side),
            OrderKind.LIMIT,
            order.qty,
            limit_ticks=order.limit_ticks,
            stop_price_ticks=order.stop_price_ticks,
            target_price_ticks=order.target_price_ticks,
        )

    def _exit(self, effect: effects.PlaceExit) -> None:
        """Into the bracket's group; without one where there is no bracket, or where a flip is left on its own side.

        A group whose children were all withdrawn, and not ended by an exit, protects nothing any more: the exit goes
        alone, as at the broker, and in the place of one that works so.
        """
        handle = self._handle(effect.order_id)
        kind, limit_ticks = OrderKind.MARKET if effect.limit_ticks is None else OrderKind.LIMIT, effect.limit_ticks or 0
        grouped = self._sides.get(handle) is not effect.side and effect.order_id[1] != STRAY_NUMBER
        bare = self._withdrawn.get(handle) == _CHILDREN and self._open.get(handle, 0) > 0
        if grouped and not bare:
            self._exchange.exit(handle, effect.ts_ns, kind, limit_ticks, effect.qty)
            return
        if bare and (before := self._flip_exits.get(effect.order_id)) is not None:
            self._exchange.cancel(before, effect.ts_ns, ExchangeLeg.ENTRY)
        alone = self._flip_exits[effect.order_id] = self._number(effect.order_id)
        self._exchange.place(alone, effect.ts_ns, _sign(effect.side), kind, effect.qty, limit_ticks=limit_ticks)

    def _cancel(self, effect: effects.CancelOrder) -> None:
        alone = self._flip_exits.get(effect.order_id) if effect.leg is Leg.EXIT else None
        if alone is None:
            self._exchange.cancel(self._handle(effect.order_id), effect.ts_ns, ExchangeLeg[effect.leg.name])
        else:
            self._exchange.cancel(alone, effect.ts_ns, ExchangeLeg.ENTRY)

    def _handle(self, order_id: ClientOrderId) -> int:
        """The exchange's number of an order."""
        if order_id not in self._handles:
            self._handles[order_id] = self._number(order_id)
        return self._handles[order_id]

    def _number(self, order_id: ClientOrderId) -> int:
        self._order_ids.append(order_id)
        return len(self._order_ids) - 1

    # Answers

    def take(self, ts_ns: int) -> Input | None:
        """The next answer delivered by `ts_ns`; None when nothing has to be told, although time had to pass.

        Raises:
            ExchangeFull: answers of the exchange were lost; the run cannot go on.
        """
        own_ns = self._own_due_ns
        while (answer := self._exchange.take(min(ts_ns, own_ns))) is not None:
            self._follow(answer)
            event = self._shadow_event(answer) if answer.shadow else self._event(answer)
            if event is not None:
                return event
        if own_ns > ts_ns:
            return None
        if self._refused and self._refused[0].ts_ns == own_ns:
            return self._refused.popleft()
        self._questions.popleft()
        return events.Reconciled(
            ts_ns=own_ns,
            ok=True,
            position_qty=self._position_qty,
            working_orders=len(self._working),
            modelled=True,
            asked=True,
        )

    def _follow(self, answer: Answer) -> None:
        """What the exchange has, from what it told."""
        if answer.shadow or answer.kind is AnswerKind.REFUSED:
            return
        if answer.kind in _EXECUTED:
            self._position_qty += answer.side * answer.qty
            lots = answer.qty if answer.leg is ExchangeLeg.ENTRY else -answer.qty
            self._open[answer.handle] = self._open.get(answer.handle, 0) + lots
        leg = (answer.handle, answer.leg)
        if answer.kind is AnswerKind.CANCELLED and answer.leg in _CHILDREN:
            self._withdrawn[answer.handle] = self._withdrawn.get(answer.handle, frozenset()) | {answer.leg}
        ended = answer.kind in (AnswerKind.FILL, AnswerKind.CANCELLED)
        # A rejected exit may have been meant to replace one that works on.
        if ended or (answer.kind is AnswerKind.REJECTED and answer.remaining == 0):
            self._working.discard(leg)
        else:
            self._working.add(leg)

    def _event(self, answer: Answer) -> Input | None:
        """Acknowledgements of children and exits tell nothing: WORKING says when they are in force."""
        ts_ns, order_id, leg = answer.ts_ns, self._order_ids[answer.handle], _LEGS[answer.leg]
        if self._flip_exits.get(order_id) == answer.handle:
            leg = Leg.EXIT
        match answer.kind:
            case AnswerKind.ACK:
                if leg is not Leg.ENTRY:
                    return None
                told = events.OrderSuppressed if self._suppress else events.OrderAcknowledged
                return told(ts_ns=ts_ns, order_id=order_id)
            case AnswerKind.WORKING:
                return trade_events.OrderWorking(
                    ts_ns=ts_ns,
                    order_id=order_id,
                    leg=leg,
                    price_ticks=answer.price_ticks,
                    remaining=answer.remaining,
                )
            case AnswerKind.PARTIAL | AnswerKind.FILL:
                return trade_events.OrderFilled(
                    ts_ns=ts_ns,
                    order_id=order_id,
                    leg=leg,
                    side=_side(answer.side),
                    qty=answer.qty,
                    price_ticks=answer.price_ticks,
                    remaining=answer.remaining,
                    final=answer.kind is AnswerKind.FILL,
                    commission_uusd=answer.commission_uusd,
                    exec_id=f"sim-{answer.exec_id}",
                    hypothetical=True,
                )
            case AnswerKind.CANCELLED:
                return events.OrderCancelled(ts_ns=ts_ns, order_id=order_id, leg=leg)
            case AnswerKind.REJECTED:
                text = self._why_rejected(leg)
                return events.OrderRejected(ts_ns=ts_ns, order_id=order_id, code=REJECT_CODE, text=text, leg=leg)
            case AnswerKind.STOP_TRIGGERED:
                return trade_events.StopTriggered(ts_ns=ts_ns, order_id=order_id)
            case AnswerKind.REFUSED:
                return trade_events.RequestRefused(ts_ns=ts_ns, order_id=order_id, leg=leg)

    def _shadow_event(self, answer: Answer) -> Input | None:
        ts_ns, order_id, leg = answer.ts_ns, self._order_ids[answer.handle], _LEGS[answer.leg]
        if answer.kind is AnswerKind.FILL:
            return trade_events.ShadowFilled(
                ts_ns=ts_ns,
                order_id=order_id,
                leg=leg,
                side=_side(answer.side),
                price_ticks=answer.price_ticks,
                commission_uusd=answer.commission_uusd,
            )
        if answer.kind is AnswerKind.CANCELLED and leg is Leg.ENTRY:
            return trade_events.ShadowEnded(ts_ns=ts_ns, order_id=order_id)
        return None

    def _why_rejected(self, leg: Leg) -> str:
        names = ("reject_exit_every",) if leg is Leg.EXIT else ("reject_every", "reject_per_mille")
        limits = {name: getattr(self._exchange.config, name) for name in names}
        return "rejected by the exchange simulator: " + ", ".join(f"{k} = {v}" for k, v in limits.items() if v)


def _refusal(effect: BrokerEffect, text: str) -> Input:
    """A request that never left. Nothing at the exchange has changed."""
    ts_ns = effect.ts_ns
    match effect:
        case effects.PlaceOrder():
            return events.OrderRejected(ts_ns=ts_ns, order_id=effect.order.order_id, code=REJECT_CODE, text=text)
        case effects.PlaceShadow():
            return trade_events.ShadowEnded(ts_ns=ts_ns, order_id=effect.order_id)
        case effects.CancelOrder():
            return trade_events.RequestRefused(ts_ns=ts_ns, order_id=effect.order_id, leg=effect.leg)
        case effects.PlaceExit():
            return trade_events.RequestRefused(ts_ns=ts_ns, order_id=effect.order_id, leg=Leg.EXIT)
        case effects.ModifyStop():
            return trade_events.RequestRefused(ts_ns=ts_ns, order_id=effect.order_id, leg=Leg.STOP)
        case effects.AskBroker():
            raise AssertionError(f"a question is never refused: {text}")


def _sign(side: Side) -> int:
    return 1 if side is Side.BUY else -1


def _side(sign: int) -> Side:
    return Side.BUY if sign > 0 else Side.SELL
