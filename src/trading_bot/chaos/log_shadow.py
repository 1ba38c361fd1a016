"""A replay that follows a bot's log from death to death: what the log says the state must be, without asking the bot.

Only what was appended since the last time is played, so a hundred deaths cost what one replay costs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from trading_bot.build_digest import build_digest
from trading_bot.chaos.log_facts import log_folders
from trading_bot.core.log_reader import LogReader
from trading_bot.core.opening import RunIdentity
from trading_bot.core.operator_files import STATUS_FILE
from trading_bot.core.player import Player
from trading_bot.core.status import machine_status
from trading_bot.domain import events
from trading_bot.domain.effects import Effect, PlaceExit, PlaceOrder
from trading_bot.domain.errors import BotError
from trading_bot.domain.events import Event
from trading_bot.domain.reconciling import ReconciliationDone
from trading_bot.domain.trade_events import OrderFilled

_OF_THE_WALL: Final = frozenset({"pid", "ts_wall_ns", "kill_timeline_ms"})


class TailEnd(msgspec.Struct, frozen=True):
    """Where the open segment of a log ends: its file, and the byte after the last good record."""

    path: Path
    end_bytes: int


class LogShadow:
    """Follows the one log of a data directory. `fills`, `entries` and `exits` are what it has read so far."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is read yet."""
        self._data_dir = data_dir
        self._player: Player | None = None
        self._log: Path | None = None
        self.fills: list[OrderFilled] = []
        self.entries: dict[tuple[int, int], int] = {}  # lots asked for, by order id
        self.exits: set[tuple[int, int]] = set()
        self.processes = 0
        self.abandoned = 0
        self.compared = False  # whether the newest process has compared itself with the broker
        self.tail: TailEnd | None = None

    @property
    def records(self) -> int:
        """How many it has read."""
        return 0 if self._player is None else self._player.records

    @property
    def position(self) -> int:
        """What the fills come to, in lots."""
        return sum(row.qty if row.side == "BUY" else -row.qty for row in self.fills)

    @property
    def position_of_state(self) -> int | None:
        """The replayed state's position; None for an unknown one, or before the first record."""
        machine = None if self._player is None else self._player.machine
        return 0 if machine is None else machine.state.position_qty

    @property
    def state_digest(self) -> str:
        """Of the replayed state; empty before the first record."""
        machine = None if self._player is None else self._player.machine
        return "" if machine is None else machine.state.digest()

    def died(self, pid: int) -> Iterator[str]:
        """Play what the process `pid` has left, and say where its last words and the replay differ."""
        self.compared = False  # it may have died before its first record
        logs = log_folders(self._data_dir)
        if not logs:
            return
        if self._log is None:
            self._log, self._player = logs[0], Player(build=build_digest(), on_message=self._note)
        if logs != [self._log]:
            yield f"one log was begun and there are {len(logs)}: {[log.name for log in logs]}"
            return
        try:
            yield from self._play(_last_words(self._data_dir, pid))
        except BotError as error:
            yield f"{type(error).__name__}: {error}"

    def _play(self, words: dict[str, Any]) -> Iterator[str]:
        player = self._player
        assert player is not None
        if words.get("log_seq", 0) > player.last_seq:
            self._read(words["log_seq"])
            yield from self._differences(player, words)
        self._read(None)

    def _read(self, until_seq: int | None) -> None:
        assert self._player is not None
        assert self._log is not None
        with LogReader(self._log) as reader:
            self._player.play(reader.spans(self._player.last_seq + 1), until_seq=until_seq)
            if until_seq is None and reader.segments:
                end = reader.segments[-1]
                self.tail = None if end.sealed else TailEnd(self._log / end.name, end.end_bytes)

    def _differences(self, player: Player, words: dict[str, Any]) -> Iterator[str]:
        machine, started = player.machine, player.run_started
        assert machine is not None
        assert started is not None
        if player.last_seq != words["log_seq"]:
            yield f"status.json tells of record {words['log_seq']}, the log ends with {player.last_seq}"
            return
        # Silence lets the kernel's time go on without a record; what it would find there would be in the log.
        if machine.state.kernel.on_time(words["ts_market_ns"]):
            yield f"replay decides something at {words['ts_market_ns']} that the log does not hold"
            return
        identity = RunIdentity(
            run_id=started.run_id, mode=started.mode, adapter=started.adapter, hypothetical=started.hypothetical
        )
        shown = machine_status(
            machine,
            identity,
            now_ns=max(machine.state.ts_ns, machine.state.kernel.now_ns),
            log_path=words["log_path"],
            log_seq=player.last_seq,
        )
        replayed = orjson.loads(orjson.dumps(shown, default=str))
        for name in replayed.keys() - _OF_THE_WALL:
            told, found = words.get(name), replayed[name]
            if found != told:
                yield f"status.json at record {player.last_seq}: {name} {told!r}, replayed {found!r}"

    def _note(self, record: Event | Effect) -> None:
        if isinstance(record, OrderFilled):
            self.fills.append(record)
        elif isinstance(record, PlaceOrder):
            self.entries[record.order.order_id] = record.order.qty
        elif isinstance(record, PlaceExit):
            self.exits.add(record.order_id)
        elif isinstance(record, events.RunStarted | events.ProcessStarted):
            self.processes += 1
            self.compared = False
        elif isinstance(record, events.EffectsAbandoned):
            self.abandoned += 1
        elif isinstance(record, ReconciliationDone):
            self.compared |= not record.settling


def _last_words(data_dir: Path, pid: int) -> dict[str, Any]:
    """The newest status of that process; empty when it left none."""
    try:
        words = orjson.loads((data_dir / STATUS_FILE).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return words if isinstance(words, dict) and words.get("pid") == pid else {}
