"""An event loop for every test, closed afterwards: libraries that are used outside one make one, and leave it open."""

import asyncio

import pytest


@pytest.fixture(autouse=True)
def loop():
    one = asyncio.new_event_loop()
    asyncio.set_event_loop(one)
    yield one
    one.close()
    asyncio.set_event_loop(None)
