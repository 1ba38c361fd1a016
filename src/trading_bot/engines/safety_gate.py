"""The last word on an entry: the only path to a broker, deterministic, without override (specification 8.1).

`ApprovedOrder` is built here and nowhere else. Exits and flattening do not pass this gate; they have their own effects.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from trading_bot.domain.breaker_config import BreakerConfig
from trading_bot.domain.config import BotConfig, SafetyConfig, SizingConfig
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.latency_config import LatencyConfig
from trading_bot.domain.orders import ApprovedOrder, EntryIntent, Side
from trading_bot.domain.reasons import SafetyCheck
from trading_bot.domain.units import NS_PER_MS, UUSD_PER_USD
from trading_bot.engines.breaker_table import ENTRY_LIMITS, PPM, PPM_PER_PCT, Money, entry_limits, reaches, room_uusd
from trading_bot.engines.latency_budget import Latency, exceeded
from trading_bot.engines.session import SessionState
from trading_bot.engines.traded_touch import TradedTouch, parted

_HEADROOM_PCT_MIN: Final = SizingConfig().margin_headroom_pct_min
_BUY: Final = Side.BUY
_ENTRIES: Final = SessionState.ENTRIES


class SafetyFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the gate looks at, at the moment of the order. None is unknown, and unknown never passes.

    `breakers` are those that stop entries, `budgets` those that are used up; None where they were not looked at. Margin
    is the account's, in use and for one more contract, in micro-dollars. `days_to_expiry` are calendar days from the
    trade date to the contract's last. `traded` is the traded contract's own quote where another market is seen.
    `account_problem` says what disagrees among account, mode and arming, `contract_problem` why the broker's contract
    is not the one that may be traded; both empty when all is well.
    """

    ts_ns: int
    killed: bool
    recovered: bool
    link_up: bool
    data_live: bool
    account_known: bool
    position_qty: int | None
    working_buy_qty: int
    working_sell_qty: int
    open_risk_uusd: int | None
    bid_ticks: int | None
    ask_ticks: int | None
    session_state: SessionState
    last_entry: tuple[Side, int, int] | None  # side, limit price in ticks, ts_ns
    money: Money | None = None
    breakers: tuple[str, ...] | None = None
    budgets: tuple[str, ...] | None = None
    equity_uusd: int | None = None
    margin_used_uusd: int | None = None
    margin_per_contract_uusd: int | None = None
    days_to_expiry: int | None = None
    latency: Latency | None = None
    traded: TradedTouch | None = None
    account_problem: str = ""
    contract_problem: str = ""


class Refused(msgspec.Struct, frozen=True, gc=False):
    """An order the gate did not let pass: every check that said no, and what was found."""

    failed: tuple[SafetyCheck, ...]
    detail: str


def risk_uusd(intent: EntryIntent, instrument: Instrument) -> int:
    """Loss at the stop before costs, in micro-dollars."""
    return intent.stop_ticks * instrument.tick_value_uusd * intent.qty


