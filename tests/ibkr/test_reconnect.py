"""Connections that break, gateways that restart or hang: the same client comes back (field notes A and B)."""

import socket
import threading
import time
from contextlib import contextmanager

import msgspec
import pytest

from tests.ibkr.rig import connected, rig
from trading_bot.adapters.gateway.background import running_gateway

DOWN = (False, True, True, False)


def test_a_dropped_socket_is_made_again_with_the_same_client_id_and_new_streams():
    with rig() as one:
        called = []
        one.link.on_reconnected.append(lambda: called.append(one.session.connected))
        one.do("drop_clients")
        one.until(lambda: not one.state.socket)
        assert one.changes[-1] == ("SOCKET_LOST", *DOWN)
        one.until(lambda: one.state.up)
        assert [reason for reason, *_ in one.changes if reason in {"RECONNECTED", "TICKS"}][-2:] == [
            "RECONNECTED",
            "TICKS",
        ]
        assert one.gateway.call(lambda gateway: list(gateway.clients)) == [1]
        assert called == [True]
        assert set(one.streams()) >= one.ids[-1]
        assert set() in one.ids  # nobody's ticks counted in between
        assert 300 not in [notice.code for notice in one.notices]  # nothing of the old connection was cancelled


@pytest.mark.parametrize("turns", range(6))
def test_a_connection_that_breaks_the_moment_it_stands_is_made_again(turns):
    """The incident link-flaps: the socket goes while the loop turns between the handshake and its first use."""
    with rig() as one:
        client = one.session.ib.client
        left = [1]

        def broken(after=turns):
            if after:
                one.session.loop.call_soon(broken, after - 1)
            else:
                client.conn.transport.abort()

        def started():
            if left:
                left.clear()
                broken()

        client.apiStart += started
        one.do("drop_clients")
        one.until(lambda: not left)
        one.until(lambda: one.state.up, timeout_s=15)


def test_the_kind_of_data_is_asked_anew():
    with rig() as one:
        one.until(lambda: one.state.data_type == 1)
        one.do("drop_clients")
        one.until(lambda: not one.state.socket)
        one.until(lambda: one.state.socket)
        assert one.statuses[-1].data_type in {0, 1}
        first = next(one.told.index(status) for status in one.statuses if status.reason == "RECONNECTED")
        assert one.told[first].data_type == 0
        one.until(lambda: one.state.data_type == 1)


def test_a_restart_of_the_gateway_is_survived():
    with rig() as one:
        one.do("restart", wall_s=1.0)
        one.until(lambda: not one.state.socket)
        one.until(lambda: one.state.up)
        attempts = [notice.text for notice in one.notices if "connect again" in notice.text]
        assert len(attempts) == 1  # told once, however many there were


def test_a_gateway_that_hangs_is_noticed_and_left():
    with rig(probe_every_s=1.0) as one:
        one.session.settings = _with(one.session.settings, request_timeout_s=0.3)
        one.do("stall")
        one.until(lambda: not one.state.socket)
        assert one.changes[-1] == ("GATEWAY_SILENT", *DOWN)
        one.do("stall", on=False)
        one.until(lambda: one.state.up, timeout_s=15)


def _with(settings, **changes):
    return msgspec.structs.replace(settings, **changes)


def test_a_gateway_that_sends_data_is_alive_even_if_it_does_not_tell_its_time():
    with rig(probe_every_s=1.0) as one:
        one.session.settings = _with(one.session.settings, request_timeout_s=0.2)
        one.session.ib.client.reqCurrentTime = lambda: None
        one.pump(2.5)
        assert "GATEWAY_SILENT" not in [reason for reason, *_ in one.changes]


def test_the_probe_measures_the_gateways_answer():
    with rig(probe_every_s=1.0) as one:
        one.until(lambda: one.link.probe_s > 0)
        assert one.link.probe_s < 1.0


def test_a_gateway_that_came_back_with_another_account_is_not_used():
    with rig() as one:
        one.gateway.call(lambda gateway: setattr(gateway, "config", _with(gateway.config, account="DUSIM2")))
        one.do("drop_clients")
        one.until(lambda: any("DUSIM2" in notice.text and "DUSIM1" in notice.text for notice in one.notices))
        assert not one.state.socket


def test_1300_ends_the_connection():
    with rig() as one:
        one.do("error", code=1300)
        one.until(lambda: not one.state.socket)
        one.until(lambda: one.state.up)


def test_ten_reconnections_leave_three_streams_and_one_client():
    with rig(reconnect_waits_s=(0.02,)) as one:
        for _ in range(10):
            one.do("drop_clients")
            one.until(lambda: not one.state.socket)
            one.until(lambda: one.state.up)
        one.pump(0.5)
        assert sorted(one.streams().values()) == ["LevelOne", "TickByTick", "TickByTick"]
        assert one.gateway.call(lambda gateway: len(gateway.clients)) == 1


def test_messages_that_waited_for_a_connection_that_ended_are_never_sent():
    with running_gateway() as gateway, connected(gateway, messages_per_s_max=10, messages_reserved=5) as session:
        for _ in range(30):
            session.ib.client.reqCurrentTime()
        heard = []
        session.listen("currentTime", heard.append)
        gateway.call(lambda served: served.scenario.do("drop_clients"))
        for _ in range(200):
            session.pump(0.005)
            if not session.connected:
                break
        heard.clear()
        began = time.monotonic()
        session.run(session.reconnect())
        assert time.monotonic() - began < 2  # the greeting did not queue behind them
        for _ in range(75):
            session.pump(0.02)
        assert heard == []


@contextmanager
def silent_server():
    """Takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        taken = []
        thread = threading.Thread(target=lambda: _take(listening, taken), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in taken:
            connection.close()


def _take(listening, taken):
    while True:
        try:
            taken.append(listening.accept()[0])
        except OSError:
            return
