"""The second verdict: what LIVE would have said about an entry that a run outside it makes (specification 8.5).

Advice outside LIVE are a fitted map, the Kelly ceiling, the factors of a volatility index and the additions of a regime
(`modifiers.REGIME`); docs/adr/0013. Millionths of a tick.
"""

from collections.abc import Sequence
from typing import Final

from trading_bot.domain.kernel import Candidate
from trading_bot.domain.reasons import GateReason
from trading_bot.engines import modifiers
from trading_bot.engines.entry_size import Sized

_E6: Final = 1_000_000


def euc_low(candidate: Candidate, factor_e6: int, added: Sequence[modifiers.Modifier]) -> bool:
    """Whether a candidate is worth less than it needs: `factor_e6` of a reduction, `added` by the context."""
    if candidate.missing:
        return False
    # Above its cost a candidate needs the smallest utility, throttled; a reduction multiplies that.
    needed_e6 = candidate.required_e6 + (factor_e6 - _E6) * (candidate.required_e6 - candidate.cost_e6) // _E6
    return candidate.edge_e6 - candidate.uncertainty_e6 < needed_e6 + modifiers.total_e6(added)


def refused_live(candidate: Candidate, sized: Sized, factor_e6: int, added: Sequence[modifiers.Modifier]) -> str:
    """Why LIVE would not enter what enters here, the first in the order of authority; empty when it would.

    `added` are all additions, those of a regime too.
    """
    if not candidate.fitted:
        return GateReason.UNCALIBRATED.name
    if euc_low(candidate, factor_e6, added):
        return GateReason.EUC_LOW.name
    return GateReason.SIZE_ZERO.name if sized.live_qty == 0 else ""


def said_live(live: str) -> str:
    """For the line of text, which says UNCALIBRATED already."""
    return f"; LIVE would have refused: {live}" if live not in {"", GateReason.UNCALIBRATED.name} else ""
