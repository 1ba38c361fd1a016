"""What can be made to go wrong, by name: one table of actions (docs/gateway.md)."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from trading_bot.domain.errors import UsageError

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.client import Client
    from trading_bot.adapters.gateway.gateway import Gateway

# Texts of the system's notices as public documentation gives them; a step may bring its own.
NOTICES: Final[Mapping[int, str]] = MappingProxyType(
    {
        354: "Requested market data is not subscribed.",
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
        2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
        2157: "Sec-def data farm connection is broken:secdefnj",
        2158: "Sec-def data farm connection is OK:secdefnj",
        10197: "No market data during competing live session",
    }
)
# These are about a request: each stream of a client gets its own, where the step names none.
OF_STREAMS: Final = frozenset({354, 10089, 10090, 10167, 10168, 10186, 10189, 10190, 10197})


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of a timeline: `do` what, `at_s` market seconds after the clock began.

    What else a row may carry depends on the action (`Action.takes`): `code`, `text` and `req_id` of a message, `ms` of
    market time, `wall_s` seconds of the wall, `lost` whether data subscriptions are, the `fields` of a frame. `for_s`
    ends a lasting fault that many market seconds later; `on = false` ends it at once.
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


Work = Callable[["Gateway", Step], None]


class Action(msgspec.Struct, frozen=True):
    """What a step does. `end` undoes it: an action with an end lasts until then, one without is over at once."""

    takes: tuple[str, ...]
    says: str
    begin: Work
    end: Work | None = None


def _faulted(field: str, source: str) -> tuple[Work, Work]:
    """Begin and end of a fault that is one field, set from one of the step's."""

    def begin(gateway: "Gateway", step: Step) -> None:
        setattr(gateway.faults, field, getattr(step, source) if source else True)

    def end(gateway: "Gateway", _step: Step) -> None:
        setattr(gateway.faults, field, type(getattr(gateway.faults, field))())

    return begin, end


def _message(prefix: str) -> tuple[Work, Work]:
    """Begin and end of a fault that is a code and a text."""

    def begin(gateway: "Gateway", step: Step) -> None:
        setattr(gateway.faults, f"{prefix}_code", step.code)
        setattr(gateway.faults, f"{prefix}_text", step.text)

    def end(gateway: "Gateway", _step: Step) -> None:
        setattr(gateway.faults, f"{prefix}_code", 0)
        setattr(gateway.faults, f"{prefix}_text", "")

    return begin, end


def _drop_clients(gateway: "Gateway", _step: Step) -> None:
    gateway.drop_clients()


def _error(gateway: "Gateway", step: Step) -> None:
    text = step.text or NOTICES[step.code]
    for client in list(gateway.clients.values()):
        for req_id in _ids(client, step):
            client.error(req_id, step.code, text)


def _ids(client: "Client", step: Step) -> list[int]:
    if step.req_id == -1 and step.code in OF_STREAMS and client.subscriptions:
        return sorted(client.subscriptions)
    return [step.req_id]


def _send(gateway: "Gateway", step: Step) -> None:
    for client in list(gateway.clients.values()):
        client.send(*step.fields)


