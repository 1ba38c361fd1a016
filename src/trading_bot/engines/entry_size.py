"""How many contracts an entry gets: every cap of specification 6.6, and what of it only LIVE is bound by (8.5, RK13).

Outside LIVE the Kelly ceiling and the volatility factors are advice: they are worked out and journalled beside the
verdict, so that a paper run shows what LIVE would have done, and one lot is still traded to gather evidence.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from trading_bot.domain.config import BotConfig, TierConfig
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.units import UUSD_PER_USD
from trading_bot.engines.sizing import SizingInputs, size_limit

_E6: Final = 1_000_000
_BPS_PER_PCT: Final = 100
_REMEMBERED_MAX: Final = 256
Compute = Callable[[Decimal, float, int, int], int]


class KellyFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A template's own closed trades: how many, how many won, and the sums of wins and losses (both positive)."""

    trades: int = 0
    wins: int = 0
    won_uusd: int = 0
    lost_uusd: int = 0


class SizeFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the caps depend on besides candidate and tier. Money in micro-dollars; None is unknown and allows nothing.

    `kelly` has a row per template, `vix_e6` is the newest context value or None where none is configured or fresh.
    """

    margin_used_uusd: int | None = None
    margin_per_contract_uusd: int | None = None
    open_risk_uusd: int = 0
    last_entry_qty: int | None = None
    last_trade_lost: bool = False
    vix_e6: int | None = None
    kelly: tuple[KellyFacts, ...] = ()


class Sized(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`qty` is what this run may trade, `live_qty` what LIVE would; `binding` names the cap that decided it."""

    qty: int
    live_qty: int
    binding: str


NOTHING: Final = Sized(qty=0, live_qty=0, binding="unknown")


class EntrySizer:
    """The caps of one configuration and instrument."""

    def __init__(self, config: BotConfig, instrument: Instrument, compute: Compute) -> None:
        """`compute(equity_usd, max_risk_usd, stop_ticks, max_contracts)` is the user's position size."""
        self._config = config
        self._instrument = instrument
        self._compute = compute
        sizing = config.sizing
        self._factors = tuple(
            (round(level * _E6), round(factor * _E6))
            for level, factor in zip(sizing.vix_levels, sizing.vix_factors, strict=True)
        )
        self._kelly_trades_min = sizing.kelly_trades_min
        self._headroom_bps = round(sizing.margin_headroom_pct_min * _BPS_PER_PCT)
        self._open_risk_max_uusd = round(config.safety.open_risk_usd_max * UUSD_PER_USD)
        self._remembered: dict[object, Sized] = {}

    def size(
        self,
        candidate: Candidate,
        tier: TierConfig,
        equity_uusd: int,
        facts: SizeFacts,
        *,
        halved: bool,
        binding_advice: bool,
        pseudo_trades: int,
    ) -> Sized:
        """Contracts of one candidate. `binding_advice`: LIVE, Kelly and volatility bind; `halved`: a breaker's word.

        Account and limits change with trades, candidates come many times between two: the newest answers are kept.
        """
        kelly = facts.kelly[candidate.template] if candidate.template < len(facts.kelly) else None
        # Below the trades that make a Kelly ceiling, the candidate's own probability plays no part.
        p_e6 = candidate.p_e6 if kelly is not None and kelly.trades >= self._kelly_trades_min else None
        case = (
            candidate.template,
            candidate.stop_ticks,
            p_e6,
            tier,
            equity_uusd,
            facts,
            halved,
            binding_advice,
            pseudo_trades,
        )
        found = self._remembered.get(case)
        if found is None:
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            found = self._worked_out(
                candidate,
                tier,
                equity_uusd,
                facts,
                halved=halved,
                binding_advice=binding_advice,
                pseudo_trades=pseudo_trades,
            )
            self._remembered[case] = found
        return found

    def _worked_out(
        self,
        candidate: Candidate,
        tier: TierConfig,
        equity_uusd: int,
        facts: SizeFacts,
        *,
        halved: bool,
        binding_advice: bool,
        pseudo_trades: int,
    ) -> Sized:
        inputs = self._inputs(candidate, tier, equity_uusd, facts, pseudo_trades)
        limit = size_limit(inputs)
        without_kelly = min(contracts for name, contracts in limit.limits if not name.startswith("kelly"))
        risk_usd = min(tier.max_risk_usd, self._config.sizing.max_risk_usd)
        equity_usd = Decimal(equity_uusd) / UUSD_PER_USD

        def sized(cap: int) -> int:
            qty = self._compute(equity_usd, risk_usd, candidate.stop_ticks, cap)
            # One contract cannot be halved; the rate and the EUC are tightened instead (specification 8.2).
            return qty // 2 if halved and qty >= 2 else qty

        live_qty = self._scaled(sized(limit.max_contracts), facts.vix_e6)
        if binding_advice:
            return Sized(qty=live_qty, live_qty=live_qty, binding=limit.binding)
        # Advice never blocks the last lot, and never lets a run trade more lots than LIVE would.
        qty = max(live_qty, min(sized(without_kelly), 1))
        return Sized(qty=qty, live_qty=live_qty, binding=limit.binding)

    def _inputs(
        self, candidate: Candidate, tier: TierConfig, equity_uusd: int, facts: SizeFacts, pseudo_trades: int
    ) -> SizingInputs:
        config = self._config
        kelly = facts.kelly[candidate.template] if candidate.template < len(facts.kelly) else KellyFacts()
        losses = kelly.trades - kelly.wins
        proven = kelly.wins > 0 and losses > 0 and kelly.lost_uusd > 0
        return SizingInputs(
            equity_uusd=equity_uusd,
            risk_per_contract_uusd=candidate.stop_ticks * self._instrument.tick_value_uusd,
            tier_contracts_max=min(tier.contracts_max, config.safety.position_qty_max),
            order_contracts_max=config.sizing.order_qty_max,
            open_risk_budget_uusd=self._open_risk_max_uusd - facts.open_risk_uusd,
            margin_used_uusd=facts.margin_used_uusd,
            margin_per_contract_uusd=facts.margin_per_contract_uusd,
            margin_headroom_min_bps=self._headroom_bps,
            kelly_trades=kelly.trades if proven else 0,
            kelly_trades_min=self._kelly_trades_min,
            # Shrunk towards the candidate's own probability by the pseudo-trades of the win-rate posterior.
            win_rate_shrunk_ppm=min(
                max((pseudo_trades * candidate.p_e6 + kelly.wins * _E6) // (pseudo_trades + kelly.trades), 0), _E6
            ),
            win_uusd=max(kelly.won_uusd // kelly.wins, 1) if proven else 1,
            loss_uusd=max(kelly.lost_uusd // losses, 1) if proven else 1,
            kelly_fraction_e6=round(config.sizing.kelly_fraction_max * _E6),
            last_contracts_today=facts.last_entry_qty,
            last_trade_lost_today=facts.last_trade_lost,
        )

    def _scaled(self, qty: int, vix_e6: int | None) -> int:
        """The size under the volatility factor, down to a whole lot; one lot stays while the factor is above 0."""
        factor_e6 = _E6
        for level_e6, at_level_e6 in self._factors:
            if vix_e6 is not None and vix_e6 >= level_e6:
                factor_e6 = at_level_e6
        if qty == 0 or factor_e6 == 0:
            return 0
        return max(qty * factor_e6 // _E6, 1)
