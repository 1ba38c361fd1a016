"""What the broker says of a contract's trading hours and of halts, and whether the witnesses of a session agree (NV09).

The calendar table, the broker's hours and the observed tape are three witnesses of when the market is open. Where they
disagree nothing is entered (docs/calendar.md).
"""

import msgspec

from trading_bot.domain.events import Derived, Input


class ToldHours(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The broker's hours of one trade date (yyyymmdd): spans of (open, close) in ns UTC, in order; none: shut."""

    trade_date: int
    spans: tuple[tuple[int, int], ...] = ()


class HoursTold(Input, frozen=True, gc=False, kw_only=True, tag="HOURS_TOLD"):
    """The trading hours of the traded contract as the broker tells them, about a week.

    `expiry` is its last trade date (yyyymmdd, 0: none), which ends early and is not compared. `refused` says why the
    broker's text could not be read; then there are no hours.
    """

    contract: str
    hours: tuple[ToldHours, ...] = ()
    expiry: int = 0
    refused: str = ""


class HaltTold(Input, frozen=True, gc=False, kw_only=True, tag="HALT_TOLD"):
    """The broker says whether the seen contract is halted: 0 it trades, 1 a halt, 2 a halt for volatility (tick 49)."""

    halt: int


class QuorumChanged(Derived, frozen=True, gc=False, kw_only=True, tag="QUORUM_CHANGED"):
    """What the witnesses of the session say has changed. `disputes` name what stops entries now, none: they agree."""

    disputes: tuple[str, ...]
    reason: str
