"""Reason codes.

The order of `GateReason` is the order of authority (specification 6.1); its value is the bit in a decision's mask.
"""

from enum import IntEnum, StrEnum


class GateReason(IntEnum):
    """Why a candidate is not traded; lower comes first."""

    KILL_SWITCH = 0
    STOPPING = 1
    RECOVERY_INCOMPLETE = 2
    LINK_DOWN = 3
    ACCOUNT_UNKNOWN = 4
    LOG_SPACE_LOW = 5
    DATA_DOWN = 6
    DVS_LOW = 7
    EQS_LOW = 8
    SESSION_UNKNOWN_DATE = 9
    SESSION_CLOSED = 10
    SESSION_PRE_OPEN = 11
    SESSION_NYSE_SHUT = 12
    SESSION_OPEN_DELAY = 13
    SESSION_CLOSE_BUFFER = 14
    SESSION_EXIT = 15
    SESSION_TOO_SHORT = 16
    POSITION_OPEN = 17
    WORKING_ENTRY = 18
    FREQUENCY_MINUTE = 19
    FREQUENCY_HOUR = 20
    FREQUENCY_DAY = 21
    ATTEMPTS_DAY = 22
    FEES_DAY = 23
    TIER = 24
    MISSING_REQUIRED_SIGNAL = 25
    BELIEF_UNSTABLE = 26
    COST_SHARE = 27
    EUC_LOW = 28
    OPPOSITE_CANDIDATE = 29
    BETTER_CANDIDATE = 30
    STOP_TOO_WIDE = 31
    SIZE_ZERO = 32
    NO_QUOTE = 33
    SAFETY_GATE = 34


class SafetyCheck(IntEnum):
    """Numbers of the safety gate's checks (specification 8.1)."""

    KILL_SWITCH = 1
    RECOVERY = 2
    LINK = 3
    ACCOUNT = 4
    INSTRUMENT = 5
    POSITION = 6
    ORDER_SIZE = 7
    TRADE_RISK = 8
    OPEN_RISK = 9
    PRICE = 16
    SPREAD = 17
    SESSION = 18
    DUPLICATE = 20


class Action(StrEnum):
    """What a decision does."""

    ENTER = "ENTER"
    SKIP = "SKIP"
    EXIT = "EXIT"
    IDLE = "IDLE"
