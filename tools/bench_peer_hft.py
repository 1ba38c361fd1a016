"""Peer process: hftbacktest replaying the stream; its strategy does nothing or, after `orders`, trades.

A quote becomes one depth row per side that changed, with a removal of the level a price left; a trade becomes one row.
Trading: three averages of the mid price and the imbalance of the touch decide, at most one entry in five minutes; a
market order in, a limit order at the target, and the stop coded in the strategy, since the library has no brackets.
Run by bench_peers.py.
"""

import json
import struct
import sys
import time
from pathlib import Path

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    CANCELED,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    MARKET,
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
FOREVER_NS = 10**15
COOL_DOWN_NS = 300_000_000_000
BRACKET = 8 * TICK
FLAT, ENTERING, OPEN, CANCELLING, LEAVING = range(5)


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
    while hbt.wait_next_feed(False, FOREVER_NS) != END_OF_DATA:
        seen += 1
    return seen


@njit
def trade(hbt):  # noqa: ANN001, ANN201 - a compiled class of the library
    """The same signal and bracket as bench_peer_nautilus.py; returns the number of entries."""
    fast = middle = slow = stop = 0.0
    state, side, number, target, entries = FLAT, 0, 0, 0, 0
    entered_ns = -FOREVER_NS
    while hbt.wait_next_feed(True, FOREVER_NS) != END_OF_DATA:
        depth = hbt.depth(0)
        bid, ask = depth.best_bid, depth.best_ask
        if not bid < ask:
            continue
        price = (bid + ask) / 2
        if slow == 0.0:
            fast = middle = slow = price
        fast += 0.1 * (price - fast)
        middle += 0.02 * (price - middle)
        slow += 0.005 * (price - slow)
        bid_qty, ask_qty = depth.best_bid_qty, depth.best_ask_qty
        imbalance = (bid_qty - ask_qty) / (bid_qty + ask_qty)
        position = hbt.position(0)
        if state == FLAT:
            side = (fast > middle > slow and imbalance > 0.2) - (fast < middle < slow and imbalance < -0.2)
            if side and hbt.current_timestamp - entered_ns > COOL_DOWN_NS:
                number += 1
                if side > 0:
                    hbt.submit_buy_order(0, number, ask, 1.0, GTC, MARKET, False)
                else:
                    hbt.submit_sell_order(0, number, bid, 1.0, GTC, MARKET, False)
                state, entered_ns, entries = ENTERING, hbt.current_timestamp, entries + 1
        elif state == ENTERING and position != 0:
            number += 1
            target, state = number, OPEN
            if side > 0:
                stop = ask - BRACKET
                hbt.submit_sell_order(0, target, ask + BRACKET, 1.0, GTC, LIMIT, False)
            else:
                stop = bid + BRACKET
                hbt.submit_buy_order(0, target, bid - BRACKET, 1.0, GTC, LIMIT, False)
        elif state != ENTERING and position == 0:
            hbt.clear_inactive_orders(0)
            state = FLAT
        elif state == OPEN and (bid - stop if side > 0 else stop - ask) <= 0:
            hbt.cancel(0, target, False)
            state = CANCELLING
        elif state == CANCELLING:
            order = hbt.orders(0).get(target)
            if order is None or order.status == CANCELED:
                number += 1
                if side > 0:
                    hbt.submit_sell_order(0, number, bid, 1.0, GTC, MARKET, False)
                else:
                    hbt.submit_buy_order(0, number, ask, 1.0, GTC, MARKET, False)
                state = LEAVING
    return entries


def main() -> None:
    """Load, compile, then one replay per line of input."""
    rows, events = rows_of(Path(sys.argv[1]))
    strategy = trade if sys.argv[2:] == ["orders"] else replay

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
        seen = strategy(hbt)
        took = time.perf_counter_ns() - began
        hbt.close()
        return took / events, seen

    _, seen = once()
    print(json.dumps({"events": events, "rows": len(rows), "seen": seen}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"ns": once()[0]}), flush=True)


if __name__ == "__main__":
    main()
