"""Incidents of the connection: sockets that break, frames that are none, gateways that answer nothing."""

from typing import Any, Final

from trading_bot.chaos.bots import environment, run_command
from trading_bot.chaos.incidents.shapes import (
    CLIENT_ID,
    FAST,
    LONG_S,
    Body,
    connected,
    gone,
    incident,
    link_said,
    noticed,
    struck,
)
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.moments import holding, traded

GARBLED_TICKS: Final = (
    "short_tick",
    "long_tick",
    "text_tick",
    "off_grid_tick",
    "nan_tick",
    "exponent_tick",
    "utf8",
    "unended",
)
NO_MESSAGES: Final = ("unknown", "no_number", "short_order", "short_execution", "text_status", "empty")
_A_POSITION: Final = "a position with its stop"
_RECONNECTED: Final = link_said("RECONNECTED")


def _garbage(kinds: tuple[str, ...]) -> Body:
    def body(lab: Lab) -> None:
        bot = lab.start()
        scene = lab.wait(holding, what=_A_POSITION)
        for kind in kinds:
            lab.fault("garbage", value=kind)
            lab.pause(0.2)
        lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
        lab.end(bot)

    return body


def _again(action: str, count: int, **values: Any) -> Body:
    """The same fault, again and again, as soon as the bot is back."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        scene = lab.wait(holding, what=_A_POSITION)
        for number in range(count):
            lab.wait(connected, what=f"connection {number + 1}")
            lab.fault(action, **values)
            lab.wait(gone, what=f"break {number + 1}")
        lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
        lab.end(bot)

    return body


def _frames_split(lab: Lab) -> None:
    lab.fault("split_frames")
    bot = lab.start()
    lab.wait(traded(3), LONG_S, what="three round trips over frames in two packets")
    lab.end(bot)


def _stalled(lab: Lab) -> None:
    """Sockets are taken and nothing is answered: the bot hangs up by itself, and comes back when it may."""
    bot = lab.start()
    scene = lab.strike(holding, "stall", what=_A_POSITION).wait()
    lab.logged(link_said("GATEWAY_SILENT"), what="the silence was noticed")
    lab.pause(3.0)
    lab.fault("stall", on=False)
    lab.logged(_RECONNECTED, what="a connection after the stall")
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
    lab.end(bot)


def _half_open(lab: Lab) -> None:
    """The socket is accepted and greeted, the start of the session is never answered."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.fault("ignore_requests", requests=[71])
    lab.fault("drop_clients")
    lab.logged(link_said("SOCKET_LOST"), what="the loss")
    lab.pause(4.0)
    lab.check(lab.scene().clients == (), "a client counts as started though nobody answered it")
    lab.fault("ignore_requests", on=False)
    lab.logged(_RECONNECTED, what="a connection once starts are answered")
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
    lab.end(bot)


def _refused(lab: Lab) -> None:
    """Everything at the door fails for a while: the port, then the login, then the client id."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    for action, values in (
        ("refuse_connections", {}),
        ("hide_accounts", {}),
        ("take_client_id", {"client_id": 1}),
    ):
        lab.wait(connected, what=f"a connection before {action}")
        lab.fault(action, **values)
        lab.fault("drop_clients")
        lab.pause(3.0)
        if action != "hide_accounts":  # there the gateway counts a client that never becomes ready
            lab.check(lab.scene().clients == (), f"{action}: a client is connected all the same")
        lab.fault(action, on=False, **values)
    lab.wait(connected, what="a connection at last")
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
    lab.end(bot)


def _cut(lab: Lab) -> None:
    """Half the frame, then one byte of it, two of the length, and six: the length and two bytes."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    for qty in (0, 1, 2, 6):
        lab.wait(connected, what=f"a connection before {qty} bytes")
        lab.fault("cut_frame", qty=qty)
        lab.wait(gone, what="the loss")
    lab.logged(_RECONNECTED, what="the connection after it")
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
    lab.end(bot)


def _restart(lab: Lab) -> None:
    """1300 announces it, the port is away for three seconds; the stop stays at the broker."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    stop = lab.scene().stops[0].perm_id
    lab.fault("error", code=1300)
    lab.fault("restart", wall_s=3.0)
    lab.logged(_RECONNECTED, what="a connection to the new gateway")
    after = lab.wait(connected, what="the bot's client")
    if after.executions == scene.executions:
        lab.check([one.perm_id for one in after.stops] == [stop], "the resident stop was not left alone")
    lab.end(bot)


def _taken_at_start(lab: Lab) -> None:
    """326 at the first connection: exit 3 with a sentence, and never another id."""
    lab.fault("take_client_id", client_id=CLIENT_ID)
    first = lab.start()
    lab.check(lab.ended(first) == 3, "a taken client id at the start is exit 3")
    lab.check("client id" in str(first.summary), "the sentence does not name the client id")
    lab.fault("take_client_id", client_id=CLIENT_ID, on=False)
    second = lab.start()
    lab.wait(holding, what=_A_POSITION)
    lab.end(second)


def _lingers(lab: Lab) -> None:
    """The socket broke and the gateway still holds the id: 326 at every attempt, until it does not."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.fault("linger_ids")
    lab.fault("drop_clients")
    lab.wait(gone, what="the loss")
    lab.pause(4.0)
    lab.check(lab.scene().clients == (), "it connected under another id")
    lab.fault("linger_ids", on=False)
    after = lab.wait(connected, what="the same id again")
    lab.check(after.clients == (CLIENT_ID,), f"it is connected as {after.clients}")
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
    lab.end(bot)


