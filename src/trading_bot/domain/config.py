"""The configuration, closed and checked: unknown keys are refused, ranges and relations are verified when it is built.

Every number the specification marks [U] has its default here and nowhere else. `Meta` carries unit and meaning for
`config explain`.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from trading_bot.domain.breaker_config import BreakerConfig
from trading_bot.domain.config_relations import check_relations
from trading_bot.domain.config_section import Section, unit, within
from trading_bot.domain.context_config import ContextConfig
from trading_bot.domain.deadman_config import DeadmanConfig
from trading_bot.domain.exit_config import ExitConfig
from trading_bot.domain.gate_config import EventsConfig, LockoutConfig, ModifierConfig, ReentryConfig
from trading_bot.domain.ibkr_config import IbkrConfig
from trading_bot.domain.latency_config import LatencyConfig
from trading_bot.domain.learning_config import LearningConfig
from trading_bot.domain.levels_config import LevelsConfig
from trading_bot.domain.machine_config import MachineConfig
from trading_bot.domain.no_trade import windows_from
from trading_bot.domain.quorum_config import QuorumConfig
from trading_bot.domain.rules_config import RulesConfig
from trading_bot.domain.simulator_config import SimulatorConfig

Mode = Literal["OBSERVE", "PAPER", "LIVE", "BACKTEST", "SIM"]
Adapter = Literal["ibkr", "sim", "files"]
TierName = str


class RunConfig(Section, frozen=True):
    """What runs. LIVE also needs arming on the command line."""

    mode: Annotated[
        Mode, unit("name", "PAPER and LIVE send orders; OBSERVE, BACKTEST (files) and SIM fill them in a simulator")
    ] = "OBSERVE"
    adapter: Annotated[Adapter, unit("name", "where market data comes from")] = "ibkr"
    instrument: Annotated[str, unit("symbol", "instrument traded, from the registry")] = "MES"
    profile: Annotated[Literal["scalper", "conservative"], unit("name", "set of limits in configs/profiles")] = (
        "scalper"
    )
    strategies: Annotated[str, unit("file", "strategy templates (TOML)")] = "strategies.toml"
    stop: Annotated[
        Literal["flatten", "protect"],
        unit("name", "at SIGTERM or Ctrl-C: close the position, or leave it with its resident stop for the next start"),
    ] = "flatten"


class SessionConfig(Section, frozen=True):
    """When the bot may enter and must be flat (specification 10, 8.5)."""

    kind: Annotated[Literal["rth", "globex"], unit("name", "rth: NYSE hours within Globex; globex: 18:00-17:00 ET")] = (
        "rth"
    )
    open_delay_min: Annotated[int, within(0, 240), unit("min", "no entries for this long after the open")] = 5
    close_buffer_min: Annotated[int, within(5, 240), unit("min", "no entries from this long before the close")] = 15
    flatten_before_close_min: Annotated[int, within(1, 60), unit("min", "[U] flat this long before the close")] = 5
    calendar: Annotated[str, unit("file", "session table in data/calendars")] = "us_index.csv"
    no_trade: Annotated[str, unit("text", "no entries in New York times such as 12:00-13:00, 14:55-15:05")] = ""

    def __post_init__(self) -> None:
        if self.flatten_before_close_min >= self.close_buffer_min:
            raise ValueError(
                f"session.flatten_before_close_min ({self.flatten_before_close_min}) must be below "
                f"session.close_buffer_min ({self.close_buffer_min}): entries have to stop before the flatten"
            )
        windows_from(self.no_trade)


class QualityConfig(Section, frozen=True):
    """Gates of the data score (DVS) and the execution score (EQS), in hundredths (specification 4, 5)."""

    dvs_entry_c: Annotated[int, within(0, 100), unit("1/100", "[U] entries need at least this DVS")] = 80
    dvs_hold_c: Annotated[int, within(0, 100), unit("1/100", "below: tighten or exit")] = 60
    dvs_kill_c: Annotated[int, within(0, 100), unit("1/100", "below for kill_after_s while exposed: kill switch")] = 30
    eqs_entry_c: Annotated[int, within(0, 100), unit("1/100", "[U] entries need at least this EQS")] = 75
    eqs_hold_c: Annotated[int, within(0, 100), unit("1/100", "below: tighten or exit")] = 60
    eqs_kill_c: Annotated[int, within(0, 100), unit("1/100", "below for kill_after_s while exposed: kill switch")] = 30
    kill_after_s: Annotated[int, within(1, 600), unit("s", "time below the kill gate")] = 10
    data_down_clear_s: Annotated[int, within(1, 3600), unit("s", "time at dvs_entry_c that clears DATA_DOWN")] = 60
    age_warn_ms: Annotated[int, within(100, 600_000), unit("ms", "stream age that costs .10 in RTH")] = 2_000
    age_stale_ms: Annotated[int, within(100, 600_000), unit("ms", "stream age that costs .40 in RTH")] = 5_000
    age_dead_ms: Annotated[int, within(100, 600_000), unit("ms", "stream age that costs 1 in RTH")] = 10_000
    age_outside_rth_factor: Annotated[
        int, within(1, 100), unit("1", "the three ages are this much longer outside RTH")
    ] = 4
    reset_after_open_min: Annotated[
        int, within(0, 1380), unit("min", "the broker's daily reset begins this long after the Globex open")
    ] = 345
    reset_min: Annotated[
        int, within(0, 240), unit("min", "and lasts this long: while flat, a lost link costs a quarter in it")
    ] = 60

    def __post_init__(self) -> None:
        for low, middle, high in (
            ("dvs_kill_c", "dvs_hold_c", "dvs_entry_c"),
            ("eqs_kill_c", "eqs_hold_c", "eqs_entry_c"),
            ("age_warn_ms", "age_stale_ms", "age_dead_ms"),
        ):
            values = getattr(self, low), getattr(self, middle), getattr(self, high)
            if not values[0] < values[1] < values[2]:
                raise ValueError(f"quality.{low} < quality.{middle} < quality.{high} must hold, found {values}")


class CostsConfig(Section, frozen=True):
    """Costs of a trade (specification 7). Commission comes from the instrument until the broker reports it."""

    slippage_base_ticks: Annotated[float, within(0, 6), unit("ticks", "[U] expected slippage at calm")] = 0.5
    slippage_cap_ticks: Annotated[float, within(0, 50), unit("ticks", "largest expected slippage")] = 6.0
    first_hour_factor: Annotated[float, within(1, 5), unit("1", "on slippage in the first hour of RTH")] = 1.5
    last_hour_factor: Annotated[float, within(1, 5), unit("1", "on slippage in the last hour of RTH")] = 1.3
    cost_share_max: Annotated[float, within(0, 1), unit("1", "largest cost as a share of the target")] = 0.35
    fit_fills_min: Annotated[int, within(10, 100_000), unit("fills", "of a kind, before its slippage is fitted")] = 50
    fit_pseudo_fills: Annotated[int, within(0, 100_000), unit("fills", "as expected: they draw the factor to 1")] = 50
    factor_min: Annotated[float, within(0.01, 1), unit("1", "smallest fitted factor on expected slippage")] = 0.25
    factor_max: Annotated[float, within(1, 100), unit("1", "largest fitted factor on expected slippage")] = 4.0
    factor_week_ratio_max: Annotated[
        float, within(1, 100), unit("1", "a fitted factor moves by at most this ratio in a week")
    ] = 1.5


class TierConfig(Section, frozen=True):
    """One capital tier (specification 6.5)."""

    equity_usd_min: Annotated[float, within(0, 1e9), unit("USD", "the tier starts at this equity")]
    templates: Annotated[tuple[str, ...], unit("names", "templates the tier may trade; * is all")]
    stop_ticks_max: Annotated[int, within(1, 12), unit("ticks", "widest stop")]
    max_risk_usd: Annotated[float, within(0, 1000), unit("USD", "largest risk of one trade")]
    min_euc_ticks: Annotated[float, within(0, 100), unit("ticks", "smallest expected utility above costs")]
    contracts_max: Annotated[int, within(1, 10), unit("contracts", "largest position the tier allows")] = 1


def _default_tiers() -> dict[TierName, TierConfig]:
    return {
        "S": TierConfig(equity_usd_min=0.0, templates=("K1",), stop_ticks_max=9, max_risk_usd=12.0, min_euc_ticks=0.50),
        "A": TierConfig(
            equity_usd_min=2_500.0,
            templates=("K1", "K2", "K3", "S1"),
            stop_ticks_max=12,
            max_risk_usd=15.0,
            min_euc_ticks=0.35,
        ),
        "B": TierConfig(
            equity_usd_min=7_500.0, templates=("*",), stop_ticks_max=12, max_risk_usd=15.0, min_euc_ticks=0.25
        ),
    }


class DecisionConfig(Section, frozen=True):
    """Decision engine (specification 6)."""

    equity_assumed_usd: Annotated[float, within(0, 1e9), unit("USD", "equity where no account exists")] = 10_000.0
    stability_max: Annotated[float, within(0, 10), unit("1", "a belief that moved more than this is not traded")] = 0.30
    pseudo_trades: Annotated[int, within(1, 10_000), unit("trades", "prior weight of the win-rate posterior")] = 40
    advice: Annotated[
        Literal["live", "always"],
        unit("name", "[U] a fitted map, Kelly, volatility and regime throttles bind in LIVE alone, or in every mode"),
    ] = "live"
    maps: Annotated[
        str, unit("file", "calibration map, or a folder of them; empty: none, everything is UNCALIBRATED")
    ] = ""
    tiers: dict[TierName, TierConfig] = msgspec.field(default_factory=_default_tiers)

    def __post_init__(self) -> None:
        if missing := {"S", "A", "B"} - set(self.tiers):
            raise ValueError(f"decision.tiers needs S, A and B, found {sorted(self.tiers)}: add {sorted(missing)}")
        floors = [self.tiers[name].equity_usd_min for name in ("S", "A", "B")]
        if floors[0] != 0 or not floors[0] < floors[1] < floors[2]:
            raise ValueError(
                f"decision.tiers: equity_usd_min must start at 0 and rise from S to A to B, found {floors}"
            )
        above = {name: tier.equity_usd_min for name, tier in self.tiers.items() if name not in {"S", "A", "B"}}
        if any(floor <= floors[2] for floor in above.values()) or len(set(above.values())) < len(above):
            raise ValueError(
                f"decision.tiers: further tiers start above B ({floors[2]}), each elsewhere; found {above}"
            )


class SizingConfig(Section, frozen=True):
    """Position size (specification 6.6)."""

    max_risk_usd: Annotated[float, within(0, 1000), unit("USD", "[U] largest risk of one trade")] = 15.0
    equity_risk_pct_max: Annotated[float, within(0, 100), unit("%", "[U] of equity, per trade")] = 2.0
    stop_ticks_max: Annotated[int, within(1, 12), unit("ticks", "[U] widest stop")] = 12
    order_qty_max: Annotated[int, within(1, 10), unit("contracts", "[U] largest order without a person's word")] = 10
    margin_headroom_pct_min: Annotated[float, within(20, 100), unit("%", "[U] free margin after the order")] = 20.0
    kelly_fraction_max: Annotated[float, within(0, 0.5), unit("1", "of the Kelly size")] = 0.5
    kelly_trades_min: Annotated[
        int, within(1, 100_000), unit("trades", "before it bounds size; until then one lot")
    ] = 100
    vix_name: Annotated[str, unit("name", "the context value that scales size; without it nothing is scaled")] = "vix"
    vix_levels: Annotated[
        tuple[float, ...], unit("points", "from each of these on the size is multiplied by the factor of its place")
    ] = (20.0, 30.0, 40.0, 50.0)
    vix_factors: Annotated[
        tuple[float, ...], unit("1", "one lot stays one lot above 0; binding in LIVE, advice elsewhere")
    ] = (0.8, 0.5, 0.25, 0.0)

    def __post_init__(self) -> None:
        levels, factors = self.vix_levels, self.vix_factors
        falling = all(0 <= low <= high <= 1 for low, high in zip(factors[1:], factors[:-1], strict=True))
        if len(levels) != len(factors) or sorted(set(levels)) != list(levels) or not falling:
            raise ValueError(
                f"sizing.vix_levels must rise, and sizing.vix_factors have as many numbers from 1 down to 0; "
                f"found {levels} and {factors}"
            )


class SafetyConfig(Section, frozen=True):
    """Limits of the safety gate (specification 8.1). Each limit stands here and in one row of the gate's table."""

    position_qty_max: Annotated[int, within(1, 10), unit("contracts", "largest position after any fill")] = 1
    open_risk_usd_max: Annotated[float, within(0, 10_000), unit("USD", "total risk to the stops")] = 15.0
    entry_touch_ticks_max: Annotated[int, within(0, 100), unit("ticks", "entry price from the touch")] = 20
    spread_ticks_max: Annotated[int, within(1, 100), unit("ticks", "widest spread for an entry")] = 2
    market_difference_ticks_max: Annotated[
        int, within(0, 100), unit("ticks", "between the seen and the traded touch, where another market is seen")
    ] = 4
    traded_quote_age_s_max: Annotated[
        int, within(1, 600), unit("s", "of the traded contract's own quote, where another market is seen")
    ] = 10
    duplicate_window_ms: Annotated[int, within(0, 60_000), unit("ms", "no equal entry within this time")] = 1_000
    entries_per_minute_max: Annotated[int, within(1, 60), unit("entries", "per rolling minute")] = 2
    entries_per_hour_max: Annotated[int, within(1, 600), unit("entries", "per rolling hour")] = 15
    entries_per_day_max: Annotated[int, within(1, 1000), unit("entries", "filled, per session")] = 40
    attempts_per_day_max: Annotated[int, within(1, 10_000), unit("orders", "entry orders sent, per session")] = 200
    order_efficiency_max: Annotated[
        int, within(1, 10_000), unit("1", "messages for each executed order; reached: no entries (spec 8.1)")
    ] = 10
    order_efficiency_messages_min: Annotated[
        int, within(1, 1_000_000), unit("messages", "of a session, before that ratio is judged")
    ] = 100
    expiry_days_min: Annotated[int, within(0, 60), unit("days", "[U] no entries closer to expiry")] = 5
    decision_p99_ms_max: Annotated[
        int, within(1, 10_000), unit("ms", "p99 from tick to decision; above: no entries (spec 8.1, check 21)")
    ] = 50
    loop_lag_ms_max: Annotated[
        int, within(1, 60_000), unit("ms", "longest time the loop was busy elsewhere; above: no entries")
    ] = 500
    latency_age_s_max: Annotated[
        int, within(1, 600), unit("s", "a latency sample older than this (wall time) counts as none")
    ] = 10
    fees_day_usd_max: Annotated[float, within(0, 10_000), unit("USD", "commission per session (spec 8.5)")] = 100.0
    fees_day_equity_pct_max: Annotated[float, within(0, 100), unit("%", "of equity, commission per session")] = 2.0


