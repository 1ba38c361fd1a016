"""What a finished trade says, the states a template can be in, and the evidence behind a change (specification 9).

Money that people write is in dollars (`pnl_usd`), money that is counted is in integer micro-dollars (`_uusd`).
"""

from enum import StrEnum
from typing import Final

import msgspec

from trading_bot.domain.events import Derived, Input
from trading_bot.domain.orders import Side
from trading_bot.domain.units import UUSD_PER_USD, usd_from_uusd

SLIPPAGE_EXPECTED_TICKS: Final = 0.5  # [U]
COMMISSION_ROUND_TRIP_USD: Final = 2.50  # [U], for the whole quantity
AMOUNT_MAX: Final = 1e9  # sums of billions of dollars still fit 64-bit micro-dollars


class TradeOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One closed trade.

    `pnl_usd` is after slippage and before commission; `commission_round_trip` is in dollars for the whole quantity.
    Times are ns since the Unix epoch, `dvs_c` and `eqs_c` hundredths, `belief_e6`, `p_e6` and `euc_e6` millionths; None
    where a value was not known. `p_e6` is the chance of a win the decision counted with, `promised_uusd` its edge less
    cost for the whole quantity, before any factor on belief. `hypothetical` marks simulated fills (OBSERVE), `shadow` a
    trade that was never sent and is filled pessimistically by the simulator: neither is ever counted with real trades.

    Raises:
        ValueError: an amount is not finite, the quantity is below 1, or the template has no name.
    """

    template: str
    pnl_usd: float
    trade_id: str = ""
    decision_seq: int = 0
    instrument: str = ""
    regime: str = ""
    bucket: str = ""
    side: Side | None = None
    qty: int = 1
    entry_ticks: int = 0
    exit_ticks: int = 0
    entry_ts_ns: int = 0
    exit_ts_ns: int = 0
    exit_reason: str = ""
    mae_ticks: float | None = None
    mfe_ticks: float | None = None
    slippage_ticks: float = 0.0
    slippage_expected_ticks: float = SLIPPAGE_EXPECTED_TICKS
    spread_ticks: float | None = None
    commission_round_trip: float = COMMISSION_ROUND_TRIP_USD
    dvs_c: int | None = None
    eqs_c: int | None = None
    belief_e6: int | None = None
    euc_e6: int | None = None
    p_e6: int | None = None
    promised_uusd: int | None = None
    hypothetical: bool = False
    shadow: bool = False

    def __post_init__(self) -> None:
        if not self.template:
            raise ValueError("a trade outcome needs the name of its template")
        where = f"trade {self.trade_id or '(no id)'} of {self.template}"
        if self.qty < 1:
            raise ValueError(f"{where}: qty is {self.qty}, expected 1 or more")
        if self.exit_ts_ns < 0:
            raise ValueError(f"{where}: exit_ts_ns is {self.exit_ts_ns}, expected ns since the Unix epoch")
        for name in ("pnl_usd", "commission_round_trip", "slippage_ticks", "slippage_expected_ticks"):
            value = float(getattr(self, name))
            if not abs(value) < AMOUNT_MAX:  # also false for NaN
                raise ValueError(f"{where}: {name} is {value}, expected a number within ±{AMOUNT_MAX:.0f}")

    @property
    def pnl_uusd(self) -> int:
        """Gross of commission, after slippage, in micro-dollars."""
        return _millionths(self.pnl_usd)

    @property
    def commission_uusd(self) -> int:
        """Commission of the whole quantity, both sides, in micro-dollars."""
        return _millionths(self.commission_round_trip)

    @property
    def net_uusd(self) -> int:
        """Net of commission, in micro-dollars: what every statistic counts."""
        return self.pnl_uusd - self.commission_uusd

    @property
    def actual_pnl_usd(self) -> float:
        """`pnl_usd − commission_round_trip` [U], exact to the micro-dollar."""
        return usd_from_uusd(self.net_uusd)

    @property
    def win(self) -> bool:
        """Whether the trade earned more than its commission."""
        return self.net_uusd > 0

    @property
    def slippage_excess_e6(self) -> int:
        """Actual minus expected slippage, in millionths of a tick."""
        return _millionths(self.slippage_ticks) - _millionths(self.slippage_expected_ticks)


def _millionths(amount: float) -> int:
    # k/1e6 comes back as k for every k below 2**51: both roundings together stay under half a millionth.
    return round(float(amount) * UUSD_PER_USD)


class LearningState(StrEnum):
    """What a template may do. The number is its throttle in hundredths."""

    ACTIVE = "ACTIVE"
    THROTTLED_120 = "THROTTLED_120"
    THROTTLED_150 = "THROTTLED_150"
    QUARANTINED = "QUARANTINED"  # shadow trades only
    ARCHIVED = "ARCHIVED"  # not even those, until a person says so


class Finding(StrEnum):
    """What a look at the evidence found. P is the probability that the expectancy is above zero."""

    TOO_FEW = "TOO_FEW"
    LOST = "LOST"  # P below quarantine_p
    DRAWDOWN = "DRAWDOWN"  # below its peak by more than the bootstrap percentile
    BAD = "BAD"  # P below throttle_heavy_p
    WEAK = "WEAK"  # P below throttle_heavy_p + hysteresis_p
    POOR = "POOR"  # P below throttle_light_p
    FAIR = "FAIR"  # P below throttle_light_p + hysteresis_p
    GOOD = "GOOD"
    SHADOW_OPEN = "SHADOW_OPEN"
    SHADOW_PROVEN = "SHADOW_PROVEN"  # P above release_p in shadow trades
    SHADOW_HOPELESS = "SHADOW_HOPELESS"  # P below archive_p in shadow trades
    PERSON_ARCHIVES = "PERSON_ARCHIVES"
    PERSON_REVIVES = "PERSON_REVIVES"


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The numbers a look was decided on.

    `n` trades are in the window; mean and sd are the posterior's, in micro-dollars per trade; `p_e6` is
    P(expectancy > 0) in millionths and `threshold_e6` the probability (for DRAWDOWN the percentile) it crossed, 0 where
    nothing changes. `drawdown_limit_uusd` is the percentile of the bootstrap, None unless the drawdown is above it.
    """

    finding: Finding
    shadow: bool
    n: int
    wins: int
    mean_uusd: int
    sd_uusd: int
    z_e6: int
    p_e6: int
    drawdown_uusd: int
    drawdown_limit_uusd: int | None
    threshold_e6: int


class LearningOrdered(Input, frozen=True, gc=False, kw_only=True, tag="LEARNING_ORDERED"):
    """A person archives a template, or revives an archived one into quarantine; `finding` is the word in the table."""

    template: str
    finding: Finding
    reason: str
    source: str


class LearningUpdate(Derived, frozen=True, gc=False, kw_only=True, tag="LEARNING_UPDATE"):
    """A template changed its state. `epoch` counts its releases from quarantine."""

    template: str
    hypothetical: bool
    previous: LearningState
    state: LearningState
    epoch: int
    evidence: Evidence
