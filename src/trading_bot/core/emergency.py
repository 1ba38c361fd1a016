"""The bot's own failure (architecture law 9, specification 8.3): shell code that in the end trusts the broker alone.

What the state says is open is withdrawn and left at once; then, outside of whatever failed, the broker is asked until
it has confirmed zero, and what it has is closed. Nothing of that is in the log, which ends with CORE_FAILED. Nothing
here may fail in its turn: a log or a disk that refuses is passed over.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol

from trading_bot.core.carrier import CORE_FAILED, Desk, stop_at_once
from trading_bot.core.opening import RunIdentity
from trading_bot.core.session_book import SessionBook
from trading_bot.core.state import State
from trading_bot.domain import events
from trading_bot.domain.effects import AskBroker, BrokerEffect, CancelOrder, PlaceExit
from trading_bot.domain.errors import BotError, CoreBug, TakenOver
from trading_bot.domain.orders import STRAY_NUMBER, BrokerOrder, Leg
from trading_bot.domain.ports import Broker, Feed
from trading_bot.domain.units import NS_PER_S, TS_NEVER_NS
from trading_bot.engines.exits import ExitCause
from trading_bot.engines.position import exit_side

CONFIRM_NS: Final = 20 * NS_PER_S  # wall time for the broker to confirm zero
_ASK_NS: Final = NS_PER_S
_AGAIN_NS: Final = 5 * NS_PER_S  # after an exit, before another may leave


class _Run(Protocol):
    """The runner, as far as it is needed here."""

    book: SessionBook
    feed: Feed
    broker: Broker
    desk: Desk
    identity: RunIdentity
    ended: bool
    exit_reason: str
    exit_code: int


@contextmanager
def guarded(run: _Run) -> Iterator[None]:
    """Whatever is raised in the body ends the run with the switch latched and nothing open.

    Trouble that has its own name (a disk, a source) and meets nothing open is passed on as it is.

    Raises:
        CoreBug: what nobody expected; the text says what the broker confirmed.
    """
    try:
        yield
    except TakenOver:
        raise  # closing it here as well would open a position
    except Exception as error:
        if run.exit_reason == CORE_FAILED:  # stopped already, where it happened
            raise CoreBug(f"{error}{_confirm(run)}") from error
        if run.book.log is not None and run.book.live.state.exposed:
            run.ended, run.exit_reason, run.exit_code = True, CORE_FAILED, CoreBug.exit_code
            with suppress(BotError, OSError):  # the disk that is the trouble
                stop_at_once(run.book, run.broker, run.desk, 0, error)
            _confirm(run)
        raise


def _confirm(run: _Run) -> str:
    """Ask the broker and close what it has, until it has confirmed zero or the time is over; in words for a person."""
    state = run.book.live.state
    if not state.documents.gates_real or run.identity.hypothetical:
        return ""
    begin_ns = time.monotonic_ns()
    sent_ns = begin_ns if state.position.qty else 0  # an exit of what the state knew has left already
    asked_ns, exits, found, trouble = 0, 0, "nothing", ""
    while (now_ns := time.monotonic_ns()) < begin_ns + CONFIRM_NS:
        try:
            if now_ns >= asked_ns + _ASK_NS:
                asked_ns = now_ns
                run.broker.dispatch(AskBroker(ts_ns=run.book.now_ns, reason=CORE_FAILED))
            run.feed.read()  # lets the connection work
            answer = _answer(run.broker)
            if answer is None:
                continue
            found = f"position {answer.position_qty:+d}, {answer.working_orders} working orders"
            if answer.position_qty == 0 and not _ours(answer):
                return "; the broker has confirmed that nothing is open"
            if now_ns >= sent_ns + _AGAIN_NS:
                sent_ns = now_ns
                for effect in _anew(state, run.book.now_ns, answer, exits):
                    run.broker.dispatch(effect)
                exits += 1
        except Exception as error:  # noqa: BLE001 (what failed is told again at each turn: the rest of it works)
            trouble = f" ({error!r})"
    return (
        f"; NOT CONFIRMED FLAT within {CONFIRM_NS // NS_PER_S} s, the broker said {found}{trouble}: look at its screen"
    )


def _anew(state: State, ts_ns: int, answer: events.Reconciled, exits: int) -> list[BrokerEffect]:
    """What would end it, by the broker's word alone: an exit where none works, else the orders that are left."""
    legs = [(order.order_id, order.leg) for order in _ours(answer)]
    gone: list[BrokerEffect] = [
        CancelOrder(ts_ns=ts_ns, order_id=order_id, reason=CORE_FAILED, leg=leg)
        for order_id, leg in legs
        if order_id is not None and leg is not None and (leg is Leg.ENTRY or not answer.position_qty)
    ]
    if answer.position_qty and all(leg is not Leg.EXIT for _, leg in legs):
        gone.append(_exit_of(state, ts_ns, answer, exits))
    return gone


def _ours(answer: events.Reconciled) -> list[BrokerOrder]:
    return [order for order in answer.orders if order.order_id is not None and order.leg is not None]


def _answer(broker: Broker) -> events.Reconciled | None:
    """The newest answer about position and orders that has come."""
    newest = None
    while broker.next_due_ns < TS_NEVER_NS and (told := broker.take(TS_NEVER_NS)) is not None:
        if isinstance(told, events.Reconciled) and told.asked and told.ok:
            newest = told
    return newest


def _exit_of(state: State, ts_ns: int, answer: events.Reconciled, exits: int) -> PlaceExit:
    """At the market, in the group of what protects where that still works: then only one of them can fill.

    Else under a name of its own each time, `exits` having left before: one that has filled is no reason to keep a flip.
    """
    assert answer.position_qty is not None
    side, qty = exit_side(answer.position_qty), abs(answer.position_qty)
    protecting = (order.order_id for order in _ours(answer) if order.side is side and order.leg is not Leg.ENTRY)
    order_id = next(protecting, None) or (state.seq, STRAY_NUMBER + exits)
    return PlaceExit(ts_ns=ts_ns, order_id=order_id, side=side, qty=qty, limit_ticks=None, cause=ExitCause.KILL.name)
