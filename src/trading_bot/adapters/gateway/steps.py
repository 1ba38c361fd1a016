"""What a step of a scenario may say, and what an action is made of."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

# Texts of messages as public documentation and reports give them; a step may bring its own.
NOTICES: Final[Mapping[int, str]] = MappingProxyType(
    {
        100: "Max rate of messages per second has been exceeded",
        101: "Max number of tickers has been reached",
        103: "Duplicate order id",
        104: "Cannot modify a filled order.",
        105: "Order being modified does not match original order",
        109: "The price is out of the range defined by the precautionary settings of this order type.",
        110: "The price does not conform to the minimum price variation for this contract.",
        161: "Cancel attempted when order is not in a cancellable state.",
        162: "Historical Market Data Service error message:Historical data request pacing violation",
        163: "The following order would violate price percentage constraints.",
        165: "Historical Market Data Service query message:HMDS server disconnect occurred",
        200: "No security definition has been found for the request",
        201: "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED",
        202: "Order Canceled - reason:",
        203: "The security is not available or allowed for this account.",
        317: "Market depth data has been RESET. Please empty deep book contents before applying any new entries.",
        321: "Error validating request.",
        326: "Unable to connect as the client id is already in use. Retry with a unique client id.",
        329: "Order modify failed. Cannot change to the new order type.",
        354: "Requested market data is not subscribed.",
        366: "No historical data query found for ticker id",
        399: "Order Message:\nWarning: your order will not be placed at the exchange until regular trading hours",
        404: "Order held while securities are located.",
        434: "The order size cannot be zero.",
        460: "No trading permissions.",
        502: "Couldn't connect to TWS. Confirm that API is enabled and connection port is the same on API client.",
        503: "The TWS is out of date and must be upgraded.",
        504: "Not connected",
        1100: "Connectivity between IBKR and Trader Workstation has been lost.",
        1101: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
        1102: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
        1300: "Socket port has been reset and this connection is being dropped.",
        2103: "Market data farm connection is broken:usfuture",
        2104: "Market data farm connection is OK:usfuture",
        2105: "HMDS data farm connection is broken:ushmds",
        2106: "HMDS data farm connection is OK:ushmds",
        2107: "HMDS data farm connection is inactive but should be available upon demand.ushmds",
        2108: "Market data farm connection is inactive but should be available upon demand.usfuture",
        2109: "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored",
        2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
        2157: "Sec-def data farm connection is broken:secdefnj",
        2158: "Sec-def data farm connection is OK:secdefnj",
        10089: "Requested market data requires additional subscription for API.",
        10090: "Part of requested market data is not subscribed.",
        10147: "OrderId that needs to be cancelled is not found.",
        10148: "OrderId that needs to be cancelled cannot be cancelled, state: PendingCancel.",
        10167: "Requested market data is not subscribed. Displaying delayed market data.",
        10168: "Requested market data is not subscribed. Delayed market data is not enabled.",
        10189: "Failed to request tick-by-tick data:no market data permissions",
        10190: "Max number of tick-by-tick requests has been reached.",
        10197: "No market data during competing live session",
        10225: "Bust event occurred, current subscription is deactivated. Please resubscribe real-time bars.",
        10289: "You must enable trading in the account to place this order.",
        10293: "You must have market data permissions to trade this product.",
        10349: "Order TIF was set to DAY based on order preset.",
    }
)
# These are about a request: each stream of a client gets its own, where the step names none.
OF_STREAMS: Final = frozenset({101, 317, 354, 10089, 10090, 10167, 10168, 10186, 10189, 10190, 10197, 10225})


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of a timeline: `do` what, `at_s` market seconds after the clock began.

    What else a row may carry depends on the action (`Action.takes`): `code`, `text` and `req_id` of a message, `ms` of
    market time, `wall_s` seconds of the wall, `lost` whether data subscriptions are, the `fields` of a frame, a `leg`
    (E entry, S stop, T target, X any other), `side` BUY or SELL, `qty` lots or a number, `ticks`, a price in `points`,
    a `symbol`, a `client_id`, a `value`, message ids of `requests`. `for_s` ends a lasting fault that many market
    seconds later; `on = false` ends it at once.
    """

    do: str
    at_s: float = 0.0
    for_s: float = 0.0
    on: bool = True
    code: int = 0
    text: str = ""
    req_id: int = -1
    ms: int = 0
    wall_s: float = 0.0
    lost: bool = False
    fields: tuple[str, ...] = ()
    leg: str = ""
    side: str = ""
    qty: int = 0
    ticks: int = 0
    points: float = 0.0
    symbol: str = ""
    client_id: int = 0
    value: str = ""
    requests: tuple[int, ...] = ()


Work = Callable[["Gateway", Step], None]

LEGS: Final = ("E", "S", "T", "X")
SIDES: Final = ("BUY", "SELL")
# A step without one of these would do nothing, where its action takes it and does not call it optional.
_NEEDED: Final = frozenset(
    {"code", "ms", "wall_s", "fields", "leg", "side", "qty", "ticks", "client_id", "value", "requests"}
)


class Action(msgspec.Struct, frozen=True):
    """What a step does. `end` undoes it: an action with an end lasts until then, one without is over at once.

    `optional` of what it takes may be left out; `signed` may be below 0; `values` are those it knows.
    """

    takes: tuple[str, ...]
    says: str
    begin: Work
    end: Work | None = None
    optional: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """What a step must say."""
        return (_NEEDED & set(self.takes)) - set(self.optional)


def faulted(field: str, source: str = "") -> tuple[Work, Work]:
    """Begin and end of a fault that is one field of `Faults`, set from one of the step's, or to True."""
    return fields_of((field, source))


def message(code: str, text: str) -> tuple[Work, Work]:
    """Begin and end of a fault that is a code and its text: two fields of `Faults`."""
    return fields_of((code, "code"), (text, "text"))


def fields_of(*pairs: tuple[str, str]) -> tuple[Work, Work]:
    """Begin and end of a fault that is several fields of `Faults`, each set from one of the step's (none: to True)."""

    def begin(gateway: "Gateway", step: Step) -> None:
        for field, source in pairs:
            value = getattr(step, source) if source else True
            setattr(gateway.faults, field, NOTICES.get(step.code, "") if source == "text" and not value else value)

    def end(gateway: "Gateway", _step: Step) -> None:
        for field, _source in pairs:
            setattr(gateway.faults, field, type(getattr(gateway.faults, field))())

    return begin, end
