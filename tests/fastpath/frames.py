"""Frames of the broker's protocol, written from its description (TWS API, EReader and reqTickByTickData), and two ears.

`Ear` is the way of the client library: its own connection code and decoder, real, with our door behind. `Intake` is
ours. Both give tick records; what the library hears is written down as text.
"""

import struct

from trading_bot._fast.door import Door
from trading_bot._fast.tws import TickIntake
from trading_bot.adapters.ibkr.feed import IbkrFeed
from trading_bot.adapters.ibkr.library import library, part
from trading_bot.adapters.ibkr.stages import Stages
from trading_bot.adapters.ibkr.tap import Tap
from trading_bot.domain.instruments import INSTRUMENTS

MES = INSTRUMENTS["MES"]
QUOTES, TRADES = 11, 12  # request ids
NOW_NS = 1_795_617_000_000_000_000


def frame(*fields):
    payload = b"".join((field if isinstance(field, bytes) else str(field).encode()) + b"\0" for field in fields)
    return struct.pack(">I", len(payload)) + payload


def quote(bid="6750.25", ask="6750.5", bid_size="12", ask_size="7", *, mask="0", at=1_795_617_000, request_id=QUOTES):
    return frame(99, request_id, 3, at, bid, ask, bid_size, ask_size, mask)


def trade(price="6750.25", size="3", *, mask="0", at=1_795_617_000, request_id=TRADES, kind=1, venue="CME", special=""):
    return frame(99, request_id, kind, at, price, size, mask, venue, special)


ACCOUNT = frame(6, 2, "NetLiquidation", "10000.00", "USD", "DUSIM1")
STATUS = frame(3, 7, "Submitted", 0, 1, 0.0, 900001, 0, 0.0, 1, "", 0.0)
SAMPLE = frame(1, 6, 13, 1, "6750.25", 5, 0)
NOTICE = frame(4, 2, -1, 2104, "Market data farm connection is OK:usfuture", "")


class Session:
    """As much of a session as a feed needs."""

    def __init__(self, *, fast):
        self.heard = []  # what the library's side was told
        self.failed = []
        lib = library()
        self.ib = lib.IB()
        client = self.ib.client
        client._serverVersion, client.connState, client._apiReady = 176, client.CONNECTED, True
        self._tap = Tap(self.ib.wrapper, self.failed.append)
        client.decoder = part("decoder").Decoder(self._tap, 176)
        self.intake = TickIntake(client._onSocketHasData, self.wake, self.failed.append)
        self.stages = Stages(self.intake, 1, 1.0)
        self.settings = type("Settings", (), {"fast_path": fast})
        self.inputs = []
        self.woken = 0
        for name in ("updateAccountValue", "orderStatus", "priceSizeTick", "tickSize", "error"):
            self.listen(name, lambda *arguments, name=name: self.heard.append((name, *arguments)))

    def listen(self, callback, listener):
        self._tap.add(callback, listener)

    def stamp(self):
        return self.intake.stamp()

    def wake(self):
        self.woken += 1


class Line:
    """One way of hearing: `hear` a packet at a time, `records` are its ticks as bytes."""

    def __init__(self, *, fast):
        self.session = Session(fast=fast)
        self.intake = self.session.intake
        self.feed = IbkrFeed(self.session, MES, {})
        self.feed.set_request_ids({QUOTES: "BidAsk", TRADES: "Last"})
        self.records = b""

    def hear(self, packet, ts_ns=NOW_NS):
        self.intake.set_clock(ts_ns, 0, 0.0)
        self.intake.data_received(packet)
        self.records += self.intake.take()

    @property
    def heard(self):
        return [str(row) for row in self.session.heard]


def door():
    return Door(MES.id, MES.tick_size_e9, 16)
