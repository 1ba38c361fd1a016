"""What the control socket speaks (features SF02, SF10): one line of JSON asks, one line of JSON answers.

| key of a request | |
|---|---|
| `token` | the text of `control.token`, which only the bot's user can read |
| `command` | `status`, `kill` or `flatten` |
| `reason` | why, for `kill` and `flatten`; a `kill` without one counts |

An answer has `ok`; where it is false `error` says what was found and what was expected. A line that is not exactly
this is answered and means nothing: no key is guessed, none is ignored. Nothing here reads a file or a clock.
"""

import hmac
from typing import Any, Final, Literal

import msgspec
import orjson

from trading_bot.domain.errors import UsageError

LINE_BYTES_MAX: Final = 4_096  # with its line end; a reason of 500 characters needs at most 3,000 and its frame
TOKEN_CHARS: Final = 64  # 32 random bytes in hex
COMMANDS: Final = ("status", "kill", "flatten")
_NOT_OURS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Command = Literal["status", "kill", "flatten"]


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request as it came; the token is compared before anything is done (`token_matches`)."""

    token: str
    command: Command
    reason: str = ""


def parse_request(line: bytes) -> ControlRequest:
    """A line, with or without its line end, as a request.

    Raises:
        UsageError: it is none; the text says what was found and never repeats the line, which may hold a token.
    """
    if len(line) > LINE_BYTES_MAX:
        raise UsageError(f"a request of {len(line)} bytes; at most {LINE_BYTES_MAX} are read")
    try:
        return msgspec.json.decode(line, type=ControlRequest)
    except _NOT_OURS as error:
        raise UsageError(
            f"no request: {_why(error)}; expected one line of JSON with token, command "
            f"({', '.join(COMMANDS)}) and reason"
        ) from None


def token_matches(request: ControlRequest, token: str) -> bool:
    """Whether the request comes from somebody who can read the token, in a time that does not tell how much is right.

    An empty token matches nothing.
    """
    return bool(token) and hmac.compare_digest(request.token.encode("utf-8", "surrogatepass"), token.encode())


def request_line(token: str, command: Command, reason: str = "") -> bytes:
    """A request as it goes over the socket."""
    return orjson.dumps({"token": token, "command": command, "reason": reason}, option=orjson.OPT_APPEND_NEWLINE)


def answer_line(answer: dict[str, Any]) -> bytes:
    """An answer as it goes over the socket."""
    return orjson.dumps({"ok": True, **answer}, default=str, option=orjson.OPT_APPEND_NEWLINE)


def refusal_line(error: str) -> bytes:
    """An answer that says why nothing was done."""
    return orjson.dumps({"ok": False, "error": error}, option=orjson.OPT_APPEND_NEWLINE)


def parse_answer(line: bytes) -> dict[str, Any]:
    """An answer as the asking side reads it.

    Raises:
        UsageError: it is none, or not of this version.
    """
    try:
        answer = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"the bot's answer is no JSON: {error}") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise UsageError("the bot's answer does not say whether it did what was asked: another version runs there")
    return answer


def _why(error: Exception) -> str:
    """What is wrong with a line, without its content: a validation error may quote an unknown key."""
    if isinstance(error, msgspec.ValidationError):
        return "its keys or their types are others"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it is no JSON in UTF-8"
