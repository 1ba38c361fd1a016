"""Kill -9 at random, again and again, against one gateway: what each death and each start after it must leave right.

A round is one gateway and one data directory. The bot is killed at a moment drawn from the seed, its log is replayed
beside it (`log_shadow.py`), the broker's books are held against it, and the same command is given again. The last bot
of a round ends in order, and every invariant of the chaos lab is looked at (docs/chaos.md).
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from trading_bot.adapters.gateway.orders import Execution
from trading_bot.chaos.bots import Bot, launch
from trading_bot.chaos.crash_moments import KINDS, strike
from trading_bot.chaos.evidence import collect
from trading_bot.chaos.incident import Incident
from trading_bot.chaos.invariants import CHECKS
from trading_bot.chaos.lab import Lab, NotReached, open_lab
from trading_bot.chaos.log_shadow import LogShadow
from trading_bot.chaos.moments import is_ours
from trading_bot.chaos.warm_bots import launch_warm, preload
from trading_bot.domain.errors import BotError
from trading_bot.domain.reconciling import ReconciliationDone

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

TORN: Final = 0.25  # share of deaths that leave an append half done
_LOST: Final = frozenset({"no_lost_fill"})
_DOUBLED: Final = frozenset({"no_duplicate_exposure", "exits_only_close"})
# A bot that trades through the whole round: money and history are not what is looked at. One session of history makes
# a start three times faster; the account is large, so that no loss of a random trader ends the round.
ROUND: Final = Incident(
    name="crash",
    says="kill -9 at random moments, and the same command again",
    source=("own",),
    body=lambda _lab: None,
    style="quick",
    gateway={"equity_usd": 1_000_000.0},
    config={"ibkr.history_sessions": 1, "lockouts.slippage_ticks": 100.0},
    naked_s=10.0,
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that did not hold. `kind` is lost_fills, dup_orders or state_mismatch; `count` how many of them."""

    kind: str
    kill: int
    text: str
    count: int = 1


class RoundReport(msgspec.Struct, frozen=True, kw_only=True):
    """One round of `asked` kills.

    `moments` counts them by their moment, `holding` those over a position, `working` over an entry that worked, `torn`
    those that left half an append.
    """

    seed: int
    asked: int
    kills: int
    wall_s: float
    moments: dict[str, int]
    holding: int
    working: int
    torn: int
    starts_compared: int
    abandoned: int
    executions: int
    records: int
    findings: tuple[Finding, ...]
    folder: str

    def total(self, kind: str) -> int:
        """How many of one kind."""
        return sum(finding.count for finding in self.findings if finding.kind == kind)


class _Books(msgspec.Struct, frozen=True):
    """The broker's side at one moment. Lots; `orders` are the references of the bot's living orders."""

    executions: tuple[Execution, ...]
    orders: tuple[str, ...]
    own: int
    working: int


def run_round(seed: int, kills: int, folder: Path) -> RoundReport:
    """One round of `kills` deaths in `folder`, with everything drawn from `seed`."""
    folder.mkdir(parents=True)
    preload()
    begin_s = time.monotonic()
    with open_lab(ROUND, folder, launch_warm) as lab:
        one = _Round(lab, seed)
        try:
            for number in range(kills):
                one.kill(number + 1)
            one.end()
        except (BotError, NotReached, OSError) as error:
            one.found("state_mismatch", f"{type(error).__name__}: {error}")
        return one.report(seed, kills, time.monotonic() - begin_s)


