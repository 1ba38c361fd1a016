"""Imports the client library where nothing else is running: for a process that bots are forked from.

The library asks for an event loop when it is first imported. It gets one that is closed again, so that no fork shares
a selector with another; each bot makes its own.
"""

import asyncio
from contextlib import closing

from trading_bot.adapters.ibkr.library import library_name

with closing(asyncio.new_event_loop()) as _loop:
    asyncio.set_event_loop(_loop)
    NAME = library_name()
    asyncio.set_event_loop(None)
