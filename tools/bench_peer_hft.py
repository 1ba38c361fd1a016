"""Peer process: hftbacktest replaying the stream with a strategy that does nothing. Run by bench_peers.py.

A quote becomes one depth row per side that changed, with a removal of the level a price left; a trade becomes one row.
"""

import json
import struct
import sys
import time
from pathlib import Path

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    event_dtype,
)
from numba import njit

TICK = 0.25
RECORD = struct.Struct("<IIQBBHIqqiiiiBBHI")
QUOTE = 1
BOTH = EXCH_EVENT | LOCAL_EVENT
END_OF_DATA = 1


def rows_of(path: Path) -> tuple[np.ndarray, int]:
    """Rows in hftbacktest's layout, and the number of our events they stand for."""
    rows: list[tuple[int, int, int, float, float, int, int, float]] = []
    best = {BUY_EVENT: (0, 0), SELL_EVENT: (0, 0)}
    events = 0
    for record in RECORD.iter_unpack(path.read_bytes()):
        events += 1
        stamps = (record[8], record[7])
        if record[3] != QUOTE:
            side = BUY_EVENT if record[13] == 1 else SELL_EVENT
            rows.append((BOTH | TRADE_EVENT | side, *stamps, record[9] * TICK, float(record[11]), 0, 0, 0.0))
            continue
        for side, now in ((BUY_EVENT, (record[9], record[11])), (SELL_EVENT, (record[10], record[12]))):
            if now == best[side]:
                continue
            event = BOTH | DEPTH_EVENT | side
            if best[side][0] not in (now[0], 0):
                rows.append((event, *stamps, best[side][0] * TICK, 0.0, 0, 0, 0.0))
            rows.append((event, *stamps, now[0] * TICK, float(now[1]), 0, 0, 0.0))
            best[side] = now
    return np.array(rows, dtype=event_dtype), events


@njit
def replay(hbt):  # noqa: ANN001, ANN201 - a compiled class of the library
    """Wait for every feed row and do nothing."""
    seen = 0
    while hbt.wait_next_feed(False, 10**15) != END_OF_DATA:
        seen += 1
    return seen


def main() -> None:
    """Load, compile, then one replay per line of input."""
    rows, events = rows_of(Path(sys.argv[1]))

    def once() -> tuple[float, int]:
        asset = (
            BacktestAsset()
            .data([rows])
            .linear_asset(1.0)
            .constant_order_latency(1_000_000, 1_000_000)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(TICK)
            .lot_size(1.0)
        )
        hbt = HashMapMarketDepthBacktest([asset])
        began = time.perf_counter_ns()
        seen = replay(hbt)
        took = time.perf_counter_ns() - began
        hbt.close()
        return took / events, seen

    _, seen = once()
    print(json.dumps({"events": events, "rows": len(rows), "seen": seen}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"ns": once()[0]}), flush=True)


if __name__ == "__main__":
    main()
