"""Incidents of account, clock, process and operator: what is not ours, clocks, rolls, kill switches."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.record import Record
from trading_bot.chaos.incidents.shapes import FAST, LONG_S, Body, connected, incident, link_said
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.moments import filled, flat, holding, traded
from trading_bot.domain.events import SafetyVerdict
from trading_bot.domain.instruments import INSTRUMENTS
from trading_bot.domain.records import FrameKind
from trading_bot.domain.trade_events import StopResident

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

_A_POSITION: Final = "a position with its stop"
_SNAPSHOTS: Final = [5, 7, 16, 61, 99]  # requests for orders, executions, positions, completed orders
_RECONNECTED: Final = link_said("RECONNECTED")
_HALTED: Final = 5  # exit code of a bot that its kill switch stopped


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


_ROLLED_NS: Final = _ns("2026-12-13T23:10:00")  # ten minutes into the session of the Monday before the expiry

# What is not ours


def _foreign_orders(lab: Lab) -> None:
    """Another program's order and a person's work on beside the bot's, and still do when it has ended."""
    lab.fault("order_by_hand", side="BUY", qty=1, points=1000.0, client_id=7)
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.fault("order_by_hand", side="SELL", qty=2, points=20000.0)
    lab.wait(traded(scene.round_trips + 1), LONG_S, what="a round trip beside them")
    lab.end(bot)
    left = [(order.client_id, order.asked) for order in lab.scene().foreign]
    lab.check(left == [(7, 1), (0, 2)], f"orders of others were touched: {left}")


def _foreign_position(lab: Lab) -> None:
    """A position of a contract the bot never traded, there at the start, and another one that comes later."""
    lab.fault("give_position", symbol="MNQ", qty=3)
    bot = lab.start()
    scene = lab.wait(filled, what="a position of the bot")
    lab.fault("give_position", symbol="M2K", qty=-2)
    lab.wait(traded(scene.round_trips + 1), LONG_S, what="a round trip beside it")
    lab.end(bot)
    held = lab.call(
        lambda gateway: {
            row.listed.instrument.symbol: row.qty for row in gateway.desk.account.positions.values() if row.qty
        }
    )
    lab.check(held == {"MNQ": 3, "M2K": -2}, f"positions of others were touched: {held}")


def _by_hand(*, adds: bool, qty: int) -> Body:
    """A person trades the same contract: more of the bot's position, or beyond its end."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        scene = lab.wait(holding, what=_A_POSITION)
        lab.fault("order_by_hand", side="BUY" if (scene.own > 0) is adds else "SELL", qty=qty)
        lab.check(lab.ended(bot, LONG_S) == _HALTED, "a position that is not the bot's halts it")
        lab.check(lab.scene().position == 0, f"{lab.scene().position} lots are left at the broker")

    return body


def _orphan(lab: Lab) -> None:
    """The bot is flat, and the account gets a position in its contract."""
    lab.fault("give_position", qty=1)
    bot = lab.start()
    lab.check(lab.ended(bot) == _HALTED, "an orphan position halts the bot")
    lab.check(lab.scene().position == 0, f"the orphan was not left: {lab.scene().position}")


def _closed_by_hand(lab: Lab) -> None:
    """A person closes the bot's position at the screen: the bot drops its own, and withdraws the bracket."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.fault("order_by_hand", side="SELL" if scene.own > 0 else "BUY", qty=abs(scene.own))
    lab.wait(lambda now: not now.stops and not now.targets, LONG_S, what="the bracket withdrawn")
    lab.end(bot)


# Answers that do not come


