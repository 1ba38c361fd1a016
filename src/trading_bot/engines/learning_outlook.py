"""What would change a template's state: the table of states and its thresholds, read backwards (docs/learning.md).

For people; nothing is decided on it. Amounts in micro-dollars.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from trading_bot.domain.learning import Finding, LearningState
from trading_bot.engines import learning as stats
from trading_bot.engines.learning import LearningLimits

S, F = LearningState, Finding

_UNKNOWN_SPREAD_UUSD: Final = 1_000_000  # where nothing is known of it, averages are told in spreads of one
_FAR: Final = 10.0  # spreads; an average beyond is none that trades have
_HALVINGS: Final = 80


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A state that a look can lead to, the first look that can, and what the trades until then must average.

    `after_trades` real (or, in quarantine, shadow) trades from now; `low_uusd` None: however low, `high_uusd` None:
    however high. The trades are taken to spread by `spread_uusd` around their average, as the newest ones did;
    `in_spreads`: no two results are known, and the average is in millionths of whatever spread they will have.
    """

    state: LearningState
    after_trades: int
    low_uusd: int | None
    high_uusd: int | None
    spread_uusd: int
    in_spreads: bool


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What may become of a template without a person.

    `drawdown_uusd` is how much further below its peak the sum of its results may fall before that alone means
    quarantine, by the evidence of now; None where it cannot.
    """

    next_look_trades: int | None
    ways: tuple[Way, ...]
    drawdown_uusd: int | None


def outlook(state: LearningState, nets_uusd: Sequence[int], since_look: int, limits: LearningLimits) -> Outlook:
    """Of a template in this state with these results as evidence, `since_look` trades after its last look."""
    config = limits.config
    if state is S.ARCHIVED:
        return Outlook(next_look_trades=None, ways=(), drawdown_uusd=None)
    next_look = config.look_every_trades - since_look
    needed = config.archive_n_min if state is S.QUARANTINED else max(config.throttle_n_min, config.quarantine_n_min)
    ways: dict[LearningState, Way] = {}
    after = next_look
    while True:
        for way in _ways_at(state, nets_uusd, after, limits):
            ways.setdefault(way.state, way)
        if after > next_look and min(len(nets_uusd) + after, config.window_trades) >= needed:
            break
        after += config.look_every_trades
    spare = _drawdown_spare(nets_uusd, limits) if state in stats.TRADING else None
    order = list(LearningState)
    return Outlook(
        next_look_trades=next_look,
        ways=tuple(sorted(ways.values(), key=lambda way: order.index(way.state))),
        drawdown_uusd=spare,
    )


def _ways_at(state: LearningState, nets_uusd: Sequence[int], after: int, limits: LearningLimits) -> list[Way]:
    """The states other than this one that the look after `after` more trades can lead to."""
    ahead = _Ahead(nets_uusd, after, limits)
    spans: list[tuple[LearningState, float, float]] = []
    low = -math.inf
    for finding, z_below in _bands(state, ahead.n, limits):
        high = math.inf if z_below is None else ahead.average_at(z_below)
        leads_to = stats.next_state(state, finding)
        if spans and spans[-1][0] is leads_to:
            spans[-1] = (leads_to, spans[-1][1], high)
        else:
            spans.append((leads_to, low, high))
        low = high
    return [ahead.way(*span) for span in spans if span[0] is not state and span[1] < span[2]]


def _bands(state: LearningState, n: int, limits: LearningLimits) -> list[tuple[Finding, float | None]]:
    """Findings from worst to best with the z they end at, for a look at n trades; drawdowns apart."""
    config = limits.config
    if state is S.QUARANTINED:
        hopeless = [(F.SHADOW_HOPELESS, limits.z_hopeless)] if n >= config.archive_n_min else []
        proven: list[tuple[Finding, float | None]] = [(F.SHADOW_OPEN, None)]
        if n >= config.release_n_min:
            proven = [(F.SHADOW_OPEN, limits.z_proven), (F.SHADOW_PROVEN, None)]
        return [*hopeless, *proven]
    if n < config.throttle_n_min:
        return [(F.TOO_FEW, None)]
    lost = [(F.LOST, limits.z_lost)] if n >= config.quarantine_n_min else []
    return [
        *lost,
        (F.BAD, limits.z_bad),
        (F.WEAK, limits.z_weak),
        (F.POOR, limits.z_poor),
        (F.FAIR, limits.z_fair),
        (F.GOOD, None),
    ]


class _Ahead:
    """The evidence at a later look as a function of what the trades until then average."""

    def __init__(self, nets_uusd: Sequence[int], after: int, limits: LearningLimits) -> None:
        window = limits.config.window_trades
        kept = list(nets_uusd[max(0, len(nets_uusd) + after - window) :])
        self.after = after
        self.new = min(after, window)
        self.n = len(kept) + self.new
        self.weight = self.n + limits.config.pseudo_trades
        self.total, self.squares = float(sum(kept)), float(sum(net * net for net in kept))
        self.in_spreads = len(nets_uusd) < 2 or len(set(nets_uusd)) == 1
        self.spread = float(_UNKNOWN_SPREAD_UUSD) if self.in_spreads else _spread(nets_uusd)
        if self.in_spreads:  # equal results say nothing of a spread: they count as average ones of the unknown one
            self.total, self.squares = 0.0, len(kept) * self.spread * self.spread

    def z_at(self, average: float) -> float:
        """The expectancy's z when the trades until the look average this much."""
        total = self.total + self.new * average
        squares = self.squares + self.new * (average * average + self.spread * self.spread)
        return total * math.sqrt(self.n) / math.sqrt(squares * self.weight - total * total)

    def average_at(self, z: float) -> float:
        """The average at which z is reached; infinite where none does.

        Beyond the peak of z a better average only widens the spread, and z falls again: no trades average that.
        """
        low, high = -_FAR * self.spread, _FAR * self.spread
        if self.total:
            peak = (self.squares + self.new * self.spread * self.spread) / self.total
            low, high = (low, min(high, peak)) if peak > 0 else (max(low, peak), high)
        if self.z_at(low) >= z:
            return -math.inf
        if self.z_at(high) < z:
            return math.inf
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if self.z_at(middle) < z:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def way(self, state: LearningState, low: float, high: float) -> Way:
        """As told to people."""
        return Way(
            state=state,
            after_trades=self.after,
            low_uusd=round(low) if math.isfinite(low) else None,
            high_uusd=round(high) if math.isfinite(high) else None,
            spread_uusd=round(self.spread),
            in_spreads=self.in_spreads,
        )


def _spread(nets_uusd: Sequence[int]) -> float:
    mean = sum(nets_uusd) / len(nets_uusd)
    return math.sqrt(sum((net - mean) ** 2 for net in nets_uusd) / len(nets_uusd))


def _drawdown_spare(nets_uusd: Sequence[int], limits: LearningLimits) -> int | None:
    """Distance from the drawdown of now to the percentile that the evidence of now gives."""
    config = limits.config
    if len(nets_uusd) < max(config.quarantine_n_min, config.throttle_n_min):
        return None
    mean_uusd = max(stats.expectancy(nets_uusd, config.pseudo_trades).mean_uusd, 0)
    limit_uusd = stats.drawdown_percentile_uusd(
        stats.shifted_to_mean(nets_uusd, mean_uusd), config.bootstrap_paths, limits.paths_above_max
    )
    return max(limit_uusd - stats.drawdown_now_uusd(nets_uusd), 0)
