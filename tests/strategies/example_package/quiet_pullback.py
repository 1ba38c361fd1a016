"""A strategy in Python: after a quiet minute inside a trend, propose its direction."""

from trading_bot.domain.strategy import BarView, Proposal


class QuietPullback:
    """`trend_min` is the least hhll_trend_strength, `belief` what a proposal carries, `every` counts minutes."""

    def __init__(self, params):
        unknown = set(params) - {"trend_min", "belief", "every"}
        if unknown:
            raise ValueError(f"unknown params {sorted(unknown)}")
        self.trend_min = float(params.get("trend_min", 0.1))
        self.belief = float(params.get("belief", 0.75))
        self.every = int(params.get("every", 1))
        self.seen = 0

    def on_bar(self, view: BarView) -> Proposal | None:
        self.seen += 1
        trend = view.signals["hhll_trend_strength"]
        if trend is None or abs(trend) < self.trend_min or self.seen % self.every:
            return None
        last = view.bars[-1]
        side = 1 if trend > 0 else -1
        if (last.close_ticks - last.open_ticks) * side > 0:
            return None
        return Proposal(side=side, belief=self.belief, reason=f"pullback in a trend of {trend:+.2f}")


class Raises:
    def __init__(self, _params):
        self.seen = 0

    def on_bar(self, _view):
        self.seen += 1
        if self.seen == 3:
            raise ZeroDivisionError("the third minute")


class NoOnBar:
    def __init__(self, _params):
        pass


not_callable = 7
