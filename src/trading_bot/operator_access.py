"""How a person reaches the bot's process itself, from its first moment on: SIGUSR1 and the control socket.

Both pull the kill switch through the operator's desk; files in the data directory do the same without either.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from trading_bot import log_setup
from trading_bot.adapters.control_socket import ControlSocket
from trading_bot.core.operator_desk import OperatorDesk


@contextmanager
def operator_access(desk: OperatorDesk) -> Iterator[None]:
    """SIGUSR1 kills and the socket answers while the body runs; the handler of before comes back."""

    def kill(number: int, _frame: object) -> None:
        # Nothing is written here: a handler may interrupt anything. The loop latches, or the watch beside it.
        desk.ask_to_kill(signal.Signals(number).name, "signal")

    control = ControlSocket(desk)
    if control.failure:
        log_setup.get_logger().warning("control_socket", failure=control.failure, text="files and signals still work")
    before = signal.signal(signal.SIGUSR1, kill)
    control.start()
    try:
        yield
    finally:
        control.close()
        signal.signal(signal.SIGUSR1, before)
