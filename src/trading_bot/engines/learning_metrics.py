"""Running totals of a template's trades, all integers, so that they reload exactly."""

from typing import Annotated

import msgspec
from msgspec import Meta

from trading_bot.domain.learning import TradeOutcome
from trading_bot.domain.units import usd_from_uusd

Count = Annotated[int, Meta(ge=0)]


class ReliabilityMetrics(msgspec.Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Totals over every trade given to `update_from_trade`, net of commission; micro-dollars, millionths of a tick.

    Rates and means are None before the first trade: nothing known is not zero.
    """

    trades: Count = 0
    wins: Count = 0
    net_uusd: int = 0
    gain_uusd: Count = 0
    loss_uusd: Count = 0
    commission_uusd: int = 0
    slippage_excess_e6: int = 0

    def update_from_trade(self, outcome: TradeOutcome) -> None:
        """Take in one closed trade; a win is one that earned more than its commission [U]."""
        net_uusd = outcome.net_uusd
        self.trades += 1
        self.net_uusd += net_uusd
        self.commission_uusd += outcome.commission_uusd
        self.slippage_excess_e6 += outcome.slippage_excess_e6
        if outcome.win:
            self.wins += 1
            self.gain_uusd += net_uusd
        else:
            self.loss_uusd -= net_uusd

    @property
    def losses(self) -> int:
        """Trades that did not earn their commission."""
        return self.trades - self.wins

    @property
    def win_rate(self) -> float | None:
        """Wins over trades."""
        return self.wins / self.trades if self.trades else None

    @property
    def net_pnl_usd(self) -> float:
        """Sum of `actual_pnl_usd`."""
        return usd_from_uusd(self.net_uusd)

    @property
    def expectancy_usd(self) -> float | None:
        """Mean `actual_pnl_usd` per trade."""
        return usd_from_uusd(self.net_uusd) / self.trades if self.trades else None

    @property
    def profit_factor(self) -> float | None:
        """Gains over losses; None while nothing was lost."""
        return self.gain_uusd / self.loss_uusd if self.loss_uusd else None

    @property
    def slippage_excess_ticks(self) -> float | None:
        """Mean of actual minus expected slippage per trade."""
        return self.slippage_excess_e6 / 1e6 / self.trades if self.trades else None