def _no_snapshot(lab: Lab) -> None:
    """After a reconnect nobody answers what stands and what was executed: unknown is not flat, and no entry leaves."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.logged(lambda record: isinstance(record, StopResident), what="the stop in the bot's log")
    lab.fault("ignore_requests", requests=_SNAPSHOTS)
    lab.fault("drop_clients")
    lab.logged(_RECONNECTED, what="the connection after it")
    before = {row.order_ref for row in lab.witness.placed}
    lab.pause(6.0)
    new = {row.order_ref for row in lab.witness.placed if row.order_ref.endswith("-E")} - before
    lab.check(not new, f"entries left while nothing was known: {sorted(new)}")
    lab.fault("ignore_requests", on=False)
    lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades once it is known")
    lab.end(bot)


def _no_snapshot_at_start(lab: Lab) -> None:
    """The same at the very first connection: the bot does not trade, and says so, until it is answered."""
    lab.fault("ignore_requests", requests=_SNAPSHOTS)
    first = lab.start()
    lab.wait(connected, what="a connection")
    lab.pause(6.0)
    entered = [row.order_ref for row in lab.witness.placed if row.order_ref.endswith("-E")]
    lab.check(not entered, f"it traded though nobody told it what stands: {entered}")
    lab.fault("ignore_requests", on=False)
    second = first if first.running else lab.start()
    lab.wait(holding, LONG_S, what=_A_POSITION)
    lab.end(second)


# Clocks


def _clock_ahead(lab: Lab) -> None:
    """The gateway's clock, and the market with it, jumps ten minutes ahead while a position stands."""
    bot = lab.start()
    scene = lab.wait(holding, what=_A_POSITION)
    lab.fault("step_clock", ms=600_000)
    lab.wait(lambda now: now.round_trips > scene.round_trips, LONG_S, what="the position's end")
    lab.end(bot)


def _clock_refused(record: object) -> bool:
    return isinstance(record, SafetyVerdict) and "clock is" in record.detail


def _entries_placed(lab: Lab) -> int:
    return lab.call(lambda _: sum(one.order_ref.endswith("E") for one in lab.witness.placed))