class OrdersConfig(Section, frozen=True):
    """Orders (specification 11). What a broker has to answer in counts in wall time."""

    entry_ttl_s: Annotated[int, within(1, 30), unit("s", "an entry not filled by then is cancelled")] = 10
    stop_deadline_ms: Annotated[
        int, within(100, 60_000), unit("ms", "a position without a stop at the broker is left after this (EX05)")
    ] = 2_000
    ack_deadline_ms: Annotated[
        int, within(100, 60_000), unit("ms", "an entry without any answer by then is unknown, and the broker is asked")
    ] = 5_000
    unknown_deadline_s: Annotated[
        int, within(1, 600), unit("s", "an entry still unknown this long after that pulls the kill switch (spec 8.3)")
    ] = 30
    reconcile_s: Annotated[
        int, within(5, 600), unit("s", "position and orders are compared with the broker's this often (spec 12)")
    ] = 30
    settle_ms: Annotated[
        int, within(100, 60_000), unit("ms", "a difference this soon after an order moved is asked about again first")
    ] = 2_000
    exit_check_ms: Annotated[
        int, within(100, 60_000), unit("ms", "time between looks at an open position: thesis, trail, volatility")
    ] = 1_000
    position_heartbeat_s: Annotated[
        int, within(1, 3600), unit("s", "an open position is written to the log this often, at one of those looks")
    ] = 10


