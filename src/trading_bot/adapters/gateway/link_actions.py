"""Faults of the connection and of the session: sockets, frames, requests, ids, time."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.steps import NOTICES, OF_STREAMS, Action, Step, faulted, fields_of
from trading_bot.adapters.gateway.streams import KINDS, TickByTick
from trading_bot.adapters.gateway.wire import encode
from trading_bot.domain.units import NS_PER_MS

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.client import Client
    from trading_bot.adapters.gateway.gateway import Gateway

_TICK: Final = 99


def send_error(gateway: "Gateway", step: Step) -> None:
    """The step's code and text to every client."""
    text = step.text or NOTICES[step.code]
    for client in list(gateway.clients.values()):
        for req_id in _ids(client, step):
            client.error(req_id, step.code, text)


def _ids(client: "Client", step: Step) -> list[int]:
    if step.req_id == -1 and step.code in OF_STREAMS and client.subscriptions:
        return sorted(client.subscriptions)
    return [step.req_id]


def _drop_clients(gateway: "Gateway", _step: Step) -> None:
    gateway.drop_clients()


def _send(gateway: "Gateway", step: Step) -> None:
    for client in list(gateway.clients.values()):
        client.send(*step.fields)


def _linger_ids(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.ids_linger = True


def _free_ids(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.ids_linger = False
    gateway.lingering_ids.clear()


def _take_id(gateway: "Gateway", step: Step) -> None:
    gateway.lingering_ids.add(step.client_id)


def _give_id_back(gateway: "Gateway", step: Step) -> None:
    gateway.lingering_ids.discard(step.client_id)


def _stall(gateway: "Gateway", _step: Step) -> None:
    gateway.stall(stalled=True)


def _go_on(gateway: "Gateway", _step: Step) -> None:
    gateway.stall(stalled=False)


def _split(gateway: "Gateway", _step: Step) -> None:
    gateway.split_writes(split=True)


def _do_not_split(gateway: "Gateway", _step: Step) -> None:
    gateway.split_writes(split=False)


def _restart(gateway: "Gateway", step: Step) -> None:
    gateway.hang_up()
    gateway.start_task(_listen_again(gateway, step.wall_s))


async def _listen_again(gateway: "Gateway", wall_s: float) -> None:
    await asyncio.sleep(wall_s)
    await gateway.listen()


def _tick(gateway: "Gateway", client: "Client", *, price: str = "", off_points: float = 0.0) -> tuple[object, ...]:
    """The fields of a tick of one of the client's own streams, at the touch (of request 1 when it has none)."""
    streams = [one for one in client.subscriptions.values() if isinstance(one, TickByTick)]
    if not streams:
        return (_TICK, 1, KINDS["AllLast"], gateway.told_s(), price or "6800.25", 1, 0, "CME", "")
    stream = streams[0]
    points = stream.row.instrument.points
    bid, bid_qty, ask, ask_qty = gateway.market.touch(stream.row.con_id)
    head = (_TICK, stream.req_id, KINDS[stream.name], gateway.told_s())
    if stream.name == "BidAsk":
        return (*head, price or points(bid) - off_points, points(ask), bid_qty, ask_qty, 0)
    return (*head, price or points(bid) - off_points, 1, 0, "CME", "")


def _cut_frame(gateway: "Gateway", step: Step) -> None:
    for client in list(gateway.clients.values()):
        frame = encode(*_tick(gateway, client))
        client.send_frame(frame[: step.qty or len(frame) // 2])
        client.close()


def _payload(gateway: "Gateway", client: "Client") -> bytes:
    return encode(*_tick(gateway, client))[4:]


def _framed(payload: bytes, length: int | None = None) -> bytes:
    return (len(payload) if length is None else length).to_bytes(4, "big") + payload


# Bytes that are no message, or not one that a client knows.
GARBAGE: Final[dict[str, Callable[["Gateway", "Client"], bytes]]] = {
    "huge": lambda gateway, client: _framed(_payload(gateway, client), 0x7FFF_FFFF),
    "negative": lambda gateway, client: _framed(_payload(gateway, client), 0xFFFF_FFFF),
    "empty": lambda _gateway, _client: _framed(b""),
    "utf8": lambda gateway, client: _framed(_payload(gateway, client)[:-2] + b"\xff\xfe\xfd\0"),
    "unended": lambda gateway, client: _framed(_payload(gateway, client).rstrip(b"\0")),
    "short_tick": lambda gateway, client: encode(*_tick(gateway, client)[:5]),
    "long_tick": lambda gateway, client: encode(*_tick(gateway, client), "more", "fields"),
    "text_tick": lambda gateway, client: encode(*_tick(gateway, client, price="six thousand")),
    "off_grid_tick": lambda gateway, client: encode(*_tick(gateway, client, off_points=0.13)),
    "nan_tick": lambda gateway, client: encode(*_tick(gateway, client, price="nan")),
    "exponent_tick": lambda gateway, client: encode(*_tick(gateway, client, price="6.80025E3")),
    "unknown": lambda _gateway, _client: encode(9_999, 1, "what is this"),
    "no_number": lambda _gateway, _client: encode("HTTP/1.1 400 Bad Request"),
    "short_order": lambda _gateway, _client: encode(5, 1, "600"),
    "short_execution": lambda _gateway, _client: encode(11, -1, 1),
    "text_status": lambda _gateway, _client: encode(3, "one", "Filled", "x", "y", 0, 0, 0, 0, 1, "", 0),
}


def _garbage(gateway: "Gateway", step: Step) -> None:
    for client in list(gateway.clients.values()):
        client.send_frame(GARBAGE[step.value](gateway, client))


def _reset_order_ids(gateway: "Gateway", _step: Step) -> None:
    gateway.desk.reset_order_ids()
    for client in list(gateway.clients.values()):
        client.send(9, 1, gateway.desk.next_order_id(client.client_id))


def _step_clock(gateway: "Gateway", step: Step) -> None:
    gateway.clock.step(step.ms * NS_PER_MS)


LINK_ACTIONS: Final = {
    "drop_clients": Action((), "Breaks every connection; the port stays open", _drop_clients),
    "refuse_connections": Action(
        (), "A new connection is closed as soon as it is accepted", *faulted("connections_refused")
    ),
    "stall": Action(
        (), "Connections are accepted; nothing is answered or sent until it ends, then all of it", _stall, _go_on
    ),
    "restart": Action(
        ("wall_s",), "Breaks every connection and closes the port for wall_s seconds of the wall", _restart
    ),
    "hide_accounts": Action(
        (), "A client that starts is told of no account, as during a login", *faulted("accounts_hidden")
    ),
    "linger_ids": Action(
        (), "The id of a client that leaves stays taken (error 326) until it ends", _linger_ids, _free_ids
    ),
    "take_client_id": Action(
        ("client_id",), "This client id is taken (error 326) by a client nobody sees", _take_id, _give_id_back
    ),
    "cut_frame": Action(
        ("qty",),
        "Sends the first half of a tick's frame (or qty bytes of it), then hangs up",
        _cut_frame,
        optional=("qty",),
    ),
    "split_frames": Action((), "What is sent leaves in two packets, cut inside a frame", _split, _do_not_split),
    "garbage": Action(
        ("value",),
        f"Sends bytes that are no message: {', '.join(GARBAGE)}",
        _garbage,
        values=tuple(GARBAGE),
    ),
    "ignore_requests": Action(
        ("requests",), "Requests with these message ids are not answered", *faulted("requests_ignored", "requests")
    ),
    "refuse_requests": Action(
        ("requests", "code", "text"),
        "Requests with these message ids are answered with this error, under their own id",
        *fields_of(("requests_refused", "requests"), ("refusal_code", "code"), ("refusal_text", "text")),
    ),
    "limit_messages": Action(
        ("qty",),
        "So many messages a second are taken from a client, then error 100",
        *faulted("messages_per_s", "qty"),
    ),
    "reset_order_ids": Action(
        (), "Order ids begin at 1 again, and every client is told so (S> 9); ended orders lose theirs", _reset_order_ids
    ),
    "step_clock": Action(("ms",), "Market time jumps so far ahead; what was due happens at once", _step_clock),
    "skew_clock": Action(
        ("ms",),
        "The time that is told, and stamps of ticks, are off by ms; market time is not",
        *faulted("clock_skew_ms", "ms"),
        signed=("ms",),
    ),
    "send": Action(("fields",), "Sends one frame of these fields to every client, whatever they mean", _send),
    "error": Action(
        ("code", "text", "req_id"),
        "Sends this message to every client; one about streams to each stream, unless req_id says otherwise",
        send_error,
    ),
}
