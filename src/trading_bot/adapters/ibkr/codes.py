"""What the broker's message codes mean to us, as a table. A code that is not in it changes no state of an order.

Sources: TWS API message codes (interactivebrokers.github.io/tws-api/message_codes.html) and what other systems met in
production with them.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec


class Kind(StrEnum):
    """What a code is about, and with it what is done."""

    NOTICE = "NOTICE"  # nothing changes
    LINK_DOWN = "LINK_DOWN"  # the gateway has lost the broker
    LINK_UP_DATA_LOST = "LINK_UP_DATA_LOST"  # back; every stream has to be asked for again
    LINK_UP_DATA_KEPT = "LINK_UP_DATA_KEPT"  # back; streams are said to go on, which is watched
    SOCKET = "SOCKET"  # the connection to the gateway
    FARM_DOWN = "FARM_DOWN"  # a data farm is away
    FARM_UP = "FARM_UP"  # it is said to be back: true once ticks come
    FARM_IDLE = "FARM_IDLE"  # away because nobody asks; normal
    COMPETING = "COMPETING"  # another login took the data
    DELAYED = "DELAYED"  # data are delayed, or not to be had live
    STREAM_FAILED = "STREAM_FAILED"  # a stream was refused or has ended
    PACING = "PACING"  # we sent too much
    ORDER_INFO = "ORDER_INFO"  # about an order, and says nothing about its state
    ORDER_UNCERTAIN = "ORDER_UNCERTAIN"  # the order may be live: ask
    ORDER_REJECTED = "ORDER_REJECTED"  # of a placement: refused, unless the broker has shown it working
    ORDER_CANCELLED = "ORDER_CANCELLED"  # cancelled, to be confirmed by its status
    CANCEL_REFUSED = "CANCEL_REFUSED"  # a cancel found nothing to cancel: ask what became of the order
    HISTORY = "HISTORY"  # a request for the past failed
    BOOK_RESET = "BOOK_RESET"  # depth starts afresh


class Request(StrEnum):
    """What of ours a message about an order answers."""

    PLACE = "PLACE"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"


class Effect(StrEnum):
    """What such a message means for the order. None of them is a reason to send anything again."""

    NONE = "NONE"
    ASK = "ASK"  # it may be live: the broker is asked
    REJECTED = "REJECTED"  # it never lived, unless the broker has shown it working or an execution
    CANCELLED = "CANCELLED"  # it has ended, to be confirmed by its status


class Code(msgspec.Struct, frozen=True):
    """One code. `error`: of the class ERROR that the broker-error breaker counts (specification 8.2).

    `ends_stream`: said about a stream it means that the stream is gone.
    """

    kind: Kind
    meaning: str
    error: bool = False
    ends_stream: bool = False


_ROWS: Final[dict[int, Code]] = {
    100: Code(Kind.PACING, "more than 50 messages in a second", error=True),
    101: Code(Kind.STREAM_FAILED, "no market data line is left", error=True, ends_stream=True),
    102: Code(Kind.STREAM_FAILED, "a request id was used twice", error=True, ends_stream=True),
    103: Code(Kind.ORDER_UNCERTAIN, "an order id was used twice", error=True),
    104: Code(Kind.ORDER_UNCERTAIN, "a filled order cannot be changed"),
    105: Code(Kind.ORDER_UNCERTAIN, "a change does not fit the order that works", error=True),
    106: Code(Kind.ORDER_UNCERTAIN, "the order cannot be transmitted", error=True),
    107: Code(Kind.ORDER_UNCERTAIN, "the order cannot be transmitted", error=True),
    109: Code(Kind.ORDER_REJECTED, "the price is outside the precaution's percentage", error=True),
    110: Code(Kind.ORDER_REJECTED, "the price is off the grid", error=True),
    135: Code(Kind.CANCEL_REFUSED, "no order has this id"),
    136: Code(Kind.CANCEL_REFUSED, "the order cannot be cancelled"),
    161: Code(Kind.CANCEL_REFUSED, "the order is not in a state to be cancelled"),
    162: Code(Kind.HISTORY, "historical data: no data, or asked too often"),
    163: Code(Kind.ORDER_REJECTED, "the price is outside the precaution's percentage", error=True),
    165: Code(Kind.HISTORY, "historical data: a message of the service"),
    200: Code(Kind.ORDER_REJECTED, "no such contract", error=True, ends_stream=True),
    201: Code(Kind.ORDER_REJECTED, "rejected", error=True),
    202: Code(Kind.ORDER_CANCELLED, "cancelled"),
    203: Code(Kind.ORDER_REJECTED, "the account may not trade this", error=True),
    300: Code(Kind.STREAM_FAILED, "no stream has this id"),
    309: Code(Kind.STREAM_FAILED, "too many depth requests", error=True, ends_stream=True),
    317: Code(Kind.BOOK_RESET, "market depth was reset"),
    320: Code(Kind.ORDER_UNCERTAIN, "the gateway could not read a request", error=True, ends_stream=True),
    321: Code(Kind.ORDER_UNCERTAIN, "the gateway refused a request", error=True, ends_stream=True),
    322: Code(Kind.ORDER_UNCERTAIN, "the gateway failed on a request", error=True, ends_stream=True),
    326: Code(Kind.SOCKET, "the client id is taken"),
    329: Code(Kind.ORDER_UNCERTAIN, "a change was refused", error=True),
    354: Code(Kind.DELAYED, "no subscription to this market's data", ends_stream=True),
    366: Code(Kind.HISTORY, "no request for history has this id"),
    382: Code(Kind.ORDER_REJECTED, "the price is outside the precaution's range", error=True),
    383: Code(Kind.ORDER_REJECTED, "the size is outside the precaution's range", error=True),
    388: Code(Kind.ORDER_REJECTED, "below the smallest size", error=True),
    399: Code(Kind.ORDER_INFO, "a message about an order that works, or will"),
    404: Code(Kind.ORDER_INFO, "held while shares are located"),
    420: Code(Kind.STREAM_FAILED, "a real-time query failed", ends_stream=True),
    434: Code(Kind.ORDER_REJECTED, "the size is zero", error=True),
    451: Code(Kind.ORDER_REJECTED, "above the size limit of the preset", error=True),
    460: Code(Kind.ORDER_REJECTED, "no permission to trade this", error=True),
    492: Code(Kind.ORDER_INFO, "a message about short sales"),
    502: Code(Kind.SOCKET, "no connection to the gateway"),
    503: Code(Kind.SOCKET, "the gateway is out of date"),
    504: Code(Kind.SOCKET, "not connected"),
    1100: Code(Kind.LINK_DOWN, "the gateway has lost the broker's servers"),
    1101: Code(Kind.LINK_UP_DATA_LOST, "the servers are back, data were lost"),
    1102: Code(Kind.LINK_UP_DATA_KEPT, "the servers are back, data were kept"),
    1300: Code(Kind.SOCKET, "the gateway's port was reset"),
    2103: Code(Kind.FARM_DOWN, "a market data farm is away"),
    2104: Code(Kind.FARM_UP, "a market data farm is well"),
    2105: Code(Kind.FARM_IDLE, "the farm of historical data is away"),
    2106: Code(Kind.FARM_IDLE, "the farm of historical data is well"),
    2107: Code(Kind.FARM_IDLE, "the farm of historical data sleeps"),
    2108: Code(Kind.FARM_UP, "a market data farm sleeps until somebody asks"),
    2109: Code(Kind.ORDER_INFO, "outsideRth is ignored here"),
    2119: Code(Kind.NOTICE, "a market data farm is being connected"),
    2110: Code(Kind.LINK_DOWN, "the gateway has lost its server"),
    2157: Code(Kind.FARM_IDLE, "the farm of contract definitions is away"),
    2158: Code(Kind.FARM_IDLE, "the farm of contract definitions is well"),
    10089: Code(Kind.NOTICE, "part of the data needs another subscription"),
    10090: Code(Kind.NOTICE, "part of the data is not subscribed"),
    10147: Code(Kind.CANCEL_REFUSED, "the order to cancel was not found"),
    10148: Code(Kind.CANCEL_REFUSED, "the order to cancel has ended"),
    10167: Code(Kind.DELAYED, "delayed data instead of live"),
    10168: Code(Kind.DELAYED, "no live data, and delayed ones are not enabled", ends_stream=True),
    10185: Code(Kind.STREAM_FAILED, "tick-by-tick data could not be cancelled"),
    10186: Code(Kind.STREAM_FAILED, "tick-by-tick data were refused", ends_stream=True),
    10187: Code(Kind.STREAM_FAILED, "tick-by-tick data were refused", ends_stream=True),
    10188: Code(Kind.STREAM_FAILED, "tick-by-tick data were refused", ends_stream=True),
    10189: Code(Kind.STREAM_FAILED, "tick-by-tick data were refused", ends_stream=True),
    10190: Code(Kind.STREAM_FAILED, "too many tick-by-tick requests", ends_stream=True),
    10197: Code(Kind.COMPETING, "another login of this user takes the market data"),
    10225: Code(Kind.NOTICE, "a trade was busted: streams of bars start afresh"),
    10289: Code(Kind.ORDER_REJECTED, "the account may not trade this", error=True),
    10293: Code(Kind.ORDER_REJECTED, "the account may not trade this", error=True),
    10311: Code(Kind.ORDER_INFO, "an order is routed directly"),
    10318: Code(Kind.CANCEL_REFUSED, "the order has ended"),
    10349: Code(Kind.ORDER_INFO, "the time in force was set by a preset"),
}
CODES: Final[Mapping[int, Code]] = MappingProxyType(_ROWS)

_WARNINGS: Final = range(2100, 2200)
_UNLISTED: Final = Code(Kind.ORDER_UNCERTAIN, "not in the table: the order may be live")
_WARNING: Final = Code(Kind.NOTICE, "a warning")


def code_row(code: int) -> Code:
    """The row of a code; one that is not listed is a warning (2100 to 2199) or means that an order may be live."""
    return CODES.get(code) or (_WARNING if code in _WARNINGS else _UNLISTED)


# Kinds that say something about an order. One that is not here was never meant for it: it may be live.
_EFFECTS: Final[dict[Kind, dict[Request, Effect]]] = {
    # A change that is refused leaves the order as it was, and a cancel does not place one.
    Kind.ORDER_REJECTED: {Request.PLACE: Effect.REJECTED, Request.MODIFY: Effect.ASK, Request.CANCEL: Effect.ASK},
    Kind.ORDER_CANCELLED: dict.fromkeys(Request, Effect.CANCELLED),
    Kind.ORDER_INFO: dict.fromkeys(Request, Effect.NONE),
    Kind.NOTICE: dict.fromkeys(Request, Effect.NONE),
}


def order_effect(code: int, request: Request) -> Effect:
    """What a message with an order's id means, by what was asked of that order last."""
    return _EFFECTS.get(code_row(code).kind, {}).get(request, Effect.ASK)
