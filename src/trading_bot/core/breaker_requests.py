"""A person's word about a breaker that waits for one, as a file in the data directory: who asks, and the bot's side.

Shell code. The file stands until a bot takes it, also one that starts later.
"""

from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core import operator_files as files
from trading_bot.domain.trade_events import BreakerClearRequested

CLEAR_FILE: Final = "CLEAR_BREAKER"


class _Request(msgspec.Struct, frozen=True):
    breaker: str
    reason: str
    source: str = ""
    when: str = ""


def ask_to_clear(data_dir: Path, breaker: str, reason: str, source: str) -> None:
    """Leave the request; a later one takes the place of one that nobody took.

    Raises:
        OSError: the disk does not take it.
    """
    request = _Request(breaker=breaker, reason=files.plain(reason), source=files.plain(source), when=files.wall())
    files.replace(data_dir / CLEAR_FILE, msgspec.json.encode(request))
    files.note(data_dir, "clear_breaker_asked", f"{breaker}: {request.reason}", request.source)


def take_clear(data_dir: Path, now_ns: int) -> tuple[BreakerClearRequested | None, str | None]:
    """The request that has come, stamped `now_ns`, and what the disk refused. One that cannot be removed is not taken.

    A file that is no request of ours is removed and told in the journal: it clears nothing.
    """
    path = data_dir / CLEAR_FILE
    try:
        path.lstat()
    except OSError:
        return None, None
    try:
        content = files.content_of(path)
        path.unlink()
    except OSError as error:
        return None, f"{path}: {error.strerror}; nothing is cleared"
    try:
        request = msgspec.json.decode(content, type=_Request)
    except (msgspec.DecodeError, UnicodeDecodeError):
        files.note(data_dir, "clear_breaker_refused", "the file is no request", files.BY_HAND)
        return None, None
    reason, source = files.plain(request.reason), files.plain(request.source) or files.BY_HAND
    files.note(data_dir, "clear_breaker_taken", f"{files.plain(request.breaker)}: {reason}", source)
    asked = BreakerClearRequested(ts_ns=now_ns, breaker=files.plain(request.breaker), reason=reason, source=source)
    return asked, None
