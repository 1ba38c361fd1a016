"""The bytes of the wire rows: ticks as a gateway sends them, and what stands for an order where nothing makes one.

Nothing of the product and no client library: processes of every interpreter import it.
"""

import struct
from typing import Final

LENGTH: Final = struct.Struct(">I")
TICK_SIZE: Final = 0.25
BID_TICKS: Final = 24_000
_EPOCH_S: Final = 1_795_617_000
_WALK: Final = (0, 1, 2, 3, 2, 1)  # ticks above BID_TICKS, in turns: a price that moves and stays where it is
_HOLD: Final = 5  # ticks of one price, as when only sizes change
ORDER_BYTES: Final = 228  # a limit order of either library has 222 to 233
ACCOUNT: Final = "DUSIM01"


def frame(*fields: object) -> bytes:
    """One message: its length, then each field with a NUL behind it."""
    payload = "".join(f"{field}\0" for field in fields).encode()
    return LENGTH.pack(len(payload)) + payload


def tick(request_id: int, number: int) -> bytes:
    """Quote `number` of a tick-by-tick stream: its number is the size of the bid, so that none is lost unseen."""
    bid = BID_TICKS + _WALK[number // _HOLD % len(_WALK)]
    bid_price, ask_price = bid * TICK_SIZE, (bid + 1) * TICK_SIZE
    seconds = _EPOCH_S + number // 1_000
    return frame(99, request_id, 3, seconds, bid_price, ask_price, number + 1, 1 + number % 90, 0)


def number_of(message: bytes) -> int:
    """The number of a quote that `tick` made."""
    return int(message[LENGTH.size :].split(b"\0", 7)[6]) - 1


def canned_order(frames: int) -> bytes:
    """As many bytes as `frames` orders have."""
    return (LENGTH.pack(ORDER_BYTES - LENGTH.size) + b"3\0" * ((ORDER_BYTES - LENGTH.size) // 2)) * frames
