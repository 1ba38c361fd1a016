"""Whose messages go first: the lanes of `_fast/pacing.pyx`, which counts them and lets them go."""

from enum import IntEnum


class Lane(IntEnum):
    """What a message is for."""

    PROTECT = 0  # cancels, stops, exits: may use every message of the second, and goes before everything that waits
    ENTRY = 1  # refused when there is no room: a late entry is worse than none
    DATA = 2  # questions and subscriptions: waits
