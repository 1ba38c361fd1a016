"""The chance that an account passes its rules, by bootstrap of days that a strategy has traded (NV12, docs/rules.md).

Whole days are drawn with replacement, as in `ruin.py`, and the account goes through them trade by trade. Within a trade
its best moment is taken to come before its worst, and both before its end: nothing in a log says otherwise, and it is
the order in which an intraday line hurts most. What trades of the past say about the next account is the reader's
judgement. Nothing here decides.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core.log_reader import LogReader, MessageFrame
from trading_bot.core.replay import session_logs
from trading_bot.domain import log_records
from trading_bot.domain.errors import UsageError
from trading_bot.domain.events import RunStarted
from trading_bot.domain.instruments import instrument_by_symbol
from trading_bot.domain.learning import TradeOutcome
from trading_bot.domain.rule_pack import Consistency, DailyLoss, FlatBy, MoneyRule, RulePack, TrailingDrawdown
from trading_bot.domain.trade_events import TradeClosed
from trading_bot.engines.rule_pack import RuleState, to_breach_uusd

DAYS_MIN: Final = 5  # fewer days cannot tell a bad one
PASSED: Final = "PASSED"
STOPPED: Final = "STOPPED"  # the bot ended trading before a line was reached
OPEN: Final = "OPEN"  # neither passed nor broken within the horizon


class DayTrade(msgspec.Struct, frozen=True, gc=False):
    """A closed trade: what it earned after commission, and the best and worst it stood at, in micro-dollars."""

    net_uusd: int
    best_uusd: int
    worst_uusd: int


class RuleOdds(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the paths, 0 to 1.

    `error_p` is the standard error of `pass_p`; `broken_p` is by rule, `days_to_pass` the median of those that passed,
    None where none did.
    """

    pack: str
    days: int
    trades: int
    net_usd_per_day: float
    horizon_days: int
    paths: int
    seed: int
    pass_p: float
    error_p: float
    broken_p: dict[str, float]
    stopped_p: float
    open_p: float
    days_to_pass: int | None


