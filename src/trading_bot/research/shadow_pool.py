"""Any number of shadow trades over recorded market records, on exchange simulators of their own.

A simulator has a fixed number of slots. When all of one are taken another is set beside it, in the state of one that
has seen the market so far and nothing else; shadow trades see neither orders nor each other, so where one is followed
changes nothing.
"""

from collections.abc import Iterator

import msgspec

from trading_bot._fast import ExchangeSim
from trading_bot.domain.exchange import SHADOWS, Answer, AnswerKind, ExchangeConfig, Leg, OrderKind
from trading_bot.domain.records import FRAME_ALIGN
from trading_bot.domain.units import TS_NEVER_NS


class ShadowOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What to follow: `side` +1 or -1, a limit, its life, and the way out as distances from its fill."""

    ts_ns: int
    side: int
    limit_ticks: int
    target_ticks: int
    stop_ticks: int
    hold_ns: int
    life_ns: int


class ShadowEnd(msgspec.Struct, kw_only=True, gc=False):
    """What became of one; times are those at which it would have been told, None: it was not."""

    entry_ts_ns: int | None = None
    entry_ticks: int = 0
    exit_ts_ns: int | None = None
    exit_ticks: int = 0
    exit_leg: str = ""
    cancelled_ts_ns: int | None = None
    fees_uusd: int = 0


class ShadowPool:
    """Follows shadow trades; `ends` has one row per call of `place`, in that order."""

    def __init__(self, config: ExchangeConfig) -> None:
        """Nothing has been seen. `config` is that of the run; rejects do not apply to shadow trades."""
        self.ends: list[ShadowEnd] = []
        self._config = config
        self._blank = ExchangeSim(config)  # sees the market and follows nothing
        self._busy: list[ExchangeSim] = []

    @property
    def simulators(self) -> int:
        """How many are in use now."""
        return len(self._busy)

    def market(self, records: bytes) -> None:
        """Meet market records of 64 bytes, in order of receive time."""
        self._blank_run(records)
        count = len(records) // FRAME_ALIGN
        for sim in self._busy:
            at = 0
            while at < count:
                at, news = sim.run(records, at)
                if news:
                    self._hear(sim, sim.now_ns)
            if sim.next_due_ns <= sim.now_ns:  # an answer that was under way has come, without news of the market
                self._hear(sim, sim.now_ns)
        if any(sim.shadows == 0 for sim in self._busy):
            self._busy = [sim for sim in self._busy if sim.shadows or sim.next_due_ns < TS_NEVER_NS]

    def place(self, order: ShadowOrder) -> int:
        """Follow one from its time on, which is not before any record seen; returns its place in `ends`."""
        sim = next((one for one in self._busy if self._free(one, order.ts_ns)), None)
        if sim is None:
            sim = ExchangeSim(self._config)
            sim.restore(self._blank.snapshot())
            self._busy.append(sim)
        number = len(self.ends)
        self.ends.append(ShadowEnd())
        sim.place_shadow(
            number,
            order.ts_ns,
            order.side,
            OrderKind.LIMIT,
            order.limit_ticks,
            order.target_ticks,
            order.stop_ticks,
            order.hold_ns,
            order.life_ns,
        )
        return number

    def finish(self, ts_ns: int) -> None:
        """The market is over: hear what was under way by then, and follow nothing any further."""
        for sim in self._busy:
            self._hear(sim, ts_ns + self._config.response_latency_max_ns)
        self._busy.clear()

    def _free(self, sim: ExchangeSim, ts_ns: int) -> bool:
        if sim.shadows == SHADOWS:
            self._hear(sim, ts_ns)
        return sim.shadows < SHADOWS

    def _blank_run(self, records: bytes) -> None:
        at, count = 0, len(records) // FRAME_ALIGN
        while at < count:
            at, _news = self._blank.run(records, at)

    def _hear(self, sim: ExchangeSim, ts_ns: int) -> None:
        for answer in _answers(sim, ts_ns):
            end = self.ends[answer.handle]
            if answer.kind is AnswerKind.FILL:
                end.fees_uusd += answer.commission_uusd
                if answer.leg is Leg.ENTRY:
                    end.entry_ts_ns, end.entry_ticks = answer.ts_ns, answer.price_ticks
                else:
                    end.exit_ts_ns, end.exit_ticks = answer.ts_ns, answer.price_ticks
                    end.exit_leg = answer.leg.name
            elif answer.kind is AnswerKind.CANCELLED:
                end.cancelled_ts_ns = answer.ts_ns


def _answers(sim: ExchangeSim, ts_ns: int) -> Iterator[Answer]:
    """Everything delivered by `ts_ns`, through the due times, so that answers queued behind one another come."""
    while sim.next_due_ns <= ts_ns:
        due_ns = sim.next_due_ns
        while (answer := sim.take(due_ns)) is not None:
            yield answer
    while (answer := sim.take(ts_ns)) is not None:
        yield answer
