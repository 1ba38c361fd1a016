"""Reason codes.

The order of `GateReason` is the order of authority (specification 6.1), but for what was appended; its value is the bit
in a decision's mask.
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
    EVENT_CALENDAR_STALE = 18
    EVENT_BLACKOUT = 19
    LOCKOUT_VOLATILITY = 20
    LOCKOUT_EXECUTION = 21
    LOCKOUT_CONTEXT = 22
    POSITION_OPEN = 23
    WORKING_ENTRY = 24
    REENTRY_COOLDOWN = 25
    SETUP_USED = 26
    FREQUENCY_MINUTE = 27
    FREQUENCY_HOUR = 28
    FREQUENCY_DAY = 29
    ATTEMPTS_DAY = 30
    ORDER_EFFICIENCY = 31
    FEES_DAY = 32
    TIER = 33
    LEARNING_BLOCKED = 34
    UNCALIBRATED = 35
    VETO = 36
    MISSING_REQUIRED_SIGNAL = 37
    BELIEF_UNSTABLE = 38
    COST_SHARE = 39
    EUC_LOW = 40
    OPPOSITE_CANDIDATE = 41
    BETTER_CANDIDATE = 42
    STOP_TOO_WIDE = 43
    SIZE_ZERO = 44
    NO_QUOTE = 45
    SAFETY_GATE = 46
    # Appended, so that masks of older logs keep their meaning; their place in the order is that of the session.
    SESSION_DISPUTED = 47
    SESSION_HALTED = 48
    SESSION_NO_TRADE = 49


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
    MARGIN = 10
    DAILY_LOSS = 11
    WEEKLY_LOSS = 12
    DRAWDOWN = 13
    BREAKER = 14
    BUDGET = 15
    PRICE = 16
    SPREAD = 17
    SESSION = 18
    EXPIRY = 19
    DUPLICATE = 20
    LATENCY = 21


class Action(StrEnum):
    """What a decision does."""

    ENTER = "ENTER"
    SKIP = "SKIP"
    EXIT = "EXIT"
    IDLE = "IDLE"
