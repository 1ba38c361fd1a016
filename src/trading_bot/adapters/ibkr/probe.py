r"""Is a gateway there? One TCP connection and the version handshake, to say what is wrong before anything is built.

Source: the wire protocol as ib_insync 0.9.86 speaks it: the client sends `API\0` without a length, then one
frame (4-byte big-endian length and payload) with the versions it speaks; the gateway answers with one frame of two
fields, server version and connection time, each ended by NUL.
"""

import socket
import struct
from typing import Final

import msgspec

from trading_bot.domain.errors import SourceUnreachable

HOST_DEFAULT: Final = "127.0.0.1"
PORT_PAPER: Final = 4002
PORT_LIVE: Final = 4001
VERSION_MIN: Final = 157
VERSION_MAX: Final = 178
FRAME_BYTES_MAX: Final = 4096  # the answer has about 30
TIMEOUT_S: Final = 3.0

START: Final = (
    f"Start IB Gateway (port {PORT_PAPER} paper, {PORT_LIVE} live; TWS uses 7497 and 7496), log in, and switch on "
    f"Configuration > API > Settings > Enable ActiveX and Socket Clients; name another place with --host and --port"
)


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that answered: its protocol version, and its time as it sent it (`20261120 14:30:00 EST`)."""

    host: str
    port: int
    server_version: int
    connected_at: str


def probe(host: str = HOST_DEFAULT, port: int = PORT_PAPER, *, timeout_s: float = TIMEOUT_S) -> Gateway:
    """Greet the gateway and hang up before a client id is taken.

    Args:
        host: name or address.
        port: TCP port, 1..65535.
        timeout_s: for the connection, and again for the answer.

    Raises:
        SourceUnreachable: nothing listens or answers, what answers is no gateway, or one of another version.
    """
    place = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout=timeout_s)
    except ConnectionRefusedError as error:
        raise SourceUnreachable(f"nothing listens at {place}. {START}") from error
    except TimeoutError as error:
        raise SourceUnreachable(
            f"no connection to {place} within {timeout_s:g} s: the host is away, or a firewall drops it. {START}"
        ) from error
    except OSError as error:
        raise SourceUnreachable(f"no connection to {place}: {error.strerror or error}. {START}") from error
    with connection:
        try:
            return _greet(connection, host, port)
        except TimeoutError as error:
            raise SourceUnreachable(
                f"{place} accepts connections and does not answer the API greeting within {timeout_s:g} s: it is no "
                f"gateway, or one that still logs in or waits for a person (accept the incoming connection there)"
            ) from error
        except OSError as error:
            raise SourceUnreachable(f"{place} broke the connection: {error.strerror or error}. {_TRUSTED}") from error


_TRUSTED: Final = (
    "A gateway does that when this machine is not among its trusted addresses or the API is off: see "
    "Configuration > API > Settings"
)


def _greet(connection: socket.socket, host: str, port: int) -> Gateway:
    versions = f"v{VERSION_MIN}..{VERSION_MAX}".encode()
    connection.sendall(b"API\0" + struct.pack(">I", len(versions)) + versions)
    place = f"{host}:{port}"
    head = _receive(connection, 4)
    if len(head) < 4:
        raise SourceUnreachable(f"{place} closed the connection without an answer. {_TRUSTED}")
    (length,) = struct.unpack(">I", head)
    if length > FRAME_BYTES_MAX:
        raise SourceUnreachable(f"{place} is not a gateway: its answer begins with {head!r}. {START}")
    fields = _receive(connection, length).split(b"\0")
    # Two fields, each ended by NUL, split into three parts of which the last is empty.
    if len(fields) != 3 or fields[2] or not fields[0].isdigit() or len(fields[0]) > 9:
        raise SourceUnreachable(f"{place} is not a gateway: it answered {b' '.join(fields)[:80]!r}. {START}")
    version = int(fields[0])
    if not VERSION_MIN <= version <= VERSION_MAX:
        advice = "update IB Gateway" if version < VERSION_MIN else "use a version that still speaks the text protocol"
        raise SourceUnreachable(
            f"the gateway at {place} chose protocol version {version}; this client speaks {VERSION_MIN} to "
            f"{VERSION_MAX}: {advice}"
        )
    return Gateway(host=host, port=port, server_version=version, connected_at=fields[1].decode(errors="replace"))


def _receive(connection: socket.socket, size: int) -> bytes:
    """Up to `size` bytes; fewer when the other side hung up."""
    data = b""
    while len(data) < size and (part := connection.recv(size - len(data))):
        data += part
    return data
