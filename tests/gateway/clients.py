"""Clients of a gateway under test: the real library, and a socket that sends what no library would."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager

from trading_bot.adapters.ibkr.library import library, library_name

# What each library asks for in its greeting, and so the highest version it is served.
VERSION_OF = {"ib_insync": 176, "ib_async": 178}
HIGHEST = VERSION_OF[library_name()]


class Heard(list):
    """(request id, code, text) of every error a library reported."""

    def codes(self):
        return [code for _, code, _ in self]


@asynccontextmanager
async def connected(gateway, client_id=1, *, timeout_s=4.0, per_s=None):
    """The library's IB, connected and synchronised; `ib.heard` collects its errors, `per_s` replaces its own pace."""
    ib = library().IB()
    ib.heard = Heard()
    ib.errorEvent += lambda req_id, code, text, *_: ib.heard.append((req_id, code, text))
    if per_s is not None:
        ib.client.MaxRequests = per_s
    await ib.connectAsync("127.0.0.1", gateway.port, clientId=client_id, timeout=timeout_s)
    try:
        yield ib
    finally:
        ib.disconnect()
        await asyncio.sleep(0)


async def until(condition, timeout_s=3.0):
    """Wait for a condition; fails the test when it does not come."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while not condition():
        assert loop.time() < end, f"not within {timeout_s} s"
        await asyncio.sleep(0.005)


def frame(*texts):
    """A frame, written out here: this side shares no code with the gateway's."""
    payload = b"".join(str(text).encode() + b"\0" for text in texts)
    return struct.pack(">I", len(payload)) + payload


GREETING = b"API\0" + struct.pack(">I", 9) + b"v157..178"


class RawClient:
    """A socket."""

    def __init__(self, gateway, greeting=GREETING):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=3)
        self.socket.sendall(greeting)
        self._data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def start(self, client_id=1):
        self.send(frame(71, 2, client_id, ""))

    def read(self):
        """Fields of the next frame; None when the gateway has hung up."""
        while len(self._data) < 4 or len(self._data) < 4 + struct.unpack(">I", self._data[:4])[0]:
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not part:
                return None
            self._data += part
        end = 4 + struct.unpack(">I", self._data[:4])[0]
        payload, self._data = self._data[4:end], self._data[end:]
        assert payload.endswith(b"\0")
        return payload[:-1].decode().split("\0")

    def read_until(self, message_id):
        """The next frame with this message id."""
        while (fields := self.read()) is not None and fields[0] != str(message_id):
            pass
        return fields
