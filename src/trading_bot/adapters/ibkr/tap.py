"""What the library hears from the gateway, heard by us first; and what it would only write to its own log."""

import logging
from collections.abc import Callable
from typing import Any

Listener = Callable[..., None]


class Tap:
    """Stands before the library's wrapper: listeners hear a callback first, then the library does what it does.

    The library's decoder logs what a callback raises and goes on; an error of ours must not end there, so it is handed
    to `failed`, for the pump to raise.
    """

    def __init__(self, wrapper: Any, failed: Callable[[Exception], None]) -> None:
        """Nobody listens yet."""
        self._wrapper = wrapper
        self._failed = failed
        self._listeners: dict[str, tuple[Listener, ...]] = {}

    def add(self, callback: str, listener: Listener) -> None:
        """Hear a callback of the wrapper, by its name."""
        self._listeners[callback] = (*self._listeners.get(callback, ()), listener)

    def remove(self, callback: str, listener: Listener) -> None:
        """Hear it no more. A listener that was not there is no error."""
        self._listeners[callback] = tuple(one for one in self._listeners.get(callback, ()) if one is not listener)

    def __getattr__(self, name: str) -> Any:
        """A callback with the listeners before it; kept, because the decoder asks for it with every message."""
        target = getattr(self._wrapper, name)
        if not callable(target):
            return target
        heard, failed = self._listeners, self._failed

        def call(*arguments: Any) -> Any:
            try:
                for listener in heard.get(name, ()):
                    listener(*arguments)
            except Exception as error:  # noqa: BLE001 (raised by the pump)
                failed(error)
            return target(*arguments)

        self.__dict__[name] = call
        return call


class Complaints(logging.Handler):
    """What the library only logs. A message it cannot decode is outside trouble that the log of the run should have."""

    def __init__(self, library_name: str, tell: Callable[[str], None]) -> None:
        """Silences the library's loggers but the decoder's, until `close`."""
        super().__init__(logging.ERROR)
        self._tell = tell
        self._all = logging.getLogger(library_name)
        self._decoder = logging.getLogger(f"{library_name}.Decoder")
        self._before = (self._all.level, self._decoder.level, self._decoder.propagate)
        self._all.setLevel(logging.CRITICAL)
        self._decoder.setLevel(logging.ERROR)
        self._decoder.propagate = False
        self._decoder.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """A line of the decoder's."""
        error = record.exc_info[1] if record.exc_info else None
        self._tell(record.getMessage() if error is None else f"{record.getMessage()} {error!r}")

    def close(self) -> None:
        """Leave the loggers as they were found."""
        if self in self._decoder.handlers:
            self._decoder.removeHandler(self)
            self._all.setLevel(self._before[0])
            self._decoder.setLevel(self._before[1])
            self._decoder.propagate = self._before[2]
        super().close()