class LogConfig(Section, frozen=True):
    """Event log (architecture 6)."""

    segment_mib: Annotated[int, within(1, 4096), unit("MiB", "size of a segment file, two of which are mapped")] = 16
    sync_ms: Annotated[int, within(10, 1000), unit("ms", "time between syncs: the loss window of a power cut")] = 50
    stall_s: Annotated[
        float, within(0.1, 60.0), unit("s", "the disk has not taken a sync for so long: entries stop")
    ] = 2.0


class SignalsConfig(Section, frozen=True):
    """Constants of signals that the specification leaves open."""

    vpin_bucket_qty: Annotated[int, within(1, 10_000_000), unit("contracts", "volume bucket of vpin")] = 250


class BotConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration. `assumed` maps a dotted key to the reason why its number is an assumption."""

    run: RunConfig = RunConfig()
    session: SessionConfig = SessionConfig()
    quality: QualityConfig = QualityConfig()
    costs: CostsConfig = CostsConfig()
    decision: DecisionConfig = DecisionConfig()
    sizing: SizingConfig = SizingConfig()
    safety: SafetyConfig = SafetyConfig()
    orders: OrdersConfig = OrdersConfig()
    log: LogConfig = LogConfig()
    signals: SignalsConfig = SignalsConfig()
    exits: ExitConfig = ExitConfig()
    breakers: BreakerConfig = BreakerConfig()
    events: EventsConfig = EventsConfig()
    lockouts: LockoutConfig = LockoutConfig()
    modifiers: ModifierConfig = ModifierConfig()
    reentry: ReentryConfig = ReentryConfig()
    learning: LearningConfig = LearningConfig()
    simulator: SimulatorConfig = SimulatorConfig()
    levels: LevelsConfig = LevelsConfig()
    context: ContextConfig = ContextConfig()
    ibkr: IbkrConfig = IbkrConfig()
    machine: MachineConfig = MachineConfig()
    latency: LatencyConfig = LatencyConfig()
    rules: RulesConfig = RulesConfig()
    deadman: DeadmanConfig = DeadmanConfig()
    quorum: QuorumConfig = QuorumConfig()
    assumed: dict[str, str] = {}

    def __post_init__(self) -> None:
        check_relations(self)


_CANONICAL: Final = msgspec.msgpack.Encoder(order="deterministic")


def canonical(value: Any) -> bytes:
    """One byte string per value: msgpack with sorted keys. Digests are taken over this."""
    return _CANONICAL.encode(value)


def config_tag(hash_hex: str) -> int:
    """The first four bytes of a configuration hash, which every message of a log carries."""
    return int(hash_hex[:8], 16)


def config_hash(
    config: BotConfig,
    templates: Mapping[str, Any],
    maps: Mapping[str, Any] | None = None,
    *,
    vetoes: Mapping[str, Any] | None = None,
    events: Any = None,
    latency: Any = None,
    rules: Any = None,
) -> str:
    """SHA-256 (hex) over the canonical form of all a decision depends on; the order of templates breaks ties.

    `events` is the calendar of scheduled events: a row that is added counts from the next start on. `latency` is the
    simulator's latency model, `rules` the rule pack; without one the hash is that of the others.
    """
    ordered = [[name, msgspec.to_builtins(template)] for name, template in templates.items()]
    parts = [config, ordered, maps or {}, vetoes or {}, events, *([] if latency is None else [latency])]
    parts += [] if rules is None else [rules]
    return hashlib.sha256(canonical([msgspec.to_builtins(part) for part in parts])).hexdigest()
