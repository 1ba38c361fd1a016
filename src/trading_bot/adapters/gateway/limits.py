"""How often a client may ask for the same thing, in seconds of the wall (field notes C)."""

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from trading_bot.adapters.gateway.client import Client

if TYPE_CHECKING:
    from trading_bot.adapters.gateway.gateway import Gateway

_TEN_MINUTES_S: Final = 600.0
_IDENTICAL_S: Final = 15.0
_SAME_S: Final = 2.0
_SAME_MAX: Final = 6  # requests for one contract and kind of data within two seconds: the sixth is one too many


class _Asked:
    """What one client has asked for, and when."""

    def __init__(self) -> None:
        self.tick_by_tick_s: dict[tuple[int, str], float] = {}
        self.small_bars: deque[tuple[float, tuple[object, ...]]] = deque()
        self.data_type = 1


class Limits:
    """Per connection; a client that has left is forgotten."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._asked: dict[Client, _Asked] = {}

    def of(self, client: Client) -> _Asked:
        """What is remembered of a client."""
        if client not in self._asked:
            self._asked[client] = _Asked()
            client.on_closed.append(partial(self._asked.__delitem__, client))
        return self._asked[client]

    def tick_by_tick(self, client: Client, con_id: int, kind: str) -> bool:
        """May this contract's ticks be asked for, so soon after the time before? Refused requests count too."""
        asked, now_s, key = self.of(client).tick_by_tick_s, time.monotonic(), (con_id, kind)
        before_s = asked.get(key)
        asked[key] = now_s
        return before_s is None or now_s - before_s >= self._gateway.config.tick_by_tick_gap_s

    def small_bars(self, client: Client, con_id: int, show: str, rest: tuple[object, ...]) -> bool:
        """May bars of 30 s and less be asked for? `rest` is what else makes two requests identical."""
        limit = self._gateway.config.small_bars_per_10_min
        if not limit:
            return True
        asked, now_s = self.of(client).small_bars, time.monotonic()
        while asked and now_s - asked[0][0] >= _TEN_MINUTES_S:
            asked.popleft()
        request = (con_id, show, *rest)
        same = sum(one[:2] == request[:2] and now_s - at_s < _SAME_S for at_s, one in asked)
        identical = any(one == request and now_s - at_s < _IDENTICAL_S for at_s, one in asked)
        allowed = len(asked) < limit and same + 1 < _SAME_MAX and not identical
        asked.append((now_s, request))
        return allowed
