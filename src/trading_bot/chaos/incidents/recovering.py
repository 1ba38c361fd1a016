"""Incidents of the bot itself: killed and started again, unanswered, told to stop while the broker does not listen."""

from collections.abc import Callable
from typing import Final

from trading_bot.chaos.incident import Incident
from trading_bot.chaos.incidents.orders_changing import IMPATIENT
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.log_facts import Record
from trading_bot.chaos.moments import Scene, entry_working, filled, flat, holding, one_more
from trading_bot.chaos.strikes import fill_targets
from trading_bot.domain.effects import PlaceOrder
from trading_bot.domain.errors import Halted
from trading_bot.domain.reconciling import ReconciliationDone
from trading_bot.domain.trade_events import OrderFilled

# What tells position and orders: all open orders, executions, positions, completed orders.
QUESTIONS: Final = (16, 7, 61, 99)
SLOW: Final = 2.0  # a position is to stand while nobody answers for ten seconds of the wall
BREAK_SPEED: Final = 120.0
BEFORE_THE_BREAK_NS: Final = 1_795_639_800_000_000_000  # 2026-11-25T20:50:00Z: a start takes its time
NEAR_THE_BREAK_NS: Final = 1_795_641_900_000_000_000  # 2026-11-25T21:25:00Z; entries end six minutes before the break
REOPEN_NS: Final = 1_795_647_600_000_000_000  # 2026-11-25T23:00:00Z


def _compared(record: Record) -> bool:
    return isinstance(record, ReconciliationDone)


def _killed_while(moment: str) -> Callable[[Lab], None]:
    """Kill -9 at a moment, three times; each time the same command goes on where the log ends."""
    predicates = {"an entry works": entry_working, "a position stands": holding, "an entry has just filled": filled}

    def body(lab: Lab) -> None:
        for number in range(3):
            bot = lab.start()
            lab.wait(predicates[moment], what=f"{moment}, before kill {number + 1}")
            bot.kill()
            lab.pause(1.5)
        bot = lab.start()
        lab.logged(_compared, what="a comparison with the broker after the last start", fresh=True)
        lab.pause(1.0)
        lab.end(bot)

    return body


def _restarted_often(lab: Lab) -> None:
    """Killed and started five times over one position: what five starts give is what one gives."""
    bot = lab.start()
    lab.wait(holding, what="a position with its stop")
    for _ in range(4):
        bot.kill()
        bot = lab.start()
        lab.logged(_compared, what="a comparison with the broker after a start", fresh=True)
    lab.pause(1.0)
    lab.end(bot)


def _filled_while_it_starts(lab: Lab) -> None:
    """The target fills between the next process's question for the margin and its going on with the log."""
    bot = lab.start()
    lab.wait(holding, what="a position with its stop")
    bot.kill()
    questions = one_more(lambda: sum(row.what_if for row in lab.witness.placed))
    moment = lab.when(questions, fill_targets, what="the question for the margin of the next process")
    bot = lab.start()
    moment.wait()
    lab.logged(_compared, what="a comparison with the broker after the start", fresh=True)
    lab.pause(1.0)
    asked = {record.order.order_id for record in lab.records() if isinstance(record, PlaceOrder)}
    told = [record for record in lab.records() if isinstance(record, OrderFilled)]
    unknown = [record for record in told if record.order_id not in asked]
    lab.check(not unknown, f"a fill of the bot's own order was taken for another log's: {unknown[:1]}")
    lab.end(bot)


def _unanswered(*, deadline: bool) -> Callable[[Lab], None]:
    """Nobody answers what the bot asks about its position and orders: unknown is not empty."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        lab.strike(holding, "ignore_requests", requests=list(QUESTIONS), what="a position with its stop").wait()
        lab.logged(
            lambda record: isinstance(record, ReconciliationDone) and "NO_ANSWER" in str(record),
            what="a comparison without an answer",
        )
        if not deadline:
            lab.fault("ignore_requests", on=False)
            lab.pause(2.0)
            lab.end(bot)
            return
        lab.wait(flat, what="the bot left what it knows nothing about")
        lab.pause(3.0)
        lab.check(bot.running, "the bot ended although nobody had confirmed that it is flat")
        lab.fault("ignore_requests", on=False)
        lab.ended(bot)

    return body


def _told_to(command: tuple[str, ...], fault: tuple[str, dict[str, object]] | None = None) -> Callable[[Lab], None]:
    """An operator's command while a position stands, and while the broker is deaf perhaps."""

    def body(lab: Lab) -> None:
        bot = lab.start()
        if fault is None:
            lab.wait(holding, what="a position with its stop")
        else:
            lab.strike(holding, fault[0], what="a position with its stop", **fault[1]).wait()
        code, told = lab.command(*command)
        lab.check(code == 0, f"{' '.join(command)} ended with {code}: {told[-300:]}")
        lab.wait(flat, what=f"the position is gone after `{command[0]}`")
        if command[0] == "kill":
            lab.ended(bot)
        else:
            lab.end(bot)

    return body


