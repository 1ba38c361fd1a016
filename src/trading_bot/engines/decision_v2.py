"""From a fired candidate to ENTER or SKIP: gates in the order of authority (specification 6.1), first veto wins.

An undefined answer is NO_TRADE: a gate that cannot be judged blocks.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from trading_bot.domain.config import BotConfig, TierConfig, TierName
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.reasons import Action, GateReason
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.units import UUSD_PER_USD
from trading_bot.engines import budgets, modifiers, sizing
from trading_bot.engines.decision_text import decision_text
from trading_bot.engines.entry_size import NOTHING, EntrySizer, Sized, SizeFacts
from trading_bot.engines.live_verdict import euc_low, refused_live, said_live
from trading_bot.engines.session import SessionState

_QUARTER_POINT_E9: Final = 250_000_000
_E6: Final = 1_000_000


class DecisionInputs(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The world at the moment of a decision. None is unknown and blocks.

    `breakers` are those that stop entries; `halved`, `euc_factor_e6` and `entries_per_hour_max` are what a reduction
    leaves (None: the usual budget). `learning_blocked` are templates whose evidence forbids entries,
    `round_trip_uusd` is the commission in force (None: the instrument's own).

    `size` is what the number of contracts depends on. `advice_binds`: this is LIVE, where what is advice elsewhere
    binds (specification 8.5): a fitted map, the Kelly ceiling, the volatility factors. `lockouts` are the names of
    active ones by gate; `lockout_context` those an outside source asked for. `event` names the scheduled event whose
    window this is. `cooling` holds (template, side) after an exit, `setups_used` (template, side, episode) of entries
    that filled, `vetoes` (template's name, veto's name). `modifiers` are additions to the required utility that hold
    for every candidate, (name, millionths of a tick); `holds` is the side each template holds now, 0 for none.
    """

    ts_ns: int
    stopping: bool
    killed: bool
    recovered: bool
    link_up: bool
    log_space_ok: bool
    data_down: bool
    dvs_c: int
    eqs_c: int
    session_state: SessionState
    flatten_ns: int | None
    position_qty: int | None
    working_entries: int
    entries_last_minute: int
    entries_last_hour: int
    entries_today: int
    attempts_today: int
    fees_today_uusd: int
    equity_uusd: int | None
    bid_ticks: int | None
    ask_ticks: int | None
    breakers: tuple[str, ...] = ()
    halved: bool = False
    euc_factor_e6: int = 1_000_000
    entries_per_hour_max: int | None = None
    order_inefficient: bool = False
    learning_blocked: tuple[str, ...] = ()
    round_trip_uusd: int | None = None
    size: SizeFacts | None = None
    advice_binds: bool = False
    event_calendar_stale: str = ""
    event: str = ""
    lockout_volatility: bool = False
    lockout_execution: bool = False
    lockout_context: tuple[str, ...] = ()
    cooling: tuple[tuple[int, int], ...] = ()
    setups_used: tuple[tuple[int, int, int], ...] = ()
    vetoes: tuple[tuple[str, str], ...] = ()
    modifiers: tuple[tuple[str, int], ...] = ()
    holds: tuple[int, ...] = ()


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One answer about one candidate.

    `mask` has bit `GateReason` set for every gate that said no; `qty` is 0 unless ENTER. `modifiers` are the active
    additions to the required utility, as text. `live` is the reason with which LIVE would have refused what enters
    here, empty when it would not.
    """

    action: Action
    reason: str
    mask: int
    qty: int
    text: str
    modifiers: tuple[str, ...] = ()
    live: str = ""


class _Case(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A candidate in front of the gates."""

    inputs: DecisionInputs
    candidate: Candidate
    template: TemplateConfig
    name: str
    tier: TierConfig | None
    sized: Sized
    rival: GateReason | None
    modifiers: tuple[modifiers.Modifier, ...]

    @property
    def qty(self) -> int:
        """Contracts this run may trade."""
        return self.sized.qty


