"""Carries effects out: orders to the broker, the latch and the learning state to disk."""

from collections.abc import Callable
from typing import Any, Final, Protocol, cast, get_args

from trading_bot._fast import LogFull
from trading_bot.core.apply import Results
from trading_bot.core.leaving import place_stray_exit
from trading_bot.core.session_book import SessionBook
from trading_bot.core.state import State
from trading_bot.domain import events
from trading_bot.domain.effects import BrokerEffect, CancelOrder, LatchKillSwitch, PlaceExit, SaveLearningState
from trading_bot.domain.errors import BotError, CoreBug
from trading_bot.domain.events import Input
from trading_bot.domain.orders import Leg
from trading_bot.domain.ports import Broker
from trading_bot.domain.records import FrameClass
from trading_bot.engines.costs import Costs
from trading_bot.engines.exits import ExitCause
from trading_bot.engines.position import exit_side

CORE_FAILED: Final = "CORE_FAILED"
BROKER_EFFECTS: Final = frozenset(get_args(BrokerEffect))
_FILES: Final = frozenset({SaveLearningState, LatchKillSwitch})


class Desk(Protocol):
    """The operator's side of the shell: commands from other processes, and files that outlive the run."""

    def poll(self, now_ns: int) -> Input | None:
        """A command that has come since, as an input; cheap enough to ask between batches."""

    def check(self) -> None:
        """Raise TakenOver where somebody else has taken the position over while this process stood still."""

    def latch(self, reason: str, source: str) -> None:
        """Persist the kill switch."""

    def save_learning(self, state: dict[str, Any], *, costs: Costs, log: str, seq: int) -> str | None:
        """Write the learning state and the learned costs; what went wrong, or None."""

    def publish(self, status: Callable[[], dict[str, Any]], *, final: bool = False) -> None:
        """Show the bot's status to other processes, at most once a second unless `final`; asked for only then."""


def carry_out(results: Results, state: State, broker: Broker, desk: Desk, *, log: str, seq: int) -> list[Input]:
    """Every effect in order; what failed comes back as inputs. All of them are in the log already."""
    failed: list[Input] = []
    for result in results:
        kind = type(result)  # looked up, not asked for class by class: an order waits behind what was told with it
        if kind in BROKER_EFFECTS:
            broker.dispatch(cast("BrokerEffect", result))
        elif kind not in _FILES:
            continue
        elif isinstance(result, SaveLearningState):
            reason = desk.save_learning(state.learning.export_to_dict(), costs=state.costs, log=log, seq=seq)
            if reason is not None:
                failed.append(events.LearningSaveFailed(ts_ns=result.ts_ns, reason=reason))
        elif isinstance(result, LatchKillSwitch):
            desk.latch(result.reason, result.source)
    return failed


def core_bug(book: SessionBook, broker: Broker, desk: Desk, seq: int, error: Exception, where: str) -> CoreBug | None:
    """Our own trouble, stopped at once, as what to raise; None where the error was raised on purpose (SF04).

    `CoreBug` is raised on purpose as well, by a core that has met what must not be: that is trouble of ours too.
    """
    if book.log is None or (isinstance(error, BotError) and not isinstance(error, CoreBug)):
        return None
    unsent = stop_at_once(book, broker, desk, seq, error)
    return CoreBug(f"the core failed on record {seq} ({where}): {error!r}{unsent}")


def stop_at_once(book: SessionBook, broker: Broker, desk: Desk, seq: int, error: Exception) -> str:
    """Our own trouble: into the log, the switch latched, entries withdrawn, the position left; the log ends here.

    Returns:
        What could not be sent, as text; empty where all of it left.
    """
    failed = events.CoreFailed(ts_ns=book.now_ns, failed_seq=seq, error=repr(error))
    state = book.live.state
    state.kill_reason = f"{CORE_FAILED}: {error!r}"
    try:
        book.append(FrameClass.INPUT, failed, 0)
    except (BotError, LogFull) as unwritten:  # a position is not kept because a disk is full
        state.kill_reason += f"; the log has no room to say so: {unwritten!r}"
    desk.latch(state.kill_reason, "core")
    unsent = ""
    for effect in emergency_stop(state, failed.ts_ns):
        try:
            broker.dispatch(effect)
        except Exception as refused:  # noqa: BLE001 (the others have to leave all the same; it is told by who calls)
            unsent += f"; {type(effect).__name__} did not leave: {refused!r}"
    book.release()
    return unsent


def emergency_stop(state: State, ts_ns: int) -> list[BrokerEffect]:
    """What leaves when the core has failed and its judgement is worth nothing: no entry works, no position stays."""
    effects: list[BrokerEffect] = [
        CancelOrder(ts_ns=ts_ns, order_id=order_id, reason=CORE_FAILED) for order_id in state.entries
    ]
    trade, qty = state.trade, state.position.qty
    if trade is not None and qty:
        effects.append(CancelOrder(ts_ns=ts_ns, order_id=trade.order_id, reason=CORE_FAILED, leg=Leg.TARGET))
        effects.append(
            PlaceExit(
                ts_ns=ts_ns,
                order_id=trade.order_id,
                side=exit_side(qty),
                qty=abs(qty),
                limit_ticks=None,
                cause=ExitCause.KILL.name,
            )
        )
    elif qty and not state.stray_exit:
        left = place_stray_exit(state, ts_ns, ExitCause.KILL)
        effects += [effect for effect in left if isinstance(effect, BrokerEffect)]
    return effects
