"""Where the money of a trade came from: market move, spread, slippage, fees (features AN03, AN07; docs/analytics.md).

Of one trade, in ticks times lots, with s = +1 long, −1 short:

    move     = s · (exit mid − mid at the decision)      what the market gave between decision and exit
    spread   = what crossing it cost: entry s · (touch − mid), exit s · (mid − touch); earned by a passive entry and a
               target, then negative
    slippage = entry s · (fill − touch), exit s · (touch − fill)
    gross    = move − spread − slippage,  net = gross − fees

The touch is the price there was when it was decided: at the entry that of the decision; of a stop its trigger, of a
target its limit, of any other exit the quote it was sent at. Where no quote of the exit is known, half the spread of
the decision stands for its own. `residual` is the gross that TRADE_CLOSED has less the gross of these prices: it is
what the parts do not explain, and more than a tick a trade is told.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from trading_bot.domain.orders import Leg, Side
from trading_bot.reports.fact_records import FillFact, OrderFact, TradeFact

RESIDUAL_MAX_TICKS: Final = 1.0
Touch = tuple[int, int]  # bid, ask in ticks


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """One trade, or several: ticks times lots, and the fees in ticks. `told`: trades whose prices are all known.

    `edge_ticks` is the edge as it came: what the mid did from the decision to the exit, in the trade's direction.
    """

    trades: int
    told: int
    lots: int
    edge_ticks: float
    spread_ticks: float
    slippage_ticks: float
    gross_ticks: float
    fees_ticks: float
    net_ticks: float
    residual_ticks: float
    residual_max_ticks: float


class Efficiency(msgspec.Struct, frozen=True, kw_only=True):
    """What was earned of what was expected, per lot in ticks, over trades whose candidate is known.

    `predicted_edge` is the candidate's edge (before costs), `realised_edge` the result before fees and slippage;
    `predicted_net` is edge − cost, `realised_net` the result after both. A ratio is None unless a positive amount was
    expected.
    """

    trades: int
    lots: int
    predicted_edge_ticks: float
    realised_edge_ticks: float
    edge_ratio: float | None
    predicted_net_ticks: float
    realised_net_ticks: float
    net_ratio: float | None


NOTHING: Final = Parts(
    trades=0,
    told=0,
    lots=0,
    edge_ticks=0.0,
    spread_ticks=0.0,
    slippage_ticks=0.0,
    gross_ticks=0.0,
    fees_ticks=0.0,
    net_ticks=0.0,
    residual_ticks=0.0,
    residual_max_ticks=0.0,
)
_E6: Final = 1_000_000


def decompose(
    trade: TradeFact,
    fills: Sequence[FillFact],
    exits: Sequence[OrderFact] = (),
    touches: Mapping[tuple[str, int], Touch] | None = None,
) -> Parts:
    """One trade into its parts. `fills` are its own, `exits` the exit orders under its id.

    `touches` are quotes by (log, number): those at which the exits were sent, and those of the fills of its stop and
    target. A trade without a touch at its decision has its whole gross in `edge_ticks`.
    """
    tick_uusd, sign = trade.tick_value_uusd, trade.sign
    gross = trade.gross_uusd / tick_uusd
    prices = (trade.exit_value_ticks - trade.entry_cost_ticks) * sign
    spread = slippage = 0.0
    known = trade.bid_ticks is not None and trade.ask_ticks is not None and bool(fills)
    if trade.bid_ticks is not None and trade.ask_ticks is not None and fills:
        half = (trade.ask_ticks - trade.bid_ticks) / 2
        buys = trade.side is Side.BUY
        touch = trade.bid_ticks if bool(trade.passive) is buys else trade.ask_ticks
        for fill in fills:
            if fill.leg == Leg.ENTRY.value:
                spread += fill.qty * (-half if trade.passive else half)
                slippage += fill.qty * sign * (fill.price_ticks - touch)
            else:
                crossed, slipped = _exit_parts(fill, sign, half, exits, touches or {})
                spread += fill.qty * crossed
                slippage += fill.qty * slipped
    fees = trade.commission_uusd / tick_uusd
    residual = gross - prices
    return Parts(
        trades=1,
        told=int(known),
        lots=trade.qty,
        edge_ticks=prices + spread + slippage,
        spread_ticks=spread,
        slippage_ticks=slippage,
        gross_ticks=gross,
        fees_ticks=fees,
        net_ticks=gross - fees,
        residual_ticks=residual,
        residual_max_ticks=abs(residual),
    )


def _exit_parts(
    fill: FillFact,
    sign: int,
    half: float,
    exits: Sequence[OrderFact],
    touches: Mapping[tuple[str, int], Touch],
) -> tuple[float, float]:
    """Spread and slippage of one lot that left."""
    if fill.leg != Leg.EXIT.value:
        quote = touches.get((fill.log, fill.seq))
        half = (quote[1] - quote[0]) / 2 if quote is not None else half
        slipped = float(fill.slippage_ticks or 0)
        return (-half if fill.leg == Leg.TARGET.value else half), slipped
    sent = [order for order in exits if order.seq < fill.seq]
    quote = touches.get((fill.log, sent[-1].seq)) if sent else None
    if quote is None:
        return half, 0.0
    bid, ask = quote
    touch = bid if sign > 0 else ask
    return (ask - bid) / 2, float(sign * (touch - fill.price_ticks))


def total_of(parts: Sequence[Parts]) -> Parts:
    """Sums over trades; the largest residual is the largest of one."""
    if not parts:
        return NOTHING
    names = [name for name in Parts.__struct_fields__ if name != "residual_max_ticks"]
    sums = {name: sum(getattr(row, name) for row in parts) for name in names}
    return Parts(**sums, residual_max_ticks=max(row.residual_max_ticks for row in parts))


def efficiency(trades: Sequence[TradeFact], parts: Sequence[Parts]) -> Efficiency:
    """Realised over predicted; `parts` of the same trades in the same order."""
    rows = [
        (trade, part, trade.edge_e6 / _E6, trade.cost_e6 / _E6)
        for trade, part in zip(trades, parts, strict=True)
        if trade.edge_e6 is not None and trade.cost_e6 is not None
    ]
    lots = sum(trade.qty for trade, *_ in rows)
    edge = sum(edge_ticks * trade.qty for trade, _, edge_ticks, _ in rows)
    cost = sum(cost_ticks * trade.qty for trade, _, _, cost_ticks in rows)
    gained = sum(part.gross_ticks + part.slippage_ticks for _, part, _, _ in rows)
    net = sum(part.net_ticks for _, part, _, _ in rows)
    per = float(max(lots, 1))
    return Efficiency(
        trades=len(rows),
        lots=lots,
        predicted_edge_ticks=edge / per,
        realised_edge_ticks=gained / per,
        edge_ratio=gained / edge if edge > 0 else None,
        predicted_net_ticks=(edge - cost) / per,
        realised_net_ticks=net / per,
        net_ratio=net / (edge - cost) if edge > cost else None,
    )
