"""Lockouts in the loop: every change is an event; a new one is an alert, withdraws entries and masks the templates."""

from typing import Final

from trading_bot.core import event_watch
from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries
from trading_bot.domain.effects import Alert, ArmTimer, Effect
from trading_bot.domain.events import Event, LockoutChanged
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.units import iso_from_ns
from trading_bot.engines import lockouts
from trading_bot.engines.lockouts import BarFacts, LockChange, Locks
from trading_bot.engines.scheduled_events import active

LOCKOUT_TIMER: Final = "lockout"

Results = list[Event | Effect]


def after_bar(state: State, bar: BarFacts) -> Results:
    """A minute closed."""
    return _settle(state, bar.ts_ns, *lockouts.after_bar(state.locks, state.config.lockouts, bar))


def after_candidates(state: State, ts_ns: int, candidates: tuple[Candidate, ...]) -> Results:
    """What an entry would pay now: the spread, and the slippage that the kernel expects."""
    book = state.kernel.book()
    slippage_e6 = max((candidate.slippage_e6 for candidate in candidates if not candidate.missing), default=0)
    change = lockouts.after_quote(
        state.locks,
        state.config.lockouts,
        ts_ns,
        spread_ticks=None if book is None else book[2] - book[0],
        slippage_e6=slippage_e6,
    )
    return _settle(state, ts_ns, *change)


def resume(state: State, ts_ns: int) -> Results:
    """End what is over and arm the timer of the rest: at its timer, and as a log or a process begins."""
    return _settle(state, ts_ns, *lockouts.expire(state.locks, ts_ns), rearm=True)


def lockout_lines(state: State, ts_ns: int) -> tuple[str, ...]:
    """What stops entries for a while, and until when, for people."""
    lines = [f"{lock.lockout.value} until {iso_from_ns(lock.until_ns)} ({lock.reason})" for lock in state.locks]
    event = active(event_watch.windows(state), ts_ns)
    if event is not None:
        lines.append(f"EVENT until {iso_from_ns(event.end_ns)} ({event.name})")
    stale = event_watch.stale_now(state, ts_ns)
    return (*lines, *((stale,) if stale else ()))


def _settle(state: State, ts_ns: int, locks: Locks, told: tuple[LockChange, ...], *, rearm: bool = False) -> Results:
    state.locks = locks
    results: Results = []
    for change in told:
        results += _tell(ts_ns, change)
    if any(change.fresh for change in told):
        results += cancel_entries(state, ts_ns, "LOCKOUT")
    if locks and (told or rearm):
        results.append(ArmTimer(ts_ns=ts_ns, name=LOCKOUT_TIMER, due_ns=min(lock.until_ns for lock in locks)))
    return results


def _tell(ts_ns: int, change: LockChange) -> Results:
    name, ended = change.lockout.value, change.until_ns == 0
    results: Results = [
        LockoutChanged(ts_ns=ts_ns, lockout=name, until_ns=change.until_ns, reason=change.reason),
    ]
    if change.fresh or ended:
        code, level = ("LOCKOUT_ENDED", "info") if ended else ("LOCKOUT_TRIPPED", "warning")
        text = f"{name} lockout {'ended' if ended else 'tripped'}: {change.reason}"
        results.append(Alert(ts_ns=ts_ns, level=level, code=code, text=text))
    return results