def _through_the_break(lab: Lab) -> None:
    """A cancel asked before the daily break is answered when the exchange opens again."""

    def near_the_break(scene: Scene) -> bool:
        return entry_working(scene) and scene.market_ns >= NEAR_THE_BREAK_NS

    bot = lab.start()
    lab.strike(near_the_break, "hold_cancels", what="an entry that rests shortly before the break").wait()
    lab.wait(one_more(lambda: len(lab.witness.cancels)), what="a cancel that nobody answers")
    lab.wait(lambda scene: scene.market_ns > REOPEN_NS, timeout_s=120.0, what="the exchange opens again")
    lab.fault("hold_cancels", on=False)
    lab.pause(2.0)
    lab.end(bot)


INCIDENTS: Final = (
    Incident(
        name="killed-while-an-entry-works",
        says="kill -9 while an entry works, three times, and the same command again",
        source=("2#5", "B"),
        style="rest",
        body=_killed_while("an entry works"),
    ),
    Incident(
        name="killed-at-the-fill",
        says="kill -9 the moment an entry fills, three times, and the same command again",
        source=("2#5", "2#7", "B"),
        body=_killed_while("an entry has just filled"),
    ),
    Incident(
        name="restarted-over-a-position",
        says="The bot is killed and started again and again over one position",
        source=("2#5",),
        body=_restarted_often,
    ),
    Incident(
        name="target-fills-during-the-start",
        says="The target of a position fills while the killed bot starts again",
        source=("2#5", "2#7", "B"),
        body=_filled_while_it_starts,
    ),
    Incident(
        name="questions-unanswered",
        says="Nobody answers what the bot asks about position and orders, for a while",
        source=("2#6",),
        config={"orders.reconcile_s": 5},
        body=_unanswered(deadline=False),
    ),
    Incident(
        name="questions-never-answered",
        says="Nobody answers what the bot asks about position and orders, beyond the deadline",
        source=("2#6", "2#25"),
        speed=SLOW,
        config={"orders.reconcile_s": 5, "orders.unknown_deadline_s": 2},
        exit_codes=(Halted.exit_code,),
        body=_unanswered(deadline=True),
    ),
    Incident(
        name="kill-switch-with-a-position",
        says="The kill switch is pulled while a position stands",
        source=("2#25",),
        exit_codes=(Halted.exit_code,),
        body=_told_to(("kill", "--reason", "chaos")),
    ),
    Incident(
        name="kill-switch-in-an-outage",
        says="The kill switch is pulled while the gateway has lost the broker",
        source=("2#25", "2b:1100"),
        exit_codes=(Halted.exit_code,),
        body=_told_to(("kill", "--reason", "chaos"), ("outage", {"for_s": 90})),
    ),
    Incident(
        name="kill-switch-while-statuses-are-lost",
        says="The kill switch is pulled while the broker tells no status of any order",
        source=("2#25", "2#19"),
        exit_codes=(Halted.exit_code,),
        body=_told_to(("kill", "--reason", "chaos"), ("lose_acks", {})),
    ),
    Incident(
        name="kill-switch-while-disconnected",
        says="The kill switch is pulled the moment the socket breaks",
        source=("2#25", "2b:504"),
        exit_codes=(Halted.exit_code,),
        body=_told_to(("kill", "--reason", "chaos"), ("drop_clients", {})),
    ),
    Incident(
        name="flatten-with-cancels-refused",
        says="The operator flattens while the broker takes no cancel",
        source=("2#25", "2#8"),
        body=_told_to(("flatten",), ("mute_cancels", {})),
    ),
    Incident(
        name="cancels-through-the-break",
        says="A cancel is unanswered through the exchange's daily break",
        source=("2#8", "D", "A"),
        style="rest",
        speed=BREAK_SPEED,
        gateway={"start_ns": BEFORE_THE_BREAK_NS},
        config={"session.kind": "globex", "session.close_buffer_min": 6, **IMPATIENT},
        body=_through_the_break,
    ),
)
