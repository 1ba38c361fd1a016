"""What a seed draws against a run beyond market, exchange and link.

A broker that repeats itself and answers late, a disk that fills up, a receiving clock that is set. Each is a wrapper of
the product's own part, and changes no code of it.
"""

import errno
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

import msgspec

from trading_bot.adapters.sim.draws import Draws
from trading_bot.core.event_log import EventLog
from trading_bot.core.run_logs import FolderLogs, SessionLog
from trading_bot.domain.effects import BrokerEffect
from trading_bot.domain.events import FlattenRequested, Input, KillRequested, LinkStatus, Reconciled
from trading_bot.domain.orders import Leg
from trading_bot.domain.ports import Broker, Feed
from trading_bot.domain.records import FRAME_ALIGN
from trading_bot.domain.trade_events import OrderFilled
from trading_bot.domain.units import NS_PER_MS, NS_PER_S, TS_NEVER_NS

_STREAM_TROUBLES: Final = 33  # labels of a seed's streams: seeded_world.py has the one before
_STREAM_ECHO: Final = 34
_TS_WORD: Final = 3  # of the eight in a tick record: its receive time
_WORDS: Final = FRAME_ALIGN // 8
# Of these the order is the meaning: the link's own edges, and answers as of a moment.
_IN_ORDER: Final = (LinkStatus, Reconciled)


class Echo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a broker's answers come: so many in a thousand twice, so many later than others, by at most `late_ns_max`."""

    twice_per_mille: int = 0
    late_per_mille: int = 0
    late_ns_max: int = 1


