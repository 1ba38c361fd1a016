"""The dead man's own connection: what the account holds and what works there, cancels, and orders that close.

Whatever he does, he does by the broker's word of this moment: nothing of the bot's own is asked (docs/deadman.md). He
has a client id of his own. What the broker does not say is Unknown, and Unknown is never taken for nothing.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from trading_bot.adapters.ibkr import broker_rows
from trading_bot.adapters.ibkr.answers import Known, Unknown
from trading_bot.adapters.ibkr.session import IbkrSession, IbkrSettings
from trading_bot.domain.errors import SourceUnreachable
from trading_bot.domain.instruments import Instrument

REFERENCE: Final = "tbdeadman"  # of every order of his; no reference of a bot looks like it
_BID, _ASK = 1, 2  # tick types of live quotes; delayed ones have others, and are no price to act by
_TURN_S: Final = 0.01


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A position of the account, lots; below 0 when short."""

    con_id: int
    name: str
    qty: int


class Working(msgspec.Struct, frozen=True, kw_only=True):
    """An order that may still fill; `con_id` and `symbol` say of what, `client_id` and `order_ref` whose it is."""

    order_id: int
    perm_id: int
    client_id: int
    con_id: int
    symbol: str
    order_ref: str
    status: str


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer about one instrument of the account, all its expiries; `others` are orders of anything else."""

    holdings: tuple[Holding, ...] = ()
    orders: tuple[Working, ...] = ()
    others: tuple[Working, ...] = ()

    @property
    def nothing(self) -> bool:
        """Neither a position nor an order."""
        return not self.holdings and not self.orders


class Sent(msgspec.Struct):
    """An order of his, and what has become of it: lots filled by execution, and whether it can fill no more."""

    order_id: int
    filled: int = 0
    over: bool = False
    why: str = ""
    executions: list[str] = []


class Rescue:
    """One connection; it is used by one caller, who waits."""

    def __init__(self, settings: IbkrSettings, instrument: Instrument) -> None:
        """Connects.

        Raises:
            SourceUnreachable: nothing listens or answers, or the client id is taken.
            UsageError: the login does not have the account.
        """
        self.instrument = instrument
        self.session = session = IbkrSession(settings)
        self._holdings: dict[int, Holding] = {}
        self._orders: dict[int, Working] = {}
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._sent: dict[int, Sent] = {}
        self._touch: dict[int, float] = {}
        self._quotes = -1
        self._number = 0
        for callback, listener in (
            ("position", self._on_position),
            ("openOrder", self._on_order),
            ("orderStatus", self._on_status),
            ("execDetails", self._on_execution),
            ("error", self._on_error),
            ("priceSizeTick", self._on_price),
            ("positionEnd", partial(self._on_end, "positionEnd")),
            ("openOrderEnd", partial(self._on_end, "openOrderEnd")),
        ):
            session.listen(callback, listener)
        session.connect()

    @property
    def account(self) -> str:
        """Whose position he looks at."""
        return self.session.account

    @property
    def connected(self) -> bool:
        """Whether he can ask."""
        return self.session.connected

    def idle(self, seconds: float) -> None:
        """Let the connection live for so long; what it has to say beside his own questions is nobody's business here.

        Raises:
            SourceUnreachable: the connection is lost.
        """
        end_s = self.session.clock.wall_s() + seconds
        while True:
            if not self.session.connected:
                raise SourceUnreachable("the connection to the gateway is lost")
            self.session.pump(max(end_s - self.session.clock.wall_s(), 0))  # which returns early when something came
            self.session.inputs.clear()
            if self.session.clock.wall_s() >= end_s:
                return

    def close(self) -> None:
        """Hang up."""
        self.session.close()

    # --- looking ---------------------------------------------------------------------------------------------------

    def look(self) -> Known[Seen] | Unknown:
        """Positions of the instrument and all open orders of the account, asked for now."""
        self._holdings, self._orders = {}, {}
        answer = self.session.ask(self._ask())
        self.session.inputs.clear()
        if isinstance(answer, Unknown):
            return answer
        mine = self.instrument.symbol
        orders = sorted(self._orders.values(), key=lambda one: one.perm_id)
        return Known(
            Seen(
                holdings=tuple(one for one in self._holdings.values() if one.qty),
                orders=tuple(one for one in orders if one.symbol == mine),
                others=tuple(one for one in orders if one.symbol != mine),
            )
        )

    async def _ask(self) -> None:
        client = self._client()
        self._ends = {name: self.session.loop.create_future() for name in ("positionEnd", "openOrderEnd")}
        client.reqAllOpenOrders()
        client.reqPositions()
        await asyncio.gather(*self._ends.values())

    def _client(self) -> Any:
        if not self.session.connected:
            raise ConnectionError("not connected")
        return self.session.ib.client

    def touch(self, con_id: int, wait_s: float) -> tuple[float, float] | None:
        """Bid and ask in points, None where the broker does not tell both within so many seconds."""
        client = self.session.ib.client
        self._touch, self._quotes = {}, client.getReqId()
        client.reqMktData(self._quotes, self._contract(con_id), "", True, False, [])
        self._until(lambda: len(self._touch) == 2, wait_s)
        client.cancelMktData(self._quotes)
        self._quotes = -1
        if len(self._touch) < 2 or self._touch[_BID] > self._touch[_ASK]:
            return None
        return self._touch[_BID], self._touch[_ASK]

    # --- acting ----------------------------------------------------------------------------------------------------

    def cancel_everything(self) -> None:
        """Withdraw every order of the account, whoever placed it: one message (reqGlobalCancel)."""
        self._client().reqGlobalCancel()
        self.idle(_TURN_S)

    def cancel_own(self, orders: tuple[Working, ...]) -> None:
        """Withdraw orders of this very client id."""
        for one in orders:
            self._client().cancelOrder(one.order_id)
        self.idle(_TURN_S)

    def close_position(self, holding: Holding, limit_points: float | None) -> Sent:
        """One order against a position: an immediate-or-cancel limit, or one at the market. It is not waited for."""
        client = self._client()
        self._number += 1
        sent = Sent(order_id=client.getReqId(), executions=[])
        self._sent[sent.order_id] = sent
        terms: dict[str, Any] = {"orderType": "MKT", "tif": "DAY"}
        if limit_points is not None:
            terms = {"orderType": "LMT", "tif": "IOC", "lmtPrice": limit_points}
        order = self.session.lib.Order(
            action="SELL" if holding.qty > 0 else "BUY",
            totalQuantity=abs(holding.qty),
            outsideRth=True,
            account=self.account,
            orderRef=f"{REFERENCE}-{self._number}",
            **terms,
        )
        client.placeOrder(sent.order_id, self._contract(holding.con_id), order)
        return sent

    def wait_for(self, sent: Sent, seconds: float) -> None:
        """Until it can fill no more, or so many seconds are over."""
        self._until(lambda: sent.over, seconds)

    def _contract(self, con_id: int) -> Any:
        instrument = self.instrument  # a position comes without its exchange
        return self.session.lib.Contract(
            conId=con_id, secType=instrument.security_type, exchange=instrument.exchange, currency=instrument.currency
        )

    def _until(self, done: Callable[[], bool], seconds: float) -> None:
        """Raises SourceUnreachable when the connection ends meanwhile."""
        end_s = self.session.clock.wall_s() + seconds
        while not done() and self.session.clock.wall_s() < end_s:
            self.idle(_TURN_S)

    # --- what comes ------------------------------------------------------------------------------------------------

    def _on_end(self, name: str, *_arguments: Any) -> None:
        end = self._ends.get(name)
        if end is not None and not end.done():
            end.set_result(None)

    def _on_position(self, account: str, contract: Any, qty: float, _average: float) -> None:
        mine = account == self.session.account and contract.symbol == self.instrument.symbol
        if mine and contract.secType == self.instrument.security_type:
            row = Holding(con_id=contract.conId, name=contract.localSymbol or str(contract.conId), qty=int(qty))
            self._holdings[row.con_id] = row

    def _on_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        if order.whatIf or order.account not in {self.session.account, ""} or state.status in broker_rows.ENDED:
            self._orders.pop(order.permId, None)
            return
        self._orders[order.permId] = Working(
            order_id=order_id,
            perm_id=order.permId,
            client_id=order.clientId,
            con_id=contract.conId,
            symbol=contract.symbol if contract.secType == self.instrument.security_type else "",
            order_ref=order.orderRef,
            status=state.status,
        )

    def _on_status(self, order_id: int, status: str, filled: float, *more: Any) -> None:
        perm_id, client_id = more[2], more[5]
        if status in broker_rows.ENDED:
            self._orders.pop(perm_id, None)
        sent = self._sent.get(order_id)
        if sent is not None and client_id == self.session.settings.client_id:
            # Executions may come later than the status that counts them.
            sent.filled = max(sent.filled, int(filled))
            if status in broker_rows.ENDED:
                sent.over, sent.why = True, sent.why or status

    def _on_execution(self, _request_id: int, _contract: Any, row: Any) -> None:
        sent = self._sent.get(row.orderId)
        if sent is None or row.clientId != self.session.settings.client_id:
            return
        stem = row.execId.rsplit(".", 1)[0]
        if stem not in sent.executions:
            sent.executions.append(stem)
            sent.filled = max(sent.filled, int(row.cumQty))

    def _on_error(self, request_id: int, code: int, text: str, *_more: Any) -> None:
        sent = self._sent.get(request_id)
        if sent is not None:
            sent.why = f"{code} {text}"

    def _on_price(self, request_id: int, kind: int, price: float, _size: float, *_more: Any) -> None:
        if request_id == self._quotes and kind in {_BID, _ASK} and price > 0:
            self._touch[kind] = price


def cancel_as(settings: IbkrSettings, instrument: Instrument) -> int:
    """Withdraw the orders of another client id by being that client for a moment; how many there were.

    Only for the id of a process that has ended: its orders are those of whoever has the id.

    Raises:
        SourceUnreachable: the id is still taken, or the broker does not answer.
        UsageError: the login does not have the account.
    """
    link = Rescue(settings, instrument)
    try:
        seen = link.look()
        if isinstance(seen, Unknown):
            raise SourceUnreachable(
                f"the broker does not list the orders of client {settings.client_id}: {seen.reason}"
            )
        own = tuple(one for one in seen.data.orders if one.client_id == settings.client_id)
        link.cancel_own(own)
        return len(own)
    finally:
        link.close()
