"""Position and money as values: first-in-first-out lots in ticks, the account's own ledger in micro-dollars.

Integers throughout, so that realised and unrealised results add up to the tick whatever the order of fills. The
broker's equity is read once a day; from there on equity is that start plus what this bot earned (specification 8.2):
deposits and positions of others move nothing here.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from trading_bot.domain.errors import CoreBug
from trading_bot.domain.orders import Side


class FillKind(StrEnum):
    """What a fill does to a position."""

    OPEN = "OPEN"
    ADD = "ADD"
    REDUCE = "REDUCE"
    CLOSE = "CLOSE"
    FLIP = "FLIP"


class Lot(msgspec.Struct, frozen=True, gc=False):
    """Contracts entered at one price by one fill. `qty` is at least 1 on either side of the market."""

    price_ticks: int
    qty: int
    ts_ns: int


class Position(msgspec.Struct, frozen=True, gc=False):
    """Signed contracts (negative is short) and the lots they consist of, oldest first, all on the same side.

    Contracts that only the broker knew of have no lot: what they cost is unknown, and they are no result of ours.
    """

    qty: int = 0
    lots: tuple[Lot, ...] = ()

    @property
    def sign(self) -> int:
        """+1 long, -1 short, 0 flat."""
        return _sign(self.qty)

    @property
    def cost_ticks(self) -> int:
        """Sum of entry price times contracts, unsigned: divided by `abs(qty)` it is the average entry price."""
        return sum(lot.price_ticks * lot.qty for lot in self.lots)

    @property
    def cost_known(self) -> bool:
        """Whether every contract has its lot."""
        return sum(lot.qty for lot in self.lots) == abs(self.qty)


FLAT: Final = Position()


class StopCover(msgspec.Struct, frozen=True, gc=False):
    """Contracts that a working stop would close, and its trigger price in ticks."""

    price_ticks: int
    qty: int


class Excursion(msgspec.Struct, frozen=True, gc=False):
    """Best and worst price since entry, in ticks, as the position sees them: a short's best is the lowest."""

    best_ticks: int
    worst_ticks: int

    def with_mark(self, sign: int, mark_ticks: int) -> "Excursion":
        """After another price; `sign` is the position's."""
        if (mark_ticks - self.best_ticks) * sign > 0:
            return Excursion(mark_ticks, self.worst_ticks)
        if (mark_ticks - self.worst_ticks) * sign < 0:
            return Excursion(self.best_ticks, mark_ticks)
        return self


def fill_kind(position_qty: int, side: Side, qty: int) -> FillKind:
    """What a fill of `qty` contracts does to a position of signed `position_qty`.

    Raises:
        CoreBug: `qty` is not positive.
    """
    if qty < 1:
        raise CoreBug(f"a fill of {qty} contracts: expected 1 or more, the side says the direction")
    if position_qty == 0:
        return FillKind.OPEN
    if _sign(position_qty) == side_sign(side):
        return FillKind.ADD
    open_qty = abs(position_qty)
    if qty < open_qty:
        return FillKind.REDUCE
    return FillKind.CLOSE if qty == open_qty else FillKind.FLIP


def apply_fill(position: Position, side: Side, qty: int, price_ticks: int, ts_ns: int) -> tuple[Position, int]:
    """The position after a fill, and what the fill realised in ticks × contracts, before costs.

    Oldest lots close first. A flip closes all and opens the rest on the other side at the fill's price.

    Raises:
        CoreBug: `qty` is not positive.
    """
    kind = fill_kind(position.qty, side, qty)
    after_qty = position.qty + side_sign(side) * qty
    if kind in (FillKind.OPEN, FillKind.ADD):
        return Position(after_qty, (*position.lots, Lot(price_ticks, qty, ts_ns))), 0
    closed, left = split_lots(position.lots, qty)
    realised_ticks = sum((price_ticks - lot.price_ticks) * lot.qty for lot in closed) * position.sign
    if kind is FillKind.FLIP:
        left = (Lot(price_ticks, abs(after_qty), ts_ns),)
    return Position(after_qty, left), realised_ticks


def split_lots(lots: tuple[Lot, ...], qty: int) -> tuple[tuple[Lot, ...], tuple[Lot, ...]]:
    """Lots that closing `qty` contracts takes, and those it leaves; a lot that is cut stands on both sides.

    More than there is takes all.
    """
    for index, lot in enumerate(lots):
        if qty < lot.qty:
            taken = (Lot(lot.price_ticks, qty, lot.ts_ns),) if qty else ()
            return (*lots[:index], *taken), (Lot(lot.price_ticks, lot.qty - qty, lot.ts_ns), *lots[index + 1 :])
        qty -= lot.qty
    return lots, ()


def with_quantity(position: Position, qty: int) -> Position:
    """The position as the broker has it: the newest lots stay as far as they go, the rest has no known cost."""
    if _sign(qty) != position.sign:
        return Position(qty)
    closed = max(sum(lot.qty for lot in position.lots) - abs(qty), 0)
    return Position(qty, split_lots(position.lots, closed)[1])


def unrealised_ticks(position: Position, mark_ticks: int) -> int:
    """Result in ticks × contracts of closing everything at `mark_ticks`, before costs."""
    return position.qty * mark_ticks - position.sign * position.cost_ticks


def worst_ticks(position: Position, mark_ticks: int, stops: Sequence[StopCover]) -> int | None:
    """Result in ticks × contracts if every stop is hit at its trigger, and not above the result at the mark.

    Positive once the stops lock a profit. None when contracts have no stop: that risk is unknown. Stops for more than
    the position count by their worst prices.
    """
    left, value_ticks, sign = abs(position.qty), 0, position.sign
    for stop in sorted(stops, key=lambda cover: cover.price_ticks * sign):
        taken = min(stop.qty, left)
        value_ticks += stop.price_ticks * taken
        left -= taken
    if left:
        return None
    at_stops = sign * (value_ticks - position.cost_ticks)
    # Beyond the trigger (a gap) the stop saves nothing any more.
    return min(at_stops, unrealised_ticks(position, mark_ticks))


