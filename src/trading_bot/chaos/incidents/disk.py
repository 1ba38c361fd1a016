"""Incidents of the disk under the log: full, refusing, not answering, with a position (PR06)."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from trading_bot.chaos.bad_disks import Trouble, launch_on_bad_disk, trouble
from trading_bot.chaos.incident import Incident
from trading_bot.chaos.lab import Lab
from trading_bot.chaos.log_facts import Record
from trading_bot.chaos.moments import flat, holding, one_more
from trading_bot.domain.errors import Halted
from trading_bot.domain.events import LogSpaceChanged
from trading_bot.domain.reconciling import ReconciliationDone

LIMIT_S: Final = 60.0  # of the wall, from the first refusal to the end of a bot that leaves its position
STALL_S: Final = 0.5
_SMALL: Final = MappingProxyType({"log.segment_mib": 1})  # of `bad_disks.SEGMENT_BYTES` each


def _room(*, ok: bool) -> Callable[[Record], bool]:
    def wanted(record: Record) -> bool:
        return isinstance(record, LogSpaceChanged) and record.ok is ok

    return wanted


def _goes_on(lab: Lab) -> None:
    """The disk is well again, and the same command goes on with the same run."""
    trouble(lab, "")
    bot = lab.start()
    lab.logged(lambda record: isinstance(record, ReconciliationDone), what="a comparison after the start", fresh=True)
    lab.wait(one_more(lambda: len(lab.witness.placed)), what="another entry")
    lab.end(bot)
    runs = {entry.name for entry in (lab.folder / "data" / "runs").iterdir()}
    lab.check(len(runs) == 1, f"the run did not go on: {sorted(runs)}")


def _ends(kind: Trouble, reason: str) -> Callable[[Lab], None]:
    def body(lab: Lab) -> None:
        lab.launch = launch_on_bad_disk
        bot = lab.start()
        lab.wait(holding, what="a position with its stop")
        trouble(lab, kind)
        code = lab.ended(bot, LIMIT_S)
        found = bot.summary.get("exit_reason")
        lab.check(code == Halted.exit_code, f"a disk in trouble ({kind}) ends with {Halted.exit_code}, found {code}")
        lab.check(found == reason, f"the end is {reason}, found {found}")
        lab.check(flat(lab.scene()), f"something was left: {lab.scene().told()}")
        _goes_on(lab)

    return body


def _slow(lab: Lab) -> None:
    """No sync comes back for some seconds: no entry begins, the position is left as ever, and it trades on."""
    lab.launch = launch_on_bad_disk
    bot = lab.start()
    lab.wait(holding, what="a position with its stop")
    trouble(lab, "slow")
    lab.logged(_room(ok=False), what="entries stop")
    lab.command("flatten", "--reason", "chaos")
    lab.wait(flat, what="the position is left while the disk does not answer")
    placed = len(lab.witness.placed)
    lab.pause(1.0)
    lab.check(len(lab.witness.placed) == placed, "an entry was placed while the disk did not answer")
    trouble(lab, "")
    lab.logged(_room(ok=True), what="entries come back")
    lab.wait(one_more(lambda: len(lab.witness.placed)), what="another entry")
    lab.end(bot)


INCIDENTS: Final = (
    Incident(
        name="disk-full-with-a-position",
        says="The disk under the log has no room for another segment while a position stands",
        source=("own",),
        exit_codes=(0, Halted.exit_code),
        config=_SMALL,
        body=_ends("full", "LOG_FULL"),
    ),
    Incident(
        name="disk-refuses-with-a-position",
        says="The disk under the log becomes read-only and refuses every sync while a position stands",
        source=("own",),
        exit_codes=(0, Halted.exit_code),
        config=_SMALL,
        body=_ends("refuses", "LOG_FAILED"),
    ),
    Incident(
        name="disk-does-not-answer",
        says="No sync of the log comes back for some seconds while a position stands",
        source=("own",),
        style="stand",
        config={"log.stall_s": STALL_S},
        body=_slow,
    ),
)
