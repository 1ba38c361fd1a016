"""Days that end early or change their clocks, breaks, halts and hours that are disputed: flat in time on each of them.

The market stands still once a position stands, so that it is there when its time has come.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from trading_bot.adapters.gateway.record import Record
from trading_bot.chaos.incident import Incident
from trading_bot.chaos.incidents.shapes import FAST, LONG_S, Body
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.log_facts import Record as LogRecord
from trading_bot.chaos.log_facts import log_folders
from trading_bot.chaos.moments import filled, flat, holding, traded
from trading_bot.domain.effects import LatchKillSwitch
from trading_bot.domain.events import SessionExitFlatten
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FrameKind
from trading_bot.domain.session_events import QuorumChanged
from trading_bot.domain.trade_events import FlattenAdvanced, StopResident
from trading_bot.domain.units import NS_PER_MIN, NS_PER_S, iso_from_ns

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

_A_POSITION: Final = "a position with its stop"
_HALTED: Final = 5
_TICK_NS: Final = 500_000_000
# None of the calendar of events, a generated shock, or a score that a busy machine spoils is what these are about.
_CONFIG: Final = {"events.required": "never", "lockouts.volatility_min": 1, "exits.quality_exit_s": 3600}
_FAST_MARKET: Final = 40.0
# The ladder of specification 10: step, seconds before the close.
_LADDER: Final = (("EXIT", 300), ("VERIFY", 285), ("MARKET", 240), ("ALERT", 180), ("KILL", 60))
_RUNG_LATE_S: Final = 10  # market seconds; a wall second of a busy machine is forty


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S


def _still(gateway: "Gateway", spans: Sequence[tuple[int, int]]) -> None:
    """From now on the market stands still at its touch, and is told twice a second within these spans (ns)."""
    row = gateway.contracts.front(INSTRUMENTS["MES"])
    bid, bid_qty, ask, ask_qty = gateway.market.touch(row.con_id)
    records = []
    for begin_ns, end_ns in spans:
        for number, at_ns in enumerate(range(begin_ns, end_ns, _TICK_NS)):
            records.append(Record(FrameKind.QUOTE, at_ns, at_ns, bid, ask, bid_qty + number % 2, ask_qty))
            records.append(Record(FrameKind.TRADE, at_ns, at_ns, price_ticks=(bid, ask)[number % 2], qty=1))
    gateway.market.script(row.instrument, records)


def _hold(lab: Lab, until_ns: int, *more: tuple[int, int]) -> None:
    """A position with its stop, in a market that stands still until then, and again in the spans that follow."""
    lab.wait(holding, what=_A_POSITION)
    lab.logged(lambda record: isinstance(record, StopResident), what="the stop in the bot's log")
    lab.call(lambda gateway: _still(gateway, [(gateway.clock.now_ns(), until_ns), *more]))


def _at(lab: Lab, at_ns: int, action: str, until_ns: int, **values: Any) -> None:
    """A lasting fault between two times of the market."""

    def work(gateway: "Gateway") -> None:
        wait_s = (at_ns - gateway.clock.now_ns()) / NS_PER_S
        gateway.scenario.do(action, at_s=max(wait_s, 0.001), for_s=(until_ns - at_ns) / NS_PER_S, **values)

    lab.call(work)


def _reached(at_ns: int) -> Callable[[Any], bool]:
    """The market's time has come to `at_ns`."""
    return lambda scene: scene.market_ns >= at_ns