class Account(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The ledger, micro-dollars.

    `day_start_uusd` and `week_start_uusd` are net liquidation when day and week began; `gross_uusd` and `fees_uusd` are
    realised today; `closed_uusd` is this bot's net result of earlier days, `week_closed_uusd` the part of it that
    belongs to this week; `peak_uusd` is the highest equity, in today's money (see `next_day`). `day_high_uusd` is the
    best result of the day, not below 0; `month_start_uusd` and `month_closed_uusd` are as the week's, and a month that
    was not recorded (0) began with the week.
    """

    day_start_uusd: int
    week_start_uusd: int
    peak_uusd: int
    gross_uusd: int = 0
    fees_uusd: int = 0
    closed_uusd: int = 0
    week_closed_uusd: int = 0
    day_high_uusd: int = 0
    month_start_uusd: int = 0
    month_closed_uusd: int = 0

    @property
    def net_uusd(self) -> int:
        """Realised today, after fees."""
        return self.gross_uusd - self.fees_uusd

    def equity_uusd(self, unrealised_uusd: int) -> int:
        """Day-start net liquidation plus own result: what breakers look at."""
        return self.day_start_uusd + self.net_uusd + unrealised_uusd

    def own_uusd(self, unrealised_uusd: int) -> int:
        """Everything this bot ever earned: a curve that neither deposits nor a new day bend."""
        return self.closed_uusd + self.net_uusd + unrealised_uusd

    def week_uusd(self, unrealised_uusd: int) -> int:
        """Own result of this week."""
        return self.week_closed_uusd + self.net_uusd + unrealised_uusd

    def month_uusd(self, unrealised_uusd: int) -> int:
        """Own result of this month."""
        return self.month_closed_uusd + self.net_uusd + unrealised_uusd

    @property
    def month_base_uusd(self) -> int:
        """Net liquidation when the month began."""
        return self.month_start_uusd or self.week_start_uusd


def open_account(net_liquidation_uusd: int) -> Account:
    """A ledger that starts now."""
    return Account(
        day_start_uusd=net_liquidation_uusd,
        week_start_uusd=net_liquidation_uusd,
        month_start_uusd=net_liquidation_uusd,
        peak_uusd=net_liquidation_uusd,
    )


def with_fill(account: Account, realised_ticks: int, fee_uusd: int, tick_value_uusd: int) -> Account:
    """After a fill: its realised ticks × contracts and the commission of its own side (negative: a rebate)."""
    return msgspec.structs.replace(
        account,
        gross_uusd=account.gross_uusd + realised_ticks * tick_value_uusd,
        fees_uusd=account.fees_uusd + fee_uusd,
    )


def marked(account: Account, unrealised_uusd: int) -> Account:
    """After a mark: peak and high of the day rise with the equity and never fall with it."""
    equity_uusd, day_uusd = account.equity_uusd(unrealised_uusd), account.net_uusd + unrealised_uusd
    if equity_uusd <= account.peak_uusd and day_uusd <= account.day_high_uusd:
        return account
    return msgspec.structs.replace(
        account,
        peak_uusd=max(equity_uusd, account.peak_uusd),
        day_high_uusd=max(day_uusd, account.day_high_uusd),
    )


def next_day(
    account: Account, net_liquidation_uusd: int, *, new_week: bool, new_month: bool = False, unrealised_uusd: int = 0
) -> Account:
    """The ledger of the next session, which starts from the broker's net liquidation.

    The peak is rescaled so that the drawdown stays the same share of it: money that came or went overnight moves no
    breaker. `unrealised_uusd` is that of a position carried over; it is in the net liquidation already.
    """
    account = marked(account, unrealised_uusd)
    equity_uusd = account.equity_uusd(unrealised_uusd)
    if equity_uusd > 0 and net_liquidation_uusd > 0:
        # Rounded up: a division must not forgive a part of the drawdown.
        peak_uusd = -(-net_liquidation_uusd * account.peak_uusd // equity_uusd)
    else:
        peak_uusd = net_liquidation_uusd + account.peak_uusd - equity_uusd
    day_start_uusd = net_liquidation_uusd - unrealised_uusd
    return Account(
        day_start_uusd=day_start_uusd,
        week_start_uusd=day_start_uusd if new_week else account.week_start_uusd,
        peak_uusd=peak_uusd,
        closed_uusd=account.closed_uusd + account.net_uusd,
        week_closed_uusd=0 if new_week else account.week_closed_uusd + account.net_uusd,
        month_start_uusd=day_start_uusd if new_month else account.month_base_uusd,
        month_closed_uusd=0 if new_month else account.month_closed_uusd + account.net_uusd,
    )


def rebased(account: Account, unrealised_uusd: int) -> Account:
    """The peak set to the equity of now: what a person accepts who clears the drawdown breaker."""
    return msgspec.structs.replace(account, peak_uusd=account.equity_uusd(unrealised_uusd))


def side_sign(side: Side) -> int:
    """+1 for a buy, -1 for a sale."""
    return 1 if side is Side.BUY else -1


def exit_side(position_qty: int) -> Side:
    """The side that brings a position to zero.

    Raises:
        CoreBug: there is no position.
    """
    if position_qty == 0:
        raise CoreBug("a position of 0 has no exit side: ask before building an exit order")
    return Side.SELL if position_qty > 0 else Side.BUY


def _sign(qty: int) -> int:
    return (qty > 0) - (qty < 0)
