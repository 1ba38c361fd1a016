"""A world drawn from one number: date, market, faults, exchange, link, strategies, operator, death of the process.

The same seed gives the same world on every machine (docs/simulation.md lists what is drawn).
"""

from typing import Any, Final

import msgspec

from trading_bot._fast import ExchangeSim
from trading_bot.adapters.sim.broker import SimBroker
from trading_bot.adapters.sim.draws import Draws
from trading_bot.adapters.sim.faults import Fault, FaultKind, draw_faults
from trading_bot.adapters.sim.history import sim_history
from trading_bot.adapters.sim.link import FaultyLink, Outage, draw_outages
from trading_bot.adapters.sim.market import SimFeed
from trading_bot.adapters.sim.profile import MarketProfile
from trading_bot.core.documents import RunDocuments
from trading_bot.domain.config import BotConfig
from trading_bot.domain.events import HistoryLoaded
from trading_bot.domain.exchange import ExchangeConfig
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.ports import Broker, Feed
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.units import NS_PER_MIN, NS_PER_MS, NS_PER_S
from trading_bot.engines.session import SessionDay, SessionTable
from trading_bot.modes import mode_row
from trading_bot.research.troubles import EchoingBroker, OperatedBroker, SteppedFeed, Troubles, draw_troubles

INSTRUMENT: Final = INSTRUMENTS["MES"]
# A run that is told to end flattens in the market that goes on.
AFTER_END_NS: Final = 1_800 * NS_PER_S
_STREAM_WORLD: Final = 32  # labels of a seed's streams: adapters/sim/day_plan.py and link.py have the lower ones
HALF_DAY: Final = 20261127
HOLIDAY: Final = 20261126  # Thanksgiving: NYSE shut
CLOCK_CHANGE: Final = 20260309  # first session after the clocks went forward
_ORDINARY_FROM: Final = 20260105
_ORDINARY_DAYS: Final = 240
_DAYS_BEFORE: Final = 10
_DAYS_AROUND: Final = 40


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a seed decides. Times in ns UTC; `restart_at` counts records of the log, 0: the process lives on."""

    seed: int
    day_kind: str
    trade_date: int
    start_ns: int
    duration_ns: int
    profile: MarketProfile
    faults: tuple[Fault, ...]
    outages: tuple[Outage, ...]
    exchange: ExchangeConfig
    config: BotConfig
    templates: dict[str, TemplateConfig]
    operator: tuple[tuple[int, str], ...]
    restart_at: int
    clock_stands: bool
    history_sessions: int
    troubles: Troubles = Troubles()

    @property
    def late_ns(self) -> int:
        """How much later than the exchange simulator the broker may tell something."""
        return 0 if self.troubles.echo is None else self.troubles.echo.late_ns_max

    @property
    def troubled(self) -> tuple[tuple[int, int], ...]:
        """Spans (ns UTC) in which the link was down, or the market silent or wrong."""
        spans = [(outage.down_ns, outage.up_ns + self.late_ns) for outage in self.outages]
        spans += [(fault.at_ns, fault.at_ns + fault.duration_ns + fault.size) for fault in self.faults]
        clock = self.troubles.clock
        if clock is not None:
            spans.append((clock.at_ns, clock.at_ns + abs(clock.by_ns)))
        return tuple(spans)

    @property
    def end_ns(self) -> int:
        """When the run is told to stop."""
        return self.start_ns + self.duration_ns

    @property
    def trouble(self) -> str:
        """What was drawn against the run, for people."""
        exchange = self.exchange
        parts = [
            (len(self.faults), "feed faults"),
            (len(self.outages), "outages"),
            (exchange.reject_every or exchange.reject_per_mille, "rejects"),
            (exchange.reject_exit_every, "exit rejects"),
            (self.restart_at, "restart"),
        ]
        told = [f"{count} {name}" if name in {"feed faults", "outages"} else name for count, name in parts if count]
        return ", ".join([*told, *self.troubles.told, *(what for _, what in self.operator)]) or "none"


def draw_world(seed: int, table: SessionTable) -> World:
    """The world of a seed. `table` is the shipped session table."""
    draws = Draws(seed, _STREAM_WORLD)
    day_kind, day = _day(draws, table)
    start_ns, duration_ns = _times(draws, day)
    end_ns = start_ns + duration_ns
    restart = draws.chance(400)
    outages = () if restart or draws.chance(500) else draw_outages(seed, start_ns, end_ns, table)
    faults = _faults(draws, seed, start_ns, end_ns, table)
    position_max = draws.between(1, 5)
    exchange = _exchange(draws, seed)
    troubles = draw_troubles(seed, start_ns, duration_ns, restarts=restart)
    config = _config(draws, position_max)
    if troubles.observe:
        config = msgspec.structs.replace(config, run=msgspec.structs.replace(config.run, mode="OBSERVE"))
    templates = _templates(draws)
    return World(
        seed=seed,
        day_kind=day_kind,
        trade_date=day.trade_date,
        start_ns=start_ns,
        duration_ns=duration_ns,
        profile=_profile(draws),
        faults=faults,
        outages=outages,
        exchange=exchange,
        config=config,
        templates=templates,
        operator=_operator(draws, start_ns, duration_ns),
        restart_at=draws.between(20, 4_000) if restart else 0,
        clock_stands=draws.chance(500),
        history_sessions=(0, 0, 1, 3)[draws.below(4)],
        troubles=troubles,
    )


def next_morning(world: World, table: SessionTable) -> World | None:
    """A quiet first hour of the session after, with the limits and strategies of `world`; None after the calendar."""
    days = [day for day in table.days_from(world.trade_date + 1, _DAYS_AROUND) if day.rth_open_ns is not None]
    if not days or days[0].rth_open_ns is None:
        return None
    return msgspec.structs.replace(
        world,
        trade_date=days[0].trade_date,
        start_ns=days[0].rth_open_ns,
        duration_ns=60 * NS_PER_MIN,
        faults=(),
        outages=(),
        operator=(),
        restart_at=0,
        history_sessions=0,
        troubles=Troubles(observe=world.troubles.observe),
    )


def documents_of(world: World, table: SessionTable, feed: SimFeed) -> RunDocuments:
    """What the run depends on, with the calendar rows around it."""
    before = table.days_before(world.trade_date, _DAYS_BEFORE)
    first = before[0].trade_date if before else world.trade_date
    return RunDocuments(
        config=world.config,
        templates=world.templates,
        instrument=INSTRUMENT,
        calendar=table.extract(first, _DAYS_AROUND),
        resolution_ns=feed.resolution_ns,
        feed=feed.description,
    )


def feed_of(world: World, table: SessionTable) -> SimFeed:
    """The market of a world, from its first record."""
    return SimFeed(
        INSTRUMENT,
        table,
        seed=world.seed,
        start_ns=world.start_ns,
        duration_ns=world.duration_ns + AFTER_END_NS,
        profile=world.profile,
        faults=world.faults,
    )


def received_of(world: World, feed: SimFeed) -> Feed:
    """The market as the clock of the world receives it."""
    return feed if world.troubles.clock is None else SteppedFeed(feed, world.troubles.clock)


def history_of(world: World, table: SessionTable) -> list[HistoryLoaded]:
    """The warm-up of a world."""
    if not world.history_sessions:
        return []
    return sim_history(feed_of(world, table), table, world.history_sessions, world.start_ns)


def sink_of(world: World) -> tuple[ExchangeSim, SimBroker]:
    """The exchange of a world, and the broker over it."""
    exchange = ExchangeSim(world.exchange)
    suppress = mode_row(world.config.run.mode, "sim").suppress
    return exchange, SimBroker(exchange, suppress=suppress, instrument_id=INSTRUMENT.id)


def broker_of(world: World, broker: SimBroker, *, after_ns: int = 0) -> OperatedBroker:
    """The broker as the runner meets it; commands up to `after_ns` have been given already."""
    linked: Broker = FaultyLink(broker, world.outages) if world.outages else broker
    if world.troubles.echo is not None:
        linked = EchoingBroker(linked, world.troubles.echo, world.seed)
    return OperatedBroker(linked, tuple(row for row in world.operator if row[0] > after_ns))


def _day(draws: Draws, table: SessionTable) -> tuple[str, SessionDay]:
    place, ordinary = draws.below(100), draws.below(_ORDINARY_DAYS)
    for bound, kind, trade_date in ((15, "half", HALF_DAY), (23, "holiday", HOLIDAY), (38, "clocks", CLOCK_CHANGE)):
        day = table.day(trade_date)
        if place < bound and day is not None:
            return kind, day
    days = [day for day in table.days_from(_ORDINARY_FROM, _ORDINARY_DAYS) if day.rth_open_ns is not None]
    return "ordinary", days[ordinary % len(days)]


def _times(draws: Draws, day: SessionDay) -> tuple[int, int]:
    """Start and length: 1 to 7 hours, most of them over the close; some into the next session's log."""
    minutes, over, after = draws.between(60, 420), draws.chance(650), draws.between(2, 45)
    long_after, place = draws.chance(120), draws.below(1000)
    second_ns = draws.below(60) * NS_PER_S
    if day.rth_open_ns is None or day.rth_close_ns is None:
        room_min = (day.globex_close_ns - day.globex_open_ns) // NS_PER_MIN - 60
        start_ns = day.globex_open_ns + room_min * place // 1000 * NS_PER_MIN
        return start_ns + second_ns, min(minutes, 180) * NS_PER_MIN
    if over:
        end_ns = day.globex_close_ns + 90 * NS_PER_MIN if long_after else day.rth_close_ns + after * NS_PER_MIN
        return end_ns - minutes * NS_PER_MIN + second_ns, minutes * NS_PER_MIN
    room_min = (day.rth_close_ns - day.rth_open_ns) // NS_PER_MIN
    start_ns = day.rth_open_ns + (room_min * place // 1000 - 45) * NS_PER_MIN
    return start_ns + second_ns, min(minutes, 300) * NS_PER_MIN


def _faults(draws: Draws, seed: int, start_ns: int, end_ns: int, table: SessionTable) -> tuple[Fault, ...]:
    """None for a third; for a third without the stalls, which often end in the kill switch."""
    some, stalls = draws.chance(660), draws.chance(500)
    drawn = draw_faults(seed, start_ns, end_ns, table) if some else ()
    return tuple(fault for fault in drawn if stalls or fault.kind is not FaultKind.STALL)


def _profile(draws: Draws) -> MarketProfile:
    return MarketProfile(
        quotes_milli=draws.between(2_000, 8_000),
        trades_milli=draws.between(400, 1_500),
        vol_milli=draws.between(300, 2_000),
        depth_lots=draws.between(3, 60),
        information_milli=draws.between(0, 2_500),
        trend_milli=draws.between(0, 3_000),
        sweep_milli=draws.between(0, 4_000),
        gap_milli=draws.between(0, 3_000),
        news_milli=draws.between(0, 1_500),
    )


def _exchange(draws: Draws, seed: int) -> ExchangeConfig:
    def often(per_mille: int, low: int, high: int) -> int:
        value = draws.between(low, high)
        return value if draws.chance(per_mille) else 0

    return ExchangeConfig(
        entry_latency_ns=draws.between(0, 300) * NS_PER_MS,
        response_latency_ns=draws.between(0, 300) * NS_PER_MS,
        child_latency_ns=draws.between(0, 100) * NS_PER_MS,
        stop_latency_ns=draws.between(0, 100) * NS_PER_MS,
        queue_model=("pessimistic", "probabilistic", "optimistic")[draws.below(3)],
        stop_trigger=("last", "touch")[draws.below(2)],
        partial_fills=draws.chance(800),
        beyond_touch_lots=draws.below(3),
        fee_per_side_uusd=INSTRUMENT.commission_round_trip_uusd // 2,
        reject_every=often(250, 5, 60),
        reject_per_mille=often(250, 5, 80),
        reject_exit_every=often(300, 2, 20),
        seed=seed,
    )


def _config(draws: Draws, position_max: int) -> BotConfig:
    """Limits wide enough for hundreds of trades in most worlds, the shipped ones in the others."""
    wide, patient = draws.chance(800), draws.chance(500)
    equity = (
        (50_000.0, 400_000.0, 2_000_000.0)[draws.below(3)] if wide else (4_000.0, 10_000.0, 50_000.0)[draws.below(3)]
    )
    risk = 15.0 * position_max
    tier = {"templates": ["*"], "stop_ticks_max": 12, "max_risk_usd": risk, "min_euc_ticks": 0.25}
    safety: dict[str, Any] = {"position_qty_max": position_max, "open_risk_usd_max": risk}
    values: dict[str, Any] = {
        "run": {"mode": "SIM", "adapter": "sim"},
        "session": {"open_delay_min": (0, 5)[draws.below(2)]},
        "decision": {
            "stability_max": 9.0,
            "equity_assumed_usd": equity,
            "tiers": {
                name: {**tier, "equity_usd_min": floor} for name, floor in (("S", 0.0), ("A", 2500.0), ("B", 7500.0))
            },
        },
        "costs": {"cost_share_max": 1.0},
        "sizing": {"max_risk_usd": risk},
        "orders": {"entry_ttl_s": draws.between(1, 30), "stop_deadline_ms": draws.between(500, 3_000)},
        "exits": {
            "quality_action": ("tighten", "exit")[draws.below(2)],
            "trail": draws.chance(700),
            "limit_wait_ms": draws.between(500, 3_000),
        },
        "safety": safety,
    }
    if wide:
        safety |= {
            "entries_per_minute_max": draws.between(2, 10),
            "entries_per_hour_max": draws.between(30, 300),
            "entries_per_day_max": 1000,
            "attempts_per_day_max": draws.between(100, 5_000),
            "order_efficiency_max": 100,
            "fees_day_usd_max": 10_000.0,
        }
        # Short pauses, so that they are entered and left often.
        values["reentry"] = {"cooldown_s": 2, "cooldown_loss_s": 5}
        values["lockouts"] = {"volatility_min": 2, "execution_min": 1}
        values["breakers"] = {"losses_in_row_max": draws.between(3, 40), "losses_pause_min": draws.between(1, 20)}
    if patient:
        # Strategies without an edge are quarantined after 40 trades, rightly; here they go on.
        values["learning"] = {
            "quarantine_p": 0.001,
            "throttle_heavy_p": 0.002,
            "throttle_light_p": 0.2,
            "drawdown_percentile": 99.9,
        }
    return msgspec.convert(values, BotConfig)


_TEMPLATES: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("lean", {"cadence": "tick", "entry": "passive", "weights": {"queue_imbalance": 1.0}}),
    ("cross", {"cadence": "tick", "entry": "marketable", "weights": {"queue_imbalance": 1.0}}),
    ("flow", {"cadence": "grid", "entry": "marketable", "weights": {"trade_imb_5s": 1.0, "ofi_5s": 0.5}}),
    ("fade", {"cadence": "grid", "entry": "passive", "weights": {"trade_imb_1s": -1.0}}),
    ("late", {"cadence": "grid", "entry": "marketable", "weights": {"queue_imbalance": -1.0}}),
)


