"""Rule packs as values: what a firm that lends an account asks for (docs/rules.md), and what the bot does about it.

A pack file (TOML, dollars, a time of day) becomes these structs in `rule_files.py`; a log embeds them. Money in
micro-dollars. A rule is not a breaker: a breaker looks at losses alone, a consistency rule also at profit.
"""

from enum import StrEnum
from typing import Literal

import msgspec


class RuleResponse(StrEnum):
    """What a tripped rule does; each does what those before it do."""

    PAUSE = "pause"  # no entries
    FLATTEN = "flatten"  # and no position
    KILL = "kill"  # and the kill switch


Basis = Literal["intraday", "end_of_day"]


class TrailingDrawdown(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="trailing_drawdown"):
    """The balance may not fall `limit_uusd` below its highest.

    The highest of what: `intraday` the balance with its open profit at any time, `end_of_day` the balances that days
    ended with. The line rises with it, up to the balance `locks_at_uusd` where there is one.
    """

    limit_uusd: int
    basis: Basis
    locks_at_uusd: int | None = None
    buffer_uusd: int = 0
    response: RuleResponse = RuleResponse.FLATTEN

    @property
    def name(self) -> str:
        """In logs and status."""
        return f"RULE_TRAILING_{self.basis.upper()}"


class DailyLoss(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="daily_loss"):
    """A trading day, open result included, may not lose `limit_uusd`."""

    limit_uusd: int
    buffer_uusd: int = 0
    response: RuleResponse = RuleResponse.FLATTEN

    @property
    def name(self) -> str:
        """In logs and status."""
        return "RULE_DAILY_LOSS"


class Consistency(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="consistency"):
    """No day may earn more than a share (millionths) of the profit target, or of the whole profit once that is more."""

    best_day_ppm: int
    buffer_uusd: int = 0
    response: RuleResponse = RuleResponse.PAUSE

    @property
    def name(self) -> str:
        """In logs and status."""
        return "RULE_CONSISTENCY"


class FlatBy(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="flat_by"):
    """No position from a time of day on, in minutes after midnight in New York.

    Leaving begins `lead_min` before it, entries end `entries_end_min` before it.
    """

    minute_et: int
    lead_min: int = 5
    entries_end_min: int = 10
    response: RuleResponse = RuleResponse.FLATTEN

    @property
    def name(self) -> str:
        """In logs and status."""
        return "RULE_FLAT_BY"

    @property
    def clock(self) -> str:
        """The time as people write it."""
        return f"{self.minute_et // 60:02}:{self.minute_et % 60:02} ET"


MoneyRule = TrailingDrawdown | DailyLoss | Consistency
Rule = TrailingDrawdown | DailyLoss | Consistency | FlatBy


class RulePack(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Rules of one account. `attempt` counts anew what the rules remember, under the same name.

    `account_uusd` is the balance the account began with, `profit_target_uusd` 0 where none is asked for.
    """

    name: str
    account_uusd: int
    rules: tuple[Rule, ...]
    attempt: int = 1
    profit_target_uusd: int = 0
    days_min: int = 0

    @property
    def identity(self) -> str:
        """What is remembered belongs to this name."""
        return f"{self.name}#{self.attempt}"
