"""The account's books: positions at average cost, money, margins. Micro-dollars and lots throughout."""

from collections.abc import Iterable

import msgspec

from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.order_encode import Margins, fixed
from trading_bot.adapters.gateway.orders import Order


class Position(msgspec.Struct):
    """Lots of one contract, and what they cost with commissions: `cost_uusd` has the sign of `qty`."""

    listed: Listed
    qty: int = 0
    cost_uusd: int = 0
    realized_uusd: int = 0

    @property
    def average_cost(self) -> float:
        """Dollars of one contract: price x multiplier, with its commission; 0.0 when flat."""
        return self.cost_uusd / self.qty / 1_000_000 if self.qty else 0.0

    def value_uusd(self, price_ticks: int) -> int:
        """Worth of the position at a price."""
        return self.qty * worth_uusd(self.listed, price_ticks)

    def unrealized_uusd(self, price_ticks: int) -> int:
        """Profit that is not realized, after the commission of the entry."""
        return self.value_uusd(price_ticks) - self.cost_uusd


def worth_uusd(listed: Listed, price_ticks: int) -> int:
    """Price x multiplier of one contract."""
    return price_ticks * listed.instrument.tick_value_uusd


class Account:
    """One account. `marks` gives each contract's price in ticks where the books need one."""

    def __init__(self, name: str, equity_uusd: int) -> None:
        self.name = name
        self.start_uusd = equity_uusd
        self.realized_uusd = 0  # of closed lots, after commissions of both sides
        self.commission_uusd = 0
        self.positions: dict[int, Position] = {}  # by conId, flat ones stay
        self._given: list[tuple[Listed, int, int]] = []  # contract, lots, price in ticks
        self.marks: dict[int, int] = {}  # conId -> price in ticks

    def clear(self) -> None:
        """No trades yet; prices are kept, and what came without a trade."""
        self.realized_uusd = self.commission_uusd = 0
        self.positions = {}
        given, self._given = self._given, []
        for row in given:
            self.give(*row)

    def give(self, listed: Listed, qty: int, price_ticks: int) -> None:
        """Lots that come without an execution (leave, below 0), at a price and for no commission."""
        self._given.append((listed, qty, price_ticks))
        self.fill(listed, 1 if qty > 0 else -1, abs(qty), price_ticks, 0)

    def fill(self, listed: Listed, side: int, qty: int, price_ticks: int, commission_uusd: int) -> int | None:
        """Book an execution; what it realized after commissions, None when it closed nothing."""
        position = self.positions.setdefault(listed.con_id, Position(listed))
        self.marks.setdefault(listed.con_id, price_ticks)
        self.commission_uusd += commission_uusd
        closing = min(qty, abs(position.qty)) if position.qty * side < 0 else 0
        fee_closing = commission_uusd * closing // qty
        realized = None
        if closing:
            cost = position.cost_uusd * closing // abs(position.qty)
            realized = -side * closing * worth_uusd(listed, price_ticks) - cost - fee_closing
            position.cost_uusd -= cost
            position.qty += side * closing
            position.realized_uusd += realized
            self.realized_uusd += realized
        opening = qty - closing
        position.qty += side * opening
        position.cost_uusd += side * opening * worth_uusd(listed, price_ticks) + commission_uusd - fee_closing
        return realized

    def position_qty(self, con_id: int) -> int:
        """Lots held, below 0 when short."""
        position = self.positions.get(con_id)
        return position.qty if position is not None else 0

    @property
    def unrealized_uusd(self) -> int:
        """Of all positions, at their marks."""
        return sum(row.unrealized_uusd(self.marks[con_id]) for con_id, row in self.positions.items())

    @property
    def equity_uusd(self) -> int:
        """What the account is worth."""
        return self.start_uusd + self.realized_uusd + self.unrealized_uusd

    @property
    def cash_uusd(self) -> int:
        """Money, with what open positions have gained or lost settled to it as futures do."""
        return self.equity_uusd

    def margin_uusd(self, orders: Iterable[Order] = ()) -> int:
        """Initial margin of the positions and, at its worst, of orders that may add to them."""
        open_qty: dict[int, list[int]] = {}
        rows = {con_id: row.listed for con_id, row in self.positions.items()}
        for order in orders:
            buys_sells = open_qty.setdefault(order.listed.con_id, [0, 0])
            buys_sells[order.side < 0] += max(order.total - order.filled, 0)
            rows[order.listed.con_id] = order.listed
        total = 0
        for con_id, listed in rows.items():
            qty, (buys, sells) = self.position_qty(con_id), open_qty.get(con_id, [0, 0])
            worst = max(abs(qty), abs(qty + buys), abs(qty - sells))
            total += worst * listed.instrument.margin_assumed_uusd
        return total

    def what_if(self, order: Order, live: list[Order], commission_uusd: int) -> Margins:
        """What an order would do to the margins, beside those that live."""
        before, after = self.margin_uusd(live), self.margin_uusd([*live, order])
        equity = self.equity_uusd
        return Margins(
            initial_before=before,
            maintenance_before=before,
            equity_before=equity,
            initial_after=after,
            maintenance_after=after,
            equity_after=equity,
            commission=commission_uusd,
        )

    def values(self, orders: Iterable[Order] = ()) -> dict[str, str]:
        """Tags and texts, as account updates and summaries tell them; money in dollars and cents."""
        margin, with_orders = self.margin_uusd(), self.margin_uusd(orders)
        equity = self.equity_uusd
        money = {
            "NetLiquidation": equity,
            "EquityWithLoanValue": equity,
            "TotalCashValue": self.cash_uusd,
            "TotalCashBalance": self.cash_uusd,
            "CashBalance": self.cash_uusd,
            "SettledCash": self.cash_uusd,
            "AvailableFunds": equity - with_orders,
            "ExcessLiquidity": equity - margin,
            "FullAvailableFunds": equity - with_orders,
            "FullExcessLiquidity": equity - margin,
            "LookAheadAvailableFunds": equity - with_orders,
            "LookAheadExcessLiquidity": equity - margin,
            "BuyingPower": equity - with_orders,
            "InitMarginReq": with_orders,
            "MaintMarginReq": margin,
            "FullInitMarginReq": with_orders,
            "FullMaintMarginReq": margin,
            "LookAheadInitMarginReq": with_orders,
            "LookAheadMaintMarginReq": margin,
            "FuturesPNL": self.unrealized_uusd,
            "UnrealizedPnL": self.unrealized_uusd,
            "RealizedPnL": self.realized_uusd,
            "GrossPositionValue": 0,
        }
        return {tag: fixed(value) for tag, value in money.items()}
