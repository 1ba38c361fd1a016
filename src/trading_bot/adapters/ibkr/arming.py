"""Whether real orders may leave (specification 8.1 check 4, 13; feature EX02).

LIVE is armed by a person, for one account and one trading session: the file `ARMED` in the data directory says so to
everybody who looks, and who removes it disarms. Entries need it; what protects and closes a position does not.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from trading_bot.domain.errors import UsageError

ARMED_FILE: Final = "ARMED"
_MODE: Final = 0o600


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. Times are ns since the epoch."""

    account: str
    trade_date: int
    armed_ns: int
    expires_ns: int
    secret: str


class Arming:
    """One arming: an account, until its session ends or the file is gone."""

    def __init__(self, path: Path, token: Token) -> None:
        """Use `arm`."""
        self._path = path
        self._token = token
        self._seen: tuple[int, int, int] | None = None  # inode, time and size of the file when it was read and right

    @property
    def expires_ns(self) -> int:
        """When the session ends that this is for."""
        return self._token.expires_ns

    def why_not(self, ts_ns: int) -> str:
        """Why no entry may leave at `ts_ns`; empty when one may."""
        token = self._token
        if ts_ns >= token.expires_ns:
            return f"the arming of {token.account} ended with session {token.trade_date}; start again with --arm"
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen == self._seen:  # the file that was read before: every order waits for this
                return ""
            held = json.loads(self._path.read_text())
        except FileNotFoundError:
            return f"{self._path} is gone: the account was disarmed; start again with --arm"
        except (OSError, ValueError, RecursionError) as error:
            return f"{self._path} cannot be read ({error}); start again with --arm"
        if not isinstance(held, dict) or held.get("secret") != token.secret:
            return f"{self._path} is of another start; only the last one that was armed may trade"
        self._seen = seen
        return ""

    def disarm(self) -> None:
        """The run is over; a file that another start has written stays."""
        if not self.why_not(self._token.armed_ns):
            self._path.unlink(missing_ok=True)


def arm(data_dir: Path, account: str, typed: str | None, *, now_ns: int, trade_date: int, expires_ns: int) -> Arming:
    """Arm `account` until `expires_ns`; `typed` is the account as the person wrote it.

    Raises:
        UsageError: it was not typed, or another one was; or the file cannot be written.
    """
    if typed != account:
        raise UsageError(
            f"--mode LIVE --arm: the account that was typed is {typed}, the one of the login is {account}; nothing was "
            f"sent. Type --account {account} to trade it with real money"
        )
    token = Token(
        account=account,
        trade_date=trade_date,
        armed_ns=now_ns,
        expires_ns=expires_ns,
        secret=secrets.token_hex(16),
    )
    path = data_dir / ARMED_FILE
    temporary = path.with_suffix(".tmp")
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(token))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); LIVE is not armed without it") from error
    return Arming(path, token)
