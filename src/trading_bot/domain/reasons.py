"""Reason codes. The order of `GateReason` is the order of authority (specification 6.1); its value is the bit in a decision's mask."""

from enum import IntEnum, StrEnum


class GateReason(IntEnum):
    """Why a candidate is not traded; lower comes first."""

    KILL_SWITCH = 0
    RECOVERY_INCOMPLETE = 1
    LINK_DOWN = 2
    ACCOUNT_UNKNOWN = 3
    LOG_SPACE_LOW = 4
    DATA_DOWN = 5
    DVS_LOW = 6
    EQS_LOW = 7
    SESSION_UNKNOWN_DATE = 8
    SESSION_CLOSED = 9
    SESSION_PRE_OPEN = 10
    SESSION_NYSE_SHUT = 11
    SESSION_OPEN_DELAY = 12
    SESSION_CLOSE_BUFFER = 13
    SESSION_EXIT = 14
    SESSION_TOO_SHORT = 15
    POSITION_OPEN = 16
    WORKING_ENTRY = 17
    FREQUENCY_MINUTE = 18
    FREQUENCY_HOUR = 19
    FREQUENCY_DAY = 20
    ATTEMPTS_DAY = 21
    FEES_DAY = 22
    TIER = 23
    MISSING_REQUIRED_SIGNAL = 24
    BELIEF_UNSTABLE = 25
    COST_SHARE = 26
    EUC_LOW = 27
    BETTER_CANDIDATE = 28
    OPPOSITE_CANDIDATE = 29
    STOP_TOO_WIDE = 30
    SIZE_ZERO = 31
    NO_QUOTE = 32
    SAFETY_GATE = 33
    STOPPING = 34


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
