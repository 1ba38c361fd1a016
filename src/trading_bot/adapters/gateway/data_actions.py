"""Faults of market data, of the farms they come from, and of the broker's servers behind the gateway."""

from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.link_actions import send_error
from trading_bot.adapters.gateway.steps import SIDES, Action, Step, faulted

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

STREAM_NAMES: Final = ("Last", "AllLast", "BidAsk", "MidPoint", "Sampled", "Depth", "Bars", "History")


def _say(gateway: "Gateway", code: int) -> None:
    send_error(gateway, Step(do="error", code=code))


def _lose_subscriptions(gateway: "Gateway", _step: Step) -> None:
    for client in list(gateway.clients.values()):
        gateway.market.forget(client)
        client.subscriptions.clear()


def _outage(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_stopped = gateway.faults.broker_down = True
    _say(gateway, 1100)


def _outage_over(gateway: "Gateway", step: Step) -> None:
    gateway.faults.data_stopped = gateway.faults.broker_down = False
    if step.lost:
        _lose_subscriptions(gateway, step)
    _say(gateway, 1101 if step.lost else 1102)


def _farm_blip(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_stopped = True
    _say(gateway, 2103)


def _farm_back(gateway: "Gateway", step: Step) -> None:
    gateway.faults.data_stopped = False
    if step.lost:
        _lose_subscriptions(gateway, step)
    _say(gateway, 2104)


def _competing(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_stopped = True
    _say(gateway, 10197)


def _data_back(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_stopped = False


def _delayed_data(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_type = 3


def _live_data(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_type = 1


def _halt(gateway: "Gateway", step: Step) -> None:
    gateway.faults.halt = step.qty or 1
    gateway.desk.review_all()


def _halt_over(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.halt = 0
    gateway.desk.review_all()


DATA_ACTIONS: Final = {
    "outage": Action(
        ("lost",),
        "Message 1100, silent data, orders wait; at its end 1102, or with lost = true no subscription and 1101",
        _outage,
        _outage_over,
    ),
    "farm_blip": Action(
        ("lost",),
        "Message 2103, silent data; at its end 2104, with lost = true over streams that are dead",
        _farm_blip,
        _farm_back,
    ),
    "competing_session": Action(
        (),
        "Message 10197 to each stream, silent data; at its end they come back without a word",
        _competing,
        _data_back,
    ),
    "stop_data": Action((), "No market data leaves; nothing says so", *faulted("data_stopped")),
    "resume_data": Action((), "Ends stop_data", _data_back),
    "stop_stream": Action(
        ("value",),
        f"As stop_data, for one kind of stream: {', '.join(STREAM_NAMES)}",
        *faulted("stream_stopped", "value"),
        values=STREAM_NAMES,
    ),
    "lose_subscriptions": Action((), "Every stream ends; nothing says so", _lose_subscriptions),
    "halt": Action(
        ("qty",),
        "Nothing trades or is quoted, orders wait; sampled streams are told tick 49 (qty 2: a halt for volatility)",
        _halt,
        _halt_over,
        optional=("qty",),
    ),
    "one_sided": Action(
        ("side",),
        "Tick-by-tick quotes come without their bids (BUY) or asks (SELL), as at a price limit; the desk trades on",
        *faulted("side_missing", "side"),
        values=SIDES,
    ),
    "other_hours": Action(
        ("ms",),
        "Contract details tell a close that is so much earlier (later: below 0) than the exchange's",
        *faulted("hours_early_ms", "ms"),
        signed=("ms",),
    ),
    "delayed_data": Action((), "Streams are delayed data (market data type 3)", _delayed_data, _live_data),
}