class ClockStep(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The receiving clock is set by `by_ns` at `at_ns`: forwards, or back, where it stands until it is past again."""

    at_ns: int
    by_ns: int

    def of(self, ts_ns: int) -> int:
        """What the clock shows at a time. It never runs backwards: the adapters hold it."""
        return ts_ns if ts_ns < self.at_ns else max(self.at_ns, ts_ns + self.by_ns)


class Troubles(msgspec.Struct, frozen=True, kw_only=True):
    """What was drawn. `observe`: the run is an OBSERVE. `next_day`: another run goes on the day after.

    `full_from` is the segment for which the disk has no room, `full_for` how often it is asked in vain; 0: it has room.
    """

    observe: bool = False
    echo: Echo | None = None
    clock: ClockStep | None = None
    full_from: int = 0
    full_for: int = 0
    next_day: bool = False

    @property
    def told(self) -> list[str]:
        """For people."""
        parts = (
            (self.observe, "OBSERVE"),
            (self.echo is not None, "echoes"),
            (self.clock is not None, "clock step"),
            (self.full_from, "full disk"),
            (self.next_day, "next day"),
        )
        return [name for there, name in parts if there]


def draw_troubles(seed: int, start_ns: int, duration_ns: int, *, restarts: bool) -> Troubles:
    """The troubles of a seed. A run that is killed and goes on draws those alone that its log tells of."""
    draws = Draws(seed, _STREAM_TROUBLES)
    observe, echoes, steps, fills, goes_on = (draws.chance(share) for share in (150, 350, 150, 120, 150))
    late_ns = draws.between(1, 2_000) * NS_PER_MS
    echo = Echo(twice_per_mille=draws.between(0, 200), late_per_mille=draws.between(20, 300), late_ns_max=late_ns)
    step_ns = draws.between(1, 90) * NS_PER_S * (1 if draws.chance(500) else -1)
    step = ClockStep(at_ns=start_ns + duration_ns * draws.between(50, 950) // 1000, by_ns=step_ns)
    full_from, full_for = draws.between(2, 8), draws.between(1, 60)
    return Troubles(
        observe=observe,
        echo=echo if echoes and not restarts else None,
        clock=step if steps else None,
        full_from=full_from if fills and not restarts else 0,
        full_for=full_for if fills and not restarts else 0,
        next_day=goes_on and not restarts,
    )


class EchoingBroker:
    """A broker whose answers come twice, late, and out of order; executions keep their ids.

    What is told of one leg of an order keeps its order, as on one connection; only executions overtake it and are
    overtaken. An answer as of a moment, and the link's own edges, wait for all that came before them.
    """

    def __init__(self, broker: Broker, echo: Echo, seed: int) -> None:
        self._broker = broker
        self._echo = echo
        self._draws = Draws(seed, _STREAM_ECHO)
        self._held: list[tuple[int, int, Input]] = []
        self._count = 0
        self._last_ns = 0
        self._leg_ns: dict[tuple[Any, Any], int] = {}

    @property
    def next_due_ns(self) -> int:
        """The next answer, fetched or held."""
        return min(self._broker.next_due_ns, self._held[0][0] if self._held else TS_NEVER_NS)

    @property
    def holds(self) -> bool:
        """Whether answers are under way."""
        return bool(self._held)

    def dispatch(self, effect: BrokerEffect) -> None:
        """Pass an effect on."""
        self._broker.dispatch(effect)

    def take(self, ts_ns: int) -> Input | None:
        """The next answer by `ts_ns`, with the time at which it comes."""
        while (due_ns := self._broker.next_due_ns) <= min(ts_ns, self._held[0][0] if self._held else TS_NEVER_NS):
            answer = self._broker.take(due_ns)
            if answer is not None:
                self._hold(answer)
        if not self._held or self._held[0][0] > ts_ns:
            return None
        due_ns, _, answer = heappop(self._held)
        return msgspec.structs.replace(answer, ts_ns=due_ns)

    def _hold(self, answer: Input) -> None:
        draws, echo = self._draws, self._echo
        late_ns = draws.below(echo.late_ns_max) if draws.chance(echo.late_per_mille) else 0
        again_ns = draws.below(echo.late_ns_max) if draws.chance(echo.twice_per_mille) else None
        if isinstance(answer, _IN_ORDER):
            self._push(max(answer.ts_ns, self._last_ns), answer)
            return
        due_ns = answer.ts_ns + late_ns
        if not isinstance(answer, OrderFilled):
            due_ns = max(due_ns, self._leg_ns.get(_leg(answer), 0))
        self._push(due_ns, answer)
        if again_ns is not None:
            due_ns += again_ns
            self._push(due_ns, answer)
        if not isinstance(answer, OrderFilled):
            self._leg_ns[_leg(answer)] = due_ns

    def _push(self, due_ns: int, answer: Input) -> None:
        self._last_ns = max(self._last_ns, due_ns)
        self._count += 1
        heappush(self._held, (due_ns, self._count, answer))


def _leg(answer: Input) -> tuple[Any, Any]:
    return getattr(answer, "order_id", None), getattr(answer, "leg", Leg.ENTRY)


class OperatedBroker:
    """A broker and an operator beside it: commands at their exact times, whatever the batches of the feed are."""

    def __init__(self, broker: Broker, commands: tuple[tuple[int, str], ...]) -> None:
        self._broker = broker
        self._commands = deque(sorted(commands))

    @property
    def _command_ns(self) -> int:
        return self._commands[0][0] if self._commands else TS_NEVER_NS

    @property
    def next_due_ns(self) -> int:
        """The next answer or command."""
        return min(self._broker.next_due_ns, self._command_ns)

    @property
    def holds(self) -> bool:
        """Whether answers are under way that the exchange has given already."""
        return isinstance(self._broker, EchoingBroker) and self._broker.holds

    def dispatch(self, effect: BrokerEffect) -> None:
        """Pass an effect on."""
        self._broker.dispatch(effect)

    def take(self, ts_ns: int) -> Input | None:
        """What is due by `ts_ns`; at equal times the broker first."""
        command_ns = self._command_ns
        until_ns = min(ts_ns, command_ns)
        if self._broker.next_due_ns <= until_ns:
            return self._broker.take(until_ns)
        if command_ns > ts_ns:
            return None
        what = self._commands.popleft()[1]
        told = KillRequested if what == "kill" else FlattenRequested
        return told(ts_ns=command_ns, reason=f"drawn {what}", source="simulation")


class SteppedFeed:
    """A feed that is received by a clock which is set in the middle."""

    def __init__(self, feed: Feed, step: ClockStep) -> None:
        self._feed = feed
        self._step = step

    @property
    def resolution_ns(self) -> int:
        """Of the feed."""
        return self._feed.resolution_ns

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Of the feed."""
        return self._feed.rejected_by_reason

    @property
    def description(self) -> dict[str, Any]:
        """Of the feed."""
        return self._feed.description

    def read(self) -> memoryview | None:
        """The next batch, with the times of the clock."""
        batch = self._feed.read()
        if batch is None:
            return None
        words = memoryview(bytearray(batch)).cast("q")
        for at in range(_TS_WORD, len(words), _WORDS):
            words[at] = self._step.of(words[at])
        return words.cast("B")

    def skip_records(self, count: int) -> None:
        """Of the feed."""
        self._feed.skip_records(count)


class FullDiskLogs(FolderLogs):
    """A run's logs on a disk that has no room for a while; how long is counted in attempts, not in time."""

    def __init__(self, *arguments: Any, full_from: int, full_for: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._full_from, self._full_for = full_from, full_for
        self.asked_in_vain = 0

    def adopt(self, log: EventLog) -> None:
        """Without a thread: one that asks for room by the wall's clock would make another run each time."""
        self.log_name = log.path.name

    def create(self, trade_date: int) -> SessionLog:
        """The log of a trade date, on that disk."""
        log = super().create(trade_date)
        if isinstance(log, EventLog):
            real: Callable[..., Any] = log._allocate  # noqa: SLF001 (the disk is under the product, not in it)

            def allocate(index: int, **how: bool) -> Any:
                if index >= self._full_from and self.asked_in_vain < self._full_for:
                    self.asked_in_vain += 1
                    raise OSError(errno.ENOSPC, "No space left on device (drawn)")
                return real(index, **how)

            log._allocate = allocate  # type: ignore[method-assign]  # noqa: SLF001
        return log
