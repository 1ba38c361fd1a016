"""Where the control socket is, and the token beside it: both of the bot's user alone (feature SF10).

A socket's address has room for 107 bytes, a data directory may be deeper: it is reached through an open folder.
"""

import contextlib
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from trading_bot.adapters.control_protocol import TOKEN_CHARS
from trading_bot.core.operator_files import content_of, replace
from trading_bot.domain.errors import UsageError

SOCKET_NAME: Final = "control.sock"
KEY_FILE: Final = "control.token"
_SELF: Final = Path("/proc/self/fd")
_PRIVATE: Final = 0o177  # umask that leaves 0600
_MODE: Final = 0o600


def listen(data_dir: Path, backlog: int) -> socket.socket:
    """A listening socket in `data_dir`, mode 0600; one that a dead process left is replaced.

    Raises:
        OSError: something else lies there, or the system refuses.
    """
    path = data_dir / SOCKET_NAME
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(0, "something that is no socket lies there; move it away")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(_PRIVATE)
    try:
        with _short(data_dir) as address:
            listener.bind(address)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def connect(data_dir: Path, timeout_s: float) -> socket.socket:
    """A connection to the bot of `data_dir`.

    Raises:
        OSError: nobody listens there, or does not answer.
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.settimeout(timeout_s)
    try:
        with _short(data_dir) as address:
            channel.connect(address)
    except OSError:
        channel.close()
        raise
    return channel


def new_token(data_dir: Path) -> str:
    """A token of this start in `control.token`, readable by the bot's user alone.

    Raises:
        OSError: the disk does not take it.
    """
    token = secrets.token_hex(TOKEN_CHARS // 2)
    before = os.umask(_PRIVATE)
    try:
        replace(data_dir / KEY_FILE, token.encode(), sync=False)
    finally:
        os.umask(before)
    return token


def read_token(data_dir: Path) -> str:
    """The token of the bot that runs in `data_dir`.

    Raises:
        OSError: there is none, or it is not for us to read.
        UsageError: the file is no token, or others may read it.
    """
    path = data_dir / KEY_FILE
    if (mode := stat.S_IMODE(path.lstat().st_mode)) != _MODE:
        raise UsageError(f"{path} has mode {mode:04o}; expected 0600: others may have read it. Start the bot again")
    text = content_of(path)
    if len(text) != TOKEN_CHARS or not text.isalnum():
        raise UsageError(f"{path} holds no token of {TOKEN_CHARS} characters; start the bot again")
    return text.decode("ascii")


def take_away(data_dir: Path) -> None:
    """Nobody listens any more."""
    for name in (SOCKET_NAME, KEY_FILE):
        with contextlib.suppress(OSError):
            (data_dir / name).unlink()


@contextmanager
def _short(data_dir: Path) -> Iterator[str]:
    """An address of the socket that fits, whatever the folder's own path is."""
    folder = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield str(_SELF / str(folder) / SOCKET_NAME) if _SELF.is_dir() else str(data_dir / SOCKET_NAME)
    finally:
        os.close(folder)