def _linger_ids(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.ids_linger = True


def _free_ids(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.ids_linger = False
    gateway.lingering_ids.clear()


def _stall(gateway: "Gateway", _step: Step) -> None:
    gateway.stall(stalled=True)


def _go_on(gateway: "Gateway", _step: Step) -> None:
    gateway.stall(stalled=False)


def _lose_subscriptions(gateway: "Gateway", _step: Step) -> None:
    for client in list(gateway.clients.values()):
        gateway.market.forget(client)
        client.subscriptions.clear()


def _outage(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_stopped = gateway.faults.broker_down = True
    _error(gateway, Step(do="error", code=1100))


def _outage_over(gateway: "Gateway", step: Step) -> None:
    gateway.faults.data_stopped = gateway.faults.broker_down = False
    if step.lost:
        _lose_subscriptions(gateway, step)
    _error(gateway, Step(do="error", code=1101 if step.lost else 1102))


def _restart(gateway: "Gateway", step: Step) -> None:
    gateway.hang_up()
    gateway.start_task(_listen_again(gateway, step.wall_s))


async def _listen_again(gateway: "Gateway", wall_s: float) -> None:
    await asyncio.sleep(wall_s)
    await gateway.listen()


def _delayed_data(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_type = 3


def _live_data(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_type = 1


def _resume_data(gateway: "Gateway", _step: Step) -> None:
    gateway.faults.data_stopped = False


ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "drop_clients": Action((), "Breaks every connection; the port stays open", _drop_clients),
        "refuse_connections": Action(
            (), "A new connection is closed as soon as it is accepted", *_faulted("connections_refused", "")
        ),
        "stall": Action(
            (), "Connections are accepted; nothing is answered or sent until it ends, then all of it", _stall, _go_on
        ),
        "restart": Action(
            ("wall_s",), "Breaks every connection and closes the port for wall_s seconds of the wall", _restart
        ),
        "hide_accounts": Action(
            (),
            "A client that starts is told of no account, as during a login",
            *_faulted("accounts_hidden", ""),
        ),
        "linger_ids": Action(
            (), "The id of a client that leaves stays taken (error 326) until it ends", _linger_ids, _free_ids
        ),
        "send": Action(("fields",), "Sends one frame of these fields to every client, whatever they mean", _send),
        "error": Action(
            ("code", "text", "req_id"),
            "Sends this message to every client; one about streams to each stream, unless req_id says otherwise",
            _error,
        ),
        "outage": Action(
            ("lost",),
            "Message 1100, silent data, orders wait; at its end 1102, or with lost = true no subscription and 1101",
            _outage,
            _outage_over,
        ),
        "stop_data": Action((), "No market data leaves; nothing says so", *_faulted("data_stopped", "")),
        "resume_data": Action((), "Ends stop_data", _resume_data),
        "lose_subscriptions": Action((), "Every stream ends; nothing says so", _lose_subscriptions),
        "delayed_data": Action((), "Streams are delayed data (market data type 3)", _delayed_data, _live_data),
        "mute_orders": Action((), "Placements vanish: no order, no answer", *_faulted("orders_muted", "")),
        "delay_orders": Action(
            ("ms",), "Placements, changes and cancels take ms longer (market time)", *_faulted("order_delay_ms", "ms")
        ),
        "reject_orders": Action(
            ("code", "text"),
            "Every placement is refused with this code and text",
            *_message("reject"),
        ),
        "lose_acks": Action((), "Orders work and fill; no openOrder or orderStatus tells", *_faulted("acks_lost", "")),
        "duplicate_status": Action((), "Every orderStatus comes twice", *_faulted("status_duplicated", "")),
        "delay_commission": Action(
            ("ms",), "Commission reports come ms after their execution", *_faulted("commission_delay_ms", "ms")
        ),
        "fill_before_ack": Action(
            (), "An order's execution is told before its first openOrder", *_faulted("fill_before_ack", "")
        ),
        "inform_order": Action(
            ("code", "text"),
            "Every placement is answered with this message, and works",
            *_message("inform"),
        ),
    }
)
_NEEDED: Final = {"code", "ms", "wall_s", "fields"}  # a step without them would do nothing
_COMMON: Final = {"do", "at_s"}


def check(step: Step, where: str) -> Action:
    """The action of a step that can be carried out.

    Raises:
        UsageError: an unknown action, a value it does not take, or one it needs and lacks.
    """
    action = ACTIONS.get(step.do)
    if action is None:
        raise UsageError(f"{where}: unknown action {step.do!r}; expected one of {', '.join(ACTIONS)}")
    takes = {*action.takes, *(() if action.end is None else ("for_s", "on"))}
    given = {name for name in step.__struct_fields__ if getattr(step, name) != getattr(_DEFAULT, name)} - _COMMON
    if given - takes:
        allowed = ", ".join(sorted(takes)) or "nothing else"
        raise UsageError(f"{where}: {step.do} does not take {', '.join(sorted(given - takes))}; it takes {allowed}")
    if step.on and (missing := _NEEDED & set(action.takes) - given):
        raise UsageError(f"{where}: {step.do} needs {', '.join(sorted(missing))}")
    if step.at_s < 0 or step.for_s < 0 or step.ms < 0 or step.wall_s < 0 or step.code < 0:
        raise UsageError(f"{where}: {step.do}: at_s, for_s, ms, wall_s and code are at least 0")
    if step.do == "error" and not step.text and step.code not in NOTICES:
        raise UsageError(f"{where}: error {step.code} needs a text; known are {', '.join(map(str, NOTICES))}")
    return action


_DEFAULT: Final = Step(do="")
