"""All the core knows. One writer (`apply`) updates it in place; observers read the log."""

import hashlib
from typing import Any

import msgspec

from trading_bot._fast import HotPath
from trading_bot.core.carried import Carried, Ledger
from trading_bot.core.digest import canonical_order_id
from trading_bot.core.documents import RunDocuments
from trading_bot.core.learning_loop import LearningLoop
from trading_bot.core.params_desk import params_in_force
from trading_bot.core.trade import Entry, Shadow, Trade
from trading_bot.domain.config import canonical
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event, LatencySampled, LinkStatus
from trading_bot.domain.no_trade import windows_from
from trading_bot.domain.orders import ClientOrderId, Side
from trading_bot.domain.reconciling import ReconciliationDone
from trading_bot.domain.strategy import Strategy, find_strategy
from trading_bot.domain.templates import TemplateConfig
from trading_bot.domain.units import NS_PER_MIN
from trading_bot.engines.breaker_table import DayBounds, Money
from trading_bot.engines.breakers import BreakerState
from trading_bot.engines.budgets import Budgets, limits_of
from trading_bot.engines.context import ContextState, context_rules
from trading_bot.engines.costs import CostBook, CostRules, Costs
from trading_bot.engines.decision_v2 import DecisionEngineV2
from trading_bot.engines.entry_size import KellyFacts
from trading_bot.engines.exits import ExitRules, exit_rules
from trading_bot.engines.flatten import FlattenState
from trading_bot.engines.kernel_config import compile_kernel_config
from trading_bot.engines.latency_budget import NOTHING_MEASURED
from trading_bot.engines.levels import Level, LevelState, level_rules
from trading_bot.engines.lockouts import Locks
from trading_bot.engines.minute_ranges import BarRange, MinuteRanges
from trading_bot.engines.position import FLAT, Account, Position, with_quantity
from trading_bot.engines.quality import EqsDeficit, Outage
from trading_bot.engines.quorum import NOTHING_TOLD
from trading_bot.engines.rule_pack import RuleState
from trading_bot.engines.safety_gate import safety_gate_of
from trading_bot.engines.scheduled_events import Blackout
from trading_bot.engines.session import (
    SessionDay,
    SessionPolicy,
    SessionState,
    SessionTable,
    parse_calendar,
)

CALENDAR_DAYS_MAX = 100_000


