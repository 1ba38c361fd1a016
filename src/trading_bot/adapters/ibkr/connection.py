"""The library's connection with our reader in it: every byte of the socket passes the intake first (docs/adr/0018)."""

import asyncio
from typing import Any

from trading_bot._fast.tws import TickIntake
from trading_bot.adapters.ibkr.library import part


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    """An event loop of that name, `uvloop` or `asyncio`."""
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def take_over(client: Any, intake: TickIntake) -> None:
    """Give the library's client a connection whose bytes the intake reads; before it connects.

    The transport calls `data_received` of its protocol: as an attribute of the object that is the compiled method
    itself, without a frame of Python in between.
    """
    connection = part("connection").Connection()
    connection.data_received = intake.data_received
    connection.disconnected += client._onSocketDisconnected  # noqa: SLF001 (what its own connection is given)
    client.conn = connection