def _flat_in_time(lab: Lab, close_ns: int, *, within_s: int = 60) -> None:
    """The position goes five minutes before the close and not earlier, and nothing follows it."""
    flatten_ns = close_ns - 5 * NS_PER_MIN
    scene = lab.wait(lambda now: flat(now) and now.market_ns >= flatten_ns, LONG_S, what="flat before the close")
    told = [record for record in lab.records() if isinstance(record, SessionExitFlatten)]
    lab.check(
        [(one.ts_ns, abs(one.position_qty)) for one in told] == [(flatten_ns, 1)],
        f"SESSION_EXIT_FLATTEN is due at {iso_from_ns(flatten_ns)} with a position, found "
        f"{[(iso_from_ns(one.ts_ns), one.position_qty) for one in told]}",
    )
    late_s = (scene.market_ns - flatten_ns) / NS_PER_S
    lab.check(late_s < within_s, f"flat {late_s:.1f} s after the flatten was due, expected below {within_s} s")
    executions = scene.executions
    after = lab.wait(_reached(close_ns + NS_PER_MIN), LONG_S, what="the close")
    lab.check(after.executions == executions and flat(after), f"something followed the flatten: {after.told()}")


def _day(close: str, fault: str = "") -> Body:
    """A day whose session closes at `close` (UTC): flat in time, with a fault from the flatten's time on or without."""
    close_ns = _ns(close)

    def body(lab: Lab) -> None:
        bot = lab.start()
        _hold(lab, close_ns)
        if fault:
            lab.fault(fault)
        _flat_in_time(lab, close_ns)
        if fault:
            lab.fault(fault, on=False)
        lab.end(bot)

    return body


def _sunday_open(lab: Lab) -> None:
    """The evening after the clocks went back: nothing leaves before 18:00 New York, which is an hour later in UTC."""
    open_ns = _ns("2026-11-01T23:00:00")
    bot = lab.start()
    early = lab.wait(_reached(open_ns - 5 * NS_PER_S), LONG_S, what="the evening's open")
    lab.check(not lab.witness.placed or all(row.what_if for row in lab.witness.placed), f"too early: {early.told()}")
    scene = lab.wait(filled, LONG_S, what="a first position")
    lab.check(scene.market_ns >= open_ns, f"filled at {iso_from_ns(scene.market_ns)}, before the open")
    lab.end(bot)


def _over_the_break(lab: Lab) -> None:
    """A Globex day into the next: flat before the break, nothing within it, trades after it in a log of its own."""
    close_ns, open_ns = _ns("2026-11-25T22:00:00"), _ns("2026-11-25T23:00:00")
    bot = lab.start()
    _hold(lab, close_ns, (open_ns, open_ns + 30 * NS_PER_MIN))
    _flat_in_time(lab, close_ns)
    before = len([row for row in lab.witness.placed if not row.what_if])
    lab.wait(_reached(open_ns - 30 * NS_PER_S), LONG_S, what="the end of the break")
    placed = len([row for row in lab.witness.placed if not row.what_if])
    lab.check(placed == before, f"{placed - before} orders left within the break")
    scene = lab.wait(filled, LONG_S, what="a position of the next session")
    lab.check(scene.market_ns >= open_ns, f"filled at {iso_from_ns(scene.market_ns)}, within the break")
    lab.check(len(log_folders(lab.folder / "data")) == 2, "the two sessions do not have a log each")
    lab.end(bot)


def _ladder(lab: Lab) -> None:
    """The exchange halts from before the flatten until 45 s before the close: every rung comes at its time."""
    close_ns = _ns("2026-11-25T21:00:00")
    bot = lab.start()
    _hold(lab, close_ns)
    _at(lab, close_ns - 330 * NS_PER_S, "halt", close_ns - 45 * NS_PER_S)
    lab.check(lab.ended(bot, LONG_S) == _HALTED, "a session that is not flat a minute before its close halts the bot")
    rungs: dict[str, int] = {}
    for record in lab.records():
        if isinstance(record, FlattenAdvanced) and record.plan == "SESSION" and record.step != "DONE":
            rungs.setdefault(record.step, record.ts_ns)
    for step, before_s in _LADDER:
        due_ns = close_ns - before_s * NS_PER_S
        late_s = (rungs.get(step, 0) - due_ns) / NS_PER_S
        lab.check(0 <= late_s <= _RUNG_LATE_S, f"rung {step} came {late_s:.1f} s after its time")
    last = lab.witness.changes[-1]
    lab.check(last.position == 0 and last.market_ns < close_ns, f"left at {iso_from_ns(last.market_ns)}: {last}")
    exits = {row.order_id for row in lab.witness.placed if row.order_ref.endswith("-X")}
    lab.check(len(exits) <= 2, f"{len(exits)} exits were sent into the halt, expected a limit and a market order")


