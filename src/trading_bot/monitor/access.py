"""Who may ask the monitor: a token in a file of the bot's user alone, or from the environment (feature SF10)."""

import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from trading_bot.core.operator_files import content_of
from trading_bot.domain.errors import UsageError

KEY_FILE: Final = "monitor.token"
KEY_VARIABLE: Final = "TRADING_BOT_MONITOR_TOKEN"
_CHARS_MIN: Final = 32
_CHARS_MAX: Final = 256
_MODE: Final = 0o600


def token_of(data_dir: Path, environment: Mapping[str, str]) -> str:
    """The token: from the environment, else from `monitor.token`, which is made once and kept.

    Raises:
        UsageError: it is too short, others may read the file, or the disk does not take one.
    """
    given = environment.get(KEY_VARIABLE, "")
    if given:
        return _checked(given, f"environment variable {KEY_VARIABLE}")
    path = data_dir / KEY_FILE
    try:
        return _stored(path) or _made(path)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; the monitor needs a token of its own there, or {KEY_VARIABLE}"
        ) from error


def refuse_exposed(host: str, environment: Mapping[str, str], *, expose: bool) -> None:
    """An address that others can reach is a decision of a person.

    Raises:
        UsageError: not a loopback address, without the flag or without a token that a person chose.
    """
    if is_loopback(host):
        return
    if not expose:
        raise UsageError(
            f"--host {host} is not this machine alone; the page is not encrypted. Reach it through a tunnel "
            f"(ssh -L), or say --expose and set {KEY_VARIABLE}"
        )
    if not environment.get(KEY_VARIABLE):
        raise UsageError(f"--expose needs a token of your own: set {KEY_VARIABLE} (at least {_CHARS_MIN} characters)")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def admitted(header: str, token: str) -> bool:
    """Whether an `Authorization` header has the token; takes as long for a wrong one as for the right one."""
    scheme, _, offered = header.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(offered.strip().encode(), token.encode())


def _stored(path: Path) -> str | None:
    try:
        mode = stat.S_IMODE(path.lstat().st_mode)
    except FileNotFoundError:
        return None
    if mode & 0o077:
        raise UsageError(f"{path} has mode {mode:04o}, others may have read it; remove it and start again")
    return _checked(content_of(path).decode("ascii", "replace").strip(), str(path))


def _made(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        os.write(file, token.encode())
    finally:
        os.close(file)
    return token


def _checked(token: str, where: str) -> str:
    if not _CHARS_MIN <= len(token) <= _CHARS_MAX or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            f"{where} holds no token: expected {_CHARS_MIN} to {_CHARS_MAX} printable characters without blanks"
        )
    return token
