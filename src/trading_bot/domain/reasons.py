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
    BREAKER = 6
    DATA_DOWN = 7
    DVS_LOW = 8
    EQS_LOW = 9
    SESSION_UNKNOWN_DATE = 10
    SESSION_CLOSED = 11
    SESSION_PRE_OPEN = 12
    SESSION_NYSE_SHUT = 13
    SESSION_OPEN_DELAY = 14
    SESSION_CLOSE_BUFFER = 15
    SESSION_EXIT = 16
    SESSION_TOO_SHORT = 17
    POSITION_OPEN = 18
    WORKING_ENTRY = 19
    FREQUENCY_MINUTE = 20
    FREQUENCY_HOUR = 21
    FREQUENCY_DAY = 22
    ATTEMPTS_DAY = 23
    ORDER_EFFICIENCY = 24
    FEES_DAY = 25
    TIER = 26
    LEARNING_BLOCKED = 27
    MISSING_REQUIRED_SIGNAL = 28
    BELIEF_UNSTABLE = 29
    COST_SHARE = 30
    EUC_LOW = 31
    OPPOSITE_CANDIDATE = 32
    BETTER_CANDIDATE = 33
    STOP_TOO_WIDE = 34
    SIZE_ZERO = 35
    NO_QUOTE = 36
    SAFETY_GATE = 37


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
    DAILY_LOSS = 11
    WEEKLY_LOSS = 12
    DRAWDOWN = 13
    BREAKER = 14
    BUDGET = 15
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
