"""The gateway probe against real sockets: what is there is told apart, and each answer says what to do."""

import socket
import struct
import threading
from contextlib import contextmanager

import pytest

from trading_bot.adapters.ibkr.probe import probe
from trading_bot.domain.errors import SourceUnreachable

HELLO = b"API\0" + struct.pack(">I", 9) + b"v157..178"


def frame(*fields):
    payload = b"".join(field + b"\0" for field in fields)
    return struct.pack(">I", len(payload)) + payload


@contextmanager
def server(answer):
    """Listens on a free port, hands the first connection to `answer`, gives the port and what was received."""
    received = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(5)
                received.append(connection.recv(64))
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1], received
        finally:
            thread.join(timeout=10)


def said(port, **kwargs):
    with pytest.raises(SourceUnreachable) as refused:
        probe("127.0.0.1", port, timeout_s=kwargs.get("timeout_s", 2.0))
    assert refused.value.exit_code == 3
    return str(refused.value)


def test_a_gateway_answers_with_its_version():
    with server(lambda c: c.sendall(frame(b"176", b"20261120 14:30:00 EST"))) as (port, received):
        gateway = probe("127.0.0.1", port, timeout_s=2.0)
    assert (gateway.server_version, gateway.connected_at) == (176, "20261120 14:30:00 EST")
    assert b"".join(received) == HELLO


def test_an_answer_in_pieces_is_put_together():
    def slowly(connection):
        for byte in frame(b"178", b"20261120 14:30:00 EST"):
            connection.sendall(bytes([byte]))

    with server(slowly) as (port, _):
        assert probe("127.0.0.1", port, timeout_s=2.0).server_version == 178


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    message = said(port)
    assert f"nothing listens at 127.0.0.1:{port}" in message
    assert "Start IB Gateway (port 4002 paper, 4001 live" in message
    assert "API" in message


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not a gateway: its answer begins with b'HTTP'"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "is not a gateway"),
        (frame(b"hello", b"world"), "is not a gateway: it answered"),
        (frame(b"176"), "is not a gateway: it answered"),
        (frame(b"176", b"x", b"y"), "is not a gateway: it answered"),
        (frame(b"156", b"20150101 00:00:00 EST"), "chose protocol version 156; this client speaks 157 to 178: update"),
        (frame(b"225", b"20260701 00:00:00 EST"), "chose protocol version 225; this client speaks 157 to 178: use"),
        (b"", "closed the connection without an answer"),
        (b"\0\0", "closed the connection without an answer"),
    ],
)
def test_what_is_no_usable_gateway_is_named(answer, expected):
    with server(lambda c: c.sendall(answer)) as (port, _):
        assert expected in said(port)


def test_silence_is_not_waited_for_long():
    done = threading.Event()
    with server(lambda _: done.wait(5)) as (port, _):
        message = said(port, timeout_s=0.2)
        done.set()
    assert "does not answer the API greeting within 0.2 s" in message


def test_a_broken_connection_points_at_the_trusted_addresses():
    def reset(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with server(reset) as (port, _):
        message = said(port)
    assert "trusted addresses" in message


def test_an_unknown_host_is_named():
    with pytest.raises(SourceUnreachable, match=r"no connection to no-such-host\.invalid:4002"):
        probe("no-such-host.invalid", 4002, timeout_s=2.0)
