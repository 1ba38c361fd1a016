"""Frames and fields of the TWS socket protocol.

A frame is a 4-byte big-endian length and a payload of UTF-8 text fields, each ended by NUL. An empty field is "no
value". Source: the protocol as public client libraries of API versions 157 to 178 speak it (docs/gateway.md).
"""

import struct
from decimal import Decimal
from typing import Final

PAYLOAD_BYTES_MAX: Final = 0xFF_FFFF  # no message has a tenth of it; more is no frame but something else's bytes
_HEAD: Final = struct.Struct(">I")
_UNSET_DOUBLE: Final = 1.7976931348623157e308  # how Java and C++ clients write "no value"
_UNSET_INTEGER: Final = 2147483647  # same, of whole numbers
_INFINITE: Final = "Infinite"

# The readers below are named as the interface names them, which hides the built-in types inside the class.
_Whole = int
_Number = float


class NoFrame(ValueError):
    """Bytes that cannot be a frame: the connection carries something else."""


class BadRequest(ValueError):
    """A request with a field that is missing or means nothing.

    `name` is the field's, `found` what stood there ("" for a missing one).
    """

    def __init__(self, name: str, found: str) -> None:
        super().__init__(f"{name} is {found!r}" if found else f"{name} is missing")
        self.name = name
        self.found = found


class Splitter:
    """Cuts a stream of bytes into payloads; half a frame waits for its other half."""

    def __init__(self) -> None:
        self._data = b""

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that has not wholly come."""
        return len(self._data)

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads that are complete with `data`, in order.

        Raises:
            NoFrame: a length no message has. The payloads before it are lost, as is the connection.
        """
        data = self._data + data if self._data else data
        payloads = []
        at, end = 0, len(data)
        while end - at >= 4:
            (length,) = _HEAD.unpack_from(data, at)
            if length > PAYLOAD_BYTES_MAX:
                raise NoFrame(f"a frame of {length} bytes (bytes {data[at : at + 12]!r}); at most {PAYLOAD_BYTES_MAX}")
            if end - at - 4 < length:
                break
            payloads.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        self._data = data[at:]
        return payloads


class Fields:
    """Reads the fields of one request in order. Every reader takes the field's name, for the message of its error."""

    def __init__(self, payload: bytes) -> None:
        texts = payload.decode(errors="backslashreplace").split("\0")
        # The last field is ended by NUL too; one that is not stands there all the same.
        self._texts = texts[:-1] if not texts[-1] else texts
        self._at = 0
        self.subject = -1  # whom an error is about: the request's or order's id once `req_id` has read it

    @property
    def left(self) -> int:
        """Fields not yet read."""
        return len(self._texts) - self._at

    def text(self, name: str = "") -> str:
        """The next field as it stands."""
        if self._at >= len(self._texts):
            raise BadRequest(name or f"field {self._at}", "")
        self._at += 1
        return self._texts[self._at - 1]

    def int(self, name: str = "", default: _Whole | None = None) -> _Whole:
        """A whole number; an empty field takes `default` where one is given."""
        found = self.text(name)
        if not found and default is not None:
            return default
        try:
            return _Whole(found)
        except ValueError:
            raise BadRequest(name or f"field {self._at - 1}", found) from None

    def req_id(self, name: str = "request id") -> _Whole:
        """A whole number that names the request or order: errors of this request carry it."""
        self.subject = self.int(name)
        return self.subject

    def float(self, name: str = "", default: _Number | None = None) -> _Number:
        """A number; an empty or unset field takes `default` where one is given."""
        number = self.number_or_none(name)
        if number is not None:
            return number
        if default is None:
            raise BadRequest(name or f"field {self._at - 1}", self._texts[self._at - 1])
        return default

    def number_or_none(self, name: str = "") -> _Number | None:
        """A number, or None for an empty field and for the values other clients write as "unset"."""
        found = self.text(name)
        if not found:
            return None
        if found == _INFINITE:
            return _Number("inf")
        try:
            number = _Number(found)
        except ValueError:
            raise BadRequest(name or f"field {self._at - 1}", found) from None
        if number != number:  # noqa: PLR0124 (the one test for "not a number")
            raise BadRequest(name or f"field {self._at - 1}", found)
        return None if number >= _UNSET_DOUBLE or found == str(_UNSET_INTEGER) else number

    def flag(self, name: str = "") -> bool:
        """1 or 0; empty is 0."""
        found = self.text(name)
        if found not in {"", "0", "1", "true", "false"}:
            raise BadRequest(name or f"field {self._at - 1}", found)
        return found in {"1", "true"}

    def rest(self) -> list[str]:
        """Everything not yet read."""
        texts = self._texts[self._at :]
        self._at = len(self._texts)
        return texts


def encode(*values: object) -> bytes:
    """One frame: None is an empty field, bool 1 or 0, a float is written without an exponent.

    Raises ValueError for a text that holds NUL, and for numbers that are none.
    """
    payload = "".join(f"{_text(value)}\0" for value in values).encode()
    return _HEAD.pack(len(payload)) + payload


def encode_text(fields: str) -> bytes:
    """One frame of fields that are text already, each ended by NUL: for messages of many thousand fields."""
    payload = fields.encode()
    return _HEAD.pack(len(payload)) + payload


def _text(value: object) -> str:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError(f"{value!r} holds NUL, which ends a field")
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        text = repr(value)
        if "n" in text:  # nan, inf
            raise ValueError(f"{text} has no text on the wire; send None or the text that is meant")
        return format(Decimal(text), "f") if "e" in text else text
    if isinstance(value, int):
        return str(int(value))
    raise TypeError(f"{value!r} is a {type(value).__name__}; a field is a str, int, float, bool or None")
