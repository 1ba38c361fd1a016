"""What a question to the broker comes to (architecture law 8): it is known, or it is not. A time-out is never empty."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Known(msgspec.Struct, Generic[T], frozen=True, tag=True):
    """The broker answered; `data` may be empty, and then that is the truth."""

    data: T


class Unknown(msgspec.Struct, frozen=True, tag=True):
    """The broker did not answer, or not completely, or with the error `code`."""

    reason: str
    code: int = 0
