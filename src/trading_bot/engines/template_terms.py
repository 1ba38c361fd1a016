"""What a template must achieve to pay for itself, before any market: at calm, at its best (specification 6.2, 6.3)."""

import math
from typing import Final

import msgspec

from trading_bot.domain.config import BotConfig, TierConfig
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.templates import TemplateConfig
from trading_bot.engines.kernel_config import prior_sigma_p

WIN_RATE_MAX: Final = 0.80  # specification 6.3: what needs a higher one is held to be unreachable
SCALES_C: Final = range(50, 201)  # hundredths by which target and stop may scale (specification 6.4)
_UUSD_PER_USD: Final = 1_000_000


class TemplateTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a template must achieve on an instrument at calm: rates 0..1, costs in ticks.

    `break_even_p` is the win rate at which costs are paid, `random_walk_p` the one of chance before costs, `needed_p`
    and `needed_belief` what a trade needs after uncertainty and the smallest expected utility. Source: specification
    6.2, 6.3.
    """

    commission_ticks: float
    break_even_p: float
    random_walk_p: float
    needed_p: float
    needed_belief: float
    cost_share: float


def template_terms(
    template: TemplateConfig,
    instrument: Instrument,
    config: BotConfig,
    *,
    min_euc_ticks: float,
    round_trip_uusd: int | None = None,
    scale: float = 1.0,
) -> TemplateTerms:
    """Terms with full data and execution quality, the base slippage and no throttle: the best case of each.

    `round_trip_uusd` is a commission other than the instrument's, `scale` that of target and stop.
    """
    target, stop = scaled_ticks(template.target_ticks, scale), scaled_ticks(template.stop_ticks, scale)
    commission_uusd = instrument.commission_round_trip_uusd if round_trip_uusd is None else round_trip_uusd
    commission = commission_uusd / instrument.tick_value_uusd
    slippage = min(config.costs.slippage_base_ticks, config.costs.slippage_cap_ticks)
    entry = 0.0 if template.entry == "passive" else slippage
    reach = target + stop + slippage
    break_even = (stop + commission + entry + slippage) / reach
    uncertainty = (target + stop) * prior_sigma_p(config.decision.pseudo_trades)
    needed = (stop + uncertainty + commission + entry + slippage + min_euc_ticks) / reach
    # p = p_be + applicability/2 · (L − p_be), solved for L.
    share = 0.5 * template.applicability
    belief = math.inf if share == 0 else break_even + (needed - break_even) / share
    return TemplateTerms(
        commission_ticks=commission,
        break_even_p=break_even,
        random_walk_p=stop / (target + stop),
        needed_p=needed,
        needed_belief=belief,
        cost_share=(commission + entry + max(0.0, 1.0 - needed) * slippage) / target,
    )


def scaled_ticks(ticks: int, scale: float) -> int:
    """A length as the kernel scales it (docs/kernel.md, section 8)."""
    return max(1, math.floor(ticks * scale + 0.5))


def scales_that_trade(
    template: TemplateConfig,
    instrument: Instrument,
    config: BotConfig,
    tier: TierConfig,
    *,
    round_trip_uusd: int | None = None,
) -> tuple[float, float] | None:
    """Smallest and largest scale, of the hundredths from .5 to 2, at which a trade can pay and one contract is allowed.

    None when there is none. A wider stop is skipped, never clipped (specification 6.4).
    """
    stop_max = min(tier.stop_ticks_max, config.sizing.stop_ticks_max)
    risk_max_uusd = round(min(tier.max_risk_usd, config.sizing.max_risk_usd) * _UUSD_PER_USD)
    found = []
    for scale_c in SCALES_C:
        scale = scale_c / 100.0
        stop = scaled_ticks(template.stop_ticks, scale)
        terms = template_terms(
            template,
            instrument,
            config,
            min_euc_ticks=tier.min_euc_ticks,
            round_trip_uusd=round_trip_uusd,
            scale=scale,
        )
        affordable = stop <= stop_max and stop * instrument.tick_value_uusd <= risk_max_uusd
        if affordable and pays(terms, config):
            found.append(scale)
    return (found[0], found[-1]) if found else None


def pays(terms: TemplateTerms, config: BotConfig) -> bool:
    """Whether a trade can be worth its costs at a win rate that is held to be reachable."""
    within_share = terms.cost_share <= config.costs.cost_share_max
    return within_share and terms.needed_p <= WIN_RATE_MAX and terms.needed_belief <= 1.0


def tiers_of(name: str, template: TemplateConfig, config: BotConfig) -> dict[str, TierConfig]:
    """Capital tiers that may trade the template."""
    return {
        tier_name: tier
        for tier_name, tier in config.decision.tiers.items()
        if (name in tier.templates or "*" in tier.templates) and template.stop_ticks <= tier.stop_ticks_max
    }
