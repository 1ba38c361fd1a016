"""Trades for tests: results given net of commission, in dollars."""

from trading_bot.core.learning_loop import LearningLoop, LearningUpdate, TradeOutcome

COMMISSION_USD = 2.50


def trade(net_usd: float, *, template: str = "K1", ts_ns: int = 0, **fields) -> TradeOutcome:
    return TradeOutcome(template=template, pnl_usd=net_usd + COMMISSION_USD, exit_ts_ns=ts_ns, **fields)


def around(mean_usd: float, count: int, spread_usd: float = 10.0) -> list[float]:
    """Results that alternate evenly around a mean: their mean and their spread are known without computing."""
    return [mean_usd + (spread_usd if index % 2 == 0 else -spread_usd) for index in range(count)]


def feed(loop: LearningLoop, nets_usd: list[float], **fields) -> list[LearningUpdate]:
    updates = [loop.record(trade(net_usd, **fields)) for net_usd in nets_usd]
    return [update for update in updates if update is not None]