# Halts, limits, hours


def _disputed(*names: str) -> Callable[[LogRecord], bool]:
    return lambda record: isinstance(record, QuorumChanged) and set(names) <= set(record.disputes)


def _entries(lab: Lab) -> int:
    return len([row for row in lab.witness.placed if row.order_ref.endswith("-E") and not row.what_if])


def _halt(lab: Lab) -> None:
    """A halt with a position: a person flattens in it; the exit waits at the broker, once, until the market trades."""
    bot = lab.start()
    _hold(lab, lab.call(lambda gateway: gateway.clock.now_ns()) + 40 * NS_PER_MIN)
    lab.fault("halt", qty=2)
    lab.logged(_disputed("HALTED"), what="the halt in the bot's log")
    placed = _entries(lab)
    lab.command("flatten", "--reason", "halted")
    scene = lab.wait(lambda now: bool(now.exits), LONG_S, what="an exit at the broker")
    lab.pause(3.0)
    lab.check(lab.scene().own == scene.own != 0, "something traded in the halt")
    lab.check(_entries(lab) == placed, "an entry left in the halt")
    lab.fault("halt", on=False)
    lab.wait(traded(1), LONG_S, what="flat after the halt")
    exits = {row.order_id for row in lab.witness.placed if row.order_ref.endswith("-X")}
    lab.check(len(exits) <= 2, f"{len(exits)} exits were sent, expected a limit and a market order at most")
    lab.logged(lambda record: isinstance(record, QuorumChanged) and not record.disputes, what="the end of the halt")
    lab.end(bot)


def _blind_in_a_halt(lab: Lab) -> None:
    """With the shipped limits of the data score a halt with a position pulls the kill switch; its exit waits too."""
    bot = lab.start()
    _hold(lab, lab.call(lambda gateway: gateway.clock.now_ns()) + 40 * NS_PER_MIN)
    lab.fault("halt")
    lab.logged(lambda record: isinstance(record, LatchKillSwitch), what="the kill switch")
    scene = lab.wait(lambda now: bool(now.exits), LONG_S, what="an exit at the broker")
    lab.pause(3.0)
    lab.check(lab.scene().own == scene.own != 0, "something traded in the halt")
    lab.check(bot.running, "it ended with a position")
    lab.fault("halt", on=False)
    lab.check(lab.ended(bot, LONG_S) == _HALTED, "a kill switch ends with exit 5")
    lab.check(flat(lab.scene()), "something is left after the halt")


def _at_its_limit(lab: Lab) -> None:
    """Quotes come without asks: nothing enters until they have two sides again."""
    bot = lab.start()
    lab.wait(traded(1), what="a round trip")
    lab.fault("one_sided", side="SELL")
    lab.logged(_disputed("ONE_SIDED"), what="a market with one side in the bot's log")
    lab.wait(lambda scene: not scene.entries, what="no entry that works")
    placed = _entries(lab)
    lab.pause(3.0)
    lab.check(_entries(lab) == placed, f"{_entries(lab) - placed} entries left while the market had one side")
    lab.fault("one_sided", on=False)
    scene = lab.scene()
    lab.wait(traded(scene.round_trips + 1), LONG_S, what="a round trip after it")
    lab.end(bot)


