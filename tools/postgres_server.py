"""A PostgreSQL server of one's own, for tests and tools: unprivileged, on a Unix socket only, gone when done.

with postgres() as server:
    server.url("journal")   # postgresql://… of a new, empty database of that name
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

_PLACES: Final = "/usr/lib/postgresql"
_USERS: Final = ("postgres", "nobody")
_WAIT_S: Final = 60
SUPERUSER: Final = "journal_test"


class NoPostgres(Exception):
    """There is no PostgreSQL here, or nobody it could run as."""


class Server:
    """One running server."""

    def __init__(self, folder: Path, binaries: Path, as_user: list[str], password: str) -> None:
        """`as_user` is put in front of each command of the server."""
        self.folder, self.binaries, self.password = folder, binaries, password
        self._as_user = as_user

    def url(self, database: str, *, password: str | None = None) -> str:
        """The URL of a new database, which is made here; `password` replaces the right one."""
        self.psql(f'CREATE DATABASE "{database}"')
        return self.url_of(database, password=password)

    def url_of(self, database: str, *, password: str | None = None) -> str:
        """The URL of a database that is there."""
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql://{SUPERUSER}:{secret}@/{database}?host={self.folder}"

    def psql(self, sql: str, database: str = "postgres") -> str:
        """What a statement prints, without headings."""
        command = [str(self.binaries / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder)]
        environment = {**os.environ, "PGPASSWORD": self.password}
        done = subprocess.run(
            [*command, "-U", SUPERUSER, "-d", database, "-c", sql],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout

    def start(self) -> None:
        """Start it, on its Unix socket alone; nothing of it needs to survive this machine."""
        told = f"listen_addresses='' unix_socket_directories='{self.folder}' fsync=off max_connections=20"
        options = " ".join(f"-c {option}" for option in told.split())
        self.control("-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it at once, as a crash would: the next start recovers."""
        self.control("-m", "immediate", "stop")

    def control(self, *arguments: str) -> None:
        """`pg_ctl` on this server."""
        self.run(str(self.binaries / "pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", str(_WAIT_S), *arguments)

    def run(self, *command: str) -> None:
        """A command as the server's user."""
        done = subprocess.run(
            [*self._as_user, *command],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout[-2000:]}")


@contextmanager
def postgres() -> Iterator[Server]:
    """A server in a folder of its own.

    Raises:
        NoPostgres: none is installed, or this is root and there is no user it could run as.
    """
    binaries = _binaries()
    as_user, owner = _user()
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path has 107 characters at most
    server = Server(folder, binaries, as_user, secrets.token_urlsafe(12) + "@:/%")  # what a URL has to spell
    try:
        if owner is not None:
            shutil.chown(folder, owner)
        word = folder / "password"
        word.write_text(server.password)
        word.chmod(0o644)  # the folder is the owner's alone
        server.run(
            *(str(binaries / "initdb"), "-D", str(folder / "data"), "-U", SUPERUSER, "--pwfile", str(word)),
            *("-A", "scram-sha-256", "-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
        )
        word.unlink()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    beside = shutil.which("initdb")
    found = [Path(beside).resolve().parent] if beside else []
    found += sorted(Path(_PLACES).glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    for folder in found:
        if all((folder / name).is_file() for name in ("initdb", "pg_ctl", "psql", "postgres")):
            return folder
    raise NoPostgres(f"PostgreSQL is not installed (no initdb in PATH or {_PLACES}): apt-get install postgresql")


def _user() -> tuple[list[str], str | None]:
    """The front of a command, and who owns the files: the server refuses to be root."""
    if os.geteuid():
        return [], None
    if shutil.which("runuser") is None:
        raise NoPostgres("this is root, and there is no runuser to start PostgreSQL as somebody else")
    import pwd

    for name in _USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return ["runuser", "-u", name, "--"], name
    raise NoPostgres(f"this is root, and there is no user {' or '.join(_USERS)} to run PostgreSQL as")
