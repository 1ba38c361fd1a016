"""The asking side of the control socket, for the command line: an answer, or None where the files have to do."""

from pathlib import Path
from typing import Any, Final

from trading_bot.adapters import control_address
from trading_bot.adapters.control_protocol import Command, parse_answer, request_line
from trading_bot.domain.errors import UsageError

TIMEOUT_S: Final = 1.0
_ANSWER_BYTES_MAX: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024


def ask(data_dir: Path, command: Command, reason: str = "", *, timeout_s: float = TIMEOUT_S) -> dict[str, Any] | None:
    """What the bot of `data_dir` answers; None where none listens, answers in time, or takes our token."""
    try:
        token = control_address.read_token(data_dir)
        with control_address.connect(data_dir, timeout_s) as channel:
            channel.sendall(request_line(token, command, reason))
            answer = b""
            while not answer.endswith(b"\n"):
                chunk = channel.recv(_CHUNK)
                if not chunk or len(answer) > _ANSWER_BYTES_MAX:
                    return None
                answer += chunk
        found = parse_answer(answer)
    except (OSError, UsageError):
        return None
    return found if found["ok"] else None
