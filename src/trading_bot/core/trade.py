"""The open trade: one position, owned by one entry, from its first fill until it is flat again."""

import msgspec

from trading_bot.domain.learning import TradeOutcome
from trading_bot.domain.orders import ApprovedOrder, ClientOrderId, Leg, OrderStatus, Side
from trading_bot.domain.units import usd_from_uusd
from trading_bot.engines.exits import ExitCause
from trading_bot.engines.position import Excursion, side_sign

_E6 = 1_000_000
STOP = ExitCause.STOP.name
TRAILING = ExitCause.TRAILING.name


class EntryTerms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the decision saw: for the record of the trade, and to measure slippage against.

    `touch_ticks` is the price a market order would have had; a passive entry is measured against its own limit.
    `slippage_e6` is what was expected of the entry, `stop_slippage_e6` of a stop, `promised_e6` edge less cost before
    any factor on belief, in millionths of a tick.
    """

    template_index: int
    hold_ns: int
    touch_ticks: int
    spread_ticks: int
    slippage_e6: int
    stop_slippage_e6: int
    belief_e6: int
    euc_e6: int
    dvs_c: int
    eqs_c: int
    sent_ns: int
    episode: int = 0
    p_e6: int | None = None
    promised_e6: int | None = None

    def promised_uusd(self, qty: int, tick_value_uusd: int) -> int | None:
        """The promise for a quantity."""
        return None if self.promised_e6 is None else _rounded(self.promised_e6 * qty * tick_value_uusd, _E6)


class Entry(msgspec.Struct, kw_only=True):
    """An entry order; `filled_qty` lots of it have filled."""

    order: ApprovedOrder
    status: OrderStatus
    terms: EntryTerms
    filled_qty: int = 0
    answered: bool = False  # the broker has said something about it
    cancel_asked: bool = False
    doubted: bool = False  # its state was unknown once
    stopless: bool = False  # its stop was refused or cancelled before it filled
    unknown_since_ns: int | None = None  # nobody knows whether it lives: past a deadline the kill switch decides
    # Children told to be in force before the execution they follow: leg, price in ticks, lots.
    children: tuple[tuple[Leg, int, int], ...] = ()

    def facts(self) -> tuple[object, ...]:
        """What of it is part of the state's digest."""
        return self.status.value, self.order.limit_ticks, self.filled_qty, self.answered, *self.children

    def without(self, leg: Leg) -> tuple[tuple[Leg, int, int], ...]:
        """Its early children but for one leg."""
        return tuple(child for child in self.children if child[0] is not leg)


class Trade(msgspec.Struct, kw_only=True):
    """The round trip under way. Prices in ticks, times in ns; None is: not (yet).

    `stop_ticks` is where the stop should stand, `resident_stop_ticks` where the broker's does and
    `resident_stop_qty` how many lots it closes. `entry_cost_ticks` and
    `exit_value_ticks` are sums of price times lots. The `_since_ns` and `_touched_ns` are what exits wait for.
    """

    entry: Entry
    first_fill_ns: int
    time_stop_ns: int
    entry_ticks: int
    stop_ticks: int
    excursion: Excursion
    entry_qty: int = 0
    entry_cost_ticks: int = 0
    exit_qty: int = 0
    exit_value_ticks: int = 0
    realised_ticks: int = 0
    fees_uusd: int = 0
    resident_stop_ticks: int | None = None
    resident_stop_qty: int = 0
    target_resident: bool = False
    naked_since_ns: int | None = None
    stop_touched_ns: int | None = None
    target_touched_ns: int | None = None
    quality_low_since_ns: int | None = None
    thesis_low_since_ns: int | None = None
    sent_cause: ExitCause | None = None
    limit_sent_ns: int | None = None
    market_sent: bool = False
    last_cause: str = ""
    stop_slippage_ticks: int = 0
    beat_ns: int = 0  # of the newest heartbeat

    @property
    def order_id(self) -> ClientOrderId:
        """The entry's id, which names all orders of its bracket."""
        return self.entry.order.order_id

    @property
    def sign(self) -> int:
        """+1 long, -1 short."""
        return side_sign(self.entry.order.side)

    @property
    def risk_ticks(self) -> int:
        """R: from the entry to the stop it came with."""
        return abs(self.entry.order.limit_ticks - self.entry.order.stop_price_ticks)

    @property
    def mae_ticks(self) -> int:
        """How far the price has been against the position, from the first fill."""
        return max((self.entry_ticks - self.excursion.worst_ticks) * self.sign, 0)

    @property
    def mfe_ticks(self) -> int:
        """How far it has been with it."""
        return max((self.excursion.best_ticks - self.entry_ticks) * self.sign, 0)

    def forget_exit(self) -> None:
        """The exit that was sent is gone without having filled everything."""
        self.sent_cause, self.limit_sent_ns, self.market_sent = None, None, False


def entry_slippage_ticks(entry: Entry, price_ticks: int) -> int:
    """Fill against the touch at the decision, positive when worse."""
    sign = 1 if entry.order.side is Side.BUY else -1
    return (price_ticks - entry.terms.touch_ticks) * sign


def outcome_of(
    trade: Trade,
    ts_ns: int,
    *,
    gross_uusd: int,
    tick_value_uusd: int,
    instrument: str,
    regime: str,
    bucket: str,
    hypothetical: bool,
) -> TradeOutcome:
    """The closed trade as evidence. `pnl_usd` is after slippage and before commission."""
    order, terms, sign = trade.entry.order, trade.entry.terms, trade.sign
    seq, number = order.order_id
    average_ticks = _rounded(trade.entry_cost_ticks, trade.entry_qty)
    by_stop = trade.last_cause in (STOP, TRAILING)
    return TradeOutcome(
        template=order.template,
        pnl_usd=usd_from_uusd(gross_uusd),
        trade_id=f"{seq}-{number}",
        decision_seq=seq,
        instrument=instrument,
        regime=regime,
        bucket=bucket,
        side=order.side,
        qty=max(trade.entry_qty, 1),
        entry_ticks=average_ticks,
        exit_ticks=_rounded(trade.exit_value_ticks, trade.exit_qty),
        entry_ts_ns=trade.first_fill_ns,
        exit_ts_ns=ts_ns,
        exit_reason=trade.last_cause,
        mae_ticks=float(trade.mae_ticks),
        mfe_ticks=float(trade.mfe_ticks),
        slippage_ticks=float((average_ticks - terms.touch_ticks) * sign + trade.stop_slippage_ticks),
        slippage_expected_ticks=(terms.slippage_e6 + (terms.stop_slippage_e6 if by_stop else 0)) / _E6,
        spread_ticks=float(terms.spread_ticks),
        commission_round_trip=usd_from_uusd(trade.fees_uusd),
        dvs_c=terms.dvs_c,
        eqs_c=terms.eqs_c,
        belief_e6=terms.belief_e6,
        euc_e6=terms.euc_e6,
        p_e6=terms.p_e6,
        promised_uusd=terms.promised_uusd(max(trade.entry_qty, 1), tick_value_uusd),
        hypothetical=hypothetical,
    )


def _rounded(total: int, count: int) -> int:
    return (2 * total + count) // (2 * count) if count else 0


class Shadow(msgspec.Struct, gc=False, kw_only=True):
    """A trade that was never sent: what its outcome needs once both of its fills are known."""

    template: str
    side: Side
    terms: EntryTerms
    entry_ticks: int = 0
    entry_ns: int = 0
    fees_uusd: int = 0
