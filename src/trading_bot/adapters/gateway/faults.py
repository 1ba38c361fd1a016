"""What is wrong with the gateway at the moment. The scenario sets it; market and desk read it where it applies."""

import msgspec


class Faults(msgspec.Struct):
    """One field per fault; as constructed nothing is wrong. docs/gateway.md has the table of actions that set them."""

    connections_refused: bool = False  # a new connection is closed at once
    stalled: bool = False  # connections are accepted and nothing is answered, nor sent, on any of them
    accounts_hidden: bool = False  # a client that starts is told of no account, as before a login is complete
    ids_linger: bool = False  # the id of a client that has left stays taken
    data_stopped: bool = False  # no market data leaves, and nothing says so
    data_type: int = 1  # market data type of subscriptions: 1 live, 3 delayed
    orders_muted: bool = False  # placements vanish: no order, no answer
    order_delay_ms: int = 0  # added before a placement or change takes effect, market time
    reject_code: int = 0  # above 0: every placement is refused with this code
    reject_text: str = ""
    acks_lost: bool = False  # orders work and fill; no openOrder or orderStatus says so
    status_duplicated: bool = False  # every orderStatus comes twice
    commission_delay_ms: int = 0  # from an execution to its commission report, market time
    fill_before_ack: bool = False  # an execution's message goes before the order's first openOrder
    inform_code: int = 0  # above 0: every placement is answered with this informational error first
    inform_text: str = ""
    broker_down: bool = False  # orders, changes, cancels and what is told about them wait until the link is back