def _second_program(lab: Lab) -> None:
    """Another bot with the same id is refused, and the first one is not disturbed."""
    first = lab.start()
    lab.wait(holding, what=_A_POSITION)
    other = lab.folder / "other"
    other.mkdir()
    port = ("--port", str(lab.gateway.port), "--account", lab.gateway.account)
    code, said = run_command(other, ("--mode", "OBSERVE", "--adapter", "ibkr", *port, "--json"), environment({}))
    lab.check(code == 3, f"the second program ended with {code}, expected 3: {said[-300:]}")
    lab.check(connected(lab.scene()), "the first one lost its connection")
    lab.wait(holding, what="a position of the first one after it")
    lab.end(first)


def _ids_reset(lab: Lab) -> None:
    """Order ids begin at 1 again, told out of the blue, and once more over a new connection."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.fault("reset_order_ids")
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after the first reset")
    scene = lab.wait(holding, what="another position")
    lab.fault("reset_order_ids")
    lab.fault("drop_clients")
    lab.logged(_RECONNECTED, what="the connection after it")
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after the second reset")
    lab.end(bot)


def _pacing(lab: Lab) -> None:
    """The gateway takes a fifth of what it is documented to take: error 100, then it hangs up."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.fault("limit_messages", qty=2)
    lab.logged(noticed(100), LONG_S, what="message 100")
    lab.pause(3.0)
    lab.fault("limit_messages", on=False)
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
    lab.end(bot)


INCIDENTS: Final = (
    incident(
        name="socket-cut-in-a-tick",
        says="The connection ends inside a tick's frame: at half of it, and after one, two and six bytes",
        source=("own", "G"),
        style="quick",
        quick=True,
        config=FAST,
        body=_cut,
    ),
    incident(
        name="frames-in-two-packets",
        says="Every write of the gateway arrives in two packets, cut inside a frame",
        source=("own", "G"),
        style="quick",
        body=_frames_split,
    ),
    incident(
        name="garbled-ticks",
        says="Ticks with missing or extra fields, text for numbers, prices off the grid, bytes that are no text",
        source=("own", "G"),
        style="quick",
        config=FAST,
        body=_garbage(GARBLED_TICKS),
    ),
    incident(
        name="frames-that-are-no-messages",
        says="Unknown messages, an order and an execution cut short, an empty frame, a proxy's words",
        source=("own", "G"),
        style="quick",
        config=FAST,
        body=_garbage(NO_MESSAGES),
    ),
    incident(
        name="frame-without-end",
        says="A length of 2 GB: everything that follows would be waited for as part of it",
        source=("own", "G"),
        style="quick",
        config=FAST,
        body=struck("garbage", at=holding, says=_A_POSITION, shows=_RECONNECTED, value="huge"),
    ),
    incident(
        name="frame-of-negative-length",
        says="A length with its highest bit set",
        source=("own", "G"),
        style="quick",
        config=FAST,
        body=struck("garbage", at=holding, says=_A_POSITION, shows=_RECONNECTED, value="negative"),
    ),
    incident(
        name="gateway-restarts-with-a-position",
        says="1300, the port closes for three seconds while a position stands, orders live on at the broker",
        source=("2#10", "2b:1300", "2c:6", "A"),
        quick=True,
        config=FAST,
        body=_restart,
    ),
    incident(
        name="link-flaps",
        says="The connection breaks six times in a row, each time as soon as it stands",
        source=("2#14", "2b:504"),
        style="quick",
        config=FAST,
        body=_again("drop_clients", 6),
    ),
    incident(
        name="api-stalls",
        says="The gateway takes sockets and requests and answers nothing, while a position stands",
        source=("2#15",),
        style="quick",
        config=FAST,
        body=_stalled,
    ),
    incident(
        name="handshake-half-open",
        says="After a loss the gateway greets and never answers the start of the session",
        source=("2#13",),
        style="quick",
        config={**FAST, "ibkr.connect_timeout_s": 1.0},
        body=_half_open,
    ),
    incident(
        name="door-shut-three-ways",
        says="After losses the port refuses, then no account is told, then the client id is taken",
        source=("2b:502", "2b:326", "A"),
        style="quick",
        config={**FAST, "ibkr.connect_timeout_s": 1.0},
        body=_refused,
    ),
    incident(
        name="client-id-taken-at-start",
        says="326 at the first connection of the day",
        source=("2b:326", "A"),
        exit_codes=(0, 3),
        body=_taken_at_start,
    ),
    incident(
        name="client-id-lingers",
        says="After a break the gateway holds the old socket's id for a while: 326 at each attempt, with a position",
        source=("2b:326", "A"),
        style="quick",
        config=FAST,
        body=_lingers,
    ),
    incident(
        name="second-program-same-id",
        says="A second bot is started with the first one's client id while that one trades",
        source=("2b:326", "A"),
        body=_second_program,
    ),
    incident(
        name="order-ids-reset",
        says="nextValidId begins at 1 again, in the middle of a position and over a new connection",
        source=("2#3", "B"),
        style="quick",
        config=FAST,
        body=_ids_reset,
    ),
    incident(
        name="pacing-violation",
        says="The gateway takes two messages a second: error 100, requests that were not carried out, a hang-up",
        source=("2b:100", "C"),
        style="quick",
        config={**FAST, "orders.reconcile_s": 5},
        body=_pacing,
    ),
)
