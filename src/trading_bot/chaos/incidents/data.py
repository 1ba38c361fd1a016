"""Incidents of market data: farms, outages, competing logins, entitlements, limits, streams that die without a word."""

from typing import Final

from trading_bot.adapters.gateway.streams import TickByTick
from trading_bot.chaos.incidents.shapes import (
    CLIENT_ID,
    FAST,
    LONG_S,
    Body,
    connected,
    incident,
    link_said,
    noticed,
    struck,
)
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.moments import flat, holding, traded

_A_POSITION: Final = "a position with its stop"
_MARKET_DATA: Final = 1  # message ids of requests
_HISTORY: Final = 20
_TICKS: Final = 97


def stream_ids(lab: Lab) -> dict[str, int]:
    """Request ids of the bot's tick-by-tick streams, by kind."""
    return lab.call(
        lambda gateway: {
            one.name: one.req_id
            for one in gateway.clients[CLIENT_ID].subscriptions.values()
            if isinstance(one, TickByTick)
        }
    )


def _entries(lab: Lab) -> int:
    """Entries that were sent so far: what they brought along counts once."""
    return len({row.order_ref for row in lab.witness.placed if row.order_ref.endswith("-E")})


def _none_meanwhile(action: str, *shows: str, wall_s: float = 5.0, **values: object) -> Body:
    """A fault that data do not flow through: no entry is sent until it has passed, and entries come after it."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        lab.wait(traded(1), what="a round trip")
        lab.fault(action, **values)
        lab.logged(link_said(*shows), what=f"{' or '.join(shows)} in the bot's log")
        lab.wait(lambda scene: scene.own == 0, LONG_S, what="no position")
        before = _entries(lab)
        lab.pause(wall_s)
        lab.check(_entries(lab) == before, "entries were sent although data did not flow")
        lab.fault(action, on=False, **values)
        scene = lab.scene()
        lab.wait(traded(scene.round_trips + 1), LONG_S, what="a round trip after it")
        lab.end(bot)

    return body


def _notices(*codes: int) -> Body:
    """Messages that say something and stop nothing: trading goes on, over a new connection where they end one."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        scene = lab.wait(holding, what=_A_POSITION)
        for code in codes:
            lab.wait(connected, what=f"a connection before {code}")  # some make the bot connect again
            lab.fault("error", code=code)
            lab.logged(noticed(code), what=f"message {code} in the bot's log")
        lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after them")
        lab.end(bot)

    return body


def _renewed(action: str, *shows: str, wall_s: float = 0.0, **values: object) -> Body:
    """Streams end; each is asked for again under a new id, and trades follow."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        scene = lab.wait(holding, what=_A_POSITION)
        before = stream_ids(lab)
        lab.fault(action, **values)
        if wall_s:
            lab.pause(wall_s)
            lab.fault(action, on=False, **values)
        lab.logged(link_said(*shows), LONG_S, what=f"{' or '.join(shows)} in the bot's log")
        lab.wait(lambda now: connected(now) and _has_other_streams(lab, before), LONG_S, what="streams under other ids")
        lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
        lab.end(bot)

    return body


def _has_other_streams(lab: Lab, before: dict[str, int]) -> bool:
    """In the gateway's loop: both tick-by-tick streams run, under ids above those of before."""
    client = lab.gateway.clients[CLIENT_ID]
    now = {one.name: one.req_id for one in client.subscriptions.values() if isinstance(one, TickByTick)}
    return now.keys() == before.keys() and all(now[name] > before[name] for name in now)


def _outage_dead_streams(lab: Lab) -> None:
    """1102 says that subscriptions were kept, and they are dead."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    before = stream_ids(lab)
    lab.fault("outage")
    lab.logged(link_said("CODE_1100"), what="the outage in the bot's log")
    lab.pause(1.0)
    lab.fault("lose_subscriptions")
    lab.fault("outage", on=False)
    lab.logged(link_said("CODE_1102"), what="its end in the bot's log")
    lab.wait(lambda now: connected(now) and _has_other_streams(lab, before), LONG_S, what="streams under other ids")
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
    lab.end(bot)


def _nightly(lab: Lab) -> None:
    """The night of the broker: 1100, a farm away, 1101, the gateway's own restart, and one more 1100 with 1102."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.fault("outage", lost=True)
    for code in (2103, 2105, 2157):
        lab.fault("error", code=code)
    lab.pause(3.0)
    lab.fault("outage", on=False, lost=True)
    lab.logged(link_said("CODE_1101"), what="1101 in the bot's log")
    lab.fault("restart", wall_s=2.0)
    lab.logged(link_said("RECONNECTED"), what="the connection after the restart")
    lab.fault("outage")
    lab.pause(1.0)
    lab.fault("outage", on=False)
    for code in (2104, 2106, 2158):
        lab.fault("error", code=code)
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after the night")
    lab.end(bot)