class SafetyGate:
    """Checks an intent against the facts.

    Holds limits and counters only; it never learns and never remembers an order.
    """

    def __init__(
        self,
        limits: SafetyConfig,
        instrument: Instrument,
        *,
        order_qty_max: int,
        trade_risk_uusd_max: int,
        stop_ticks_max: int,
        breakers: BreakerConfig | None = None,
        latency: LatencyConfig | None = None,
        margin_headroom_pct_min: float = _HEADROOM_PCT_MIN,
        two_markets: bool = False,
    ) -> None:
        """`trade_risk_uusd_max` in micro-dollars, `stop_ticks_max` in ticks; sizing has these and the headroom too.

        `two_markets`: the quotes are those of another market than the traded one, which has its own (`facts.traded`).
        """
        self._limits = limits
        self._instrument = instrument
        self._order_qty_max = order_qty_max
        self._trade_risk_uusd_max = trade_risk_uusd_max
        self._stop_ticks_max = stop_ticks_max
        self._latency_limits = latency or LatencyConfig()
        self._halts = entry_limits(breakers or BreakerConfig())
        self._money: Money | None = None  # of the newest order, and what may be lost of it
        self._room_uusd = 0
        self._open_risk_uusd_max = round(limits.open_risk_usd_max * UUSD_PER_USD)
        self._two_markets = two_markets
        self._margin_headroom_ppm = round(margin_headroom_pct_min * PPM_PER_PCT)
        self.blocked_by_check: Counter[str] = Counter()

    def approve(self, intent: EntryIntent, facts: SafetyFacts) -> ApprovedOrder | Refused:
        """The order, approved, or the reasons it is not."""
        if not self._clear(intent, facts):
            failures = [(check, detail) for check, row in _CHECKS if (detail := row(self, intent, facts)) is not None]
            if failures:
                self.blocked_by_check.update(check.name for check, _ in failures)
                return Refused(tuple(check for check, _ in failures), "; ".join(detail for _, detail in failures))
        long = intent.side is _BUY
        stop_distance = -intent.stop_ticks if long else intent.stop_ticks
        target_distance = intent.target_ticks if long else -intent.target_ticks
        return ApprovedOrder(
            order_id=intent.order_id,
            instrument_id=intent.instrument_id,
            template=intent.template,
            side=intent.side,
            qty=intent.qty,
            limit_ticks=intent.limit_ticks,
            stop_price_ticks=intent.limit_ticks + stop_distance,
            target_price_ticks=intent.limit_ticks + target_distance,
            expires_ns=facts.ts_ns + intent.time_to_live_ns,
            risk_uusd=intent.stop_ticks * self._instrument.tick_value_uusd * intent.qty,
            checks_passed=len(_CHECKS),
        )

    def _clear(self, intent: EntryIntent, facts: SafetyFacts) -> bool:
        """Whether no row of the table has anything to say, without asking them one by one: every order waits for this.

        Where the answer is no, the table has the word. A test holds this to the table in both directions.
        """
        position_qty, bid_ticks, ask_ticks = facts.position_qty, facts.bid_ticks, facts.ask_ticks
        equity, used, each = facts.equity_uusd, facts.margin_used_uusd, facts.margin_per_contract_uusd
        money, days, open_uusd = facts.money, facts.days_to_expiry, facts.open_risk_uusd
        if (
            (position_qty is None or bid_ticks is None or ask_ticks is None or money is None or days is None)
            or (equity is None or used is None or each is None or open_uusd is None)
            or (facts.breakers != () or facts.budgets != ())
        ):
            return False
        limits, qty, stop_ticks = self._limits, intent.qty, intent.stop_ticks
        risk = stop_ticks * self._instrument.tick_value_uusd * qty
        buying, selling = facts.working_buy_qty, facts.working_sell_qty
        after, touch = (
            (position_qty + buying, ask_ticks) if intent.side is _BUY else (selling - position_qty, bid_ticks)
        )
        last = facts.last_entry
        if money is not self._money:
            self._money, self._room_uusd = money, room_uusd(self._halts, money)
        return (
            (facts.recovered and facts.link_up and facts.data_live and facts.account_known and not facts.killed)
            and facts.session_state is _ENTRIES
            and not (facts.account_problem or facts.contract_problem)
            and intent.instrument_id == self._instrument.id
            and 1 <= qty <= self._order_qty_max
            and 1 <= stop_ticks <= self._stop_ticks_max
            and after + qty <= limits.position_qty_max
            and risk <= self._trade_risk_uusd_max
            and open_uusd + risk <= self._open_risk_uusd_max
            and used + (buying + selling + qty) * each <= equity * (PPM - self._margin_headroom_ppm) // PPM
            and -limits.entry_touch_ticks_max <= intent.limit_ticks - touch <= limits.entry_touch_ticks_max
            and 0 < ask_ticks - bid_ticks <= limits.spread_ticks_max
            and days >= limits.expiry_days_min
            and (
                last is None
                or last[1] != intent.limit_ticks
                or last[0] is not intent.side
                or facts.ts_ns - last[2] >= limits.duplicate_window_ms * NS_PER_MS
            )
            and risk < self._room_uusd
            and exceeded(facts.latency, limits, self._latency_limits) is None
            # Of a second market the table's own rows are asked.
            and (
                (facts.traded is None and not self._two_markets)
                or (self._price(intent, facts) is None and self._spread(intent, facts) is None)
            )
        )

    def _kill_switch(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        return "the kill switch is latched" if facts.killed else None

    def _recovery(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        return None if facts.recovered else "recovery is not complete"

    def _link(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        if not facts.link_up:
            return "the link is down"
        return None if facts.data_live else "market data are delayed or frozen"

    def _account(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        if not facts.account_known:
            return "the account is unknown"
        return facts.account_problem or None

    def _instrument_listed(self, intent: EntryIntent, facts: SafetyFacts) -> str | None:
        if intent.instrument_id == self._instrument.id:
            return facts.contract_problem or None
        return f"instrument id {intent.instrument_id} is not {self._instrument.symbol} ({self._instrument.id})"

    def _position(self, intent: EntryIntent, facts: SafetyFacts) -> str | None:
        # Worst case over every interleaving: working orders of this side all fill, none of the other side does.
        if facts.position_qty is None:
            return "the position is unknown"
        long = intent.side is _BUY
        working = facts.working_buy_qty if long else facts.working_sell_qty
        after = (facts.position_qty if long else -facts.position_qty) + working + intent.qty
        limit = self._limits.position_qty_max
        return f"position could reach {after}, limit {limit}" if after > limit else None

    def _order_size(self, intent: EntryIntent, _facts: SafetyFacts) -> str | None:
        if 1 <= intent.qty <= self._order_qty_max:
            return None
        return f"order of {intent.qty} contracts, allowed 1 to {self._order_qty_max}"

    def _trade_risk(self, intent: EntryIntent, _facts: SafetyFacts) -> str | None:
        if not 1 <= intent.stop_ticks <= self._stop_ticks_max:
            return f"stop of {intent.stop_ticks} ticks, allowed 1 to {self._stop_ticks_max}"
        risk = risk_uusd(intent, self._instrument)
        limit = self._trade_risk_uusd_max
        return f"risk of {risk / UUSD_PER_USD:.2f} USD, limit {limit / UUSD_PER_USD:.2f}" if risk > limit else None

    def _open_risk(self, intent: EntryIntent, facts: SafetyFacts) -> str | None:
        if facts.open_risk_uusd is None:
            return "the open risk is unknown"
        after = facts.open_risk_uusd + risk_uusd(intent, self._instrument)
        limit = self._open_risk_uusd_max
        return f"open risk {after / UUSD_PER_USD:.2f} USD, limit {limit / UUSD_PER_USD:.2f}" if after > limit else None

    def _margin(self, intent: EntryIntent, facts: SafetyFacts) -> str | None:
        # Worst case as for the position: every working order of either side fills and keeps its margin.
        equity, used, each = facts.equity_uusd, facts.margin_used_uusd, facts.margin_per_contract_uusd
        if equity is None or used is None or each is None:
            return "the margin is unknown"
        contracts = facts.working_buy_qty + facts.working_sell_qty + intent.qty
        after, usable = used + contracts * each, equity * (PPM - self._margin_headroom_ppm) // PPM
        if after <= usable:
            return None
        return f"margin of {after / UUSD_PER_USD:.2f} USD, usable {usable / UUSD_PER_USD:.2f}"

    def _loss(self, intent: EntryIntent, facts: SafetyFacts, check: SafetyCheck) -> str | None:
        # The worst case of this order on top of the open one: what would be halted afterwards is not sent.
        if facts.money is None:
            return "the account is unknown, so are its losses"
        risk = risk_uusd(intent, self._instrument)
        reached = [
            rule.breaker.value
            for rule, limit_ppm in self._halts
            if rule.breaker in ENTRY_LIMITS[check] and reaches(rule, limit_ppm, facts.money, risk)
        ]
        return f"its stop would reach {', '.join(reached)}" if reached else None

    def _breaker(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        if facts.breakers is None:
            return "the breakers are unknown"
        return f"breakers: {', '.join(facts.breakers)}" if facts.breakers else None

    def _budget(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        if facts.budgets is None:
            return "the budgets are unknown"
        return f"budgets used up: {', '.join(facts.budgets)}" if facts.budgets else None

    def _price(self, intent: EntryIntent, facts: SafetyFacts) -> str | None:
        touch = facts.ask_ticks if intent.side is _BUY else facts.bid_ticks
        if touch is None:
            return "there is no quote"
        away, limit = abs(intent.limit_ticks - touch), self._limits.entry_touch_ticks_max
        if away > limit:
            return f"price {away} ticks from the touch, limit {limit}"
        return self._parted(facts) if self._two_markets else None

    def _parted(self, facts: SafetyFacts) -> str | None:
        if facts.bid_ticks is None or facts.ask_ticks is None:
            return "there is no quote"
        return parted(
            facts.traded,
            bid_ticks=facts.bid_ticks,
            ask_ticks=facts.ask_ticks,
            ts_ns=facts.ts_ns,
            difference_ticks_max=self._limits.market_difference_ticks_max,
            age_s_max=self._limits.traded_quote_age_s_max,
        )

    def _spread(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        if facts.bid_ticks is None or facts.ask_ticks is None:
            return "there is no quote"
        spread, limit = facts.ask_ticks - facts.bid_ticks, self._limits.spread_ticks_max
        if not 0 < spread <= limit:
            return f"spread of {spread} ticks, allowed 1 to {limit}"
        return self._own_spread(facts)

    def _own_spread(self, facts: SafetyFacts) -> str | None:
        if facts.traded is None:  # where it has to be there, check 16 has said so
            return None
        own, limit = facts.traded.ask_ticks - facts.traded.bid_ticks, self._limits.spread_ticks_max
        return None if 0 < own <= limit else f"the traded contract's spread is {own} ticks, allowed 1 to {limit}"

    def _session(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        allowed = facts.session_state is _ENTRIES
        return None if allowed else f"session state {facts.session_state.value}"

    def _expiry(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        if facts.days_to_expiry is None:
            return "the contract's expiry is unknown"
        least = self._limits.expiry_days_min
        return f"{facts.days_to_expiry} days to expiry, at least {least}" if facts.days_to_expiry < least else None

    def _latency(self, _intent: EntryIntent, facts: SafetyFacts) -> str | None:
        return exceeded(facts.latency, self._limits, self._latency_limits)

    def _duplicate(self, intent: EntryIntent, facts: SafetyFacts) -> str | None:
        if facts.last_entry is None or facts.last_entry[:2] != (intent.side, intent.limit_ticks):
            return None
        age_ns, window_ns = facts.ts_ns - facts.last_entry[2], self._limits.duplicate_window_ms * NS_PER_MS
        return f"the same entry was sent {age_ns // NS_PER_MS} ms ago" if age_ns < window_ns else None


_DAILY, _WEEKLY, _DRAWDOWN = SafetyCheck.DAILY_LOSS, SafetyCheck.WEEKLY_LOSS, SafetyCheck.DRAWDOWN
_Check = Callable[[SafetyGate, EntryIntent, SafetyFacts], str | None]

# Rows of specification 8.1 by their numbers. A row answers None or what it found.
_CHECKS: Final[tuple[tuple[SafetyCheck, _Check], ...]] = (
    (SafetyCheck.KILL_SWITCH, SafetyGate._kill_switch),  # noqa: SLF001
    (SafetyCheck.RECOVERY, SafetyGate._recovery),  # noqa: SLF001
    (SafetyCheck.LINK, SafetyGate._link),  # noqa: SLF001
    (SafetyCheck.ACCOUNT, SafetyGate._account),  # noqa: SLF001
    (SafetyCheck.INSTRUMENT, SafetyGate._instrument_listed),  # noqa: SLF001
    (SafetyCheck.POSITION, SafetyGate._position),  # noqa: SLF001
    (SafetyCheck.ORDER_SIZE, SafetyGate._order_size),  # noqa: SLF001
    (SafetyCheck.TRADE_RISK, SafetyGate._trade_risk),  # noqa: SLF001
    (SafetyCheck.OPEN_RISK, SafetyGate._open_risk),  # noqa: SLF001
    (SafetyCheck.MARGIN, SafetyGate._margin),  # noqa: SLF001
    (SafetyCheck.DAILY_LOSS, lambda gate, intent, facts: gate._loss(intent, facts, _DAILY)),  # noqa: SLF001
    (SafetyCheck.WEEKLY_LOSS, lambda gate, intent, facts: gate._loss(intent, facts, _WEEKLY)),  # noqa: SLF001
    (SafetyCheck.DRAWDOWN, lambda gate, intent, facts: gate._loss(intent, facts, _DRAWDOWN)),  # noqa: SLF001
    (SafetyCheck.BREAKER, SafetyGate._breaker),  # noqa: SLF001
    (SafetyCheck.BUDGET, SafetyGate._budget),  # noqa: SLF001
    (SafetyCheck.PRICE, SafetyGate._price),  # noqa: SLF001
    (SafetyCheck.SPREAD, SafetyGate._spread),  # noqa: SLF001
    (SafetyCheck.SESSION, SafetyGate._session),  # noqa: SLF001
    (SafetyCheck.EXPIRY, SafetyGate._expiry),  # noqa: SLF001
    (SafetyCheck.DUPLICATE, SafetyGate._duplicate),  # noqa: SLF001
    (SafetyCheck.LATENCY, SafetyGate._latency),  # noqa: SLF001
)


def safety_gate_of(config: BotConfig, instrument: Instrument, *, two_markets: bool) -> SafetyGate:
    """The gate of a run that trades `instrument`; `two_markets` as there."""
    return SafetyGate(
        config.safety,
        instrument,
        order_qty_max=config.sizing.order_qty_max,
        trade_risk_uusd_max=round(config.sizing.max_risk_usd * UUSD_PER_USD),
        stop_ticks_max=config.sizing.stop_ticks_max,
        breakers=config.breakers,
        latency=config.latency,
        margin_headroom_pct_min=config.sizing.margin_headroom_pct_min,
        two_markets=two_markets,
    )
