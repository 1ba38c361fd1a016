"""A signal from outside, and what becomes of it (feature SG10; docs/context.md)."""

from trading_bot.domain.events import Derived, Input


class ContextReceived(Input, frozen=True, gc=False, kw_only=True, tag="CONTEXT_RECEIVED"):
    """A message of another program. `stamped_ns` is its own time of it, `where` the way it came.

    `value` is in the unit its name has (points for a level), `conviction` 0..1.
    """

    source: str
    name: str
    value: float
    conviction: float
    stamped_ns: int
    time_to_live_ns: int
    where: str


class ContextLinesRefused(Input, frozen=True, gc=False, kw_only=True, tag="CONTEXT_LINES_REFUSED"):
    """`count` lines that are no messages, or too many of them; the first (`where`) stands for all."""

    where: str
    found: str
    expected: str
    count: int = 1


class ContextChanged(Derived, frozen=True, gc=False, kw_only=True, tag="CONTEXT_CHANGED"):
    """`change` is TAKEN, REFUSED or EXPIRED; `locks` are the lockouts that hold from here on, as configured."""

    change: str
    source: str
    name: str
    text: str = ""
    locks: tuple[str, ...] = ()
