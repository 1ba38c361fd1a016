"""What the broker has, asked for as a whole: position, open and ended orders, executions (architecture law 8).

One question at a time, of raw callbacks; an answer is complete or it is Unknown. What the callbacks mean for our orders
the order book decides; here is only what was listed.
"""

import asyncio
from functools import partial
from typing import Any, Final

import msgspec

from trading_bot.adapters.ibkr import broker_rows
from trading_bot.adapters.ibkr.answers import Known, Unknown
from trading_bot.adapters.ibkr.broker_rows import Completed, Execution, OpenOrder, Status
from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.instruments import Instrument
from trading_bot.domain.units import UUSD_PER_USD

_MARGIN_USD_MAX: Final = 1e9  # of one contract; the library's mark for "unset" is 1.8e308
_ENDS: Final = ("openOrderEnd", "execDetailsEnd", "positionEnd")


class Listing(msgspec.Struct):
    """A complete answer. Orders are those of the contract, whoever they are of, by permId."""

    position_qty: int = 0
    orders: dict[int, OpenOrder] = {}
    statuses: dict[int, Status] = {}
    executions: list[Execution] = []
    completed: list[Completed] = []


class Questions:
    """Asks one client's gateway about one contract of one account; one question at a time."""

    def __init__(self, session: IbkrSession, bound: BoundContract, instrument: Instrument) -> None:
        """Listening begins now."""
        self._session = session
        self._bound = bound
        self._instrument = instrument
        self._open: Listing | None = None
        self._request_id = -1
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._margin_id = -1
        self._margin: asyncio.Future[Known[int] | Unknown] | None = None
        for callback, listener in (
            ("openOrder", self._on_open_order),
            ("orderStatus", self._on_status),
            ("execDetails", self._on_execution),
            ("position", self._on_position),
            ("completedOrder", self._on_completed),
            ("error", self._on_error),
        ):
            session.listen(callback, listener)
        for callback in _ENDS:
            session.listen(callback, partial(self._on_end, callback))

    async def everything(self) -> Known[Listing] | Unknown:
        """Position, orders and executions; the executions and the orders of before midnight are not among them."""
        self._open = listing = Listing(orders={}, statuses={}, executions=[], completed=[])
        answer = await self._session.asked(self._ask())
        self._open = None
        return answer if isinstance(answer, Unknown) else Known(listing)

    async def margin_per_contract(self, order: Any) -> Known[int] | Unknown:
        """What the broker asks for one contract, micro-dollars (0: it does not say); `order` is a what-if order."""
        answer = await self._session.asked(self._ask_margin(order))
        self._margin_id = -1
        return answer if isinstance(answer, Unknown) else answer.data

    async def _ask(self) -> None:
        session, client = self._session, self._session.ib.client
        self._ends = {callback: session.loop.create_future() for callback in _ENDS}
        self._request_id = client.getReqId()
        client.reqAllOpenOrders()
        wanted = session.lib.ExecutionFilter(clientId=session.settings.client_id, acctCode=session.account)
        client.reqExecutions(self._request_id, wanted)
        client.reqPositions()
        # The library's own request: its wrapper cannot take this callback without it.
        await asyncio.gather(*self._ends.values(), session.ib.reqCompletedOrdersAsync(False))

    async def _ask_margin(self, order: Any) -> Known[int] | Unknown:
        client = self._session.ib.client
        self._margin = self._session.loop.create_future()
        self._margin_id = client.getReqId()
        client.placeOrder(self._margin_id, self._bound.contract, order)
        return await self._margin

    def _on_end(self, callback: str, *_arguments: Any) -> None:
        end = self._ends.get(callback)
        if end is not None and not end.done():
            end.set_result(None)

    def _on_open_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        if order.whatIf:
            if order_id == self._margin_id and self._margin is not None and not self._margin.done():
                self._margin.set_result(Known(_margin_uusd(state)))
            return
        if self._open is None or contract.conId != self._bound.con_id:
            return
        row = broker_rows.open_order(order_id, contract, order, state, self._instrument)
        if row.account == self._session.account:
            self._open.orders[row.perm_id] = row

    def _on_status(self, *arguments: Any) -> None:
        if self._open is not None:
            row = broker_rows.status_row(*arguments)
            self._open.statuses[row.perm_id] = row

    def _on_execution(self, request_id: int, contract: Any, row: Any) -> None:
        if self._open is None or request_id != self._request_id or contract.conId != self._bound.con_id:
            return
        self._open.executions.append(broker_rows.execution(request_id, row, self._instrument))

    def _on_position(self, account: str, contract: Any, qty: float, _average: float) -> None:
        if self._open is not None and account == self._session.account and contract.conId == self._bound.con_id:
            self._open.position_qty = broker_rows.lots(qty, "the position")

    def _on_completed(self, contract: Any, order: Any, state: Any) -> None:
        if self._open is not None and contract.conId == self._bound.con_id:
            self._open.completed.append(broker_rows.completed(order, state))

    def _on_error(self, request_id: int, code: int, text: str, *_more: Any) -> None:
        if request_id == self._margin_id and self._margin is not None and not self._margin.done():
            self._margin.set_result(Unknown(f"{code} {text}", code=code))


def _amount(text: Any) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _margin_uusd(state: Any) -> int:
    """What initial margin changes by, or grows to; 0 where the broker does not say."""
    amounts = [_amount(text) for text in (state.initMarginChange, state.initMarginAfter) if text]
    usable = [amount for amount in amounts if 0 < amount < _MARGIN_USD_MAX]
    return round(usable[0] * UUSD_PER_USD) if usable else 0
