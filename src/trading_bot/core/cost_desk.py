"""What fills cost into the evidence, and what was learned from it into force where a session begins."""

import msgspec

from trading_bot.core.state import State
from trading_bot.core.trade import Entry, Trade, entry_slippage_ticks
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event
from trading_bot.domain.orders import Leg
from trading_bot.domain.trade_events import CommissionCorrected, FillMeasured, OrderFilled, ParamsAdopted
from trading_bot.domain.units import usd_from_uusd
from trading_bot.engines import costs
from trading_bot.engines.costs import Costs, FillKind

Results = list[Event | Effect]


def measure_entry(state: State, entry: Entry, event: OrderFilled) -> Results:
    """An entry filled, against the touch at the decision; a passive one against its own limit."""
    expected_e6 = entry.terms.slippage_e6
    kind = FillKind.ENTRY if expected_e6 > 0 else FillKind.RESTING
    return _take(state, event, kind, entry_slippage_ticks(entry, event.price_ticks), expected_e6)


def measure_exit(state: State, trade: Trade | None, event: OrderFilled) -> Results:
    """A leg that leaves filled. Call it before the stop's trigger is forgotten; without a trade only fees are known."""
    if trade is None:
        return _take(state, event, FillKind.EXIT, None, 0)
    if event.leg is Leg.STOP:
        trigger_ticks = trade.resident_stop_ticks if trade.resident_stop_ticks is not None else trade.stop_ticks
        slippage_ticks = (trigger_ticks - event.price_ticks) * trade.sign
        return _take(state, event, FillKind.STOP, slippage_ticks, trade.entry.terms.stop_slippage_e6)
    if event.leg is Leg.TARGET:
        slippage_ticks = (trade.entry.order.target_price_ticks - event.price_ticks) * trade.sign
        return _take(state, event, FillKind.RESTING, slippage_ticks, 0)
    return _take(state, event, FillKind.EXIT, None, 0)


def _take(state: State, event: OrderFilled, kind: FillKind, slippage_ticks: int | None, expected_e6: int) -> Results:
    measured = FillMeasured(
        ts_ns=event.ts_ns,
        order_id=event.order_id,
        leg=event.leg,
        fill_kind=kind.value,
        qty=event.qty,
        slippage_ticks=slippage_ticks,
        expected_e6=expected_e6,
        commission_uusd=event.commission_uusd,
        hypothetical=event.hypothetical,
    )
    state.costs = with_measured(state.costs, measured)
    return [measured]


def with_measured(found: Costs, fill: FillMeasured) -> Costs:
    """The evidence with one fill more; also where a state is rebuilt from the facts of a log."""
    book = costs.with_fill(
        found.book(hypothetical=fill.hypothetical),
        FillKind(fill.fill_kind),
        qty=fill.qty,
        commission_uusd=fill.commission_uusd,
        slippage_ticks=fill.slippage_ticks or 0,
        expected_e6=fill.expected_e6,
    )
    return found.with_book(book, hypothetical=fill.hypothetical)


def with_corrected(found: Costs, correction: CommissionCorrected) -> Costs:
    """The evidence with the broker's commission in the place of an estimate."""
    book = costs.with_fee(found.book(hypothetical=correction.hypothetical), correction.delta_uusd)
    return found.with_book(book, hypothetical=correction.hypothetical)


def with_adopted(found: Costs, adoption: ParamsAdopted, trade_date: int) -> Costs:
    """The values in force after an adoption that a log tells of; a strategy's parameters are no costs."""
    if adoption.set_number or adoption.parameter not in costs.PARAMETERS:
        return found
    hypothetical = adoption.hypothetical
    book = costs.with_adoption(found.book(hypothetical=hypothetical), adoption.parameter, adoption.new, trade_date)
    return found.with_book(book, hypothetical=hypothetical)


def adopt(state: State) -> Results:
    """A session begins: what its book has learned comes into force, and what changed is told."""
    hypothetical = state.learning.hypothetical
    book, changes = costs.adopted(
        state.costs.book(hypothetical=hypothetical),
        state.cost_rules,
        state.day.trade_date if state.day else 0,
        state.instrument.commission_round_trip_uusd,
    )
    state.costs = state.costs.with_book(book, hypothetical=hypothetical)
    put_in_force(state)
    return [
        ParamsAdopted(ts_ns=state.ts_ns, hypothetical=hypothetical, **msgspec.structs.asdict(change))
        for change in changes
    ]


def put_in_force(state: State) -> None:
    """Slippage factors into the kernel; the commission follows with the account, which brings the tier."""
    book = state.cost_book
    state.kernel.set_slippage_factors(book.entry_factor_e6 / costs.ONE_E6, book.stop_factor_e6 / costs.ONE_E6)


def cost_rows(state: State) -> dict[str, float | int | None]:
    """For people: the commission and factors in force, and the evidence that the next session adopts from.

    `commission_side_usd` is the running estimate per side and contract, None before the first fill.
    """
    book = state.cost_book
    side_uusd = costs.per_side_uusd(book)
    return {
        "commission_round_trip_usd": usd_from_uusd(state.round_trip_uusd),
        "commission_side_usd": None if side_uusd is None else usd_from_uusd(side_uusd),
        "lots": book.lots,
        "entry_slippage_factor": book.entry_factor_e6 / costs.ONE_E6,
        "entry_fills": book.entry.fills,
        "stop_slippage_factor": book.stop_factor_e6 / costs.ONE_E6,
        "stop_fills": book.stop.fills,
    }
