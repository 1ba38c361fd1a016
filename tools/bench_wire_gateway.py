"""The other side of the wire rows: a process with plain blocking sockets that sends ticks and waits for orders.

`bench_wire_gateway.py`: prints its port, then does one command (a line of JSON) at a time and answers each with a line.

    {"do": "accept"}                              the next connection, up to its request for quotes; answers "line"
    {"do": "turns", "line", "count", "pause_us", "orders"}
                                                  a tick, wait for that many messages, pause; answers "ns": each wait
    {"do": "stream", "line", "rate", "count", "path"}
                                                  ticks at a fixed rate; when each was sent goes to the file `path`
    {"do": "hang_up", "line"}                     ends that connection

Nothing of the product is in it, and no client library.
"""

import gc
import json
import socket
import struct
import sys
import time
from array import array
from typing import Any, Final

from bench_wire_frames import ACCOUNT, LENGTH, frame, tick

_PATIENCE_S: Final = 10
_LARGE: Final = 1 << 16
_SERVER_VERSION: Final = 176
_DIFFERENT_TICKS: Final = 3_000
_START_API: Final = "71"
_CURRENT_TIME: Final = "49"
_TICK_BY_TICK: Final = "97"


class Line:
    """A connection whose client has asked for quotes."""

    def __init__(self, connection: socket.socket) -> None:
        """Says hello, answers what a client asks on the way, and ends at its request for quotes.

        Raises:
            ConnectionError: the client hung up or said something that is not the protocol.
        """
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A time limit that costs no call: settimeout would poll before each recv.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _PATIENCE_S, 0))
        self._left = b""
        if self._exactly(4) != b"API\0":
            raise ConnectionError("the first bytes are not API")
        versions = self._message()[0]
        version = min(_SERVER_VERSION, int(versions.partition("..")[2].split()[0]))
        connection.sendall(frame(version, "20261125 14:30:00 UTC"))
        self.request_id = self._until_quotes()
        self.ticks = [tick(self.request_id, number) for number in range(_DIFFERENT_TICKS)]

    def _until_quotes(self) -> int:
        while True:
            fields = self._message()
            if fields[0] == _START_API:
                self.connection.sendall(frame(15, 1, ACCOUNT) + frame(9, 1, 1))
            elif fields[0] == _CURRENT_TIME:
                self.connection.sendall(frame(49, 1, int(time.time())))
            elif fields[0] == _TICK_BY_TICK and "BidAsk" in fields:
                return int(fields[1])

    def _message(self) -> list[str]:
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        return self._exactly(length).decode().split("\0")

    def _exactly(self, count: int) -> bytes:
        while len(self._left) < count:
            data = self.connection.recv(_LARGE)
            if not data:
                raise ConnectionError("the client hung up")
            self._left += data
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def turns(self, count: int, pause_us: int, orders: int) -> list[int]:
        """Nanoseconds from before the tick's send to behind the receive of the last of `orders` messages, each turn."""
        send, receive, clock, ticks = self.connection.sendall, self.connection.recv, time.perf_counter_ns, self.ticks
        waits = []
        for turn in range(count):
            if pause_us:
                time.sleep(pause_us / 1e6)
            message = ticks[turn % _DIFFERENT_TICKS]
            began = clock()
            send(message)
            data = receive(_LARGE)
            if _messages_in(data) < orders:
                data = self._more(data, orders)
            waits.append(clock() - began)
        return waits

    def _more(self, data: bytes, orders: int) -> bytes:
        while _messages_in(data) < orders:
            more = self.connection.recv(_LARGE)
            if not more:
                raise ConnectionError("the client hung up")
            data += more
        return data

    def stream(self, rate: int, count: int, path: str) -> dict[str, Any]:
        """Send one tick at a time when its turn has come; one that is late goes at once.

        Writes when each was sent (monotonic ns, one clock for every process here), as 64-bit numbers.
        """
        messages = [tick(self.request_id, number) for number in range(count)]
        sent = array("q", bytes(8 * count))
        send, clock = self.connection.sendall, time.monotonic_ns
        gap_ns = 1e9 / rate
        began = clock() + 1_000_000
        late_ns = 0
        for number in range(count):
            due = began + int(number * gap_ns)
            while (wait := clock() - due) < 0:
                pass
            late_ns = max(late_ns, wait)
            sent[number] = clock()
            send(messages[number])
        took_s = (clock() - began) / 1e9
        with open(path, "wb") as file:  # noqa: PTH123 - a child that should be up at once
            sent.tofile(file)
        return {"took_s": took_s, "late_ms": late_ns / 1e6}


def _messages_in(data: bytes) -> int:
    """Whole messages at the beginning of what was received."""
    at = found = 0
    while len(data) - at >= LENGTH.size:
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size + length
        if at > len(data):
            break
        found += 1
    return found


def main() -> None:
    """Commands until the standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(_PATIENCE_S)
    gc.disable()
    lines: list[Line] = []
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    for text in sys.stdin:
        command = json.loads(text)
        if command["do"] == "accept":
            connection, _ = listener.accept()
            connection.settimeout(None)
            lines.append(Line(connection))
            answer: dict[str, Any] = {"line": len(lines) - 1}
        elif command["do"] == "turns":
            line = lines[command["line"]]
            answer = {"ns": line.turns(command["count"], command["pause_us"], command["orders"])}
        elif command["do"] == "hang_up":
            lines[command["line"]].connection.close()
            answer = {}
        else:
            answer = lines[command["line"]].stream(command["rate"], command["count"], command["path"])
        gc.collect()
        print(json.dumps(answer), flush=True)
    for line in lines:
        line.connection.close()


if __name__ == "__main__":
    main()
