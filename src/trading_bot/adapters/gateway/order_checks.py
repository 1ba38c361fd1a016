"""Why an order is refused: by the gateway before it leaves, or by the broker. Codes as public lists have them.

A refusal is a code and its text; None lets the order pass.
"""

from collections.abc import Callable, Iterable
from typing import Final

from trading_bot.adapters.gateway.account import Account
from trading_bot.adapters.gateway.contracts import Listed
from trading_bot.adapters.gateway.order_decode import OrderRequest
from trading_bot.adapters.gateway.order_encode import fixed
from trading_bot.adapters.gateway.orders import ORDER_TYPES, TIFS, Order

Refusal = tuple[int, str]

ACTIVE_PER_SIDE_MAX: Final = 20  # active orders of one contract, side and account (field notes C)
LOTS_MAX: Final = 1_000
OCA_TYPES: Final = (0, 1, 2, 3)
NO_CONTRACT: Final = (200, "No security definition has been found for the request")
DUPLICATE_ID: Final = (103, "Duplicate order id")
MODIFY_FILLED: Final = (104, "Cannot modify a filled order.")
MISMATCH: Final = (105, "Order being modified does not match original order")
GRID: Final = (110, "The price does not conform to the minimum price variation for this contract.")
MISSING_PARENT: Final = (10006, "Missing parent order.")
OCA_REVISION: Final = (10326, "OCA group revision is not allowed")
TIF_PRESET: Final = (10349, "Order TIF was set to DAY based on order preset.")
_LIMITED: Final = frozenset({"LMT", "STP LMT"})
_WITH_AUX: Final = frozenset({"STP", "STP LMT", "TRAIL"})


def invalid(cause: str) -> Refusal:
    """321, as the gateway words it."""
    return 321, f"Error validating request.-'placeOrder' : cause - {cause}"


def _contract(request: OrderRequest, _account: str) -> Refusal | None:
    if request.contract.security_type != "FUT":
        return invalid(f"The security type {request.contract.security_type!r} cannot be ordered")
    return None if request.contract.exchange else invalid("Missing order exchange.")


def _terms(request: OrderRequest, account: str) -> Refusal | None:
    if request.action not in {"BUY", "SELL"}:
        return invalid(f"Invalid action {request.action!r}")
    if request.tif and request.tif not in TIFS:
        return invalid(f"Invalid time in force {request.tif!r}: gateway-sim knows {', '.join(sorted(TIFS))}")
    if request.account not in {"", account}:
        return invalid(f"Invalid account code '{request.account}'.")
    if request.oca_type not in OCA_TYPES:
        return invalid(f"Invalid OCA type {request.oca_type}")
    if request.unsupported:
        return invalid(f"gateway-sim does not know {', '.join(request.unsupported)}")
    return None


def _size(request: OrderRequest, _account: str) -> Refusal | None:
    if request.qty < 1:
        return 388, f"Order size {request.qty:g} is smaller than the minimum required size of 1."
    if request.qty != int(request.qty):
        return 10243, "Fractional-sized order cannot be placed via API. Please contact the support."
    return None


def _type(request: OrderRequest, _account: str) -> Refusal | None:
    if request.order_type not in ORDER_TYPES:
        return 387, "Unsupported order type for this exchange and security type."
    if request.order_type == "TRAIL" and request.trailing_percent is not None:
        return invalid("gateway-sim trails by an amount only")
    return None


def _present(request: OrderRequest, _account: str) -> Refusal | None:
    if request.order_type in _LIMITED and not (request.limit_points or 0) > 0:
        return invalid("The limit price is missing or not above 0")
    if request.order_type in _WITH_AUX and not (request.aux_points or 0) > 0:
        return 403, "Invalid stop price."
    return None


_CHECKS: Final[tuple[Callable[[OrderRequest, str], Refusal | None], ...]] = (_contract, _terms, _size, _type, _present)


def before_leaving(request: OrderRequest, listed: Listed | None, account: str) -> Refusal | None:
    """What the gateway itself refuses, in a placement and in a change."""
    if listed is None:
        return NO_CONTRACT
    for check in _CHECKS:
        refusal = check(request, account)
        if refusal is not None:
            return refusal
    used = [request.limit_points] if request.order_type in _LIMITED else []
    used += [request.aux_points] if request.order_type in _WITH_AUX else []
    used += [request.trail_stop_points] if request.order_type == "TRAIL" else []
    return None if all(on_grid(points, listed) for points in used if points is not None) else GRID


def on_grid(points: float, listed: Listed) -> bool:
    """Is a price in points a whole number of ticks, to a millionth of a tick?"""
    ticks = points * 1_000_000_000 / listed.instrument.tick_size_e9
    return abs(ticks - round(ticks)) < 1e-6


def of_change(order: Order, request: OrderRequest, listed: Listed | None) -> Refusal | None:
    """What a change may not change."""
    was = order.request
    if listed is None or listed.con_id != order.listed.con_id or request.action != was.action:
        return MISMATCH
    if request.parent_id != was.parent_id or request.account not in {"", was.account}:
        return MISMATCH
    if request.oca_group != was.oca_group or request.oca_type != was.oca_type:
        return OCA_REVISION
    return None


def by_the_broker(order: Order, live: Iterable[Order], account: Account, *, is_open: bool) -> Refusal | None:
    """What the servers refuse when the order arrives."""
    if order.asked > LOTS_MAX:
        return rejected(f"The size value {order.asked} exceeds the maximum of {LOTS_MAX}")
    if order.tif == "IOC" and not is_open:
        return rejected("The exchange is closed.")
    others = [one for one in live if one is not order]
    same = [one for one in others if one.listed.con_id == order.listed.con_id and one.side == order.side]
    if len(same) >= ACTIVE_PER_SIDE_MAX:
        return rejected(f"{ACTIVE_PER_SIDE_MAX} orders of this contract and side are active already")
    # A child and a member of an OCA group closes what the others open; a margin that grows is asked of the rest.
    if order.parent is not None or order.group:
        return None
    entries = [one for one in others if one.parent is None and not one.group]
    before, after = account.margin_uusd(entries), account.margin_uusd([*entries, order])
    if after > before and after > account.equity_uusd:
        return rejected(
            "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE "
            f"[{fixed(account.equity_uusd)} USD] MUST EXCEED THE INITIAL MARGIN [{fixed(after)} USD]"
        )
    return None


def rejected(reason: str) -> Refusal:
    """201, as the gateway words it."""
    return 201, f"Order rejected - reason:{reason}"