class DecisionEngineV2:
    """Gates, tiers and size. Holds configuration only: the same case gives the same answer."""

    def __init__(self, config: BotConfig, templates: Mapping[str, TemplateConfig], instrument: Instrument) -> None:
        """`templates` in the order of their kernel indices."""
        self._config = config
        self._templates = tuple(templates.items())
        self._instrument = instrument
        self._budgets = budgets.limits_of(config.safety)
        # Lowest first, whatever order the tables came in.
        self.tier_constraints: Final[dict[TierName, TierConfig]] = dict(
            sorted(config.decision.tiers.items(), key=lambda row: row[1].equity_usd_min)
        )
        self._tier_floors = tuple(
            (round(tier.equity_usd_min * UUSD_PER_USD), name) for name, tier in self.tier_constraints.items()
        )
        tick_value_usd = Decimal(instrument.tick_value_uusd) / UUSD_PER_USD
        # The user's signature takes dollars per 0.25 points, whatever the instrument's own grid is.
        self._tick_size_points = Decimal(instrument.tick_size_e9) / 1_000_000_000
        self._quarter_value_usd = tick_value_usd * _QUARTER_POINT_E9 / instrument.tick_size_e9
        self._sizer = EntrySizer(config, instrument, self._contracts)

    def compute_position_size(
        self,
        equity: sizing.Number,
        max_risk_usd: sizing.Number,
        stop_ticks: sizing.Number,
        tick_value: sizing.Number = 1.25,
        tick_size: sizing.Number = 0.25,
        *,
        max_contracts: int = 1,
    ) -> int:
        """Contracts to trade under the configured limits; see `engines.sizing.compute_position_size`."""
        limits = self._config.sizing
        return sizing.compute_position_size(
            equity,
            max_risk_usd,
            stop_ticks,
            tick_value,
            tick_size,
            max_contracts=max_contracts,
            risk_pct_max=limits.equity_risk_pct_max,
            stop_ticks_max=limits.stop_ticks_max,
        )

    def _contracts(self, equity_usd: Decimal, max_risk_usd: float, stop_ticks: int, max_contracts: int) -> int:
        return self.compute_position_size(
            equity_usd,
            max_risk_usd,
            stop_ticks,
            self._quarter_value_usd,
            self._tick_size_points,
            max_contracts=max_contracts,
        )

    def tier_name(self, equity_uusd: int) -> TierName:
        """The capital tier of an equity in micro-dollars."""
        name: TierName = "S"
        for equity_uusd_min, candidate in self._tier_floors:
            if equity_uusd >= equity_uusd_min:
                name = candidate
        return name

    def decide(
        self,
        candidate: Candidate,
        inputs: DecisionInputs,
        *,
        rival: GateReason | None = None,
        told: tuple[int, str] | None = None,
    ) -> Decision:
        """Judge one candidate.

        `rival`: BETTER_CANDIDATE when another of the same moment is chosen already, OPPOSITE_CANDIDATE when the best
        two tie. `told` is the (episode, reason) that the journal holds of this template and side: a skip that repeats
        it is not journalled again and gets no text.
        """
        name, template = self._templates[candidate.template]
        tier = None if inputs.equity_uusd is None else self.tier_constraints[self.tier_name(inputs.equity_uusd)]
        sized = self._sized(candidate, inputs, tier)
        qty = sized.qty
        here = inputs.modifiers if inputs.advice_binds else modifiers.without_regime(inputs.modifiers)
        added = self._added(here, candidate, inputs)
        case = _Case(
            inputs=inputs,
            candidate=candidate,
            template=template,
            name=name,
            tier=tier,
            sized=sized,
            rival=rival,
            modifiers=added,
        )
        mask, first = 0, None
        for reason, blocks in _GATES:
            if blocks(self, case):
                mask |= 1 << reason
                first = reason if first is None else first
        session = inputs.session_state
        if session is not SessionState.ENTRIES:
            reason = _SESSION_REASON[session]
            mask |= 1 << reason
            # Those that were appended have the place of the others of the session.
            first = reason if first is None or min(reason, GateReason.SESSION_EXIT) < first else first
        action = Action.ENTER if first is None else Action.SKIP
        label = "ENTER" if first is None else first.name
        live = ""
        if first is None and not inputs.advice_binds:
            in_live = added if here is inputs.modifiers else self._added(inputs.modifiers, candidate, inputs)
            live = refused_live(candidate, sized, inputs.euc_factor_e6, in_live)
        return Decision(
            action=action,
            reason=label,
            mask=mask,
            qty=qty if first is None else 0,
            text=""
            if first is not None and told == (candidate.episode, label)
            else decision_text(name, candidate, action, label, qty, added) + said_live(live),
            modifiers=modifiers.texts(added),
            live=live,
        )

    def _added(
        self, common: tuple[modifiers.Modifier, ...], candidate: Candidate, inputs: DecisionInputs
    ) -> tuple[modifiers.Modifier, ...]:
        limits = self._config.modifiers
        return modifiers.with_templates(limits, common, inputs.holds, candidate.template, candidate.side)

    def _sized(self, candidate: Candidate, inputs: DecisionInputs, tier: TierConfig | None) -> Sized:
        if candidate.missing or candidate.stop_ticks <= 0 or None in (tier, inputs.equity_uusd, inputs.size):
            return NOTHING
        assert tier is not None
        assert inputs.equity_uusd is not None
        assert inputs.size is not None
        return self._sizer.size(
            candidate,
            tier,
            inputs.equity_uusd,
            inputs.size,
            halved=inputs.halved,
            binding_advice=inputs.advice_binds,
            pseudo_trades=self._config.decision.pseudo_trades,
        )

    # Gates: True blocks. Each is one row of _GATES.

    def _dvs(self, case: _Case) -> bool:
        return case.inputs.dvs_c < self._config.quality.dvs_entry_c

    def _eqs(self, case: _Case) -> bool:
        return case.inputs.eqs_c < self._config.quality.eqs_entry_c

    def _too_short(self, case: _Case) -> bool:
        flatten_ns = case.inputs.flatten_ns
        if flatten_ns is None:
            return case.inputs.session_state is SessionState.ENTRIES
        hold_ns = case.template.hold_s * 1_000_000_000
        return 2 * min(hold_ns, flatten_ns - case.inputs.ts_ns) < hold_ns

    def _fees(self, case: _Case) -> bool:
        equity_uusd = case.inputs.equity_uusd
        if equity_uusd is None:
            return True
        budget_uusd = budgets.fee_budget_uusd(self._budgets, equity_uusd)
        learned_uusd = case.inputs.round_trip_uusd
        round_trip_uusd = self._instrument.commission_round_trip_uusd if learned_uusd is None else learned_uusd
        return case.inputs.fees_today_uusd + round_trip_uusd > budget_uusd

    def _tier(self, case: _Case) -> bool:
        return case.tier is None or not ("*" in case.tier.templates or case.name in case.tier.templates)

    def _unstable(self, case: _Case) -> bool:
        return case.candidate.stability_e6 > round(self._config.decision.stability_max * _E6)

    def _cost_share(self, case: _Case) -> bool:
        share_max_e6 = round(self._config.costs.cost_share_max * _E6)
        return not case.candidate.missing and case.candidate.cost_share_e6 > share_max_e6

    def _stop_too_wide(self, case: _Case) -> bool:
        widest = min(case.tier.stop_ticks_max if case.tier else 0, self._config.sizing.stop_ticks_max)
        return not case.candidate.missing and case.candidate.stop_ticks > widest

    def _minute(self, case: _Case) -> bool:
        return case.inputs.entries_last_minute >= self._config.safety.entries_per_minute_max

    def _hour(self, case: _Case) -> bool:
        limit, reduced = self._config.safety.entries_per_hour_max, case.inputs.entries_per_hour_max
        return case.inputs.entries_last_hour >= (limit if reduced is None else min(limit, reduced))

    def _day(self, case: _Case) -> bool:
        return case.inputs.entries_today >= self._config.safety.entries_per_day_max

    def _attempts(self, case: _Case) -> bool:
        return case.inputs.attempts_today >= self._config.safety.attempts_per_day_max


