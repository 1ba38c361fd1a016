"""The traded market's own touch where another one is seen (`ibkr.signal_instrument`): ES is looked at, MES is traded.

Both have the same prices, and arbitrage keeps them within a tick or two. Where they part, the seen market says nothing
about the price an order for the other one meets.
"""

from typing import Final

import msgspec

from trading_bot.domain.units import NS_PER_S

_UNKNOWN: Final = "the traded contract has no quote of its own yet"


class TradedTouch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The newest quote of the traded contract: prices in ticks, `ts_ns` when it was received."""

    bid_ticks: int
    ask_ticks: int
    ts_ns: int


def parted(
    traded: TradedTouch | None,
    *,
    bid_ticks: int,
    ask_ticks: int,
    ts_ns: int,
    difference_ticks_max: int,
    age_s_max: int,
) -> str | None:
    """Why the seen market's touch (`bid_ticks`, `ask_ticks`) says nothing about the traded one; None when it does.

    `ts_ns` is the time of the order.
    """
    if traded is None:
        return _UNKNOWN
    age_ns = ts_ns - traded.ts_ns
    if age_ns > age_s_max * NS_PER_S:
        return f"the traded contract's own quote is {age_ns / NS_PER_S:.1f} s old, allowed {age_s_max} s"
    away = max(abs(traded.bid_ticks - bid_ticks), abs(traded.ask_ticks - ask_ticks))
    if away > difference_ticks_max:
        return (
            f"the traded contract's own touch {traded.bid_ticks}/{traded.ask_ticks} is {away} ticks from the seen "
            f"{bid_ticks}/{ask_ticks}, limit {difference_ticks_max}"
        )
    return None