def _stamps(ms: int) -> Body:
    """Ticks and the told time are off; the market is not. No entry leaves while they are, from when it was noticed."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        scene = lab.wait(holding, what=_A_POSITION)
        lab.fault("skew_clock", ms=ms)
        lab.logged(_clock_refused, LONG_S, what="an entry refused for the clock", fresh=True)
        entries = _entries_placed(lab)
        lab.wait(flat, LONG_S, what="the position's own end")
        lab.pause(3.0)
        lab.check(entries > 0 and _entries_placed(lab) == entries, "an entry left while the clock was known to be off")
        lab.fault("skew_clock", on=False)
        lab.wait(traded(scene.round_trips + 2), LONG_S, what="trades once the stamps are right again")
        lab.end(bot)

    return body


# The roll


def _contracts_traded(lab: Lab) -> list[str]:
    return lab.call(
        lambda gateway: [
            row.local_symbol
            for one in gateway.desk.executions.rows
            if (row := gateway.contracts.find(one.con_id)) is not None
        ]
    )


def _roll(lab: Lab) -> None:
    """Friday's run trades the old contract, Monday's the next one, on the same data directory; none holds both."""
    bot = lab.start()
    lab.wait(traded(1), what="a round trip of the old contract")
    lab.end(bot)
    old = set(_contracts_traded(lab))
    lab.call(lambda gateway: gateway.clock.step(_ROLLED_NS - gateway.clock.now_ns()))
    scene = lab.scene()
    bot = lab.start()
    lab.wait(traded(scene.round_trips + 1), LONG_S, what="a round trip of the new contract")
    lab.end(bot)
    new = set(_contracts_traded(lab)) - old
    lab.check(old == {"MESZ6"} and new == {"MESH7"}, f"traded {old} before the roll and {new} after it")


def _still_market(gateway: "Gateway", from_ns: int) -> None:
    """From now on the market stands still; from `from_ns` on it is told five times a second for half an hour."""
    row = gateway.contracts.front(INSTRUMENTS["MES"])
    bid, bid_qty, ask, ask_qty = gateway.market.touch(row.con_id)
    records = []
    for number in range(5 * 1_800):
        at_ns = from_ns + number * 200_000_000
        records.append(Record(FrameKind.QUOTE, at_ns, at_ns, bid, ask, bid_qty + number % 2, ask_qty))
        records.append(Record(FrameKind.TRADE, at_ns, at_ns, price_ticks=(bid, ask)[number % 2], qty=1))
    gateway.market.script(row.instrument, records)


def _roll_with_position(lab: Lab) -> None:
    """Killed with a position before the roll, started after it: that position is not taken for none, nor bared."""
    bot = lab.start()
    lab.wait(holding, what=_A_POSITION)
    lab.logged(lambda record: isinstance(record, StopResident), what="the stop in the bot's log")
    lab.call(lambda gateway: _still_market(gateway, _ROLLED_NS - 60_000_000_000))
    bot.kill()
    lab.pause(1.0)  # the gateway notices
    lab.call(lambda gateway: gateway.clock.step(_ROLLED_NS - gateway.clock.now_ns()))
    second = lab.start()
    lab.check(lab.ended(second) == 2, "a start over another expiry's position is not refused")
    lab.check("MESZ6" in str(second.summary), "the sentence does not name the contract that is held")
    kept = lab.scene()
    lab.check(kept.covered == abs(kept.held) == 1, f"the position was bared: {kept.told()}")
    config = lab.folder / "old-contract.toml"
    config.write_text('[ibkr]\ncontract = "MESZ6"\n', encoding="utf-8")
    third = lab.start("--config", str(config))
    lab.check(
        lab.ended(third, LONG_S) == _HALTED, "what is found open after a change of the configuration is an orphan"
    )
    lab.check(lab.scene().position == 0, f"the old contract's position is not left: {lab.scene().told()}")


# The operator


def _killed_by_command(fault: str, *, wall_s: float, **values: object) -> Body:
    """`kill` while something is wrong: the position is left as soon as the broker can be reached, and stays left."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        lab.wait(holding, what=_A_POSITION)
        lab.fault(fault, **values)
        lab.command("kill", "--reason", "chaos", "--wait", "1")
        lab.pause(wall_s)
        lab.fault(fault, on=False, **values)
        lab.check(lab.ended(bot) == _HALTED, "a kill switch ends with exit 5")
        lab.check(flat(lab.scene()), "the kill switch left something")

    return body


def _kill_meets_lost_cancels(lab: Lab) -> None:
    """The kill switch is pulled while cancels vanish: the position goes all the same, and so do the orders at last."""
    bot = lab.start()
    lab.wait(holding, what=_A_POSITION)
    lab.fault("mute_cancels")
    lab.command("kill", "--reason", "chaos", "--wait", "1")
    lab.wait(lambda scene: scene.own == 0, what="no position")
    lab.fault("mute_cancels", on=False)
    lab.check(lab.ended(bot) == _HALTED, "a kill switch ends with exit 5")


FRIDAY: Final = {"start_ns": _ns("2026-12-11T21:25:00")}
ALL_HOURS: Final = {"session.kind": "globex", "events.required": "never"}
LEAVES: Final = {"exits_only_close": "the bot leaves lots somebody else opened: only the account's position tells"}
SOON: Final = {"orders.reconcile_s": 5}

