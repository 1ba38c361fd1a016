"""Between a gateway and a bot, for the row of the whole bot: `bench_wire_relay.py GATEWAY_PORT APART_US`.

A process with plain sockets that hands on what it hears, both ways, and looks at the clock. After a packet with ticks
it hands nothing more to the bot for APART_US, so that it is known which packet an order answers. Prints its port; when
the bot has hung up prints, in nanoseconds from before the packet's send to behind the receive of its last message, how
long each bracket (three placements heard together) took: `ns` of those that answer nothing but ticks, `mixed` of those
that answer ticks among other messages. One that came later than APART_US counts as so much
more: another packet may have gone since.
"""

import gc
import json
import selectors
import socket
import sys
import time

from bench_wire_frames import LENGTH

_LARGE = 1 << 16
_PATIENCE_S = 20
_TICK = "99"
_PLACE_ORDER = "3"
_BRACKET = 3


def messages_of(data: bytes) -> list[bytes] | None:
    """The payloads of whole messages; None when one is cut."""
    found, at = [], 0
    while at < len(data):
        if len(data) - at < LENGTH.size:
            return None
        end = at + LENGTH.size + LENGTH.unpack_from(data, at)[0]
        if end > len(data):
            return None
        found.append(data[at + LENGTH.size : end])
        at = end
    return found


def kinds_of(data: bytes) -> list[str]:
    """Message ids of a packet; empty where one is cut."""
    return [message.split(b"\0", 1)[0].decode() for message in messages_of(data) or ()]


class Relay:
    """Two connections, and how long brackets took."""

    def __init__(self, gateway: socket.socket, bot: socket.socket, apart_ns: int) -> None:
        """Both are open."""
        self.gateway = gateway
        self.bot = bot
        self.waits: dict[bool, list[int]] = {True: [], False: []}  # by whether it answers nothing but ticks
        self.ticks = 0
        self._apart_ns = apart_ns
        self._sent_ns = 0  # the latest packet
        self._had: set[str] = set()  # what it had

    def down(self) -> bool:
        """From the gateway to the bot; False at the end."""
        data = self.gateway.recv(_LARGE)
        if not data:
            return False
        self._had = set(kinds_of(data))
        self.ticks += _TICK in self._had
        self._sent_ns = time.monotonic_ns()
        self.bot.sendall(data)
        return True

    def up(self) -> bool:
        """From the bot to the gateway; False at the end."""
        data = self.bot.recv(_LARGE)
        if not data:
            return False
        took_ns = time.monotonic_ns() - self._sent_ns
        self.gateway.sendall(data)
        if _TICK in self._had and kinds_of(data) == [_PLACE_ORDER] * _BRACKET:
            late = took_ns > self._apart_ns
            self.waits[len(self._had) == 1].append(took_ns + self._apart_ns if late else took_ns)
        return True

    def run(self) -> None:
        """Until a connection ends."""
        both, bot_only = selectors.DefaultSelector(), selectors.DefaultSelector()
        both.register(self.gateway, selectors.EVENT_READ)
        for chosen in (both, bot_only):
            chosen.register(self.bot, selectors.EVENT_READ)
        while True:
            left_ns = self._sent_ns + self._apart_ns - time.monotonic_ns() if _TICK in self._had else 0
            ready = bot_only.select(left_ns / 1e9) if left_ns > 0 else both.select()
            for key, _ in ready:
                if not (self.up() if key.fileobj is self.bot else self.down()):
                    return


def main() -> None:
    """Accept one bot, connect to the gateway, relay."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(_PATIENCE_S)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    while True:
        bot, _ = listener.accept()
        gateway = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        for connection in (bot, gateway):
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        gc.collect()
        gc.disable()
        relay = Relay(gateway, bot, int(sys.argv[2]) * 1_000)
        relay.run()
        bot.close()
        gateway.close()
        if relay.ticks:
            break  # a bot looks first whether anybody answers, with a connection of its own
    print(json.dumps({"ns": relay.waits[True], "mixed": relay.waits[False], "ticks": relay.ticks}), flush=True)


if __name__ == "__main__":
    main()
