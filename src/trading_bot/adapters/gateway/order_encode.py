"""Messages about orders and executions, as the fields of S> 3, 5, 11, 59, 101.

Each function gives the values of one message for a client's version; `Client.send(*values)` writes them. What a plain
order of a future has no value for is sent as both libraries read their own defaults (docs/gateway.md).
"""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.order_decode import (
    VERSION_AUTO_CANCEL_PARENT,
    VERSION_NO_FA_PROFILE,
    VERSION_PEGS,
    VERSION_POST_TO_ATS,
)
from trading_bot.adapters.gateway.orders import Execution, OrderView, average_points

UNSET: Final = "1.7976931348623157E308"  # a number without a value, where the field must not be empty
ZONE_NAME: Final = "US/Central"
VERSION_OPEN_ORDER_DURATION: Final = 159
VERSION_PENDING_PRICE_REVISION: Final = 178
UUSD: Final = 1_000_000
_ZONE: Final = ZoneInfo(ZONE_NAME)

Values = tuple[object, ...]


class Margins(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a what-if tells, in micro-dollars: before the order, after it, and its commission."""

    initial_before: int
    maintenance_before: int
    equity_before: int
    initial_after: int
    maintenance_after: int
    equity_after: int
    commission: int


def time_text(ts_ns: int) -> str:
    """Exchange time as executions carry it: `20261125 08:20:00 US/Central`."""
    return f"{datetime.fromtimestamp(ts_ns // 1_000_000_000, _ZONE):%Y%m%d %H:%M:%S} {ZONE_NAME}"


def fixed(uusd: int) -> str:
    """Micro-dollars as dollars and cents."""
    sign, cents = "-" if uusd < 0 else "", (abs(uusd) + 5_000) // 10_000
    return f"{sign}{cents // 100}.{cents % 100:02d}"


def contract_values(listed: Listed, exchange: str, right: str = "?") -> Values:
    """The eleven contract fields of orders and executions."""
    row = listed.instrument
    head = (listed.con_id, row.symbol, row.security_type, str(listed.expiry), 0, right, listed.multiplier)
    return (*head, exchange, row.currency, listed.local_symbol, row.symbol)


def order_status(view: OrderView) -> Values:
    """S> 3."""
    tail = (view.perm_id, view.parent_id, view.last_fill_points, view.client_id, view.why_held, 0)
    return (3, view.order_id, view.status, view.filled, view.remaining, view.avg_fill_points, *tail)


def _terms(view: OrderView) -> Values:
    """Action to open/close, as orders are told."""
    request = view.request
    prices = (request.order_type, view.limit_points, view.aux_points, view.tif)
    return (request.action, view.total, *prices, view.oca_group, view.account)


def _fa_profile(version: int) -> Values:
    return ("",) if version < VERSION_NO_FA_PROFILE else ()


def _pegs(version: int) -> Values:
    return ("", "", "", "", "") if version >= VERSION_PEGS else ()


def open_order(view: OrderView, version: int, margins: Margins | None = None) -> Values:
    """S> 5; with `margins` the answer to a what-if."""
    request = view.request
    values: list[object] = [5, view.order_id, *contract_values(view.listed, view.listed.instrument.exchange)]
    values += [*_terms(view), "", request.origin, request.order_ref, view.client_id, view.perm_id]
    values += [request.outside_rth, False, 0, "", "", "", "", "", *_fa_profile(version)]
    values += ["", request.good_till, "", "", "", 0, "", -1]  # model code to exempt code
    values += [0, "", "", "", "", "", 0, False, False, False, "", view.oca_type]  # auction strategy to OCA type
    values += [False, False, "", view.parent_id, request.trigger_method, "", 0, "None", ""]
    values += [0, "", "", "", "?", False, 0, "", False, 0]  # delta-neutral fields, continuous update, reference price
    values += [view.trail_stop_points, request.trailing_percent, "", "", "", 0, 0, 0]  # to the smart routing parameters
    values += ["", "", "", "", False, "", "IB", False, False, "", False]  # scale to solicited
    values += [margins is not None, view.status, *_margin_values(margins), False, False, 0]
    values += ["None", "", view.trail_stop_points, "", "", "", "", 0, "", "", "", 0, False, False, "", False]
    if version >= VERSION_OPEN_ORDER_DURATION:
        values.append("")
    if version >= VERSION_POST_TO_ATS:
        values.append("")
    if version >= VERSION_AUTO_CANCEL_PARENT:
        values.append(request.auto_cancel_parent)
    return (*values, *_pegs(version))


def _margin_values(margins: Margins | None) -> Values:
    """Nine margins, three commissions, currency and warning."""
    if margins is None:
        return (*[UNSET] * 9, "", "", "", "", "")
    before = (margins.initial_before, margins.maintenance_before, margins.equity_before)
    after = (margins.initial_after, margins.maintenance_after, margins.equity_after)
    change = tuple(b - a for a, b in zip(before, after, strict=True))
    texts = [fixed(value) for value in (*before, *change, *after)]
    return (*texts, margins.commission / UUSD, "", "", "USD", "")


def completed_order(view: OrderView, version: int) -> Values:
    """S> 101."""
    request = view.request
    values: list[object] = [101, *contract_values(view.listed, view.listed.instrument.exchange)]
    values += [*_terms(view), "", request.origin, request.order_ref, view.perm_id]
    values += [request.outside_rth, False, 0, "", "", "", "", *_fa_profile(version)]
    values += ["", request.good_till, "", "", "", 0, "", -1]  # model code to exempt code
    values += ["", "", "", "", "", 0, False, False, "", view.oca_type, request.trigger_method]
    values += ["", 0, "None", "", 0, False, 0, ""]  # volatility to the delta-neutral fields
    values += [False, 0, view.trail_stop_points, request.trailing_percent, "", 0, 0, 0]
    values += ["", "", "", "", "", "IB", False, False, "", False]  # scale to solicited
    values += [view.status, False, False, 0]
    values += [view.trail_stop_points, "", 0, False, False, "", view.filled, 0, False, "", False, False]
    completed = time_text(view.completed_ns) if view.completed_ns else ""
    return (*values, view.parent_perm_id, completed, view.completed_text, *_pegs(version))


def exec_details(execution: Execution, listed: Listed, req_id: int, version: int) -> Values:
    """S> 11; `req_id` -1 when nobody asked."""
    side = "BOT" if execution.side > 0 else "SLD"
    values: list[object] = [11, req_id, execution.order_id, *contract_values(listed, execution.exchange, right="")]
    values += [execution.exec_id, time_text(execution.ts_ns), execution.account, execution.exchange, side]
    values += [execution.qty, listed.instrument.points(execution.price_ticks), execution.perm_id, execution.client_id]
    average = average_points(listed.instrument, execution.value_ticks, execution.cum_qty)
    values += [0, execution.cum_qty, average, execution.order_ref, "", "", "", 1 if execution.maker else 2]
    if version >= VERSION_PENDING_PRICE_REVISION:
        values.append(False)
    return tuple(values)


def commission_report(execution: Execution, value: str = "") -> Values:
    """S> 59; `value` in place of the commission, where one is given."""
    realized = UNSET if execution.realized_uusd is None else execution.realized_uusd / UUSD
    return (59, 1, execution.exec_id, value or execution.commission_uusd / UUSD, "USD", realized, UNSET, 0)
