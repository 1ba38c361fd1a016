"""Signals from outside as the runner's input (feature SG10): a file that grows, a local socket, or both.

Shell code: it reads the monotonic clock for its own pace and for rates. Every stamp of an input is the market's time.
"""

import heapq
import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.adapters.context_file import ContextFile
from trading_bot.adapters.context_lines import Found
from trading_bot.adapters.context_socket import SOCKET_NAME, ContextSocket
from trading_bot.domain.context import ContextReceived
from trading_bot.domain.context_config import ContextConfig
from trading_bot.domain.events import Input
from trading_bot.domain.units import NS_PER_MS, NS_PER_S, TS_NEVER_NS

POLL_NS: Final = 20 * NS_PER_MS
_WAITING_MAX: Final = 1_000  # a longer file is read on as these are taken


class ContextInlet:
    """Messages in the order they are due. With `recorded` data the file's lines wait for the market's time."""

    def __init__(
        self, config: ContextConfig, data_dir: Path, *, recorded: bool, known: Mapping[str, int] | None = None
    ) -> None:
        """`known`: stamps up to which the log has the messages of a name already.

        Raises:
            UsageError: the socket cannot be made.
        """
        self._file = (
            ContextFile(data_dir / config.file, rate_max=config.rate_max, known=known or {}) if config.file else None
        )
        self._socket = ContextSocket(data_dir / SOCKET_NAME, rate_max=config.rate_max) if config.socket else None
        self._recorded = recorded
        self._waiting: list[tuple[int, int, Found]] = []
        self._order = itertools.count()
        self._reading: Iterator[Found] = iter(())
        self._next_poll_ns = 0

    @property
    def next_due_ns(self) -> int:
        """Market time at which the first waiting message is due; `TS_NEVER_NS` without one."""
        return self._waiting[0][0] if self._waiting else TS_NEVER_NS

    def poll(self, now_ns: int) -> Input | None:
        """The next message due by `now_ns`, stamped with it. File and socket are looked at every 20 ms at most."""
        clock_ns = time.monotonic_ns()
        if clock_ns >= self._next_poll_ns:
            self._next_poll_ns = clock_ns + POLL_NS
            if self._socket is not None:
                for found in self._socket.read(now_ns, clock_ns // NS_PER_S):
                    self._wait(now_ns, found)
            if self._file is not None and len(self._waiting) < _WAITING_MAX:
                self._reading = self._file.read(now_ns, clock_ns // NS_PER_S)
        self._read_on(now_ns)
        if not self._waiting or self._waiting[0][0] > now_ns:
            return None
        found = heapq.heappop(self._waiting)[2]
        self._read_on(now_ns)
        return msgspec.structs.replace(found, ts_ns=now_ns)

    def close(self) -> None:
        """Nothing more is taken."""
        if self._file is not None:
            self._file.close()
        if self._socket is not None:
            self._socket.close()

    def _read_on(self, now_ns: int) -> None:
        while len(self._waiting) < _WAITING_MAX:
            found = next(self._reading, None)
            if found is None:
                return
            due_ns = found.stamped_ns if self._recorded and isinstance(found, ContextReceived) else now_ns
            self._wait(max(due_ns, now_ns), found)

    def _wait(self, due_ns: int, found: Found) -> None:
        heapq.heappush(self._waiting, (due_ns, next(self._order), found))
