"""Life of one order at the broker, as a table: (phase, signal) -> (phase, what is told) (specification 11, EX03).

Signals are what the broker really says (statuses, executions, codes, lists), in any order and repeated; what the client
library makes of them is not looked at. Executions are told by themselves, whatever the phase. Every pair is defined.
"""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where an order stands at the broker."""

    SENT = "SENT"  # written to the socket, nothing heard
    HELD = "HELD"  # the broker has it and keeps it: a child of an unfilled parent, a closed market
    WORKING = "WORKING"  # in force
    QUERY = "QUERY"  # said to be filled, or not to be cancelled: its executions are owed, for a moment
    REFUSING = "REFUSING"  # a refusal of an order the broker had shown: its status is owed, for a moment
    ENDING = "ENDING"  # cancelled, nobody asked: the reason is owed, for a moment
    INACTIVE = "INACTIVE"  # refused or put aside, may come back: the reason is owed, for a moment
    DOUBTFUL = "DOUBTFUL"  # may live or not
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    GONE = "GONE"  # in no list of the broker's; never sent again


class Signal(StrEnum):
    """What is heard about an order."""

    HOLD = "HOLD"  # a status: the broker has it, not in force
    WORK = "WORK"  # a status: in force
    PART = "PART"  # executed in part
    FULL = "FULL"  # executed in whole
    FILLED = "FILLED"  # a status that claims executions
    STOPPED = "STOPPED"  # a status: cancelled, and nobody asked
    WITHDRAWN = "WITHDRAWN"  # the same, asked for or a consequence
    INACTIVE = "INACTIVE"  # a status
    REFUSE = "REFUSE"  # a code: refused
    CANCEL_CODE = "CANCEL_CODE"  # a code: cancelled
    NOT_CANCELLED = "NOT_CANCELLED"  # a code: found nothing to cancel
    DOUBT = "DOUBT"  # a code: may mean anything
    LATE = "LATE"  # the deadline of the first answer is over
    PATIENCE = "PATIENCE"  # what was owed did not come
    LISTED = "LISTED"  # among the open orders of a complete answer
    ABSENT = "ABSENT"  # not among them, nor among those that have ended


class Tell(StrEnum):
    """What the core is told, or what happens instead."""

    ACK = "ACK"
    WORK = "WORK"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    DOUBT = "DOUBT"
    NOTE = "NOTE"  # a notice in the log
    WAIT = "WAIT"  # the moment begins
    SURPRISE = "SURPRISE"  # ask the broker


P, S, T = Phase, Signal, Tell
LIVE: Final = frozenset(
    {P.SENT, P.HELD, P.WORKING, P.QUERY, P.REFUSING, P.ENDING, P.INACTIVE, P.DOUBTFUL}
)  # may still execute
ENDED: Final = frozenset(Phase) - LIVE

Row = tuple[Phase, tuple[Tell, ...]]


def _to(phase: Phase, *tells: Tell) -> Row:
    return phase, tells


_CANCELLED: Final[Row] = (P.CANCELLED, (T.CANCELLED,))
_REJECTED: Final[Row] = (P.REJECTED, (T.REJECTED,))
_DOUBT: Final[Row] = (P.DOUBTFUL, (T.DOUBT,))
_FILLED: Final[Row] = (P.FILLED, ())
_GONE: Final[Row] = (P.GONE, ())
_LISTED: Final[Row] = (P.WORKING, (T.ACK, T.WORK))
_QUERY: Final[Row] = (P.QUERY, (T.WAIT,))

TABLE: Final[dict[Phase, dict[Signal, Row]]] = {
    P.SENT: {
        S.HOLD: (P.HELD, (T.ACK,)),
        S.WORK: (P.WORKING, (T.ACK, T.WORK)),
        S.PART: (P.WORKING, (T.ACK,)),
        S.FULL: _FILLED,
        S.FILLED: _QUERY,
        S.STOPPED: (P.ENDING, (T.WAIT,)),  # the code that says why may come after the status
        S.WITHDRAWN: _CANCELLED,
        S.INACTIVE: (P.INACTIVE, (T.WAIT,)),
        S.REFUSE: _REJECTED,
        S.CANCEL_CODE: _CANCELLED,
        S.NOT_CANCELLED: _QUERY,
        S.DOUBT: _DOUBT,
        S.LATE: _DOUBT,
        S.PATIENCE: _to(P.SENT),
        S.LISTED: _LISTED,
        S.ABSENT: _to(P.SENT),  # it may still be on its way; its deadline decides
    },
    P.HELD: {
        S.HOLD: _to(P.HELD, T.ACK),
        S.WORK: (P.WORKING, (T.ACK, T.WORK)),
        S.PART: _to(P.WORKING),
        S.FULL: _FILLED,
        S.FILLED: _QUERY,
        S.STOPPED: (P.ENDING, (T.WAIT,)),
        S.WITHDRAWN: _CANCELLED,
        S.INACTIVE: (P.INACTIVE, (T.WAIT,)),
        S.REFUSE: (P.REFUSING, (T.WAIT,)),
        S.CANCEL_CODE: _CANCELLED,
        S.NOT_CANCELLED: _QUERY,
        S.DOUBT: _DOUBT,
        S.LATE: _to(P.HELD),
        S.PATIENCE: _to(P.HELD),
        S.LISTED: _to(P.HELD, T.ACK),
        S.ABSENT: _GONE,
    },
    P.WORKING: {
        S.HOLD: _to(P.WORKING),
        S.WORK: _to(P.WORKING, T.WORK),
        S.PART: _to(P.WORKING),
        S.FULL: _FILLED,
        S.FILLED: _QUERY,
        S.STOPPED: _CANCELLED,  # what protected does so no longer: at once
        S.WITHDRAWN: _CANCELLED,
        S.INACTIVE: (P.INACTIVE, (T.WAIT,)),
        S.REFUSE: (P.REFUSING, (T.WAIT,)),
        S.CANCEL_CODE: _CANCELLED,
        S.NOT_CANCELLED: _QUERY,
        S.DOUBT: _DOUBT,
        S.LATE: _to(P.WORKING),
        S.PATIENCE: _to(P.WORKING),
        S.LISTED: _to(P.WORKING, T.WORK),
        S.ABSENT: _GONE,
    },
    P.QUERY: {
        S.HOLD: _to(P.QUERY),
        S.WORK: _to(P.QUERY),
        S.PART: _to(P.QUERY),
        S.FULL: _FILLED,
        S.FILLED: _to(P.QUERY),
        S.STOPPED: _CANCELLED,
        S.WITHDRAWN: _CANCELLED,
        S.INACTIVE: (P.INACTIVE, (T.WAIT,)),
        S.REFUSE: (P.REFUSING, (T.WAIT,)),
        S.CANCEL_CODE: _CANCELLED,
        S.NOT_CANCELLED: _to(P.QUERY),
        S.DOUBT: _DOUBT,
        S.LATE: _to(P.QUERY),
        S.PATIENCE: _DOUBT,
        S.LISTED: _LISTED,
        S.ABSENT: _GONE,
    },
    P.REFUSING: {
        S.HOLD: _to(P.REFUSING),
        S.WORK: _to(P.REFUSING),
        S.PART: _to(P.REFUSING),
        S.FULL: _FILLED,
        S.FILLED: _QUERY,
        S.STOPPED: _REJECTED,
        S.WITHDRAWN: _REJECTED,
        S.INACTIVE: _REJECTED,
        S.REFUSE: _to(P.REFUSING),
        S.CANCEL_CODE: _REJECTED,
        S.NOT_CANCELLED: _to(P.REFUSING),
        S.DOUBT: _to(P.REFUSING),
        S.LATE: _to(P.REFUSING),
        S.PATIENCE: _DOUBT,
        S.LISTED: _LISTED,
        S.ABSENT: _REJECTED,
    },
    P.ENDING: {
        S.HOLD: _to(P.ENDING),
        S.WORK: _to(P.ENDING),
        S.PART: _to(P.ENDING),
        S.FULL: _FILLED,
        S.FILLED: _QUERY,
        S.STOPPED: _to(P.ENDING),
        S.WITHDRAWN: _CANCELLED,
        S.INACTIVE: _to(P.ENDING),
        S.REFUSE: _REJECTED,
        S.CANCEL_CODE: _CANCELLED,
        S.NOT_CANCELLED: _CANCELLED,
        S.DOUBT: _REJECTED,  # a code that we do not know, and the broker's status beside it
        S.LATE: _to(P.ENDING),
        S.PATIENCE: _CANCELLED,
        S.LISTED: _LISTED,
        S.ABSENT: _CANCELLED,
    },
    P.INACTIVE: {
        S.HOLD: _to(P.HELD),
        S.WORK: (P.WORKING, (T.ACK, T.WORK)),
        S.PART: _to(P.WORKING),
        S.FULL: _FILLED,
        S.FILLED: _QUERY,
        S.STOPPED: _REJECTED,
        S.WITHDRAWN: _CANCELLED,
        S.INACTIVE: _to(P.INACTIVE),
        S.REFUSE: _REJECTED,
        S.CANCEL_CODE: _CANCELLED,
        S.NOT_CANCELLED: _to(P.INACTIVE),
        S.DOUBT: _REJECTED,
        S.LATE: _to(P.INACTIVE),
        S.PATIENCE: _REJECTED,
        S.LISTED: _LISTED,
        S.ABSENT: _REJECTED,
    },
    P.DOUBTFUL: {
        S.HOLD: (P.HELD, (T.ACK,)),
        S.WORK: (P.WORKING, (T.ACK, T.WORK)),
        S.PART: _to(P.WORKING),
        S.FULL: _FILLED,
        S.FILLED: _QUERY,
        S.STOPPED: _CANCELLED,
        S.WITHDRAWN: _CANCELLED,
        S.INACTIVE: (P.INACTIVE, (T.WAIT,)),
        S.REFUSE: (P.REFUSING, (T.WAIT,)),
        S.CANCEL_CODE: _CANCELLED,
        S.NOT_CANCELLED: _QUERY,
        S.DOUBT: _to(P.DOUBTFUL),
        S.LATE: _to(P.DOUBTFUL),
        S.PATIENCE: _to(P.DOUBTFUL),
        S.LISTED: _LISTED,
        S.ABSENT: _GONE,
    },
    P.FILLED: {signal: _to(P.FILLED) for signal in Signal},
    # A status of life after the end is a repetition or a revival: the broker's list decides, not the status.
    P.CANCELLED: {
        **{signal: _to(P.CANCELLED) for signal in Signal},
        S.HOLD: _to(P.CANCELLED, T.SURPRISE),
        S.WORK: _to(P.CANCELLED, T.SURPRISE),
        S.FULL: _FILLED,
        S.FILLED: _to(P.CANCELLED, T.SURPRISE),
        S.REFUSE: _to(P.CANCELLED, T.NOTE),
        S.LISTED: _to(P.WORKING),
    },
    P.REJECTED: {
        **{signal: _to(P.REJECTED) for signal in Signal},
        S.HOLD: _to(P.REJECTED, T.SURPRISE),
        S.WORK: _to(P.REJECTED, T.SURPRISE),
        S.FULL: _FILLED,
        S.FILLED: _to(P.REJECTED, T.SURPRISE),
        S.LISTED: _to(P.WORKING),
    },
    P.GONE: {
        **{signal: _to(P.GONE) for signal in Signal},
        S.HOLD: (P.HELD, (T.ACK,)),
        S.WORK: _LISTED,
        S.FULL: _FILLED,
        S.FILLED: _to(P.GONE, T.SURPRISE),
        S.STOPPED: _CANCELLED,
        S.WITHDRAWN: _CANCELLED,
        S.REFUSE: _REJECTED,
        S.CANCEL_CODE: _CANCELLED,
        S.LISTED: _LISTED,
    },
}
