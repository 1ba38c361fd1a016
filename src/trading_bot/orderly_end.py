"""How a process is asked to end: by signals, once for an orderly end, twice for one at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from trading_bot.core.runner import BotRunner
from trading_bot.domain.errors import Halted


@contextmanager
def orderly_signals(runner: BotRunner) -> Iterator[None]:
    """SIGINT and SIGTERM ask for an orderly end, a second one ends at once; later the handlers of before come back.

    Raises:
        Halted: the second one came, while what is open was not yet known to be closed.
    """

    def ask(number: int, _frame: object) -> None:
        if runner.stop_asked is not None:
            raise KeyboardInterrupt  # what the event loop lets pass
        runner.stop_asked = signal.Signals(number).name

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt as error:
        text = (
            "ended by a second signal before the broker had confirmed what is open: look at position and orders there"
        )
        raise Halted(f"{text}; the same command goes on with this run's log") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
