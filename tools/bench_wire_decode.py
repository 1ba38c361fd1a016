"""Peer process of the decode rows: a client library takes one packet after the other. `bench_wire_decode.py LIBRARY`.

Told and asked as the other peers (tools/bench_peers.py): the file of its first argument holds packets of one message,
each line of input is answered with the mean time of a packet. A packet goes where the socket's data go, from
`Connection.data_received` to an event handler of the ticker; what the handler does is to count.
"""

import gc
import importlib
import json
import struct
import sys
import time
from pathlib import Path
from typing import Any

LENGTH = struct.Struct(">I")


def packets_of(data: bytes) -> list[bytes]:
    """The messages of a file, each with its length before it."""
    found, at = [], 0
    while at < len(data):
        end = at + LENGTH.size + LENGTH.unpack_from(data, at)[0]
        found.append(data[at:end])
        at = end
    return found


def ready_client(lib: Any, request_ids: set[int], handler: Any) -> Any:
    """A client that believes it is connected and has asked for one contract's ticks with these ids."""
    ib = lib.IB()
    client = ib.client
    client.connState = client.CONNECTED
    client._serverVersion = client.MaxClientVersion  # noqa: SLF001 - as after a handshake
    client._apiReady = True  # noqa: SLF001
    client.decoder.serverVersion = client.MaxClientVersion
    contract = lib.Future(conId=1001, symbol="MES", exchange="CME", currency="USD")
    for request_id in sorted(request_ids):
        ticker = ib.wrapper.startTicker(request_id, contract, str(request_id))
    ticker.updateEvent += handler
    return ib


def main() -> None:
    """Load, then one pass over the packets per line of input."""
    packets = packets_of(Path(sys.argv[1]).read_bytes())
    lib = importlib.import_module(sys.argv[2])
    seen = 0

    def count(_ticker: Any) -> None:
        nonlocal seen
        seen += 1

    ib = ready_client(lib, {int(packet[LENGTH.size :].split(b"\0")[1]) for packet in packets}, count)
    gc.collect()
    gc.disable()

    def once() -> float:
        take = ib.client.conn.data_received
        began = time.perf_counter_ns()
        for packet in packets:
            take(packet)
        return (time.perf_counter_ns() - began) / len(packets)

    once()
    if seen != len(packets):
        raise SystemExit(f"the handler saw {seen} of {len(packets)} ticks")
    print(json.dumps({"packets": len(packets)}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"ns": once()}), flush=True)


if __name__ == "__main__":
    main()
