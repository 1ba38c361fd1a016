"""A person's word about a template, as a file in the data directory: who archives or revives, and the bot's side.

Shell code. The file stands until a bot takes it, also one that starts later.
"""

from pathlib import Path
from typing import Final

import msgspec

from trading_bot.core import operator_files as files
from trading_bot.domain.learning import Finding, LearningOrdered

ORDER_FILE: Final = "LEARNING_ORDER"
ORDERS: Final = {"archive": Finding.PERSON_ARCHIVES, "revive": Finding.PERSON_REVIVES}


class _Request(msgspec.Struct, frozen=True):
    order: str
    template: str
    reason: str
    source: str = ""
    when: str = ""


def ask_to_order(data_dir: Path, order: str, template: str, reason: str, source: str) -> None:
    """Leave the request; a later one takes the place of one that nobody took.

    Raises:
        OSError: the disk does not take it.
    """
    request = _Request(
        order=order,
        template=files.plain(template),
        reason=files.plain(reason),
        source=files.plain(source),
        when=files.wall(),
    )
    files.replace(data_dir / ORDER_FILE, msgspec.json.encode(request))
    files.note(data_dir, "learning_order_asked", f"{order} {request.template}: {request.reason}", request.source)


def take_order(data_dir: Path, now_ns: int) -> tuple[LearningOrdered | None, str | None]:
    """The request that has come, stamped `now_ns`, and what the disk refused. One that cannot be removed is not taken.

    A file that is no request of ours is removed and told in the journal: it changes nothing.
    """
    path = data_dir / ORDER_FILE
    try:
        path.lstat()
    except OSError:
        return None, None
    try:
        content = files.content_of(path)
        path.unlink()
    except OSError as error:
        return None, f"{path}: {error.strerror}; no template is archived or revived"
    try:
        request = msgspec.json.decode(content, type=_Request)
        finding = ORDERS[request.order]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        files.note(data_dir, "learning_order_refused", "the file is no request", files.BY_HAND)
        return None, None
    template, reason = files.plain(request.template), files.plain(request.reason)
    source = files.plain(request.source) or files.BY_HAND
    files.note(data_dir, "learning_order_taken", f"{request.order} {template}: {reason}", source)
    return LearningOrdered(ts_ns=now_ns, template=template, finding=finding, reason=reason, source=source), None