def _euc_low(_engine: DecisionEngineV2, case: _Case) -> bool:
    return euc_low(case.candidate, case.inputs.euc_factor_e6, case.modifiers)


def _setup_used(_engine: DecisionEngineV2, case: _Case) -> bool:
    candidate = case.candidate
    return (candidate.template, candidate.side, candidate.episode) in case.inputs.setups_used


def _uncalibrated(_engine: DecisionEngineV2, case: _Case) -> bool:
    # A missing candidate has no terms that a map could have given; MISSING_REQUIRED_SIGNAL is its reason.
    candidate = case.candidate
    return case.inputs.advice_binds and not candidate.fitted and not candidate.missing


def _no_quote(_engine: DecisionEngineV2, case: _Case) -> bool:
    bid_ticks, ask_ticks = case.inputs.bid_ticks, case.inputs.ask_ticks
    return bid_ticks is None or ask_ticks is None or bid_ticks >= ask_ticks


_Gate = Callable[[DecisionEngineV2, _Case], bool]

# The order of authority; session states have their own table below.
_GATES: Final[tuple[tuple[GateReason, _Gate], ...]] = (
    (GateReason.KILL_SWITCH, lambda _, case: case.inputs.killed),
    (GateReason.STOPPING, lambda _, case: case.inputs.stopping),
    (GateReason.RECOVERY_INCOMPLETE, lambda _, case: not case.inputs.recovered),
    (GateReason.LINK_DOWN, lambda _, case: not case.inputs.link_up),
    (GateReason.ACCOUNT_UNKNOWN, lambda _, case: case.inputs.equity_uusd is None),
    (GateReason.LOG_SPACE_LOW, lambda _, case: not case.inputs.log_space_ok),
    (GateReason.BREAKER, lambda _, case: bool(case.inputs.breakers)),
    (GateReason.DATA_DOWN, lambda _, case: case.inputs.data_down),
    (GateReason.DVS_LOW, DecisionEngineV2._dvs),  # noqa: SLF001
    (GateReason.EQS_LOW, DecisionEngineV2._eqs),  # noqa: SLF001
    (GateReason.SESSION_TOO_SHORT, DecisionEngineV2._too_short),  # noqa: SLF001
    (GateReason.EVENT_CALENDAR_STALE, lambda _, case: bool(case.inputs.event_calendar_stale)),
    (GateReason.EVENT_BLACKOUT, lambda _, case: bool(case.inputs.event)),
    (GateReason.LOCKOUT_VOLATILITY, lambda _, case: case.inputs.lockout_volatility),
    (GateReason.LOCKOUT_EXECUTION, lambda _, case: case.inputs.lockout_execution),
    (GateReason.LOCKOUT_CONTEXT, lambda _, case: bool(case.inputs.lockout_context)),
    (GateReason.POSITION_OPEN, lambda _, case: case.inputs.position_qty != 0),
    (GateReason.WORKING_ENTRY, lambda _, case: case.inputs.working_entries > 0),
    (
        GateReason.REENTRY_COOLDOWN,
        lambda _, case: (case.candidate.template, case.candidate.side) in case.inputs.cooling,
    ),
    (GateReason.SETUP_USED, _setup_used),
    (GateReason.FREQUENCY_MINUTE, DecisionEngineV2._minute),  # noqa: SLF001
    (GateReason.FREQUENCY_HOUR, DecisionEngineV2._hour),  # noqa: SLF001
    (GateReason.FREQUENCY_DAY, DecisionEngineV2._day),  # noqa: SLF001
    (GateReason.ATTEMPTS_DAY, DecisionEngineV2._attempts),  # noqa: SLF001
    (GateReason.ORDER_EFFICIENCY, lambda _, case: case.inputs.order_inefficient),
    (GateReason.FEES_DAY, DecisionEngineV2._fees),  # noqa: SLF001
    (GateReason.TIER, DecisionEngineV2._tier),  # noqa: SLF001
    (GateReason.LEARNING_BLOCKED, lambda _, case: case.name in case.inputs.learning_blocked),
    (GateReason.UNCALIBRATED, _uncalibrated),
    (GateReason.VETO, lambda _, case: any(name == case.name for name, _veto in case.inputs.vetoes)),
    (GateReason.MISSING_REQUIRED_SIGNAL, lambda _, case: case.candidate.missing),
    (GateReason.BELIEF_UNSTABLE, DecisionEngineV2._unstable),  # noqa: SLF001
    (GateReason.COST_SHARE, DecisionEngineV2._cost_share),  # noqa: SLF001
    (GateReason.EUC_LOW, _euc_low),
    (GateReason.OPPOSITE_CANDIDATE, lambda _, case: case.rival is GateReason.OPPOSITE_CANDIDATE),
    (GateReason.BETTER_CANDIDATE, lambda _, case: case.rival is GateReason.BETTER_CANDIDATE),
    (GateReason.STOP_TOO_WIDE, DecisionEngineV2._stop_too_wide),  # noqa: SLF001
    (GateReason.SIZE_ZERO, lambda _, case: case.qty <= 0 and not case.candidate.missing),
    (GateReason.NO_QUOTE, _no_quote),
)

_SESSION_REASON: Final[dict[SessionState, GateReason]] = {
    state: GateReason.SESSION_CLOSED if state is SessionState.BREAK else GateReason[state.value]
    for state in SessionState
    if state is not SessionState.ENTRIES
}
