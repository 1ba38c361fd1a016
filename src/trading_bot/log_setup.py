"""Diagnostic logs: JSON lines in `<data-dir>/logs/<date>.jsonl`, readable lines on stderr. Never called per tick.

The event log is the record of what was decided (architecture 6); these lines are for the person who looks after the
process. Run, decision and order ids are bound once and stand on every line.
"""

import importlib
import logging
import os
import secrets
import sys
import time
import types
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final

import orjson

from trading_bot.domain.secret_names import names_secret
from trading_bot.domain.units import iso_from_ns

# structlog imports asyncio for loggers that are awaited, and draws tracebacks with rich when rich can be imported; the
# two cost more than everything else at start-up. Nothing of ours is awaited, so asyncio is loaded by whoever reaches
# into it; tracebacks of ours go to the file as text, so rich stays unloaded until a table is printed.
_LATER: Final = types.ModuleType("asyncio")
_STAND_INS: Final = {"asyncio": _LATER, "rich": None}


def _asyncio(name: str) -> Any:
    return getattr(importlib.import_module("asyncio"), name)


setattr(_LATER, "__getattr__", _asyncio)  # noqa: B010 - a module's own hook, which its type does not know
_placed = [name for name in _STAND_INS if name not in sys.modules]
sys.modules.update({name: _STAND_INS[name] for name in _placed})  # type: ignore[misc]
try:
    import structlog
finally:
    for _name in _placed:
        del sys.modules[_name]

Event = MutableMapping[str, Any]

REDACTED: Final = "[redacted]"
LEVELS: Final = ("debug", "info", "warning", "error", "critical")


def new_run_id() -> str:
    """Identity of one process run: UTC start to the second and 4 random hex digits, sortable by time."""
    stamp = iso_from_ns(time.time_ns())[:19].replace("-", "").replace(":", "")
    return f"{stamp}Z-{secrets.token_hex(2)}"


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Replace the values of keys that name a secret, at any depth."""
    return {key: REDACTED if names_secret(key) else _redacted(value) for key, value in event.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: REDACTED if names_secret(key) else _redacted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner) for inner in value]
    return value


def stamp(_logger: object, _method: str, event: Event) -> Event:
    """Add `ts`, UTC with nanoseconds: the only clock of a log line, and never an input of a decision."""
    return {**event, "ts": iso_from_ns(time.time_ns())}


class JsonLines:
    """Appends each event to the file of its UTC day, one write per line, so that lines of two processes never mix.

    A disk that refuses a line must not stop trading: lines lost are counted and reported once on stderr.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._day = ""
        self._descriptor = -1
        self.lost = 0

    @property
    def path(self) -> Path:
        """File of the last line written, or the folder when there was none."""
        return self._folder / f"{self._day}.jsonl" if self._day else self._folder

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        """As a structlog processor: write, and pass the event on."""
        try:
            self._open(str(event["ts"])[:10])
            shown = {key: value for key, value in event.items() if key != "on_console"}
            os.write(self._descriptor, encode_line(shown))
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                sys.stderr.write(f"log lines are lost: {self.path}: {error.strerror}\n")
        return event

    def _open(self, day: str) -> None:
        if day == self._day and self._descriptor >= 0:
            return
        self.close()
        self._day = day
        self._folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def encode_line(event: Mapping[str, Any]) -> bytes:
    """One JSON object and a line end. What JSON cannot hold is written as text: content never costs a line."""
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits, and file names that are no text: both have a spelling.
        plain = {_spelt(key): _spelt(value) for key, value in event.items()}
        return orjson.dumps(plain, option=orjson.OPT_APPEND_NEWLINE)


def _spelt(value: object) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


class _Console:
    """Drops what the console does not show: quiet levels, `on_console=False`, and tracebacks (the file has them)."""

    def __init__(self, level: str, lines: JsonLines) -> None:
        self._rank = LEVELS.index(level)
        self._lines = lines

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        if LEVELS.index(event["level"]) < self._rank or event.get("on_console") is False:
            raise structlog.DropEvent
        shown = {key: value for key, value in event.items() if key not in {"run_id", "exception", "on_console"}}
        shown["ts"] = str(event["ts"])[11:23]
        if "exception" in event:
            shown["traceback"] = str(self._lines.path)
        return shown


class _Stderr:
    """Where rendered lines end: the stderr of the moment, one write per line."""

    @staticmethod
    def info(message: str) -> None:
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()

    debug = warning = error = critical = info


def start_logging(data_dir: Path, *, run_id: str, level: str = "info", console: str = "info") -> JsonLines:
    """Configure structlog for this process and bind `run_id`.

    Args:
        data_dir: the lines go to its `logs` folder, which is made at the first line.
        run_id: stands on every line.
        level: least level written to the file.
        console: least level shown on stderr.
    """
    lines = JsonLines(data_dir / "logs")
    _started.append(lines)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            stamp,
            structlog.processors.format_exc_info,
            redact,
            lines,
            _Console(console, lines),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ, timestamp_key="ts", pad_event_to=24
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: _Stderr(),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(run_id=run_id)
    return lines


_started: list[JsonLines] = []


def current_lines() -> JsonLines | None:
    """Where this process's lines go; None before `start_logging`."""
    return _started[-1] if _started else None


def bind_ids(**ids: str | int) -> None:
    """Put ids (`decision_seq`, `order_ref`, `session`) on every following line of this context."""
    structlog.contextvars.bind_contextvars(**ids)


def unbind_ids(*names: str) -> None:
    """Take ids off again when their subject is done."""
    structlog.contextvars.unbind_contextvars(*names)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The process's logger. Events are snake_case names, fields carry units (`latency_us_p99`)."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
