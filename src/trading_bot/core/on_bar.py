"""Handler: a minute closed (the kernel's outcome BAR). Everything that is judged once a bar stands here, in order."""

from trading_bot.core import levels_desk
from trading_bot.core.state import State
from trading_bot.domain.effects import Effect
from trading_bot.domain.events import Event

Results = list[Event | Effect]


def bar_closed(state: State, ts_ns: int) -> Results:  # noqa: ARG001 (what is judged by the clock of the bar's end)
    """The bar is `state.kernel.bars(60)[-1]`; `ts_ns` is its end."""
    levels_desk.bar_closed(state)
    return []
