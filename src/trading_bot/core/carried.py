"""What survives a session, a process or a run (architecture law 10)."""

from typing import Any, Final

import msgspec

from trading_bot.engines.breaker_table import week_of
from trading_bot.engines.breakers import BreakerState
from trading_bot.engines.budgets import Budgets, next_session
from trading_bot.engines.context import ContextState
from trading_bot.engines.costs import Costs
from trading_bot.engines.levels import LevelState
from trading_bot.engines.lockouts import Locks
from trading_bot.engines.position import Account, next_day, open_account
from trading_bot.engines.quality import EqsDeficit
from trading_bot.engines.rule_pack import RuleState

_MONTH: Final = 100  # of a date yyyymmdd
EXECUTIONS_KEPT: Final = 512  # several days at the most entries that a day allows


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Money and its limits as of a trade date: what every closed trade and every breaker's change records.

    `assumed`: no account exists, the configuration's equity stands in.
    """

    trade_date: int = 0
    assumed: bool = False
    account: Account | None = None
    breakers: BreakerState = BreakerState()
    budgets: Budgets = Budgets()

    def opened(self, trade_date: int, equity_uusd: int, *, assumed: bool) -> "Ledger":
        """With the broker's equity of a trade date (0: unknown); a second snapshot of one date changes nothing.

        From there on equity moves by our own result alone (specification 8.2): deposits move no breaker.
        """
        if self.account is None or (self.assumed and not assumed):
            account = open_account(equity_uusd)
            return msgspec.structs.replace(self, account=account, trade_date=trade_date, assumed=assumed)
        if trade_date == self.trade_date:
            return self
        new_week = not trade_date or not self.trade_date or week_of(trade_date) != week_of(self.trade_date)
        new_month = trade_date // _MONTH != self.trade_date // _MONTH
        return Ledger(
            trade_date=trade_date,
            assumed=assumed,
            account=next_day(self.account, equity_uusd, new_week=new_week, new_month=new_month),
            breakers=self.breakers,
            budgets=next_session(self.budgets),
        )


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What one session's log hands to the next, one run to the next, or a dead process to its successor.

    `locks` are lockouts, `cooldowns` (template, side, end in ns), `ranges` as `MinuteRanges.pack` gave them. Used
    set-ups end with their session, in which everything was left.
    `executions` are those of a broker by its ids, with the commission that was estimated and not yet reported: told
    again after a restart, they are not booked again. A simulator numbers its own anew.
    `params` are the learned parameters of strategies that were in force, in millionths.
    `position_qty` None is unknown. `learning` is what `LearningLoop.export_to_dict` gave, None before the first trade.
    """

    kill_reason: str | None = None
    data_down: bool = False
    position_qty: int | None = 0
    deficits: tuple[EqsDeficit, ...] = ()
    eqs_min_c: int = 100  # lowest execution score of the run so far
    ledger: Ledger = Ledger()
    learning: dict[str, Any] | None = None
    levels: LevelState = LevelState()
    context: ContextState = ContextState()
    locks: Locks = ()
    cooldowns: tuple[tuple[str, int, int], ...] = ()
    ranges: bytes = b""
    costs: Costs = Costs()
    executions: tuple[tuple[str, int | None], ...] = ()
    rules: RuleState = RuleState()
    params: tuple[tuple[str, int], ...] = ()