def _no_entitlement(code: int) -> Body:
    """Every stream is refused at the start: no entry. Later the subscription is there."""

    def body(lab: Lab) -> None:
        lab.fault("refuse_requests", requests=[_MARKET_DATA, _TICKS], code=code)
        bot = lab.start()
        lab.logged(noticed(code), what=f"message {code} in the bot's log")
        lab.pause(5.0)
        lab.check(_entries(lab) == 0, "entries were sent without data")
        lab.fault("refuse_requests", on=False)
        lab.wait(traded(1), LONG_S, what="a round trip once there are data")
        lab.end(bot)

    return body


def _no_history(lab: Lab) -> None:
    """Requests for the past fail at the start, one way and another: the bot runs, and trades once it is warm."""
    lab.fault("refuse_requests", requests=[_HISTORY], code=162)
    bot = lab.start()
    lab.wait(holding, LONG_S, what=_A_POSITION)
    for code in (162, 165, 366):
        lab.fault("error", code=code)
    scene = lab.scene()
    lab.wait(traded(scene.round_trips + 1), LONG_S, what="a round trip")
    lab.end(bot)


def _silent_with_position(lab: Lab) -> None:
    """Everything is silent for longer than a position is left without data."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.fault("stop_data")
    lab.logged(link_said("SILENT_sampled_BidAsk_Last"), LONG_S, what="the silence in the bot's log")
    lab.pause(2.0)
    lab.fault("stop_data", on=False)
    lab.wait(lambda now: flat(now) or now.round_trips > scene.round_trips, LONG_S, what="the position's end")
    lab.end(bot)


def _one_stream_dies(name: str) -> Body:
    """One of the two tick streams stops, the sampled one goes on."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        scene = lab.wait(traded(1), what="a round trip")
        lab.fault("stop_stream", value=name)
        lab.logged(lambda one: link_said_silent(one, name), LONG_S, what="the silence in the bot's log")
        lab.fault("stop_stream", on=False)
        lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades after it")
        lab.end(bot)

    return body


def link_said_silent(record: object, name: str) -> bool:
    """A change of the link's state because this stream is silent."""
    reason = getattr(record, "reason", "")
    return isinstance(reason, str) and reason.startswith("SILENT") and name in reason