def rule_odds(
    pack: RulePack,
    days: Sequence[Sequence[DayTrade]],
    *,
    risk_uusd: int,
    horizon_days: int = 60,
    paths: int = 2_000,
    seed: int = 1,
) -> RuleOdds:
    """Bootstrap `days`; `risk_uusd` is the most a trade may lose, with which the bot keeps away from a line.

    An account passes at the end of the first day with the profit target, enough days and the consistency kept.

    Raises:
        UsageError: no profit target, fewer than five days, or no trade.
    """
    if pack.profit_target_uusd == 0:
        raise UsageError(f"{pack.name}: without profit_target_usd there is nothing to pass")
    if len(days) < DAYS_MIN or not any(days):
        raise UsageError(
            f"{len(days)} days with {sum(map(len, days))} trades: expected at least {DAYS_MIN} days and a trade; "
            "name more logs"
        )
    dice = random.Random(seed)  # noqa: S311 (a bootstrap, no secret)
    ends: Counter[str] = Counter()
    passed_after: list[int] = []
    for _ in range(paths):
        end, used = _path(pack, dice.choices(days, k=horizon_days), risk_uusd)
        ends[end] += 1
        if end == PASSED:
            passed_after.append(used)
    pass_p = ends[PASSED] / paths
    rules = [rule.name for rule in pack.rules if not isinstance(rule, FlatBy)]
    return RuleOdds(
        pack=pack.name,
        days=len(days),
        trades=sum(map(len, days)),
        net_usd_per_day=sum(trade.net_uusd for day in days for trade in day) / len(days) / 1e6,
        horizon_days=horizon_days,
        paths=paths,
        seed=seed,
        pass_p=pass_p,
        error_p=math.sqrt(pass_p * (1 - pass_p) / paths),
        broken_p={name: ends[name] / paths for name in rules if ends[name]},
        stopped_p=ends[STOPPED] / paths,
        open_p=ends[OPEN] / paths,
        days_to_pass=sorted(passed_after)[len(passed_after) // 2] if passed_after else None,
    )


def days_traded(runs: Iterable[Path]) -> list[list[DayTrade]]:
    """The closed trades of runs by trade date, in the order of their logs; a day without trades counts.

    Raises:
        UsageError: no log there.
        LogCorrupt: a damaged one.
    """
    days: dict[int, list[DayTrade]] = {}
    for log in (log for run in runs for log in session_logs(run)):
        trade_date = 0
        with LogReader(log) as reader:
            for item in reader.spans():
                if not isinstance(item, MessageFrame):
                    continue
                record = log_records.decode(item.payload)
                if isinstance(record, RunStarted):
                    trade_date = record.trade_date
                    days.setdefault(trade_date, [])
                elif isinstance(record, TradeClosed):
                    days.setdefault(trade_date, []).append(_trade(record.outcome))
    return [days[trade_date] for trade_date in sorted(days)]


def _trade(outcome: TradeOutcome) -> DayTrade:
    tick_uusd = instrument_by_symbol(outcome.instrument).tick_value_uusd * outcome.qty
    best, worst = (abs(ticks or 0.0) for ticks in (outcome.mfe_ticks, outcome.mae_ticks))
    return DayTrade(outcome.net_uusd, round(best * tick_uusd), -round(worst * tick_uusd))


class _Account:
    """One account on one path: what the engine of the rules remembers, without its frozen values."""

    def __init__(self, pack: RulePack) -> None:
        self.pack = pack
        self.result = self.day_start = self.high = self.close_high = self.best_day = self.days = 0

    def state(self) -> RuleState:
        return RuleState(day_start_uusd=self.day_start, high_uusd=self.high, close_high_uusd=self.close_high)

    def first_short(self, rules: Sequence[MoneyRule], result_uusd: int, spare_uusd: int) -> MoneyRule | None:
        """The first rule with no more than `spare_uusd` beyond its buffer left; -1 asks for a breach itself."""
        state = self.state()
        for rule in rules:
            distance = to_breach_uusd(state, self.pack, rule, result_uusd)
            if distance <= 0 or (spare_uusd >= 0 and distance - rule.buffer_uusd <= spare_uusd):
                return rule
        return None


def _path(pack: RulePack, days: Sequence[Sequence[DayTrade]], risk_uusd: int) -> tuple[str, int]:
    """How an account ends, and after how many days."""
    account = _Account(pack)
    losses = [rule for rule in pack.rules if isinstance(rule, TrailingDrawdown | DailyLoss)]
    caps = [rule for rule in pack.rules if isinstance(rule, Consistency)]
    for number, day in enumerate(days, 1):
        account.day_start = account.result
        for trade in day:
            short = account.first_short(losses, account.result, risk_uusd)
            if isinstance(short, TrailingDrawdown):
                return STOPPED, number
            if short is not None or account.first_short(caps, account.result, 0) is not None:
                break  # the rest of the day is not traded
            account.high = max(account.high, account.result + trade.best_uusd)
            broken = account.first_short(losses, account.result + min(trade.worst_uusd, trade.net_uusd), -1)
            if broken is not None:
                return broken.name, number
            account.result += trade.net_uusd
            account.high = max(account.high, account.result)
        earned = account.result - account.day_start
        account.days += earned != 0
        account.best_day = max(account.best_day, earned)
        account.close_high = max(account.close_high, account.result)
        if _passed(account, caps):
            return PASSED, number
    return OPEN, len(days)


def _passed(account: _Account, caps: Sequence[Consistency]) -> bool:
    pack = account.pack
    if account.result < pack.profit_target_uusd or account.days < pack.days_min:
        return False
    return all(account.best_day * 1_000_000 <= rule.best_day_ppm * account.result for rule in caps)
