"""The other side of the doctor's measurement, a process of its own: `python -m trading_bot.doctor.pacer PORT COUNT`.

It connects, sends COUNT stamps a millisecond apart, and then gives back what it gets until the other side hangs up.
"""

import socket
import struct
import sys
import time
from typing import Final

STAMP: Final = struct.Struct("=q")  # CLOCK_MONOTONIC, ns, which is the machine's
PAUSE_S: Final = 0.001


def main(port: int, count: int) -> int:
    """Send, then echo."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            time.sleep(PAUSE_S)
            connection.sendall(STAMP.pack(time.monotonic_ns()))
        while data := connection.recv(STAMP.size):
            connection.sendall(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