INCIDENTS: Final = (
    incident(
        name="farm-blip-dead-streams",
        says="2103, and three seconds later 2104 over streams that are dead: outside systems needed 8 hours to notice",
        source=("2#9", "2b:2103", "2b:2104"),
        style="quick",
        body=_renewed("farm_blip", "CODE_2103", wall_s=3.0, lost=True),
    ),
    incident(
        name="farm-blip",
        says="2103 and 2104 with streams that go on",
        source=("2b:2103", "2b:2104"),
        style="quick",
        body=_none_meanwhile("farm_blip", "CODE_2103"),
    ),
    incident(
        name="farms-of-history-and-definitions",
        says="2105, 2106, 2107, 2157, 2158: farms that nothing depends on; 2108: one that sleeps",
        source=("2b:2105", "2b:2106", "2b:2107", "2b:2108", "2b:2157", "2b:2158"),
        style="quick",
        body=_notices(2105, 2106, 2107, 2157, 2158, 2108),
    ),
    incident(
        name="outage-1101",
        says="1100, then 1101: every subscription is gone and nothing but the code says so",
        source=("2#11", "2c:9", "2b:1100", "2b:1101"),
        style="quick",
        body=_renewed("outage", "CODE_1101", wall_s=2.0, lost=True),
    ),
    incident(
        name="outage-1102",
        says="1100 for five seconds, then 1102 with streams that go on",
        source=("2b:1100", "2b:1102"),
        style="quick",
        body=_none_meanwhile("outage", "CODE_1100"),
    ),
    incident(
        name="outage-1102-dead-streams",
        says="1102 says that subscriptions were kept, and they are dead",
        source=("2#11", "2c:9", "2#10", "2b:1102"),
        style="quick",
        body=_outage_dead_streams,
    ),
    incident(
        name="server-lost-2110",
        says="2110 instead of 1100, then 1102",
        source=("2b:2110",),
        style="quick",
        body=struck(
            "error",
            at=holding,
            says=_A_POSITION,
            shows=link_said("CODE_2110"),
            then=lambda lab: lab.fault("error", code=1102),
            code=2110,
        ),
    ),
    incident(
        name="nightly-restart",
        says="1100, farms away, 1101, the gateway's restart, 1100 again and 1102, with a position at its begin",
        source=("A", "2#10", "2#11", "2b:1100", "2b:1101", "2b:1102", "2b:2105", "2b:2157"),
        style="quick",
        config=FAST,
        body=_nightly,
    ),
    incident(
        name="subscriptions-lost-silently",
        says="Every stream ends and nothing says so; they come back under new request ids",
        source=("2#10", "2#11"),
        style="quick",
        body=_renewed("lose_subscriptions", "SILENT_sampled_BidAsk_Last"),
    ),
    incident(
        name="streams-after-a-reconnect",
        says="The connection breaks: every stream is asked for again under a new id",
        source=("2#10",),
        style="quick",
        config=FAST,
        body=_renewed("drop_clients", "RECONNECTED"),
    ),
    incident(
        name="data-silent-with-a-position",
        says="No market data at all while a position stands",
        source=("2#9", "own"),
        body=_silent_with_position,
    ),
    incident(
        name="quotes-die-alone",
        says="The tick stream of quotes stops, everything else goes on",
        source=("2#9", "own"),
        style="quick",
        body=_one_stream_dies("BidAsk"),
    ),
    incident(
        name="trades-die-alone",
        says="The tick stream of trades stops, the sampled stream shows that there are trades",
        source=("2#9", "own"),
        style="quick",
        body=_one_stream_dies("Last"),
    ),
    incident(
        name="competing-session",
        says="10197: another login takes the data, and gives them back without a word",
        source=("2#17", "2b:10197"),
        style="quick",
        body=_none_meanwhile("competing_session", "CODE_10197"),
    ),
    incident(
        name="data-turn-delayed",
        says="Live data become delayed ones (10167) under way",
        source=("2b:10167", "C"),
        style="quick",
        body=_none_meanwhile("delayed_data", "DATA_TYPE_3", "SILENT_sampled_BidAsk_Last", wall_s=3.0),
    ),
    incident(
        name="no-entitlement-354",
        says="354 for every stream at the start, no entry; the subscription comes later",
        source=("2b:354", "C"),
        style="quick",
        body=_no_entitlement(354),
    ),
    incident(
        name="no-entitlement-10168",
        says="10168 for every stream at the start, no entry; the subscription comes later",
        source=("2b:10168", "C"),
        style="quick",
        body=_no_entitlement(10168),
    ),
    incident(
        name="part-of-the-data-10089-10090",
        says="Part of the data is not subscribed: advisory, the streams go on",
        source=("2b:10089", "2b:10090"),
        style="quick",
        body=_notices(10089, 10090),
    ),
    incident(
        name="no-line-left-101",
        says="101 for every stream at the start, no entry; lines are free later",
        source=("2b:101", "C"),
        style="quick",
        body=_no_entitlement(101),
    ),
    incident(
        name="too-many-tick-streams-10190",
        says="10190 for every stream at the start, no entry; there is room later",
        source=("2b:10190", "C"),
        style="quick",
        body=_no_entitlement(10190),
    ),
    incident(
        name="depth-reset-and-bust",
        says="317 and 10225: a book that starts afresh, a busted trade",
        source=("2b:317", "2b:10225"),
        style="quick",
        body=_notices(317, 10225),
    ),
    incident(
        name="history-fails",
        says="162 for every request of the past at the start; 162, 165 and 366 out of the blue later",
        source=("2b:162", "2b:165", "2b:366", "C"),
        style="quick",
        body=_no_history,
    ),
    incident(
        name="connection-codes-as-messages",
        says="502, 503 and 504 arrive as messages on a connection that stands",
        source=("2b:502", "2b:503", "2b:504"),
        style="quick",
        config=FAST,
        body=_notices(502, 503, 504),
    ),
)
