"""Incidents in which nobody is left to act: the bot is killed or frozen with something open; the dead man closes it.

Each goes on to the end of the story: the switch stays latched, a person clears it, and the next start of the bot agrees
with the broker that nothing is there.
"""

from collections.abc import Callable
from typing import Final

from trading_bot.chaos.incident import Incident
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.log_facts import Record
from trading_bot.chaos.moments import Scene, entry_working, holding
from trading_bot.domain.errors import Halted
from trading_bot.domain.reconciling import ReconciliationDone

SLOW: Final = 5.0  # a position is to stand while nobody looks after it for some seconds of the wall
LIMIT_S: Final = 2.0  # half of what is shipped: an incident waits for it
ACTS_S: Final = 3.0  # from the first look after the limit until the account is flat, on a busy machine
_CONFIG: Final = {"deadman.limit_s": LIMIT_S, "deadman.look_ms": 100, "orders.reconcile_s": 5}
# The bot's stop is withdrawn with everything else while the bot is not there to say so.
_NAKED_S: Final = 6.0


def _nothing_there(scene: Scene) -> bool:
    return scene.position == 0 and not scene.working


def _compared(record: Record) -> bool:
    return isinstance(record, ReconciliationDone)


def _flat(lab: Lab) -> None:
    """He has seen it, taken over, and closed it, each order against what the broker said."""
    lab.did("noticed")
    done = lab.did("flat")
    lab.wait(_nothing_there, 5.0, what="nothing is held and nothing works when the dead man says flat")
    steps = [step["event"] for step in lab.steps()]
    lab.check(steps.index("latched") < steps.index("fence"), f"the switch is latched before anything else: {steps}")
    lab.check(done["ms"] < ACTS_S * 1_000, f"flat {done['ms']:.0f} ms after it was noticed, expected {ACTS_S:g} s")


def _next_day(lab: Lab) -> None:
    """No start while the switch is latched; after `unkill` the bot starts, and agrees with the broker."""
    refused = lab.start()
    code = lab.ended(refused)
    lab.check(code == Halted.exit_code, f"a start with the switch latched ended with {code}")
    code, told = lab.command("unkill", "--reason", "chaos: looked at the account")
    lab.check(code == 0, f"unkill ended with {code}: {told[-300:]}")
    bot = lab.start()
    lab.logged(_compared, what="a comparison with the broker after the start", fresh=True)
    lab.end(bot)


def _killed(moment: str) -> Callable[[Lab], None]:
    predicates = {"a position stands": holding, "an entry works": entry_working}

    def body(lab: Lab) -> None:
        bot = lab.start()
        lab.dead_man()
        lab.wait(predicates[moment], what=moment)
        bot.kill()
        _flat(lab)
        _next_day(lab)

    return body


def _frozen(lab: Lab) -> None:
    """SIGSTOP; the dead man kills what is frozen, so that it cannot close a second time."""
    bot = lab.start()
    lab.dead_man()
    lab.wait(holding, what="a position with its stop")
    bot.freeze()
    _flat(lab)
    lab.check(lab.did("fence")["result"] == "killed", f"the frozen bot was not killed: {lab.did('fence')}")
    bot.kill()  # which it is already
    _next_day(lab)


def _thawed(lab: Lab) -> None:
    """SIGSTOP without the fence, and SIGCONT when the account is flat: the bot sends nothing, and ends by itself."""
    bot = lab.start()
    lab.dead_man()
    lab.wait(holding, what="a position with its stop")
    bot.freeze()
    _flat(lab)
    before = lab.scene().executions
    bot.thaw()
    code = lab.ended(bot)
    lab.check(code == Halted.exit_code, f"the thawed bot ended with {code}")
    lab.check(lab.scene().executions == before, "the thawed bot traded after the dead man had closed its position")
    bot.killed = True  # its last word is of before it froze
    _next_day(lab)


def _unreachable(lab: Lab) -> None:
    """The bot is killed, and the gateway restarts at the same time: the dead man goes on trying."""
    bot = lab.start()
    lab.dead_man()
    lab.wait(holding, what="a position with its stop")
    bot.kill()
    lab.fault("restart", wall_s=4)
    lab.did("unreachable")
    lab.did("flat")
    lab.wait(_nothing_there, 5.0, what="nothing is held and nothing works when the dead man says flat")
    _next_day(lab)


def _orderly(lab: Lab) -> None:
    """The bot has started him (deadman.start); an orderly end leaves him nothing to do, and he ends as well."""
    bot = lab.start()
    lab.did("connected")
    lab.wait(holding, what="a position with its stop")
    lab.end(bot)
    told = lab.did("ended")
    lab.check(not told["took_over"] and not told["open"], f"the dead man ended with {told}")
    acted = [step["event"] for step in lab.steps() if step["event"] in {"noticed", "takes_over", "close"}]
    lab.check(not acted, f"the dead man acted: {acted}")


_EXITS: Final = (0, Halted.exit_code)

INCIDENTS: Final = (
    Incident(
        name="dead-man-after-kill-9",
        quick=True,
        says="kill -9 while a position stands, and nobody starts the bot again: the dead man closes it",
        source=("own",),
        speed=SLOW,
        config=_CONFIG,
        exit_codes=_EXITS,
        naked_s=_NAKED_S,
        body=_killed("a position stands"),
    ),
    Incident(
        name="dead-man-after-an-entry",
        says="kill -9 while an entry works: the dead man withdraws it, or closes what it has become",
        source=("own",),
        style="rest",
        speed=1.0,
        config=_CONFIG,
        exit_codes=_EXITS,
        naked_s=_NAKED_S,
        body=_killed("an entry works"),
    ),
    Incident(
        name="dead-man-after-sigstop",
        quick=True,
        says="The bot freezes while a position stands: the dead man kills it and closes the position",
        source=("own",),
        speed=SLOW,
        config=_CONFIG,
        exit_codes=_EXITS,
        naked_s=_NAKED_S,
        body=_frozen,
    ),
    Incident(
        name="thaws-after-the-dead-man",
        says="The bot freezes, the dead man closes its position without killing it, and it thaws",
        source=("own",),
        speed=SLOW,
        config={**_CONFIG, "deadman.fence": False},
        exit_codes=_EXITS,
        naked_s=_NAKED_S,
        body=_thawed,
    ),
    Incident(
        name="dead-man-without-a-gateway",
        says="kill -9 while a position stands, and the gateway restarts at the same moment",
        source=("own",),
        speed=SLOW,
        config=_CONFIG,
        exit_codes=_EXITS,
        naked_s=20.0,
        body=_unreachable,
    ),
    Incident(
        name="dead-man-after-an-orderly-end",
        says="The bot ends in order beside a dead man it has started, who does nothing and ends as well",
        source=("own",),
        config={**_CONFIG, "deadman.start": True},
        body=_orderly,
    ),
)
