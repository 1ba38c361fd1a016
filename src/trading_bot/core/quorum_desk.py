"""The witnesses of the session in the loop: the broker's hours, its word about halts, and looks at the tape (NV09).

Nothing happens here before the broker has told its hours: simulated and recorded markets have one witness.
"""

from typing import Final

import msgspec

from trading_bot.core.state import State
from trading_bot.core.stopping import cancel_entries
from trading_bot.domain.effects import Alert, ArmTimer, Effect
from trading_bot.domain.events import Event
from trading_bot.domain.session_events import HaltTold, HoursTold, QuorumChanged
from trading_bot.domain.units import NS_PER_S
from trading_bot.engines import quorum
from trading_bot.engines.quorum import Counts, Dispute
from trading_bot.engines.session import SessionDay, SessionState, continuous_trading, session_state

QUORUM_TIMER: Final = "quorum"
_LIVE_DATA: Final = 1
_TEXT: Final = {
    Dispute.TAPE_SILENT: "calendar and broker say that the market is open, and nothing trades",
    Dispute.TAPE_WHILE_SHUT: "calendar and broker say that the market is shut, and it trades",
    Dispute.HALTED: "the broker says that the contract is halted: exits wait at the broker until it trades again",
    Dispute.ONE_SIDED: "quotes come without one of their sides: the market is at a limit, or stands still",
}

Results = list[Event | Effect]


def day_at(state: State, ts_ns: int) -> SessionDay | None:
    """The session of a time, with the earlier close where the broker tells another one than the table."""
    day = state.sessions.trading_day(ts_ns) if state.sessions else None
    return None if day is None else quorum.narrowed(day, quorum.told_of(state.quorum, day.trade_date))


def session_now(state: State, ts_ns: int) -> SessionState:
    """The state of the session at `ts_ns`, its witnesses heard."""
    return quorum.verdict(session_state(state.day, state.policy, ts_ns), state.quorum.disputes)


def hours_told(state: State, event: HoursTold) -> Results:
    """The broker's hours, from here on; the first time the looks at the tape begin."""
    results: Results = []
    if event.refused:
        text = f"trading hours of {event.contract} cannot be compared with the calendar: {event.refused}"
        results.append(Alert(ts_ns=event.ts_ns, level="warning", code="HOURS_REFUSED", text=text))
    state.quorum = msgspec.structs.replace(state.quorum, told=event.hours, expiry=event.expiry)
    if state.quorum.tape is None:
        _look(state, event.ts_ns)
        results.append(_next_look(state, event.ts_ns))
    return results + judge(state, event.ts_ns)


def halt_told(state: State, event: HaltTold) -> Results:
    """The broker's word about a halt."""
    tape = state.quorum.tape
    tape = None if tape is None else msgspec.structs.replace(tape, busy_looks=0)  # what traded before proves nothing
    state.quorum = msgspec.structs.replace(state.quorum, halt=event.halt, tape=tape)
    return judge(state, event.ts_ns)


def restarted(state: State) -> None:
    """Another process goes on: it has seen none of the tape since, and begins to look when it has heard the hours."""
    if state.quorum.tape is not None:
        state.quorum = msgspec.structs.replace(state.quorum, tape=None)


def look(state: State, ts_ns: int) -> Results:
    """The timer's look at the tape."""
    _look(state, ts_ns)
    return [*judge(state, ts_ns), _next_look(state, ts_ns)]


def judge(state: State, ts_ns: int) -> Results:
    """Tell what has changed, and withdraw entries when a dispute has begun."""
    day = state.sessions.trading_day(ts_ns) if state.sessions else None
    found = quorum.disputes(state.quorum, day)
    before = state.quorum.disputes
    if found == before:
        return []
    state.quorum = msgspec.structs.replace(state.quorum, disputes=found)
    begun = [_said(state, day, one) for one in found if one not in before]
    ended = [one.value for one in before if one not in found]
    reason = "; ".join([*begun, *(f"{name} is over" for name in ended)])
    results: Results = [QuorumChanged(ts_ns=ts_ns, disputes=tuple(one.value for one in found), reason=reason)]
    if begun:
        text = f"{reason}; nothing is entered (docs/calendar.md)"
        results.append(Alert(ts_ns=ts_ns, level="error", code="SESSION_DISPUTED", text=text))
        results += cancel_entries(state, ts_ns, "SESSION_DISPUTED")
    else:
        results.append(Alert(ts_ns=ts_ns, level="info", code="SESSION_AGREED", text=reason))
    return results


def _look(state: State, ts_ns: int) -> None:
    day = state.sessions.trading_day(ts_ns) if state.sessions else None
    if day is None:
        return
    seen = state.kernel.counters()
    tape = quorum.look(
        state.quorum.tape,
        Counts(quotes=seen["quotes"], trades=seen["trades"], refused=seen["rejected"]),
        state.config.quorum,
        expected=quorum.expected_open(day, quorum.told_of(state.quorum, day.trade_date), ts_ns),
        regular=continuous_trading(day, ts_ns, market="rth"),
        seeing=state.link_up and state.data_type == _LIVE_DATA and not state.quorum.halt,
        ts_ns=ts_ns,
    )
    state.quorum = msgspec.structs.replace(state.quorum, tape=tape)


def _next_look(state: State, ts_ns: int) -> Effect:
    return ArmTimer(ts_ns=ts_ns, name=QUORUM_TIMER, due_ns=ts_ns + state.config.quorum.look_s * NS_PER_S)


def _said(state: State, day: SessionDay | None, one: Dispute) -> str:
    if one is Dispute.HOURS_DIFFER and day is not None:
        return quorum.difference(day, quorum.told_of(state.quorum, day.trade_date))
    return _TEXT[one]