def _templates(draws: Draws) -> dict[str, TemplateConfig]:
    """Two to four strategies that trade often, most of them without an edge."""
    chosen: dict[str, TemplateConfig] = {}
    count, first = draws.between(2, 4), draws.below(len(_TEMPLATES))
    for place in range(count):
        name, row = _TEMPLATES[(first + place) % len(_TEMPLATES)]
        signal, weight = next(iter(row["weights"].items()))
        trigger = {"signal": signal, "min": 0.3} if weight > 0 else {"signal": signal, "max": -0.3}
        stop = draws.between(4, 12)
        values = {
            "on": True,
            "title": f"{name}, drawn",
            "target_ticks": stop + draws.between(0, 8),
            "stop_ticks": stop,
            "hold_s": draws.between(20, 900),
            "gain": 8.0,
            "belief_enter": 0.6,
            "belief_hold": 0.55,
            "rearm_s": draws.between(1, 20),
            "triggers": [trigger],
            "exits": {"thesis_belief": 0.0} if draws.chance(500) else {},
            **row,
        }
        chosen[name.upper()] = msgspec.convert(values, TemplateConfig)
    return chosen


def _operator(draws: Draws, start_ns: int, duration_ns: int) -> tuple[tuple[int, str], ...]:
    flattens = draws.between(1, 4) if draws.chance(400) else 0
    commands = [(start_ns + duration_ns * draws.below(1000) // 1000, "flatten") for _ in range(flattens)]
    if draws.chance(150):
        commands.append((start_ns + duration_ns * draws.between(300, 950) // 1000, "kill"))
    return tuple(sorted(commands))
