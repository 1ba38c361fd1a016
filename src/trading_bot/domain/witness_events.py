"""What the broker tells of the market beside its ticks: what the honesty of the recorded ticks is judged by."""

from trading_bot.domain.events import Input


class MarketWitnessed(Input, frozen=True, gc=False, kw_only=True, tag="MARKET_WITNESSED"):
    """One bar of five seconds as the broker made it, and the session's volume as it was told last. Decides nothing.

    Prices in ticks, volumes in lots. `bar_begin_ns` 0: no bar came, only volume. `session_volume` -1: not told yet;
    it was heard at `session_volume_ns`, a receive time. `instrument_id` is that of the ticks beside it.
    """

    instrument_id: int
    bar_begin_ns: int = 0
    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    close_ticks: int = 0
    volume: int = 0
    trades: int = 0
    session_volume: int = -1
    session_volume_ns: int = 0
