"""Executions: booked once, kept for the day, told to whoever asks, whatever happened to connections meanwhile."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import structs

from trading_bot.adapters.gateway.account import Account
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.orders import Execution, Order
from trading_bot.domain.units import NS_PER_S

ZONE: Final = ZoneInfo("US/Central")
_SIDES: Final = {"": 0, "BUY": 1, "BOT": 1, "SELL": -1, "SLD": -1, "SSHORT": -1}


class ExecutionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What reqExecutions asks for: empty or 0 is everything. `since_ns` excludes what is earlier."""

    client_id: int = 0
    account: str = ""
    since_ns: int = 0
    symbol: str = ""
    security_type: str = ""
    exchange: str = ""
    side: int = 0


class ExecutionBook:
    """All executions of the account, in the order they happened."""

    def __init__(self, account: Account, seed: int, fee_per_side_uusd: int) -> None:
        self._account = account
        self._seed = seed
        self._fee_uusd = fee_per_side_uusd
        self.rows: list[Execution] = []
        self.on_booked: Callable[[Execution], None] | None = None  # hears of each new one
        self._count = 0
        self._listed: dict[int, Listed] = {}

    def book(self, order: Order, ts_ns: int, qty: int, price_ticks: int, *, maker: bool) -> Execution:
        """One fill into the account's books; `order` has it already."""
        fee_uusd = self._fee_uusd * qty
        realized = self._account.fill(order.listed, order.side, qty, price_ticks, fee_uusd)
        self._listed[order.listed.con_id] = order.listed
        self._count += 1
        execution = Execution(
            exec_id=f"{self._seed & 0xFFFFFFFF:08x}.{self._count:08x}.01.01",
            ts_ns=ts_ns,
            order_id=order.order_id,
            client_id=order.client_id,
            perm_id=order.perm_id,
            con_id=order.listed.con_id,
            symbol=order.listed.instrument.symbol,
            account=self._account.name,
            exchange=order.listed.instrument.exchange,
            side=order.side,
            qty=qty,
            price_ticks=price_ticks,
            cum_qty=order.filled,
            value_ticks=order.value_ticks,
            order_ref=order.request.order_ref,
            maker=maker,
            commission_uusd=fee_uusd,
            realized_uusd=realized,
        )
        self.rows.append(execution)
        if self.on_booked is not None:
            self.on_booked(execution)
        return execution

    def correct(self, exec_id: str, price_ticks: int) -> Execution:
        """Another price for a booked execution, whose row it replaces; the account is booked anew.

        Raises KeyError for an execution that never was.
        """
        places = [place for place, row in enumerate(self.rows) if row.exec_id == exec_id]
        if not places:
            raise KeyError(exec_id)
        stem, number = exec_id.rsplit(".", 1)
        row = self.rows[places[0]]
        value_ticks = row.value_ticks + row.qty * (price_ticks - row.price_ticks)
        corrected = structs.replace(
            row, exec_id=f"{stem}.{int(number) + 1:02d}", price_ticks=price_ticks, value_ticks=value_ticks
        )
        self.rows[places[0]] = corrected
        self._account.clear()
        for place, one in enumerate(self.rows):
            listed = self._listed[one.con_id]
            realized = self._account.fill(listed, one.side, one.qty, one.price_ticks, one.commission_uusd)
            self.rows[place] = structs.replace(one, realized_uusd=realized)
        return self.rows[places[0]]

    def matching(self, wanted: ExecutionFilter, now_ns: int) -> Iterator[Execution]:
        """Those of the current day (Chicago's) that the filter lets through."""
        today = _day(now_ns)
        for row in self.rows:
            kept = (
                (not wanted.client_id or row.client_id == wanted.client_id)
                and wanted.account in {"", row.account}
                and row.ts_ns >= wanted.since_ns
                and wanted.symbol in {"", row.symbol}
                and wanted.security_type in {"", "FUT"}
                and wanted.exchange in {"", row.exchange}
                and wanted.side in {0, row.side}
            )
            if kept and _day(row.ts_ns) == today:
                yield row


def _day(ts_ns: int) -> int:
    return datetime.fromtimestamp(ts_ns // NS_PER_S, ZONE).toordinal()


def side_of(text: str) -> int:
    """+1, -1, or 0 for any.

    Raises ValueError for what is no side.
    """
    side = _SIDES.get(text.upper())
    if side is None:
        raise ValueError(f"side {text!r}: expected BUY, SELL or nothing")
    return side


def since_ns(text: str) -> int:
    """The time of a filter: `20261125 08:30:00`, `20261125-08:30:00` (UTC), with a zone's name after it, or nothing.

    Raises ValueError for what is no time; a time without a zone is Chicago's.
    """
    if not text.strip():
        return 0
    utc = "-" in text[:9]
    day, time, *zone = text.replace("-", " ", 1).split()
    when = datetime.strptime(f"{day} {time}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007 (its zone comes next)
    try:
        where = ZoneInfo("UTC" if utc else zone[0] if zone else "US/Central")
    except (KeyError, OSError) as error:
        raise ValueError(f"time {text!r}: unknown zone") from error
    return int(when.replace(tzinfo=where).timestamp()) * NS_PER_S
