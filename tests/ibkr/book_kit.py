"""An order book and a broker's messages about one bracket, as the client library would bring them."""

from trading_bot.adapters.ibkr.broker_rows import Completed, Execution, OpenOrder, Status
from trading_bot.adapters.ibkr.fill_ledger import FillLedger
from trading_bot.adapters.ibkr.order_book import OrderBook
from trading_bot.adapters.ibkr.order_index import Incarnation, OrderIndex
from trading_bot.adapters.ibkr.references import Reference, log_tag
from trading_bot.domain.orders import Leg, Side

CLIENT, CON_ID, ACCOUNT = 5, 654, "DU1"
TAG = log_tag("run", 20261123)
ID = (42, 0)
ADDRESS = {Leg.ENTRY: 11, Leg.TARGET: 12, Leg.STOP: 13, Leg.EXIT: 14}
PERM = {Leg.ENTRY: 901, Leg.TARGET: 902, Leg.STOP: 903, Leg.EXIT: 904}
PRICE = {Leg.ENTRY: 27_201, Leg.TARGET: 27_212, Leg.STOP: 27_192, Leg.EXIT: 27_190}
ESTIMATE_UUSD = 1_250_000
ACK_S = 4.0


def side(leg):
    return Side.BUY if leg is Leg.ENTRY else Side.SELL


def reference(leg, order_id=ID, tag=TAG):
    return Reference(tag, order_id, leg)


class Desk:
    """A book, a clock by hand, and everything told."""

    def __init__(self, qty=1, *, place=True):
        self.index = OrderIndex(CLIENT, lambda: TAG)
        self.book = OrderBook(self.index, FillLedger(ESTIMATE_UUSD), ACK_S)
        self.now_s = 100.0
        self.told = []
        self.qty = qty
        if place:
            for leg in (Leg.ENTRY, Leg.TARGET, Leg.STOP):
                self.send(leg)

    def send(self, leg, *, address=None, price=None):
        order = Incarnation(
            order_id=address or ADDRESS[leg],
            side=side(leg),
            asked=self.qty,
            total=self.qty,
            price_ticks=price or PRICE[leg],
            parent_id=0 if leg in (Leg.ENTRY, Leg.EXIT) else ADDRESS[Leg.ENTRY],
            oca_group="" if leg is Leg.ENTRY else reference(leg).group,
            oca_type=1,
        )
        self.book.sent(reference(leg), order, self.now_s)
        return order

    def leg(self, leg):
        return self.index.leg(ID, leg)

    def hear(self, *rows):
        for row in rows:
            self.told += self._take(row)
        return self.told

    def _take(self, row):
        match row:
            case OpenOrder():
                return self.book.open_order(row, self.now_s)
            case Status():
                return self.book.status(row, self.now_s)
            case Execution():
                return self.book.execution(row, self.now_s)
            case ("commission", exec_id, amount):
                return self.book.commission(exec_id, amount, "USD")
            case ("error", leg, code, text):
                return self.book.error(ADDRESS[leg], code, text, self.now_s)
        raise AssertionError(row)

    def pass_s(self, seconds):
        self.now_s += seconds
        self.told += self.book.due(self.now_s)

    def of(self, kind, leg=None):
        return [event for event in self.told if isinstance(event, kind) and (leg is None or event.leg is leg)]


def open_order(leg, status, *, total=1, perm=None, address=None, ref=None, client=CLIENT, price=None):
    return OpenOrder(
        order_id=address or ADDRESS[leg],
        client_id=client,
        perm_id=perm or PERM[leg],
        order_ref=ref or str(reference(leg)),
        side=side(leg),
        total=total,
        price_ticks=price or PRICE[leg],
        status=status,
        parent_id=0,
        oca_group="",
        oca_type=1,
        con_id=CON_ID,
        account=ACCOUNT,
    )


def status(leg, text, *, filled=0, remaining=1, why="", perm=None, address=None, client=CLIENT):
    return Status(
        order_id=address or ADDRESS[leg],
        client_id=client,
        perm_id=PERM[leg] if perm is None else perm,
        status=text,
        filled=filled,
        remaining=remaining,
        why_held=why,
    )


def execution(leg, number=1, *, qty=1, price=None, rank=1, perm=None, live=True, ref=None, client=CLIENT):
    return Execution(
        exec_id=f"0000e1a7.{number:08d}.01.{rank:02d}",
        order_id=ADDRESS[leg],
        client_id=client,
        perm_id=PERM[leg] if perm is None else perm,
        order_ref=ref or str(reference(leg)),
        side=side(leg),
        qty=qty,
        price_ticks=price or PRICE[leg],
        live=live,
    )


def commission(row, usd=0.62):
    return ("commission", row.exec_id, usd)


def error(leg, code, text="text"):
    return ("error", leg, code, text)


def completed(leg, text):
    return Completed(perm_id=PERM[leg], order_ref=str(reference(leg)), status=text, why=text)