class _Round:
    def __init__(self, lab: Lab, seed: int) -> None:
        self._lab = lab
        self._rng = random.Random(seed)  # noqa: S311 (a draw of moments)
        self._shadow = LogShadow(lab.folder / "data")
        self._findings: list[Finding] = []
        self._moments: Counter[str] = Counter()
        self._number = 0
        self._holding = self._working = self._torn = self._compared = 0

    def found(self, kind: str, text: str, count: int = 1) -> None:
        self._findings.append(Finding(kind=kind, kill=self._number, text=text, count=count))

    def kill(self, number: int) -> None:
        """Start a bot, kill it at a moment, and look at what it left."""
        lab, rng, self._number = self._lab, self._rng, number
        before = _books(lab)
        bot = lab.start()
        kind = strike(lab, bot, rng)
        if not bot.killed:
            said = bot.summary.get("error") or bot.summary.get("message")
            self.found("state_mismatch", f"bot {bot.number} ended by itself with {bot.exit_code}: {said}")
            raise NotReached(f"no bot to kill: {bot.err.read_text(encoding='utf-8', errors='replace')[-500:]}")
        self._moments[kind] += 1
        after = _books(lab)
        self._holding += after.own != 0
        self._working += after.working != 0
        self._look(bot, before, after)
        if rng.random() < TORN:
            self._torn += self._tear()

    def _look(self, bot: Bot, before: _Books, after: _Books) -> None:
        shadow = self._shadow
        for text in shadow.died(bot.pid):
            self.found("state_mismatch", text)
        if shadow.compared:
            self._compared += 1
            # A bot that has compared itself with the broker knows all that was executed before it came.
            missing = _missing(before.executions, shadow)
            if missing:
                self.found("lost_fills", f"compared with the broker and without {missing}", len(missing))
        for text in _differences(after, shadow):
            self.found("state_mismatch", text)

    def _tear(self) -> bool:
        """What a process leaves that dies within an append: bytes without a length, which is stored last."""
        tail = self._shadow.tail
        if tail is None:
            return False
        with tail.path.open("r+b") as file:
            file.seek(tail.end_bytes + 8)
            file.write(self._rng.randbytes(self._rng.randrange(8, 256)))
        return True

    def end(self) -> None:
        """The last bot of a round, started as a user does it and ended in order."""
        lab = self._lab
        lab.launch = launch
        bot = lab.start()
        lab.logged(lambda record: isinstance(record, ReconciliationDone), what="the last comparison", fresh=True)
        lab.pause(0.5)
        lab.end(bot)
        lab.close()
        for text in self._shadow.died(bot.pid):
            self.found("state_mismatch", text)
        digest = bot.summary.get("state_digest")
        if digest != self._shadow.state_digest:
            self.found("state_mismatch", f"the last bot's state is {digest}, a replay's {self._shadow.state_digest}")
        evidence = collect(lab)
        for name, check in CHECKS.items():
            kind = "lost_fills" if name in _LOST else "dup_orders" if name in _DOUBLED else "state_mismatch"
            for text in check(evidence):
                self.found(kind, f"{name}: {text}")

    def report(self, seed: int, asked: int, wall_s: float) -> RoundReport:
        return RoundReport(
            seed=seed,
            asked=asked,
            kills=sum(self._moments.values()),
            wall_s=wall_s,
            moments={kind: self._moments[kind] for kind in KINDS},
            holding=self._holding,
            working=self._working,
            torn=self._torn,
            starts_compared=self._compared,
            abandoned=self._shadow.abandoned,
            executions=len(_books(self._lab).executions),
            records=self._shadow.records,
            findings=tuple(self._findings),
            folder=str(self._lab.folder),
        )


def _books(lab: Lab) -> _Books:
    def read(gateway: "Gateway") -> _Books:
        scene = lab.witness.scene()
        executions = tuple(row for row in gateway.desk.executions.rows if is_ours(row.order_ref))
        references = tuple(order.request.order_ref for order in scene.working)
        return _Books(executions, references, scene.own, sum(max(order.wanted, 0) for order in scene.entries))

    return lab.call(read)


def _missing(executions: tuple[Execution, ...], shadow: LogShadow) -> list[str]:
    known = {fill.exec_id for fill in shadow.fills}
    return [row.exec_id for row in executions if row.exec_id not in known]


def _differences(books: _Books, shadow: LogShadow) -> Iterator[str]:
    """What log and broker disagree about, whatever is still on its way between them."""
    at_broker = {row.exec_id: row for row in books.executions}
    for exec_id, count in Counter(fill.exec_id for fill in shadow.fills).items():
        if count > 1:
            yield f"execution {exec_id} is in the log {count} times"
        if exec_id not in at_broker:
            yield f"execution {exec_id} of the log is not one of the broker's"
    if shadow.position_of_state not in {shadow.position, None}:
        yield f"the state has position {shadow.position_of_state}, the log's fills come to {shadow.position}"
    told = {fill.exec_id for fill in shadow.fills}
    due = sum(row.side * row.qty for row in books.executions if row.exec_id not in told)
    if shadow.position + due != books.own:
        yield f"the log's fills come to {shadow.position}, {due} are not told yet, the broker has {books.own}"
    for reference in books.orders:
        order_id = _order_id(reference)
        known = shadow.exits if reference.endswith("X") else shadow.entries
        if order_id not in known:
            yield f"{reference} works at the broker and is not in the log"


def _order_id(reference: str) -> tuple[int, int]:
    _, seq, index, _ = reference.split("-")
    return int(seq), int(index)