INCIDENTS: Final = (
    incident(
        name="orders-of-others",
        says="Another program's order and a person's work beside the bot's: seen, and never touched",
        source=("2#21", "2c:7"),
        style="quick",
        config=SOON,
        body=_foreign_orders,
    ),
    incident(
        name="position-never-traded",
        says="The broker tells positions of contracts the bot never traded, at the start and under way",
        source=("2#20", "own"),
        style="quick",
        config=SOON,
        tolerates={
            "position_as_broker": "the account holds lots of other contracts, and they are left alone",
            "exits_only_close": "the account's lots count together: beside +1 of another contract -1 of ours is none",
        },
        body=_foreign_position,
    ),
    incident(
        name="orphan-position-at-start",
        says="The account holds a lot of the bot's contract that nobody here has entered",
        source=("2#20", "2#5"),
        exit_codes=(5,),
        config=SOON,
        tolerates=LEAVES,
        body=_orphan,
    ),
    incident(
        name="person-adds-to-the-position",
        says="A person buys one more of what the bot holds",
        source=("2#20", "own"),
        exit_codes=(5,),
        config=SOON,
        tolerates=LEAVES,
        body=_by_hand(adds=True, qty=1),
    ),
    incident(
        name="person-turns-the-position",
        says="A person sells three against the bot's one: the account is on the other side",
        source=("2#20", "own"),
        exit_codes=(5,),
        config=SOON,
        tolerates={**LEAVES, "no_duplicate_exposure": "it leaves two lots of somebody else beside its own"},
        body=_by_hand(adds=False, qty=3),
    ),
    incident(
        name="person-closes-the-position",
        says="A person closes the bot's position at the screen",
        source=("2#20", "own"),
        config=SOON,
        tolerates={
            "no_duplicate_exposure": "it counts the bot's executions alone: the lot a person closed is among them"
        },
        body=_closed_by_hand,
    ),
    incident(
        name="snapshots-unanswered",
        says="After a reconnect nobody answers what stands and what was executed: unknown is not flat",
        source=("2#6", "2#13"),
        style="quick",
        config=FAST,
        body=_no_snapshot,
    ),
    incident(
        name="snapshots-unanswered-at-start",
        says="The same at the first connection of a run",
        source=("2#6", "2#13"),
        config=FAST,
        exit_codes=(0, 3),
        body=_no_snapshot_at_start,
    ),
    incident(
        name="clock-steps-ahead",
        says="The gateway's clock and its market jump ten minutes ahead, with a position",
        source=("own",),
        style="quick",
        body=_clock_ahead,
    ),
    incident(
        name="stamps-behind",
        says="Ticks and the told time are 90 s behind for a while",
        source=("own",),
        style="quick",
        config={"latency.clock_offset_ms_max": 5_000},  # as shipped
        body=_stamps(-90_000),
    ),
    incident(
        name="stamps-ahead",
        says="Ticks and the told time are 90 s ahead for a while",
        source=("own",),
        style="quick",
        config={"latency.clock_offset_ms_max": 5_000},  # as shipped
        body=_stamps(90_000),
    ),
    incident(
        name="contract-rolls",
        says="Friday's run trades the old contract, the next session's the new one",
        source=("2#23", "E"),
        style="quick",
        gateway=FRIDAY,
        config=ALL_HOURS,
        body=_roll,
    ),
    incident(
        name="contract-rolls-with-a-position",
        says="Killed with a position of the old contract on Friday, started on the day of the roll",
        source=("2#23", "E"),
        gateway={"start_ns": _ns("2026-12-11T20:10:00")},  # a position is held for an hour at most
        config=ALL_HOURS,
        exit_codes=(0, 2, 5),
        body=_roll_with_position,
    ),
    incident(
        name="kill-switch-while-the-api-stalls",
        says="The operator's kill switch while the gateway answers nothing",
        source=("2#25", "2#15"),
        exit_codes=(5,),
        config=FAST,
        body=_killed_by_command("stall", wall_s=4.0),
    ),
    incident(
        name="kill-switch-without-data",
        says="The operator's kill switch while no market data come",
        source=("2#25",),
        exit_codes=(5,),
        body=_killed_by_command("stop_data", wall_s=3.0),
    ),
    incident(
        name="kill-switch-and-lost-cancels",
        says="The operator's kill switch while every cancel vanishes",
        source=("2#25",),
        exit_codes=(5,),
        body=_kill_meets_lost_cancels,
    ),
)