def _brought_forward(lab: Lab) -> None:
    """On the day itself the broker tells a close that is hours earlier: no entries, and flat five minutes before it."""
    close_ns = _ns("2026-11-25T22:00:00")
    bot = lab.start()
    now_ns = lab.call(lambda gateway: gateway.clock.now_ns())
    _hold(lab, now_ns + 60 * NS_PER_MIN)
    now_ns = lab.call(lambda gateway: gateway.clock.now_ns())
    told_ns = now_ns - now_ns % NS_PER_MIN + 8 * NS_PER_MIN
    lab.fault("other_hours", ms=(close_ns - told_ns) // 1_000_000)
    lab.fault("drop_clients")  # hours are asked for with every connection
    lab.logged(_disputed("HOURS_DIFFER"), what="the dispute in the bot's log")
    placed = _entries(lab)
    _flat_in_time(lab, told_ns)
    lab.check(_entries(lab) == placed, f"{_entries(lab) - placed} entries left while the hours were disputed")
    lab.end(bot)


def _incident(name: str, says: str, start: str, body: Body, **more: Any) -> Incident:
    config = {**_CONFIG, **more.pop("config", {})}
    more = {"speed": _FAST_MARKET, "style": "late", **more}
    return Incident(
        name=name, says=says, source=("own",), gateway={"start_ns": _ns(start)}, config=config, body=body, **more
    )


INCIDENTS: Final = (
    _incident(
        "half-day",
        "The day after Thanksgiving: New York closes at 13:00, flat from 12:55 on",
        "2026-11-27T17:36:00",
        _day("2026-11-27T18:00:00"),
        quick=True,
        speed=60.0,
    ),
    _incident(
        "clocks-went-forward",
        "The first session after the clocks went forward: 15:55 in New York is an hour earlier in UTC",
        "2026-03-09T19:37:00",
        _day("2026-03-09T20:00:00"),
    ),
    _incident(
        "clocks-went-back",
        "The first session after the clocks went back: 15:55 in New York is an hour later in UTC",
        "2026-11-02T20:37:00",
        _day("2026-11-02T21:00:00"),
    ),
    _incident(
        "sunday-open-after-the-clocks",
        "The Globex evening of the day the clocks went back begins at 18:00 in New York, not an hour earlier",
        "2026-11-01T21:50:00",
        _sunday_open,
        config={"session.kind": "globex"},
        speed=240.0,
    ),
    _incident(
        "daily-break-between-two-sessions",
        "A Globex run over the daily break: flat before it, idle in it, trading after it",
        "2026-11-25T21:34:00",
        _over_the_break,
        config={"session.kind": "globex"},
        speed=90.0,
    ),
    _incident(
        "flatten-while-cancels-vanish",
        "The session's flatten while every cancel vanishes: the exit's group takes stop and target along",
        "2026-11-25T20:37:00",
        _day("2026-11-25T21:00:00", "mute_cancels"),
    ),
    _incident(
        "flatten-into-a-halt",
        "The exchange halts before the flatten: every rung comes at its time, and the position goes at the reopening",
        "2026-11-25T20:37:00",
        _ladder,
        exit_codes=(_HALTED,),
    ),
    _incident(
        "halt-with-a-position",
        "The exchange halts and the broker says so: no entries; an exit waits at the broker and is not sent twice",
        "2026-11-25T15:00:00",
        _halt,
        speed=10.0,
    ),
    _incident(
        "blind-in-a-halt",
        "A halt with a position, under the shipped limits of the data score: killed, and flat when the market reopens",
        "2026-11-25T15:00:00",
        _blind_in_a_halt,
        config={
            "quality.dvs_kill_c": 30,
            "quality.dvs_hold_c": 60,
            "quality.dvs_entry_c": 80,
            "quality.age_dead_ms": 10_000,
        },
        exit_codes=(_HALTED,),
        speed=10.0,
    ),
    _incident(
        "market-at-its-limit",
        "Quotes with one side, as at a price limit: no entries until both are back",
        "2026-11-25T15:00:00",
        _at_its_limit,
        style="quick",
        speed=10.0,
    ),
    _incident(
        "close-brought-forward",
        "The broker tells an earlier close than the calendar, on the day: nothing enters, flat before the earlier one",
        "2026-11-25T15:00:00",
        _brought_forward,
        config=FAST,
        speed=30.0,
    ),
)
