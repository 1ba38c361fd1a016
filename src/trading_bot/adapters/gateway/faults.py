"""What is wrong with the gateway at the moment. The scenario sets it; market and desk read it where it applies."""

import msgspec


class Faults(msgspec.Struct):
    """One field per fault; as constructed nothing is wrong. docs/gateway.md has the table of actions that set them."""

    connections_refused: bool = False  # a new connection is closed at once
    stalled: bool = False  # connections are accepted and nothing is answered, nor sent, on any of them
    accounts_hidden: bool = False  # a client that starts is told of no account, as before a login is complete
    ids_linger: bool = False  # the id of a client that has left stays taken
    requests_ignored: tuple[int, ...] = ()  # requests with these message ids are not answered
    requests_refused: tuple[int, ...] = ()  # and these are answered with an error
    refusal_code: int = 0
    refusal_text: str = ""
    messages_per_s: int = 0  # above 0: requests a client may send in a second, in place of the configured number
    writes_split: bool = False  # what is sent leaves in two packets, cut inside a frame
    clock_skew_ms: int = 0  # added to the time that is told, and to the stamps of ticks; market time is not moved
    data_stopped: bool = False  # no market data leaves, and nothing says so
    stream_stopped: str = ""  # as data_stopped, of one kind of stream (streams.STREAM_NAMES)
    side_missing: str = ""  # quotes come without this side, BUY the bids or SELL the asks, as at a price limit
    halt: int = 0  # above 0: the exchange trades nothing, says nothing, and the broker calls it halted (tick 49)
    hours_early_ms: int = 0  # the close of every trade date is told so much earlier than it is
    data_type: int = 1  # market data type of subscriptions: 1 live, 3 delayed
    orders_muted: bool = False  # placements vanish: no order, no answer
    order_delay_ms: int = 0  # added before a placement or change takes effect, market time
    reject_code: int = 0  # above 0: every placement is refused with this code
    reject_text: str = ""
    leg_rejected: str = ""  # the broker refuses this leg (orders.Order.leg) of what arrives
    leg_code: int = 0
    leg_text: str = ""
    leg_dropped: str = ""  # this leg vanishes on its way: no order, no answer
    band_code: int = 0  # above 0: limits further than band_ticks from the last price are refused with it
    band_ticks: int = 0
    band_text: str = ""
    lots_at_once: int = 0  # above 0: of each order that comes only so many lots trade
    twins: bool = False  # a change makes a second order and leaves the first
    changes_muted: bool = False  # changes vanish
    change_code: int = 0  # above 0: every change is refused with this code
    change_text: str = ""
    cancels_muted: bool = False  # cancels vanish
    cancels_held: bool = False  # cancels wait until it ends
    cancel_code: int = 0  # above 0: every cancel is refused with this code
    cancel_text: str = ""
    oca_lost: bool = False  # a fill takes nothing from the rest of its group
    acks_lost: bool = False  # orders work and fill; no openOrder or orderStatus says so
    status_duplicated: bool = False  # every orderStatus comes twice
    reasons_delay_ms: int = 0  # messages about orders come so much after their statuses, market time
    executions_lost: bool = False  # no execution is told unless somebody asks
    executions_duplicated: bool = False  # every execution is told twice
    executions_nameless: bool = False  # executions are told with order id 0 and no reference
    corrected_ticks: int = 0  # not 0: each execution is corrected by so many ticks
    correction_ms: int = 0  # so long after it, market time
    commission_delay_ms: int = 0  # from an execution to its commission report, market time
    commissions_lost: bool = False  # no commission report
    commission_value: str = ""  # commission reports carry this text as their number
    commission_true_ms: int = 0  # above 0: the true report follows so much later, market time
    fill_before_ack: bool = False  # an execution's message goes before the order's first openOrder
    inform_code: int = 0  # above 0: every placement is answered with this informational error first
    inform_text: str = ""
    broker_down: bool = False  # orders, changes, cancels and what is told about them wait until the link is back
