"""The lab: one gateway that can be made to misbehave, the bots that run against it, and the moments to strike at."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from trading_bot.adapters.gateway.background import RunningGateway, running_gateway
from trading_bot.chaos.bots import (
    STYLES,
    Bot,
    DeadManProcess,
    Launch,
    dead_man_steps,
    end_started_dead_man,
    environment,
    launch,
    run_command,
)
from trading_bot.chaos.incident import Incident
from trading_bot.chaos.log_facts import LogTail, Record
from trading_bot.chaos.moments import Predicate, Scene
from trading_bot.chaos.witness import Witness, Work

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

_T = TypeVar("_T")
START_NS: Final = 1_795_617_300_000_000_000  # 2026-11-25T14:35:00Z, five minutes after the regular open
SEED: Final = 7
WAIT_S: Final = 60.0  # patience with anything that has to come; a busy machine needs some of it
END_S: Final = 60.0
_POLL_S: Final = 0.05
_LOOK_S: Final = 0.25  # how often it is looked whether a bot still runs
_DURATION_S: Final = 600.0  # a bot ends because it is told to


class NotReached(Exception):
    """The incident did not come about: what it waits for did not happen. It proves nothing then."""


class Moment:
    """A moment that was asked for, and what was to be done at it."""

    def __init__(self, what: str, done: "Future[Scene]", lab: "Lab") -> None:
        self.what = what
        self._done = done
        self._lab = lab

    @property
    def came(self) -> bool:
        """Has it come?"""
        return self._done.done()

    def wait(self, timeout_s: float = WAIT_S) -> Scene:
        """The scene it came with. Raises what its work raised.

        Raises:
            NotReached: it did not come in so many seconds of the wall.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            over = time.monotonic() > end_s or self._lab.deserted
            try:
                return self._done.result(0 if over else _LOOK_S)
            except FutureTimeout:
                if over:
                    raise NotReached(f"{self.what}: {self._lab.why_not(timeout_s)}") from None


