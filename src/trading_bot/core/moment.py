"""What the invariants look at: a run right after one event, and what was found wrong with it."""

import msgspec

from trading_bot._fast import ExchangeSim
from trading_bot.core.apply import Results
from trading_bot.core.machine import Machine
from trading_bot.core.run_facts import Facts
from trading_bot.domain.config import BotConfig
from trading_bot.domain.events import Event
from trading_bot.domain.exchange import ExchangeConfig


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """What did not hold, where. `seq` is the number of the event's record in its log."""

    seed: int
    seq: int
    ts_ns: int
    invariant: str
    text: str


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A run right after one event was applied and its results were logged and carried out.

    `troubled` are spans (ns UTC) in which the link was down, or the market silent or wrong: what has a time to be done
    in is given that much more. `late_ns` is how much later than its simulator the broker may tell something, `quiet`:
    it has nothing more to tell, and no request is under way to it. `suppressed`: the mode is OBSERVE.
    """

    config: BotConfig
    exchange_config: ExchangeConfig
    machine: Machine
    exchange: ExchangeSim
    facts: Facts
    event: Event
    results: Results
    troubled: tuple[tuple[int, int], ...] = ()
    late_ns: int = 0
    quiet: bool = True
    suppressed: bool = False
    before_ns: int  # time of the event before
    naked_ns: int | None  # how long the position was without a stop, when that ended here
    stop_before: tuple[tuple[int, int], int] | None  # order and stop of the trade that was open before
    was_flat: bool


def excused_ns(moment: Moment, start_ns: int, end_ns: int) -> int:
    """How much of an interval was troubled, nanoseconds."""
    return sum(max(0, min(end_ns, high) - max(start_ns, low)) for low, high in moment.troubled)


def rth_window(moment: Moment) -> tuple[int, int] | None:
    """Open and close (ns UTC) of the session's regular hours; None where there are none."""
    day = moment.machine.state.day
    if day is None or day.rth_open_ns is None or day.rth_close_ns is None:
        return None
    return day.rth_open_ns, day.rth_close_ns
