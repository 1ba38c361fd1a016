"""Windows of the day without entries, as the configuration writes them: `12:00-13:00, 14:55-15:05`, New York time."""

import re
from itertools import pairwise
from typing import Final

_WINDOW: Final = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")
_DAY_MIN: Final = 1_440
_EVENING_MIN: Final = 18 * 60  # a trade date begins at 18:00 on the evening before

# Start and end in minutes after midnight on the trade date, below 0 on the evening before it; the end is not included.
Window = tuple[int, int]


def windows_from(text: str) -> tuple[Window, ...]:
    """The windows a text names, in order.

    Raises:
        ValueError: it is no list of times, a window ends before it begins, or two overlap.
    """
    found = sorted(_window(part.strip()) for part in text.split(",")) if text.strip() else []
    for (_, before_end), (start, end) in pairwise(found):
        if start < before_end:
            raise ValueError(f"session.no_trade {text!r}: the window that ends at {_clock(end)} overlaps another one")
    return tuple(found)


def _window(text: str) -> Window:
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(
            f"session.no_trade: found {text!r}, expected New York times of two digits such as 12:00-13:00, with commas "
            "between windows"
        )
    hour, minute, end_hour, end_minute = (int(group) for group in match.groups())
    start, end = hour * 60 + minute, end_hour * 60 + end_minute
    if max(minute, end_minute) > 59 or max(start, end) > _DAY_MIN:
        raise ValueError(f"session.no_trade: found {text!r}, expected times from 00:00 to 24:00")
    start -= _DAY_MIN if start >= _EVENING_MIN else 0
    end -= _DAY_MIN if end > _EVENING_MIN else 0
    if start >= end:
        raise ValueError(
            f"session.no_trade: found {text!r}, expected an end after its start within one trade date, which begins at "
            "18:00 on the evening before"
        )
    return start, end


def _clock(minutes: int) -> str:
    hours, rest = divmod(minutes % _DAY_MIN, 60)
    return f"{hours:02d}:{rest:02d}"