class Lab:
    """What a body of an incident works with."""

    def __init__(self, incident: Incident, folder: Path, gateway: RunningGateway, launch: Launch = launch) -> None:
        """Bots keep their data in `folder`; `launch` is how their processes come about."""
        self.launch = launch
        self.incident = incident
        self.folder = folder
        self.gateway = gateway
        self.bots: list[Bot] = []
        self.dead_men: list[DeadManProcess] = []
        self.failures: list[str] = []  # of `check`
        self.moments: list[Moment] = []
        self.witness: Witness = gateway.call(Witness)
        self._tail = LogTail(folder / "data")
        self._env = environment(incident.config)
        (folder / "strategies.toml").write_text(STYLES[incident.style], encoding="utf-8")

    # The bot

    def start(self, *arguments: str, mode: str = "PAPER") -> Bot:
        """Start a bot; a second call goes on with the data of the first one."""
        speed = f"{self.incident.speed:g}"
        common = ("--mode", mode, "--adapter", "ibkr", "--port", str(self.gateway.port), "--account", "DUSIM1")
        market = ("--clock", "feed", "--speed", speed, "--duration", f"{_DURATION_S:g}")
        strategy = ("--strategies", str(self.folder / "strategies.toml"))
        bot = Bot(self.folder, len(self.bots) + 1, (*common, *market, *strategy, *arguments), self._env, self.launch)
        self.bots.append(bot)
        return bot

    def dead_man(self, *arguments: str) -> DeadManProcess:
        """Start a dead man, and wait until he is connected to the gateway.

        Raises:
            NotReached: he is not, within a minute.
        """
        man = DeadManProcess(self.folder, len(self.dead_men) + 1, arguments, self._env)
        self.dead_men.append(man)
        self.did("connected")
        return man

    def steps(self) -> list[dict[str, Any]]:
        """What the dead man has written into his journal."""
        return dead_man_steps(self.folder)

    def did(self, event: str, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """Wait for a step of the dead man's, whoever started him; the newest line of it.

        Raises:
            NotReached: he has not done it.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            found = [step for step in self.steps() if step["event"] == event]
            if found:
                return found[-1]
            if time.monotonic() > end_s or (self.deserted and event == "connected"):
                raise NotReached(
                    f"the dead man has not got to {event!r}: {self.steps()[-5:]}; {self.why_not(timeout_s)}"
                )
            time.sleep(_POLL_S)

    def command(self, *arguments: str) -> tuple[int, str]:
        """Another command on the same data directory: exit code and output."""
        return run_command(self.folder, arguments, self._env)

    def end(self, bot: Bot, timeout_s: float = END_S) -> int:
        """SIGTERM, and wait until it has left its position and ended."""
        if bot.running:
            bot.terminate()
        return self.ended(bot, timeout_s)

    def ended(self, bot: Bot, timeout_s: float = END_S) -> int:
        """Wait until it ends by itself.

        Raises:
            NotReached: it runs on.
        """
        code = bot.wait(timeout_s)
        if code is None:
            raise NotReached(f"bot {bot.number} still runs {timeout_s:g} s later; the desk: {self.scene().told()}")
        return code

    @property
    def deserted(self) -> bool:
        """Has every bot ended? Nothing more will come then."""
        return bool(self.bots) and not any(bot.running for bot in self.bots)

    def why_not(self, timeout_s: float) -> str:
        """Why waiting was given up."""
        ended = ", ".join(f"bot {bot.number} ended with {bot.exit_code}" for bot in self.bots if not bot.running)
        return f"{ended or f'not in {timeout_s:g} s'}; the desk: {self.scene().told()}"

    # The gateway

    def call(self, work: "Callable[[Gateway], _T]") -> _T:
        """Run `work(gateway)` in the gateway's loop."""
        return self.gateway.call(work)

    def fault(self, action: str, **values: Any) -> None:
        """One action of docs/gateway.md, now."""
        self.call(lambda gateway: gateway.scenario.do(action, **values))

    def scene(self) -> Scene:
        """The desk now."""
        return self.call(lambda _gateway: self.witness.scene())

    def when(self, predicate: Predicate, work: Work | None = None, *, what: str) -> Moment:
        """Do `work(gateway)` the moment the predicate is true, before any client is told.

        A moment that never comes makes the incident a failure, waited for or not.
        """
        done = self.call(lambda _gateway: self.witness.when(predicate, work))
        moment = Moment(what, done, self)
        self.moments.append(moment)
        return moment

    def strike(self, predicate: Predicate, action: str, *, what: str, **values: Any) -> Moment:
        """As `when`, with an action of docs/gateway.md."""
        return self.when(predicate, lambda gateway: gateway.scenario.do(action, **values), what=what)

    def wait(self, predicate: Predicate, timeout_s: float = WAIT_S, *, what: str) -> Scene:
        """Wait for a moment."""
        return self.when(predicate, what=what).wait(timeout_s)

    def pause(self, wall_s: float) -> None:
        """Let it go on for a while."""
        time.sleep(wall_s)

    # The bot's log

    def logged(
        self, wanted: Callable[[Record], bool], timeout_s: float = WAIT_S, *, what: str, fresh: bool = False
    ) -> None:
        """Wait until a record of the bot's log is what is wanted; `fresh`: those before the call do not count.

        Raises:
            NotReached: none came.
        """
        end_s, known = time.monotonic() + timeout_s, len(self._tail.records()) if fresh else 0
        while not any(wanted(record) for record in self._tail.records()[known:]):
            if time.monotonic() > end_s or self.deserted:
                raise NotReached(f"{what}: no such record: {self.why_not(timeout_s)}")
            time.sleep(_POLL_S)

    def records(self) -> list[Record]:
        """Every message of the bot's log so far."""
        return self._tail.records()

    def check(self, holds: object, text: str) -> None:
        """What this incident must show besides the invariants: a failure with this text unless it holds."""
        if not holds:
            self.failures.append(text)

    def close(self) -> None:
        """No process of ours outlives the incident."""
        for man in self.dead_men:
            man.end()
        end_started_dead_man(self.folder)
        for bot in self.bots:
            if bot.running:
                bot.kill()
        self.call(lambda _gateway: self.witness.close())


@contextmanager
def open_lab(incident: Incident, folder: Path, launch: Launch = launch) -> Iterator[Lab]:
    """A gateway, and a lab around it. The gateway's own failure is raised on leaving."""
    settings = {"port": 0, "seed": SEED, "start_ns": START_NS, "speed": incident.speed, **incident.gateway}
    with running_gateway(**settings) as gateway:
        lab = Lab(incident, folder, gateway, launch)
        try:
            yield lab
        finally:
            lab.close()