class State:
    """Configuration (fixed), facts (from events) and the kernel.

    Built from documents alone, so that replay builds the same.
    """

    def __init__(self, documents: RunDocuments) -> None:
        """A cold state; its kernel appends to no log until the runner gives it one."""
        config, instrument = documents.config, documents.instrument
        self.documents = documents
        self.config = config
        self.instrument = instrument
        # By the kernel's index; asked for at every candidate.
        self.template_names: tuple[str, ...] = tuple(documents.templates)
        self.template_rows: tuple[TemplateConfig, ...] = tuple(documents.templates.values())
        self.sessions: SessionTable | None = (
            parse_calendar(documents.calendar, source="calendar") if documents.calendar else None
        )
        days = self.sessions.days_from(0, CALENDAR_DAYS_MAX) if self.sessions else ()
        self.policy = SessionPolicy(
            kind=config.session.kind,
            open_delay_ns=config.session.open_delay_min * NS_PER_MIN,
            close_buffer_ns=config.session.close_buffer_min * NS_PER_MIN,
            flatten_before_close_ns=config.session.flatten_before_close_min * NS_PER_MIN,
            no_trade=windows_from(config.session.no_trade),
        )
        self.kernel = HotPath(
            compile_kernel_config(
                config,
                documents.templates,
                instrument,
                days,
                resolution_ns=documents.resolution_ns,
                maps=documents.maps,
                market_id=documents.market_instrument.id,
            ),
        )
        if documents.signal_instrument is not None:
            self.kernel.set_beside(instrument.id)
        self.decisions = DecisionEngineV2(config, documents.templates, instrument)
        self.gate = safety_gate_of(config, instrument, two_markets=documents.signal_instrument is not None)
        self.exit_rules: tuple[ExitRules, ...] = tuple(
            self._in_wall_time(exit_rules(config.exits, config.quality, template.exits))
            for template in documents.templates.values()
        )
        self.level_rules = level_rules(config.levels, instrument.tick_size_e9, anchor_rth=config.session.kind == "rth")
        self.context_rules = context_rules(config.context, instrument.tick_size_e9, size_name=config.sizing.vix_name)
        self.shock_rules: ExitRules = exit_rules(config.exits, config.quality)
        self.day_bounds: tuple[int, DayBounds] | None = None  # with its trade date; `breaking.mark` asks
        self.event_windows: tuple[int, tuple[Blackout, ...]] = (0, ())  # of a trade date; `event_watch.windows` asks
        self.learning = LearningLoop(
            config.learning,
            tuple(documents.templates),
            hypothetical=True,
            win_rate_pseudo_trades=config.decision.pseudo_trades,
        )
        self.budget_limits = limits_of(config.safety)
        self.cost_rules = CostRules.compile(config.costs)
        self._reset_facts()

    def _reset_facts(self) -> None:
        self._reset_broker_facts()
        self.ts_ns = 0
        self.seq = 0  # of the record being applied
        self.mode = "OBSERVE"
        self.lifecycle_seqs: list[int] = []
        self.stopping: str | None = None
        self.exit_code = 0
        self.ending = False
        self.ended = False
        self.kill_reason: str | None = None
        self.log_space_ok = True
        self.data_down = False
        self.quality_kill_armed = False
        self.data_awaited_ns = 0  # until then a new connection may be without data
        self.deficits: tuple[EqsDeficit, ...] = ()
        self.eqs_c = 100
        self.eqs_min_c = 100
        self.day: SessionDay | None = None
        self.session_state = SessionState.UNKNOWN_DATE
        self.quorum = NOTHING_TOLD  # what else than the calendar says when the market is open
        self.entries: dict[ClientOrderId, Entry] = {}
        self.final_entries: dict[ClientOrderId, Entry] = {}  # the newest: a fill may come after the end of its order
        self.shadows: dict[ClientOrderId, Shadow] = {}
        self.position: Position = FLAT
        self.position_known = True
        self.trade: Trade | None = None
        self.flatten: FlattenState | None = None
        self.flatten_due_ns: int | None = None
        self.account: Account | None = None
        self.flat_money: Money | None = None  # what `breaking.money` last found without a position
        self.ledger_date = 0
        self.account_assumed = False
        self.breakers = BreakerState()
        self.budgets = Budgets()
        self.rules = self.rules_recorded = RuleState()
        self.levels = LevelState()
        self.level_list: tuple[Level, ...] = ()  # what `levels` amount to now: kept, because status shows it often
        self.context = ContextState()
        self.costs = Costs()
        self.last_entry: tuple[Side, int, int] | None = None
        self.locks: Locks = ()
        self.ranges = MinuteRanges()
        self.bar_range: BarRange | None = None
        self.cooldowns: dict[tuple[str, int], int] = {}  # (template, side) -> end in ns
        self.setups_used: dict[tuple[int, int], int] = {}  # (template's index, side) -> episode
        self.journal: dict[tuple[int, int], tuple[int, str]] = {}
        self.entry_mask = 0
        self.strategies: dict[int, Strategy] = {  # by template index
            index: find_strategy(template.plugin).make(template.params)
            for index, template in enumerate(self.documents.templates.values())
            if template.plugin
        }
        self.strategies_failed: set[int] = set()  # asked for membership only
        self.strategy_episodes: dict[int, tuple[int, int]] = {}  # template index: side of the last bar, episode
        self.kelly: tuple[KellyFacts, ...] = ()  # derived from the learning state whenever that changes
        self.last_results: tuple[Event | Effect, ...] = ()

    def _reset_broker_facts(self) -> None:
        self.con_id = 0
        self.contract_problem = "no contract is bound"  # why it may not be traded, empty when it may
        self.account_id = self.account_problem = ""
        self.armed_until_ns = 0
        self.expiry = 0
        self.link_up = False
        self.link_connected = False  # to the gateway, and from there to the broker
        self.link: LinkStatus | None = None  # as this process was told
        self.latency: LatencySampled | None = None
        self.measured = NOTHING_MEASURED
        self.outage: Outage | None = None
        self.data_type = 0
        self.equity_uusd: int | None = None
        self.margin_used_uusd: int | None = None
        self.margin_per_contract_uusd: int | None = None  # as the broker answered, until then assumed
        self.reconciled = False
        # An unbroken stream of executions since the broker last agreed: exits may count on the position.
        self.position_traced = False
        self.answered_ns: int | None = None
        self.asked_ns: int | None = None  # a question of ours that nobody has answered
        self.unknown_since_ns: int | None = None  # what the broker has
        self.moved_ns: int | None = None  # orders were sent, changed or answered
        self.closed_ns: int | None = None  # the newest trade's end at a broker, who may still have of its bracket
        self.settling = 0  # questions in a row that fell into such a moment
        self.told: dict[str, None] = {}  # differences that were told and stay, newest last
        self.reconciliation: ReconciliationDone | None = None
        # Executions by the broker's id, newest last; the estimated commission until the broker has reported it.
        self.executions: dict[str, int | None] = {}
        self.stray_exit: ClientOrderId | None = None  # names the exit that works for a position that no trade owns
        self.stray_bracket: ClientOrderId | None = None  # names the bracket whose stop protects such a position
        self.left_entries: dict[ClientOrderId, int] = {}  # what an earlier process' entries may still fill, signed

    def _in_wall_time(self, rules: ExitRules) -> ExitRules:
        """What an order is given to fill is the broker's time."""
        return msgspec.structs.replace(
            rules,
            limit_wait_ns=self.wall_ns(rules.limit_wait_ns),
            stop_grace_ns=self.wall_ns(rules.stop_grace_ns),
            target_grace_ns=self.wall_ns(rules.target_grace_ns),
        )

    def wall_ns(self, span_ns: int) -> int:
        """A span of wall time as the market's clock counts it: what a broker is given to answer."""
        return span_ns * self.documents.wall_speed_e3 // 1_000

    def wall_of(self, span_ns: int) -> int:
        """A span of the market's clock in wall time."""
        return span_ns * 1_000 // self.documents.wall_speed_e3

    @property
    def position_qty(self) -> int | None:
        """Signed contracts; None is unknown, which is not flat."""
        return self.position.qty if self.position_known else None

    @property
    def may_exit(self) -> bool:
        """Whether an exit can rely on our position: not after a restart or an outage, until the broker has answered."""
        return self.position_known or self.position_traced or not self.documents.gates_real

    @property
    def exposed(self) -> bool:
        """Whether anything is open or may be."""
        return bool(self.entries) or self.position_qty != 0

    @property
    def at_stake(self) -> bool:
        """Whether blindness endangers something (specification 4, 5): what is open here, once this process has a link.

        Before an adapter has told anything there is nothing to see with; an unknown position has a deadline of its own.
        """
        if not self.documents.gates_real:
            return self.exposed
        return self.link is not None and (bool(self.entries) or self.position.qty != 0)

    @property
    def working_entries(self) -> int:
        """Entries that may still fill."""
        return len(self.entries)

    def working_qty(self, side: Side) -> int:
        """Contracts of working entries on one side that have not filled."""
        return sum(entry.order.qty - entry.filled_qty for entry in self.entries.values() if entry.order.side is side)

    @property
    def cost_book(self) -> CostBook:
        """What this run's world has learned about costs."""
        return self.costs.book(hypothetical=self.learning.hypothetical)

    @property
    def round_trip_uusd(self) -> int:
        """Commission of a round trip of one contract: as charged so far once adopted, else the instrument's."""
        return self.cost_book.round_trip_uusd or self.instrument.commission_round_trip_uusd

    def ledger(self) -> Ledger:
        """Money and its limits now."""
        return Ledger(
            trade_date=self.ledger_date,
            assumed=self.account_assumed,
            account=self.account,
            breakers=self.breakers,
            budgets=self.budgets,
        )

    def set_ledger(self, ledger: Ledger) -> None:
        """Take a ledger over."""
        self.ledger_date, self.account_assumed = ledger.trade_date, ledger.assumed
        self.account = ledger.account
        self.breakers, self.budgets = ledger.breakers, ledger.budgets

    def carried(self) -> Carried:
        """What the next session's log starts from."""
        return Carried(
            kill_reason=self.kill_reason,
            data_down=self.data_down,
            position_qty=self.position_qty,
            deficits=self.deficits,
            eqs_min_c=self.eqs_min_c,
            ledger=self.ledger(),
            learning=self.learning.export_to_dict(),
            levels=self.levels,
            context=self.context,
            locks=self.locks,
            cooldowns=tuple((*key, until_ns) for key, until_ns in self.cooldowns.items()),
            ranges=self.ranges.pack(),
            costs=self.costs,
            rules=self.rules,
            params=params_in_force(self.documents),
            executions=tuple(self.executions.items()) if self.documents.gates_real else (),
        )

    def take_over(self, carried: Carried) -> None:
        """Start from what an earlier session, process or run left."""
        self.kill_reason = carried.kill_reason
        self.data_down = carried.data_down
        self.deficits = carried.deficits
        self.eqs_min_c = carried.eqs_min_c
        # A position without its orders is no position we know: only the broker can say what it is.
        self.position, self.position_known = FLAT, carried.position_qty == 0
        if self.documents.gates_real:  # a simulator's is lost with it
            self.position = with_quantity(FLAT, carried.position_qty or 0)
        self.set_ledger(carried.ledger)
        self.levels, self.context = carried.levels, carried.context
        self.locks = carried.locks
        self.cooldowns = {(name, side): until_ns for name, side, until_ns in carried.cooldowns}
        self.ranges.load(carried.ranges)
        self.costs = carried.costs
        self.rules = self.rules_recorded = carried.rules
        self.executions = dict(carried.executions)
        if carried.learning is not None:
            self.learning.load_from_dict(carried.learning)

    def facts(self) -> dict[str, Any]:
        """The facts as plain values, order ids canonical: what a digest is taken over and a person may read."""
        return {
            "ts_ns": self.ts_ns,
            "stopping": self.stopping,
            "exit_code": self.exit_code,
            "kill_reason": self.kill_reason,
            "contract": [self.con_id, self.expiry, self.contract_problem],
            "link": [self.link_up, self.link_connected],
            "outage": msgspec.to_builtins(self.outage),
            "data_type": self.data_type,
            "equity_uusd": self.equity_uusd,
            "account": [self.account_id, self.account_problem, self.armed_until_ns],
            "margin_uusd": [self.margin_used_uusd, self.margin_per_contract_uusd],
            "reconciled": self.reconciled,
            "log_space_ok": self.log_space_ok,
            "data_down": self.data_down,
            "quality_kill_armed": [self.quality_kill_armed, self.data_awaited_ns],
            "deficits": [msgspec.to_builtins(deficit) for deficit in self.deficits],
            "eqs_c": self.eqs_c,
            "eqs_min_c": self.eqs_min_c,
            "trade_date": self.day.trade_date if self.day else 0,
            "session_state": self.session_state.value,
            "entries": [
                [*canonical_order_id(order_id, self.lifecycle_seqs), *entry.facts()]
                for order_id, entry in self.entries.items()
            ],
            "position": [self.position_known, msgspec.to_builtins(self.position)],
            "answered_ns": [self.answered_ns, self.closed_ns],
            "trade": self._trade_facts(),
            "stray": [self._canonical(self.stray_exit), self._canonical(self.stray_bracket)],
            **({"left": list(self.left_entries.items())} if self.left_entries else {}),
            "asking": [self.position_traced, self.asked_ns, self.unknown_since_ns, self.moved_ns, self.settling],
            "told": list(self.told),
            "latency": msgspec.to_builtins(self.latency),
            **(self.measured.facts() | self.quorum.facts() | self.rules.facts()),
            "executions": list(self.executions.items()),
            "shadows": len(self.shadows),
            "flatten": msgspec.to_builtins(self.flatten),
            "ledger": msgspec.to_builtins(self.ledger()),
            "costs": msgspec.to_builtins(self.costs),
            "learning": self.learning.canonical(),
            "levels": msgspec.to_builtins(self.levels),
            "context": msgspec.to_builtins(self.context),
            "locks": msgspec.to_builtins(self.locks),
            "ranges": hashlib.sha256(self.ranges.plain()).hexdigest(),
            "bar_range": msgspec.to_builtins(self.bar_range),
            "cooldowns": [[*key, until_ns] for key, until_ns in self.cooldowns.items()],
            "setups_used": [[*key, episode] for key, episode in self.setups_used.items()],
            "last_entry": list(self.last_entry) if self.last_entry else None,
            "journal": [[*key, *value] for key, value in self.journal.items()],
            "entry_mask": self.entry_mask,
            "strategies": [sorted(self.strategies_failed), [[*row] for row in sorted(self.strategy_episodes.items())]],
        }

    def _trade_facts(self) -> dict[str, Any] | None:
        """The open trade; of its entry only what the entries' own row has not."""
        if self.trade is None:
            return None
        facts: dict[str, Any] = msgspec.to_builtins(self.trade)
        facts["entry"] = list(canonical_order_id(self.trade.order_id, self.lifecycle_seqs))
        return facts

    def _canonical(self, order_id: ClientOrderId | None) -> list[int] | None:
        return None if order_id is None else list(canonical_order_id(order_id, self.lifecycle_seqs))

    def digest(self) -> str:
        """SHA-256 (hex) over the facts and the kernel's whole state."""
        whole = hashlib.sha256(canonical(self.facts()))
        whole.update(self.kernel.snapshot())
        return whole.hexdigest()
