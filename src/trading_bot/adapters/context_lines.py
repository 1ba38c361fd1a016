"""Context messages as lines of JSON: what a line says, how many may come, and lines out of chunks of bytes.

docs/context.md describes the format for those who send.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from trading_bot.domain.context import ContextLinesRefused, ContextReceived
from trading_bot.domain.units import NS_PER_S

LINE_BYTES_MAX: Final = 4_096
EXPECTED: Final = (
    'a line of JSON such as {"source": "news", "name": "risk", "value": 0.7, "conviction": 1, "ts": TIME, "ttl_s": 60}'
)
_SHOWN: Final = 80  # bytes of a stranger's line
_SAID: Final = 200  # characters of what is wrong with it, which may quote a key of it
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Found = ContextReceived | ContextLinesRefused
_Name = Annotated[str, Meta(min_length=1, max_length=64)]


class Line(NamedTuple):
    """One line without its end. `text` None: it was too long and is gone. `start` is its first byte's offset."""

    number: int
    start: int
    text: bytes | None


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a line holds. `ts`: ns since 1970 (UTC) or ISO 8601 with its offset; None is the moment it comes."""

    source: _Name
    name: _Name
    value: float
    ttl_s: Annotated[float, Meta(gt=0, le=2_678_400)]
    conviction: float = 1.0
    ts: Annotated[int, Meta(ge=0, le=2**62)] | Annotated[datetime, Meta(tz=True)] | None = None


_DECODER: Final = msgspec.json.Decoder(_Message)


def parse(text: bytes, where: str, now_ns: int) -> Found:
    """The message of a line, or why it is none. `now_ns` stamps what has no stamp of its own."""
    try:
        message = _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        shown = text[:_SHOWN].decode("utf-8", "replace")
        return ContextLinesRefused(
            ts_ns=now_ns, where=where, found=f"{shown!r} ({str(error)[:_SAID]})", expected=EXPECTED
        )
    stamp = message.ts
    if isinstance(stamp, datetime):
        stamp = (stamp - _EPOCH) // timedelta(microseconds=1) * 1_000
    return ContextReceived(
        ts_ns=now_ns,
        source=message.source,
        name=message.name,
        value=message.value,
        conviction=message.conviction,
        stamped_ns=now_ns if stamp is None else stamp,
        time_to_live_ns=round(message.ttl_s * NS_PER_S),
        where=where,
    )


def too_long(where: str, now_ns: int) -> ContextLinesRefused:
    """The refusal of a line that is longer than any message."""
    return ContextLinesRefused(
        ts_ns=now_ns, where=where, found=f"more than {LINE_BYTES_MAX} bytes without an end of line", expected=EXPECTED
    )


class LineSplitter:
    """Bytes in, lines out. A line is taken once its end has come; empty ones are counted and passed over."""

    def __init__(self) -> None:
        """At the beginning of a file or connection."""
        self.number = 0
        self._rest = bytearray()
        self._start = 0
        self._skipping = False

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that `chunk` completes."""
        self._rest += chunk
        while (end := self._rest.find(b"\n")) >= 0:
            text = bytes(self._rest[:end])
            start, skipping = self._start, self._skipping
            del self._rest[: end + 1]
            self._start += end + 1
            self._skipping = False
            self.number += 1
            if skipping or len(text) > LINE_BYTES_MAX:
                yield Line(self.number, start, None)
            elif text.strip():
                yield Line(self.number, start, text)
        if len(self._rest) > LINE_BYTES_MAX:
            # Its end will be found; what came of it need not be kept until then.
            self._start += len(self._rest)
            self._rest.clear()
            self._skipping = True


class RateGate:
    """At most so many lines in each second; those beyond are counted and told together."""

    def __init__(self, rate_max: int) -> None:
        """Nothing has come."""
        self._rate_max = rate_max
        self._second = -1
        self._used = 0
        self._over = 0
        self._where = ""

    def admit(self, second: int, where: str) -> bool:
        """Whether one more may come in this second."""
        if second != self._second:
            self._second, self._used = second, 0
        self._used += 1
        if self._used <= self._rate_max:
            return True
        self._where = self._where or where
        self._over += 1
        return False

    def told(self, second: int, now_ns: int) -> ContextLinesRefused | None:
        """Those of an earlier second that were too many, once."""
        if not self._over or second == self._second:
            return None
        refused = ContextLinesRefused(
            ts_ns=now_ns,
            where=self._where,
            found=f"{self._over} messages beyond the rate",
            expected=f"at most {self._rate_max} a second (context.rate_max)",
            count=self._over,
        )
        self._over, self._where = 0, ""
        return refused
